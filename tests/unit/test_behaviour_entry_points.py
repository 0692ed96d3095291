"""The days that a user or a schedule names, and what a leaver's look-back knows."""

from typing import Any

import pytest

import measure_behaviour
from innerwatch import instants
from innerwatch.behaviour.collect import day_number
from innerwatch.detection.hindsight import leaving
from innerwatch.errors import UserError
from innerwatch.values import Employee, Fact
from innerwatch_cli.commands import measure

MARCH_1, MARCH_3 = day_number("2026-03-01"), day_number("2026-03-03")


def test_days_of_an_event_and_of_the_command() -> None:
    assert measure_behaviour.days({"from": "2026-03-01", "to": "2026-03-03"}) == [MARCH_1, MARCH_1 + 1, MARCH_3]
    assert measure_behaviour.days({"from": "2026-03-01"}) == [MARCH_1]
    assert measure_behaviour.days({"time": "of a schedule"}) is None
    assert measure.days("2026-03-01", "2026-03-03") == [MARCH_1, MARCH_1 + 1, MARCH_3]
    assert measure.days("", "") is None


@pytest.mark.parametrize(
    "event", [{"from": "March"}, {"from": "2026-03-03", "to": "2026-03-01"}, {"from": 3}, {"from": "2026-02-30"}]
)
def test_wrong_days_are_refused(event: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        measure_behaviour.days(event)
    with pytest.raises(UserError):
        measure.days(str(event["from"]), event.get("to", ""))


def test_the_end_alone_is_refused() -> None:
    with pytest.raises(UserError, match="without --from"):
        measure.days("", "2026-03-01")


def test_hindsight_knows_the_notice_before_it_was_given() -> None:
    person = Employee("E1", hired_at="2020-01-01", notice_at="2026-03-19", last_day="2026-04-15")
    known = leaving(Fact(person, 0, 0))
    before = known(instants.from_rfc3339("2026-03-10T12:00:00Z"))
    assert before == {"status": "notice", "notice_at": "2026-03-19", "last_day": "2026-04-15", "days_to_exit": 36}
    assert known(instants.from_rfc3339("2026-03-20T12:00:00Z")) == {}  # stamped so already
    assert known(instants.from_rfc3339("2026-04-20T12:00:00Z")) == {}
    assert known(instants.from_rfc3339("2019-01-01T12:00:00Z")) == {}
    assert leaving(Fact(Employee("E1"), 0, 0))(0) == {}
    only_last = leaving(Fact(Employee("E1", hired_at="2020-01-01", last_day="2026-04-15"), 0, 0))
    assert only_last(instants.from_rfc3339("2026-04-10T12:00:00Z"))["days_to_exit"] == 5  # it was stamped as active
