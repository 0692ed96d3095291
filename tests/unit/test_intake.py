"""The ways in: what a message announces, and what can be read of compressed data, whatever was done to it."""

import base64
import gzip
import hashlib
import json
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from innerwatch import intake
from innerwatch.intake import ObjectRef, decompress, objects
from innerwatch.splitting import Corrupt
from innerwatch.values import Origin

# --- Notifications ---------------------------------------------------------------------------------------------------


def s3_event(name: str = "ObjectCreated:Put", key: str = "logs/a.json.gz", **more: str) -> dict[str, Any]:
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventName": name,
        "s3": {"bucket": {"name": "logs"}, "object": {"key": key, "size": 3, **more}},
    }


def eventbridge(kind: str = "Object Created", key: str = "logs/a b+c.json") -> dict[str, Any]:
    return {
        "version": "0",
        "detail-type": kind,
        "source": "aws.s3",
        "account": "123456789012",
        "detail": {"bucket": {"name": "logs"}, "object": {"key": key, "etag": "e1", "version-id": "v1"}},
    }


def sns(message: dict[str, Any]) -> dict[str, Any]:
    return {
        "Type": "Notification",
        "TopicArn": "arn:aws:sns:eu-central-1:123456789012:t",
        "Message": json.dumps(message),
    }


CREATED = {"Records": [s3_event(versionId="v1", eTag="e1")]}
A = ObjectRef("logs", "logs/a.json.gz", "v1", "e1")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        pytest.param(CREATED, [A], id="S3 through SQS, and through SNS with raw delivery"),
        pytest.param(sns(CREATED), [A], id="S3 through SNS"),
        pytest.param(eventbridge(), [ObjectRef("logs", "logs/a b+c.json", "v1", "e1")], id="EventBridge, key as it is"),
        pytest.param(sns(eventbridge()), [ObjectRef("logs", "logs/a b+c.json", "v1", "e1")], id="EventBridge, SNS"),
        pytest.param(
            {"Records": [s3_event(key="a+b%2Bc%3D%C3%A9.json")]}, [ObjectRef("logs", "a b+c=é.json", "", "")], id="URL"
        ),
        pytest.param(
            {"s3Bucket": "trail", "s3ObjectKey": ["AWSLogs/a.json.gz", "AWSLogs/b+c.json.gz"]},
            [ObjectRef("trail", "AWSLogs/a.json.gz", "", ""), ObjectRef("trail", "AWSLogs/b+c.json.gz", "", "")],
            id="CloudTrail's own topic",
        ),
        pytest.param({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "logs"}, [], id="test event"),
        pytest.param(sns({"Service": "Amazon S3", "Event": "s3:TestEvent"}), [], id="test event through SNS"),
        pytest.param(
            {"Records": [s3_event("ObjectRemoved:Delete"), s3_event()]}, [A._replace(version="", etag="")], id="deleted"
        ),
        pytest.param({"Records": [s3_event("s3:ObjectTagging:Put")]}, [], id="tagged"),
        pytest.param({"Records": []}, [], id="nothing"),
        pytest.param(eventbridge("Object Deleted"), [], id="deleted, EventBridge"),
    ],
)
def test_a_message_announces_its_new_objects(message: dict[str, Any], expected: list[ObjectRef]) -> None:
    assert objects(json.dumps(message)) == expected


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[]", "no object"),
        ("{}", "holds nothing"),
        ('{"hello": 1}', "holds hello; expected an S3"),
        ('{"Records": {}}', "Records is no list"),
        ('{"Records": [1]}', "eventSource"),
        ('{"Records": [{"eventSource": "aws:sqs"}]}', "eventSource"),
        (json.dumps({"Records": [s3_event("ObjectInvented:Put")]}), "ObjectInvented:Put"),
        (json.dumps({"Records": [s3_event(key="")]}), "has no text key"),
        ('{"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": 1}]}', "has no object s3"),
        ('{"Type": "Notification", "Message": "hello"}', "inside the SNS notification is no JSON"),
        (json.dumps({**eventbridge(), "source": "aws.ec2"}), "aws.ec2"),
        (json.dumps(eventbridge("Object Invented")), "Object Invented"),
        ('{"s3Bucket": "b", "s3ObjectKey": "k"}', "no list of keys"),
        (json.dumps({"Records": [s3_event(key="%ff")]}), "utf-8"),
    ],
)
def test_any_other_message_is_refused_with_the_reason(body: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        objects(body)


NAMES = (
    *("Records", "eventSource", "eventName", "s3", "bucket", "object", "key", "name"),
    *("detail", "detail-type", "source", "Type", "Message", "s3Bucket", "s3ObjectKey", "Event"),
)
VALUES = ("aws:s3", "ObjectCreated:Put", "aws.s3", "Object Created", "Notification")
HOSTILE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(VALUES),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(NAMES) | st.text(), inner),
)


