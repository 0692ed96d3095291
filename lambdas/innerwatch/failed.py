"""The failed store: records that were set aside, with their reason and origin, as NDJSON objects in S3.

`failed/` holds what waits to be mended; what was replayed lies, with the time, under `replayed/`. docs/replay.md
explains the entries.
"""

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from innerwatch import instants
from innerwatch.values import Event, Origin, SetAside

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FAILED, REPLAYED = "failed/", "replayed/"
TYPE = "application/x-ndjson"

_encode = msgspec.json.Encoder().encode


class Entry(NamedTuple):
    """One record in the store."""

    item: SetAside
    time: int  # when it was set aside, milliseconds since 1970


class NoEntryError(ValueError):
    """An object below `failed/` is none of ours: which line, and why."""


def until_the_last(items: Iterable[Event | SetAside]) -> Iterator[Event | SetAside]:
    """The items of one object, where a SetAside that comes last is marked as standing for the rest of the object.

    Splitters end with one where they can read no further. One that only happens to be last has no rest, and loses
    nothing by the mark.
    """
    held: SetAside | None = None
    for item in items:
        if held is not None:
            yield held
            held = None
        if isinstance(item, SetAside):
            held = item
        else:
            yield item
    if held is not None:
        yield replace(held, rest=True)


def line(entry: Entry) -> dict[str, Any]:
    """An entry as it is stored. Bytes that are no UTF-8 are kept as base64."""
    item = entry.item
    found: dict[str, Any] = {
        "origin": {"uri": item.origin.uri, "position": item.origin.position},
        "dataset": item.dataset,
        "reason": item.reason,
        "time": instants.iso(entry.time),
    }
    if item.rest:
        found["rest"] = True
    if not (item.rest or item.whole):
        found["cut"] = True  # only the beginning is kept; the whole record is at its origin
    try:
        found["raw"] = item.raw.decode()
    except UnicodeDecodeError:
        found["raw_base64"] = b64encode(item.raw).decode()
    return found


class _Stored(msgspec.Struct):
    class Place(msgspec.Struct):
        uri: str
        position: int

    origin: Place
    reason: str
    time: str
    dataset: str = ""
    rest: bool = False
    raw: str = ""
    raw_base64: str = ""


_decode = msgspec.json.Decoder(_Stored).decode


def entry(text: bytes) -> Entry:
    """Of a line that `line` made. Raises ValueError for any other."""
    found = _decode(text)
    raw = b64decode(found.raw_base64, validate=True) if found.raw_base64 else found.raw.encode()
    origin = Origin(found.origin.uri, found.origin.position)
    return Entry(SetAside(origin, found.reason, raw, found.dataset, found.rest), instants.from_rfc3339(found.time))


class FailedStore:
    """Puts what was set aside under a name made from its content, so that doing it twice stores it once."""

    def __init__(self, s3: "S3Client", bucket: str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.s3, self.bucket, self.clock = s3, bucket, clock

    def keep(self, items: Sequence[SetAside]) -> None:
        now = instants.of(self.clock())
        self._put(FAILED + _name(items), [line(Entry(item, now)) for item in items])

    def names(self, after: str = "") -> Iterator[str]:
        """The objects that hold what was set aside, in the order of their names, from behind `after` on."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=FAILED, StartAfter=after)
        for page in pages:
            for found in page.get("Contents", []):
                yield found["Key"]

    def entries(self, key: str) -> list[Entry]:
        """What one of them holds. Raises NoEntryError where that is something else."""
        try:
            body = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        except self.s3.exceptions.NoSuchKey:
            return []  # another replay has settled it meanwhile
        found = []
        for number, text in enumerate(body.splitlines(), 1):
            try:
                found.append(entry(text))
            except (msgspec.DecodeError, UnicodeError, RecursionError, ValueError) as error:
                raise NoEntryError(
                    f"s3://{self.bucket}/{key}:{number}: no entry of the failed store: {error}"
                ) from error
        return found

    def settle(self, key: str, done: Sequence[Entry], left: Sequence[Entry]) -> None:
        """Of an object's entries, some were replayed and some stay: first keeps the one, then lets go of them here.

        Stopped between, the entries are replayed again, as duplicates, and kept under the same name.
        """
        if done:
            now = instants.iso(instants.of(self.clock()))
            lines = [{**line(found), "replayed": now} for found in done]
            self._put(REPLAYED + _name([found.item for found in done]), lines)
        if left:
            self._put(key, [line(found) for found in left])
        else:
            self.s3.delete_object(Bucket=self.bucket, Key=key)

    def _put(self, key: str, lines: Iterable[dict[str, Any]]) -> None:
        body = b"".join(_encode(found) + b"\n" for found in lines)
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, ContentType=TYPE)


def _name(items: Sequence[SetAside]) -> str:
    """Of what they are, not of when they were set aside."""
    digest = hashlib.sha256()
    for item in items:
        digest.update(_encode(line(Entry(item, 0))) + b"\n")
    return f"{digest.hexdigest()}.ndjson"
