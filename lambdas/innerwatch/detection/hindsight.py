"""What is known of a leaver only once notice was given, as of events before: for the look-back at a resignation."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from innerwatch.directory import employment
from innerwatch.values import Fact

Hindsight = Callable[[int], Mapping[str, Any]]
"""Time of an event → the fields of `employee.*` that are known otherwise now."""


def leaving(fact: Fact) -> Hindsight:
    """Of somebody who gave notice: who was active then counts as on notice. Nothing where no last day is known."""
    employee = fact.employee
    if not employee.last_day:
        return lambda _time: {}
    last = date.fromisoformat(employee.last_day).toordinal() - employment.EPOCH_DAY
    unknown = ("active",) if employee.notice_at else ("active", "notice")

    def known(time: int) -> Mapping[str, Any]:
        exit_in = last - employment.local(employee, time) // employment.DAY
        status = employment.status_at(employee, time)
        # A last day alone makes a notice of the weeks before it, which was not known when the events were stamped.
        if status not in unknown or exit_in < 0:
            return {}
        told = {"status": "notice", "last_day": employee.last_day, "days_to_exit": exit_in}
        return {**told, "notice_at": employee.notice_at} if employee.notice_at else told

    return known


def said(known: Mapping[str, Any]) -> str:
    """What `known` rests on, in words, for an alert that there is only because of it."""
    return f"notice given on {known['notice_at']}" if "notice_at" in known else f"last day is {known['last_day']}"
