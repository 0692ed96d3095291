"""The golden documents of application access against ECS itself: names, lists, and pairs of category and type."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

GOLDEN = Path(__file__).parents[1] / "golden"
ECS = Path(__file__).parents[3] / "shared" / "data" / "ecs" / "ecs_flat.yml"
OWN = ("access", "aws", "innerwatch")  # fields beyond ECS, all in fields.py

pytestmark = pytest.mark.skipif(not ECS.exists(), reason=f"ECS's own definition is not there: {ECS}")


def leaves(document: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


@pytest.fixture(scope="module")
def ecs() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load(ECS.read_text("utf-8"), Loader=yaml.CSafeLoader)
    return loaded


def documents() -> list[dict[str, Any]]:
    cases = [case.with_suffix(".expected.json") for case in GOLDEN.glob("*/*.log")]
    return [entry["document"] for case in cases for entry in json.loads(case.read_text("utf-8")) if "document" in entry]


def test_every_document_is_ecs(ecs: dict[str, Any]) -> None:
    checked = 0
    allowed = {value["name"]: value["expected_event_types"] for value in ecs["event.category"]["allowed_values"]}
    for document in documents():
        for name, value in leaves(document):
            empty = name == "aws.cloudtrail.flattened" and value == {}  # as Elastic's integration has it
            assert empty or value not in ({}, [], "", None), name
            if name.split(".")[0] not in OWN:
                assert name in ecs, name
                assert ("array" in ecs[name]["normalize"]) == isinstance(value, list), name
        for category in document["event"].get("category", ()):
            assert set(document["event"].get("type", ())) <= set(allowed[category])
        checked += 1
    assert checked > 25
