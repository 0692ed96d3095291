"""Records that Elasticsearch would refuse whole.

https://www.elastic.co/docs/reference/elasticsearch/mapping-reference/flattened
"""

from typing import Any

from innerwatch.reading import UnfitError

LONGEST_PATH = 8000  # bytes of a value's names, which are indexed with it: 32766 less 3 for each of 8191 characters


def check(record: bytes, document: dict[str, Any]) -> None:
    """Raises UnfitError for what would be refused. A short record has no long path; one without the escape, no NUL."""
    if b"\\u0000" in record and (name := _name_with_nul(_parameters(document))):
        raise UnfitError(f"the name {name[:80]!r} in it holds a NUL character, which Elasticsearch refuses")
    if len(record) > LONGEST_PATH and _longest_path(_parameters(document)) > LONGEST_PATH:
        raise UnfitError(f"its parameters have names of more than {LONGEST_PATH} bytes on one path")


def _parameters(document: dict[str, Any]) -> Any:
    return document["aws"]["cloudtrail"].get("match")


def _name_with_nul(value: Any) -> str:
    """A name in it that holds a NUL character, which Elasticsearch refuses; empty where there is none."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in parts:
        if isinstance(name, str) and "\0" in name:
            return name
        if found := _name_with_nul(part):
            return found
    return ""


def _longest_path(value: Any) -> int:
    """Bytes of the longest path to a value in it, as Elasticsearch writes one: names with dots between them."""
    if isinstance(value, dict):
        return max((len(name.encode()) + 1 + _longest_path(part) for name, part in value.items()), default=0)
    return max(map(_longest_path, value), default=0) if isinstance(value, list) else 0
