"""Every document of all CloudTrail events that we have from elsewhere holds to ECS 9.4 and to our field table."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from innerwatch.enrich import stamp
from innerwatch.sources import cloudtrail
from innerwatch.values import Event, Origin, SetAside
from tests import ecs

DATA = Path(__file__).parents[3] / "shared" / "data"
EVENTS = DATA / "cloudtrail"
pytestmark = [
    pytest.mark.skipif(
        not ecs.ECS_FLAT.exists(), reason=f"needs {ecs.ECS_FLAT}: ECS, which is not part of the project"
    ),
    pytest.mark.skipif(not EVENTS.is_dir(), reason=f"needs {EVENTS}: others' events, not part of the project"),
]


def events(folder: str) -> Iterator[Any]:
    for path in sorted((EVENTS / folder).iterdir()):
        if path.suffix == ".json":
            held = json.loads(path.read_bytes())
            yield from held["Records"] if isinstance(held, dict) else held
        elif path.suffix == ".ndjson":
            yield from (json.loads(line)["event"] for line in path.read_text("utf-8").splitlines())


# Of Panther's cases three hold no event at all, and three have no time: these cannot be indexed, and say so.
NO_EVENT = {
    "the record is null; expected an object": 3,
    "the record has no eventTime; expected such as 2026-03-31T09:15:00Z": 2,
    "eventTime: '...' is no RFC 3339 time with its offset, such as 2026-03-31T09:15:00.000Z": 1,
}


@pytest.mark.parametrize(
    ("folder", "count", "aside"), [("invictus", 2900, {}), ("stratus", 310, {}), ("panther", 172, NO_EVENT)]
)
def test_every_event_becomes_a_document_that_holds_to_ecs(folder: str, count: int, aside: dict[str, int]) -> None:
    reasons: Counter[str] = Counter()
    found: Counter[str] = Counter()
    ids = set()
    for place, event in enumerate(events(folder), 1):
        result = cloudtrail.parse(json.dumps(event).encode(), Origin(folder, place))
        ids.add(place)
        if isinstance(result, SetAside):
            reasons[result.reason] += 1
            continue
        found.update(
            ecs.problems(msgspec.json.decode(msgspec.json.encode(stamp(result, None, "innerwatch"))), "aws.cloudtrail")
        )
    assert dict(found) == {}
    assert dict(reasons) == aside
    assert len(ids) == count


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"strange": 1}, "strange has no row in fields.py"),
        ({"source": {"ip": "192.0.2.1%eth0"}}, "source.ip is a ip and cannot be"),
        ({"user": {"name": ["a", "b"]}}, "in ECS it is one value"),
        ({"event": {"kind": "event", "outcome": "maybe"}}, "which ECS does not know"),
        ({"event": {"category": ["iam"], "type": ["access"]}}, "event.type 'access' with ['iam']"),
        ({"aws": {"cloudtrail": {"read_only": "true"}}}, "read_only is a boolean"),
    ],
)
def test_the_checker_finds_what_is_wrong(change: dict[str, Any], problem: str) -> None:
    record = b'{"eventVersion":"1.11","eventTime":"2026-03-31T09:15:00Z","eventSource":"s3.amazonaws.com"}'
    result = cloudtrail.parse(record, Origin("one", 1))
    assert isinstance(result, Event)
    assert ecs.problems(result.document, "aws.cloudtrail") == []
    assert any(problem in item for item in ecs.problems({**result.document, **change}, "aws.cloudtrail"))
