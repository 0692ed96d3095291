"""What a raw record, its object, the digest and the ledger prove of one document. Pure."""

import hashlib
from collections.abc import Iterator, Mapping, Set
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from innerwatch.ledger import Line
from innerwatch.pseudonyms.keys import PSEUDONYM
from innerwatch.values import Event, SetAside, dig
from innerwatch_cli.evidence.documents import Behind
from innerwatch_cli.evidence.records import Reading
from innerwatch_cli.evidence.signatures import Follows, Signed, notes

SHOWN = 5  # fields that differ, before the rest is only counted
# What enrichment adds to a record, or HR and case systems say of it since.
ADDED = frozenset(
    {
        *("employee", "ecs", "data_stream", "log", "event.ingested"),
        *("access.justification", "access.justification_reason", "access.unjustified"),
    }
)
BEHAVIOUR = "innerwatch.behaviour"  # the dataset of days, which are computed
HIDDEN = "event.original"  # left out of documents with pseudonyms
CUSTOMERS = "access"  # of a CloudTrail document: out of the object's name, if customers are looked for there


class Outcome(StrEnum):
    """Of one event, from the best to the worst."""

    PROVEN = "proven"
    UNSIGNED = "matches, unsigned"
    NOTHING = "no record"
    GONE = "gone"
    DIFFERS = "differs"


MEANING: dict[Outcome, str] = {
    Outcome.PROVEN: "the document says what the raw record says, and CloudTrail signed the object that holds it",
    Outcome.UNSIGNED: "the document says what the raw record says; no digest file that CloudTrail signed was found",
    Outcome.NOTHING: "it was read nowhere that could be read again",
    Outcome.GONE: "the document, the object or the file is not there any more, or cannot be read",
    Outcome.DIFFERS: "the document is not what the raw record says, or the object not what CloudTrail signed",
}


class Compared(NamedTuple):
    """A document beside what its record says: fields that differ, and fields equal but for pseudonyms."""

    different: tuple[str, ...] = ()
    pseudonyms: tuple[str, ...] = ()


class Judged(NamedTuple):
    """What is proven of one event, why, and all that it rests on."""

    outcome: Outcome
    why: str
    notes: tuple[str, ...]  # what else there is to say
    raw: bytes  # the record; empty where there is none
    reading: Reading
    signed: Signed | None
    compared: Compared | None
    line: Line | None

    @property
    def record_sha256(self) -> str:
        return hashlib.sha256(self.raw).hexdigest() if self.raw else ""


def judged(event: Behind, reading: Reading, signed: Signed | str, line: Line | None, *, ledger: bool) -> Judged:
    """`signed` is the digest that lists the object, or why none does; `line` the ledger's, if it was asked."""
    found = reading.records.get(event.position)
    record = found if isinstance(found, Event) else None
    compared = compare(event, record, customers=reading.customers) if record else None
    outcome, why = _outcome(event, reading, signed, compared, line)
    said = _notes(reading, signed, compared, line, ledger=ledger) if compared is not None else ()
    return Judged(
        outcome,
        why,
        tuple(said),
        record.raw if record else b"",
        reading,
        signed if isinstance(signed, Signed) else None,
        compared,
        line,
    )


def _outcome(
    event: Behind, reading: Reading, signed: Signed | str, compared: Compared | None, line: Line | None
) -> tuple[Outcome, str]:
    if not event.document:
        return Outcome.GONE, "the document is not in Elasticsearch any more"
    if not event.uri:
        if dig(event.document, "data_stream.dataset") == BEHAVIOUR:
            return Outcome.NOTHING, "`innerwatch measure` computed it: it has no raw record"
        return Outcome.DIFFERS, "the document does not say where its raw record is, as every event's does"
    if reading.gone:
        return (Outcome.GONE if reading.kept else Outcome.NOTHING), reading.gone
    wrong = _object_differs(reading, signed, line)
    if compared is None:
        return Outcome.DIFFERS, _joined(_no_record(event, reading), wrong)
    if compared.different:
        more = len(compared.different) - SHOWN
        names = ", ".join(compared.different[:SHOWN]) + (f" and {more} more" if more > 0 else "")
        text = f"the document is not what its record says: {names}"
        return Outcome.DIFFERS, _joined(text, _moved(event, reading), wrong)
    if wrong:
        return Outcome.DIFFERS, wrong
    if isinstance(signed, str):
        return Outcome.UNSIGNED, signed
    return Outcome.PROVEN, "as CloudTrail signed it"


