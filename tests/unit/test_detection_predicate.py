"""The condition's judgement, point by point as docs/semantics.md has it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerwatch.detection.predicate import compiled, texts
from innerwatch.detection.rules import All, AnyOf, Condition, FieldTest, Not


def holds(condition: Condition, document: dict[str, Any]) -> bool:
    return compiled(condition)(document)


@pytest.mark.parametrize(
    ("test", "document", "expected"),
    [
        # case, arrays, absence
        (FieldTest("a.b", "equals", "x"), {"a": {"b": "X"}}, True),
        (FieldTest("a.b", "equals", "é"), {"a": {"b": ["y", "É"]}}, True),
        (FieldTest("a.b", "equals", "X", cased=True), {"a": {"b": "x"}}, False),
        (FieldTest("a.b", "equals", "x"), {"a": {}}, False),
        (FieldTest("a.b", "equals", "x"), {"a": [{"b": "z"}, {"b": "x"}]}, True),
        (FieldTest("a.b.c", "equals", "x"), {"a": {"b.c": "x"}}, True),
        (FieldTest("a.b", "equals", ""), {"a": {"b": ""}}, True),
        (FieldTest("a.b", "equals", ""), {"a": {"b": None}}, False),
        # text
        (FieldTest("a", "like", "x.*y"), {"a": "X\n\nY"}, True),
        (FieldTest("a", "startswith", "1"), {"a": 12}, True),
        (FieldTest("a", "contains", "k"), {"a": {"k": {"z": 1}}}, True),
        (FieldTest("a", "equals", "x"), {"a": {"k": "x"}}, False),
        (FieldTest("a", "contains", "null"), {"a": {"k": None}}, False),
        (FieldTest("a", "re", "b"), {"a": "abc"}, True),
        (FieldTest("a", "re", "B"), {"a": "abc"}, False),
        (FieldTest("a", "re", "^B", flags="im"), {"a": "x\nbc"}, True),
        # numbers and truth values
        (FieldTest("a", "number", 5), {"a": "5"}, True),
        (FieldTest("a", "number", 5), {"a": 5.0}, True),
        (FieldTest("a", "number", 1), {"a": True}, False),
        (FieldTest("a", "equals", "5"), {"a": 5}, True),
        (FieldTest("a", "boolean", True), {"a": "True"}, True),
        (FieldTest("a", "gte", 5), {"a": [1, "7"]}, True),
        (FieldTest("a", "lt", 5), {"a": "abc"}, False),
        (FieldTest("a", "lt", 5), {"a": True}, False),
        # addresses
        (FieldTest("a", "cidr", "10.0.0.0/8"), {"a": "::ffff:10.1.2.3"}, True),
        (FieldTest("a", "cidr", "2001:db8::/32"), {"a": "2001:DB8::1"}, True),
        (FieldTest("a", "cidr", "10.0.0.0/8"), {"a": "ec2.amazonaws.com"}, False),
        # presence
        (FieldTest("a.b", "exists", True), {"a": {"b": None}}, True),
        (FieldTest("a.b", "exists", False), {"a": {"c": 1}}, True),
        (FieldTest("a.b", "null"), {"a": {"b": [None, []]}}, True),
        (FieldTest("a.b", "null"), {"a": {"b": False}}, False),
        (FieldTest("a.b", "null"), {"a": {"b": {"c": 0}}}, False),
        # other fields
        (FieldTest("a", "fieldref", "b"), {"a": ["x", "Y"], "b": "y"}, True),
        (FieldTest("a", "fieldref", "b"), {"a": "x"}, False),
        (FieldTest("a", "fieldref", "b", flags="endswith"), {"a": "xy", "b": "Y"}, True),
        # parts of a time
        (FieldTest("t", "gte", 20, part="hour"), {"t": "2026-01-01T20:15:00+02:00"}, True),
        (FieldTest("t", "number", 53, part="week"), {"t": "2026-12-31T00:00:00Z"}, True),
        (FieldTest("t", "number", 2026, part="year"), {"t": "no time"}, False),
        # keywords
        (FieldTest("", "contains", "evil"), {"a": {"b": [{"c": "an EVIL thing"}]}}, True),
        (FieldTest("", "contains", "7"), {"a": {"b": 17}}, True),
    ],
)
def test_each_point(test: FieldTest, document: dict[str, Any], expected: bool) -> None:
    assert holds(test, document) is expected
    assert holds(Not(test), document) is not expected
    assert holds(All((test, Not(FieldTest("nothing", "equals", "x")))), document) is expected
    assert holds(AnyOf((FieldTest("nothing", "exists", True), test)), document) is expected


scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text())
values = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)), max_leaves=8
)
OPS = ["equals", "contains", "like", "re", "number", "boolean", "gt", "cidr", "exists", "null", "fieldref"]


@given(st.dictionaries(st.sampled_from(["a", "b", "a.b"]), values), st.sampled_from(OPS), st.booleans())
def test_no_document_breaks_it(document: dict[str, Any], op: Any, time: bool) -> None:
    value: Any = {"cidr": "10.0.0.0/8", "fieldref": "b", "boolean": True, "exists": True}.get(op, "5")
    test = FieldTest("a.b", op, value, part="hour" if time and op in ("number", "gt") else "")
    assert holds(test, document) in (True, False)
    assert all(not isinstance(text, dict | list) for text in texts(document))
