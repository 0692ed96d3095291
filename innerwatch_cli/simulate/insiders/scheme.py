"""What all insiders have in common: a pace, days to act on, evenings at home."""

from collections.abc import Iterator
from datetime import date
from random import Random
from typing import NamedTuple, Protocol

from innerwatch_cli.simulate.attendance import Workday
from innerwatch_cli.simulate.company import Person
from innerwatch_cli.simulate.records import Record
from innerwatch_cli.simulate.world import World


class Pace(NamedTuple):
    name: str
    days: tuple[int, int]
    a_day: tuple[int, int]


class Scheme(Protocol):
    kind: str
    people: tuple[Person, ...]
    story: str

    def acts(self, world: World, today: date) -> Iterator[Record]:
        """The malicious acts of a day, and what they begin with, marked SIGN_IN."""
        ...


def chosen(rng: Random, days: list[date], pace: Pace) -> list[date]:
    """Some of the days, spread for the patient, in a row for the bold."""
    count = min(len(days), rng.randint(*pace.days))
    if pace.name == "bold":
        first = rng.randrange(len(days) - count + 1)
        return days[first : first + count]
    return sorted(rng.sample(days, count))


def workdays(world: World, person: Person) -> list[date]:
    return world.attendance.workdays(person, world.period.watched)


def case_in_hand(world: World, work: Workday, rng: Random) -> str:
    """A case of one's own that is open, about some other customer; none if there is none."""
    mine = [case for case in world.desk.open[work.person.id] if case.held[-1][2] < work.start]
    return rng.choice(mine).id if mine else ""
