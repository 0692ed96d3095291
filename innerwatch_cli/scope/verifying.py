"""An earlier report, done again: every number that is another now is named."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from innerwatch.errors import UserError
from innerwatch.settings import checked_namespace
from innerwatch_cli.scope.answer import SCHEMA
from innerwatch_cli.scope.gaps import Coverage
from innerwatch_cli.scope.question import Question
from innerwatch_cli.scope.writing import digest

EXPECTED = "expected summary.json or report.html of `innerwatch scope`"
EMBEDDED = re.compile(r'<script type="application/json" id="summary">(.*?)</script>', re.DOTALL)
OWN = ("made", "files")  # what no second run has in common with the first


def load(path: Path) -> dict[str, Any]:
    """The summary in a file."""
    try:
        text = path.read_text(encoding="utf-8")
        if found := EMBEDDED.search(text):
            text = found[1]
        summary = json.loads(text)
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", EXPECTED, path=path) from error
    except ValueError as error:
        raise UserError("is no report", EXPECTED, path=path) from error
    if not isinstance(summary, dict) or summary.get("schema") != SCHEMA:
        raise UserError("is no report", EXPECTED, path=path)
    return summary


def asked(summary: Mapping[str, Any], path: Path) -> tuple[Question, Coverage | None, tuple[dict[str, Any], ...]]:
    """What a report answers: the question, the coverage that it was given, and the rules behind it."""
    try:
        coverage = summary["blind_spots"]["coverage"]
        question = Question.from_json(summary["question"])
        checked_namespace(question.namespace)
        return question, Coverage.from_json(coverage) if coverage else None, tuple(summary["data"]["rules"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"is no whole report: {error!r}", EXPECTED, path=path) from error


def differences(before: Any, now: Any, path: str = "") -> Iterator[str]:
    """What is another now, one line each: where, what the report says, what it is."""
    if isinstance(before, dict) and isinstance(now, dict):
        for name in sorted({*before, *now} - (set(OWN) if not path else set())):
            yield from differences(before.get(name), now.get(name), f"{path}.{name}" if path else name)
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for place, (one, other) in enumerate(zip(before, now, strict=True)):
            yield from differences(one, other, f"{path}[{place}]")
    elif before != now:
        yield f"{path}: the report says {_short(before)}, it is {_short(now)}"


def files(summary: Mapping[str, Any], folder: Path) -> Iterator[str]:
    """Which files of the report, beside it, are not what it says of them."""
    for name, said in (summary.get("files") or {}).items():
        place = folder / Path(name).name
        if place.exists() and digest(place) != said:
            yield f"{name}: is not the file that the report was made with"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 120 else f"{text[:120]}…"
