"""Holds documents to ECS and to our own field table."""

import ipaddress
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from innerwatch.fields import DATASETS, Field

ECS_FLAT = Path(__file__).parents[2] / "shared" / "data" / "ecs" / "ecs_flat.yml"

DATE = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d\.\d{3}Z)?", re.ASCII)
# ECS types that we map otherwise: the local node lacks `wildcard`, and `match_only_text` is of no use to Sigma.
SAME = {"wildcard": "keyword", "constant_keyword": "keyword", "match_only_text": "keyword"}


@cache
def ecs() -> dict[str, dict[str, Any]]:
    """Every field of ECS by its name."""
    with ECS_FLAT.open("rb") as file:
        return dict(yaml.load(file, yaml.CSafeLoader))


def problems(document: dict[str, Any], dataset: str) -> list[str]:
    """What is wrong with a document: a field that no row names, a value that its type cannot hold, or against ECS."""
    rows = {row.name: row for row in DATASETS[dataset]}
    rows |= {row.match: Field(row.match, "flattened", "") for row in DATASETS[dataset] if row.match}
    found = [problem for name, value in leaves(document, rows) for problem in _field(name, value, rows)]
    return found + _pairs(document)


def leaves(level: dict[str, Any], rows: dict[str, Field], path: str = "") -> Iterator[tuple[str, Any]]:
    """Name and value of every field; a flattened one is one field, and objects in a list are looked into."""
    for name, value in level.items():
        full = f"{path}{name}"
        objects = value if isinstance(value, list) else [value]
        if full not in rows and objects and all(isinstance(item, dict) for item in objects):
            for item in objects:
                yield from leaves(item, rows, f"{full}.")
        else:
            yield full, value


def _field(name: str, value: Any, rows: dict[str, Field]) -> Iterator[str]:
    row = rows.get(name)
    if row is None:
        yield f"{name} has no row in fields.py"
        return
    values = value if isinstance(value, list) else [value]
    for item in values:
        if not _fits(row.type, item):
            yield f"{name} is a {row.type} and cannot be {item!r:.80}"
    known = ecs().get(name)
    if known is None:
        return
    if SAME.get(known["type"], known["type"]) != row.type:
        yield f"{name} is a {row.type} in fields.py, and a {known['type']} in ECS"
    if isinstance(value, list) != ("array" in known["normalize"]):
        yield f"{name} is {value!r:.80}; in ECS it is {'a list' if 'array' in known['normalize'] else 'one value'}"
    allowed = {item["name"] for item in known.get("allowed_values", ())}
    for item in values:
        if allowed and item not in allowed:
            yield f"{name} is {item!r}, which ECS does not know"


def _fits(kind: str, value: Any) -> bool:
    if kind == "keyword":
        return isinstance(value, str) and value != ""
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "long":
        return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63
    if kind == "date":
        return (isinstance(value, int) and not isinstance(value, bool)) or (
            isinstance(value, str) and DATE.fullmatch(value) is not None
        )
    if kind == "ip":
        try:
            ipaddress.ip_address(value)
        except ValueError:
            return False
        return "%" not in value
    return kind == "flattened" and isinstance(value, dict)


def _pairs(document: dict[str, Any]) -> list[str]:
    """Every type of an event must be one that ECS expects of one of its categories."""
    event = document["event"]
    if "category" not in event:
        return []
    expected = {
        item["name"]: item.get("expected_event_types", ()) for item in ecs()["event.category"]["allowed_values"]
    }
    allowed = {name for category in event["category"] for name in expected.get(category, ())}
    return [f"event.type {name!r} with {event['category']}" for name in event.get("type", ()) if name not in allowed]
