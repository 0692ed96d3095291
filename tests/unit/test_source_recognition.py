"""Every log is recognised as what it is by its first record alone, and no record makes parsing raise."""

import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from innerwatch import fields, sources
from innerwatch.sources.mapped import Mapping
from innerwatch.splitting import SPLITTERS
from innerwatch.values import RAW_KEPT, Event, Origin, SetAside

GOLDEN = Path(__file__).parents[1] / "golden"
MAPPING = Mapping.load(GOLDEN / "mapped" / "desk.mapping.yml")
CLOUDTRAIL = (
    b'{"eventVersion":"1.11","eventID":"e","eventTime":"2026-03-31T07:15:00Z","eventSource":"s3.amazonaws.com",\
"eventName":"GetObject","userIdentity":{"type":"Root"},"userAgent":"%s"}'
)
ACCESS = {name: source for name, source in sources.SOURCES.items() if source.DATASET == "app.access"}
ORIGIN = Origin("s3://logs/object", 1)


def golden_records(name: str) -> list[bytes]:
    split = sources.SOURCES[name].SPLIT if name in sources.SOURCES else "lines"
    found = []
    for case in sorted((GOLDEN / name).glob("*.log")):
        records = [item for item in SPLITTERS[split]([case.read_bytes()], ORIGIN.uri) if not isinstance(item, SetAside)]
        found += [record for _, record in records]
    return found


def first_records() -> list[tuple[str, bytes]]:
    found = [("aws.cloudtrail", CLOUDTRAIL % b"-")]
    for name in ACCESS:
        for case in sorted((GOLDEN / name).glob("*.log")):
            first = next(iter(SPLITTERS[ACCESS[name].SPLIT]([case.read_bytes()], ORIGIN.uri)))
            assert not isinstance(first, SetAside)
            found.append((name, first[1]))
    return found


@pytest.mark.parametrize(("name", "record"), first_records(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_record_is_recognised_by_exactly_its_own_source(name: str, record: bytes) -> None:
    assert [known for known, source in sources.SOURCES.items() if source.recognise(record)] == [name]
    assert sources.recognise(record) is sources.SOURCES[name]
    assert not MAPPING.recognise(record)


def test_a_mapped_log_is_known_to_its_mapping_only() -> None:
    record = golden_records("mapped")[0]
    assert MAPPING.recognise(record)
    assert sources.recognise(record) is None


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"hello",
        b'{"schema": 1}',
        b'{"@timestamp": "2026-03-31T07:15:00Z"}',
        b'{"ecs": 1, "@timestamp": 1}',
        b'{"requestId": "a", "requestTime": "b"}',
        b"[" * 100_000,
        b"\xff\xfe",
        b"#Version: 1.0",
        b"#Fields: date time s-ip cs-method cs-uri-stem\n2026-03-31\t07:15:00\t192.0.2.1\tGET\t/",  # IIS
        b'192.0.2.1 - - [31/Mar/2026:07:15:00 +0000] "GET / HTTP/1.1" 200',
        # A Classic Load Balancer, a Network Load Balancer, a VPC flow log.
        b'2026-03-31T07:15:00.9Z my-elb 192.0.2.1:2817 10.0.0.1:80 0 0 0 200 200 0 57 "GET http://a:80/ HTTP/1.1"',
        b"tls 2.0 2026-03-31T07:15:00 net/n/c6e77e28c25b2234 g3d4b5e8bb8464cd 192.0.2.1:51341 10.0.0.1:443 5 2 98",
        b"2 123456789010 eni-1235b8ca123456789 192.0.2.1 10.0.0.1 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK",
    ],
)
def test_what_is_no_log_of_ours_is_recognised_by_no_source(record: bytes) -> None:
    assert sources.recognise(record) is None


@pytest.mark.parametrize(
    "forged", [b'\\"schema\\":\\"innerwatch.access/1\\"', b"#Fields: x-edge-location", b'\\"@timestamp\\"']
)
def test_a_client_cannot_change_the_source_by_what_it_sends(forged: bytes) -> None:
    """The user agent of the first record of an object is whatever the client likes."""
    assert sources.recognise(CLOUDTRAIL % forged) is sources.SOURCES["aws.cloudtrail"]


Parse = Callable[[bytes, Origin], Event | SetAside | None]
PARSERS: list[tuple[str, Parse]] = [
    *((name, source.parse) for name, source in ACCESS.items()),
    ("mapped", MAPPING.parse),
]


