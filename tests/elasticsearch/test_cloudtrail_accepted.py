"""Whatever CloudTrail parses, Elasticsearch accepts: at the edges of what its `flattened` and `keyword` fields take."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from elasticsearch import Elasticsearch

from innerwatch import sources
from innerwatch.sources import cloudtrail
from innerwatch.values import Event, Origin
from innerwatch_cli import index_templates

pytestmark = pytest.mark.elasticsearch
GOLDEN = Path(__file__).parents[1] / "golden" / "aws.cloudtrail"
RECORD: dict[str, Any] = {
    "eventVersion": "1.11",
    "eventTime": "2026-03-31T09:15:00Z",
    "eventSource": "s3.amazonaws.com",
}


def nested(levels: int) -> dict[str, Any]:
    inner: dict[str, Any] = {"a": "Value"}
    for _ in range(levels - 1):
        inner = {"a": inner}
    return inner


def listed(levels: int) -> list[Any]:
    inner: list[Any] = ["Value"]
    for _ in range(levels - 1):
        inner = [inner]
    return inner


EDGES: dict[str, dict[str, Any]] = {
    "deepest object": {"requestParameters": nested(90)},
    "deepest list": {"requestParameters": {"a": listed(89)}},
    "longest path and value": {"requestParameters": {"€" * 1300: {"€" * 1300: "€" * 8191}}},
    "too long a value": {"requestParameters": {"a": "€" * 20_000}, "errorMessage": "e" * 40_000},
    "outside the basic plane": {"requestParameters": {"a": "😀" * 4096, "b": "😀" * 4095}, "userAgent": "😀" * 9000},
    "strange names": {"requestParameters": {"": 1, ".": 2, "a.b": 3, "a": {"b": 4}, " ": 5, "..": 6, "A": 7}},
    "numbers": {"requestParameters": {"a": 10**18, "b": -(2**63), "c": 2**64, "d": 1e300, "e": 5e-324, "f": -0.0}},
    "one name, many types": {"requestParameters": {"a": [1, "x", True, None, {"b": [[]]}, [["y"]]]}},
    "NUL in a value": {"requestParameters": {"a": "x\0y"}, "errorMessage": "\0"},
    "many names": {"requestParameters": {f"name{number}": number for number in range(20_000)}},
    "nothing but empty": {"requestParameters": {"a": "", "b": [], "c": {"d": None}}, "responseElements": {"a": ""}},
    "fields of the future": {"new": {"a": 1}, "newer": [1, "x"], "userIdentity": {"type": "New", "strange": {"a": 1}}},
    "no address": {"sourceIPAddress": "fe80::1%eth0"},
    "an address of both kinds": {"sourceIPAddress": "::ffff:192.0.2.1"},
}


@pytest.fixture(scope="module")
def index(elasticsearch: Elasticsearch) -> Iterator[str]:
    name = "test-cloudtrail-accepted"
    template = index_templates.templates()["innerwatch-logs-aws.cloudtrail"]["template"]
    elasticsearch.options(ignore_status=404).indices.delete(index=name)
    elasticsearch.indices.create(index=name, mappings=template["mappings"], settings=template["settings"])
    yield name
    elasticsearch.indices.delete(index=name)


def accepted(elasticsearch: Elasticsearch, index: str, record: dict[str, Any], own_id: str) -> Event:
    event = sources.parse(cloudtrail, json.dumps(record).encode(), Origin("s3://logs/object", 1))
    assert isinstance(event, Event), event
    lines = [{"create": {"_id": own_id}}, msgspec.json.decode(msgspec.json.encode(event.document))]
    (item,) = elasticsearch.bulk(index=index, operations=lines, refresh=True)["items"]
    assert item["create"]["status"] == 201, item
    return event


@pytest.mark.parametrize("case", EDGES)
def test_the_edges_of_what_we_let_through_are_accepted(elasticsearch: Elasticsearch, index: str, case: str) -> None:
    accepted(elasticsearch, index, {**RECORD, **EDGES[case]}, case)


@pytest.mark.parametrize(
    ("case", "query"),
    [
        ("deepest object", f"aws.cloudtrail.match.request_parameters{'.a' * 90}:value"),
        ("outside the basic plane", f"aws.cloudtrail.match.request_parameters.b:{'😀' * 4095}"),
        ("too long a value", "innerwatch.oversized:aws.cloudtrail.match.request_parameters"),
        ("too long a value", "innerwatch.oversized:aws.cloudtrail.error_message"),
        ("strange names", "aws.cloudtrail.match.request_parameters.a.b:4"),
    ],
)
def test_what_is_at_the_edge_is_found(elasticsearch: Elasticsearch, index: str, case: str, query: str) -> None:
    accepted(elasticsearch, index, {**RECORD, **EDGES[case]}, f"{case} {query[:90]}")
    found = elasticsearch.search(index=index, query={"query_string": {"query": query}}, source=False, size=100)
    assert f"{case} {query[:90]}" in {hit["_id"] for hit in found["hits"]["hits"]}


def test_all_golden_records_are_accepted(elasticsearch: Elasticsearch, index: str) -> None:
    records = [json.loads(line) for path in GOLDEN.glob("*.log") for line in path.read_bytes().splitlines()]
    parsed = [cloudtrail.parse(json.dumps(record).encode(), Origin("x", 1)) for record in records]
    events = [event for event in parsed if isinstance(event, Event)]
    assert len(events) > 40
    for place, event in enumerate(events):
        lines = [{"create": {"_id": f"golden {place}"}}, event.document]
        (item,) = elasticsearch.bulk(index=index, operations=lines)["items"]
        assert item["create"]["status"] == 201, item
