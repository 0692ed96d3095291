"""Behaviour and risk over days, as SVG: what a person did, what is usual for them, and what is usual for the peers."""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from markupsafe import Markup

from innerwatch.behaviour import risk as risks
from innerwatch.behaviour.measures import MEASURES, ROLLING, Measure
from innerwatch.fields import MEASURES as NOTES
from innerwatch.values import dig
from innerwatch_cli.report.findings import as_list
from innerwatch_cli.report.text import number, safe, short

WIDTH, HEIGHT = 340, 118
LEFT, RIGHT, TOP, BOTTOM = 38, 8, 8, 18
RISK_WIDTH, RISK_HEIGHT = 1080, 150
# Where Elastic's entity risk scoring has its levels; innerwatch.behaviour.risk has the same.
LINES = ((90, "critical"), (70, "high"), (40, "medium"), (20, "low"))


def note(name: str) -> str:
    """What a measure counts, in words; of one over several days with the words of what it sums up."""
    words = NOTES.get(name, name)
    summed = ROLLING.get(name)
    if summed and words.startswith(summed.of):
        return NOTES[summed.of] + words.removeprefix(summed.of)
    return words


class Usual(NamedTuple):
    """A baseline in the measure's own unit."""

    low: float
    median: float
    high: float
    top: float  # the 90th percentile
    size: int


class Point(NamedTuple):
    """One measure of one person's day."""

    day: date
    value: float
    own: Usual | None
    peers: Usual | None
    score: float | None
    basis: str

    @property
    def unusual(self) -> bool:
        return (self.score or 0) >= risks.UNUSUAL


class Series(NamedTuple):
    """One measure over a person's days, in order."""

    measure: Measure
    points: Sequence[Point]

    @property
    def note(self) -> str:
        return note(self.measure.name)

    @property
    def peak(self) -> Point:
        """The most unusual day; the latest, where none was."""
        return max(reversed(self.points), key=lambda point: point.score or 0)

    @property
    def score(self) -> float:
        return self.peak.score or 0


def series(documents: Sequence[Mapping[str, Any]]) -> list[Series]:
    """Of one person's behaviour documents in order of time: measures ever more than 0, the most unusual first."""
    found = []
    for measure in MEASURES:
        points = [
            _point(measure, document, part)
            for document in documents
            if (part := dig(document, f"behaviour.{measure.name}"))
        ]
        if any(point.value > 0 for point in points):
            found.append(Series(measure, points))
    return sorted(found, key=lambda one: -one.score)  # of equal ones, in the order of MEASURES


def _point(measure: Measure, document: Mapping[str, Any], part: Mapping[str, Any]) -> Point:
    return Point(
        day=date.fromisoformat(str(dig(document, "behaviour.date"))),
        value=float(part.get("value") or 0),
        own=_usual(measure, part.get("own"), "days"),
        peers=_usual(measure, part.get("peers"), "people"),
        score=part.get("score"),
        basis=short(part.get("basis") or ""),
    )


def _usual(measure: Measure, part: Mapping[str, Any] | None, size: str) -> Usual | None:
    """The MAD is on the measure's scale, the median is not."""
    if not part:
        return None
    median, mad = float(part["median"]), float(part["mad"])
    if measure.scale == "log":
        middle = math.log(median + measure.floor)
        low, high = (math.exp(middle + side * mad) - measure.floor for side in (-1, 1))
    else:
        low, high = median - mad, median + mad
    return Usual(max(0.0, low), median, high, float(part.get("high") or high), int(part.get(size) or 0))


def behaviour(one: Series, start: date, end: date) -> Markup:
    """A small chart: dots for the days, the person's own usual as a band, the peers' median as a dashed line."""
    known = [usual for point in one.points for usual in (point.own, point.peers) if usual]
    top = max(*(point.value for point in one.points), *(max(usual.high, usual.top) for usual in known), 0) or 1
    step = (WIDTH - LEFT - RIGHT) / max(1, (end - start).days + 1)

    def x(day: date) -> float:
        return LEFT + ((day - start).days + 0.5) * step

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(value, top) / top

    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" class="chart">',
        f"<title>{safe(one.note)}, day by day</title>",
        *_scale(WIDTH, HEIGHT, y(top), top, start, end),
    ]
    half = step / 2
    for point in one.points:
        if own := point.own:
            left = x(point.day) - half
            parts.append(_box(left, y(max(own.top, own.high)), step, y(own.low), "reach"))
            parts.append(_box(left, y(own.high), step, y(own.low), "band"))
            parts.append(_flat(left, left + step, y(own.median), "own"))
        if peers := point.peers:
            parts.append(_flat(x(point.day) - half, x(point.day) + half, y(peers.median), "peers"))
    for point in one.points:
        size, kind = (4, "mark high") if point.unusual else (2.5, "value")
        parts.append(
            f'<circle cx="{x(point.day):.1f}" cy="{y(point.value):.1f}" r="{size}" class="{kind}">'
            f"<title>{safe(told(point))}</title></circle>"
        )
    return Markup("".join([*parts, "</svg>"]))  # noqa: S704 every text above is escaped


