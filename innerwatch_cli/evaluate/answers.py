"""Who the insiders in a set of logs are, and what of theirs was an insider's act."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from innerwatch import instants
from innerwatch.errors import UserError


@dataclass(frozen=True, slots=True)
class Insider:
    """One scheme: several people where they act together."""

    kind: str
    people: tuple[str, ...]  # employee ids
    first: int  # the first malicious act, and the last
    last: int
    acts: frozenset[str] | None = None  # the logs' own ids of the acts; None: all of theirs from `first` to `last`
    story: str = ""


@dataclass(frozen=True, slots=True)
class Answers:
    insiders: tuple[Insider, ...]
    look_alikes: Mapping[str, str]  # employee id → what innocent work of theirs looks like an insider's

    def of(self, person: str) -> list[Insider]:
        return [insider for insider in self.insiders if person in insider.people]


def simulated(path: Path) -> Answers:
    """A simulated company's truth.json. Raises UserError."""
    try:
        truth = json.loads(path.read_bytes())
        return Answers(
            tuple(map(_insider, truth["insiders"])),
            {person: kind["kind"] for kind in truth["look_alikes"] for person in kind["employee_ids"]},
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"no truth of a simulated company: {error}", "expected a truth.json", path=path) from error


def _insider(truth: Mapping[str, Any]) -> Insider:
    return Insider(
        kind=truth["kind"],
        people=tuple(truth["employee_ids"]),
        # CloudTrail's own times are whole seconds, cut off: its event of that instant lies before it.
        first=instants.from_rfc3339(truth["first_act"]) // 1000 * 1000,
        last=instants.from_rfc3339(truth["last_act"]),
        acts=frozenset(truth["event_ids"]),
        story=truth["story"],
    )
