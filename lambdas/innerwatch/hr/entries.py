"""JSON that lists people under headings of its own: what Workday and BambooHR have in common."""

import re
from collections.abc import Iterator
from collections.abc import Mapping as MappingType
from typing import Any

import msgspec

from innerwatch.errors import UserError
from innerwatch.hr import people, table
from innerwatch.hr.mapping import Mapping
from innerwatch.values import BadRow, Change

HEAD = 64 * 1024  # characters that a format is recognised by
TOTAL = re.compile(r'"(?:total|totalResults|total_records)"\s*:\s*(\d+)')  # of Workday, SCIM, BambooHR


def load(content: str, name: str) -> Any:
    """One JSON value, or a list of those that stand one a line."""
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError) as whole:
        values = []
        for number, line in enumerate(content.splitlines(), 1):
            try:
                values += [msgspec.json.decode(line)] if line.strip() else []
            except (msgspec.DecodeError, RecursionError):
                raise UserError(
                    f"is no JSON: {whole}", "expected one value, or one a line", path=name, line=number
                ) from whole
        return values


def total(content: str) -> int | None:
    """How many results there are in all, where the answer says so; a page may hold fewer."""
    match = TOTAL.search(content[:HEAD]) or TOTAL.search(content[-HEAD:])
    return int(match[1]) if match else None


def names_everybody(content: str, found: people.Found) -> bool:
    """A list without effective dates that is no page of a longer one, nor a single person."""
    return len(found) > 1 and total(content) in (None, len(found)) and table.names_everybody(content, found)


def listed(value: Any, *names: str) -> list[Any]:
    """The list under the first of `names` that an object has, or the list itself; one object counts as a list of it."""
    if isinstance(value, dict):
        return next((value[name] for name in names if isinstance(value.get(name), list)), [value])
    return value if isinstance(value, list) else []


def read(
    entries: list[Any], name: str, mapping: Mapping, preferred: MappingType[str, tuple[str, ...]]
) -> Iterator[Change | BadRow]:
    """People as `people.HEADINGS` knows their fields, `preferred` headings first; lines are places in the list, from 1.

    An entry that lacks a field which others have states that it has none: reports leave out what is empty.
    """
    rows = [people.flattened(entry) if isinstance(entry, dict) else None for entry in entries]
    headings = list(dict.fromkeys(heading for row in rows if row for heading in row))
    if not headings:
        return
    there = {people.plain(heading): heading for heading in reversed(headings)}
    columns = dict(table.chosen(headings, name, mapping))
    for field, wanted in preferred.items():
        found = next((there[item] for item in wanted if item in there), None)
        if found and field not in mapping.columns:
            columns[field] = (found,)
    for place, row in enumerate(rows, 1):
        if row is None:
            yield BadRow(place, "the entry is no object; expected a person")
        else:
            yield people.change(place, {**dict.fromkeys(columns, ""), **people.picked(row, columns)}, mapping)
