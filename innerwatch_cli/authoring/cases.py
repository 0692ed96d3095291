"""`<rule>.cases.json`: raw log records, the people behind them, and whether the rule must match.

    {"employees": [{…HR columns…}], "cases": [{"name": "…", "match": true, "events": [{…raw record…}, …]}]}

`"alerts": 1` beside `match` says how many alerts its events become, as the engine joins them.

Rules on `access.justification` need the case system's data too: `"support_cases": [{…columns of a feed of cases…}]`
beside the employees.

An event is a log record as its source writes it: a JSON object, or text for sources that write lines. One with
`repeat` stands for many (innerwatch_cli/authoring/repeating.py).
"""

import csv
import io
import json
import time
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Mapping as MappingType
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import yaml

from innerwatch import justification, sources
from innerwatch.directory import Directory, MemoryStore, in_memory
from innerwatch.errors import UserError
from innerwatch.hr import people, read_feed
from innerwatch.hr.mapping import Mapping
from innerwatch.justification import CaseFeed, feeds
from innerwatch.values import Event, Feed, Origin, SetAside
from innerwatch_cli.authoring import repeating
from innerwatch_cli.authoring.header import kind
from innerwatch_cli.authoring.suggest import did_you_mean, one_of
from innerwatch_cli.sigma.loading import Document, Key

KEYS = ("employees", "support_cases", "cases")
CASE_KEYS = ("name", "match", "alerts", "events")


@dataclass(frozen=True)
class Case:
    name: str
    match: bool
    events: tuple[bytes, ...]  # records, as the source writes them
    place: int  # in the file's list, from 0
    alerts: int | None = None  # how many alerts they become; None: whether there is one is all that counts


@dataclass(frozen=True)
class Cases:
    path: Path
    employees: Feed | None
    support_cases: CaseFeed | None
    cases: tuple[Case, ...]

    def parsed(self, case: Case) -> list[Event]:
        """The case's events in the order of the file."""
        found = [parse(record, self.path, place) for place, record in enumerate(case.events, 1)]
        return [event for event in found if isinstance(event, Event)]

    def line(self, case: Case) -> int | None:
        """Where a case stands in the file; looked up when it is asked for, since that takes longer than running it."""
        return _File(self.path).line("cases", case.place)

    def directory(self) -> Directory:
        """Of the people in the file: everybody else is unknown."""
        return in_memory([self.employees]) if self.employees else Directory(MemoryStore())

    def case_directory(self) -> justification.Cases | None:
        """Of the support cases in the file; None where it has none: accesses are then not judged."""
        return justification.in_memory([self.support_cases]) if self.support_cases else None


def path_for(rule: Path) -> Path:
    return rule.with_name(f"{rule.stem}.cases.json")


def load(rule: Path) -> Cases:
    """The cases of a rule file. Raises the first UserError."""
    file = _File(path_for(rule))
    for problem in file.problems():
        raise problem
    return Cases(
        file.path,
        feed(file.value.get("employees") or [], file.path),
        case_feed(file.value.get("support_cases") or [], file.path),
        tuple(
            Case(case["name"], case["match"], records(case["events"]), place, case.get("alerts"))
            for place, case in enumerate(file.value["cases"])
        ),
    )


def problems(rule: Path) -> Iterator[UserError]:
    """All that is wrong with the cases of a rule file."""
    try:
        yield from _File(path_for(rule)).problems()
    except UserError as error:
        yield error


def records(events: Sequence[Any]) -> tuple[bytes, ...]:
    return tuple(record(one) for event in events for one in repeating.expanded(event))


def record(event: Any) -> bytes:
    return event.encode() if isinstance(event, str) else msgspec.json.encode(event)


def parse(data: bytes, path: Path, place: int) -> Event | SetAside:
    """One record by the source that recognises it."""
    origin = Origin(path.name, place)
    try:
        source = sources.recognise(data)
    except sources.NotEventsError as error:
        return SetAside(origin, str(error))
    parsed = sources.parse(source, data, origin) if source else None
    return parsed or SetAside(origin, "no log source recognises this record")


def feed(rows: Sequence[dict[str, Any]], path: Path) -> Feed | None:
    """The people as an HR feed in CSV, which is read as every other. Raises UserError."""
    return read_feed(_csv(rows), str(path), _now(), Mapping(format="table")) if rows else None


def case_feed(rows: Sequence[dict[str, Any]], path: Path) -> CaseFeed | None:
    """The same for the case system's data: cases, with whose they were."""
    return feeds.read_feed(_csv(rows), str(path), _now()) if rows else None


