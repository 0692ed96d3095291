"""Every source against its golden pairs: tests/golden/<source>/<case>.log and what it becomes, <case>.expected.json.

A new case needs a log and no code: INNERWATCH_WRITE_GOLDEN=1 writes what is expected, to be read before it is kept.
"""

import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from innerwatch import sources
from innerwatch.sources.mapped import Mapping
from innerwatch.splitting import SPLITTERS
from innerwatch.values import Event, Origin, SetAside

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = sorted(GOLDEN.glob("*/*.log"))
URI = "s3://logs/object"
WRITE = "INNERWATCH_WRITE_GOLDEN" in os.environ

Parse = Callable[[bytes, Origin], Event | SetAside | None]


def read(case: Path) -> tuple[str, Parse]:
    """How the case's source splits and parses; a mapped one has its mapping beside it."""
    mapping = case.with_suffix(".mapping.yml")
    if mapping.exists():
        source: sources.Source = Mapping.load(mapping)
    else:
        source = sources.SOURCES[case.parent.name]
    return source.SPLIT, partial(sources.parse, source)


def records(case: Path, split: str) -> Iterator[tuple[int, bytes]]:
    for item in SPLITTERS[split]([case.read_bytes()], URI):
        assert not isinstance(item, SetAside)
        yield item


def shown(position: int, result: Event | SetAside | None) -> dict[str, Any]:
    if result is None:
        return {"line": position, "skipped": True}
    if isinstance(result, SetAside):
        return {"line": position, "set_aside": result.reason}
    actor = {"no_person": result.actor.no_person} if result.actor.no_person else {"evidence": result.actor.evidence}
    return {
        "line": position,
        "id": result.id,
        "time": result.time,
        "actor": json.loads(json.dumps(actor)),
        "document": result.document,
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.stem}")
def test_a_log_becomes_what_is_expected(case: Path) -> None:
    split, parse = read(case)
    found = [shown(position, parse(record, Origin(URI, position))) for position, record in records(case, split)]
    expected = case.with_suffix(".expected.json")
    if WRITE:
        expected.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
    assert found == json.loads(expected.read_text("utf-8"))


def test_every_source_of_application_access_has_golden_pairs() -> None:
    wanted = {name for name, module in sources.SOURCES.items() if module.DATASET == "app.access"}
    assert wanted <= {case.parent.name for case in CASES}
