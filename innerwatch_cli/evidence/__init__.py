"""Evidence: that the document behind an alert says what a log's raw record says, and that AWS wrote that record.

`documents` finds the events behind an alert, `records` reads their raw records again from where they were read first,
`signatures` finds the digest file in which CloudTrail signed the object, and `judging` says what all that proves.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from innerwatch.ledger import Ledger, Line
from innerwatch.uris import SCHEME, ObjectName, uri
from innerwatch_cli.coverage.evidence import Bucket, PublicKeys, errors
from innerwatch_cli.evidence.documents import Behind
from innerwatch_cli.evidence.judging import Judged, judged
from innerwatch_cli.evidence.records import Reader, Reading, Wanted
from innerwatch_cli.evidence.signatures import Signed, Trails

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

THREADS = 8  # objects that are read at a time
AT_A_TIME = 64  # objects whose records are held at once


@dataclass(frozen=True)
class Sources:
    """Where raw records, digest files and the ledger are; without `s3` there is none of the latter two."""

    reader: Reader
    s3: "S3Client | None" = None
    keys: PublicKeys | None = None
    ledger: Ledger | None = None
    trails: dict[str, Trails] = field(default_factory=dict)  # by bucket, as far as they were needed

    def signed(self, name: ObjectName, wanted: Sequence[ObjectName]) -> Signed | str:
        """`wanted` are all objects that will be asked about."""
        if self.s3 is None or self.keys is None:
            return "it was read from a copy, and CloudTrail's digest files are looked up in the bucket alone"
        if name.bucket not in self.trails:
            keys = {it.key for it in wanted if it.bucket == name.bucket}
            self.trails[name.bucket] = Trails(Bucket(self.s3, name.bucket), self.keys, keys)
        return self.trails[name.bucket].signed(name.key)

    def line(self, name: ObjectName, reading: Reading) -> Line | None:
        """The ledger's line of the version that an event names; of a bucket without versions, that of this content."""
        if self.ledger is None:
            return None
        with errors(name.bucket):
            lines = [it for it in self.ledger.versions(uri(name.bucket, name.key)) if it.uri == name.uri]
        return next((it for it in lines if it.etag == reading.etag), next(iter(lines), None))


def prove(
    events: Sequence[Behind], sources: Sources, advance: Callable[[int], None] = lambda _: None
) -> Iterator[tuple[Behind, Judged]]:
    """What is proven of each event, place by place."""
    by_uri: dict[str, list[Behind]] = {}
    for event in events:
        by_uri.setdefault(event.uri, []).append(event)
    uris = list(by_uri)
    objects = [ObjectName.of(it) for it in uris if it.startswith(SCHEME)]
    with ThreadPoolExecutor(THREADS) as pool:
        for start in range(0, len(uris), AT_A_TIME):
            some = uris[start : start + AT_A_TIME]
            readings = pool.map(sources.reader.read, [_wanted(it, by_uri[it]) for it in some])
            for place, reading in zip(some, readings, strict=True):
                signed: Signed | str = "nobody signs a file of this machine"
                line = None
                if place.startswith(SCHEME) and not reading.gone:
                    name = ObjectName.of(place)
                    signed, line = sources.signed(name, objects), sources.line(name, reading)
                for event in by_uri[place]:
                    yield event, judged(event, reading, signed, line, ledger=sources.ledger is not None)
                advance(len(by_uri[place]))


def _wanted(place: str, events: Sequence[Behind]) -> Wanted:
    return Wanted(place, frozenset(it.position for it in events), frozenset(it.id for it in events))
