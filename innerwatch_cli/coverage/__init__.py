"""Coverage: which minutes of which trail are proven to be, complete, in Elasticsearch, and why others are not.

CloudTrail signs, every hour, a list of the log files that it delivered. Each of these must be in the bucket unaltered,
closed in the ledger with counts that add up, and in Elasticsearch with as many documents. What nobody signs, nothing
proves.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import NamedTuple

from innerwatch import trails
from innerwatch.uris import uri
from innerwatch_cli.coverage import digests
from innerwatch_cli.coverage.evidence import Sources, Wanted
from innerwatch_cli.coverage.judging import Chain, Evidence, objections
from innerwatch_cli.coverage.minutes import MINUTE, Findings, Interval, Reason, State, Trail, intervals

AT_A_TIME = 250  # objects whose evidence is gathered together
HOUR = 3_600_000  # a digest file comes this often
ORGANIZATION = re.compile(r"o-[a-z0-9]+/")


class Covered(NamedTuple):
    """What was found of one trail. `objects` are those that were looked at, `records` what the ledger says of them."""

    trail: Trail
    intervals: tuple[Interval, ...]
    objects: int
    records: int
    documents: int

    def minutes(self, state: State) -> int:
        return sum((it.end - it.start) // MINUTE for it in self.intervals if it.state is state)


@dataclass(frozen=True)
class Span:
    """The time asked about, and how late CloudTrail may deliver (milliseconds)."""

    start: int
    end: int
    lateness: int

    def days(self) -> Iterator[str]:
        """The dates, as in keys, on which something about this time may have been delivered, or a digest listed it."""
        day = datetime.fromtimestamp(self.start / 1000, UTC).date()
        last = datetime.fromtimestamp((self.end + self.lateness + 2 * HOUR) / 1000, UTC).date()
        while day <= last:
            yield f"{day:%Y/%m/%d}"
            day += timedelta(days=1)


class Account:
    """One trail, gathering what is found of it."""

    def __init__(self, trail: Trail, span: Span) -> None:
        self.trail, self.span = trail, span
        self.findings = Findings(span.start, span.end)
        self.chain = Chain(self.findings, span.lateness)
        self.objects = self.records = self.documents = 0

    def judge(self, name: str, evidence: Evidence, first: int, last: int, ignored: Sequence[Reason] = ()) -> None:
        """`first` and `last`: when its events happened."""
        if last < self.span.start or first >= self.span.end:
            return
        self.objects += 1
        self.records += evidence.line.read if evidence.line else 0
        self.documents += evidence.documents
        for reason in objections(evidence):
            if reason not in ignored:
                self.findings.add(reason, first, last, name)

    def covered(self) -> Covered:
        found = intervals(self.findings.start, self.findings.end, self.findings)
        return Covered(self.trail, found, self.objects, self.records, self.documents)


class Region:
    """One account's region below one prefix: its log files, and the digests of all trails that deliver there."""

    def __init__(
        self, sources: Sources, prefix: str, account: str, name: str, folders: Sequence[str], span: Span
    ) -> None:
        self.sources, self.span = sources, span
        self.prefix, self.account, self.name, self.folders = prefix, account, name, folders
        self.trails: dict[str, Account] = {}

    def run(self) -> Iterator[Covered]:
        waiting: dict[str, int] = {}  # log files that no digest has listed: key → minute of delivery
        for day in self.span.days():
            before = set(waiting)  # listed yesterday: a digest of today may still name them
            for folder in self.folders:
                if folder != trails.DIGEST_FOLDER:
                    waiting.update(self._keys(folder, day))
            found = self._keys(trails.DIGEST_FOLDER, day) if trails.DIGEST_FOLDER in self.folders else []
            for key, time in sorted(found, key=lambda it: (it[1], it[0])):
                for log_file in self._digest(key, time):
                    waiting.pop(log_file, None)
            self._unlisted({key: waiting.pop(key) for key in before & set(waiting)})
        self._unlisted(waiting)
        accounts = list(self.trails.values())
        if not accounts:
            accounts = [self._trail("")]
        for account in accounts:
            account.chain.finish()
            yield account.covered()

    def _keys(self, folder: str, day: str) -> Iterator[tuple[str, int]]:
        """CloudTrail's objects in a folder, with their time."""
        for item in self.sources.bucket.objects(f"{self.prefix}{self.account}/{folder}/{self.name}/{day}/"):
            if place := trails.place(item.key):
                yield item.key, place.time

    def _trail(self, name: str) -> Account:
        if name not in self.trails:
            trail = Trail(self.sources.bucket.name, self.prefix, self.account, self.name, name)
            self.trails[name] = Account(trail, self.span)
        return self.trails[name]

    def _digest(self, key: str, time: int) -> Iterator[str]:
        """Takes a digest file into its trail's chain, and judges the log files that it lists. Yields their keys."""
        name, home, backfill = of_digest(key, self.name)
        trail = self._trail(name)
        try:
            content, metadata = self.sources.bucket.digest(key)
            keys = self.sources.keys.of(content, (self.name, home), time)
            digest = digests.read(self.sources.bucket.name, key, content, metadata, keys)
        except digests.InvalidError as error:
            example = f"{uri(self.sources.bucket.name, key)}: {error}"
            if not backfill:
                trail.chain.invalid(example)
            else:
                trail.findings.add(Reason.DIGEST_ALTERED, time - HOUR - self.span.lateness, time, example)
            return
        if not backfill:  # these add late files, in a chain of their own whose gaps mean nothing
            trail.chain.add(digest)
        files = iter(digest.log_files)
        while some := list(islice(files, AT_A_TIME)):
            yield from (it.key for it in some)
            self._signed(trail, digest, some)

    def _signed(self, trail: Account, digest: digests.Digest, files: Sequence[digests.LogFile]) -> None:
        spans = [self._times(digest, it) for it in files]
        asked = [
            (it, times)
            for it, times in zip(files, spans, strict=True)
            if times[1] >= self.span.start and times[0] < self.span.end
        ]
        found = self.sources.gather([Wanted(it.key, it.sha256) for it, _ in asked])
        for (it, (first, last)), evidence in zip(asked, found, strict=True):
            trail.judge(uri(it.bucket, it.key), evidence, first, last)

    def _times(self, digest: digests.Digest, it: digests.LogFile) -> tuple[int, int]:
        """When a log file's events happened, as the digest says; else whenever they can have."""
        return it.times or (digest.start - self.span.lateness, digest.end)

    def _unlisted(self, files: dict[str, int]) -> None:
        """Judges log files that no digest lists, though one should by now, or there is none."""
        accounts = list(self.trails.values()) or [self._trail("")]
        names = iter(files)
        while some := list(islice(names, AT_A_TIME)):
            for key, evidence in zip(some, self.sources.gather([Wanted(key, None) for key in some]), strict=True):
                first, last = times_of(evidence, files[key] - self.span.lateness, files[key] + MINUTE - 1)
                for account in accounts:
                    due = files[key] + self.span.lateness <= account.chain.covered
                    ignored = () if due and account.trail.name else (Reason.UNSIGNED,)
                    account.judge(uri(self.sources.bucket.name, key), evidence, first, last, ignored)


