"""The one place that orders the steps: decompress → recognise → split → parse → identity and HR → bulk create."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, TypeGuard

from elasticsearch import Elasticsearch

from innerwatch import elastic, instants, sources
from innerwatch.customers import CustomerObjects
from innerwatch.enrich import Cases, People, stamp
from innerwatch.intake import decompress
from innerwatch.pseudonyms import Pseudonyms
from innerwatch.splitting import BOM, SPLITTERS, Corrupt
from innerwatch.values import RAW_KEPT, Counts, Event, Origin, SetAside

if TYPE_CHECKING:
    from innerwatch.sources.mapped import Mapping

Keep = Callable[[Sequence[SetAside]], None]
"""Where records that were set aside go: must have stored them when it returns."""

Known = Callable[[Sequence[Origin], Sequence[bytes]], set[int]]
"""Which documents of a bulk request (their origins, and two lines each) are indexed already, by their place."""


def read(
    chunks: Iterable[bytes], uri: str, source: sources.Source | None = None, mappings: "Sequence[Mapping]" = ()
) -> Iterator[Event | SetAside]:
    """The events of one object or file, in order; what cannot be read as an event comes as SetAside.

    The source is recognised by the first record that one knows, unless it is given: a broken one at the head costs no
    other. `mappings` are asked before the sources that are built in. An object of no known source is one SetAside.
    """
    records = _records(decompress(chunks), uri, source, mappings)
    begun: list[tuple[int, bytes]] = []  # read before the source is known
    held = 0
    for first in records:
        if isinstance(first, SetAside):
            yield first
            continue
        try:
            source = source or _recognised(first[1], mappings)
        except sources.NotEventsError:
            break
        begun.append(first)
        held += len(first[1])
        if source is not None or len(begun) >= STRANGE_RECORDS or held >= STRANGE_BYTES:
            break
    if source is None:
        for position, record in begun[:1]:
            yield SetAside(Origin(uri, position), UNKNOWN, record[:RAW_KEPT])
        return
    for item in chain(begun, records):
        result = item if isinstance(item, SetAside) else sources.parse(source, item[1], Origin(uri, item[0]))
        if result is not None:  # a record that a mapping says to skip
            yield result


UNKNOWN = "no log source recognises this record"

# How far an object is read in search of a record that some source knows.
STRANGE_RECORDS = 100
STRANGE_BYTES = 16 * 2**20


def _recognised(record: bytes, mappings: "Sequence[Mapping]") -> sources.Source | None:
    return next((mapping for mapping in mappings if mapping.recognise(record)), None) or sources.recognise(record)


def read_records(
    records: Iterable[tuple[Origin, bytes]], mappings: "Sequence[Mapping]" = ()
) -> Iterator[Event | SetAside]:
    """The events of records that a stream delivers one by one; each may be of another source.

    What is set aside is kept whole, since a stream keeps nothing.
    """
    source: sources.Source | None = None
    for origin, record in records:
        result: Event | SetAside | None
        try:
            if source is None or not source.recognise(record):
                source = _recognised(record, mappings)
        except sources.NotEventsError as why:
            source, result = None, SetAside(origin, str(why), record)
        else:
            result = sources.parse(source, record, origin) if source else SetAside(origin, UNKNOWN, record)
        if isinstance(result, SetAside):
            result = replace(result, raw=record)
        if result is not None:
            yield result


def _records(
    chunks: Iterator[bytes], uri: str, source: sources.Source | None, mappings: "Sequence[Mapping]"
) -> Iterator[tuple[int, bytes] | SetAside]:
    try:
        head = next(chunks, b"").removeprefix(BOM)
    except Corrupt as why:  # not even a beginning can be read
        return iter((SetAside(Origin(uri, 1), str(why)),))
    return SPLITTERS[_split(head, source, mappings)](chain((head,), chunks), uri)


def _split(head: bytes, source: sources.Source | None, mappings: "Sequence[Mapping]") -> str:
    """How an object falls into records: as its source says, if that is given or the first line tells.

    It matters for JSON lines: only when cut at the line ends does a line that is no JSON not spoil the next.
    """
    start = head.lstrip()
    line, end, _ = start.partition(b"\n")
    if source is None and end and line.startswith(b"{"):
        with suppress(sources.NotEventsError):
            source = _recognised(line, mappings)
    if source is not None:
        return source.SPLIT
    if any(mapping.has_columns(line.rstrip()) for mapping in mappings):
        return "csv"
    return SPLIT_BY_FIRST.get(start[:1], "lines")


SPLIT_BY_FIRST = {b"{": "json", b"[": "json", b"#": "w3c"}


def enriched(
    items: Iterable[Event | SetAside],
    people: People | None,
    namespace: str,
    customers: CustomerObjects | None = None,
    cases: Cases | None = None,
    pseudonyms: Callable[[], Pseudonyms] | None = None,
) -> Iterator[elastic.Item | SetAside]:
    """The same, every event's document completed as it is indexed, but for `event.ingested`.

    `pseudonyms` gives those of the directory as it is now; all that is said of people is judged before they hide it.
    """
    for item in items:
        if not isinstance(item, SetAside):
            stamp(item, people, namespace, customers, cases)
            if pseudonyms is not None:
                pseudonyms().event(item)
        yield item


def index(
    items: Iterable[elastic.Item | SetAside],
    es: Elasticsearch,
    namespace: str,
    keep: Keep,
    *,
    deadline: float,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    tally: "Tally | None" = None,
    known: Known | None = None,
) -> dict[str, Counts]:
    """Index documents as they come and keep what cannot be. Gives the counts of each origin's uri; they add up.

    Raises elastic.Unavailable when `deadline` (by time.monotonic) passes first; `tally` then holds how far it came.
    Doing it all again is safe: what was indexed comes back as duplicates, what was set aside is kept under the same
    name. `known` finds duplicates that `create` cannot.
    """
    tally = tally if tally is not None else Tally()

    def documents() -> Iterator[elastic.Item]:
        for item in items:
            if tally.reads(item):
                item.document["event"]["ingested"] = timestamp(clock())
                yield item
            elif tally.much_aside:  # an object of nothing but junk must not fill the memory
                tally.put_aside(keep)

    for origins, lines in elastic.batches(documents(), namespace):
        fates = _fates(es, origins, lines, known, deadline, tally)
        tally.end(origins, fates, instants.of(clock()))
        tally.put_aside(keep)
    tally.put_aside(keep)
    return dict(tally.counts)


def _fates(
    es: Elasticsearch,
    origins: Sequence[Origin],
    lines: Sequence[bytes],
    known: Known | None,
    deadline: float,
    tally: "Tally",
) -> list[str]:
    already = known(origins, lines) if known else set()
    if already:
        lines = [line for place, line in enumerate(lines) if place // 2 not in already]
    created = iter(elastic.create(es, lines, deadline=deadline, retrying=tally.retrying).fates)
    return [elastic.DUPLICATE if place in already else next(created) for place in range(len(origins))]


class Span:
    """The times of an origin's first and last event, and their dataset."""

    __slots__ = ("dataset", "first", "last")

    def __init__(self, time: int, dataset: str) -> None:
        self.first = self.last = time
        self.dataset = dataset


