"""The access contract: what golden pairs do not show."""

import json
from typing import Any

import pytest

from innerwatch.access_contract import ACTIONS, OTHER
from innerwatch.sources import access, ecs_json
from innerwatch.values import Event, Origin, SetAside

ORIGIN = Origin("s3://logs/object", 1)
ENTRY = {
    "schema": "innerwatch.access/1",
    "id": "e-1",
    "time": "2026-03-31T07:15:00Z",
    "application": "console",
    "actor": {"id": "ana"},
    "action": "view",
}


def parsed(**changed: Any) -> Event:
    result = access.parse(json.dumps({**ENTRY, **changed}).encode(), ORIGIN)
    assert isinstance(result, Event), result
    return result


@pytest.mark.parametrize("count", [1, 10_000, 100_000])
def test_every_customer_of_a_long_list_is_kept(count: int) -> None:
    customers = [f"C-{number}" for number in range(count)]
    assert parsed(customers=customers).document["access"]["customer"] == {"id": customers, "total": count}


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2026-03-31T07:15:00Z", "2026-03-31T07:15:00.000Z"),
        ("2026-03-31t07:15:00.9999999z", "2026-03-31T07:15:00.999Z"),
        ("2026-03-31 07:15:00.5+05:45", "2026-03-31T01:30:00.500Z"),
        ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"),
        ("2026-01-01T00:30:00+01:00", "2025-12-31T23:30:00.000Z"),
    ],
)
def test_times_are_exact_to_the_millisecond(time: str, expected: str) -> None:
    assert parsed(time=time).document["@timestamp"] == expected


@pytest.mark.parametrize(
    "time",
    [
        "2026-03-31",
        "20260331T071500Z",
        "2026-W14-2T07:15:00Z",
        "0000-01-01T00:00:00Z",
        "2026-03-31T25:00:00Z",
        "0001-01-01T00:00:00+23:59",
        "٢٠٢٦-03-31T07:15:00Z",
    ],
)
def test_what_is_no_rfc_3339_time_is_set_aside(time: str) -> None:
    result = access.parse(json.dumps({**ENTRY, "time": time}).encode(), ORIGIN)
    assert isinstance(result, SetAside)
    assert result.reason.startswith("time")


def test_two_applications_may_use_the_same_ids() -> None:
    assert parsed(application="a").id != parsed(application="b").id
    assert parsed().id == parsed().id


def test_a_long_id_becomes_a_short_one() -> None:
    long = parsed(id="x" * 600)
    assert len(long.id) <= 512
    assert long.id != parsed(id="x" * 601).id
    assert long.document["event"]["id"] == "x" * 600


def test_ecs_allows_each_pair_of_category_and_type() -> None:
    """https://www.elastic.co/docs/reference/ecs/ecs-allowed-values-event-category"""
    allowed = {
        "database": {"access", "change", "info", "error"},
        "email": {"info"},
        "authentication": {"start", "end", "info"},
        "iam": {"admin", "change", "creation", "deletion", "group", "info", "user"},
        "web": {"access", "error", "info"},
    }
    for categories, types in [*ACTIONS.values(), OTHER]:
        assert all(set(types) <= allowed[category] for category in categories)


def test_documents_share_no_lists() -> None:
    """Whoever completes one document must not change the next."""
    parsed().document["event"]["category"].append("changed")
    assert parsed().document["event"]["category"] == ["database"]


def test_an_ecs_log_cannot_say_who_the_employee_was() -> None:
    record = (
        b'{"@timestamp":"2026-03-31T07:15:00Z","ecs.version":"8.11","employee.id":"e-1","employee":{"status":"active"},\
"innerwatch.oversized":["x"],"data_stream.dataset":"aws.cloudtrail","event":{"dataset":"aws.cloudtrail"}}'
    )
    result = ecs_json.parse(record, ORIGIN)
    assert isinstance(result, Event)
    assert result.document.keys() == {"@timestamp", "event"}
    assert result.document["event"]["dataset"] == "app.access"