def _object_differs(reading: Reading, signed: Signed | str, line: Line | None) -> str:
    """Why the object is not what CloudTrail signed, or not what was read; empty where nothing says so."""
    if isinstance(signed, Signed):
        if signed.problem:
            return f"the digest file that lists the object is not as CloudTrail signed it: {signed.problem}"
        if signed.listed != reading.content_sha256:
            return "the object's content is not what CloudTrail signed"
        if Follows.BROKEN in (signed.before, signed.after):
            return "the chain of digest files is broken at the one that lists the object"
    if line is not None and line.etag and reading.etag and line.etag != reading.etag:
        return f"the object is another than was read: its ETag was {line.etag} and is {reading.etag}"
    return ""


def _no_record(event: Behind, reading: Reading) -> str:
    found = reading.records.get(event.position)
    if isinstance(found, SetAside):
        return f"record {event.position} cannot be read: {found.reason}"
    damage = f": {reading.damage}" if reading.damage else ""
    return _joined(f"there is no event at record {event.position}{damage}", _moved(event, reading))


def _moved(event: Behind, reading: Reading) -> str:
    moved = reading.moved.get(event.id)
    return f"the event is record {moved} now" if moved is not None and moved != event.position else ""


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def _notes(
    reading: Reading, signed: Signed | str, compared: Compared, line: Line | None, *, ledger: bool
) -> Iterator[str]:
    if compared.pseudonyms:
        yield f"pseudonyms stand in {len(compared.pseudonyms)} fields, which are equal apart from them"
    if isinstance(signed, Signed) and not signed.problem:
        yield from notes(signed)
    if ledger and not reading.copy:
        if line is None:
            yield "the ledger has no line for the object"
        elif line.etag == reading.etag:
            yield f"the ledger has the same ETag, {line.etag}"


# --- a document beside its record


def compare(event: Behind, record: Event, *, customers: bool) -> Compared:
    """The document beside what its record says, apart from what enrichment adds.

    `customers`: whether the record has the customers that the names of CloudTrail's objects tell; else those of the
    document are not looked at.
    """
    said = msgspec.json.decode(msgspec.json.encode(record.document))
    left_out = ADDED if customers or record.dataset != "aws.cloudtrail" else ADDED | {CUSTOMERS}
    different: list[str] = []
    pseudonyms: list[str] = []
    if record.id != event.id:
        (pseudonyms if but_for_pseudonyms(event.id, record.id) else different).append("_id")
    for path, hidden in _walk(event.document, said, "", left_out):
        (pseudonyms if hidden else different).append(path)
    return Compared(tuple(different), tuple(pseudonyms))


def _walk(
    document: Mapping[str, Any], said: Mapping[str, Any], above: str, left_out: Set[str]
) -> Iterator[tuple[str, bool]]:
    """Paths of values that are not the same: and whether they are but for pseudonyms."""
    missing = [name for name in said if name not in document]
    for name, value in document.items():
        path = f"{above}{name}"
        if path in left_out:
            continue
        other = name
        if name not in said:  # a flattened field's names may hold people, too
            other = next((it for it in missing if but_for_pseudonyms(name, it)), "")
            if not other:
                yield path, False
                continue
            missing.remove(other)
            yield path, True
        if isinstance(value, dict) and isinstance(said[other], dict):
            yield from _walk(value, said[other], f"{path}.", left_out)
        elif value != said[other]:
            yield path, _but_for_pseudonyms(value, said[other])
    for name in missing:
        if f"{above}{name}" not in left_out | {HIDDEN}:
            yield f"{above}{name}", False


def _but_for_pseudonyms(value: Any, said: Any) -> bool:
    if isinstance(value, str) and isinstance(said, str):
        return but_for_pseudonyms(value, said)
    if isinstance(value, list) and isinstance(said, list) and len(value) == len(said):
        pairs = zip(value, said, strict=True)
        return all(one == other or _but_for_pseudonyms(one, other) for one, other in pairs)
    return False


def but_for_pseudonyms(text: str, said: str) -> bool:
    """Whether a text is what was said, with pseudonyms in place of something; upper and lower case are alike."""
    first, *rest = PSEUDONYM.split(text.casefold())
    said = said.casefold()
    if not rest or not said.startswith(first):
        return False
    place = len(first)
    for piece in rest[:-1]:
        place = said.find(piece, place + 1)
        if place < 0:
            return False
        place += len(piece)
    return said.endswith(rest[-1]) and len(said) - len(rest[-1]) > place
