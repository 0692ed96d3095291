"""Values too long to be indexed are named, whatever the source; nothing else is."""

import json
from typing import Any

import msgspec
import pytest

from innerwatch import sources
from innerwatch.fields import DATASETS
from innerwatch.oversized import LONGEST_KEYWORD
from innerwatch.sources import SOURCES
from innerwatch.values import Event, Origin
from innerwatch_cli.index_templates import templates

ORIGIN = Origin("s3://logs/object", 1)
ENTRY: dict[str, Any] = {
    "schema": "innerwatch.access/1",
    "time": "2026-03-31T09:15:00Z",
    "application": "crm",
    "actor": {"id": "ana"},
    "action": "view",
}
COMBINED = '192.0.2.7 - ana [31/Mar/2026:09:15:00 +0000] "GET {url} HTTP/1.1" 200 5 "-" "{agent}"'
TRAIL = {"eventVersion": "1.11", "eventTime": "2026-03-31T09:15:00Z", "eventSource": "s3.amazonaws.com"}


def named(source: str, record: bytes) -> list[str]:
    event = sources.parse(SOURCES[source], record, ORIGIN)
    assert isinstance(event, Event), event
    return sorted(event.document.get("innerwatch", {}).get("oversized", []))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"source": {"user_agent": "u" * 8192}}, ["user_agent.original"]),
        ({"source": {"user_agent": "u" * 8191}}, []),
        ({"customers": ["C-1", "c" * 9000], "case": "x" * 9000}, ["access.case.id", "access.customer.id"]),
        ({"customers": [f"C-{number}" for number in range(5000)]}, []),  # a long record of short values
        ({"actor": {"id": "€" * 8192}}, ["related.user", "user.id", "user.name"]),
        ({"action": "😀" * 4096}, ["event.action"]),  # 8192 of Java's characters
        ({"action": "😀" * 4095, "session": "x" * 8000}, []),
    ],
)
def test_access_documents(changes: dict[str, Any], expected: list[str]) -> None:
    assert named("innerwatch.access", msgspec.json.encode({**ENTRY, **changes})) == expected


def test_web_servers_logs() -> None:
    line = COMBINED.format(url="/" + "a" * 9000 + "?q=1", agent="curl")
    assert named("combined", line.encode()) == ["url.original", "url.path"]
    assert named("combined", COMBINED.format(url="/a", agent="u" * 9000).encode()) == ["user_agent.original"]


def test_the_reason_why_it_was_nobody() -> None:
    service = {"type": "AWSService", "invokedBy": "x" * 9000}
    found = named("aws.cloudtrail", json.dumps({**TRAIL, "userIdentity": service}).encode())
    assert "employee.resolution.reason" in found
    assert "aws.cloudtrail.user_identity.invoked_by" in found


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_limit_is_that_of_the_index(dataset: str) -> None:
    (strings,) = templates()[f"innerwatch-logs-{dataset}"]["template"]["mappings"]["dynamic_templates"]
    assert strings["strings"]["mapping"]["ignore_above"] == LONGEST_KEYWORD