ASIDE_AT_A_TIME = 1000  # records set aside that are held before they are kept: 64 MB at most


class Tally:
    """How the records of every origin ended, as far as indexing came. An origin is finished once its counts balance."""

    def __init__(self) -> None:
        self.counts: defaultdict[str, Counts] = defaultdict(Counts)
        self.spans: dict[str, Span] = {}
        self.unresolved = 0  # events whose actor is a person whom the directory does not know
        self.retries = 0  # bulk requests beyond the first for the same documents
        self.lag = 0  # sum, over what was indexed, of the milliseconds from the event to when it could be found
        self.longest_lag = 0
        self._times: list[int | None] = []  # of the documents that were read and have not ended
        self._raws: list[bytes] = []  # of the same, as they were read
        self._aside: list[SetAside] = []  # not kept yet

    def reads(self, item: elastic.Item | SetAside) -> TypeGuard[elastic.Item]:
        """Counts a record; whether it is to be indexed."""
        uri = item.origin.uri
        self.counts[uri].read += 1
        if isinstance(item, SetAside):
            self._aside.append(item)
            return False
        time = item.time
        self._times.append(time)
        self._raws.append(item.raw)
        if time is not None:
            span = self.spans.get(uri)
            if span is None:
                self.spans[uri] = Span(time, item.dataset)
            elif time < span.first:
                span.first = time
            elif time > span.last:
                span.last = time
        employee = item.document.get("employee")
        if employee and employee.get("status") == "unknown" and "id" not in employee:
            self.unresolved += 1
        return True

    def retrying(self) -> None:
        self.retries += 1

    def end(self, origins: Sequence[Origin], fates: Sequence[str], now: int) -> None:
        """Documents ended so, in the order in which they were read; `now` in milliseconds."""
        times, raws = self._times[: len(fates)], self._raws[: len(fates)]
        del self._times[: len(fates)], self._raws[: len(fates)]
        new = [time for fate, time in zip(fates, times, strict=True) if fate == elastic.INDEXED and time is not None]
        if new:
            self.lag += now * len(new) - sum(new)
            self.longest_lag = max(self.longest_lag, now - min(new))
        for origin, fate, raw in zip(origins, fates, raws, strict=True):
            count = self.counts[origin.uri]
            if fate == elastic.INDEXED:
                count.indexed += 1
            elif fate == elastic.DUPLICATE:
                count.duplicate += 1
            else:
                span = self.spans.get(origin.uri)
                kept = raw if origin.of_stream else raw[:RAW_KEPT]
                self._aside.append(SetAside(origin, fate, kept, span.dataset if span else ""))

    @property
    def much_aside(self) -> bool:
        return len(self._aside) >= ASIDE_AT_A_TIME

    def put_aside(self, keep: Keep) -> None:
        if self._aside:
            keep(self._aside)
        for item in self._aside:
            count = self.counts[item.origin.uri]
            count.set_aside += 1
            count.reasons[item.reason] = count.reasons.get(item.reason, 0) + 1
        self._aside.clear()

    @property
    def total(self) -> Counts:
        total = Counts()
        for count in self.counts.values():
            total.add(count)
        return total


def timestamp(instant: datetime) -> str:
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
