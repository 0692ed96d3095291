"""The case system: cases open and closed, who has them and had them. It never forgets, but hands over what is done."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

from innerwatch_cli.simulate.company import Person
from innerwatch_cli.simulate.worktime import DAY

KEPT = 10 * DAY  # how long a closed case may still be asked for


@dataclass(slots=True, eq=False)
class Case:
    id: str
    customer: str
    topic: str
    owner: Person
    spans: list[tuple[int, int]]  # opened and closed, 0 while open; one for each time it was reopened
    held: list[tuple[str, str, int, int]] = field(default_factory=list)  # employee, team, from, to (0: still)
    due: date | None = None  # when it is taken up again
    reopens: date | None = None  # when the customer writes again, once it is closed

    @property
    def closed_at(self) -> int:
        return self.spans[-1][1]


class Desk:
    def __init__(self) -> None:
        self.opened = 0
        self.open: dict[str, list[Case]] = defaultdict(list)  # by owner
        self.closed: dict[str, list[Case]] = defaultdict(list)  # by last owner, for as long as KEPT

    def start(self, customer: str, topic: str, owner: Person, team: str, opened: int, taken: int) -> Case:
        """A new case, opened when the customer wrote or rang, and taken by its owner."""
        self.opened += 1
        case = Case(f"CASE-{20000 + self.opened}", customer, topic, owner, [(opened, 0)])
        case.held.append((owner.id, team, taken, 0))
        self.open[owner.id].append(case)
        return case

    def close(self, case: Case, at: int) -> None:
        case.spans[-1] = (case.spans[-1][0], at)
        self._let_go(case, at)
        self.open[case.owner.id].remove(case)
        self.closed[case.owner.id].append(case)

    def reopen(self, case: Case, opened: int, taken: int, team: str) -> None:
        case.spans.append((opened, 0))
        case.held.append((case.owner.id, team, taken, 0))
        case.reopens = None
        self.closed[case.owner.id].remove(case)
        self.open[case.owner.id].append(case)

    def hand_over(self, case: Case, to: Person, team: str, at: int) -> None:
        self._let_go(case, at)
        self.open[case.owner.id].remove(case)
        case.owner = to
        case.held.append((to.id, team, at, 0))
        self.open[to.id].append(case)

    @staticmethod
    def _let_go(case: Case, at: int) -> None:
        employee, team, start, _ = case.held[-1]
        case.held[-1] = (employee, team, start, at)

    def done(self, now: int) -> Iterator[Case]:
        """Cases closed so long ago that nobody asks for them any more; they are forgotten."""
        for owner, cases in self.closed.items():
            old = [case for case in cases if case.closed_at < now - KEPT]
            if old:
                yield from old
                self.closed[owner] = [case for case in cases if case not in old]

    def rest(self) -> Iterator[Case]:
        for cases in (*self.closed.values(), *self.open.values()):
            yield from cases
