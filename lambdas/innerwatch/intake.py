"""The ways in: which objects a message announces, and the bytes of an object or a stream's record, decompressed.

Pure functions over bytes and dicts; whoever calls them does the reading from AWS.
"""

from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import chain
from typing import Any, NamedTuple, Protocol
from urllib.parse import unquote_plus

import msgspec
from isal import igzip_lib
from zstandard import ZstdDecompressor, ZstdError

from innerwatch import kpl
from innerwatch.splitting import Corrupt
from innerwatch.values import Origin

# --- Notifications ---------------------------------------------------------------------------------------------------


class ObjectRef(NamedTuple):
    """One version of an S3 object; `version` is empty in a bucket without versions."""

    bucket: str
    key: str
    version: str
    etag: str


# What S3 tells about objects that hold nothing new to read.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventBridge.html
NOT_CREATED = (
    "ObjectRemoved:",
    "ObjectRestore:",
    "ObjectTagging:",
    "ObjectAcl:",
    "ReducedRedundancyLostObject",
    "Replication:",
    "LifecycleExpiration:",
    "LifecycleTransition",
    "IntelligentTiering",
)
NOT_CREATED_DETAIL_TYPES = frozenset(
    {
        "Object Deleted",
        "Object Restore Initiated",
        "Object Restore Completed",
        "Object Restore Expired",
        "Object Storage Class Changed",
        "Object Access Tier Changed",
        "Object ACL Updated",
        "Object Tags Added",
        "Object Tags Deleted",
    }
)


def objects(body: str) -> list[ObjectRef]:
    """The new objects that one SQS message announces.

    Takes S3's own notifications, EventBridge's, those that CloudTrail publishes to a trail's topic, and any of them
    wrapped by SNS. S3's test event and events about objects that are not new give an empty list. Raises ValueError
    with the reason for everything else, so that the message is retried and then seen in the dead-letter queue.
    """
    message = _object(body, "the message")
    if message.get("Type") == "Notification" and "Message" in message:  # SNS without raw message delivery
        message = _object(_text(message, "Message", "the SNS notification"), "the message inside the SNS notification")
    if message.get("Event") == "s3:TestEvent":
        return []
    if "Records" in message:
        records = message["Records"]
        if not isinstance(records, list):
            raise ValueError("Records is no list; expected an S3 event notification")
        return [ref for record in records for ref in _s3(record)]
    if "detail-type" in message:
        return _eventbridge(message)
    if "s3Bucket" in message:
        return _cloudtrail(message)
    found = ", ".join(sorted(message)[:8]) or "nothing"
    raise ValueError(f"the message holds {found}; expected an S3, EventBridge, CloudTrail or SNS notification")


def _s3(record: Any) -> Iterator[ObjectRef]:
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    if not isinstance(record, dict) or record.get("eventSource") != "aws:s3":
        raise ValueError("a record's eventSource is not aws:s3; expected an S3 event notification")
    name = _text(record, "eventName", "the S3 record").removeprefix("s3:")
    if name.startswith(NOT_CREATED):
        return
    if not name.startswith("ObjectCreated:"):
        raise ValueError(f"eventName {name[:80]!r} is not known; expected ObjectCreated:* or another S3 event")
    s3 = _mapping(record, "s3", "the S3 record")
    bucket, item = _mapping(s3, "bucket", "s3"), _mapping(s3, "object", "s3")
    yield ObjectRef(
        _text(bucket, "name", "s3.bucket"),
        unquote_plus(_text(item, "key", "s3.object"), errors="strict"),
        _optional(item, "versionId"),
        _optional(item, "eTag"),
    )


