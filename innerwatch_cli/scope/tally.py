"""Counts accesses one document after the other: which customers, how surely, how. Memory follows the customers. Pure.

A customer's accesses are counted by each of their *traits*: who and how sure, through which system, doing what, which
fields, justified or not. Of traits there are few, so that each customer holds some tens of numbers.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import msgspec

from innerwatch.customers import REQUEST
from innerwatch.values import dig
from innerwatch_cli.scope.question import Question

CERTAIN, PROBABLE, POSSIBLE = "certain", "probable", "possible"
STRENGTHS = (CERTAIN, PROBABLE, POSSIBLE)

# What of a document is read.
SOURCE = (
    *("@timestamp", "data_stream.dataset", "event.action", "event.outcome", "event.provider", "event.ingested"),
    *("employee.id", "employee.as_of", "employee.resolution", "user.id", "user.name", "service.name"),
    *("access.customer.id", "access.fields", "access.records", "access.justification", "access.case.id"),
    *("access.unjustified.customer.id", "cloud.account.id", f"{REQUEST}.bucketName"),
)

Document = Mapping[str, Any]


class Way(NamedTuple):
    """How a customer's data was seen."""

    strength: str
    cause: str  # why it is no surer
    person: str  # HR id; the account's name where nobody known to HR acted
    system: str
    action: str
    fields: tuple[str, ...]  # empty: the log does not say which
    justification: str  # justified, unjustified, unknown; empty: accesses of this log are not judged

    @property
    def traits(self) -> "tuple[Trait, ...]":
        """What of it is counted, each a kind and a name."""
        found: list[Trait] = [
            (self.strength, self.person),
            ("system", self.system),
            ("action", self.action),
            ("justification", self.justification),
        ]
        if self.cause:
            found.append(("cause", self.cause))
        if self.strength == POSSIBLE:
            found.append((ACCOUNT, (self.person, self.cause)))
        found += [("field", field) for field in self.fields] or [(UNLOGGED, self.system)]
        return tuple(found)


Trait = tuple[str, Any]
ACCOUNT, UNLOGGED = "account", "without fields"


class Silence(NamedTuple):
    """Accesses that name no customer."""

    strength: str
    person: str
    system: str
    place: str  # the bucket, where the system is S3
    action: str


class Quantity:
    """Of accesses that name no customer: how many, and how many records they showed, as far as that was logged."""

    __slots__ = ("events", "records", "uncounted")

    def __init__(self) -> None:
        self.events = self.records = self.uncounted = 0

    def add(self, records: int | None) -> None:
        self.events += 1
        if records is None:
            self.uncounted += 1
        else:
            self.records += records


class Count:
    """Of some accesses to one customer: how many, first and last, and how many have a trait."""

    __slots__ = ("accesses", "first", "last", "traits")

    def __init__(self, time: str) -> None:
        self.accesses = 0
        self.first = self.last = time
        self.traits: dict[int, int] = {}  # number of the trait → accesses

    def add(self, traits: Iterable[int], time: str) -> None:
        self.accesses += 1
        if time < self.first:
            self.first = time
        elif time > self.last:
            self.last = time
        counts = self.traits
        for trait in traits:
            counts[trait] = counts.get(trait, 0) + 1


class Customer:
    """One customer, by their id without regard to case."""

    __slots__ = ("certain", "id", "own", "possible")

    def __init__(self, identity: str) -> None:
        self.id = identity  # as logs spell it; of several spellings the first in order of the alphabet
        self.certain = False
        self.own: Count | None = None  # what the people saw, certainly or probably
        self.possible: Count | None = None

    @property
    def strength(self) -> str:
        return CERTAIN if self.certain else PROBABLE if self.own else POSSIBLE


class Seen(NamedTuple):
    """What is said of one customer: of the people's own accesses, or of possible ones where there are no others."""

    id: str
    strength: str
    first: str
    last: str
    accesses: int
    counts: Mapping[str, Mapping[str, int]]  # kind of trait → name → accesses

    def counted(self, kind: str) -> dict[str, int]:
        """Name → accesses, by name."""
        found = self.counts.get(kind)
        return dict(sorted(found.items())) if found else {}

    @property
    def fields(self) -> dict[str, int]:
        return self.counted("field")

    @property
    def without_fields(self) -> int:
        return sum(self.counted(UNLOGGED).values())

    @property
    def people(self) -> dict[str, int]:
        """Who → accesses."""
        found: Counter[str] = Counter()
        for strength in STRENGTHS:
            found.update(self.counted(strength))
        return dict(sorted(found.items()))