def times_of(evidence: Evidence, first: int, last: int) -> tuple[int, int]:
    """When an object's events happened, as the ledger says; else between `first` and `last`."""
    line = evidence.line
    if line is None or line.first is None or line.last is None:
        return first, last
    return line.first, line.last


def of_digest(key: str, region: str) -> tuple[str, str, bool]:
    """The trail's name and home region, and whether it is a backfill, as a digest file's key says."""
    rest = key.rpartition(f"_{trails.DIGEST_FOLDER}_")[2].removesuffix(".json.gz")
    backfill = rest.endswith("_backfill")
    named, _, _time = rest.removesuffix("_backfill").rpartition("_")
    name, _, home = named.removeprefix(f"{region}_").rpartition("_")
    return name, home, backfill


def regions(sources: Sources, prefix: str, span: Span) -> Iterator[Region]:
    """Every account and region below PREFIX/AWSLogs/, or below one folder more, that CloudTrail delivers to."""
    bucket = sources.bucket
    for root in [prefix, *(it for it in bucket.folders(prefix) if not it.endswith("AWSLogs/"))]:
        for owner in bucket.folders(f"{root}AWSLogs/"):
            own = owner.removeprefix(f"{root}AWSLogs/")
            for account in bucket.folders(owner) if ORGANIZATION.fullmatch(own) else [owner]:
                yield from _regions_of(sources, account, span)


def _regions_of(sources: Sources, account: str, span: Span) -> Iterator[Region]:
    prefix, _, number = account.rstrip("/").rpartition("/")
    folders: dict[str, list[str]] = {}
    for folder in sources.bucket.folders(account):
        kind = folder.removeprefix(account).rstrip("/")
        if kind.startswith("CloudTrail"):
            for region in sources.bucket.folders(folder):
                folders.setdefault(region.removeprefix(folder).rstrip("/"), []).append(kind)
    for name, kinds in sorted(folders.items()):
        yield Region(sources, f"{prefix}/", number, name, kinds, span)


def unsigned(sources: Sources, prefix: str, span: Span) -> Covered:
    """Objects that are no trail's, below a prefix: at best unproven, since nobody lists what should be there."""
    account = Account(Trail(sources.bucket.name, prefix), span)
    account.findings.add(Reason.NOT_SIGNED, span.start, span.end - 1, "")
    found = (
        it
        for it in sources.bucket.objects(prefix)
        if span.start <= it.modified <= span.end + span.lateness and trails.place(it.key) is None
    )
    while some := list(islice(found, AT_A_TIME)):
        for it, evidence in zip(some, sources.gather([Wanted(it.key, None) for it in some]), strict=True):
            first, last = times_of(evidence, it.modified - span.lateness, it.modified)
            account.judge(uri(sources.bucket.name, it.key), evidence, first, last, (Reason.UNSIGNED,))
    return account.covered()


def coverage(
    sources: Sources,
    span: Span,
    *,
    prefix: str = "",
    objects: Sequence[str] = (),
    began: Callable[[str], None] = lambda _: None,
) -> list[Covered]:
    """What is known of the time, for every trail below `prefix`, and for other objects below each of `objects`.

    `began` is told what is looked at next. Memory follows the log files of two days of one region, and the minutes.
    """
    found: list[Covered] = []
    for region in regions(sources, prefix, span):
        began(f"{region.account} {region.name}")
        found += region.run()
    for other in objects:
        began(other)
        found.append(unsigned(sources, other, span))
    return found