def _eventbridge(message: dict[str, Any]) -> list[ObjectRef]:
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html: here the key is not URL-encoded
    if message.get("source") != "aws.s3":
        raise ValueError(f"the EventBridge event's source is {message.get('source')!r}; expected aws.s3")
    kind = _text(message, "detail-type", "the EventBridge event")
    if kind in NOT_CREATED_DETAIL_TYPES:
        return []
    if kind != "Object Created":
        raise ValueError(f"detail-type {kind[:80]!r} is not known; expected Object Created or another S3 event")
    detail = _mapping(message, "detail", "the EventBridge event")
    bucket, item = _mapping(detail, "bucket", "detail"), _mapping(detail, "object", "detail")
    return [
        ObjectRef(
            _text(bucket, "name", "detail.bucket"),
            _text(item, "key", "detail.object"),
            _optional(item, "version-id"),
            _optional(item, "etag"),
        )
    ]


def _cloudtrail(message: dict[str, Any]) -> list[ObjectRef]:
    # https://docs.aws.amazon.com/awscloudtrail/latest/userguide/configure-sns-notifications-for-cloudtrail.html
    keys = message.get("s3ObjectKey")
    if not isinstance(keys, list) or not all(isinstance(key, str) and key for key in keys):
        raise ValueError("s3ObjectKey is no list of keys; expected CloudTrail's notification of delivered log files")
    bucket = _text(message, "s3Bucket", "CloudTrail's notification")
    return [ObjectRef(bucket, key, "", "") for key in keys]


def _object(text: str | bytes, what: str) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ValueError(f"{what} is no JSON: {error}; expected an S3 event notification") from error
    if not isinstance(value, dict):
        raise ValueError(f"{what} is JSON, but no object; expected an S3 event notification")
    return value


def _mapping(parent: dict[str, Any], name: str, where: str) -> dict[str, Any]:
    value = parent.get(name)
    if not isinstance(value, dict):
        raise ValueError(f"{where} has no object {name}; expected one")
    return value


def _text(parent: dict[str, Any], name: str, where: str) -> str:
    value = parent.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{where} has no text {name}; expected one")
    return value


def _optional(parent: dict[str, Any], name: str) -> str:
    value = parent.get(name)
    return value if isinstance(value, str) else ""


# --- Streams ---------------------------------------------------------------------------------------------------------

# How the uri begins of what a stream delivered and nobody could unpack; it is kept as Lambda was given it.
UNPACKED_KINESIS = "kinesis://record/"
UNPACKED_LOGS = "cloudwatch-logs://request/"
MAX_STREAM_RECORD = 64 * 2**20  # bytes, decompressed: a stream's record is held in memory as a whole


def cloudwatch_logs(data: str | bytes) -> list[tuple[Origin, bytes]]:
    """The log events of one CloudWatch Logs subscription payload: `awslogs.data`, base64 of gzip of JSON.

    A control message gives none. Raises ValueError with the reason for what is no such payload.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html
    """
    return _log_events(_object(_inflated(_base64(data)), "the subscription's payload"))


def kinesis(record: dict[str, Any]) -> list[tuple[Origin, bytes]]:
    """The log records of one Kinesis record, as Lambda hands it over.

    Its data may be one record or several lines, gzip or zstd or plain, a CloudWatch Logs subscription payload, or any
    of these put together by the Kinesis Producer Library. Raises ValueError with the reason where it can't be read:
    that is for the caller to set aside, with the record.
    https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
    """
    own = _mapping(record, "kinesis", "the Kinesis record")
    sequence = _text(own, "sequenceNumber", "kinesis")
    stream = _optional(record, "eventSourceARN").rpartition("/")[2]
    shard = _optional(record, "eventID").partition(":")[0]
    uri = f"kinesis://{stream}/{shard}?sequenceNumber={sequence}"
    found: list[tuple[Origin, bytes]] = []
    position = 0
    data = own.get("data")
    if not isinstance(data, str):
        raise ValueError("kinesis has no text data; expected base64")
    for part in kpl.user_records(_base64(data)):
        content = _inflated(part)
        if _is_subscription(content):
            found += _log_events(_object(content, "the subscription's payload"))
            continue
        for line in _lines(content):
            position += 1
            found.append((Origin(uri, position), line))
    return found


