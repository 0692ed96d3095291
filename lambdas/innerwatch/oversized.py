"""Values too long to be indexed: a document names their fields, so that a rule's query finds it and the rule judges it.

https://www.elastic.co/docs/reference/elasticsearch/mapping-reference/ignore-above
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

from innerwatch.fields import DATASETS
from innerwatch.values import Event

# UTF-16 units: `ignore_above` in the index templates. × 4 bytes stays below Lucene's 32766 for a term.
LONGEST_KEYWORD = 8191


def mark(event: Event) -> None:
    """Names in `innerwatch.oversized` the fields that hold a value too long, as rules ask for them.

    No record needs it that is no longer itself, since each unit takes a byte at least.
    What the employee directory adds is shorter: see `hr.people.LONGEST`.
    """
    found = list(_fields(event.document, "", _asked(event.dataset)))
    if _units(event.actor.no_person) > LONGEST_KEYWORD:
        found.append("employee.resolution.reason")  # where it will stand
    if found:
        event.document["innerwatch"] = {"oversized": found}


@cache
def _asked(dataset: str) -> dict[str, str]:
    """Flattened field → its twin, by which rules ask; what need not be looked at → nothing."""
    flattened = [row for row in DATASETS[dataset] if row.type == "flattened"]
    nothing = dict.fromkeys(["event.original", *(row.match for row in flattened)], "")
    return {**nothing, **{row.name: row.match or row.name for row in flattened}}


def _fields(level: dict[str, Any], path: str, asked: dict[str, str]) -> Iterator[str]:
    for name, value in level.items():
        full = f"{path}{name}"
        listed = asked.get(full)
        if listed is None and isinstance(value, dict):
            yield from _fields(value, f"{full}.", asked)
        elif listed != "" and _longest(value) > LONGEST_KEYWORD:
            yield listed or full


def _longest(value: Any) -> int:
    """Length of the longest text in it, in UTF-16 units, as Elasticsearch counts."""
    if isinstance(value, str):
        return _units(value)
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return max(map(_longest, parts), default=0)


def _units(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-be")) // 2
