"""The values that pass between the parts. Instants are whole milliseconds since 1970 in UTC, everywhere."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from msgspec import Struct

RAW_KEPT = 64 * 1024  # bytes of a record that was set aside which are kept with it


# A Struct is made in a quarter of the time of a tuple with names; one of these and an Event is made for every record.
class Origin(Struct, frozen=True, gc=False):
    """Where a record was read: an object's or file's address, and the record's place in it, counted from 1."""

    uri: str  # s3://bucket/key?versionId=…, cloudwatch-logs://group/stream, kinesis://stream/shard, or a path
    position: int  # the n-th record of a CloudTrail object, the n-th line of a line-based log

    @property
    def of_stream(self) -> bool:
        """Whether it was delivered once, and cannot be read there again as an object can."""
        return self.uri.startswith(("cloudwatch-logs://", "kinesis://"))


class Evidence(NamedTuple):
    """One thing that an event says about who acted.

    `method` is a key of `identity.METHODS`, which knows how far to trust it; `identifier` is written as the employee
    directory writes it: `namespace:value`, lower case, for example `email:ana@example.com`, `username:ana`,
    `identity_center:d-1234567890/9067…`, `iam_user:123456789012:user/ana`, `access_key:AKIA…`, `employee:e-17`.
    """

    method: str
    identifier: str


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acted, as far as the log itself tells: evidence in no order, or the reason why it was no person."""

    evidence: tuple[Evidence, ...] = ()
    no_person: str = ""  # for example "AWS service ec2.amazonaws.com"; a reason wins over any evidence


class Event(Struct):
    """One log record, parsed: the ECS document without `employee.*`, and what is needed to complete it."""

    id: str  # the document's _id: the source's own id, or a hash of the origin
    dataset: str  # a key of `fields.DATASETS`
    time: int
    actor: Actor
    document: dict[str, Any]
    origin: Origin
    raw: bytes = b""  # the record as it was read, should it be refused


@dataclass(frozen=True, slots=True)
class SetAside:
    """One record that cannot be indexed: kept with the reason, so that it can be replayed once mended."""

    origin: Origin
    reason: str
    raw: bytes = b""  # as it was read; of an object's record the first RAW_KEPT bytes, of a stream's all
    dataset: str = ""  # a key of `fields.DATASETS`, where the source is known
    rest: bool = False  # it stands for all that follows it in its object, too: nothing after it could be read

    @property
    def whole(self) -> bool:
        """Whether `raw` is all that there is to read: not so for the beginning of a record or of an object's rest."""
        return not self.rest and bool(self.raw) and (len(self.raw) != RAW_KEPT or self.origin.of_stream)


@dataclass(frozen=True, slots=True)
class Employee:
    """What HR held true of one person over a span of time: one fact of the directory's history.

    `status` is what the feed said, if it said so; `directory.status_at` derives the status of an instant from it and
    the dates. Dates are ISO 8601 days (`2026-03-31`), in the employee's own time zone.
    """

    id: str
    name: str = ""
    email: str = ""
    role: str = ""
    department: str = ""
    team: str = ""
    location: str = ""
    manager_id: str = ""
    type: str = ""  # employee, contractor, vendor
    status: str = ""  # pre_hire, active, leave, notice, terminated, or empty: derive it from the dates
    hired_at: str = ""
    notice_at: str = ""
    last_day: str = ""
    time_zone: str = ""  # IANA name; empty means UTC
    shift: str = ""  # "Mon-Fri 09:00-17:30": the working hours in that time zone; empty: not known
    identifiers: tuple[str, ...] = ()  # as in Evidence: every account by which this person is known

    def __hash__(self) -> int:
        """Of the id alone: facts are keys of caches that are asked for every event, and a person has few of them."""
        return hash(self.id)


@dataclass(frozen=True, slots=True)
class Fact:
    """An `Employee` with its place in history: true from `valid_from` until the next fact, said at `recorded_at`."""

    employee: Employee
    valid_from: int
    recorded_at: int

    def __hash__(self) -> int:
        """As an employee's, and for the same reason."""
        return hash(self.employee.id)


@dataclass(frozen=True, slots=True)
class Change:
    """What one row of an HR feed states of one person. What it does not name stays as it was."""

    line: int
    employee_id: str  # empty: the person who has the e-mail address in `attributes`
    attributes: Mapping[str, str]  # by the names of Employee's fields; an empty text states that there is none
    accounts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # namespace → all identifiers of it
    effective: str | int | None = None  # a day where the person works, or an instant; None: from the feed's own time
    carried: bool = False  # holds on through facts already known of later times, where these did not change it


@dataclass(frozen=True, slots=True)
class Holding:
    """What one row of an owner map states: whose an identifier is, from a day or instant to another (not included)."""

    line: int
    identifier: str
    employee_id: str
    valid_from: str | int | None = None
    valid_to: str | int | None = None


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be taken, and whom it is about as far as that could be read."""

    line: int
    reason: str
    employee_id: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class Feed:
    """An HR feed, read. `full`: it names everybody, so that whoever is missing has left."""

    name: str
    format: str
    recorded_at: int
    full: bool
    rows: tuple[Change | Holding, ...]
    bad: tuple[BadRow, ...]
    digest: str  # SHA-256 of its bytes
    largest_removal: float = 0.10  # share of the people employed; a full feed that lacks more is taken for broken
    on_disk: bool = False  # no directory recorded it: its dated rows count as recorded on their own date


@dataclass(frozen=True, slots=True)
class Ownership:
    """What the owner maps said of one identifier, as known from `recorded_at` on: its holders over time."""

    identifier: str
    recorded_at: int
    holders: tuple["Holder", ...]


FOREVER = 10**14  # an instant beyond all others, in the year 5138


class Holder(NamedTuple):
    employee_id: str
    start: int
    end: int = FOREVER  # not included


class Owner(NamedTuple):
    """Whose an identifier was at an instant: an employee's id, or `reason` why it was nobody's."""

    employee_id: str
    reason: str = ""


NOBODY = "nobody in the directory has this identifier"
CLAIMED_TWICE = "two people claim this identifier"


@dataclass(slots=True)
class Counts:
    """How the records of one object ended. `read` always equals the sum of the other three."""

    read: int = 0
    indexed: int = 0
    duplicate: int = 0
    set_aside: int = 0
    reasons: dict[str, int] = field(default_factory=dict)  # why records were set aside

    def add(self, other: "Counts") -> None:
        self.read += other.read
        self.indexed += other.indexed
        self.duplicate += other.duplicate
        self.set_aside += other.set_aside
        for reason, count in other.reasons.items():
            self.reasons[reason] = self.reasons.get(reason, 0) + count

    @property
    def balanced(self) -> bool:
        return self.read == self.indexed + self.duplicate + self.set_aside


def dig(document: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path of a nested document, or None where it has none."""
    value: Any = document
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value
