"""From an object's bytes to events: the right source and splitter, and nothing lost beside what is damaged."""

import gzip
import io
import zipfile
from pathlib import Path

import pytest

from innerwatch import pipeline, sources
from innerwatch.sources.mapped import Mapping
from innerwatch.values import Event, SetAside

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = [case for case in sorted(GOLDEN.glob("*/*.log")) if case.parent.name in sources.SOURCES]
LINE = b'{"schema":"innerwatch.access/1","time":"2026-03-31T07:15:00Z","application":"a","actor":{"id":"ana"},\
"action":"view"}'


def read(data: bytes, uri: str = "s3://logs/object") -> list[Event | SetAside]:
    return list(pipeline.read(iter((data,)), uri))


def reasons(found: list[Event | SetAside]) -> list[str]:
    return [item.reason if isinstance(item, SetAside) else "" for item in found]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.stem}")
def test_every_log_is_read_by_its_own_source_line_by_line(case: Path) -> None:
    """Compressed or not, as many results as the log has records, in their order."""
    source = sources.SOURCES[case.parent.name]
    found = read(gzip.compress(case.read_bytes()))
    assert found == read(case.read_bytes())
    assert any(isinstance(item, Event) for item in found) or case.stem == "set-aside"
    assert {item.dataset for item in found if isinstance(item, Event)} <= {source.DATASET}
    places = [item.origin.position for item in found]
    lines = case.read_bytes().splitlines()
    assert places == [place for place, line in enumerate(lines, 1) if not line.startswith(b"#")]


def test_a_broken_line_does_not_spoil_the_next() -> None:
    found = read(b"\n".join((LINE, b'{"broken', b"not JSON at all", b"[]", LINE)))
    assert [bool(reason) for reason in reasons(found)] == [False, True, True, True, False]


def test_what_could_be_read_of_a_cut_object_is_read() -> None:
    found = read(gzip.compress(b"\n".join([LINE] * 50))[:-9])
    assert sum(isinstance(item, Event) for item in found) >= 49
    assert reasons(found)[-1] == "the gzip data is cut off before its end"


def test_a_zip_is_one_clear_reason() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.log", LINE)
    assert reasons(read(file.getvalue())) == ["the data is zip; expected UTF-8 text, gzip or zstd"]


@pytest.mark.parametrize(
    "head",
    [
        b'{"other":1}',
        b"not JSON at all",
        b"null",
        b'{"schema":"innerwatch.access/1","deep":' + b"[" * 1000 + b"]" * 1000 + b"}",
        b'{"schema":"innerwatch.access/1","large":1e999}',
    ],
)
def test_a_broken_record_at_the_head_costs_no_other(head: bytes) -> None:
    found = read(b"\n".join((head, LINE, LINE)))
    assert [bool(reason) for reason in reasons(found)] == [True, False, False]


def test_a_byte_order_mark_is_no_part_of_the_log() -> None:
    assert reasons(read(b"\xef\xbb\xbf" + LINE)) == [""]


def test_the_search_for_a_known_record_ends() -> None:
    found = read(b"\n".join([b"hello"] * 1000 + [LINE]))
    assert reasons(found) == ["no log source recognises this record"]


def test_what_no_source_knows_is_one_clear_reason() -> None:
    assert reasons(read(b"hello\nworld\n")) == ["no log source recognises this record"]


@pytest.mark.parametrize(
    ("data", "uri"),
    [
        (
            b'{"awsAccountId":"123456789012","digestStartTime":"2026-03-31T07:00:00Z","digestS3Object":"a","logFiles":[]}',
            "s3://trail/a.json.gz",
        ),
        (b"", "s3://trail/empty"),
    ],
)
def test_an_object_without_events_gives_nothing(data: bytes, uri: str) -> None:
    assert read(data, uri) == []


def test_what_is_no_digest_does_not_hide_among_digests() -> None:
    uri = "s3://trail/AWSLogs/123456789012/CloudTrail-Digest/eu-central-1/2026/03/31/a.json.gz"
    (found,) = read(b'{"anything":1}', uri)
    assert isinstance(found, SetAside)
    assert found.reason == "no log source recognises this record"


def test_a_mapping_reads_a_log_that_no_source_knows() -> None:
    mapping = Mapping.load(GOLDEN / "mapped" / "desk.mapping.yml")
    data = (GOLDEN / "mapped" / "desk.log").read_bytes()
    found = list(pipeline.read(iter((data,)), "desk.log", mapping))
    assert [item.origin.position for item in found] == [1, 2, 5, 6, 7], "3 and 4 are skipped"
