"""Feeds of cases and assignments: golden pairs (tests/golden/cases/<case>.<csv|json> and what is read of it,
<case>.expected.json; INNERWATCH_WRITE_GOLDEN=1 writes what is expected), and what guards against broken ones."""

import gzip
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from innerwatch import instants
from innerwatch.errors import UserError
from innerwatch.hr import read_feed as read_people
from innerwatch.justification import CaseFeed, CaseReport, MemoryCases, apply_feed, feeds, model
from innerwatch.values import FOREVER

GOLDEN = Path(__file__).parents[1] / "golden" / "cases"
CASES = sorted(path for path in GOLDEN.iterdir() if path.suffix in (".csv", ".json") and ".expected" not in path.name)
WRITE = "INNERWATCH_WRITE_GOLDEN" in os.environ
NOW = 1_772_900_000_000


def read(case: Path, data: bytes) -> CaseFeed:
    beside = case.with_suffix(".mapping.yml")
    mapping = feeds.load_mapping(beside.read_bytes(), beside.name) if beside.exists() else None
    return feeds.read_feed(data, case.name, NOW, mapping)


def when(instant: int) -> str:
    return {model.UNDATED: "undated", FOREVER: "", 0: "beginning"}.get(instant) or (
        instants.iso(instant) if 0 < instant < FOREVER else ""
    )


def shown(feed: CaseFeed) -> dict[str, Any]:
    return {
        "kinds": list(feed.kinds),
        "full": feed.full,
        "rows": [
            {
                "line": row.line,
                "case": row.case_id,
                **({"customers": list(row.customers)} if row.customers else {}),
                **({"open": [when(row.span.start), when(row.span.end)]} if row.span else {}),
                **(
                    {"held": [*row.assignment[:2], when(row.assignment.start), when(row.assignment.end)]}
                    if row.assignment
                    else {}
                ),
            }
            for row in feed.rows
        ],
        "bad": [{key: value for key, value in asdict(row).items() if value} for row in feed.bad],
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_feed_is_read_as_expected(case: Path) -> None:
    found = shown(read(case, case.read_bytes()))
    expected = case.with_suffix(".expected.json")
    if WRITE:
        expected.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    assert found == json.loads(expected.read_text())


@pytest.mark.parametrize(
    "dressed", [gzip.compress, lambda data: data.decode().encode("utf-16")], ids=["gzip", "utf-16"]
)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_compression_and_encoding_change_nothing(case: Path, dressed: Any) -> None:
    assert shown(read(case, dressed(case.read_bytes()))) == shown(read(case, case.read_bytes()))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_is_known_by_its_columns(case: Path) -> None:
    beside = case.with_suffix(".mapping.yml")
    mapping = feeds.load_mapping(beside.read_bytes(), beside.name) if beside.exists() else None
    assert feeds.recognised(case.read_bytes(), case.name, mapping)


@pytest.mark.parametrize(
    "case",
    sorted(
        path
        for path in (GOLDEN.parent / "hr").iterdir()
        if ".expected" not in path.name and path.suffix in (".csv", ".json")
    ),
    ids=lambda case: case.name,
)
def test_an_hr_feed_is_none(case: Path) -> None:
    assert not feeds.recognised(case.read_bytes(), case.name)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "f.csv: the feed is empty; expected at least one case"),
        (
            b"case_id,customer_id,status\nK-1,C-1,open\n",
            "f.csv: no column for opened_at; found: case_id, customer_id, status",
        ),
        (b"case_id,opened_at\nK-1,2026-03-01\n", "f.csv: no column for customer_id; found: case_id, opened_at"),
        (
            b"customer_id,opened_at\nC-1,2026-03-01\n",
            "f.csv: is no feed of cases; found the columns: customer_id, opened_at",
        ),
        (b"case_id,colour\nK-1,red\n", "f.csv: is no feed of cases; found the columns: case_id, colour"),
        (b"case_id,case_id,team\nK-1,K-1,x\n", "f.csv:1: two columns are called 'case_id'"),
        (b'{"cases": [], "assignments": []}', "f.csv: holds both cases and assignments; expected each as a feed"),
        (b'{"cases": [', "f.csv:1: is no JSON"),
        (b"\xff\xfe\xfa", "f.csv"),
    ],
)
def test_a_broken_feed_is_refused_whole(data: bytes, message: str) -> None:
    with pytest.raises(UserError) as error:
        feeds.read_feed(data, "f.csv", NOW)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        (b"colums: {}", "m.yml:1: 'colums' is not known; expected full, columns, date_format"),
        (b"statuses: {}", "m.yml:1: 'statuses' is not known; expected full, columns, date_format"),
        (b"columns: {employee_id: X}", "m.yml:1: 'columns': 'employee_id' is not known; expected case_id"),
    ],
)
def test_a_wrong_mapping_is_told(mapping: bytes, message: str) -> None:
    with pytest.raises(UserError) as error:
        feeds.load_mapping(mapping, "m.yml")
    assert str(error.value).startswith(message)


