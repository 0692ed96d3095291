"""Where the directory's history is kept: in memory for the command and tests; in DynamoDB, see `dynamo`."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from innerwatch.directory.identifiers import Claims, Reader, index_key, own
from innerwatch.pseudonyms.identity import Identity, of_employee, of_ownership
from innerwatch.values import Fact, Feed, Ownership


class Store(Reader, Protocol):
    """A history that only grows."""

    def known(self, feed: Feed) -> "MemoryStore":
        """What a feed has to be compared with: at least the history of everybody whom it can concern.

        What the same feed added before it was cut short is there too, marked `unfinished`.
        """
        ...

    def version(self) -> str:
        """Another text after every feed that was applied."""
        ...

    def applied(self, feed: Feed) -> bool:
        """Whether the feed was applied as a whole before."""
        ...

    def append(
        self, facts: Iterable[Fact], ownerships: Iterable[Ownership], feed: Feed, leaving: Iterable[Fact] = ()
    ) -> None:
        """Adds what a feed brought, and at last that it was applied. Doing it twice adds nothing.

        `leaving` are those of the facts that say of somebody, for the first time, that they leave.
        """
        ...

    def identities(self) -> Iterable[Identity]:
        """All that anybody was ever known by, for pseudonyms."""
        ...


class MemoryStore:
    def __init__(self) -> None:
        self._facts: dict[str, list[Fact]] = {}
        self._holders: dict[str, set[str]] = {}  # index key → people of whom a fact ever named it
        self._ownerships: dict[str, list[Ownership]] = {}
        self._applied: set[tuple[int, str]] = set()
        self.unfinished: list[Fact | Ownership] = []  # of the feed that is being applied; no base for applying it again

    def facts(self, employee_id: str) -> Sequence[Fact]:
        return self._facts.get(employee_id, ())

    def claims(self, identifier: str) -> Claims:
        key = index_key(identifier)
        return Claims(sorted(self._holders.get(key, ())), self._ownerships.get(key, ()))

    def employee_ids(self) -> list[str]:
        return sorted(self._facts)

    def ownerships(self) -> list[Ownership]:
        return [item for items in self._ownerships.values() for item in items]

    def identities(self) -> Iterator[Identity]:
        for facts in self._facts.values():
            for fact in facts:
                yield from of_employee(fact.employee, fact.recorded_at)
        for ownership in self.ownerships():
            yield from of_ownership(ownership)

    def known(self, feed: Feed) -> "MemoryStore":  # noqa: ARG002 all of it is at hand
        return self

    def version(self) -> str:
        return str(len(self._applied))

    def applied(self, feed: Feed) -> bool:
        return (feed.recorded_at, feed.digest) in self._applied

    def append(
        self,
        facts: Iterable[Fact],
        ownerships: Iterable[Ownership],
        feed: Feed,
        leaving: Iterable[Fact] = (),  # noqa: ARG002 asked for by a function alone, whose store is in DynamoDB
    ) -> None:
        for fact in facts:
            self.add(fact)
        for ownership in ownerships:
            self.add_ownership(ownership)
        self._applied.add((feed.recorded_at, feed.digest))

    def add(self, fact: Fact) -> None:
        employee = fact.employee
        history = self._facts.setdefault(employee.id, [])
        place = bisect_left(history, _key(fact), key=_key)
        if place < len(history) and _key(history[place]) == _key(fact):
            history[place] = fact
        else:
            history.insert(place, fact)
        for identifier in (own(employee.id), *employee.identifiers):
            self._holders.setdefault(index_key(identifier), set()).add(employee.id)

    def add_ownership(self, ownership: Ownership) -> None:
        versions = self._ownerships.setdefault(index_key(ownership.identifier), [])
        if ownership not in versions:
            insort(versions, ownership, key=lambda item: item.recorded_at)


def _key(fact: Fact) -> tuple[int, int]:
    return fact.valid_from, fact.recorded_at
