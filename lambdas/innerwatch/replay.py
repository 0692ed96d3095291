"""Replay: records that were set aside go through the pipeline again, once what was wrong with them is mended.

A record is read again from the bytes that were kept. Where these are only its beginning, or stand for the rest of an
object, or still cannot be read, the object at its origin is read again, from there on. Ids are made as before, so a
record that is indexed already is a duplicate; older indices are searched for it too. An entry leaves `failed/` only
after its records were indexed, or found to be.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from botocore.exceptions import BotoCoreError, ClientError
from elasticsearch import Elasticsearch

from innerwatch import elastic, instants, pipeline
from innerwatch.errors import UserError
from innerwatch.failed import Entry, FailedStore, NoEntryError, until_the_last
from innerwatch.intake import UNPACKED_KINESIS, UNPACKED_LOGS, cloudwatch_logs, kinesis
from innerwatch.uris import ObjectName
from innerwatch.values import Event, Origin, SetAside

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from innerwatch.sources.mapped import Mapping

AT_A_TIME = 200  # entries between two savings of how far it came
CHUNK = 256 * 1024  # bytes read from S3 at a time
PATIENCE = 300.0  # seconds for the documents of so many entries, retries included
NO_END = 2**63

Items = Iterable[Event | SetAside]
Enriched = Callable[[Items], Iterator[elastic.Item | SetAside]]


class Selection(NamedTuple):
    """Which entries are meant; all, unless it says more."""

    reason: str = ""  # a part of the reason
    origin: str = ""  # how the origin's uri begins
    since: int = 0  # set aside at this instant or later

    def holds(self, entry: Entry) -> bool:
        item = entry.item
        return self.reason in item.reason and item.origin.uri.startswith(self.origin) and entry.time >= self.since


@dataclass(slots=True)
class Report:
    """What a replay did. `more` says that it stopped before the end: go on with `after`."""

    entries: int = 0  # tried
    replayed: int = 0  # of these, what was indexed or found to be
    indexed: int = 0  # records; an entry may stand for many
    duplicate: int = 0
    reasons: Counter[str] = field(default_factory=Counter)  # why entries fail again
    trouble: list[str] = field(default_factory=list)  # objects that could not be read
    more: bool = False
    after: str = ""


@dataclass(frozen=True, slots=True)
class Replay:
    """The parts that a replay needs; `enriched` completes events as when they were first read."""

    store: FailedStore
    s3: "S3Client"  # reads the objects at the records' origins
    es: Elasticsearch
    check: Elasticsearch  # may search the data streams, which the writer's key may not
    namespace: str
    enriched: Enriched
    mappings: "Sequence[Mapping]" = ()  # for logs of no known source

    def run(self, selection: Selection, *, after: str = "", limit: int = NO_END, deadline: float) -> Report:
        """Replays entries until `limit` of them were tried or `deadline` (by time.monotonic) has passed.

        The last object of entries is finished even where it goes beyond the limit. What fails again stays, with its
        new reason. Raises elastic.Unavailable where Elasticsearch does not take everything in time; what was replayed
        until then is settled.
        """
        report = Report(after=after)
        for key in self.store.names(after):
            if (
                report.entries >= limit
                or time.monotonic() >= deadline
                or not self._object(key, selection, report, deadline)
            ):
                report.more = True
                return report
            report.after = key
        return report

    def _object(self, key: str, selection: Selection, report: Report, deadline: float) -> bool:
        """Replays the entries of one object of the store; whether it came to its end."""
        try:
            entries = self.store.entries(key)
        except NoEntryError as error:
            report.trouble.append(str(error))
            return True
        waiting = [entry for entry in entries if selection.holds(entry)]
        left = [entry for entry in entries if not selection.holds(entry)]
        while waiting:
            if time.monotonic() >= deadline:
                return False
            some, waiting = waiting[:AT_A_TIME], waiting[AT_A_TIME:]
            attempt = _Attempt(self, some, report)
            attempt.run(deadline)
            done = [entry for entry in some if entry.item.origin not in attempt.again]
            again = [_with_reason(entry, attempt.again) for entry in some if entry.item.origin in attempt.again]
            if attempt.found:
                self.store.keep(attempt.found)
            left += again
            if done or any(entry not in some for entry in again):
                self.store.settle(key, done, waiting + left)
            report.entries += len(some)
            report.replayed += len(done)
            report.reasons.update(entry.item.reason for entry in again)
        return True

    def write(self, items: Items, keep: pipeline.Keep, report: Report, deadline: float) -> None:
        deadline = min(deadline, time.monotonic() + PATIENCE)
        counts = pipeline.index(
            self.enriched(items),
            self.es,
            self.namespace,
            keep,
            deadline=deadline,
            known=lambda _origins, lines: elastic.held(self.check, lines, deadline=deadline),
        )
        for count in counts.values():
            report.indexed += count.indexed
            report.duplicate += count.duplicate


def reasons(store: FailedStore, selection: Selection) -> Counter[str]:
    """Why the entries that are meant were set aside, and how many for each reason. Raises NoEntryError."""
    return Counter(entry.item.reason for key in store.names() for entry in store.entries(key) if selection.holds(entry))


def instant(text: str, name: str) -> int:
    """A day or an instant, in milliseconds; `name` is what an error calls it."""
    try:
        return instants.from_day_or_time(text)
    except ValueError:
        raise UserError(f"{name} is {text!r}", "expected 2026-03-01 or 2026-03-01T09:15:00Z") from None


def _with_reason(entry: Entry, again: dict[Origin, str]) -> Entry:
    return entry._replace(item=replace(entry.item, reason=again[entry.item.origin]))


class _Attempt:
    """Some entries, read and indexed again: which of them fail again and why, and what failed besides."""

    def __init__(self, parts: Replay, entries: Sequence[Entry], report: Report) -> None:
        self.parts, self.entries, self.report = parts, entries, report
        self.origins = {entry.item.origin for entry in entries}
        self.again: dict[Origin, str] = {}
        self.found: list[SetAside] = []

    def run(self, deadline: float) -> None:
        self.parts.write(self._items(), self._failed, self.report, deadline)
        for entry in self.entries:
            if entry.item.rest and entry.item.origin in self.again:
                self._replaced(entry, deadline)

    def _failed(self, items: Sequence[SetAside]) -> None:
        for item in items:
            if item.origin in self.origins:
                self.again[item.origin] = item.reason
            else:
                self.found.append(item)

    def _items(self) -> Iterator[Event | SetAside]:
        objects: defaultdict[str, list[Entry]] = defaultdict(list)
        for entry in self.entries:
            item = entry.item
            in_object = item.origin.uri.startswith("s3://")
            read = [] if in_object and not item.whole else list(_read(item, self.parts.mappings))
            if in_object and not any(isinstance(result, Event) for result in read):
                objects[item.origin.uri].append(entry)
            else:
                yield from read
        for uri, entries in objects.items():
            yield from self._from_object(uri, entries)

    def _from_object(self, uri: str, entries: Sequence[Entry]) -> Iterator[Event | SetAside]:
        """The records for which these entries stand, from their object."""
        stored = ObjectName.of(uri)
        wanted = {entry.item.origin.position: entry for entry in entries if not entry.item.rest}
        rest = min((entry.item.origin.position for entry in entries if entry.item.rest), default=NO_END)
        seen = set()
        last: Event | SetAside | None = None
        try:
            changed, chunks = _opened(self.parts.s3, stored)
            if not stored.version and any(changed > entry.time for entry in wanted.values()):
                self.report.trouble.append(f"{uri}: replaced since, and the bucket keeps no versions")
                for position, entry in [*wanted.items()]:
                    if changed > entry.time:
                        yield wanted.pop(position).item
            for last in until_the_last(pipeline.read(chunks, uri, mappings=self.parts.mappings)):
                position = last.origin.position
                if position in wanted or position >= rest:
                    seen.add(position)
                    yield last
        except (ClientError, BotoCoreError) as error:
            self.report.trouble.append(f"{uri}: {error}")
            yield from (entry.item for entry in entries)
            return
        for position, entry in wanted.items():
            if position not in seen:
                yield replace(entry.item, reason="its object holds no such record any more")
        if rest < NO_END and isinstance(last, SetAside) and last.rest and last.origin.position < rest:
            yield replace(last, origin=Origin(uri, rest))  # now it cannot even be read so far

    def _replaced(self, entry: Entry, deadline: float) -> None:
        """Of an object that could not be read to its end, a newer version can be: then that is where the rest is.

        It was announced for itself, and most or all of its records are duplicates.
        """
        uri, rest = entry.item.origin.uri, entry.item.origin.position
        stored = ObjectName.of(uri)
        try:
            newer = _newest(self.parts.s3, stored)
            if newer is None:
                return
            _, chunks = _opened(self.parts.s3, newer)
            items = pipeline.read(chunks, newer.uri, mappings=self.parts.mappings)
            records = (item for item in items if item.origin.position >= rest)
            failed: list[SetAside] = []
            self.parts.write(records, failed.extend, self.report, deadline)
        except (ClientError, BotoCoreError) as error:
            self.report.trouble.append(f"{uri}: {error}")
            return
        if not failed:
            del self.again[entry.item.origin]


def _read(item: SetAside, mappings: "Sequence[Mapping]") -> Iterator[Event | SetAside]:
    """A record from the bytes that were kept of it."""
    try:
        yield from pipeline.read_records(_records(item), mappings)
    except ValueError as why:
        yield replace(item, reason=str(why))


def _records(item: SetAside) -> list[tuple[Origin, bytes]]:
    """What a stream delivered and could not even be unpacked was kept as it came; all else is a record."""
    uri = item.origin.uri
    if uri.startswith(UNPACKED_LOGS):
        return cloudwatch_logs(item.raw)
    if uri.startswith(UNPACKED_KINESIS):
        return kinesis(msgspec.json.decode(item.raw, type=dict[str, Any]))
    return [(item.origin, item.raw)]


def _opened(s3: "S3Client", name: ObjectName) -> tuple[int, Iterator[bytes]]:
    """When an object was last changed, in milliseconds, and its content."""
    version = {"VersionId": name.version} if name.version else {}
    found = s3.get_object(Bucket=name.bucket, Key=name.key, **version)  # type: ignore[arg-type]  # ** of a dict
    return int(found["LastModified"].timestamp() * 1000), _chunks(found["Body"])


def _newest(s3: "S3Client", name: ObjectName) -> ObjectName | None:
    """The version that took its place, if one did."""
    if not name.version:
        return None
    version = s3.head_object(Bucket=name.bucket, Key=name.key).get("VersionId", "")
    return name._replace(version=version) if version not in ("", name.version) else None


def _chunks(body: Any) -> Iterator[bytes]:
    with body:
        yield from body.iter_chunks(CHUNK)
