"""A chain of records: each holds the hash of the one before it, so that none can be changed without all that follow.

A record is JSON with its keys sorted and no spaces (as RFC 8785 has it), so that anybody gets its hash with
`sha256sum`. What a chain alone does not show, that its end was cut off or all of it written anew, its witnesses do:
the same hashes, kept elsewhere.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

import msgspec

from innerwatch import instants

FIRST = "0" * 64  # what the first record has for the hash of the one before
CUT_OFF = "is missing, as is all after it: the end was cut off"
UNWITNESSED = "was never witnessed, and so allowed nothing: the function was stopped, or somebody else wrote it"


class Who(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    arn: str = ""  # as AWS names whoever called; empty where AWS did not vouch for anybody
    employee: str = ""  # HR's id; empty where no one person is behind that


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What happened. A request is named by the sequence of the record that made it."""

    action: str  # requested, approved, refused, revealed, or denied
    who: Who
    request: int = 0
    pseudonyms: tuple[str, ...] = ()
    reason: str = ""
    case: str = ""
    why: str = ""  # it was denied
    call: str = ""  # hash of the signature that proved who called: no call counts twice


class Record(Entry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    sequence: int  # from 1
    time: str  # as `instants.iso` writes it
    previous: str  # SHA-256 of the record before

    @property
    def at(self) -> int:
        return instants.from_rfc3339(self.time)


class Broken(Exception):
    """The chain was tampered with: nothing may rest on it."""

    def __init__(self, what: object) -> None:
        super().__init__(f"the audit chain is broken: {what}")


class Line(NamedTuple):
    """A record as it is kept."""

    sequence: int
    text: str
    hash: str

    @property
    def record(self) -> Record:
        """Raises Broken for a text that is no record."""
        try:
            found = msgspec.json.decode(self.text, type=Record)
            instants.from_rfc3339(found.time)
        except (msgspec.DecodeError, ValueError) as error:
            raise Broken(f"record {self.sequence} cannot be read: {error}") from error
        return found


class Fault(NamedTuple):
    sequence: int
    what: str

    def __str__(self) -> str:
        return f"record {self.sequence} {self.what}"


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def sealed(entry: Entry, head: Line | None, now: int) -> Line:
    """The line that comes after `head`. Its time is never before that of its predecessor, whatever the clock says."""
    sequence = head.sequence + 1 if head else 1
    time = instants.iso(max(now, head.record.at if head else now))
    record = Record(
        **{name: getattr(entry, name) for name in Entry.__struct_fields__},
        sequence=sequence,
        time=time,
        previous=head.hash if head else FIRST,
    )
    text = msgspec.json.encode(record, order="sorted").decode()
    return Line(sequence, text, digest(text))


def first_fault(
    lines: Iterable[Line], witnesses: Mapping[int, Collection[str]] | None = None, accepted: Collection[int] = ()
) -> Fault | None:
    """The first record, in the order of the sequence, with which something is wrong; None where all are as they were.

    `lines` are all there are, as they are kept. `witnesses` are the hashes witnessed of each sequence; `accepted` are
    records without one that somebody has looked at. The last may lack it: it may be on its way.
    """
    before: Line | None = None
    lacking: Fault | None = None
    for line in lines:
        expected = before.sequence + 1 if before else 1
        if line.sequence > expected:
            return Fault(expected, "is missing")
        if line.sequence < expected:
            return Fault(line.sequence, "stands twice or in the wrong place")
        if lacking:
            return lacking
        what = fault(line, before)
        if witnesses is not None and not what:
            seen = witnesses.get(line.sequence, ())
            what = contradiction(line, seen)
            if not seen and line.sequence not in accepted:
                lacking = Fault(line.sequence, UNWITNESSED)
        if what:
            return Fault(line.sequence, what)
        before = line
    last = before.sequence if before else 0
    beyond = [sequence for sequence in witnesses or () if sequence > last]
    return (lacking or Fault(last + 1, CUT_OFF)) if beyond else None


def contradiction(line: Line, seen: Collection[str]) -> str:
    """What its witnesses say against a line; "" for nothing."""
    return "is not the one that was witnessed when it was written" if set(seen) - {line.hash} else ""


def fault(line: Line, before: Line | None) -> str:
    """What is wrong with a line that comes after `before`; "" for nothing."""
    if digest(line.text) != line.hash:
        return "was altered: its hash is another"
    try:
        record = line.record
    except Broken:
        return "was altered: it is no record"
    if msgspec.json.encode(record, order="sorted").decode() != line.text:
        return "was altered: it is not written as this function writes"
    if record.sequence != line.sequence:
        return f"was moved: it says that it is record {record.sequence}"
    if record.previous != (before.hash if before else FIRST):
        return "does not follow the one before it: that was altered, or a record was removed or added between them"
    return "is earlier than the one before it" if before and record.at < before.record.at else ""


def linked(lines: Iterable[Line]) -> list[Record]:
    """The records of consecutive lines, each checked, which need not begin at the first. Raises Broken."""
    before: Line | None = None
    records = []
    for line in lines:
        if before and line.sequence != before.sequence + 1:
            raise Broken(Fault(before.sequence + 1, "is missing"))
        what = fault(line, before) if before or line.sequence == 1 else _alone(line)
        if what:
            raise Broken(Fault(line.sequence, what))
        records.append(line.record)
        before = line
    return records


def _alone(line: Line) -> str:
    """What is wrong with a line whose predecessor is not at hand."""
    return "was altered: its hash is another" if digest(line.text) != line.hash else ""
