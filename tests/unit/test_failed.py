"""What the failed store keeps of a record comes back as it was, whatever its bytes are."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerwatch import failed
from innerwatch.failed import Entry
from innerwatch.pipeline import read_records
from innerwatch.values import RAW_KEPT, Event, Origin, SetAside

ORIGIN = Origin("s3://example-logs/a b+c.json.gz?versionId=v1", 7)
EVENT = Event("id", "app.access", 0, None, {}, ORIGIN)  # type: ignore[arg-type]  # nobody looks at the actor


def aside(position: int) -> SetAside:
    return SetAside(Origin(ORIGIN.uri, position), "why")


@given(raw=st.binary(max_size=200), reason=st.text(st.characters(exclude_categories=["Cs"])), rest=st.booleans())
def test_an_entry_comes_back_as_it_was(raw: bytes, reason: str, rest: bool) -> None:
    entry = Entry(SetAside(ORIGIN, reason, raw, "aws.cloudtrail", rest), 1_772_701_200_000)
    text = msgspec.json.encode(failed.line(entry))
    assert b"\n" not in text
    assert failed.entry(text) == entry


def test_bytes_that_are_no_utf_8_are_not_damaged() -> None:
    found = failed.line(Entry(SetAside(ORIGIN, "why", b"\xff\x00\xfe"), 0))
    assert "raw" not in found
    assert found["raw_base64"] == "/wD+"


@pytest.mark.parametrize(
    ("origin", "size", "cut"),
    [
        (ORIGIN, RAW_KEPT - 1, False),
        (ORIGIN, RAW_KEPT, True),
        (Origin("kinesis://access/shardId-0?sequenceNumber=1", 1), RAW_KEPT, False),
        (Origin("cloudwatch-logs://123456789012/console/i-1?event=e-1", 1), RAW_KEPT, False),
    ],
)
def test_it_says_where_only_the_beginning_is_kept(origin: Origin, size: int, cut: bool) -> None:
    item = SetAside(origin, "why", b"x" * size)
    assert failed.line(Entry(item, 0)).get("cut", False) == cut
    assert item.whole != cut


def test_of_a_stream_a_long_record_is_kept_whole() -> None:
    record = json.dumps({"schema": "innerwatch.access/1", "note": "x" * 3 * RAW_KEPT}).encode()
    (item,) = read_records([(Origin("kinesis://access/shardId-0?sequenceNumber=1", 1), record)])
    assert isinstance(item, SetAside)
    assert (item.raw, item.dataset, item.whole) == (record, "app.access", True)


@pytest.mark.parametrize("kinds", ["", "e", "s", "es", "se", "ssee", "eess", "sesese", "ss"])
def test_only_what_comes_last_stands_for_the_rest(kinds: str) -> None:
    items = [EVENT if kind == "e" else aside(place) for place, kind in enumerate(kinds)]
    found = list(failed.until_the_last(items))
    assert [type(item) for item in found] == [type(item) for item in items]
    rests = [isinstance(item, SetAside) and item.rest for item in found]
    assert rests == [False] * (len(kinds) - 1) + [kinds.endswith("s")] * bool(kinds)


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b'{"origin":{"uri":"a"},"reason":"","time":""}', b"\xff"])
def test_anything_else_is_no_entry(text: bytes) -> None:
    with pytest.raises((ValueError, UnicodeError)):
        failed.entry(text)
