"""HR feeds: recognises a feed's format and reads it, row by row. One module a format; a new one is a line in FORMATS.

A format module has `recognise(content, mapping) -> bool`, `read(content, name, mapping)`, which yields a Change, a
Holding or a BadRow for every row, and `names_everybody(content, found) -> bool`: whether the feed is complete, unless
its mapping says otherwise. Content is text, decompressed and decoded.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

from innerwatch import instants
from innerwatch.errors import UserError
from innerwatch.hr import bamboohr, owner_map, people, purview, scim, table, text, workday
from innerwatch.hr import mapping as mappings
from innerwatch.hr.mapping import Mapping
from innerwatch.values import BadRow, Feed

# In the order in which they are asked: the table takes any CSV, and so comes last.
FORMATS: dict[str, ModuleType] = {
    "scim": scim,
    "workday": workday,
    "bamboohr": bamboohr,
    "owner_map": owner_map,
    "purview": purview,
    "table": table,
}


def load_mapping(data: bytes, name: str) -> Mapping:
    return mappings.parse(data, name, people.FIELDS, tuple(FORMATS))


def read_feed(data: bytes, name: str, recorded_at: int, mapping: Mapping | None = None) -> Feed:
    """A feed's bytes, read. Raises UserError for what is no HR feed as a whole; bad rows come with it.

    `recorded_at`: when the feed was delivered, in milliseconds; for an S3 object its LastModified. A mapping's `as_of`
    says that the feed's own name tells.
    """
    mapping = mapping or Mapping()
    content = text.decoded(text.decompressed(data, name), name, mapping.encoding).lstrip("\ufeff")
    if not content.strip():
        raise UserError("the feed is empty", "expected at least one person", path=name)
    kind = mapping.format or next((key for key, form in FORMATS.items() if form.recognise(content, mapping)), "")
    if not kind:
        raise UserError("is no HR feed that is known", f"expected one of {', '.join(FORMATS)}", path=name)
    found = list(FORMATS[kind].read(content, name, mapping))
    rows = tuple(row for row in found if not isinstance(row, BadRow))
    bad = tuple(row for row in found if isinstance(row, BadRow))
    full = FORMATS[kind].names_everybody(content, found)
    return Feed(
        name=name,
        format=kind,
        recorded_at=as_of(name, mapping.as_of) if mapping.as_of else recorded_at,
        full=full if mapping.full is None else mapping.full,
        rows=rows,
        bad=bad,
        digest=hashlib.sha256(data).hexdigest(),
        largest_removal=mapping.largest_removal,
    )


def as_of(name: str, form: str) -> int:
    """The instant that a feed's name tells, by a strptime format: of its last part, up to the first dot. UTC."""
    stem = name.rpartition("/")[2].partition(".")[0]
    try:
        return instants.of(datetime.strptime(stem, form).replace(tzinfo=UTC))
    except ValueError as error:
        raise UserError(
            f"the name {stem!r} tells no time: {error}", f"expected one such as {form}", path=name
        ) from error


def load_feed(path: Path, mapping: Mapping | None = None) -> Feed:
    """A feed on disk, with the mapping file that lies beside it. It was recorded when the file was last changed."""
    data, changed, beside = on_disk(path, mappings.NAMES, "expected an HR feed")
    if mapping is None and beside is not None:
        mapping = load_mapping(*beside)
    feed = read_feed(data, str(path), changed, mapping)
    return replace(feed, on_disk=True)


def on_disk(path: Path, mapping_names: Sequence[str], expected: str) -> tuple[bytes, int, tuple[bytes, str] | None]:
    """A file's bytes, when it was last changed in milliseconds, and the mapping file beside it: its bytes and name."""
    try:
        beside = next((path.parent / name for name in mapping_names if (path.parent / name).is_file()), None)
        mapping = (beside.read_bytes(), str(beside)) if beside else None
        return path.read_bytes(), path.stat().st_mtime_ns // 1_000_000, mapping
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", expected, path=path) from error
