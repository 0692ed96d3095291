"""The Kinesis Producer Library's aggregation: many user records in one Kinesis record.

https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md: a magic number, a protobuf message
`AggregatedRecord` (of which only its records' data matters here), and the MD5 of that message.
"""

import hashlib
from collections.abc import Iterator

MAGIC = b"\xf3\x89\x9a\xc2"
RECORDS, DATA = 3, 3  # field numbers: AggregatedRecord.records, Record.data
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types


def user_records(data: bytes) -> list[bytes]:
    """The user records in a Kinesis record's data; itself alone where it is not aggregated.

    Raises ValueError where it is, but damaged.
    """
    if not data.startswith(MAGIC):
        return [data]
    message, digest = data[len(MAGIC) : -16], data[-16:]
    if hashlib.md5(message, usedforsecurity=False).digest() != digest:
        raise ValueError(
            "the aggregated record's checksum does not fit; expected what the Kinesis Producer Library made"
        )
    return [
        inner
        for number, record in _fields(message)
        if number == RECORDS
        for inner_number, inner in _fields(record)
        if inner_number == DATA
    ]


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and content of each field that holds bytes (https://protobuf.dev/programming-guides/encoding/)."""
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            _, place = _varint(message, place)
        elif kind == FIXED64:
            place += 8
        elif kind == FIXED32:
            place += 4
        elif kind == BYTES:
            length, place = _varint(message, place)
            yield number, message[place : place + length]
            place += length
        else:
            raise ValueError(f"the aggregated record has a field of type {kind}; expected a protobuf message")
    if place > len(message):
        raise ValueError("the aggregated record is cut off; expected a whole protobuf message")


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while place < len(message) and shift < 64:
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
    raise ValueError("the aggregated record has a number that does not end; expected a protobuf message")
