"""The predicate against an independent engine, pySigma's SQLite backend: rules and events made by hypothesis.

Where the two disagree, the case stands in `DISAGREEMENTS` with the clause of the Sigma specification that makes us
right, or with the words that leave it open; the generated events keep clear of those cases.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from innerwatch.detection.predicate import compiled
from innerwatch_cli.sigma import loading
from innerwatch_cli.sigma.compiling import Compilation, Compiler
from tests import oracle

ASCII = "aAbBzZ \\*?%_'\"<>/:()[]{}^$.|+-~!&=,059"
words = st.text(ASCII, max_size=6)
events = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "f": words,
            "g": words,
            "n": st.one_of(st.integers(-6, 6), st.sampled_from([0.5, -2.5])),
            "when": st.sampled_from(["2026-01-01T20:15:00Z", "2026-12-31T03:00:00Z", "2025-06-30T23:59:59Z"]),
        },
    ),
    min_size=1,
    max_size=12,
)
patterns = st.text(ASCII + "**??\\", max_size=6)
lists = st.one_of(patterns, st.lists(patterns, min_size=1, max_size=3))
texts = st.sampled_from(["f", "g"])
items = st.one_of(
    st.tuples(texts, lists),
    *(
        st.tuples(texts.map(lambda name, modifier=modifier: f"{name}|{modifier}"), lists)  # type: ignore[misc] # mypy cannot infer a lambda with a default
        for modifier in (
            "contains",
            "startswith",
            "endswith",
            "cased",
            "contains|cased",
            "neq",
            "windash",
            "contains|windash",
        )
    ),
    st.tuples(texts.map(lambda name: f"{name}|contains|all"), st.lists(patterns, min_size=2, max_size=2)),
    st.tuples(texts.map(lambda name: f"{name}|base64offset|contains"), st.sampled_from(["abc", "ab"])),
    st.tuples(texts.map(lambda name: f"{name}|re"), st.sampled_from(["a", "^a$", "A.b", "a|b", "[aB]+", "^$", r"\d"])),
    st.tuples(texts.map(lambda name: f"{name}|re|i"), st.sampled_from(["a", "^A$", "B"])),
    st.tuples(texts.map(lambda name: f"{name}|exists"), st.booleans()),
    st.tuples(texts, st.none()),
    st.tuples(st.sampled_from(["f|fieldref", "f|fieldref|contains", "f|fieldref|startswith"]), st.just("g")),
    st.tuples(st.just("n"), st.one_of(st.integers(-6, 6), st.just(0.5))),
    st.tuples(st.sampled_from(["n|gt", "n|gte", "n|lt", "n|lte", "n|neq"]), st.integers(-6, 6)),
    st.tuples(st.sampled_from(["when|hour", "when|year", "when|day", "when|month", "when|minute"]), st.integers(0, 31)),
    st.tuples(st.sampled_from(["when|hour|gte", "when|month|lt"]), st.sampled_from([3, 12, 20])),
)
selections = st.one_of(
    st.lists(items, min_size=1, max_size=2).map(dict),
    st.lists(st.lists(items, min_size=1, max_size=2).map(dict), min_size=1, max_size=2),
)
conditions = st.sampled_from(
    ["a", "not a", "a and b", "a or b", "a and not b", "a or not b", "not (a or not b)", "1 of them", "all of them"]
)


def rule_text(detection: dict[str, Any]) -> str:
    return yaml.safe_dump({"title": "t", "logsource": {"category": "test"}, "detection": detection}, allow_unicode=True)


def ours(text: str, rows: list[dict[str, Any]]) -> set[int] | str:
    """Which rows match, or why the rule is refused."""
    result = Compilation()
    documents = [item for item in loading.parse(text, Path("rule.yml")) if isinstance(item, loading.Document)]
    Compiler({}).run(documents, result)
    if result.errors:
        return str(result.errors[0])
    condition = result.rules[0].condition
    assert condition is not None
    judge = compiled(condition)
    return {place for place, row in enumerate(rows) if judge(row)}


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(events, selections, selections, conditions)
def test_agrees_with_an_independent_engine(rows: list[dict[str, Any]], a: Any, b: Any, condition: str) -> None:
    text = rule_text({"a": a, "b": b, "condition": condition})
    found = ours(text, rows)
    if not isinstance(found, str):
        assert found == oracle.matches(text, rows)


RULES = "Sigma Rules Specification, Detection: General"
MODIFIERS = "Modifiers Appendix"
# detection, event, whether we match it, and why we differ from the other engine
DISAGREEMENTS: list[tuple[Any, dict[str, Any], bool, str]] = [
    ({"f": "5"}, {"f": 5}, True, f"{RULES}: all values are treated as case-insensitive strings; SQLite: 5 is not '5'"),
    ({"f": 5}, {"f": "5"}, True, f"{RULES}: the same the other way round"),
    ({"f|fieldref": "g"}, {"f": "5", "g": 5}, True, f"{RULES}: the same between two fields"),
    ({"f": True}, {"f": "TRUE"}, True, f"{RULES}: the same for truth values"),
    ({"f": True}, {"f": 1}, False, f"{RULES}: as strings, true is not 1; the other engine stores truth values as 1"),
    ({"f": "É"}, {"f": "é"}, True, f"{RULES}: case-insensitive in every script; SQLite folds ASCII only"),
    ({"f|contains": "É"}, {"f": "xé"}, True, f"{RULES}: the same for a piece of text"),
    (
        {"f|gt": 5},
        {"f": "abc"},
        False,
        f"{MODIFIERS}, Numeric Modifiers: for numeric values; SQLite: text is above numbers",
    ),
    ({"f|lt": 5}, {"f": "1"}, True, f"{MODIFIERS}, Numeric Modifiers, and {RULES}: text that is a number is one"),
    (
        {"f|exists": True},
        {"f": None},
        True,
        f"{MODIFIERS}, exists: presence, not value, be it empty or null; SQL has no such null",
    ),
    (
        {"when|week": 1},
        {"when": "2026-01-01T20:15:00Z"},
        True,
        f"{MODIFIERS}, week: from 1; SQLite's %W begins at 0, ISO 8601 at 1",
    ),
    (
        {"when|hour": 20},
        {"when": "2026-01-01T20:15:00+02:00"},
        True,
        f"{MODIFIERS}, Time Modifiers: no time zone conversion; SQLite converts to UTC",
    ),
    (
        {"when|hour": 20},
        {"when": 1767298500000},
        True,
        "specification silent: a number is milliseconds since 1970, as in Elasticsearch",
    ),
    (
        {"f|cidr": "10.0.0.0/8"},
        {"f": "10.999.1.1"},
        False,
        f"{MODIFIERS}, cidr: for IP values; the other engine compares text",
    ),
]


@pytest.mark.parametrize(("detection", "event", "matched", "why"), DISAGREEMENTS)
def test_where_we_differ(detection: Any, event: dict[str, Any], matched: bool, why: str) -> None:
    text = rule_text({"a": detection, "condition": "a"})
    assert ours(text, [event]) == ({0} if matched else set()), why
    assert oracle.matches(text, [event]) == (set() if matched else {0}), "the engines agree now: move the case above"
