"""Everything that is stored of a person, as NDJSON files in a folder, with a manifest that says what each holds."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from innerwatch.errors import UserError

MANIFEST = "manifest.json"
SCHEMA = "innerwatch.person-export/1"

_encode = msgspec.json.Encoder().encode


class Folder:
    """A new folder that only its owner may read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files: dict[str, dict[str, Any]] = {}
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            taken = next(path.iterdir(), None)
        except OSError as error:
            raise UserError(f"cannot be made: {error.strerror}", "expected a new or empty folder", path=path) from error
        if taken is not None:
            raise UserError("the folder is not empty", "expected a new or empty one: nothing is overwritten", path=path)

    def write(self, name: str, lines: Iterable[Mapping[str, Any]], query: Any) -> None:
        """A file with a line for each; none where there is no line. Held in memory is one line at a time."""
        count, size, digest = 0, 0, hashlib.sha256()
        path = self.path / name
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                for line in lines:
                    text = _encode(line) + b"\n"
                    file.write(text)
                    digest.update(text)
                    count, size = count + 1, size + len(text)
        except OSError as error:
            raise UserError(f"cannot be written: {error.strerror}", path=path) from error
        if not count:
            path.unlink()
            return
        self.files[name] = {"records": count, "bytes": size, "sha256": digest.hexdigest(), "query": query}

    def finish(self, said: Mapping[str, Any]) -> None:
        """Last of all, so that a folder without it tells of an export that was cut off."""
        text = json.dumps({"schema": SCHEMA, **said, "files": self.files}, indent=2, ensure_ascii=False) + "\n"
        path = self.path / MANIFEST
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)


def lines(stream: str, pages: Iterable[list[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    for hits in pages:
        for hit in hits:
            yield {"id": hit["_id"], "stream": stream, "document": hit["_source"]}