def checked(result: Event | SetAside | None, record: bytes) -> None:
    """What every result of a parser must be, so that it can be encoded, kept and indexed."""
    if isinstance(result, SetAside):
        assert result.reason
        assert len(result.reason) < 1000
        assert result.raw == record[:RAW_KEPT]
    elif result is not None:
        assert 0 < len(result.id.encode()) <= 512
        json.dumps(result.document, allow_nan=False).encode()
        assert result.document["event"]["dataset"] == result.dataset


@pytest.mark.parametrize(("name", "parse"), PARSERS, ids=[name for name, _ in PARSERS])
@given(record=st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_no_bytes_make_a_parser_raise(name: str, parse: Parse, record: bytes) -> None:
    checked(parse(record, ORIGIN), record)


WORDS = (
    b"",
    b"-",
    b" ",
    b'"',
    b"\\",
    b"[",
    b"]",
    b"\t",
    b"\n",
    b"\0",
    b"\xff",
    b"1e400",
    b"-1",
    b"9" * 30,
    b"\\ud800",
    b"{}",
)


@pytest.mark.parametrize(("name", "parse"), PARSERS, ids=[name for name, _ in PARSERS])
def test_no_damaged_record_makes_a_parser_raise(name: str, parse: Parse) -> None:
    """Golden records, cut and spliced at random places, always the same ones."""
    chance = random.Random(name)
    for record in golden_records(name):
        for _ in range(200):
            start, end = sorted(chance.randrange(len(record) + 1) for _ in range(2))
            damaged = record[:start] + chance.choice(WORDS) + record[min(end, start + chance.randrange(40)) :]
            checked(parse(damaged, ORIGIN), damaged)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize(("name", "parse"), PARSERS, ids=[name for name, _ in PARSERS])
@settings(max_examples=60)
@given(data=st.data())
def test_wrong_types_in_any_field_do_not_raise(name: str, parse: Parse, data: st.DataObject) -> None:
    entries = [json.loads(record) for record in golden_records(name) if is_object(record)]
    if not entries:  # this source's logs are no JSON
        return
    entry = data.draw(st.sampled_from(entries))
    holder = entry
    field = data.draw(st.sampled_from(sorted(entry)))
    if isinstance(entry[field], dict) and entry[field] and data.draw(st.booleans()):
        holder, field = entry[field], data.draw(st.sampled_from(sorted(entry[field])))
    holder[field] = data.draw(JSON_VALUES)
    record = json.dumps(entry).encode()
    checked(parse(record, ORIGIN), record)


def is_object(record: bytes) -> bool:
    try:
        return isinstance(json.loads(record), dict)
    except ValueError:
        return False


@pytest.mark.parametrize(("name", "parse"), PARSERS, ids=[name for name, _ in PARSERS])
@pytest.mark.parametrize(
    "part", [b"[ ", b'" ', b'\\" ', b" [a] ", b'"a"b ', b"a " * 2, b'{"a":', b"[", b'"" ', b"1/Mar [ "]
)
def test_no_line_takes_time_squared(name: str, parse: Parse, part: bytes) -> None:
    """A megabyte of what makes a careless pattern go back and forth; the limit is fifty times what it takes."""
    for start in (b"", *(record[: len(record) // 2] for record in golden_records(name)[:1])):
        record = start + part * (2**20 // len(part))
        begin = time.perf_counter()
        checked(parse(record, ORIGIN), record)
        if name in ACCESS:
            ACCESS[name].recognise(record)
        assert time.perf_counter() - begin < 10


def leaves(document: dict[str, Any], above: str = "") -> set[str]:
    found: set[str] = set()
    for name, value in document.items():
        path = f"{above}{name}"
        found |= leaves(value, f"{path}.") if isinstance(value, dict) else {path}
    return found


@pytest.mark.parametrize(("name", "parse"), PARSERS, ids=[name for name, _ in PARSERS])
def test_every_field_written_is_in_the_table(name: str, parse: Parse) -> None:
    """ECS that comes as it is may hold any field; its samples hold only some that are in the table."""
    known = {field.name for field in fields.DATASETS["app.access"]}
    for record in golden_records(name):
        result = parse(record, ORIGIN)
        if isinstance(result, Event):
            assert leaves(result.document) <= known


def test_a_source_is_a_module_with_the_contract() -> None:
    for source in sources.SOURCES.values():
        assert isinstance(source, ModuleType)
        assert source.DATASET in fields.DATASETS
        assert source.SPLIT in SPLITTERS
