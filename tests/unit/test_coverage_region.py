"""A region's log files and digests over several days, with a bucket in memory: nothing is held longer than it takes."""

import gzip
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from innerwatch import instants
from innerwatch.ledger import Line
from innerwatch_cli.coverage import Region, Span
from innerwatch_cli.coverage.evidence import Object, Wanted
from innerwatch_cli.coverage.judging import Evidence, Seen
from innerwatch_cli.coverage.minutes import Reason, State
from tests.trail_files import ACCOUNT, BUCKET, HOUR, MINUTE, REGION, CloudTrail, File, new_key

MIDNIGHT = instants.from_rfc3339("2026-03-31T00:00:00Z")
DAY = 24 * HOUR
KEY = new_key()


class Memory:
    """Stands for all places of evidence: every file is there, and read as it should be. Notes what was asked."""

    def __init__(self, trail: CloudTrail, files: Sequence[File]) -> None:
        self.files = {file.key: file for file in files}
        self.known = {trail.fingerprint: trail.public_key()}
        self.asked: list[str] = []
        self.bucket: Any = self
        self.keys: Any = self
        self.name = BUCKET

    def objects(self, prefix: str) -> Iterator[Object]:
        self.asked.append(prefix.rpartition(f"/{REGION}/")[2] if "Digest" not in prefix else "")
        yield from (Object(key, 0) for key in sorted(self.files) if key.startswith(prefix))

    def digest(self, key: str) -> tuple[bytes, dict[str, str]]:
        return gzip.decompress(self.files[key].body), self.files[key].metadata

    def of(self, *_asked: Any) -> dict[str, bytes]:
        return self.known

    def gather(self, wanted: Sequence[Wanted]) -> list[Evidence]:
        self.asked += [want.key for want in wanted if want.signed is None]
        return [
            Evidence(Seen("e", "v", want.signed or ""), want.signed, Line("o", "v", "u", "closed"), (), 0, None)
            for want in wanted
        ]


def three_days(trail: CloudTrail) -> tuple[list[File], list[File]]:
    """A log file every six hours, one of them delivered two minutes before midnight, and all digests."""
    times = range(MIDNIGHT, MIDNIGHT + 3 * DAY, 6 * HOUR)
    files = [(trail.log_file(first, first + MINUTE), first, first + MINUTE) for first in times]
    late = MIDNIGHT + DAY - 7 * MINUTE
    files.append((trail.log_file(late, late), late, late))
    digests = [
        # A file is listed in the hour in which it was delivered, or in the next.
        trail.digest(start, start + HOUR, [it for it in files if start <= it[2] + 10 * MINUTE < start + HOUR])
        for start in range(MIDNIGHT, MIDNIGHT + 3 * DAY + 2 * HOUR, HOUR)
    ]
    return [it[0] for it in files], digests


@pytest.fixture
def span() -> Span:
    return Span(MIDNIGHT, MIDNIGHT + 3 * DAY, HOUR)


def run(memory: Memory, span: Span) -> Any:
    (covered,) = Region(memory, "AWSLogs/", ACCOUNT, REGION, ["CloudTrail", "CloudTrail-Digest"], span).run()  # type: ignore[arg-type]  # a stand-in
    return covered


def test_a_file_listed_after_midnight_is_signed(span: Span) -> None:
    trail = CloudTrail(KEY)
    files, digests = three_days(trail)
    covered = run(Memory(trail, [*files, *digests]), span)
    assert [(it.state, it.end - it.start) for it in covered.intervals] == [(State.PROVEN, 3 * DAY)]
    assert covered.objects == 13


def test_what_nobody_signed_is_judged_a_day_later_and_let_go(span: Span) -> None:
    trail = CloudTrail(KEY)
    files, digests = three_days(trail)
    first = MIDNIGHT + 8 * HOUR
    planted = trail.log_file(first, first + MINUTE)
    memory = Memory(trail, [*files, planted, *digests])
    covered = run(memory, span)
    (found,) = (it for it in covered.intervals if it.state is not State.PROVEN)
    assert [count.reason for count in found.reasons] == [Reason.UNSIGNED]
    assert found.reasons[0].example == f"s3://{BUCKET}/{planted.key}"
    days = [asked for asked in memory.asked if asked]
    assert days.index(planted.key) == days.index("2026/04/02/") - 1, "after the second day, before the third"


def test_the_time_after_the_last_digest_is_too_early_to_call_anything_unsigned(span: Span) -> None:
    trail = CloudTrail(KEY)
    files, digests = three_days(trail)
    covered = run(Memory(trail, [*files, *digests[:40]]), span)
    assert [[count.reason for count in it.reasons] for it in covered.intervals] == [[], [Reason.NO_DIGEST]]
    assert covered.intervals[1].start == MIDNIGHT + 39 * HOUR


def test_a_backfilled_file_is_signed_too(span: Span) -> None:
    trail = CloudTrail(KEY)
    files, digests = three_days(trail)
    first = MIDNIGHT + 8 * HOUR
    late = trail.log_file(first, first + MINUTE)
    other = CloudTrail(KEY)
    key = other.digest_key(MIDNIGHT + 9 * HOUR).replace(".json.gz", "_backfill.json.gz")
    backfill = other.digest(
        MIDNIGHT + 8 * HOUR, MIDNIGHT + 9 * HOUR, [(late, first, first + MINUTE)], digestS3Object=key
    )
    assert backfill.key == key
    covered = run(Memory(trail, [*files, late, *digests, backfill]), span)
    assert [it.state for it in covered.intervals] == [State.PROVEN]
