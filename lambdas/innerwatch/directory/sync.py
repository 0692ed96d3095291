"""What an HR feed adds to the directory: compares each row with what was known, and guards against broken feeds."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from innerwatch.directory import employment, history
from innerwatch.directory.identifiers import mail_only, owner
from innerwatch.directory.store import MemoryStore, Store
from innerwatch.errors import UserError
from innerwatch.values import (
    CLAIMED_TWICE,
    FOREVER,
    BadRow,
    Change,
    Employee,
    Fact,
    Feed,
    Holder,
    Holding,
    Owner,
    Ownership,
)

LEAVING = ("notice_at", "last_day")


@dataclass(slots=True)
class Report:
    """What a feed did, in numbers, and its rows that were set aside."""

    new: int = 0  # people
    changed: int = 0
    unchanged: int = 0
    left: int = 0  # missing from a full feed
    identifiers: int = 0  # whose holders changed
    bad: list[BadRow] = field(default_factory=list)
    repeated: bool = False  # the feed had been applied before; nothing was done


@dataclass(frozen=True, slots=True)
class Additions:
    facts: list[Fact]
    ownerships: list[Ownership]
    report: Report
    leaving: list[Fact]  # those that say of somebody who was known, for the first time, that they leave


def apply_feed(store: Store, feed: Feed) -> Report:
    """Adds what a feed says to the store. Raises UserError, and adds nothing, for a feed that must be broken."""
    if store.applied(feed):
        return Report(repeated=True)
    additions = apply(store.known(feed), feed)
    store.append(additions.facts, additions.ownerships, feed, additions.leaving)
    return additions.report


def apply(known: MemoryStore, feed: Feed) -> Additions:
    """What a feed adds to what was known when it was recorded. Pure: `known` stays as it is.

    Only what was recorded by then counts, so that an older feed that comes late undoes nothing, and nothing that the
    feed itself added before it was cut short, so that it adds the same again, which is there already.
    """
    if not feed.rows:
        found = f"none of its {len(feed.bad)} rows can be read: {feed.bad[0].reason}" if feed.bad else "it holds no row"
        raise UserError(f"{found}; nothing was changed", "expected at least one person", path=feed.name)
    work = _Work(known, feed)
    for employee_id, start, change in work.in_order(row for row in feed.rows if isinstance(row, Change)):
        work.take(employee_id, start, change)
    if feed.full:
        work.remove_missing()
    work.take_holdings([row for row in feed.rows if isinstance(row, Holding)])
    return work.additions()


class _Work:
    """One feed's way into the history: a copy of what was known, which grows with each row."""

    def __init__(self, known: MemoryStore, feed: Feed) -> None:
        self.known, self.feed, self.now = known, feed, feed.recorded_at
        self.store = MemoryStore()
        for employee_id in known.employee_ids():
            for fact in history.known_at(known.facts(employee_id), self.now):
                if fact not in known.unfinished:
                    self.store.add(fact)
        for ownership in known.ownerships():
            if ownership.recorded_at <= self.now and ownership not in known.unfinished:
                self.store.add_ownership(ownership)
        self.present = [employee_id for employee_id in self.store.employee_ids() if self._is_present(employee_id)]
        self.before = set(self.store.employee_ids())
        self.new: dict[tuple[str, int], Fact] = {}
        self.ownerships: list[Ownership] = []
        self.seen: dict[str, Change] = {}  # whom the feed names, with the first row
        self.report = Report(bad=list(feed.bad))

    def in_order(self, changes: Iterable[Change]) -> list[tuple[str, int | None, Change]]:
        """Whom each row is about and from when, by that instant, so that each builds on those before it.

        Rows without a date come last. What several rows say of one person from the same instant on is one change.
        """
        rows: dict[tuple[str, int | None], Change] = {}
        for row in changes:
            employee_id = row.employee_id or self._known_by_mail(row)
            if not employee_id:
                continue
            facts = self.store.facts(employee_id)
            change = row if row.employee_id or not facts else without_mail(row)
            zone = change.attributes.get("time_zone") or (facts[-1].employee.time_zone if facts else "")
            key = employee_id, instant(change.effective, zone)
            first = self.seen.setdefault(employee_id, change)
            before = rows.get(key)
            if before is None:
                rows[key] = change
            elif change.effective is not None:
                rows[key] = merged(before, change)
            elif (before.attributes, before.accounts) != (change.attributes, change.accounts):
                self._set_aside(change, f"the person is already on line {first.line}; expected one row a person")
        found = [(employee_id, start, change) for (employee_id, start), change in rows.items()]
        return sorted(found, key=lambda row: (row[1] is None, row[1] or 0, row[2].line))

    def take(self, employee_id: str, start: int | None, change: Change) -> None:
        facts = self.store.facts(employee_id)
        base = self._base(employee_id, change, self.now if start is None else start)
        employee = history.overlaid(base, change)
        if start is not None:
            self._take_dated(facts, employee, change, start)
        elif not facts:
            self._record(Fact(employee, history.BEGINNING, self.now))
        else:
            self._take_snapshot(facts, base, employee)

    def _take_dated(self, facts: Sequence[Fact], employee: Employee, change: Change, start: int) -> None:
        recorded_at = min(start, self.now) if self.feed.on_disk else self.now
        if change.carried and facts:
            self._record(*history.corrected(facts, start, None, change.attributes, recorded_at))
        elif not any(fact.valid_from == start for fact in facts) or history.employee_at(facts, start) != employee:
            self._record(Fact(employee, start, recorded_at))

    def _take_snapshot(self, facts: Sequence[Fact], base: Employee, employee: Employee) -> None:
        """News of somebody's leaving holds from the day of their notice, all else from the feed's own time."""
        leaving = {name: getattr(employee, name) for name in LEAVING}
        start = instant(employee.notice_at or employee.last_day or None, employee.time_zone)
        if start is not None and start < self.now and any(leaving[name] != getattr(base, name) for name in LEAVING):
            self._record(*history.corrected(facts, start, self.now, leaving, self.now))
        if employee != history.employee_at(self.store.facts(employee.id), self.now):
            self._record(Fact(employee, self.now, self.now))

    def remove_missing(self) -> None:
        """Ends the employment of everybody whom a full feed does not name, unless they are too many."""
        spared = {row.employee_id for row in self.feed.bad} | {
            self._owner(row.email).employee_id for row in self.feed.bad
        }
        if not any(mail_only(person) for person in self.seen):  # then it cannot name those known by mail address only
            spared |= {person for person in self.present if mail_only(person)}
        missing = [person for person in self.present if person not in self.seen and person not in spared]
        if len(missing) > self.feed.largest_removal * len(self.present):
            raise UserError(
                f"the feed lacks {len(missing)} of the {len(self.present)} people who are employed, more than "
                f"{self.feed.largest_removal:.0%}; nothing was changed",
                "expected a complete feed, or `full: false` in its mapping if it holds only changes",
                path=self.feed.name,
            )
        for person in missing:
            employee = self._employee(person)
            today = employment.local_day(self.now, employee.time_zone)
            self._record(Fact(left(employee, today), self.now, self.now))
        self.report.left = len(missing)

    def take_holdings(self, rows: Sequence[Holding]) -> None:
        by_identifier: dict[str, list[Holding]] = {}
        for row in rows:
            by_identifier.setdefault(row.identifier, []).append(row)
        for identifier, stated in sorted(by_identifier.items()):
            versions = [item for item in self.store.claims(identifier).ownerships if item.identifier == identifier]
            before = versions[-1].holders if versions else ()
            otherwise = self.now if versions else history.BEGINNING
            after = held(before, [self._holder(row, otherwise) for row in stated])
            if after != before:
                self.ownerships.append(self._after_other_maps(Ownership(identifier, self.now, after)))
                self.report.identifiers += 1

    def _holder(self, row: Holding, otherwise: int) -> Holder:
        zone = self._employee(row.employee_id).time_zone
        start, end = instant(row.valid_from, zone), instant(row.valid_to, zone)
        return Holder(row.employee_id, otherwise if start is None else start, FOREVER if end is None else end)

    def _after_other_maps(self, ownership: Ownership) -> Ownership:
        others = [
            item
            for item in self.known.claims(ownership.identifier).ownerships
            if item.identifier == ownership.identifier and item.holders != ownership.holders
        ]
        while any(item.recorded_at == ownership.recorded_at for item in others):
            ownership = replace(ownership, recorded_at=ownership.recorded_at + 1)
        return ownership

    def additions(self) -> Additions:
        people = {employee_id for employee_id, _ in self.new}
        self.report.new = len(people - self.before)
        self.report.changed = len(people & self.before) - self.report.left
        self.report.unchanged = len(self.seen.keys() - people)
        found = [self._free(fact) for fact in self.new.values()]
        facts = [fact for fact in found if fact not in self.known.facts(fact.employee.id)]
        ownerships = [item for item in self.ownerships if item not in self.known.claims(item.identifier).ownerships]
        return Additions(facts, ownerships, self.report, self._leaving(found))

    def _leaving(self, added: Iterable[Fact]) -> list[Fact]:
        """The last fact of each person who was known, but not as leaving."""
        last = {fact.employee.id: fact for fact in sorted(added, key=history.VALID_FROM)}
        found = []
        for employee_id, fact in last.items():
            before = [item for item in self.known.facts(employee_id) if item not in self.known.unfinished]
            known = {tuple(getattr(item.employee, name) for name in LEAVING) for item in before}
            if before and fact.employee.last_day and known == {("", "")}:
                found.append(fact)
        return found

    def _record(self, *facts: Fact) -> None:
        for fact in facts:
            key = fact.employee.id, fact.valid_from
            if key in self.new:
                recorded_at = self.new[key].recorded_at
            else:  # after what another feed of the same moment said
                others = [item for item in self.store.facts(fact.employee.id) if item.valid_from == fact.valid_from]
                recorded_at = max([fact.recorded_at, *(item.recorded_at + 1 for item in others)])
            self.new[key] = replace(fact, recorded_at=recorded_at)
            self.store.add(self.new[key])

    def _free(self, fact: Fact) -> Fact:
        """The fact, a moment later where a feed recorded later, but applied before, has taken its place."""
        taken = {
            item.recorded_at: item
            for item in self.known.facts(fact.employee.id)
            if item.valid_from == fact.valid_from and item.employee != fact.employee
        }
        while fact.recorded_at in taken:
            fact = replace(fact, recorded_at=fact.recorded_at + 1)
        return fact

    def _known_by_mail(self, change: Change) -> str:
        email = change.attributes.get("email", "")
        found, reason = self._owner(email)
        if reason == CLAIMED_TWICE:
            self._set_aside(change, "two people have this mail address")
            return ""
        return found or email.lower()

    def _owner(self, email: str) -> Owner:
        identifier = f"email:{email.lower()}"
        return owner(self.store, self.store.claims(identifier), identifier, self.now)

    def _base(self, employee_id: str, change: Change, time: int) -> Employee:
        """The person as known before the row: also from feeds that named them only by their mail address."""
        fact = history.state(self.store.facts(employee_id), time)
        if fact is not None:
            # Whoever was missing from a full feed and is in one again is back, unless that feed says otherwise.
            back = self.feed.full and fact.employee.status == "terminated"
            return replace(fact.employee, status="") if back else fact.employee
        by_mail = self._owner(change.attributes.get("email", "")).employee_id
        fact = history.state(self.store.facts(by_mail), time) if mail_only(by_mail) else None
        return replace(fact.employee, id=employee_id) if fact is not None else Employee(employee_id)

    def _employee(self, employee_id: str) -> Employee:
        return history.employee_at(self.store.facts(employee_id), self.now) or Employee(employee_id)

    def _is_present(self, employee_id: str) -> bool:
        return employment.status_at(self._employee(employee_id), self.now) != "terminated"

    def _set_aside(self, change: Change, reason: str) -> None:
        self.report.bad.append(BadRow(change.line, reason, change.employee_id, change.attributes.get("email", "")))


