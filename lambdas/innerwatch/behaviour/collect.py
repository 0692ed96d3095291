"""From enriched documents to person-days: what each person did on each of their days, in numbers.

Collecting is streaming: documents come in any order, and days that are complete can be taken while others go on.
Days are the person's own where the directory knows the time zone, else UTC's. Only documents that name a person count,
and not those in which the caller chose the name (`employee.resolution.confidence: guessed`): nobody answers for what
somebody else typed.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, reduce
from ipaddress import ip_address, ip_network
from itertools import groupby
from operator import itemgetter
from typing import Any, Protocol

from innerwatch import instants
from innerwatch.directory import employment
from innerwatch.directory.employment import DAY
from innerwatch.values import Fact

HOUR = 60 * 60_000
EXPORTS = frozenset({"export", "download"})
SENDS = frozenset({"send"})
SIGN_INS = frozenset({"login", "logon", "logoff", "logout", "ConsoleLogin"})
OBJECT_READS = frozenset({"GetObject", "REST.GET.OBJECT"})
DENIED = ("AccessDenied", "UnauthorizedOperation", "Unauthorized", "Forbidden")  # how such error codes begin or end
CHANGES = frozenset({"change", "creation", "deletion"})  # ECS event.type
JUDGED = 10  # customers: a share of fewer says nothing
MOST = 500  # customers without a reason that a day keeps by name
MOST_OFFSETS = 250_000  # people's hours whose clocks are remembered
BULK_ROLES = ("migration", "batch")  # words in the names of roles for approved work in bulk, as in the rules

# What a person uses, whose first times count.
KINDS = ("addresses", "networks", "user_agents", "hosts", "services", "actions", "buckets", "hours")
# What of a person stays with the day; the rest of `employee.*` is an event's.
ATTRIBUTES = (
    *("id", "name", "email", "role", "department", "team", "location", "manager", "type", "status"),
    *("hired_at", "notice_at", "last_day", "days_to_exit", "tenure_days", "as_of"),
)


class People(Protocol):
    """What is asked of the employee directory."""

    def state(self, employee_id: str, time: int) -> Fact | None: ...


@dataclass(slots=True)
class PersonDay:
    """One person's day. `values` has what is known; `score` adds the measures that need other days."""

    employee: dict[str, Any]  # employee.* as of the day's last event
    day: int  # the local day, counted from 1 January 1970
    end: int  # the instant at which it ends
    kind: str  # "shift", "off", or "" where nobody knows the person's shift
    values: dict[str, float]
    seen: dict[str, tuple[str, ...]]  # by KINDS
    fields: dict[str, int] = field(default_factory=dict)  # field of the customers' data → customers shown with it
    asked: tuple[str, ...] = ()  # customers looked up without a reason
    bulk_role_events: int = 0  # done in a role for approved work in bulk, and counted nowhere else
    scores: dict[str, float] = field(default_factory=dict)  # of measures that were unusual, once `score` has been there

    @property
    def id(self) -> str:
        return str(self.employee["id"])

    @property
    def date(self) -> str:
        return date(self.day)


def date(day: int) -> str:
    return instants.iso(day * DAY)[:10]


def day_number(date: str) -> int:
    return instants.from_rfc3339(f"{date}T00:00:00Z") // DAY


Key = tuple[int, str]  # local day and employee id


@dataclass(slots=True)
class Part:
    """What is known of a person-day so far. Sums and sets: parts add up."""

    last: int = -1
    end: int = 0
    employee: Mapping[str, Any] = field(default_factory=dict)
    on_shift: bool = False
    off_shift: int = 0
    events: int = 0
    records: int = 0
    exports: int = 0
    records_exported: int = 0
    bytes_exported: int = 0
    objects_read: int = 0
    bytes_read: int = 0
    changes: int = 0
    denied: int = 0
    bulk_role_events: int = 0
    customers: dict[str, int] = field(default_factory=dict)  # what is known of each, as bits: see SHOWN
    seen: dict[str, set[str]] = field(default_factory=dict)

    def merge(self, other: "Part") -> "Part":
        """This one, with what another of the same collector knows."""
        if other.last > self.last:
            self.last, self.end, self.employee = other.last, other.end, other.employee
        self.on_shift |= other.on_shift
        for name in SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for customer, bits in other.customers.items():
            self.customers[customer] = self.customers.get(customer, 0) | bits
        for kind, items in other.seen.items():
            self.seen.setdefault(kind, set()).update(items)
        return self


