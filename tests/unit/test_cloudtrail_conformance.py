"""Our CloudTrail documents against those that Elastic's AWS integration makes of the same records, field by field."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from innerwatch.sources import cloudtrail
from innerwatch.values import Event, Origin

CASES = Path(__file__).parents[3] / "shared" / "data" / "ecs-conformance" / "cloudtrail"
pytestmark = pytest.mark.skipif(
    not CASES.is_dir(), reason=f"needs {CASES}: Elastic's test cases, which are not part of the project"
)

# Fields, and all below them, that the integration has and we don't, each with the reason.
NOT_OURS = {
    "ecs.version": "ours is the release that we hold to; the enricher writes it",
    "event.created": "the time at which Elastic's agent read the record; we write event.ingested",
    "event.original": "the same once more: nothing is lost without it, and it would hold mistyped passwords",
    "tags": "it only says that event.original is to be kept",
    "source.geo": "needs MaxMind's database, which is not ours to ship",
    "source.as": "needs MaxMind's database, which is not ours to ship",
}


def leaves(level: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in level.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


def pairs() -> list[Any]:
    """Every record with the document that is expected of it."""
    found = []
    for path in sorted(CASES.glob("*.log")):
        expected = json.loads(path.with_name(f"{path.name}-expected.json").read_bytes())["expected"]
        records = path.read_bytes().splitlines()
        assert len(records) == len(expected)
        name = path.name.removesuffix(".log")
        found += [
            pytest.param(record, document, id=f"{name}-{place}")
            for place, (record, document) in enumerate(zip(records, expected, strict=True), 1)
        ]
    return found


@pytest.mark.parametrize(("record", "expected"), pairs())
def test_every_field_of_the_integration_is_equal(record: bytes, expected: dict[str, Any]) -> None:
    event = cloudtrail.parse(record, Origin("s3://logs/object", 1))
    assert isinstance(event, Event)
    ours = dict(leaves(event.document))
    wanted = {
        name: value
        for name, value in leaves(expected)
        if not any(name == other or name.startswith(f"{other}.") for other in NOT_OURS)
    }
    assert {name: ours.get(name) for name in wanted} == wanted


def test_all_cases_are_there_and_every_exception_is_needed() -> None:
    documents = [dict(leaves(case.values[1])) for case in pairs()]
    assert len({case.id.rpartition("-")[0] for case in pairs()}) == 17
    names = {name for document in documents for name in document}
    assert all(any(name == other or name.startswith(f"{other}.") for name in names) for other in NOT_OURS)