def _csv(rows: Sequence[dict[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _now() -> int:
    return int(time.time() * 1000)


class _File:
    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.text = path.read_text("utf-8")
        except FileNotFoundError:
            raise UserError(
                "the rule has no cases",
                "expected this file, with at least one case that must match and one that must not",
                path=path,
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"cannot be read: {error}", "expected JSON in UTF-8", path=path) from error
        try:
            self.value: Any = json.loads(self.text)
        except json.JSONDecodeError as error:
            what = f"no JSON: {error.msg[0].lower()}{error.msg[1:]}"
            raise UserError(what, REMEDY, path=path, line=error.lineno, column=error.colno) from error
        except RecursionError as error:
            raise UserError("no JSON: nested too deeply", REMEDY, path=path) from error

    @cached_property
    def document(self) -> Document | None:
        """For lines and columns: JSON is YAML, but for tabs and a few escapes."""
        try:
            node = yaml.compose(self.text.replace("\t", " "), yaml.CSafeLoader)
        except yaml.YAMLError:
            return None
        return Document(self.path, self.value, node) if isinstance(node, yaml.MappingNode) else None

    def problem(self, what: str, expected: str, *keys: Key, key: bool = False) -> UserError:
        if self.document is None:
            return UserError(what, expected, path=self.path)
        return self.document.problem(what, expected, *keys, key=key)

    def line(self, *keys: Key) -> int | None:
        return self.document.place(*keys)[0] if self.document else None

    def problems(self) -> Iterator[UserError]:
        if not isinstance(self.value, dict):
            yield UserError(f"the file holds {kind(self.value)}", REMEDY, path=self.path, line=1)
            return
        for name in self.value:
            if name not in KEYS:
                yield self.problem(f"there is no key {name!r}", did_you_mean(name, KEYS, one_of(KEYS)), name, key=True)
        for table in TABLES:
            yield from self._table(table, self.value.get(table.key, []))
        cases = self.value.get("cases")
        if not isinstance(cases, list):
            yield self.problem("the file has no list of cases", REMEDY, "cases")
            return
        for place, case in enumerate(cases):
            yield from self._case(case, "cases", place)
        yield from self._as_a_whole([case for case in cases if isinstance(case, dict)])

    def _as_a_whole(self, cases: list[dict[str, Any]]) -> Iterator[UserError]:
        for wanted, what in ((True, "must match"), (False, "must not match, a near miss")):
            if not any(case.get("match") is wanted for case in cases):
                yield self.problem(
                    f"no case {what}", f'expected one with "match": {json.dumps(wanted)}', "cases", key=True
                )
        names: set[str] = set()
        for place, case in enumerate(cases):
            name = case.get("name")
            if isinstance(name, str) and name in names:
                yield self.problem(f"two cases are named {name!r}", "expected another name", "cases", place, "name")
            elif isinstance(name, str):
                names.add(name)

    def _table(self, table: "Table", rows: Any) -> Iterator[UserError]:
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            yield self.problem(
                f"{table.key} is no list of objects", f"expected one object a {table.row}", table.key, key=True
            )
            return
        wrong = False
        for place, row in enumerate(rows):
            for name, value in row.items():
                at: tuple[Key, ...] = (table.key, place, name)
                if value is not None and not isinstance(value, str | int | float):
                    wrong = True
                    yield self.problem(
                        f"{name} is {kind(value)}", f"expected text, as {table.feed}'s column holds it", *at
                    )
                elif not people.known_columns([name], table.headings):
                    remedy = did_you_mean(name, table.columns, f"expected one of {', '.join(table.columns)}")
                    yield self.problem(f"{name!r} is no column of {table.feed} that is read", remedy, *at, key=True)
        if not wrong:
            yield from self._read(table, rows)

    def _read(self, table: "Table", rows: list[dict[str, Any]]) -> Iterator[UserError]:
        """What the feed's own reader says."""
        try:
            read = table.read(rows, self.path)
        except UserError as error:
            yield self.problem(error.what, error.expected, table.key, key=True)
            return
        for bad in read.bad if read else ():
            what, _, expected = bad.reason.partition("; ")
            yield self.problem(what, expected or f"expected what {table.feed} would hold", table.key, bad.line - 2)

    def _case(self, case: Any, *at: Key) -> Iterator[UserError]:
        if not isinstance(case, dict):
            yield self.problem(f"a case is {kind(case)}", "expected an object with name, match and events", *at)
            return
        for name in case:
            if name not in CASE_KEYS:
                remedy = did_you_mean(name, CASE_KEYS, one_of(CASE_KEYS))
                yield self.problem(f"a case has no key {name!r}", remedy, *at, name, key=True)
        if not isinstance(case.get("name"), str) or not case["name"].strip():
            yield self.problem("the case has no name", "expected what it shows, in a few words", *at, "name")
        if not isinstance(case.get("match"), bool):
            yield self.problem("the case does not say whether the rule matches", "expected true or false", *at, "match")
        alerts = case.get("alerts")
        if alerts is not None and (type(alerts) is not int or alerts < 1 or case.get("match") is not True):
            expected = 'expected a whole number from 1 on, beside "match": true'
            yield self.problem("alerts is no number of alerts that a case raises", expected, *at, "alerts")
        events = case.get("events")
        if not isinstance(events, list) or not events:
            yield self.problem("the case has no events", "expected a list of raw log records", *at, "events")
            return
        for place, event in enumerate(events):
            yield from self._event(event, place, *at, "events", place)

    def _event(self, event: Any, place: int, *at: Key) -> Iterator[UserError]:
        if not isinstance(event, dict | str):
            yield self.problem(f"an event is {kind(event)}", "expected a raw log record", *at)
        elif isinstance(event, dict) and repeating.repeats(event) and (what := repeating.problem(event)):
            yield self.problem(what, repeating.EXPECTED, *at)
        elif reason := self._unread(event, place):
            remedy = "" if ";" in reason else "expected a record as its log source writes it"
            yield self.problem(f"the event cannot be read: {reason}", remedy, *at)

    def _unread(self, event: Any, place: int) -> str:
        """Why an event, or the first of those that it stands for, is no record of any source; empty where it is."""
        found = (parse(data, self.path, place + 1) for data in records([event]))
        return next((item.reason for item in found if isinstance(item, SetAside)), "")


REMEDY = 'expected {"employees": […], "cases": […]}'


class Table(NamedTuple):
    """A list of rows in the file that stands for a feed."""

    key: str
    row: str  # what one row is
    feed: str
    headings: MappingType[str, tuple[str, ...]]
    columns: tuple[str, ...]
    read: Callable[[Sequence[dict[str, Any]], Path], Feed | CaseFeed | None]


TABLES = (
    Table("employees", "person", "an HR feed", people.HEADINGS, people.FIELDS, feed),
    Table("support_cases", "case", "a feed of cases", feeds.HEADINGS, feeds.FIELDS, case_feed),
)
