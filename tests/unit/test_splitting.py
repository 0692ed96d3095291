"""How objects fall into records: any form, cut anywhere, in little memory, and whole where a part is broken."""

import json
import time
import tracemalloc
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from innerwatch import splitting
from innerwatch.splitting import LONGEST_RECORD, Corrupt, split_json, split_lines
from innerwatch.values import SetAside

RECORDS = [
    {
        "eventVersion": "1.11",
        "eventID": str(number),
        "requestParameters": {"text": '}],{"eventVersion" \\" é', "n": [{}, []]},
    }
    for number in range(5000)
]


def compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def chunked(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def split(data: bytes, size: int = 256 * 1024) -> list[tuple[int, bytes] | SetAside]:
    return list(split_json(chunked(data, size), "s3://logs/object"))


def records(found: Sequence[tuple[int, bytes] | SetAside]) -> list[object]:
    assert [item[0] if isinstance(item, tuple) else item.origin.position for item in found] == list(
        range(1, len(found) + 1)
    )
    return [json.loads(item[1]) for item in found if isinstance(item, tuple)]


FORMS = {
    "records": compact({"Records": RECORDS}),
    "other keys before and after": compact({"a": {"Records": [1]}, "Records": RECORDS, "b": ["]}", {"c": {}}]}),
    "pretty": json.dumps({"Records": RECORDS}, indent=2).encode(),
    "array": compact(RECORDS),
    "lines": b"\n".join(map(compact, RECORDS)),
    "lines with empty ones": b"\r\n\r\n".join(map(compact, RECORDS)) + b"\n\n",
    "one after another": b"".join(map(compact, RECORDS)),
    "pretty ones after another": b"\n".join(json.dumps(record, indent=1).encode() for record in RECORDS),
    "objects of records, one a line": b"\n".join(
        compact({"Records": RECORDS[start : start + 100]}) for start in range(0, len(RECORDS), 100)
    ),
    "with a byte order mark": b"\xef\xbb\xbf  " + compact({"Records": RECORDS}),
}


@pytest.mark.parametrize("data", FORMS.values(), ids=FORMS)
def test_every_form_falls_into_the_same_records(data: bytes) -> None:
    assert records(split(data)) == RECORDS


@pytest.mark.parametrize("size", [1, 7, 100])
@pytest.mark.parametrize("name", FORMS)
def test_it_does_not_matter_where_the_chunks_end(name: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splitting, "WINDOW", 512)
    form = FORMS[name]
    few = RECORDS[:20]
    if name in ("records", "array", "lines"):
        form = {"records": compact({"Records": few}), "array": compact(few), "lines": b"\n".join(map(compact, few))}[
            name
        ]
        assert records(split(form, size)) == few
    else:
        cut = form[:3000]
        assert split(cut, size)[:-1] == split(cut, len(cut))[:-1]


def test_a_bare_record_and_none_at_all() -> None:
    assert split(b' {"eventVersion": "1"} ') == [(1, b'{"eventVersion": "1"}')]
    assert split(b"") == split(b" \n ") == split(b'{"Records":[]}') == split(b"[]") == []


@pytest.mark.parametrize("cut", [1, 2, 20, 400])
def test_data_that_ends_within_a_record_gives_all_before_it(cut: int) -> None:
    found = split(FORMS["records"][:-cut])
    whole = [item for item in found if isinstance(item, tuple)]
    assert len(whole) >= len(RECORDS) - 5
    assert records(whole) == RECORDS[: len(whole)]
    last = found[-1]
    assert isinstance(last, SetAside)
    assert last.origin.position == len(whole) + 1
    assert "the data ends" in last.reason
    assert len(found) == len(whole) + 1


def test_a_value_that_is_no_record_costs_no_other() -> None:
    found = split(b'{"Records":[null, 1.5e3 ,"a, ]",true,[],{"a":1}]}', 7)
    assert found == list(enumerate((b"null", b"1.5e3", b'"a, ]"', b"true", b"[]", b'{"a":1}'), 1))


@pytest.mark.parametrize(
    ("data", "before", "reason"),
    [
        (b"hello", 0, "byte 1 begins b'hello'; expected JSON"),
        (b'{"Records":[{"a":1} x {"a":2}]}', 1, "expected ',' or ']' after a record"),
        (b'{"Records":[{"a":1},\x00{"a":2}]}', 1, "expected a record"),
        (b'{"Records":[{"a":1},{"a":"b', 1, "ends in the middle of a record"),
        (b'{"Records":[{"a":1},', 1, "the data ends at byte"),
        (b'{"Records":[{"a":1}]', 1, "ends in the middle of a record"),
        (b'{"a":1}\xff', 1, "expected JSON"),
        (b"\x00\x00", 0, "expected JSON"),
        (b"[1,x]", 1, "expected a record"),
        (b'["a', 0, "expected a record"),
    ],
)
def test_what_is_no_json_is_set_aside_with_its_place(data: bytes, before: int, reason: str) -> None:
    found = split(data)
    assert len(found) == before + 1
    last = found[-1]
    assert isinstance(last, SetAside)
    assert reason in last.reason
    assert last.origin.position == before + 1


@pytest.mark.parametrize("broken", [b'{"a":', b"hello", b'{"a":"\xff', b'{"Records":[{"b":1}', b'{"a":1,', b"}"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_broken_line_costs_no_other(broken: bytes, place: int) -> None:
    lines = [b'{"a":1}', b'{"a":2}', b'{"a":3}']
    lines.insert(place, broken)
    found = split(b"\n".join(lines))
    if place == 0 and (b"Records" in broken or not broken.startswith(b"{")):
        # Nothing says then that these are lines: the object may go on below, or be no JSON at all.
        assert isinstance(found[-1], SetAside)
        return
    assert [json.loads(item[1]) for item in found if isinstance(item, tuple) and b'"a"' in item[1]] == [
        {"a": 1},
        {"a": 2},
        {"a": 3},
    ]
    assert any(isinstance(item, SetAside) for item in found)


@pytest.mark.parametrize("head", [b'{"Records":[{"a":1}', b'[{"a":1}', b'{"a":1}'])
def test_corrupt_chunks_give_what_came_before_and_one_reason(head: bytes) -> None:
    def chunks() -> Iterator[bytes]:
        yield head
        raise Corrupt("the gzip data is cut off before its end")

    found = list(split_json(chunks(), "u"))
    assert found[0] == (1, b'{"a":1}')
    (last,) = found[1:]
    assert isinstance(last, SetAside)
    assert last.reason == "the gzip data is cut off before its end"
    assert last.origin.position == 2


def big_record(size: int) -> Iterator[bytes]:
    yield b'{"eventVersion":"big","text":"'
    for _ in range(size // 2**20):
        yield b'\\"{[x\\\\' * (2**20 // 8)
    yield b'","n":[{}]}'


@pytest.mark.parametrize(
    ("before", "between", "after"), [(b'{"Records":[', b",", b"]}"), (b"", b"\n", b"\n"), (b"[", b" , ", b"]")]
)
def test_a_record_of_50_megabytes_is_set_aside_alone_in_little_memory(
    before: bytes, between: bytes, after: bytes
) -> None:
    def chunks() -> Iterator[bytes]:
        yield before + compact(RECORDS[0]) + between
        yield from big_record(50 * 2**20)
        yield between + compact(RECORDS[1]) + after

    tracemalloc.start()
    try:
        found = list(split_json(chunks(), "u"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [item[0] if isinstance(item, tuple) else "aside" for item in found] == [1, "aside", 3]
    aside = found[1]
    assert isinstance(aside, SetAside)
    assert aside.origin.position == 2
    assert f"longer than {LONGEST_RECORD} bytes" in aside.reason
    assert aside.raw.startswith(b'{"eventVersion":"big"')
    assert len(aside.raw) == 64 * 1024
    assert peak < 40 * 2**20


def test_a_large_object_streams_in_little_memory() -> None:
    body = compact(RECORDS)[1:-1]

    def chunks() -> Iterator[bytes]:
        yield b'{"Records":['
        for _ in range(100):
            yield from chunked(body + b",", 2**18)
        yield body + b"]}"

    tracemalloc.start()
    try:
        count = sum(isinstance(item, tuple) for item in split_json(chunks(), "u"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 101 * len(RECORDS)
    assert peak < 10 * 2**20


def test_a_thousand_levels_of_nesting_are_cut_out_as_one_record() -> None:
    deep = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    found = split(b'{"Records":[{"b":1},%b,{"b":2}]}' % deep)
    assert [item[1] for item in found if isinstance(item, tuple)] == [b'{"b":1}', deep, b'{"b":2}']


def test_hostile_text_takes_no_more_than_linear_time() -> None:
    began = time.monotonic()
    for text in (
        b'{"a":"' + b"\\" * 6_000_000,
        b"[" * 3_000_000,
        b'{"a":' * 1_000_000,
        b'"' * 3_000_000,
        b" " * 9_000_000,
    ):
        split(text)
        split(b'{"Records":[{"a":1},' + text)
    assert time.monotonic() - began < 60


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.text('{}[]",:\\ \n1aRecords', max_size=80).map(str.encode), st.integers(1, 9))
def test_any_bytes_are_cut_without_an_error_and_alike_however_they_come(data: bytes, size: int) -> None:
    found = split(data, size)
    assert found == split(data, 1000)
    assert sum(isinstance(item, SetAside) for item in found) <= data.count(b"\n") + 1


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    ).map(lambda value: {"eventVersion": "1", "v": value}),
    st.integers(1, 50),
    st.sampled_from([None, 1]),
)
def test_any_records_come_back_as_they_are(record: object, count: int, indent: int | None) -> None:
    data = json.dumps({"Records": [record] * count}, indent=indent).encode()
    assert records(split(data, 64)) == [record] * count


def test_lines_keep_their_numbers() -> None:
    found = list(split_lines(chunked(b"one\r\n\n  \nfour\nfive", 3), "u"))
    assert found == [(1, b"one"), (4, b"four"), (5, b"five")]
    assert list(split_lines([], "u")) == list(split_lines([b""], "u")) == []


def test_a_line_that_is_too_long_is_set_aside_alone() -> None:
    found = list(split_lines([b"one\n", b"x" * (LONGEST_RECORD + 2), b"\nthree"], "u"))
    assert [item if isinstance(item, tuple) else item.origin.position for item in found] == [
        (1, b"one"),
        2,
        (3, b"three"),
    ]


def test_lines_that_end_in_corrupt_data() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"one\ntw"
        raise Corrupt("cut off")

    first, last = split_lines(chunks(), "u")
    assert first == (1, b"one")
    assert isinstance(last, SetAside)
    assert (last.origin.position, last.reason, last.raw) == (2, "cut off", b"tw")
