"""How the actors of a run's events were recognised, counted for the user."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from innerwatch import elastic
from innerwatch.identity import METHODS
from innerwatch.values import SetAside


class Actors:
    """Counts of `employee.resolution.method`, split by whether it led to a person of the HR feed."""

    def __init__(self) -> None:
        self.persons: Counter[str] = Counter()
        self.others: Counter[str] = Counter()

    def add(self, document: dict[str, Any]) -> None:
        employee = document["employee"]
        found = self.persons if "id" in employee else self.others
        found[employee["resolution"]["method"]] += 1

    def seen(self, items: Iterable[elastic.Item | SetAside]) -> Iterator[elastic.Item | SetAside]:
        """The same items, counted as they pass."""
        for item in items:
            if not isinstance(item, SetAside):
                self.add(item.document)
            yield item

    @property
    def events(self) -> int:
        return self.persons.total() + self.others.total()

    def __str__(self) -> str:
        no_person = self.others["none"]
        unresolved = +Counter({method: count for method, count in self.others.items() if method != "none"})
        parts = [
            f"resolved to a person: {self.persons.total()}{_by_method(self.persons)}",
            f"to nobody known: {unresolved.total()}{_by_method(unresolved)}",
            f"no person: {no_person}",
        ]
        return "; ".join(parts)


def _by_method(counts: Counter[str]) -> str:
    named = [f"{method} {counts[method]}" for method in METHODS if counts[method]]
    return f" ({', '.join(named)})" if named else ""
