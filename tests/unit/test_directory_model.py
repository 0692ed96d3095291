"""The directory against a naive model: random histories, corrections and instants, no difference.

The model shares nothing with the directory. For each person it keeps what is believed of every single half day of a
short calendar; each statement of a feed paints over it, cell by cell.
"""

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from innerwatch.directory import Directory, MemoryStore, apply_feed, employment, history
from innerwatch.directory.sync import apply
from innerwatch.errors import UserError
from innerwatch.values import Change, Employee, Feed

FIRST = datetime(2026, 3, 1, tzinfo=UTC)
DAYS = 16
BEGINNING = -1  # the cell of all time before the calendar; an even cell begins a day, an odd one is its noon
CELLS = range(BEGINNING, 2 * DAYS)
PEOPLE = ("e-1", "e-2", "e-3")
NAMES = ("role", "department", "status", "notice_at", "last_day")
LARGEST_REMOVAL = 0.4

Said = dict[str, str]


def iso(day: int) -> str:
    return (FIRST + timedelta(days=day)).date().isoformat()


def cell_of(day: str) -> int:
    return (datetime.fromisoformat(day).replace(tzinfo=UTC) - FIRST).days * 2


def instant(cell: int) -> int:
    return 0 if cell == BEGINNING else int((FIRST + timedelta(hours=12 * cell)).timestamp()) * 1000


class Calendar:
    """What is believed of one person: a cell for each half day, and the cells in which a statement begins."""

    def __init__(self) -> None:
        self.cells: dict[int, Said] = {}
        self.begins: set[int] = set()

    def at(self, cell: int) -> Said | None:
        if not self.begins:
            return None
        first = min(self.begins)
        return dict(self.cells[cell]) if cell >= first else {**self.cells[first], "status": ""}

    def paint(self, start: int, said: Said) -> None:
        """All of it, until the next statement begins; what was never said is empty."""
        said = {**dict.fromkeys(NAMES, ""), **said}
        for cell in CELLS:
            if cell > start and cell in self.begins:
                break
            if cell >= start:
                self.cells[cell] = dict(said)
        self.begins.add(start)

    def seep(self, start: int, end: int, new: Said) -> None:
        """Attribute by attribute, as long as each has its old value; at `end` it stops where a statement begins."""
        old = self.at(start)
        assert old is not None
        if {**old, **new} == old:
            return
        if start < min(self.begins):
            for cell in range(start, min(self.begins)):
                self.cells[cell] = dict(old)
        self.begins.add(start)
        for name, value in new.items():
            for cell in range(start, CELLS.stop):
                if (cell >= end and cell in self.begins) or self.cells[cell][name] != old[name]:
                    break
                self.cells[cell][name] = value


