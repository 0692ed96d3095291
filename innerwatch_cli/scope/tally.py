"""Counts accesses one document after the other: which customers, how surely, how. Memory follows the customers. Pure.

What accesses have in common is worked out once for each *manner* of access, of which there are few. Of a customer it is
counted how often each *trait* of these manners was met: who, through what, and what was shown.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, NamedTuple

import msgspec

from innerwatch.customers import REQUEST
from innerwatch.values import dig
from innerwatch_cli.scope.documents import Access, DataStream, Document, Employee, Event, Hit, Named, Resolution, Values
from innerwatch_cli.scope.question import Question

CERTAIN, PROBABLE, POSSIBLE = "certain", "probable", "possible"
STRENGTHS = (CERTAIN, PROBABLE, POSSIBLE)
PERSON, UNLOGGED = "person", "without fields"
UNJUSTIFIED = "unjustified"
MOST_MANNERS = 20_000  # that are remembered at once

Trait = tuple[tuple[str, str], ...]  # kinds and names that always come together


class Said(NamedTuple):
    """What a document says, but for what nearly every one says anew. None where it says nothing."""

    dataset: Any
    employee: Any
    as_of: Any
    method: Any
    confidence: Any
    reason: Any
    account: Any
    action: Any
    outcome: Any
    system: Any
    bucket: str
    fields: tuple[Any, ...]
    justification: Any


class Manner(NamedTuple):
    """What follows from that for each such access."""

    strength: str
    fields: tuple[str, ...]  # sorted; empty: the log does not say which
    traits: tuple[int, ...]  # numbers of what is counted for a customer
    unjudged: tuple[int, ...]  # the same for a customer of whom the document does not say whether it was justified
    silence: "Silence"  # what it is where no customer is named


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


# The garbage collector need not look at what is kept of customers: nothing in it leads back to it. Of many customers
# that would be a third of the time.
class Count(msgspec.Struct, gc=False):
    """Of some accesses to one customer: how many, first and last, and how many have a trait."""

    first: str
    last: str
    accesses: int = 0
    traits: dict[int, int] = {}  # number of the trait → accesses; each instance gets its own

    def add(self, traits: Iterable[int], time: str) -> None:
        self.accesses += 1
        if time < self.first:
            self.first = time
        elif time > self.last:
            self.last = time
        counts = self.traits
        for trait in traits:
            counts[trait] = counts.get(trait, 0) + 1


class Customer(msgspec.Struct, gc=False):
    """One customer, by their id without regard to case."""

    id: str  # as logs spell it; of several spellings the first in order of the alphabet
    certain: bool = False
    own: Count | None = None  # what the people saw, certainly or probably
    possible: Count | None = None

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
    counts: Mapping[str, dict[str, int]]  # kind of trait → name → accesses, by name

    def counted(self, kind: str) -> dict[str, int]:
        """Name → accesses, by name."""
        return self.counts.get(kind, {})

    @property
    def fields(self) -> dict[str, int]:
        return self.counted("field")

    @property
    def without_fields(self) -> int:
        return sum(self.counted(UNLOGGED).values())

    @property
    def people(self) -> dict[str, int]:
        """Who → accesses."""
        return self.counted(PERSON)


class Tally:
    """Give it every document of the query once, slice after slice in order of time."""

    def __init__(self, question: Question) -> None:
        self._spelling = {person.lower(): person for person in question.people}
        self._fields_asked = bool(question.fields)
        self._harmless = {name.lower() for name in question.harmless}
        self._traits: list[Trait] = []
        self._numbers: dict[Trait, int] = {}
        self._doubtful: dict[int, tuple[str, str]] = {}  # traits of possible accesses → account and cause
        self._manners: dict[tuple[Any, ...], Manner] = {}  # by what is said
        self.customers: dict[str, Customer] = {}
        self.silences: defaultdict[Silence, Quantity] = defaultdict(Quantity)
        self.harmless = 0  # accesses without a customer to what the question calls harmless
        self.versions: set[int] = set()  # of the directory: employee.as_of
        self.newest = ""  # event.ingested
        self._days: dict[str, Any] = {}
        self._counts: Counter[str] = Counter()

    # --- the documents

    def add(self, hits: Iterable[Hit]) -> None:
        """The hits of one slice of time, in any order; slices come in order of time."""
        lines = sorted((hit.document.time, hit.id, self._read(hit.id, hit.document)) for hit in hits)
        for day, some in groupby(lines, key=lambda it: it[0][:10]):
            texts = [text for _, _, text in some]
            if day not in self._days:
                self._days[day] = hashlib.sha256()
            self._days[day].update(b"".join(texts))
            self._counts[day] += len(texts)

    def _read(self, identity: str, document: Document) -> bytes:
        """Counts a document, and returns its line of evidence."""
        event, access = document.event or NO_EVENT, document.access or NO_ACCESS
        said, justification = _said(document, event, access), access.justification
        manner = self._manner(said)
        customers = texts(access.customer.id) if access.customer else []
        judged = texts(access.unjustified.customer.id) if access.unjustified and access.unjustified.customer else []
        if event.ingested and event.ingested > self.newest:
            self.newest = event.ingested
        for customer in customers:
            # Where others of the same access were unjustified, of this one the document does not say.
            known = customer in judged or justification != UNJUSTIFIED
            self._see(customer, manner.strength, manner.traits if known else manner.unjudged, document.time)
        if not customers:
            self._silent(manner.silence, access.records)
        case = access.case.id if access.case else None
        shown = (customers, manner.fields, access.records, case, justification or None, judged)
        return ascii_json((identity, document.time, *said[:-2], *shown)) + b"\n"

    def _manner(self, said: tuple[Any, ...]) -> Manner:
        try:
            found = self._manners.get(said)
        except TypeError:  # a list where a text is written, which no dict takes for a key
            return self._worked_out(Said(*said))
        if found is None:
            if len(self._manners) >= MOST_MANNERS:
                self._manners.clear()
            found = self._manners[said] = self._worked_out(Said(*said))
        return found

    def _worked_out(self, said: Said) -> Manner:
        strength, cause, person = self._who(said)
        fields = tuple(texts(said.fields))
        if self._fields_asked and not fields:
            strength, cause = POSSIBLE, "which fields were shown was not logged"
        if said.as_of is not None:
            self.versions.add(said.as_of)
        system, action = str(said.system or said.dataset), str(said.action or "unknown")
        who: Trait = ((strength, person), (PERSON, person), *((("cause", cause),) if cause else ()))
        shown: Trait = tuple(("field", field) for field in fields) or ((UNLOGGED, system),)
        through = ("system", system), ("action", action)
        traits, unjudged = (
            tuple(map(self._number, (who, (*through, ("justification", it)), shown)))
            for it in (str(said.justification or ""), "unknown")
        )
        if strength == POSSIBLE:
            self._doubtful[self._number(who)] = person, cause
        return Manner(strength, fields, traits, unjudged, Silence(strength, person, system, said.bucket, action))

    def _number(self, trait: Trait) -> int:
        number = self._numbers.setdefault(trait, len(self._traits))
        if number == len(self._traits):
            self._traits.append(trait)
        return number

    def _who(self, said: Said) -> tuple[str, str, str]:
        """How sure it is that one of the people saw it, why no surer, and who it is said to have been."""
        if said.employee is None:
            cause = f"nobody known to HR: {said.reason or 'no reason given'}"
            return POSSIBLE, cause, str(said.account or "unknown account")
        person = self._spelling.get(str(said.employee).lower())
        if person is None:
            return POSSIBLE, "guessed to be somebody else: the caller chose the name", str(said.employee)
        if said.confidence != "certain":
            return PROBABLE, f"the person is {said.confidence}", person
        if said.outcome != "success":
            return PROBABLE, "the log does not say whether the access succeeded", person
        return CERTAIN, "", person

    def _silent(self, silence: Silence, records: Any) -> None:
        if records == 0:
            return  # a search without a hit
        if {silence.system.lower(), silence.place.lower()} & self._harmless:
            self.harmless += 1
            return
        self.silences[silence].add(records if isinstance(records, int) else None)

    def _see(self, identity: str, strength: str, traits: tuple[int, ...], time: str) -> None:
        key = identity.lower()
        customer = self.customers.get(key)
        if customer is None:
            customer = self.customers[key] = Customer(identity)
        elif identity < customer.id:
            customer.id = identity
        if strength == POSSIBLE:
            count = customer.possible = customer.possible or Count(time, time)
        else:
            count = customer.own = customer.own or Count(time, time)
            if strength == CERTAIN:
                customer.certain = True
        count.add(traits, time)

    # --- what was found

    def seen(self) -> Iterator[Seen]:
        """Every customer, the surest first, then by id."""
        names = sorted({it for trait in self._traits for it in trait})
        place = {name: number for number, name in enumerate(names)}
        places = [tuple(place[it] for it in trait) for trait in self._traits]
        order = sorted(self.customers.values(), key=lambda it: (STRENGTHS.index(it.strength), it.id))
        for customer in order:
            # Of a customer whom the people saw themselves, what others may have been adds nothing.
            count = customer.own or customer.possible
            if count is None:
                raise AssertionError("a customer is made for an access")
            found: dict[int, int] = {}
            for trait, accesses in count.traits.items():
                for number in places[trait]:
                    found[number] = found.get(number, 0) + accesses
            counts: dict[str, dict[str, int]] = {}
            for number in sorted(found):
                kind, name = names[number]
                counts.setdefault(kind, {})[name] = found[number]
            yield Seen(customer.id, customer.strength, count.first, count.last, count.accesses, counts)

    def possible(self) -> Iterator[tuple[str, str, str, int]]:
        """Customer's id, account, cause and accesses, of everything that only may have been one of the people."""
        for customer in self.customers.values():
            for trait, accesses in customer.possible.traits.items() if customer.possible else ():
                if trait in self._doubtful:
                    yield customer.id, *self._doubtful[trait], accesses

    def evidence(self) -> dict[str, Any]:
        """Per UTC day the SHA-256 of its events' lines; of all, that of the days' hashes."""
        days = {
            day: {"events": self._counts[day], "sha256": digest.hexdigest()}
            for day, digest in sorted(self._days.items())
        }
        whole = hashlib.sha256("".join(f"{day} {said['sha256']}\n" for day, said in days.items()).encode())
        return {"events": sum(self._counts.values()), "sha256": whole.hexdigest(), "days": days}