def instant(when: str | int | None, time_zone: str) -> int | None:
    """Milliseconds at which a day begins in a zone, never before 1970; an instant is one already."""
    if when is None:
        return None
    return max(history.BEGINNING, when if isinstance(when, int) else employment.starts_at(when, time_zone))


def without_mail(change: Change) -> Change:
    """A row without the address that the person was found by."""
    return replace(
        change,
        attributes={name: value for name, value in change.attributes.items() if name != "email"},
        accounts={kind: items for kind, items in change.accounts.items() if kind != "email"},
    )


def merged(first: Change, second: Change) -> Change:
    return replace(
        first,
        attributes={**first.attributes, **second.attributes},
        accounts={**first.accounts, **second.accounts},
    )


def left(employee: Employee, today: str) -> Employee:
    """Somebody who is gone although HR never gave their last day, or gave one that is still to come."""
    return replace(
        employee,
        status="terminated",
        last_day=employee.last_day if employee.last_day < today else "",
        hired_at=employee.hired_at if employee.hired_at <= today else "",
    )


def held(before: Sequence[Holder], stated: Sequence[Holder]) -> tuple[Holder, ...]:
    """An identifier's holders over time: while rows of a feed cover, they alone count; else what was known stays."""
    pieces = [holder for holder in stated if holder.start < holder.end]
    for holder in before:
        rest = [holder]
        for new in stated:
            rest = [piece for item in rest for piece in _without(item, new)]
        pieces += rest
    joined: list[Holder] = []
    for piece in sorted(pieces):
        if joined and joined[-1].employee_id == piece.employee_id and piece.start <= joined[-1].end:
            joined[-1] = joined[-1]._replace(end=max(joined[-1].end, piece.end))
        else:
            joined.append(piece)
    return tuple(joined)


def _without(holder: Holder, other: Holder) -> Iterator[Holder]:
    before = holder._replace(end=min(holder.end, other.start))
    after = holder._replace(start=max(holder.start, other.end))
    yield from (piece for piece in dict.fromkeys((before, after)) if piece.start < piece.end)
