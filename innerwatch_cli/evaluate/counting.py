"""Plain counts of what a person did on a day: all that the naive baselines know."""

from collections import defaultdict
from typing import Self

from innerwatch.values import Event, dig

DAY = 86_400_000
SHOWN = frozenset({"view", "read", "print", "search", "list", "query"})
TAKEN = frozenset({"export", "download", "send", "copy"})
MEASURES = ("events", "customers", "customers_without_case", "records_taken", "sent", "objects", "denied", "off_shift")
Counts = dict[str, int]


class Counting:
    """Person-days in UTC: `days[day][person]` are the counts, `roles[person, day]` the role as of then."""

    def __init__(self) -> None:
        self.days: dict[int, dict[str, Counts]] = defaultdict(dict)
        self.roles: dict[tuple[str, int], str] = {}
        self._customers: dict[tuple[str, int], set[str]] = defaultdict(set)
        self._caseless: dict[tuple[str, int], set[str]] = defaultdict(set)

    def add(self, event: Event) -> None:
        document = event.document
        employee = document["employee"]
        person = employee.get("id")
        if person is None:
            return
        day = event.time // DAY
        counts = self.days[day].get(person)
        if counts is None:
            counts = self.days[day][person] = dict.fromkeys(MEASURES, 0)
            self.roles[person, day] = employee.get("role", "")
        counts["events"] += 1
        counts["off_shift"] += employee.get("on_shift") is False
        action = document["event"].get("action")
        if action == "GetObject":
            counts["objects"] += 1
        counts["denied"] += document["event"].get("outcome") == "failure"
        access = document.get("access")
        if access is None:
            return
        if action in TAKEN:
            counts["sent" if action == "send" else "records_taken"] += int(access.get("records") or 1)
        customers = dig(access, "customer.id") or ()
        self._customers[person, day].update(customers)
        if not dig(access, "case.id"):
            self._caseless[person, day].update(customers)

    def finished(self) -> Self:
        """With distinct customers, known once all events are there."""
        for found, name in ((self._customers, "customers"), (self._caseless, "customers_without_case")):
            for (person, day), customers in found.items():
                self.days[day][person][name] = len(customers)
            found.clear()
        return self
