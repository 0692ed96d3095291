"""Correlations against an independent engine, pySigma's SQLite backend: which windows of which group are fulfilled.

Where the two differ by choice: it takes events of one instant for unordered in `temporal_ordered`, and waits for the
end of the window after an event before it says that another did not happen. docs/semantics.md has our reasons.
"""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from innerwatch.detection import windows
from innerwatch.detection.predicate import compiled, values
from innerwatch.detection.windows import Match
from innerwatch_cli.sigma import loading
from innerwatch_cli.sigma.compiling import Compilation, Compiler
from tests import oracle

FIELDS = ("f", "who", "host", "v")
BASE = """---
title: {name}
name: {name}
id: 0e95725d-7320-415d-80f7-00000000000{name}
logsource: {{category: test}}
detection: {{s: {{f|contains: {name}}}, condition: s}}
"""
TEXT = """title: C
id: 0e95725d-7320-415d-80f7-0000000000cc
correlation:
  type: {kind}
  rules: [a, b, c]
  group-by: [{groups}]
  timespan: 5s
  condition: {{{condition}}}
"""

rows = st.lists(
    st.fixed_dictionaries(
        {"timestamp": st.integers(0, 20), "f": st.sampled_from(["a", "b", "c", "ab", "x"])},
        optional={
            "who": st.sampled_from(["ana", "Ana", "ben"]),
            "host": st.sampled_from(["h1", "h2"]),
            "v": st.integers(-3, 3),
        },
    ),
    max_size=14,
)


def ours(text: str, events: list[dict[str, Any]]) -> set[tuple[tuple[str, ...], float]]:
    result = Compilation()
    documents = [item for item in loading.parse(text, Path("rule.yml")) if isinstance(item, loading.Document)]
    Compiler({}).run(documents, result)
    assert not result.errors, result.errors[0]
    rules = {rule.id: rule for rule in result.rules}
    (correlation,) = [rule for rule in result.rules if rule.correlation]
    matches = []
    for rule in result.rules:
        if rule.condition is not None:
            judge = compiled(rule.condition)
            for place, event in enumerate(events):
                if judge(event):
                    fields = {name: tuple(values(event, name)) for name in FIELDS}
                    matches.append(Match(rule.id, event["timestamp"] * 1000, str(place), "logs", fields))
    bursts = windows.judge(correlation, rules, matches)
    return {(burst.key, end / 1000) for burst in bursts for end in burst.ends}


KINDS = ["event_count", "value_count", "value_sum", "value_avg", "value_median", "value_percentile", "temporal"]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    rows,
    st.sampled_from(["gte", "gt", "lte", "lt", "eq", "neq"]),
    st.integers(-1, 4),
    st.sampled_from(["who", "who, host"]),
)
def test_the_same_windows(kind: str, events: list[dict[str, Any]], operator: str, limit: int, groups: str) -> None:
    condition = f"{operator}: {limit}"
    if kind.startswith("value"):
        condition += ", field: v"
    if kind == "value_percentile":
        condition += ", percentile: 90"
    text = TEXT.format(kind=kind, groups=groups, condition=condition) + "".join(
        BASE.format(name=name) for name in "abc"
    )
    assert ours(text, events) == oracle.windows(text, events, FIELDS)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows.map(lambda found: [{**row, "timestamp": place} for place, row in enumerate(found)]))
def test_the_same_order(events: list[dict[str, Any]]) -> None:
    single = [{**event, "f": event["f"][:1]} for event in events]  # each event for one rule, each at its own instant
    text = TEXT.format(kind="temporal_ordered", groups="who", condition="gte: 3") + "".join(
        BASE.format(name=name) for name in "abc"
    )
    found, theirs = ours(text, single), oracle.windows(text, single, FIELDS)
    assert found <= theirs  # we name the windows that the last step completes, it all that hold the steps
    assert {key for key, _ in found} == {key for key, _ in theirs}
