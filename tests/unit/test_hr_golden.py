"""Every HR format against its golden pairs: tests/golden/hr/<case>.<csv|json> and what is read, <case>.expected.json.

A new case needs a feed and no code: INNERWATCH_WRITE_GOLDEN=1 writes what is expected, to be read before it is kept.
"""

import gzip
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from innerwatch.hr import load_mapping, read_feed
from innerwatch.values import Feed

GOLDEN = Path(__file__).parents[1] / "golden" / "hr"
CASES = sorted(path for path in GOLDEN.iterdir() if path.suffix in (".csv", ".json") and ".expected" not in path.name)
SHARED = Path(__file__).parents[3] / "shared" / "data" / "hr"
WRITE = "INNERWATCH_WRITE_GOLDEN" in os.environ


def read(case: Path, data: bytes) -> Feed:
    beside = case.with_suffix(".mapping.yml")
    mapping = load_mapping(beside.read_bytes(), beside.name) if beside.exists() else None
    return read_feed(data, case.name, 0, mapping)


def shown(feed: Feed) -> dict[str, Any]:
    """What was read, without what is empty."""
    return {
        "format": feed.format,
        "full": feed.full,
        "rows": [
            {key: value for key, value in asdict(row).items() if value not in ("", None, {}, False)}
            for row in feed.rows
        ],
        "bad": [{key: value for key, value in asdict(row).items() if value} for row in feed.bad],
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_a_feed_is_read_as_expected(case: Path) -> None:
    found = json.loads(json.dumps(shown(read(case, case.read_bytes()))))
    expected = case.with_suffix(".expected.json")
    if WRITE:
        expected.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    assert found == json.loads(expected.read_text())


def utf16(data: bytes) -> bytes:
    return data.decode().encode("utf-16")


def bom_and_crlf(data: bytes) -> bytes:
    return b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n")


@pytest.mark.parametrize("dressed", [gzip.compress, utf16, bom_and_crlf], ids=["gzip", "utf-16", "bom and crlf"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_compression_encoding_and_line_ends_change_nothing(case: Path, dressed: Any) -> None:
    found = shown(read(case, dressed(case.read_bytes())))
    plain = shown(read(case, case.read_bytes()))
    assert json.loads(json.dumps(found).replace("\\r\\n", "\\n")) == json.loads(json.dumps(plain))


PUBLISHED: dict[str, list[tuple[str, dict[str, str]]]] = {
    "purview-csv/employee-profile.csv": [("jackq@contoso.com", {"name": "jack qualtz", "role": "Nurse"})],
    "purview-csv/job-level.csv": [
        ("sarad@contoso.com", {"role": "Level 60- Manager"}),
        ("pillar@contoso.com", {"role": "Level 60- Sr. Manager"}),
    ],
    "purview-csv/performance-review.csv": [("sarad@contoso.com", {}), ("pillar@contoso.com", {})],
    "purview-csv/pip.csv": [("sarad@contoso.com", {}), ("pillar@contoso.com", {})],
    "purview-csv/resignation.csv": [
        ("sarad@contoso.com", {"notice_at": "2019-04-23", "last_day": "2019-04-29"}),
        ("pilarp@contoso.com", {"notice_at": "2019-04-24", "last_day": "2019-04-29"}),
    ],
    "scim-rfc7643/samples/rfc7643-8.1-user-minimal.json": [("bjensen@example.com", {})],
    "scim-rfc7643/samples/rfc7643-8.2-user-full.json": [
        ("bjensen@example.com", {"role": "Tour Guide", "status": "active"})
    ],
    "scim-rfc7643/samples/rfc7643-8.3-enterprise_user.json": [
        ("bjensen@example.com", {"department": "Tour Operations", "time_zone": "America/Los_Angeles"})
    ],
}


@pytest.mark.skipif(not SHARED.exists(), reason="the published samples are not here: ../shared/data/hr")
@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_samples_load_as_they_are(name: str) -> None:
    feed = read_feed((SHARED / name).read_bytes(), name, 0)
    assert feed.bad == ()
    people: list[Any] = list(feed.rows)
    assert [row.attributes["email"] for row in people] == [email for email, _ in PUBLISHED[name]]
    for row, (_, attributes) in zip(people, PUBLISHED[name], strict=True):
        assert attributes.items() <= row.attributes.items()