@given(HOSTILE)
def test_no_message_does_anything_but_announce_or_be_refused(message: Any) -> None:
    try:
        found = objects(json.dumps(message))
    except ValueError:
        return
    assert all(ref.bucket and ref.key for ref in found)


# --- Compression -----------------------------------------------------------------------------------------------------


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


def skippable(data: bytes) -> bytes:
    return b"\x50\x2a\x4d\x18" + len(data).to_bytes(4, "little") + data


COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {"plain": bytes, "gzip": gzip.compress, "zstd": zstd}
LINES = b"".join(
    b'{"id": %d, "action": "view", "hash": "%s"}\n' % (n, hashlib.sha256(b"%d" % n).hexdigest().encode())
    for n in range(400)
)


def cut(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def read(chunks: Iterator[bytes]) -> tuple[bytes, str]:
    """What came out, and the reason why no more did."""
    found = bytearray()
    try:
        for block in decompress(chunks):
            found += block
    except Corrupt as error:
        return bytes(found), str(error)
    return bytes(found), ""


@pytest.mark.parametrize("name", COMPRESSORS)
@given(
    parts=st.lists(st.binary(max_size=3000) | st.integers(0, 200).map(lambda n: LINES[:n]), min_size=1, max_size=4),
    size=st.integers(1, 5000),
)
def test_however_it_is_cut_the_content_is_the_same(name: str, parts: list[bytes], size: int) -> None:
    """Members one after another are one content."""
    if name == "plain":
        parts = [b" " + parts[0], *parts[1:]]  # else it could begin like a compressed one
    data = b"".join(COMPRESSORS[name](part) for part in parts)
    assert read(cut(data, size)) == (b"".join(parts), "")


def test_nothing_is_nothing() -> None:
    assert read(iter(())) == (b"", "")
    assert read(iter((b"", b""))) == (b"", "")
    assert read(iter((b"a", b"", b"b"))) == (b"ab", "")


@pytest.mark.parametrize("padding", [b"\0", b"\0" * 10_000])
def test_padding_with_zeros_after_gzip_is_no_damage(padding: bytes) -> None:
    assert read(cut(gzip.compress(LINES) + padding, 4096)) == (LINES, "")


def test_skippable_frames_of_zstd_are_skipped() -> None:
    assert read(iter((skippable(b"index") + zstd(LINES) + skippable(b"") + zstd(LINES),))) == (LINES * 2, "")


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_cut_off_at_every_byte_it_gives_a_beginning_and_the_reason(name: str) -> None:
    content = LINES[:6000]
    data = COMPRESSORS[name](content)
    before = 0
    for end in range(6, len(data)):
        found, reason = read(cut(data[:end], 100))
        assert content.startswith(found)
        assert reason == f"the {name} data is cut off before its end"
        assert len(found) >= before, "more data, but less content"
        before = len(found)
    assert before == len(content)


def test_a_cut_gzip_gives_all_that_zlib_can_read() -> None:
    data = gzip.compress(LINES)
    for end in range(20, len(data), 97):
        found, _ = read(iter((data[:end],)))
        expected = zlib.decompressobj(31).decompress(data[:end])
        assert expected.startswith(found)
        assert len(expected) - len(found) <= 8  # igzip wants to see a little more before it gives a symbol


TABLES = 100  # where the first block's code tables end, roughly; the data has one block


def up_to_the_damage(data: bytes) -> bytes:
    """The reference: zlib fed a byte at a time gives everything before it fails."""
    reader, found = zlib.decompressobj(31), bytearray()
    try:
        for byte in data:
            found += reader.decompress(bytes((byte,)))
    except zlib.error:
        pass
    return bytes(found)


@settings(max_examples=60, deadline=None)
@given(place=st.integers(10, 10_000), bit=st.integers(0, 7), size=st.integers(1, 9000))
@example(place=32, bit=3, size=1)
@example(place=39, bit=0, size=1)
def test_damaged_gzip_gives_all_up_to_the_damage_then_the_reason(place: int, bit: int, size: int) -> None:
    data = bytearray(gzip.compress(LINES))
    at = 10 + place % (len(data) - 10)
    data[at] ^= 1 << bit
    found, reason = read(cut(bytes(data), size))
    assert reason.startswith("the gzip data is ")
    expected = up_to_the_damage(bytes(data))
    same = min(len(found), len(expected))
    assert found[:same] == expected[:same]
    assert len(found) >= len(expected) - 8  # two decoders notice damage a symbol sooner or later
    # Code tables that are damaged zlib refuses as a whole, igzip reads by them until a code is missing.
    assert len(found) <= len(expected) + 8 or at < TABLES


def test_a_wrong_checksum_loses_no_byte() -> None:
    data = bytearray(gzip.compress(LINES))
    data[-6] ^= 1
    found, reason = read(cut(bytes(data), 1000))
    assert found == LINES
    assert "checksum" in reason


def test_damage_in_a_second_member_leaves_the_first_whole() -> None:
    found, reason = read(iter((gzip.compress(LINES) + b"this is no gzip member",)))
    assert found == LINES
    assert reason.startswith("the gzip data is damaged")


@settings(max_examples=60, deadline=None)
@given(place=st.integers(0, 10_000), value=st.integers(1, 255))
def test_damaged_zstd_gives_a_beginning_and_a_reason(place: int, value: int) -> None:
    data = bytearray(zstd(LINES))
    data[5 + place % (len(data) - 5)] ^= value
    found, reason = read(cut(bytes(data), 1000))
    if reason.startswith("the zstd data is cut off") or not reason:
        return  # a changed length or flag can make another valid frame
    # Content is checked by its checksum at the frame's end only.
    assert len(found) <= len(LINES)
    assert reason.startswith("the zstd data is damaged")


@given(st.binary(max_size=200), st.sampled_from([b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18", b""]))
def test_no_bytes_do_anything_but_be_read_or_be_corrupt(data: bytes, magic: bytes) -> None:
    read(cut(magic + data, 7))


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_a_bomb_gives_what_is_allowed_and_is_stopped(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "RATIO_GRACE", 100_000)
    found, reason = read(cut(COMPRESSORS[name](b"\0" * 5_000_000), 1000))
    assert "expected at most 300 times as many" in reason
    assert 100_000 <= len(found) < 5_000_000
    assert not found.strip(b"\0")


def test_a_bomb_takes_no_more_memory_than_a_step() -> None:
    """40 MiB of zeros in 1.3 KB of zstd: the worst that one step can expand to is 8 MiB, then copied once."""
    data = zstd(b"\0" * 40 * 2**20)
    assert len(data) < 2000
    tracemalloc.start()
    try:
        sizes = [len(block) for block in until_corrupt(data)]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(sizes) == intake.RATIO_GRACE
    assert peak < 28 * 2**20


def until_corrupt(data: bytes) -> Iterator[bytes]:
    with pytest.raises(Corrupt, match="expand"):
        yield from decompress(iter((data,)))


def test_a_log_that_compresses_very_well_is_no_bomb() -> None:
    content = LINES[:200] * 150_000
    assert read(cut(gzip.compress(content, 9), 65536)) == (content, "")


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"BZh91AY&SY", "bzip2"),
        (b"PK\x03\x04aaaaaaaa", "zip"),
        (b"\xfd7zXZ\x00aaaaa", "xz"),
        (b"PAR1aaaaaaaaa", "Parquet"),
        ('{"eventVersion"'.encode("utf-16"), "UTF-16"),
    ],
)
def test_what_we_do_not_read_is_named(data: bytes, name: str) -> None:
    assert read(iter((data,))) == (b"", f"the data is {name}; expected UTF-8 text, gzip or zstd")


# --- Streams ---------------------------------------------------------------------------------------------------------


def subscription(*messages: str, kind: str = "DATA_MESSAGE") -> bytes:
    events = [{"id": f"3{place}", "timestamp": 1774941300000, "message": text} for place, text in enumerate(messages)]
    return json.dumps(
        {
            "messageType": kind,
            "owner": "123456789012",
            "logGroup": "/support/console",
            "logStream": "i-1/[a]",
            "subscriptionFilters": ["all"],
            "logEvents": events,
        }
    ).encode()


def place(event: str, position: int = 1) -> Origin:
    return Origin(f"cloudwatch-logs://123456789012/support/console/i-1/[a]?event={event}", position)


def kinesis_record(data: bytes) -> dict[str, Any]:
    return {
        "kinesis": {"partitionKey": "p", "sequenceNumber": "49", "data": base64.b64encode(data).decode()},
        "eventSourceARN": "arn:aws:kinesis:eu-central-1:123456789012:stream/access",
        "eventID": "shardId-000000000006:49",
    }


SHARD = "kinesis://access/shardId-000000000006?sequenceNumber=49"


def numbered(*records: bytes) -> list[tuple[Origin, bytes]]:
    return [(Origin(SHARD, position), record) for position, record in enumerate(records, start=1)]


def test_a_subscription_gives_its_events_by_their_own_ids() -> None:
    data = base64.b64encode(gzip.compress(subscription("first", '{"a": "é"}')))
    expected = [(place("30"), b"first"), (place("31"), '{"a": "é"}'.encode())]
    assert intake.cloudwatch_logs(data) == expected
    assert intake.cloudwatch_logs(data.decode()) == expected


def test_a_control_message_gives_nothing() -> None:
    data = gzip.compress(subscription("CWL CONTROL MESSAGE: Checking health", kind="CONTROL_MESSAGE"))
    assert intake.cloudwatch_logs(base64.b64encode(data)) == []


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"%%%", "no base64"),
        (base64.b64encode(gzip.compress(b"{}")[:-9]), "cut off"),
        (base64.b64encode(gzip.compress(b"no json")), "is no JSON"),
        (base64.b64encode(gzip.compress(b"{}")), "messageType is None"),
        (base64.b64encode(gzip.compress(subscription(kind="X"))), "messageType is 'X'"),
        (base64.b64encode(b'{"messageType": "DATA_MESSAGE", "logEvents": 1}'), "logEvents is no list"),
        (base64.b64encode(subscription("a").replace(b'"message"', b'"massage"')), "no text message"),
        (base64.b64encode(subscription("a").replace(b'"owner"', b'"owned"')), "no text owner"),
        pytest.param(base64.b64encode(zstd(b"\0" * 90 * 2**20)), "expand", id="a bomb"),
    ],
)
def test_what_is_no_subscription_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        intake.cloudwatch_logs(data)


def varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*found, value))


def field(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def aggregated(*records: bytes) -> bytes:
    """As the Kinesis Producer Library's format document says, its optional fields included."""
    message = field(1, b"partition key") + field(2, b"123")
    for data in records:
        tag = field(1, b"key") + field(2, b"value")
        message += field(3, b"\x08\x00\x10\x00" + field(3, data) + field(4, tag))
    return b"\xf3\x89\x9a\xc2" + message + hashlib.md5(message, usedforsecurity=False).digest()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b'{"a": 1}', numbered(b'{"a": 1}'), id="one record"),
        pytest.param(
            gzip.compress(b"a\n\nb\r\n"), [(Origin(SHARD, 1), b"a"), (Origin(SHARD, 2), b"b")], id="gzip lines"
        ),
        pytest.param(zstd(b'{\n "a": 1\n}'), numbered(b'{\n "a": 1\n}'), id="JSON over several lines"),
        pytest.param(b'{"a": 1}\n{"a": 2}', numbered(b'{"a": 1}', b'{"a": 2}'), id="JSON lines"),
        pytest.param(gzip.compress(subscription("x")), [(place("30"), b"x")], id="CloudWatch Logs"),
        pytest.param(gzip.compress(subscription(kind="CONTROL_MESSAGE")), [], id="CloudWatch Logs, control"),
        pytest.param(
            aggregated(b"a\nb", gzip.compress(b"c"), gzip.compress(subscription("x")), b"d" * 300),
            [
                (Origin(SHARD, 1), b"a"),
                (Origin(SHARD, 2), b"b"),
                (Origin(SHARD, 3), b"c"),
                (place("30"), b"x"),
                (Origin(SHARD, 4), b"d" * 300),
            ],
            id="aggregated",
        ),
        pytest.param(aggregated(), [], id="aggregated, empty"),
        pytest.param(b"", [], id="empty"),
    ],
)
def test_a_kinesis_record_gives_the_log_records_in_it(data: bytes, expected: list[tuple[Origin, bytes]]) -> None:
    assert intake.kinesis(kinesis_record(data)) == expected


@given(st.integers(0, 400), st.integers(0, 255))
def test_a_damaged_aggregate_is_refused(position: int, value: int) -> None:
    data = bytearray(aggregated(b"a" * 100, b"b" * 100))
    position = 4 + position % (len(data) - 4)
    if data[position] == value:
        return
    data[position] = value
    with pytest.raises(ValueError, match="checksum"):
        intake.kinesis(kinesis_record(bytes(data)))


@given(st.binary(max_size=100))
def test_an_aggregate_of_anything_is_read_or_refused(message: bytes) -> None:
    data = b"\xf3\x89\x9a\xc2" + message + hashlib.md5(message, usedforsecurity=False).digest()
    try:
        intake.kinesis(kinesis_record(data))
    except ValueError:
        return
