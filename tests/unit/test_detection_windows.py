"""Sliding windows, against the definition worked out the slow way, and the table that issue 5 asks for."""

import random
from collections.abc import Callable, Sequence
from itertools import product
from statistics import fmean, median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from innerwatch.detection import windows
from innerwatch.detection.rules import All, AnyOf, CompiledRule, Correlation, FieldTest, Not, Source
from innerwatch.detection.windows import Burst, Match

MINUTE = 60_000
HOUR = 60 * MINUTE
GROUP = "employee.id"


def single(name: str) -> CompiledRule:
    return CompiledRule(name, name, condition=FieldTest("event.action", "equals", name))


def correlation(
    kind: str, rules: Sequence[str], *, value: str = "", timespan: int = HOUR, **options: object
) -> CompiledRule:
    sources = tuple(Source(rule, rule, {rule: (GROUP,)}, {rule: (value,) if value else ()}) for rule in rules)
    return CompiledRule("c", "c", correlation=Correlation(kind, sources, timespan, (GROUP,), **options))  # type: ignore[arg-type] # the options are Correlation's


def match(time: int, rule: str = "a", who: str | None = "ana", identity: str = "", **fields: object) -> Match:
    values = {name: value if isinstance(value, tuple) else (value,) for name, value in fields.items()}
    group = {GROUP: (who,)} if who is not None else {}
    return Match(rule, time, identity or f"{rule}-{time}", "logs", {**group, **values})


def judge(rule: CompiledRule, matches: Sequence[Match], *others: CompiledRule) -> list[Burst]:
    names = {found.rule for found in matches} | {source.rule for source in rule.correlation.sources}  # type: ignore[union-attr] # a correlation
    rules = {rule.id: rule, **{name: single(name) for name in names}, **{other.id: other for other in others}}
    return windows.judge(rule, rules, matches)


# --- the table of issue 5: ten lookups in an hour, spread over 1, 10, 30 and 58 minutes