class Tally:
    """Give it every document of the query once, slice after slice in order of time."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self._spelling = {person.lower(): person for person in question.people}
        self._fields = {field.lower() for field in question.fields}
        self._harmless = {name.lower() for name in question.harmless}
        self._traits: list[Trait] = []
        self._numbers: dict[Trait, int] = {}
        self._ways: dict[Way, tuple[int, ...]] = {}  # the numbers of its traits
        self.customers: dict[str, Customer] = {}
        self.silences: defaultdict[Silence, Quantity] = defaultdict(Quantity)
        self.harmless = 0  # accesses without a customer to what the question calls harmless
        self.events: Counter[str] = Counter()  # by strength
        self.versions: Counter[int] = Counter()  # of the directory: employee.as_of → documents
        self.newest = ""  # event.ingested
        self._days: dict[str, Any] = {}
        self._counts: Counter[str] = Counter()

    # --- the documents

    def add(self, hits: Sequence[Mapping[str, Any]]) -> None:
        """The hits of one slice of time, all of one UTC day, in any order; slices come in order of time."""
        lines = []
        for hit in hits:
            access = Access(hit)
            self._count(access)
            lines.append((access.time, access.id, access.line()))
        lines.sort()
        for day, some in groupby(lines, key=lambda it: it[0][:10]):
            texts = [text for _, _, text in some]
            if day not in self._days:
                self._days[day] = hashlib.sha256()
            self._days[day].update(b"".join(texts))
            self._counts[day] += len(texts)

    def _count(self, access: "Access") -> None:
        strength, cause, person = self._who(access)
        if self._fields and not access.fields:
            strength, cause = POSSIBLE, "which fields were shown was not logged"
        self.events[strength] += 1
        if access.as_of is not None:
            self.versions[access.as_of] += 1
        if access.ingested > self.newest:
            self.newest = access.ingested
        if not access.customers:
            place = Silence(strength, person, access.system, access.bucket, access.action)
            self._silent(place, access.records)
            return
        way = Way(strength, cause, person, access.system, access.action, access.fields, access.justification)
        for customer in access.customers:
            own = way
            if access.justification == "unjustified" and customer not in access.judged:
                # Others of the same access were unjustified; of this one the document does not say.
                own = way._replace(justification="unknown")
            self._see(customer, own, access.time)

    def _who(self, access: "Access") -> tuple[str, str, str]:
        """How sure it is that one of the people saw it, why no surer, and who it is said to have been."""
        if access.employee is None:
            return POSSIBLE, f"nobody known to HR: {access.reason or 'no reason given'}", access.account
        person = self._spelling.get(access.employee.lower())
        if person is None:
            return POSSIBLE, "guessed to be somebody else: the caller chose the name", access.employee
        if access.confidence != "certain":
            return PROBABLE, f"the person is {access.confidence}", person
        if access.outcome != "success":
            return PROBABLE, "the log does not say whether the access succeeded", person
        return CERTAIN, "", person

    def _silent(self, silence: Silence, records: Any) -> None:
        if records == 0:
            return  # a search without a hit
        if {silence.system.lower(), silence.place.lower()} & self._harmless:
            self.harmless += 1
            return
        self.silences[silence].add(records if isinstance(records, int) else None)

    def _traits_of(self, way: Way) -> tuple[int, ...]:
        found = self._ways.get(way)
        if found is None:
            for trait in way.traits:
                if trait not in self._numbers:
                    self._numbers[trait] = len(self._traits)
                    self._traits.append(trait)
            found = self._ways[way] = tuple(self._numbers[trait] for trait in way.traits)
        return found

    def _see(self, identity: str, way: Way, time: str) -> None:
        key = identity.lower()
        customer = self.customers.get(key)
        if customer is None:
            customer = self.customers[key] = Customer(identity)
        elif identity < customer.id:
            customer.id = identity
        if way.strength == POSSIBLE:
            count = customer.possible = customer.possible or Count(time)
        else:
            count = customer.own = customer.own or Count(time)
            customer.certain = customer.certain or way.strength == CERTAIN
        count.add(self._traits_of(way), time)

    # --- what was found

    def seen(self) -> Iterator[Seen]:
        """Every customer, the surest first, then by id."""
        order = sorted(self.customers.values(), key=lambda it: (STRENGTHS.index(it.strength), it.id))
        for customer in order:
            # Of a customer whom the people saw themselves, what others may have been adds nothing.
            count = customer.own or customer.possible
            if count is None:
                raise AssertionError("a customer is made for an access")
            counts: dict[str, dict[str, int]] = {}
            for number, accesses in count.traits.items():
                kind, name = self._traits[number]
                if kind != ACCOUNT:
                    counts.setdefault(kind, {})[name] = accesses
            yield Seen(customer.id, customer.strength, count.first, count.last, count.accesses, counts)

    def possible(self) -> Iterator[tuple[str, str, str, int]]:
        """Customer's id, account, cause and accesses, of everything that only may have been one of the people."""
        for customer in self.customers.values():
            for number, accesses in customer.possible.traits.items() if customer.possible else ():
                kind, name = self._traits[number]
                if kind == ACCOUNT:
                    yield customer.id, *name, accesses

    def evidence(self) -> dict[str, Any]:
        """Per UTC day the SHA-256 of its events' lines; of all, that of the days' hashes."""
        days = {
            day: {"events": self._counts[day], "sha256": digest.hexdigest()}
            for day, digest in sorted(self._days.items())
        }
        whole = hashlib.sha256("".join(f"{day} {said['sha256']}\n" for day, said in days.items()).encode())
        return {"events": sum(self._counts.values()), "sha256": whole.hexdigest(), "days": days}


