"""Feeds of cases and of their assignments, CSV or JSON: read with the ways of HR feeds, recognised by their columns."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from innerwatch import hr, instants
from innerwatch.errors import UserError
from innerwatch.hr import dates, entries, people, table, text
from innerwatch.hr import mapping as mappings
from innerwatch.hr.mapping import Mapping
from innerwatch.justification.model import UNDATED, Assignment, Span
from innerwatch.justification.store import CaseFeed, CaseRow
from innerwatch.values import FOREVER, BadRow

MAPPING_NAMES = ("cases-mapping.yml", "cases-mapping.yaml", "cases-mapping.json")
MAPPING_KEYS = ("full", "columns", "date_format", "encoding", "delimiter", "largest_removal")

# Our fields, and the headings under which exports of Zendesk, Salesforce, Jira, ServiceNow and others carry them,
# reduced to letters and digits; the first that a feed has is taken.
HEADINGS: dict[str, tuple[str, ...]] = {
    "case_id": (
        "caseid",
        "casenumber",
        "case",
        "ticketid",
        "ticketnumber",
        "ticket",
        "issuekey",
        "incidentid",
        "incidentnumber",
    ),
    "customer_id": (
        "customerid",
        "customerids",
        "customer",
        "customers",
        "accountid",
        "contactid",
        "requesterid",
        "clientid",
        "customer.id",
    ),
    "opened_at": ("openedat", "opened", "createdat", "created", "createddate", "dateopened", "opentime", "openeddate"),
    "closed_at": (
        "closedat",
        "closed",
        "closeddate",
        "solvedat",
        "resolvedat",
        "resolved",
        "dateclosed",
        "closetime",
        "resolutiondate",
    ),
    "status": ("status", "state", "casestatus", "ticketstatus"),
    "assignee": (
        "employeeid",
        "assignee",
        "assignedto",
        "assigneeemail",
        "assigneeid",
        "agent",
        "agentid",
        "agentemail",
        "owner",
        "ownerid",
        "owneremail",
        "assignee.email",
        "assignee.id",
    ),
    "team": ("team", "assignedteam", "assignmentgroup", "group", "groupname", "queue"),
    "from": ("from", "assignedfrom", "assignedat", "validfrom", "since", "start"),
    "to": ("to", "assigneduntil", "unassignedat", "validto", "until", "end"),
}
FIELDS = tuple(HEADINGS)
# With an offset or in UTC; `T` or a space between.
TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?)\s*(Z|z|UTC|[+-]\d\d:?\d\d)?", re.ASCII)
EPOCH = re.compile(r"\d{10}(?:\d{3})?", re.ASCII)  # seconds or milliseconds since 1970
CLOSED = frozenset(("closed", "solved", "resolved", "done", "cancelled", "canceled", "completed"))
DAY = 86_400_000


def load_mapping(data: bytes, name: str) -> Mapping:
    return mappings.parse(data, name, FIELDS, (), MAPPING_KEYS)


def recognised(data: bytes, name: str, mapping: Mapping | None = None) -> bool:
    """Whether a feed's columns are those of cases or assignments."""
    mapping = mapping or Mapping()
    try:
        return bool(_kinds(_headings(_content(data, name, mapping), mapping), mapping))
    except UserError:
        return False


def _content(data: bytes, name: str, mapping: Mapping) -> str:
    return text.decoded(text.decompressed(data, name), name, mapping.encoding).lstrip("\ufeff")


