"""Events of a case that stand for many."""

from typing import Any

import pytest

from innerwatch_cli.authoring import cases, repeating


def test_each_day_person_and_number() -> None:
    event = {"id": "{person}-{day}-{n}", "tags": ["{n}", {"at": "{day}T10:{n}:00Z"}], "size": 3}
    repeat = {"days": ["2026-03-06", "2026-03-09"], "times": 2, "people": ["ana", "ben"]}
    found = list(repeating.expanded({"repeat": repeat, "event": event}))
    assert [record["id"] for record in found] == [
        *("ana-2026-03-06-00", "ana-2026-03-06-01", "ben-2026-03-06-00", "ben-2026-03-06-01"),
        *("ana-2026-03-09-00", "ana-2026-03-09-01", "ben-2026-03-09-00", "ben-2026-03-09-01"),
    ]  # the 7th and the 8th are a weekend
    assert found[1]["tags"] == ["01", {"at": "2026-03-06T10:01:00Z"}]
    assert found[1]["size"] == 3


def test_other_events_stand_for_themselves() -> None:
    for event in ({"repeat": 1, "event": {}, "more": 2}, "a line of text", {"id": "{n}"}):
        assert list(repeating.expanded(event)) == [event]


@pytest.mark.parametrize(
    ("repeat", "what"),
    [
        ({}, "days"),
        ({"days": []}, "days"),
        ({"days": ["2026-03-09", "2026-03-06"]}, "days"),
        ({"days": ["2026-02-30"]}, "days"),
        ({"days": 3}, "days"),
        ({"days": ["2026-03-07", "2026-03-08"]}, "Monday"),
        ({"days": ["2026-03-06"], "times": 0}, "times"),
        ({"days": ["2026-03-06"], "times": True}, "times"),
        ({"days": ["2026-03-06"], "people": []}, "people"),
        ({"days": ["2026-03-06"], "people": [3]}, "people"),
        ({"days": ["2026-03-06"], "each": 3}, "another key"),
        ({"days": ["2026-03-06"], "times": 20_001}, "more than"),
        ([], "another key"),
    ],
)
def test_what_is_wrong_is_said(repeat: Any, what: str) -> None:
    assert what in repeating.problem({"repeat": repeat, "event": {"id": "x"}})


def test_a_case_says_where_it_is_wrong(tmp_path: Any) -> None:
    rule = tmp_path / "rule.yml"
    cases.path_for(rule).write_text(
        '{"cases": [\n {"name": "a", "match": true, "events": [\n  {"repeat": {"days": []}, "event": {}}\n ]}\n]}'
    )
    found = [problem for problem in cases.problems(rule) if "days" in problem.what]
    assert [problem.line for problem in found] == [3]
