"""What is known of a trail's minutes: findings about objects and spans of time become intervals with a state. Pure.

`intervals` is what others build on: who says something of a span of time can say with it how much of that is proven.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

MINUTE = 60_000


class State(StrEnum):
    """Of a minute, from the best to the worst; a minute has the worst of its findings."""

    PROVEN = "proven"
    UNPROVEN = "unproven"  # nothing is known to be missing, and nothing proves that it is all there
    INCOMPLETE = "incomplete"  # events are known to be missing in Elasticsearch, or not to be CloudTrail's


class Reason(StrEnum):
    """Why a minute is not proven complete, from the worst on."""

    MISSING = "object missing"
    ALTERED = "object altered"
    OVERWRITTEN = "overwritten before it was read"
    NEVER_READ = "never read"
    UNFINISHED = "reading not finished"
    OUT_OF_BALANCE = "counts do not add up"
    SET_ASIDE = "records set aside"
    FEWER_DOCUMENTS = "fewer documents than records"
    MORE_DOCUMENTS = "more documents than records"
    GONE = "read, then removed"
    UNSIGNED = "not in any digest"
    DIGEST_MISSING = "digest missing"
    DIGEST_ALTERED = "digest altered"
    CHAIN_BROKEN = "chain broken"
    NO_DIGEST = "no digest"
    NOT_SIGNED = "nobody signs these objects"


class Meaning(NamedTuple):
    state: State
    text: str


MEANING: dict[Reason, Meaning] = {
    Reason.NOT_SIGNED: Meaning(
        State.UNPROVEN, "only CloudTrail signs its files: an object that was never delivered is not missed"
    ),
    Reason.NO_DIGEST: Meaning(
        State.UNPROVEN, "CloudTrail delivered no digest file for this time: validation is off, or it is too early"
    ),
    Reason.DIGEST_MISSING: Meaning(
        State.UNPROVEN, "a digest file that a later one names is not in the bucket: what it listed is not known"
    ),
    Reason.DIGEST_ALTERED: Meaning(
        State.UNPROVEN, "a digest file's signature is not CloudTrail's: what it listed is not known"
    ),
    Reason.CHAIN_BROKEN: Meaning(
        State.UNPROVEN, "a digest file is signed, but the next one does not follow from it: digests were exchanged"
    ),
    Reason.UNSIGNED: Meaning(
        State.UNPROVEN, "the bucket holds an object that no digest file lists: its events may not be CloudTrail's"
    ),
    Reason.GONE: Meaning(State.UNPROVEN, "the object was read whole and is not in the bucket any more"),
    Reason.MORE_DOCUMENTS: Meaning(
        State.UNPROVEN, "Elasticsearch holds more documents of the object than it had records"
    ),
    Reason.MISSING: Meaning(
        State.INCOMPLETE, "a digest file lists the object; it was never read and is not in the bucket"
    ),
    Reason.ALTERED: Meaning(State.INCOMPLETE, "the object's content is not what CloudTrail delivered"),
    Reason.OVERWRITTEN: Meaning(State.INCOMPLETE, "a version of the object was overwritten before it could be read"),
    Reason.NEVER_READ: Meaning(State.INCOMPLETE, "the object is in the bucket, and the ledger has no line for it"),
    Reason.UNFINISHED: Meaning(
        State.INCOMPLETE, "the ledger's line is open: an attempt failed, was killed, or is under way"
    ),
    Reason.OUT_OF_BALANCE: Meaning(State.INCOMPLETE, "the ledger's counts for the object do not add up"),
    Reason.SET_ASIDE: Meaning(State.INCOMPLETE, "records of the object were set aside and not brought back since"),
    Reason.FEWER_DOCUMENTS: Meaning(
        State.INCOMPLETE, "Elasticsearch holds fewer documents of the object than the ledger says were indexed"
    ),
}


class Trail(NamedTuple):
    """Whose minutes. `name` is empty where no digest file tells it, `account` and `region` where it is no trail."""

    bucket: str
    prefix: str
    account: str = ""
    region: str = ""
    name: str = ""


class Count(NamedTuple):
    """How many objects or gaps give a reason, and one of them."""

    reason: Reason
    objects: int
    example: str


class Interval(NamedTuple):
    """Milliseconds since 1970, whole minutes; `end` is not included."""

    start: int
    end: int
    state: State
    reasons: tuple[Count, ...] = ()


class Findings:
    """What speaks against minutes of one trail, from `start` to `end`. It grows with the minutes, not the objects."""

    def __init__(self, start: int, end: int) -> None:
        self.start, self.end = floor(start), -floor(-end)
        self._found: dict[tuple[Reason, int, int], tuple[int, str]] = {}

    def add(self, reason: Reason, first: int, last: int, example: str) -> None:
        """`first` and `last` are instants that it concerns, both included."""
        start, end = max(floor(first), self.start), min(floor(last) + MINUTE, self.end)
        if start < end:
            objects, other = self._found.get((reason, start, end), (0, example))
            self._found[reason, start, end] = (objects + 1, other)

    def __iter__(self) -> Iterator[tuple[int, int, Count]]:
        for (reason, start, end), (objects, example) in self._found.items():
            yield start, end, Count(reason, objects, example)


def floor(instant: int) -> int:
    return instant - instant % MINUTE


def intervals(start: int, end: int, findings: Iterable[tuple[int, int, Count]]) -> tuple[Interval, ...]:
    """The time from `start` to `end`, cut wherever the reasons change; proven where no finding lies on it.

    A finding is (start, end, what), within the time, `end` not included.
    """
    begins: defaultdict[int, list[Count]] = defaultdict(list)
    ends: defaultdict[int, list[Count]] = defaultdict(list)
    for first, last, count in findings:
        begins[first].append(count)
        ends[last].append(count)
    active: defaultdict[Reason, list[Count]] = defaultdict(list)
    found: list[Interval] = []
    cuts = sorted({start, *begins, *ends} - {end})
    for cut, following in zip(cuts, [*cuts[1:], end], strict=True):
        for count in ends[cut]:
            active[count.reason].remove(count)
        for count in begins[cut]:
            active[count.reason].append(count)
        reasons = [active[reason] for reason in Reason if active[reason]]
        _append(found, cut, following, reasons)
    return tuple(found)


def _append(found: list[Interval], start: int, end: int, reasons: list[list[Count]]) -> None:
    """One more interval; it prolongs the last one where the reasons are the same."""
    before = found[-1].reasons if found else None
    names = [counts[0].reason for counts in reasons]
    if before is not None and [count.reason for count in before] == names:
        # The same objects may lie on both; no fewer than the larger number are concerned.
        most = (
            max(old, Count(old.reason, sum(count.objects for count in counts), old.example), key=lambda it: it.objects)
            for old, counts in zip(before, reasons, strict=True)
        )
        found[-1] = found[-1]._replace(end=end, reasons=tuple(most))
        return
    counts = tuple(Count(group[0].reason, sum(it.objects for it in group), group[0].example) for group in reasons)
    state = max((MEANING[count.reason].state for count in counts), key=list(State).index, default=State.PROVEN)
    found.append(Interval(start, end, state, counts))