def told(point: Point) -> str:
    """A day's value beside what is usual, in words."""
    usual = [
        f"{who} usual {number(part.median)}" for who, part in (("own", point.own), ("peers'", point.peers)) if part
    ]
    score = [f"score {point.score:.0f}"] if point.score else []
    words = ", ".join([*usual, *score]) + (f" ({point.basis})" if point.basis else "")
    return f"{point.day:%a %d %b}: {number(point.value)}" + (f"; {words}" if words else "")


def unusual(document: Mapping[str, Any]) -> list[str]:
    """What was unusual on a day, each measure with what is usual."""
    measures = {measure.name: measure for measure in MEASURES}
    points = [
        (name, _point(measures[name], document, part))
        for name in as_list(dig(document, "behaviour.unusual"))
        if name in measures and (part := dig(document, f"behaviour.{name}"))
    ]
    return [f"{note(name)}: {told(point).partition(': ')[2]}" for name, point in points]


def _box(x: float, top: float, width: float, bottom: float, kind: str) -> str:
    return f'<rect x="{x:.1f}" y="{top:.1f}" width="{width:.1f}" height="{max(0.0, bottom - top):.1f}" class="{kind}"/>'


def _flat(x1: float, x2: float, y: float, kind: str) -> str:
    return f'<line x1="{x1:.1f}" x2="{x2:.1f}" y1="{y:.1f}" y2="{y:.1f}" class="{kind}"/>'


def _scale(width: int, height: int, y: float, top: float, start: date, end: date) -> Iterator[str]:
    base = height - BOTTOM
    yield f'<line x1="{LEFT}" x2="{width - RIGHT}" y1="{base}" y2="{base}" class="base"/>'
    yield f'<text x="{LEFT - 5}" y="{y + 8:.1f}" text-anchor="end" class="axis">{number(top)}</text>'
    yield f'<text x="{LEFT - 5}" y="{base}" text-anchor="end" class="axis">0</text>'
    yield f'<text x="{LEFT}" y="{height - 5}" class="axis">{start:%d %b}</text>'
    yield f'<text x="{width - RIGHT}" y="{height - 5}" text-anchor="end" class="axis">{end:%d %b}</text>'


def risk(documents: Sequence[Mapping[str, Any]], start: date, end: date) -> Markup:
    """`user.risk.calculated_score_norm` day by day, with lines where the levels begin."""
    step = (RISK_WIDTH - LEFT - RIGHT) / max(1, (end - start).days + 1)
    base = RISK_HEIGHT - BOTTOM

    def y(norm: float) -> float:
        return base - (base - TOP) * norm / 100

    parts = [
        f'<svg viewBox="0 0 {RISK_WIDTH} {RISK_HEIGHT}" role="img" class="chart wide">',
        "<title>Risk day by day, from 0 to 100</title>",
        *_scale(RISK_WIDTH, RISK_HEIGHT, y(100), 100, start, end),
    ]
    for limit, kind in LINES:
        parts.append(_flat(LEFT, RISK_WIDTH - RIGHT, y(limit), f"limit {kind}"))
    for document in documents:
        day = date.fromisoformat(str(dig(document, "behaviour.date")))
        norm = float(dig(document, "user.risk.calculated_score_norm") or 0)
        if norm <= 0:
            continue
        kind = next((name for limit, name in LINES if norm >= limit), "none")
        x = LEFT + (day - start).days * step
        parts.append(
            f'<rect x="{x + 1:.1f}" y="{y(norm):.1f}" width="{max(1.0, step - 2):.1f}" '
            f'height="{base - y(norm):.1f}" class="mark {kind}"><title>{day:%a %d %b}: {norm:.0f}</title></rect>'
        )
    return Markup("".join([*parts, "</svg>"]))  # noqa: S704 every text above is escaped
