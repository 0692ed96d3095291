"""Many rules at once judge as each does for itself."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerwatch.detection.predicate import compiled
from innerwatch.detection.rules import All, AnyOf, CompiledRule, Condition, FieldTest, Not
from innerwatch.detection.ruleset import ACTION, RuleSet, needs

WORDS = st.sampled_from(["view", "export", "VIEW", "Export", "e", ""])
TESTS = st.builds(
    FieldTest,
    field=st.sampled_from([ACTION, "user.name", ""]),
    op=st.sampled_from(["equals", "startswith", "contains", "exists", "null"]),
    value=WORDS.map(str.lower),
    cased=st.booleans(),
)
CONDITIONS: st.SearchStrategy[Condition] = st.recursive(
    TESTS,
    lambda inner: st.one_of(
        st.builds(All, st.tuples(inner, inner)), st.builds(AnyOf, st.tuples(inner, inner)), st.builds(Not, inner)
    ),
    max_leaves=6,
)
VALUES = st.one_of(st.none(), WORDS, st.lists(WORDS, max_size=3))
DOCUMENTS = st.builds(lambda action, user: {"event": {"action": action}, "user": {"name": user}}, VALUES, VALUES)


def rule(number: int, condition: Condition, dataset: str = "app.access") -> CompiledRule:
    return CompiledRule(id=str(number), title=str(number), dataset=dataset, condition=condition)


@given(st.lists(CONDITIONS, min_size=1, max_size=5), st.lists(DOCUMENTS, min_size=1, max_size=3))
def test_each_rule_matches_what_it_matches_alone(conditions: list[Condition], documents: list[dict[str, Any]]) -> None:
    rules = RuleSet(rule(number, condition) for number, condition in enumerate(conditions))
    for document in documents:
        alone = {str(number) for number, condition in enumerate(conditions) if compiled(condition)(document)}
        together = list(rules.matching("app.access", "", document))
        assert sorted(together) == sorted(alone)


def test_a_rule_is_asked_about_its_own_log_source_alone() -> None:
    rules = RuleSet([rule(1, FieldTest(ACTION, "equals", "view")), rule(2, Not(FieldTest(ACTION, "equals", "x")), "b")])
    document = {"event": {"action": "View"}}
    assert list(rules.matching("app.access", "", document)) == ["1"]
    assert list(rules.matching("b", "", document)) == ["2"]


def test_a_rule_that_takes_too_long_is_asked_no_more_and_the_others_go_on() -> None:
    slow, quick = FieldTest("a", "re", "^(a+)+$"), FieldTest("a", "startswith", "a")
    rules = RuleSet([rule(1, slow), rule(2, quick)])
    assert list(rules.matching("app.access", "e-1", {"a": "a" * 60 + "!"})) == ["2"]
    assert "in event e-1" in str(rules.too_slow["1"])
    assert list(rules.matching("app.access", "e-2", {"a": "aa"})) == ["2"]


VIEW, EXPORT, OTHER = (FieldTest(ACTION, "equals", name) for name in ("view", "export", "other"))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (VIEW, {"view"}),
        (AnyOf((VIEW, EXPORT)), {"view", "export"}),
        (AnyOf((VIEW, FieldTest("a", "equals", "x"))), None),
        (All((FieldTest("a", "equals", "x"), AnyOf((VIEW, EXPORT)))), {"view", "export"}),
        (All((AnyOf((VIEW, EXPORT)), OTHER)), {"other"}),
        (Not(VIEW), None),
        (FieldTest(ACTION, "equals", "View", cased=True), None),
        (FieldTest(ACTION, "equals", "5", part="hour"), None),
    ],
)
def test_the_actions_that_a_condition_needs(condition: Condition, expected: set[str] | None) -> None:
    assert needs(condition, ACTION) == expected
