"""The answers: what the insiders did, event by event, and who only looked like them."""

from collections import defaultdict
from datetime import date, timedelta
from typing import Any

from innerwatch import instants
from innerwatch_cli.simulate.insiders.scheme import Scheme
from innerwatch_cli.simulate.look_alikes import STORIES
from innerwatch_cli.simulate.records import Record
from innerwatch_cli.simulate.worktime import instant
from innerwatch_cli.simulate.world import World

# Parts that are not one act but all that a person does from a day on.
CHANGES = ("leaver_innocent", "role_change", "promotion", "team_move", "contractor_left")


class Truth:
    def __init__(self, world: World, schemes: list[Scheme]) -> None:
        self.world, self.schemes = world, schemes
        self._acts: list[list[tuple[int, str]]] = [[] for _ in schemes]
        self._customers: list[set[str]] = [set() for _ in schemes]
        self._alike: dict[str, list[str]] = defaultdict(list)
        self._people: dict[str, set[str]] = defaultdict(set)
        self._since = dict(self._changes())
        for kind, people in world.cast.parts.items():
            self._people[kind] |= {person.id for person in people}

    def act(self, scheme: int, record: Record) -> None:
        self._acts[scheme].append((record.time, record.id))
        self._customers[scheme].update(record.customers)

    def ordinary(self, record: Record) -> None:
        """Notes what would be mistaken for an insider's; what insiders do in their ordinary work is not."""
        if record.employee_id in self.world.cast.guilty:
            return
        kind = record.alike
        if not kind and record.employee_id in self._since:
            changed, since = self._since[record.employee_id]
            kind = changed if record.time >= since else ""
        if kind:
            self._alike[kind].append(record.id)
            if record.employee_id:
                self._people[kind].add(record.employee_id)

    def as_json(self) -> dict[str, Any]:
        period = self.world.period
        return {
            "seed": self.world.streams.seed,
            "people": len(self.world.company.people),
            "days": period.days,
            "start": period.start.isoformat(),
            "insiders": [
                self._insider(scheme, sorted(acts), customers)
                for scheme, acts, customers in zip(self.schemes, self._acts, self._customers, strict=True)
            ],
            "look_alikes": [
                {
                    "kind": kind,
                    "employee_ids": sorted(self._people[kind]),
                    "story": story,
                    "event_ids": self._alike[kind],
                }
                for kind, story in STORIES.items()
                if self._people[kind] or self._alike[kind]
            ],
        }

    @staticmethod
    def _insider(scheme: Scheme, acts: list[tuple[int, str]], customers: set[str]) -> dict[str, Any]:
        return {
            "kind": scheme.kind,
            "employee_ids": [person.id for person in scheme.people],
            "story": scheme.story,
            "first_act": instants.iso(acts[0][0]),
            "last_act": instants.iso(acts[-1][0]),
            "event_ids": [identity for _, identity in acts],
            "customer_ids": sorted(customers),
        }

    def _changes(self) -> list[tuple[str, tuple[str, int]]]:
        """Employee id → the kind of change, and the instant from which on it holds."""
        found = []
        for kind in CHANGES:
            for person in self.world.cast.parts.get(kind, ()):
                job = person.jobs[-1]
                day: date = job.notice_at or job.since
                if kind == "contractor_left" and job.last_day:
                    day = job.last_day - timedelta(days=7)  # a last week like any other
                found.append((person.id, (kind, instant(day, 0, person.site.zone))))
        return found