FULL = feeds.load_mapping(b"full: true", "m.yml")


def snapshot(numbers: range, at: int, mapping: Any = FULL, more: str = "") -> CaseFeed:
    rows = "".join(f"K-{number},C-{number},2026-03-01T09:00:00Z\n" for number in numbers)
    return feeds.read_feed(f"case_id,customer_id,opened_at\n{rows}{more}".encode(), "f.csv", NOW + at, mapping)


def test_a_full_feed_that_lacks_too_many_open_cases_is_refused() -> None:
    store = MemoryCases()
    assert apply_feed(store, snapshot(range(20), 0)) == CaseReport(new=20)
    with pytest.raises(UserError) as error:
        apply_feed(store, snapshot(range(17), 1))
    assert str(error.value) == (
        "f.csv: the feed lacks 3 of the 20 cases that are open, more than 10%; nothing was changed; "
        "expected a complete feed, or `full: false` in its mapping if it holds only changes"
    )
    assert len(store.statements("k-19")) == 1
    assert apply_feed(store, snapshot(range(18), 2)) == CaseReport(unchanged=18, removed=2)
    case = model.case(store.statements("k-19"))
    assert case is not None
    assert case.spans[-1].end == NOW + 2
    assert apply_feed(store, snapshot(range(1), 3, None)) == CaseReport(unchanged=1)  # not full: removes nothing
    with_more_leave = feeds.load_mapping(b"full: true\nlargest_removal: 1", "m.yml")
    assert apply_feed(store, snapshot(range(1), 4, with_more_leave)).removed == 17


def test_the_case_of_a_bad_row_is_not_missing() -> None:
    store = MemoryCases()
    apply_feed(store, snapshot(range(20), 0))
    report = apply_feed(store, snapshot(range(18), 1, more="K-18,,2026-03-01\nK-19\n"))
    assert (report.removed, [row.line for row in report.bad]) == (0, [20, 21])


def test_nothing_that_can_be_read_is_no_feed() -> None:
    with pytest.raises(UserError) as error:
        apply_feed(MemoryCases(), feeds.read_feed(b"case_id,customer_id,opened_at\nK-1,,\n", "f.csv", NOW))
    assert str(error.value).startswith("f.csv: none of its 1 rows can be read: customer_id is empty")
    with pytest.raises(UserError, match="it holds no row"):
        apply_feed(MemoryCases(), feeds.read_feed(b"case_id,customer_id,opened_at\n", "f.csv", NOW))


def test_a_feed_counts_once_and_what_it_repeats_adds_nothing() -> None:
    store = MemoryCases()
    assert apply_feed(store, snapshot(range(3), 0)).new == 3
    assert apply_feed(store, snapshot(range(3), 0)).repeated
    assert apply_feed(store, snapshot(range(3), 5)) == CaseReport(unchanged=3)
    assert len(store.statements("k-1")) == 1


def test_an_hr_reader_takes_no_case_feed() -> None:
    with pytest.raises(UserError, match="no column for employee_id"):
        read_people((GOLDEN / "cases.csv").read_bytes(), "cases.csv", NOW)