@pytest.mark.parametrize("minutes", [1, 10, 30, 58])
def test_ten_in_an_hour_at_any_offset_late_and_shuffled(minutes: int) -> None:
    rule = correlation("event_count", ["a"], tests=(("gte", 10.0),))
    rng = random.Random(minutes)
    found = false = 0
    for trial in range(2000):
        start = 1_770_000_000_000 + rng.randrange(24 * HOUR)
        burst = [start, start + minutes * MINUTE, *(start + rng.randrange(minutes * MINUTE) for _ in range(8))]
        planted = [match(time, who="insider", identity=f"i{place}") for place, time in enumerate(burst)]
        # Nine in any hour, at the most: an innocent colleague who works at the very edge.
        quiet = [
            match(start + place * (HOUR // 9 + MINUTE), who="colleague", identity=f"q{place}") for place in range(20)
        ]
        everything = [*planted, *quiet, match(start, who=None, identity=f"n{trial}")]
        rng.shuffle(everything)
        bursts = judge(rule, everything)
        found += any(one.key == ("insider",) and len(one.evidence) == 10 for one in bursts)
        false += sum(one.key != ("insider",) for one in bursts) + max(len(bursts) - 1, 0)
    assert found == 2000  # recall 1.000
    assert false == 0


# --- against the definition


def slow(rule: CompiledRule, matches: Sequence[Match], holds: Callable[[list[Match]], bool]) -> set[frozenset[str]]:
    """The evidence of each burst: every instant's window judged by itself, then those that share an event joined."""
    assert rule.correlation is not None
    bursts: set[frozenset[str]] = set()
    for who in {value for found in matches for value in found.fields.get(GROUP, ())}:
        own = [found for found in matches if who in found.fields.get(GROUP, ())]
        fulfilled: list[set[str]] = []
        for now in sorted({found.time for found in own}):
            window = [found for found in own if now - rule.correlation.timespan <= found.time <= now]
            if holds(window):
                ids = {found.id for found in window}
                for other in [other for other in fulfilled if other & ids]:
                    fulfilled.remove(other)
                    ids |= other
                fulfilled.append(ids)
        bursts |= {frozenset(ids) for ids in fulfilled}
    return bursts


times = st.integers(0, 20)
people = st.sampled_from(["ana", "ben", ("ana", "ben")])
rules_seen = st.lists(st.tuples(times, st.sampled_from("abc"), people, st.integers(-3, 3)), max_size=14)


def built(rows: list[tuple[int, str, object, int]]) -> list[Match]:
    return [
        Match(rule, time, f"e{place}", "logs", {GROUP: who if isinstance(who, tuple) else (str(who),), "v": (value,)})
        for place, (time, rule, who, value) in enumerate(rows)
    ]


def evidence(bursts: Sequence[Burst]) -> set[frozenset[str]]:
    return {frozenset(found.id for found in burst.evidence) for burst in bursts}


COUNTS: dict[str, Callable[[list[Match]], float]] = {
    "event_count": len,
    "value_count": lambda window: len({found.fields["v"] for found in window}),
    "value_sum": lambda window: sum(found.fields["v"][0] for found in window),
    "value_avg": lambda window: fmean(found.fields["v"][0] for found in window),
    "value_median": lambda window: median(found.fields["v"][0] for found in window),
    "temporal": lambda window: len({found.rule for found in window}),
}
OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "gte": lambda value, limit: value >= limit,
    "gt": lambda value, limit: value > limit,
    "lt": lambda value, limit: value < limit,
    "lte": lambda value, limit: value <= limit,
    "eq": lambda value, limit: value == limit,
    "neq": lambda value, limit: value != limit,
}


@pytest.mark.parametrize("kind", COUNTS)
@settings(max_examples=150, deadline=None)
@given(rules_seen, st.sampled_from(sorted(OPERATORS)), st.integers(-1, 4), st.randoms(use_true_random=False))
def test_equals_the_definition(
    kind: str, rows: list[tuple[int, str, object, int]], operator: str, limit: int, rng: random.Random
) -> None:
    matches = built(rows)
    value = "v" if kind.startswith("value") else ""
    rule = correlation(kind, ["a", "b", "c"], value=value, timespan=5, tests=((operator, float(limit)),))
    expected = slow(rule, matches, lambda window: OPERATORS[operator](COUNTS[kind](window), limit))
    rng.shuffle(matches)
    assert evidence(judge(rule, matches)) == expected


EXPRESSIONS = {
    "a and b": All((FieldTest("a", "seen"), FieldTest("b", "seen"))),
    "a and not b": All((FieldTest("a", "seen"), Not(FieldTest("b", "seen")))),
    "(a or b) and c": All((AnyOf((FieldTest("a", "seen"), FieldTest("b", "seen"))), FieldTest("c", "seen"))),
}


@pytest.mark.parametrize("text", EXPRESSIONS)
@settings(max_examples=100, deadline=None)
@given(rules_seen)
def test_extended_conditions_equal_the_definition(text: str, rows: list[tuple[int, str, object, int]]) -> None:
    matches = built(rows)
    rule = correlation("temporal", ["a", "b", "c"], timespan=5, expression=EXPRESSIONS[text])

    def holds(window: list[Match]) -> bool:
        seen = {found.rule for found in window}
        return bool(eval(text, {name: name in seen for name in "abc"}))  # noqa: S307 our own text

    assert evidence(judge(rule, matches)) == slow(rule, matches, holds)


@settings(max_examples=300, deadline=None)
@given(rules_seen)
def test_order_equals_the_definition(rows: list[tuple[int, str, object, int]]) -> None:
    matches = [found for found in built(rows) if found.fields[GROUP] == ("ana",)]
    rule = correlation("temporal_ordered", ["a", "b", "c"], timespan=5)
    by_rule = {name: [found for found in matches if found.rule == name] for name in "abc"}
    ends = {
        c.time
        for a, b, c in product(by_rule["a"], by_rule["b"], by_rule["c"])
        if a.time <= b.time <= c.time and c.time - a.time <= 5
    }
    assert {end for burst in judge(rule, matches) for end in burst.ends} == ends


# --- one by one


def test_events_an_hour_apart_are_within_an_hour_and_a_millisecond_more_are_not() -> None:
    rule = correlation("event_count", ["a"], tests=(("gte", 2.0),))
    assert judge(rule, [match(0), match(HOUR)])
    assert not judge(rule, [match(0), match(HOUR + 1)])


def test_an_event_without_the_group_key_counts_for_none() -> None:
    rule = correlation("event_count", ["a"], tests=(("gte", 2.0),))
    assert not judge(rule, [match(0, who=None), match(1, who=None), match(2)])


def test_an_event_with_several_groups_counts_for_each() -> None:
    rule = correlation("event_count", ["a"], tests=(("gte", 2.0),))
    both = Match("a", 1, "x", "logs", {GROUP: ("ana", "ben")})
    bursts = judge(rule, [match(0), both, match(2, who="ben")])
    assert {burst.key for burst in bursts} == {("ana",), ("ben",)}


def test_groups_do_not_depend_on_case() -> None:
    rule = correlation("event_count", ["a"], tests=(("gte", 2.0),))
    assert judge(rule, [match(0, who="Ana"), match(1, who="ANA")])


def test_one_event_counts_for_every_rule_that_it_matches() -> None:
    both = [match(5, "a", identity="x"), match(5, "b", identity="x")]
    assert judge(correlation("temporal", ["a", "b"], tests=(("gte", 2.0),)), both)
    # … but as one event, and not as two in order.
    assert not judge(correlation("event_count", ["a", "b"], tests=(("gte", 2.0),)), both)
    assert not judge(correlation("temporal_ordered", ["a", "b"]), both)


def test_events_of_one_instant_are_in_any_order() -> None:
    rule = correlation("temporal_ordered", ["a", "b"])
    assert judge(rule, [match(5, "b", identity="1"), match(5, "a", identity="2")])
    assert not judge(rule, [match(5, "b"), match(6, "a")])


def test_a_burst_is_one_alert_and_two_are_two() -> None:
    rule = correlation("event_count", ["a"], tests=(("gte", 3.0),))
    run = [match(place * 10 * MINUTE) for place in range(12)]
    (burst,) = judge(rule, run)
    assert [found.time for found in burst.evidence] == [found.time for found in run]
    assert len(judge(rule, [*run, *(match(24 * HOUR + place) for place in range(3))])) == 2


def test_its_id_depends_on_rule_group_and_first_event_alone() -> None:
    rule = correlation("event_count", ["a"], tests=(("gte", 2.0),))
    run = [match(place) for place in range(5)]
    first, longer = judge(rule, run[:3])[0], judge(rule, list(reversed(run)))[0]
    assert first.id == longer.id
    assert judge(rule, [match(place, who="ben") for place in range(5)])[0].id != first.id


def test_values_are_counted_without_regard_to_case_and_of_a_list_each() -> None:
    rule = correlation("value_count", ["a"], value="v", tests=(("gte", 3.0),))
    assert not judge(rule, [match(0, v="X"), match(1, v="x"), match(2, v="y")])
    assert judge(rule, [match(0, v=("x", "y")), match(1, v="z")])


def test_numbers_written_as_text_are_numbers() -> None:
    rule = correlation("value_sum", ["a"], value="v", tests=(("gte", 7.0),))
    assert judge(rule, [match(0, v="3"), match(1, v=4), match(2, v="none"), match(3)])


def test_percentile_is_linear_between_ranks() -> None:
    assert windows.percentile([1, 2, 3, 4], 50) == 2.5
    assert windows.percentile([1, 2, 3, 4], 100) == 4
    assert windows.percentile([7], 95) == 7


def test_a_range_needs_both_ends() -> None:
    rule = correlation("event_count", ["a"], tests=(("gt", 1.0), ("lte", 2.0)))
    (burst,) = judge(rule, [match(0), match(1), match(2)])
    assert burst.ends == (1,)


# --- chains


def chain(kind: str, rules: Sequence[str], inner: str, **options: object) -> CompiledRule:
    bases = {inner: "a"}
    sources = tuple(
        Source(name, name, {bases.get(name, name): (GROUP,)}, {bases.get(name, name): ()}) for name in rules
    )
    return CompiledRule("outer", "outer", correlation=Correlation(kind, sources, HOUR, (GROUP,), **options))  # type: ignore[arg-type] # the options are Correlation's


def test_many_failures_then_a_success() -> None:
    many = correlation("event_count", ["a"], timespan=10 * MINUTE, tests=(("gte", 3.0),))
    rule = chain("temporal_ordered", ["c", "b"], "c")
    failures = [match(place * MINUTE) for place in range(3)]
    assert judge(rule, [*failures, match(30 * MINUTE, "b")], many)
    assert not judge(rule, [*failures[:2], match(30 * MINUTE, "b")], many)
    assert not judge(rule, [*failures, match(MINUTE, "b")], many)  # before the third
    assert not judge(rule, [*failures, match(30 * MINUTE, "b", who="ben")], many)


def test_bursts_of_an_inner_correlation_are_counted_not_their_windows() -> None:
    many = correlation("event_count", ["a"], timespan=MINUTE, tests=(("gte", 3.0),))
    rule = chain("event_count", ["c"], "c", tests=(("gte", 2.0),))
    one = [match(place) for place in range(8)]
    two = [match(30 * MINUTE + place) for place in range(3)]
    assert not judge(rule, one, many)
    (burst,) = judge(rule, [*one, *two], many)
    assert len(burst.evidence) == 11


# --- only what new events touch


@settings(max_examples=150, deadline=None)
@given(rules_seen, st.integers(0, 13), st.sampled_from(["gte", "lt", "eq"]))
def test_what_new_events_touch_is_judged_from_their_surroundings(
    rows: list[tuple[int, str, object, int]], pick: int, operator: str
) -> None:
    """Events within `reach` of a new one are enough: more change nothing about the windows that hold it."""
    matches = built(rows)
    if not matches:
        return
    new = matches[pick % len(matches)]
    rule = correlation("event_count", ["a", "b", "c"], timespan=5, tests=((operator, 2.0),))
    rules = {"c": rule, **{name: single(name) for name in "ab"}}
    rules = {"corr": rule, **{name: single(name) for name in "abc"}}
    reach = windows.reach(rule, rules)
    near = [found for found in matches if abs(found.time - new.time) <= reach]
    touched = {(new.stream, new.id)}
    assert windows.judge(rule, rules, near, touched) == windows.judge(rule, rules, matches, touched)