def read_feed(data: bytes, name: str, recorded_at: int, mapping: Mapping | None = None) -> CaseFeed:
    """A feed's bytes, read. Raises UserError for what is no such feed as a whole; bad rows come with it.

    `recorded_at`: when the feed was delivered, in milliseconds; for an S3 object its LastModified.
    """
    mapping = mapping or Mapping()
    content = _content(data, name, mapping)
    if not content.strip():
        raise UserError("the feed is empty", "expected at least one case", path=name)
    headings = _headings(content, mapping, name)
    kinds = _kinds(headings, mapping)
    if not kinds:
        raise UserError(
            f"is no feed of cases; found the columns: {', '.join(heading[:40] for heading in headings[:40])}",
            "expected case_id, customer_id and opened_at, or case_id and employee_id or team, or a mapping",
            path=name,
        )
    rows: list[CaseRow] = []
    bad: list[BadRow] = []
    bad_cases: set[str] = set()
    for line, values in _values(content, name, mapping, NEEDED[kinds[0]]):
        try:
            if isinstance(line, BadRow):
                raise ValueError(line.reason)
            rows.append(_row(line, values, mapping, kinds))
        except ValueError as error:
            bad.append(BadRow(line.line if isinstance(line, BadRow) else line, str(error)))
            bad_cases |= {values.get("case_id", "").lower()} - {""}
    return CaseFeed(
        name=name,
        kinds=kinds,
        recorded_at=recorded_at,
        full="cases" in kinds and bool(mapping.full),
        rows=tuple(rows),
        bad=tuple(bad),
        digest=hashlib.sha256(data).hexdigest(),
        bad_cases=frozenset(bad_cases),
        largest_removal=mapping.largest_removal,
    )


def load_feed(path: Path) -> CaseFeed:
    """A feed on disk, with the mapping file that lies beside it. It was recorded when the file was last changed."""
    data, changed, beside = hr.on_disk(path, MAPPING_NAMES, "expected a feed of cases or assignments")
    return read_feed(data, str(path), changed, load_mapping(*beside) if beside else None)


NEEDED = {"cases": ("case_id", "customer_id", "opened_at"), "assignments": ("case_id",)}


def _kinds(headings: Sequence[str], mapping: Mapping) -> tuple[str, ...]:
    """What a feed says something about, by its columns; nothing where it is no feed of cases."""
    columns = {*people.known_columns(headings, HEADINGS), *mapping.columns}
    holder = bool(columns & {"assignee", "team"})
    if "case_id" in columns and ("opened_at" in columns or ("customer_id" in columns and "from" not in columns)):
        return ("cases", "assignments") if holder else ("cases",)
    return ("assignments",) if holder and "case_id" in columns else ()


def _headings(content: str, mapping: Mapping, name: str = "") -> list[str]:
    if content[:1] in "{[":
        return list(dict.fromkeys(heading for entry in _entries(content, name) for heading in entry or ()))
    return text.header(content, mapping.delimiter)


def _entries(content: str, name: str) -> list[dict[str, str] | None]:
    """The objects of a JSON feed as headings and texts; what is no object as None."""
    value = entries.load(content, name)
    if isinstance(value, dict) and isinstance(value.get("cases"), list) and "assignments" in value:
        raise UserError("holds both cases and assignments", "expected each as a feed of its own", path=name)
    found = entries.listed(value, "cases", "assignments", "tickets", "issues", "records", "data")
    return [people.flattened(_several_as_one(entry)) if isinstance(entry, dict) else None for entry in found]


def _several_as_one(entry: dict[str, Any]) -> dict[str, Any]:
    """A list of plain values as one text, as a table writes it."""
    return {
        key: ";".join(map(str, value))
        if isinstance(value, list) and all(isinstance(item, str | int) for item in value)
        else value
        for key, value in entry.items()
    }


def _values(
    content: str, name: str, mapping: Mapping, needed: Sequence[str]
) -> Iterator[tuple[int | BadRow, dict[str, str]]]:
    """Each row's line, counted from 1 (of JSON its place), with its values by our field names."""
    if content[:1] not in "{[":
        for row, values in table.picked(content, name, mapping, HEADINGS, needed):
            yield (row if isinstance(row, BadRow) else row.line), values
        return
    found = _entries(content, name)
    headings = list(dict.fromkeys(heading for entry in found for heading in entry or ()))
    columns = table.chosen(headings, name, mapping, HEADINGS, needed)
    for place, entry in enumerate(found, 1):
        if entry is None:
            yield BadRow(place, "the entry is no object; expected a case"), {}
        else:
            yield place, people.picked(entry, columns)