def _log_events(payload: dict[str, Any]) -> list[tuple[Origin, bytes]]:
    kind = payload.get("messageType")
    if kind == "CONTROL_MESSAGE":
        return []
    if kind != "DATA_MESSAGE":
        raise ValueError(f"messageType is {kind!r}; expected DATA_MESSAGE or CONTROL_MESSAGE"[:300])
    events = payload.get("logEvents")
    if not isinstance(events, list):
        raise ValueError("logEvents is no list; expected a CloudWatch Logs subscription's payload")
    where = "/".join(_text(payload, name, "the payload").strip("/") for name in ("owner", "logGroup", "logStream"))
    found = []
    for event in events:
        if not isinstance(event, dict) or not isinstance(event.get("message"), str):
            raise ValueError("a log event has no text message; expected a CloudWatch Logs subscription's payload")
        # The event's own id makes the place, so that a payload delivered twice, or cut otherwise, stays the same.
        origin = Origin(f"cloudwatch-logs://{where}?event={_text(event, 'id', 'a log event')}", 1)
        found.append((origin, event["message"].encode()))
    return found


def _is_subscription(content: bytes) -> bool:
    return content.startswith(b"{") and b'"messageType"' in content and b'"logEvents"' in content


def _lines(content: bytes) -> list[bytes]:
    """One JSON document however it is laid out, or the lines that are not blank."""
    lines = [line for line in content.splitlines() if line.strip()]
    if len(lines) > 1 and content.lstrip()[:1] in (b"{", b"["):
        try:
            msgspec.json.decode(content)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return lines
        return [content]
    return lines


def _base64(data: str | bytes) -> bytes:
    try:
        return b64decode(data, validate=True)
    except ValueError as error:
        raise ValueError(f"the data is no base64: {error}; expected what AWS hands to a function") from error


def _inflated(data: bytes) -> bytes:
    found = bytearray()
    try:
        for block in decompress((data,)):
            found += block
            if len(found) > MAX_STREAM_RECORD:
                raise ValueError(f"the data expands to more than {MAX_STREAM_RECORD} bytes; expected a stream's record")
    except Corrupt as error:
        raise ValueError(str(error)) from error
    return bytes(found)


# --- Compression -----------------------------------------------------------------------------------------------------

# A log compresses by 5 to 50; what exceeds these is made to fill a disk. Up to the grace, any ratio will do.
MAX_RATIO = 300
RATIO_GRACE = 32 * 2**20
MAX_BYTES = 64 * 2**30

BLOCK = 64 * 1024  # bytes, at least, in which decompressed data is handed on
KEPT = 16 * 2**20  # compressed bytes of a member that are kept, to read up to the very byte of a damage
MAX_WINDOW = 2**27  # memory in bytes that a zstd frame may ask for: what `zstd --ultra -22` does

UNREADABLE = {
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"PK\x03\x04": "zip",
    b"\x04\x22\x4d\x18": "lz4",
    b"PAR1": "Parquet",
    b"\xff\x06\x00\x00sNaPpY": "snappy",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
MAGIC_LENGTH = max(map(len, UNREADABLE))


class Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


class Format(NamedTuple):
    name: str
    magic: tuple[bytes, ...]
    start: Callable[[], Decompressor]  # for one gzip member or zstd frame
    piece: int  # compressed bytes given at a time, which bounds what one step can expand to


FORMATS = (
    # RFC 1952; deflate expands to at most 1032 times: 4 MiB a step.
    Format("gzip", (b"\x1f\x8b",), lambda: igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP), 4096),
    # RFC 8878, skippable frames included; 4 bytes expand to at most 128 KiB: 8 MiB a step.
    Format(
        "zstd",
        (b"\x28\xb5\x2f\xfd", *(bytes((low,)) + b"\x2a\x4d\x18" for low in range(0x50, 0x60))),
        lambda: ZstdDecompressor(max_window_size=MAX_WINDOW).decompressobj(),
        256,
    ),
)
DAMAGED: tuple[type[Exception], ...] = (igzip_lib.IsalError, ZstdError)  # type: ignore[assignment]  # isal's stub says it is an instance