class Model:
    def __init__(self) -> None:
        self.people: dict[str, Calendar] = {}

    def apply(self, feed: dict[str, Any]) -> bool:
        """Whether the feed was taken; else nothing changed."""
        now = feed["cell"]
        present = [person for person in self.people if self._employed(person, now)]
        rows = feed["rows"]
        missing = [person for person in present if person not in {row["person"] for row in rows}]
        if feed["full"] and len(missing) > LARGEST_REMOVAL * len(present):
            return False
        for row in sorted((row for row in rows if row["cell"] is not None), key=lambda row: row["cell"]):
            self._dated(row, carried=feed["carried"])
        for row in rows:
            if row["cell"] is None:
                self._snapshot(row, now, full=feed["full"])
        for person in missing if feed["full"] else ():
            self._leaves(person, now)
        return True

    def _employed(self, person: str, cell: int) -> bool:
        said = self.people[person].at(cell)
        assert said is not None
        last = said["last_day"]
        return iso(cell // 2) <= last if last else said["status"] != "terminated"

    def _dated(self, row: dict[str, Any], *, carried: bool) -> None:
        calendar = self.people.setdefault(row["person"], Calendar())
        if carried and calendar.begins:
            calendar.seep(row["cell"], CELLS.stop, row["said"])
        else:
            calendar.paint(row["cell"], {**(calendar.at(row["cell"]) or {}), **row["said"]})

    def _snapshot(self, row: dict[str, Any], now: int, *, full: bool) -> None:
        calendar = self.people.setdefault(row["person"], Calendar())
        before = calendar.at(now)
        if before is None:
            calendar.paint(BEGINNING, row["said"])
            return
        if full and before["status"] == "terminated":
            before["status"] = ""
        said = {**before, **row["said"]}
        leaving = {name: said[name] for name in ("notice_at", "last_day")}
        since = leaving["notice_at"] or leaving["last_day"]
        if since and cell_of(since) < now and any(before[name] != leaving[name] for name in leaving):
            calendar.seep(cell_of(since), now, leaving)
        if said != calendar.at(now):
            calendar.paint(now, said)

    def _leaves(self, person: str, now: int) -> None:
        said = self.people[person].at(now)
        assert said is not None
        last = said["last_day"]
        self.people[person].paint(
            now, {**said, "status": "terminated", "last_day": last if last < iso(now // 2) else ""}
        )


days = st.integers(0, DAYS - 1)
values = {
    "role": st.sampled_from(["agent", "analyst"]),
    "department": st.sampled_from(["support", "fraud"]),
    "status": st.sampled_from(["", "active", "leave", "terminated"]),
    "notice_at": st.just("") | days.map(iso),
    "last_day": st.just("") | days.map(iso),
}


@st.composite
def feeds(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Feeds as they arrive, each at a later noon: snapshots, full or not, dated rows, corrections that carry on."""
    found = []
    for day in sorted(draw(st.sets(days, min_size=1, max_size=6))):
        kind = draw(st.sampled_from(["snapshot", "full", "dated", "carried"]))
        columns = draw(st.sets(st.sampled_from(NAMES), min_size=1))
        dated = kind in ("dated", "carried")
        keys = st.tuples(st.sampled_from(PEOPLE), days.map(lambda day: 2 * day) if dated else st.none())
        rows = [
            {"person": person, "cell": cell, "said": {name: draw(values[name]) for name in sorted(columns)}}
            for person, cell in draw(st.lists(keys, unique=True, min_size=1, max_size=5))
        ]
        found.append({"cell": 2 * day + 1, "full": kind == "full", "carried": kind == "carried", "rows": rows})
    return found


def as_feed(feed: dict[str, Any], digest: str) -> Feed:
    rows = tuple(
        Change(
            line,
            row["person"],
            row["said"],
            effective=None if row["cell"] is None else iso(row["cell"] // 2),
            carried=feed["carried"],
        )
        for line, row in enumerate(feed["rows"], 2)
    )
    return Feed("feed", "table", instant(feed["cell"]), feed["full"], rows, (), digest, largest_removal=LARGEST_REMOVAL)


def said(employee: Employee) -> Said:
    return {name: getattr(employee, name) for name in NAMES}


def taken(store: MemoryStore, feed: Feed) -> bool:
    try:
        apply_feed(store, feed)
    except UserError:
        return False
    return True


@settings(max_examples=2000, deadline=None)
@given(feeds())
@example(
    [
        {
            "cell": 1,
            "full": True,
            "carried": False,
            "rows": [{"person": "e-1", "cell": None, "said": {"role": "agent"}}],
        },
        {
            "cell": 9,
            "full": False,
            "carried": False,
            "rows": [{"person": "e-1", "cell": 6, "said": {"role": "analyst"}}],
        },
        {
            "cell": 13,
            "full": False,
            "carried": True,
            "rows": [{"person": "e-1", "cell": 2, "said": {"notice_at": iso(1)}}],
        },
    ]
)
def test_no_difference_from_the_naive_model(history_of_feeds: list[dict[str, Any]]) -> None:
    """At every instant, as known after every feed."""
    store, model = MemoryStore(), Model()
    versions: list[tuple[int, Model]] = []
    for number, feed in enumerate(history_of_feeds):
        assert taken(store, as_feed(feed, str(number))) == model.apply(feed)
        versions.append((instant(feed["cell"]), deepcopy(model)))
    for recorded_at, believed in versions:
        for person in PEOPLE:
            facts = history.known_at(store.facts(person), recorded_at)
            calendar = believed.people.get(person, Calendar())
            for cell in CELLS:
                found, expected = history.state(facts, instant(cell)), calendar.at(cell)
                assert (found and said(found.employee)) == expected, (person, cell, recorded_at)
    directory = Directory(store)
    for person in PEOPLE:
        for cell in CELLS:
            assert directory.state(person, instant(cell)) == history.state(store.facts(person), instant(cell))


@settings(max_examples=300, deadline=None)
@given(feeds(), st.data())
def test_a_feed_cut_short_and_applied_again_adds_what_it_would_have(
    history_of_feeds: list[dict[str, Any]], data: st.DataObject
) -> None:
    *earlier, last = [as_feed(feed, str(number)) for number, feed in enumerate(history_of_feeds)]
    store, interrupted = MemoryStore(), MemoryStore()
    for feed in earlier:
        assert taken(store, feed) == taken(interrupted, feed)
    try:
        additions = apply(store, last)
    except UserError:
        return
    written = [fact for fact in additions.facts if data.draw(st.booleans())]
    for fact in written:
        interrupted.add(fact)
    interrupted.unfinished = [*written]
    rest = apply(interrupted, last)
    assert sorted([*written, *rest.facts], key=str) == sorted(additions.facts, key=str)


def naive_status(employee: Employee, day: str) -> str:
    """The same rules, told by comparing texts: ISO days sort."""
    hired, notice, last = employee.hired_at, employee.notice_at, employee.last_day
    last = "" if hired and last < hired else last
    notice = "" if hired and notice < hired else notice
    soon = (datetime.fromisoformat(last) - timedelta(days=employment.NOTICE_DAYS)).date().isoformat() if last else ""
    facts = [
        ("pre_hire", bool(hired) and day < hired),
        ("terminated", bool(last) and day > last),
        ("terminated", employee.status == "terminated" and not last),
        ("notice", bool(notice) and day >= notice),
        ("notice", not notice and bool(last) and employee.type not in ("contractor", "vendor") and day > soon),
        ("pre_hire", employee.status == "pre_hire" and not hired),
        ("notice", employee.status == "notice" and not notice),
        ("leave", employee.status == "leave"),
        ("active", True),
    ]
    return next(status for status, holds in facts if holds)


optional_days = st.just("") | st.integers(-400, 400).map(iso)


@settings(max_examples=1000, deadline=None)
@given(
    st.builds(
        Employee,
        id=st.just("e-1"),
        status=st.sampled_from(["", *employment.STATUSES]),
        type=st.sampled_from(["", "employee", "contractor", "vendor"]),
        hired_at=optional_days,
        notice_at=optional_days,
        last_day=optional_days,
        time_zone=st.sampled_from(["", "Europe/Berlin", "America/Los_Angeles", "Asia/Kathmandu", "Pacific/Auckland"]),
    ),
    st.integers(-400 * 86_400_000, 400 * 86_400_000).map(lambda offset: instant(0) + offset),
)
def test_status_and_days_at_any_instant(employee: Employee, time: int) -> None:
    local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time)).astimezone(
        employment.zone(employee.time_zone)
    )
    day = local.date()
    assert employment.status_at(employee, time) == naive_status(employee, day.isoformat())
    hired = datetime.fromisoformat(employee.hired_at).date() if employee.hired_at else None
    tenure = (day - hired).days if hired else -1
    assert employment.tenure_days(employee, time) == (tenure if tenure >= 0 else None)
    last = datetime.fromisoformat(employee.last_day).date() if employee.last_day else None
    notice = datetime.fromisoformat(employee.notice_at).date() if employee.notice_at else None
    if hired and last and last < hired:
        last = None
    if hired and notice and notice < hired:
        notice = None
    engaged = employee.type in ("contractor", "vendor")
    unknown = day < notice if notice else not engaged and last is not None and (last - day).days >= 30
    assert employment.days_to_exit(employee, time) == (None if last is None or unknown else (last - day).days)
