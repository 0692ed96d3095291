"""What Elasticsearch does not take: records that it would refuse whole, and values that it would not index.

https://www.elastic.co/docs/reference/elasticsearch/mapping-reference/flattened
https://www.elastic.co/docs/reference/elasticsearch/mapping-reference/ignore-above
"""

from typing import Any

from innerwatch.reading import UnfitError

# A value that is longer, in UTF-16 units, is not indexed: `ignore_above` in the index templates.
LONGEST_KEYWORD = 8191
LONGEST_PATH = 8000  # bytes of a value's names, which are indexed with it: 32766 less 3 for each of 8191 characters


def check(record: bytes, document: dict[str, Any]) -> None:
    """Names in `innerwatch.oversized` the fields that hold a value too long to be indexed, as rules ask for them.

    Raises UnfitError for what would be refused. A short record can hold neither; nor, without the escape, a NUL.
    """
    cloudtrail = document["aws"]["cloudtrail"]
    if b"\\u0000" in record and (name := _name_with_nul(cloudtrail.get("match"))):
        raise UnfitError(f"the name {name[:80]!r} in it holds a NUL character, which Elasticsearch refuses")
    if len(record) <= LONGEST_PATH:
        return
    if _longest_path(cloudtrail.get("match")) > LONGEST_PATH:
        raise UnfitError(f"its parameters have names of more than {LONGEST_PATH} bytes on one path")
    twins = {f"aws.cloudtrail.flattened.{name}": f"aws.cloudtrail.match.{name}" for name in cloudtrail["flattened"]}
    names = [twins.get(name, name) for name in _oversized(document, "", twins)]
    if names:
        document["innerwatch"] = {"oversized": names}


def _oversized(level: dict[str, Any], path: str, whole: dict[str, str]) -> list[str]:
    found: list[str] = []
    for name, value in level.items():
        full = f"{path}{name}"
        if full == "aws.cloudtrail.match":
            continue  # the same values again
        if isinstance(value, dict) and full not in whole:
            found += _oversized(value, f"{full}.", whole)
        elif _longest(value) > LONGEST_KEYWORD:
            found.append(full)
    return found


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


def _longest(value: Any) -> int:
    """Length of the longest text in it, in UTF-16 units, as Elasticsearch counts."""
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode("utf-16-be")) // 2
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return max(map(_longest, parts), default=0)