class Access:
    """What is read of one document."""

    __slots__ = (
        *("account", "action", "as_of", "bucket", "case", "confidence", "customers", "employee", "fields", "id"),
        *("ingested", "judged", "justification", "outcome", "reason", "records", "system", "time"),
        *("_said", "_shown"),
    )

    def __init__(self, hit: Mapping[str, Any]) -> None:
        document: Document = hit["_source"]
        get = document.get
        employee: Document = get("employee") or NOTHING
        resolution: Document = employee.get("resolution") or NOTHING
        event: Document = get("event") or NOTHING
        access: Document = get("access") or NOTHING
        user: Document = get("user") or NOTHING
        dataset = (get("data_stream") or NOTHING).get("dataset")
        account = user.get("name") or user.get("id")
        system = (get("service") or NOTHING).get("name") or event.get("provider")
        action, self.outcome, self.ingested = event.get("action"), event.get("outcome"), event.get("ingested") or ""
        identity, self.confidence, self.reason = (
            employee.get("id"),
            resolution.get("confidence"),
            resolution.get("reason"),
        )
        self.id: str = hit["_id"]
        self.time: str = document["@timestamp"]
        self.employee = None if identity is None else str(identity)
        self.as_of = employee.get("as_of")
        self.account, self.system, self.action = (
            str(account or "unknown account"),
            str(system or dataset),
            str(action or "unknown"),
        )
        self.bucket = str(dig(document, f"{REQUEST}.bucketName") or "") if "aws" in document else ""
        self.customers = texts((access.get("customer") or NOTHING).get("id"))
        self.fields = tuple(texts(access.get("fields")))
        self.records = access.get("records")
        self.justification = str(access.get("justification") or "")
        self.judged = texts(dig(access, "unjustified.customer.id")) if "unjustified" in access else []
        self._said = (self.id, self.time, dataset, identity, self.as_of, resolution.get("method"), self.confidence)
        self._shown = (account, action, self.outcome, system, self.bucket, self.customers, self.fields, self.records)
        self.case = (access.get("case") or NOTHING).get("id")

    def line(self) -> bytes:
        """What is hashed: the id, and all that the numbers depend on, as one line of JSON in ASCII."""
        said = (*self._said, self.reason, *self._shown, self.case, self.justification or None, self.judged)
        try:
            quick = _quick(said)
            if quick.isascii() and b"\\" not in quick and b"\x7f" not in quick:  # what both write alike
                return quick + b"\n"
        except UnicodeEncodeError:
            pass
        return _encode(said).encode() + b"\n"


NOTHING: Document = {}
_quick = msgspec.json.Encoder().encode
_encode = json.JSONEncoder(separators=(",", ":")).encode  # ASCII: also what is no valid text has one form


def texts(value: Any) -> list[str]:
    """The texts that a field holds, sorted, each once."""
    if isinstance(value, list):
        return [str(value[0])] if len(value) == 1 else sorted(set(map(str, value)))
    return [] if value is None else [str(value)]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
