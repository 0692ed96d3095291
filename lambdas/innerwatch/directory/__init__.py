"""The employee directory: who held which job and which accounts, at any instant, as far as HR has said."""

import time
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import replace

from innerwatch.directory import history, identifiers
from innerwatch.directory.dynamo import DynamoStore, create_table
from innerwatch.directory.identifiers import Claims
from innerwatch.directory.store import MemoryStore, Store
from innerwatch.directory.sync import Report, apply_feed
from innerwatch.pseudonyms.identity import Identity
from innerwatch.values import Fact, Feed, Owner

__all__ = ["Directory", "DynamoStore", "MemoryStore", "Report", "Store", "apply_feed", "create_table", "in_memory"]

FRESH = 60.0  # seconds until the store is asked whether a new feed has arrived
MOST = 100_000  # people, and as many identifiers, kept in a warm function: some 200 MB at most


class Directory:
    """Answers from a store, and keeps the answers until a new feed arrives."""

    def __init__(self, store: Store, fresh: float = FRESH, clock: Callable[[], float] = time.monotonic) -> None:
        self._reader = _Cached(store)
        self._store, self._fresh, self._clock = store, fresh, clock
        self._identifiers: dict[str, _Identifier] = {}
        self._version, self._asked = store.version(), clock()

    def state(self, employee_id: str, time: int) -> Fact | None:
        """What HR held true of a person at an instant; None for somebody whom no feed has named."""
        if self._clock() - self._asked >= self._fresh:
            self._renew()
        return self._reader.person(employee_id).at(time)

    def owner(self, identifier: str, time: int) -> Owner:
        """Whose an account was at an instant."""
        if self._clock() - self._asked >= self._fresh:
            self._renew()
        known = self._identifiers.get(identifier)
        if known is None:
            if len(self._identifiers) >= MOST:
                self._identifiers.clear()
            known = self._identifiers[identifier] = _Identifier(self._reader, identifier.lower())
        return known.owner(time)

    @property
    def version(self) -> str:
        """Another text after every feed that the answers know of."""
        if self._clock() - self._asked >= self._fresh:
            self._renew()
        return self._version

    def identities(self) -> Iterable[Identity]:
        return self._store.identities()

    def _renew(self) -> None:
        self._asked = self._clock()
        version = self._store.version()
        if version != self._version:
            self._version = version
            self._identifiers.clear()
            self._reader.clear()


class _Person:
    """A history laid out for one look-up: which fact holds is the number of facts begun."""

    def __init__(self, facts: Iterable[Fact]) -> None:
        self.facts = list(facts)
        self._starts = [fact.valid_from for fact in self.facts]
        self._states = [history.before_all(self.facts), *self.facts] if self.facts else []

    def at(self, time: int) -> Fact | None:
        return self._states[bisect_right(self._starts, time)] if self._states else None


class _Cached:
    """A store's answers, kept."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._people: dict[str, _Person] = {}

    def person(self, employee_id: str) -> _Person:
        known = self._people.get(employee_id)
        if known is None:
            if len(self._people) >= MOST:
                self._people.clear()
            known = self._people[employee_id] = _Person(self._store.facts(employee_id))
        return known

    def facts(self, employee_id: str) -> list[Fact]:
        return self.person(employee_id).facts

    def claims(self, identifier: str) -> Claims:
        return self._store.claims(identifier)

    def clear(self) -> None:
        self._people.clear()


class _Identifier:
    """One identifier's owners over time. Where only one person ever claims it, the answer changes only at facts."""

    def __init__(self, reader: _Cached, identifier: str) -> None:
        self._reader, self._identifier = reader, identifier
        self._claims = reader.claims(identifier)
        people = {*self._claims.employee_ids}
        instants = set()
        for ownership in self._claims.ownerships:
            for holder in ownership.holders:
                people.add(holder.employee_id)
                instants |= {holder.start, holder.end}
        for employee_id in people:
            instants |= {fact.valid_from for fact in reader.facts(employee_id)}
        self._instants = sorted(instants)
        self._alone = len(people) < 2
        self._owners: dict[int, Owner] = {}

    def owner(self, time: int) -> Owner:
        if not self._alone:
            return identifiers.owner(self._reader, self._claims, self._identifier, time)
        place = bisect_right(self._instants, time)
        known = self._owners.get(place)
        if known is None:
            known = self._owners[place] = identifiers.owner(self._reader, self._claims, self._identifier, time)
        return known


def in_memory(feeds: Iterable[Feed], tell: Callable[[Feed, Report], None] = lambda _feed, _report: None) -> Directory:
    """The directory that feeds make, oldest first: each counts as recorded after the one before, whatever its time.

    `tell` is given each feed with what it did.
    """
    store, latest = MemoryStore(), -1
    for feed in feeds:
        latest = max(feed.recorded_at, latest + 1)
        tell(feed, apply_feed(store, replace(feed, recorded_at=latest)))
    return Directory(store)