def _said(document: Document, event: Event, access: Access) -> tuple[Any, ...]:
    """The values of a Said, without the time that a named tuple takes."""
    employee, user = document.employee or NOBODY, document.user or UNNAMED
    resolution = employee.resolution or UNRESOLVED
    fields = access.fields
    return (
        (document.data_stream or NO_STREAM).dataset,
        employee.id,
        employee.as_of,
        resolution.method,
        resolution.confidence,
        resolution.reason,
        user.name or user.id,
        event.action,
        event.outcome,
        (document.service or UNNAMED).name or event.provider,
        str(dig(document.aws, BUCKET) or "") if document.aws else "",
        fields if isinstance(fields, tuple) else () if fields is None else (fields,),
        access.justification,
    )


def ascii_json(value: Any) -> bytes:
    """As Python's own json writes it without spaces, which has one form also for what is no valid text."""
    try:
        quick = _quick(value)
        if quick.isascii() and b"\\" not in quick and b"\x7f" not in quick:  # what both write alike
            return quick
    except UnicodeEncodeError:
        pass
    return _encode(value).encode()


NOBODY, UNRESOLVED, UNNAMED = Employee(), Resolution(), Named()
NO_EVENT, NO_ACCESS, NO_STREAM = Event(), Access(), DataStream()
BUCKET = f"{REQUEST}.bucketName".removeprefix("aws.")
_quick = msgspec.json.Encoder().encode
_encode = json.JSONEncoder(separators=(",", ":")).encode


def texts(value: Values) -> list[str]:
    """The texts that a field holds, sorted, each once."""
    if isinstance(value, tuple):
        return [str(value[0])] if len(value) == 1 else sorted(set(map(str, value)))
    return [] if value is None else [str(value)]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