SUMS = (
    *("off_shift", "events", "records", "exports", "records_exported", "bytes_exported", "objects_read", "bytes_read"),
    *("changes", "denied", "bulk_role_events"),
)
# What a person-day knows of a customer, in one number: a set for each would take several times the memory. From
# FIRST_FIELD on each bit is a field of the customers' data, in the order in which the collector met them.
SHOWN, WITH_CASE, WITHOUT_CASE, JUSTIFIED, UNJUSTIFIED, ASKED, SENT_WITHOUT_CASE = (1 << place for place in range(7))
FIRST_FIELD = 7


class Collector:
    """Takes documents in any order. `bulk_roles`: words in names of roles whose work is approved, and counts apart."""

    def __init__(self, people: People | None = None, bulk_roles: tuple[str, ...] = BULK_ROLES) -> None:
        self.people, self.bulk_roles = people, bulk_roles
        self._parts: dict[Key, Part] = {}
        self._texts: dict[str, str] = {}  # each text once, however many person-days hold it
        self._bits: dict[int, int] = {}  # the same for what is known of a customer
        self._fields: dict[str, int] = {}  # the bit of each field
        self._offsets: dict[tuple[str, int], int] = {}

    def add(self, document: Mapping[str, Any]) -> None:
        employee = document.get("employee")
        if not employee or not (identity := employee.get("id")):
            return
        if (employee.get("resolution") or {}).get("confidence") == "guessed":
            return
        time = _minute(document["@timestamp"])
        hour = time // HOUR
        offset = self._offsets.get((identity, hour))
        if offset is None:
            if len(self._offsets) >= MOST_OFFSETS:
                self._offsets.clear()
            offset = self._offsets[identity, hour] = self._offset(identity, time)
        local = time + offset
        key = local // DAY, identity
        part = self._parts.get(key)
        if part is None:
            part = self._parts[key] = Part()
        if time > part.last:
            part.last, part.employee, part.end = time, employee, (key[0] + 1) * DAY - offset
        self._count(part, document, employee.get("on_shift"), local % DAY // HOUR)

    def _offset(self, identity: str, time: int) -> int:
        fact = self.people.state(identity, time) if self.people is not None else None
        return employment.local(fact.employee, time) - time if fact is not None else 0

    def _count(self, part: Part, document: Mapping[str, Any], on_shift: bool | None, hour: int) -> None:
        event = document["event"]
        trail = (document.get("aws") or {}).get("cloudtrail")
        if trail and self._in_bulk(trail):
            part.bulk_role_events += 1
            return
        part.events += 1
        if on_shift:
            part.on_shift = True
        else:
            part.off_shift += on_shift is False
            self._note(part, "hours", f"{hour:02d}")
        self._used(part, document, event, trail)
        if event.get("outcome") == "failure":
            part.denied += _denied(document, event, trail)
            return
        self._accessed(part, document.get("access") or {}, event.get("action"))
        if trail:
            _read(part, event, trail)
        elif event.get("action") in OBJECT_READS:
            part.objects_read += 1
            http = document.get("http") or {}
            part.bytes_read += _whole(((http.get("response") or {}).get("body") or {}).get("bytes"))

    def _in_bulk(self, trail: Mapping[str, Any]) -> bool:
        session = (trail.get("user_identity") or {}).get("session_context") or {}
        role = (session.get("session_issuer") or {}).get("user_name")
        return isinstance(role, str) and any(word in role.lower() for word in self.bulk_roles)

    def _used(self, part: Part, document: Mapping[str, Any], event: Mapping[str, Any], trail: Any) -> None:
        service = event.get("provider") or (document.get("service") or {}).get("name")
        action = event.get("action")
        if service:
            self._note(part, "services", service)
            if action:
                self._note(part, "actions", f"{service}:{action}")
        address = (document.get("source") or {}).get("ip")
        if address:
            self._note(part, "addresses", address)
            self._note(part, "networks", network(address))
        agent = (document.get("user_agent") or {}).get("original")
        if agent:
            self._note(part, "user_agents", without_versions(agent))
        host = (document.get("host") or {}).get("name")
        if host:
            self._note(part, "hosts", host)
        if trail:
            parameters = (trail.get("flattened") or {}).get("request_parameters") or {}
            bucket = parameters.get("bucketName")
        else:
            bucket = ((document.get("aws") or {}).get("s3access") or {}).get("bucket")
        if isinstance(bucket, str):
            self._note(part, "buckets", bucket)

    def _note(self, part: Part, kind: str, item: str) -> None:
        known = part.seen.get(kind)
        if known is None:
            known = part.seen[kind] = set()
        if item not in known:
            known.add(self._texts.setdefault(item, item))

    def _accessed(self, part: Part, access: Mapping[str, Any], action: str | None) -> None:
        found = (access.get("customer") or {}).get("id") or ()
        customers = [found] if isinstance(found, str) else found
        records = _whole(access.get("records")) or len(customers)
        part.records += records
        if action in EXPORTS:
            part.exports += 1
            part.records_exported += records
        if action in EXPORTS or action in SENDS:
            part.bytes_exported += _whole(access.get("bytes"))
        if not customers:
            return
        bits = SHOWN | _reasons(len(customers), access, action) | self._shown(access.get("fields") or ())
        known = part.customers
        for customer in customers:
            before = known.get(customer)
            if before is None:
                known[self._texts.setdefault(customer, customer)] = self._bits.setdefault(bits, bits)
            elif before | bits != before:
                known[customer] = self._bits.setdefault(before | bits, before | bits)

    def _shown(self, names: Any) -> int:
        """The bits of fields."""
        fields, bits = self._fields, 0
        for name in (names,) if isinstance(names, str) else names:
            bit = fields.get(name)
            if bit is None:
                bit = fields[name] = 1 << FIRST_FIELD + len(fields)
            bits |= bit
        return bits

    def __len__(self) -> int:
        """Person-days so far."""
        return len(self._parts)

    def take(self, before: int | None = None) -> list[PersonDay]:
        """The person-days, in order of day and person; those of days before `before`, if given. They are let go."""
        return list(self.finished(self.parts(before)))

    def parts(self, before: int | None = None) -> Iterator[tuple[Key, Part]]:
        """The same unfinished: what this collector still can add to, once others hold more of the same person-day."""
        self._texts.clear()
        for key in sorted(key for key in self._parts if before is None or key[0] < before):
            yield key, self._parts.pop(key)

    def finished(self, parts: Iterable[tuple[Key, Part]]) -> Iterator[PersonDay]:
        """Person-days of this collector's parts, of which those of one person-day follow each other."""
        for (day, _), several in groupby(parts, key=itemgetter(0)):
            yield _finished(day, reduce(Part.merge, (part for _, part in several)), self._fields)


def collect(documents: Iterable[Mapping[str, Any]], people: People | None = None) -> list[PersonDay]:
    """The person-days of documents in any order, in order of day and person."""
    collector = Collector(people)
    for document in documents:
        collector.add(document)
    return collector.take()


def _finished(day: int, part: Part, fields: Mapping[str, int]) -> PersonDay:
    customers = Counter(part.customers.values())

    def number(bits: int, but: int = 0) -> int:
        """Customers of whom one of these is known, and none of those."""
        return sum(count for known, count in customers.items() if known & bits and not known & but)

    shown = {name: number(bit) for name, bit in sorted(fields.items())}
    values: dict[str, float] = {
        "events": part.events,
        "customers": len(part.customers),
        "records": part.records,
        "without_case": number(WITHOUT_CASE, but=WITH_CASE),  # a search comes before its case
        "exports": part.exports,
        "records_exported": part.records_exported,
        "bytes_exported": part.bytes_exported,
        "sent_without_case": number(SENT_WITHOUT_CASE),
        "services": len(part.seen.get("services", ())),
        "buckets": len(part.seen.get("buckets", ())),
        "objects_read": part.objects_read,
        "bytes_read": part.bytes_read,
        "changes": part.changes,
        "denied": part.denied,
        "hosts": len(part.seen.get("hosts", ())),
    }
    kind = "shift" if part.on_shift else "off" if part.off_shift else ""
    if kind:
        values["off_shift"] = part.off_shift
    judged = number(JUSTIFIED | UNJUSTIFIED)
    if judged:
        values["unjustified"] = number(UNJUSTIFIED)
        if judged >= JUDGED:
            values["unjustified_share"] = values["unjustified"] / judged
    return PersonDay(
        employee={name: part.employee[name] for name in ATTRIBUTES if name in part.employee},
        day=day,
        end=part.end,
        kind=kind,
        values=values,
        seen={name: tuple(sorted(items)) for name, items in sorted(part.seen.items())},
        fields={name: count for name, count in shown.items() if count},
        asked=tuple(sorted(customer for customer, bits in part.customers.items() if _without_reason(bits))[:MOST]),
        bulk_role_events=part.bulk_role_events,
    )


def _reasons(customers: int, access: Mapping[str, Any], action: str | None) -> int:
    """Whether there was a reason to see so many customers, as bits."""
    case, bits = (access.get("case") or {}).get("id"), 0
    if case:
        bits |= WITH_CASE
    elif action in SENDS:
        bits |= SENT_WITHOUT_CASE
    if customers > 1 or action in EXPORTS:  # who sees several reads a list, and looks nobody up
        return bits
    justification = access.get("justification")
    if justification == "justified":
        bits |= JUSTIFIED
    elif justification == "unjustified":
        bits |= UNJUSTIFIED
    if not case:
        bits |= WITHOUT_CASE
    if justification == "unjustified" or not case:
        bits |= ASKED
    return bits


def _without_reason(bits: int) -> bool:
    """Whether a customer was looked up and nothing on that day says why."""
    return bool(bits & ASKED and (bits & UNJUSTIFIED or not bits & (WITH_CASE | JUSTIFIED)))


def _denied(document: Mapping[str, Any], event: Mapping[str, Any], trail: Any) -> bool:
    if event.get("action") in SIGN_INS:  # a mistyped password
        return False
    code = str((trail.get("error_code") if trail else None) or (document.get("error") or {}).get("code") or "")
    return not trail or code.startswith(DENIED) or code.endswith(DENIED)


def _read(part: Part, event: Mapping[str, Any], trail: Mapping[str, Any]) -> None:
    if event.get("action") in OBJECT_READS:
        part.objects_read += 1
        further = (trail.get("flattened") or {}).get("additional_eventdata") or {}
        part.bytes_read += _whole(further.get("bytesTransferredOut"))
    elif trail.get("read_only") is False:
        part.changes += 1


def _whole(value: Any) -> int:
    """A count; 0 for none, and for what is no count."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return max(0, int(value))


@lru_cache(maxsize=65536)
def network(address: str) -> str:
    """The /24 of an IPv4 address, the /48 of an IPv6 one; text that is no address stays as it is."""
    try:
        length = 24 if ip_address(address).version == 4 else 48
        return str(ip_network(f"{address}/{length}", strict=False))
    except ValueError:
        return address


@lru_cache(maxsize=16384)
def without_versions(agent: str) -> str:
    """A user agent without its numbers: programs update themselves."""
    return VERSION.sub("", agent)


VERSION = re.compile(r"[/#]?\d[\w.+-]*")


def _minute(text: Any) -> int:
    """The minute in which a document's time falls, as an instant: no finer one matters here."""
    if isinstance(text, str):
        return _minute_of(text[:16]) if text.endswith("Z") else instants.from_rfc3339(text) // 60_000 * 60_000
    return int(text) // 60_000 * 60_000


@lru_cache(maxsize=16384)
def _minute_of(text: str) -> int:
    return instants.from_rfc3339(f"{text}:00Z")