def _row(line: int, values: dict[str, str], mapping: Mapping, kinds: tuple[str, ...]) -> CaseRow:
    """Raises ValueError for a row that cannot be taken."""
    case_id = _id("case_id", values)
    if not case_id:
        raise ValueError("case_id is empty; expected the case's number")
    span: Span | None = None
    customers: tuple[str, ...] = ()
    if "cases" in kinds:
        customers = tuple(dict.fromkeys(filter(None, map(str.strip, _id("customer_id", values).split(";")))))
        if not customers:
            raise ValueError("customer_id is empty; expected the customers whose case it is")
        span = _span(values, mapping)
    return CaseRow(line, case_id, customers, span, _assignment(values, mapping, needed=kinds == ("assignments",)))


def _span(values: dict[str, str], mapping: Mapping) -> Span:
    opened = _moment("opened_at", values, mapping)
    if opened is None:
        raise ValueError("opened_at is empty; expected when the case was opened")
    closed = _moment("closed_at", values, mapping, end=True)
    if closed is None and values.get("status", "").strip().lower() in CLOSED:
        return Span(opened, UNDATED)
    if closed is not None and closed < opened:
        raise ValueError("closed_at is before opened_at")
    return Span(opened, FOREVER if closed is None else closed)


def _assignment(values: dict[str, str], mapping: Mapping, *, needed: bool) -> Assignment | None:
    assignee, team = _id("assignee", values), _id("team", values)
    if not assignee and not team:
        if needed:
            raise ValueError("neither employee_id nor team is given; expected who has the case")
        return None
    start = _moment("from", values, mapping)
    end = _moment("to", values, mapping, end=True)
    if start is not None and end is not None and end < start:
        raise ValueError("to is before from")
    if start is None and end is not None:
        start = 0
    return Assignment(assignee, team, UNDATED if start is None else start, FOREVER if end is None else end)


def _id(name: str, values: dict[str, str]) -> str:
    value = values.get(name, "").strip()
    try:
        people.checked_length(value, people.LONGEST_KEY)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    if not value.isprintable():
        raise ValueError(f"{name}: it holds a control character; expected text")
    return value.lower()


def _moment(name: str, values: dict[str, str], mapping: Mapping, *, end: bool = False) -> int | None:
    """An instant, UTC unless it has an offset. A day alone begins at midnight, or as an end lasts until the next."""
    value = values.get(name, "").strip()
    try:
        found = _instant(value, mapping.date_format)
        if found is not None:
            return found
        day = dates.day(value, mapping.date_format)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    if not day:
        return None
    midnight = instants.of(datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC))
    return max(0, midnight + (DAY if end else 0))


def _instant(value: str, formats: Sequence[str]) -> int | None:
    """Milliseconds of a time of day on a day; None for what has no time of day."""
    for form in formats:
        try:
            found = datetime.strptime(value, form)  # noqa: DTZ007 its zone, where it has one, is looked at below
        except ValueError:
            continue
        if "%H" in form or "%I" in form:
            return max(0, instants.of(found if found.tzinfo else found.replace(tzinfo=UTC)))
    if EPOCH.fullmatch(value):
        return int(value) * (1 if len(value) == 13 else 1000)
    match = TIME.fullmatch(value)
    if match is None:
        return None
    offset = "+00:00" if (match[3] or "Z").upper() in ("Z", "UTC") else match[3]
    clock, _, fraction = match[2].replace(",", ".").partition(".")
    try:
        found = datetime.fromisoformat(
            f"{match[1]}T{clock}{'.' + fraction[:6].ljust(6, '0') if fraction else ''}{offset}"
        )
    except ValueError as error:
        raise ValueError(f"{value[:60]!r} is no time that exists: {error}") from error
    if found.year >= dates.NEVER:
        return FOREVER
    return max(0, (found - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1))
