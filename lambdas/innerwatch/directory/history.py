"""A person's history: facts that are added to and never overwritten, and the one that held at an instant.

A fact says what was true (`valid_from`) and since when that is known (`recorded_at`). It holds until the next one by
`valid_from`; of several that begin at the same instant, the one recorded last corrects the others.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any

from innerwatch.values import Change, Employee, Fact

VALID_FROM = attrgetter("valid_from")
BEGINNING = 0  # valid_from of the first that a feed without effective dates says of a person


def in_order(facts: Iterable[Fact]) -> list[Fact]:
    return sorted(facts, key=lambda fact: (fact.valid_from, fact.recorded_at))


def state(facts: Sequence[Fact], time: int) -> Fact | None:
    """The fact that held at an instant; `facts` are in order. None for somebody of whom nothing is known.

    Before the first, the first serves, but not its status: that was another day's. The dates then decide.
    """
    if not facts:
        return None
    place = bisect_right(facts, time, key=VALID_FROM)
    return facts[place - 1] if place else before_all(facts)


def before_all(facts: Sequence[Fact]) -> Fact:
    """What serves before the first fact."""
    first = facts[bisect_right(facts, facts[0].valid_from, key=VALID_FROM) - 1]  # as last corrected
    return replace(first, employee=replace(first.employee, status=""))


def known_at(facts: Iterable[Fact], recorded_at: int) -> list[Fact]:
    """What had been recorded by an instant."""
    return [fact for fact in facts if fact.recorded_at <= recorded_at]


def with_values(employee: Employee, values: Mapping[str, str]) -> Employee:
    fields: dict[str, Any] = dict(values)
    return replace(employee, **fields)


def overlaid(employee: Employee, change: Change) -> Employee:
    """An employee with what a row states put in the place of what was known."""
    kept = tuple(item for item in employee.identifiers if item.partition(":")[0] not in change.accounts)
    stated = (item for items in change.accounts.values() for item in items)
    identifiers = tuple(sorted({*kept, *stated}))
    return replace(with_values(employee, change.attributes), identifiers=identifiers)


def corrected(
    facts: Sequence[Fact], start: int, end: int | None, new: Mapping[str, str], recorded_at: int
) -> list[Fact]:
    """Facts that give attributes new values from `start` on, before `end`; `facts` are in order.

    They hold on through later facts as far as these left the attribute as it was: whoever gave notice on the 5th is
    still on notice after moving to another team on the 10th.
    """
    before = state(facts, start)
    if before is None:
        return []
    found = [Fact(with_values(before.employee, new), start, recorded_at)]
    still = dict(new)
    for place, fact in enumerate(facts):
        if fact.valid_from <= start or not _is_latest(facts, place):
            continue
        if end is not None and fact.valid_from >= end:
            break
        still = {
            name: value
            for name, value in still.items()
            if getattr(fact.employee, name) == getattr(before.employee, name)
        }
        if not still:
            break
        found.append(Fact(with_values(fact.employee, still), fact.valid_from, recorded_at))
    return [fact for fact in found if fact.employee != employee_at(facts, fact.valid_from)]


def _is_latest(facts: Sequence[Fact], place: int) -> bool:
    return place + 1 == len(facts) or facts[place + 1].valid_from > facts[place].valid_from


def employee_at(facts: Sequence[Fact], time: int) -> Employee | None:
    fact = state(facts, time)
    return fact.employee if fact else None
