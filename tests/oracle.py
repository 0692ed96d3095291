"""An independent opinion on what a Sigma rule matches: pySigma's SQLite backend, run by SQLite itself."""

import json
import re
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from sigma.backends.sqlite.sqlite import sqliteBackend
from sigma.collection import SigmaCollection

Row = Mapping[str, Any]


def search(pattern: str | None, value: Any) -> bool:
    """SQLite leaves REGEXP to whoever uses it: Sigma's `re` searches, and so does this."""
    return pattern is not None and value is not None and re.search(pattern, str(value)) is not None


def matches(rule: str, rows: Sequence[Row]) -> set[int]:
    """Which of the rows a rule (YAML) matches. A row maps field names to single values; absent ones are NULL."""
    collection = SigmaCollection.from_yaml(rule)
    backend: Any = sqliteBackend(collate_nocase="true")  # type: ignore[no-untyped-call] # it has no types
    queries = backend.convert(collection)
    connection = sqlite3.connect(":memory:")
    connection.create_function("REGEXP", 2, search, deterministic=True)
    names = sorted(set(_fields(collection)))  # columns for what the rule asks alone: SQLite takes 2,000, of any case
    columns = ", ".join(f'"{name}"' for name in ("place", *names))
    connection.execute(f"CREATE TABLE logs ({columns})")
    slots = ", ".join("?" * (len(names) + 1))
    connection.executemany(
        f"INSERT INTO logs VALUES ({slots})",
        [(place, *(_cell(row.get(name)) for name in names)) for place, row in enumerate(rows)],
    )
    found: set[int] = set()
    for query in queries:
        found |= {int(place) for (place,) in connection.execute(query.replace("SELECT *", "SELECT place", 1))}
    connection.close()
    return found


def _cell(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _fields(collection: SigmaCollection) -> list[str]:
    backend: Any = sqliteBackend()  # type: ignore[no-untyped-call] # it has no types
    return [name for rule in collection.rules for name in backend.required_fields(rule)]


def windows(rule: str, rows: Sequence[Row], fields: Sequence[str]) -> set[tuple[tuple[str, ...], float]]:
    """The windows that a correlation (YAML, its rules after it) finds: the group's values, and when the window ends.

    A row's `timestamp` is in seconds; `fields` are the columns that the rules ask for.
    """
    backend: Any = sqliteBackend(collate_nocase="true", timestamp_format="unix")  # type: ignore[no-untyped-call] # it has no types
    query = backend.convert(SigmaCollection.from_yaml(rule))[-1]
    connection = sqlite3.connect(":memory:")
    connection.execute(f"CREATE TABLE logs ({', '.join(('timestamp', *fields))})")
    connection.executemany(
        f"INSERT INTO logs VALUES ({', '.join('?' * (len(fields) + 1))})",
        [tuple(row.get(name) for name in ("timestamp", *fields)) for row in rows],
    )
    cursor = connection.execute(query)
    names = [column[0] for column in cursor.description]
    found = [dict(zip(names, row, strict=True)) for row in cursor]
    connection.close()
    return {
        (tuple(str(value) for value in json.loads(row["group_keys"]).values()), float(row["window_end"]))
        for row in found
    }
