"""The one place that orders the steps: decompress → recognise → split → parse → identity and HR → bulk create."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import chain
from typing import TypeGuard

from elasticsearch import Elasticsearch

from innerwatch import elastic, sources
from innerwatch.customers import CustomerObjects
from innerwatch.enrich import People, stamp
from innerwatch.intake import decompress
from innerwatch.splitting import BOM, SPLITTERS, Corrupt
from innerwatch.values import RAW_KEPT, Counts, Event, Origin, SetAside

Keep = Callable[[Sequence[SetAside]], None]
"""Where records that were set aside go: must have stored them when it returns."""


def read(chunks: Iterable[bytes], uri: str, source: sources.Source | None = None) -> Iterator[Event | SetAside]:
    """The events of one object or file, in order; what cannot be read as an event comes as SetAside.

    The source is recognised by the first record that one knows, unless it is given: a broken one at the head costs no
    other. An object of no known source is one SetAside.
    """
    records = _records(decompress(chunks), uri, source)
    begun: list[tuple[int, bytes]] = []  # read before the source is known
    held = 0
    for first in records:
        if isinstance(first, SetAside):
            yield first
            continue
        try:
            source = source or sources.recognise(uri, first[1])
        except sources.NotEventsError:
            break
        begun.append(first)
        held += len(first[1])
        if source is not None or len(begun) >= STRANGE_RECORDS or held >= STRANGE_BYTES:
            break
    if source is None:
        for position, record in begun[:1]:
            yield SetAside(Origin(uri, position), "no log source recognises this record", record[:RAW_KEPT])
        return
    for item in chain(begun, records):
        result = item if isinstance(item, SetAside) else sources.parse(source, item[1], Origin(uri, item[0]))
        if result is not None:  # a record that a mapping says to skip
            yield result


# How far an object is read in search of a record that some source knows.
STRANGE_RECORDS = 100
STRANGE_BYTES = 16 * 2**20


def read_records(records: Iterable[tuple[Origin, bytes]]) -> Iterator[Event | SetAside]:
    """The events of records that a stream delivers one by one; each may be of another source."""
    source: sources.Source | None = None
    for origin, record in records:
        if source is None or not source.recognise(record):
            source = sources.recognise(origin.uri, record)
        result = (
            sources.parse(source, record, origin)
            if source is not None
            else SetAside(origin, "no log source recognises this record", record[:RAW_KEPT])
        )
        if result is not None:
            yield result


def _records(
    chunks: Iterator[bytes], uri: str, source: sources.Source | None
) -> Iterator[tuple[int, bytes] | SetAside]:
    try:
        head = next(chunks, b"").removeprefix(BOM)
    except Corrupt as why:  # not even a beginning can be read
        return iter((SetAside(Origin(uri, 1), str(why)),))
    return SPLITTERS[_split(head, uri, source)](chain((head,), chunks), uri)


def _split(head: bytes, uri: str, source: sources.Source | None) -> str:
    """How an object falls into records: as its source says, if that is given or the first line tells.

    It matters for JSON lines: only when cut at the line ends does a line that is no JSON not spoil the next.
    """
    start = head.lstrip()
    line, end, _ = start.partition(b"\n")
    if source is None and end and line.startswith(b"{"):
        with suppress(sources.NotEventsError):
            source = sources.recognise(uri, line)
    if source is not None:
        return source.SPLIT
    return SPLIT_BY_FIRST.get(start[:1], "lines")


SPLIT_BY_FIRST = {b"{": "json", b"[": "json", b"#": "w3c"}


def enriched(
    items: Iterable[Event | SetAside],
    people: People | None,
    namespace: str,
    customers: CustomerObjects | None = None,
) -> Iterator[elastic.Item | SetAside]:
    """The same, every event's document completed as it is indexed, but for `event.ingested`."""
    for item in items:
        if not isinstance(item, SetAside):
            stamp(item, people, namespace, customers)
        yield item


def index(
    items: Iterable[elastic.Item | SetAside],
    es: Elasticsearch,
    namespace: str,
    keep: Keep,
    *,
    deadline: float,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> dict[str, Counts]:
    """Index documents as they come and keep what cannot be. Gives the counts of each origin's uri; they add up.

    Raises elastic.Unavailable when `deadline` (by time.monotonic) passes first. Doing it all again is then safe:
    what was indexed comes back as duplicates, what was set aside is kept under the same name.
    """
    tally = _Tally(keep)

    def documents() -> Iterator[elastic.Item]:
        for item in items:
            if tally.reads(item):
                item.document["event"]["ingested"] = timestamp(clock())
                yield item

    for origins, lines in elastic.batches(documents(), namespace):
        fates = elastic.create(es, lines, deadline=deadline).fates
        for origin, fate, source in zip(origins, fates, lines[1::2], strict=True):
            tally.ended(origin, fate, source)
        tally.put_aside()
    tally.put_aside()
    return dict(tally.counts)


class _Tally:
    """How the records of every origin ended."""

    def __init__(self, keep: Keep) -> None:
        self.keep = keep
        self.counts: defaultdict[str, Counts] = defaultdict(Counts)
        self.aside: list[SetAside] = []  # not kept yet

    def reads(self, item: elastic.Item | SetAside) -> TypeGuard[elastic.Item]:
        """Counts a record; whether it is to be indexed."""
        self.counts[item.origin.uri].read += 1
        if isinstance(item, SetAside):
            self.aside.append(item)
            return False
        return True

    def ended(self, origin: Origin, fate: str, source: bytes) -> None:
        count = self.counts[origin.uri]
        if fate == elastic.INDEXED:
            count.indexed += 1
        elif fate == elastic.DUPLICATE:
            count.duplicate += 1
        else:
            self.aside.append(SetAside(origin, fate, source[:RAW_KEPT]))

    def put_aside(self) -> None:
        if self.aside:
            self.keep(self.aside)
        for item in self.aside:
            count = self.counts[item.origin.uri]
            count.set_aside += 1
            count.reasons[item.reason] = count.reasons.get(item.reason, 0) + 1
        self.aside.clear()


def timestamp(instant: datetime) -> str:
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
