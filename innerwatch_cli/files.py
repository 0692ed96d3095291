"""Log files named on the command line, read in chunks, with one clear error for what cannot be read."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from innerwatch.errors import UserError

CHUNK = 256 * 1024  # bytes


def expand(paths: Sequence[Path]) -> list[Path]:
    """Files as given, folders as all the files below them, in a stable order."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
            if not inside:
                raise UserError("the folder holds no file", "expected log files in it", path=path)
            found += inside
        elif path.exists():
            found.append(path)
        else:
            raise UserError("no such file", "expected a log file or a folder of them", path=path)
    return found


def uri(path: Path) -> str:
    """The file's name in documents. What of it is no UTF-8 is written as escapes: JSON could not hold it."""
    return os.fsencode(path).decode(errors="backslashreplace")


def chunks(path: Path) -> Iterator[bytes]:
    """The file's bytes, still compressed if it is. Raises UserError where the system does not let us read it."""
    try:
        with path.open("rb") as file:
            while block := file.read(CHUNK):
                yield block
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", path=path) from error
