"""Minutes without proof that their logs are all there, from what `innerwatch coverage --json` says. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import msgspec

from innerwatch import instants
from innerwatch.errors import UserError
from innerwatch_cli.coverage import Covered
from innerwatch_cli.coverage.minutes import MEANING, MINUTE, Reason, State, Trail

# Reasons why a minute is not proven that leave room for events that are not in Elasticsearch and that something points
# to: an object, or a signed list of objects. The other reasons say that there is too much, or that nobody vouches.
LACKING = {it for it in Reason if MEANING[it].state is State.INCOMPLETE} | {
    Reason.DIGEST_MISSING,
    Reason.DIGEST_ALTERED,
    Reason.CHAIN_BROKEN,
}
OBJECTS = "objects, "  # begins the name of what is no trail
NOT_EXAMINED = "coverage was not asked about this time"


class Gap(NamedTuple):
    """Whole minutes of one trail, in milliseconds, `end` not included."""

    trail: str
    start: int
    end: int
    reasons: tuple[str, ...]
    lacking: bool  # whether events may be missing there; else only nobody vouches that none is

    @property
    def minutes(self) -> int:
        return (self.end - self.start) // MINUTE

    def as_json(self) -> dict[str, Any]:
        return self._asdict() | {
            "start": instants.iso(self.start),
            "end": instants.iso(self.end),
            "reasons": list(self.reasons),
            "minutes": self.minutes,
        }


class Coverage(NamedTuple):
    """What is known of the time asked about. `trails` are all that were looked at, also those without a gap."""

    trails: tuple[str, ...]
    gaps: tuple[Gap, ...]

    @property
    def lacking(self) -> int:
        """Minutes in which events may be missing, each trail's own."""
        return sum(gap.minutes for gap in self.gaps if gap.lacking)

    @property
    def of_trails(self) -> bool:
        """Whether CloudTrail's logs were examined at all."""
        return any(not trail.startswith(OBJECTS) for trail in self.trails)

    @property
    def of_objects(self) -> bool:
        """Whether other logs, such as the applications', were examined at all."""
        return any(trail.startswith(OBJECTS) for trail in self.trails)

    @property
    def unvouched(self) -> int:
        return sum(gap.minutes for gap in self.gaps if not gap.lacking)

    def as_json(self) -> dict[str, Any]:
        return {
            "trails": list(self.trails),
            "lacking_minutes": self.lacking,
            "unvouched_minutes": self.unvouched,
            "gaps": [gap.as_json() for gap in self.gaps],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Raises ValueError, KeyError or TypeError for anything that `as_json` does not give."""
        gaps = (
            Gap(
                str(it["trail"]),
                instants.from_rfc3339(it["start"]),
                instants.from_rfc3339(it["end"]),
                tuple(map(str, it["reasons"])),
                bool(it["lacking"]),
            )
            for it in value["gaps"]
        )
        return cls(tuple(map(str, value["trails"])), tuple(gaps))


class _Reason(msgspec.Struct):
    reason: Reason


class _Interval(msgspec.Struct):
    start: str
    end: str
    reasons: list[_Reason]


class _Covered(msgspec.Struct):
    trail: dict[str, str]
    intervals: list[_Interval]


def read(path: Path, start: int, end: int) -> Coverage:
    """What a file says of the time from `start` to `end`."""
    expected = "expected what `innerwatch coverage --json` printed"
    try:
        found = of(msgspec.json.decode(path.read_bytes(), type=list[_Covered]), start, end)
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", expected, path=path) from error
    except (ValueError, TypeError) as error:
        raise UserError(f"is no coverage: {error}", expected, path=path) from error
    if not found.trails:
        raise UserError("is a coverage of no trail: it proves nothing", expected, path=path)
    return found


def of(covered: Iterable[_Covered], start: int, end: int) -> Coverage:
    trails: list[str] = []
    gaps: list[Gap] = []
    for one in covered:
        trail = Trail(**one.trail)
        name = " ".join(it for it in (trail.name, trail.account, trail.region) if it)
        name = f"{name}, {trail.bucket}/{trail.prefix}" if name else f"{OBJECTS}{trail.bucket}/{trail.prefix}"
        trails.append(name)
        gaps += _gaps(name, one.intervals, start, end)
    return Coverage(tuple(trails), tuple(gaps))


def _gaps(trail: str, intervals: Sequence[_Interval], start: int, end: int) -> Iterator[Gap]:
    """The minutes that are touched by the time and not proven, and those that nobody looked at."""
    reached = start
    for it in intervals:
        first, last = instants.from_rfc3339(it.start), instants.from_rfc3339(it.end)
        if last <= start or first >= end:
            continue
        if first > reached:
            yield Gap(trail, reached, first, (NOT_EXAMINED,), False)
        reached = max(reached, last)
        if it.reasons:
            found = {one.reason for one in it.reasons}
            reasons = tuple(reason.value for reason in Reason if reason in found)
            low = max(first, start - start % MINUTE)
            high = min(last, end - end % -MINUTE)
            yield Gap(trail, low, high, reasons, bool(found & LACKING))
    if reached < end:
        yield Gap(trail, reached, end, (NOT_EXAMINED,), False)


def found(covered: Iterable[Covered], start: int, end: int) -> Coverage:
    """The same of a coverage that was found out just now."""
    return of(
        (
            _Covered(
                one.trail._asdict(),
                [
                    _Interval(instants.iso(it.start), instants.iso(it.end), [_Reason(why.reason) for why in it.reasons])
                    for it in one.intervals
                ],
            )
            for one in covered
        ),
        start,
        end,
    )