def decompress(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The content of an object, whatever its name says: plain, gzip or zstd, by its first bytes.

    Several gzip members or zstd frames one after another count as one content. Memory does not grow with the size.
    Raises splitting.Corrupt, after everything that could be read, where the data is damaged, cut off, compressed in
    a way we don't read, or expands as no log does.
    """
    source = iter(chunks)
    head = b""
    for chunk in source:
        head += chunk
        if len(head) >= MAGIC_LENGTH:
            break
    for magic, name in UNREADABLE.items():
        if head.startswith(magic):
            raise Corrupt(f"the data is {name}; expected UTF-8 text, gzip or zstd")
    everything = chain((head,), source)
    for form in FORMATS:
        if head.startswith(form.magic):
            yield from _blocks(_guarded(_members(everything, form), form))
            return
    yield from (chunk for chunk in everything if chunk)


def _blocks(parts: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in parts of a useful size; what came before an error is handed on before it is raised."""
    held: list[bytes] = []
    size = 0
    try:
        for part in parts:
            held.append(part)
            size += len(part)
            if size >= BLOCK:
                yield b"".join(held)
                held, size = [], 0
    except Corrupt:
        if size:
            yield b"".join(held)
        raise
    if size:
        yield b"".join(held)


def _guarded(steps: Iterator[tuple[int, bytes]], form: Format) -> Iterator[bytes]:
    """What the steps yield, as long as it stays within the limits."""
    read = written = 0
    for size, part in steps:
        read += size
        allowed = min(MAX_BYTES, max(RATIO_GRACE, read * MAX_RATIO))
        if written + len(part) > allowed:
            yield part[: allowed - written]
            raise Corrupt(
                f"{read} bytes of {form.name} expand to more than {allowed}; "
                f"expected at most {MAX_RATIO} times as many, and {MAX_BYTES} in all"
            )
        written += len(part)
        yield part


def _members(chunks: Iterable[bytes], form: Format) -> Iterator[tuple[int, bytes]]:
    """Steps through all members: how many compressed bytes were taken, and what came of them."""
    member: Decompressor | None = None
    kept = bytearray()  # the member's compressed bytes so far, as long as they are few enough
    given = produced = 0  # how many compressed bytes it got, and what came of them
    for piece in _pieces(chunks, form.piece):
        rest = piece
        while rest:
            if member is None:
                if not rest.strip(b"\0"):  # padding to a block's end, as `gzip` accepts it
                    break
                member, given, produced = form.start(), 0, 0
                kept.clear()
            try:
                part = member.decompress(rest)
            except DAMAGED as error:
                if given == len(kept):
                    yield len(rest), _up_to_the_damage(bytes(kept), rest, produced, form)
                raise Corrupt(f"the {form.name} data is damaged: {error}") from error
            if given == len(kept) and given + len(rest) <= KEPT:
                kept += rest
            unused = member.unused_data if member.eof else b""
            taken = len(rest) - len(unused)
            given += taken
            produced += len(part)
            yield taken, part
            if member.eof:
                member = None
            rest = unused
    if member is not None:
        raise Corrupt(f"the {form.name} data is cut off before its end")


def _pieces(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    for chunk in chunks:
        for start in range(0, len(chunk), size):
            yield chunk[start : start + size]


def _up_to_the_damage(good: bytes, bad: bytes, produced: int, form: Format) -> bytes:
    """What a member holds between the `produced` bytes it already gave and a damage.

    A step that fails keeps all its output to itself: so the member is read again, at last byte by byte.
    """
    member = form.start()
    found = bytearray()
    skip = produced
    with suppress(*DAMAGED):
        for piece in chain(_pieces((good,), form.piece), (bytes((byte,)) for byte in bad)):
            part = member.decompress(piece)
            found += part[skip:]
            skip -= min(skip, len(part))
    return bytes(found)
