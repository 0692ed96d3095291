"""A person's days as SVG: bars for all they did, a row of marks for each alert's evidence."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Protocol

from markupsafe import Markup

from innerwatch_cli.report.findings import Alert, level
from innerwatch_cli.report.text import plural, safe, short

WIDTH, LABELS, RIGHT = 1080, 300, 16
BARS, ROW = 64, 24
ROWS = 12  # alerts of one rule share a row; of more rules than these the rest is only said to be there
BETWEEN_DATES = 56  # at least so much between two dates on the axis


class Life(Protocol):
    """Whose days are drawn; the alerts have as much evidence as is to be marked."""

    @property
    def name(self) -> str: ...

    @property
    def days(self) -> Sequence[tuple[date, int]]: ...

    @property
    def alerts(self) -> Sequence[Alert]: ...


def svg(person: Life) -> Markup:
    days = person.days
    rows: dict[str, list[tuple[float, int]]] = {}  # rule → [(place on the x axis, risk)]
    start = days[0][0]
    for alert in person.alerts:
        places = rows.setdefault(alert.name, [])
        for document in alert.evidence:
            instant = datetime.fromisoformat(document["@timestamp"])
            fraction = (instant.hour * 60 + instant.minute) / 1440
            at = (instant.date() - start).days + fraction
            if 0 <= at <= len(days):
                places.append((at, alert.risk))
    step = (WIDTH - LABELS - RIGHT) / max(1, len(days))
    height = BARS + 28 + ROW * min(len(rows), ROWS + 1)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" class="timeline">',
        f"<title>{safe(short(person.name))}: events a day, and when the evidence fell</title>",
        *_weekends(person, step, height),
        *_bars(person, step),
    ]
    for place, (name, marks) in enumerate(list(rows.items())[:ROWS]):
        y = BARS + 28 + place * ROW + ROW / 2
        label = name if len(name) <= 40 else name[:39] + "…"
        told = f"<title>{safe(short(name))}</title>{safe(label)}"
        parts.append(f'<text x="{LABELS - 10}" y="{y + 4}" text-anchor="end">{told}</text>')
        parts.append(f'<line x1="{LABELS}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" class="rule"/>')
        # Marks that fall on the same spot are one: a page with a thousand of them would be slow and show no more.
        for x, risk in sorted({(round(LABELS + at * step, 1), risk) for at, risk in marks}):
            parts.append(f'<circle cx="{x}" cy="{y}" r="5" class="mark {level(risk)}"/>')
    if len(rows) > ROWS:
        more, y = f"alerts of {len(rows) - ROWS} more rules", BARS + 28 + ROWS * ROW + ROW / 2
        parts.append(f'<text x="{LABELS - 10}" y="{y + 4}" text-anchor="end" class="axis">{more}</text>')
    return Markup("".join([*parts, "</svg>"]))  # noqa: S704 every text above is escaped


def _weekends(person: Life, step: float, height: int) -> Iterator[str]:
    dated = 0.0
    for place, (day, _) in enumerate(person.days):
        x = LABELS + place * step
        if day.weekday() >= 5:
            yield f'<rect x="{x:.1f}" y="0" width="{step:.1f}" height="{height}" class="weekend"/>'
        if day.weekday() == 0 and x >= dated + BETWEEN_DATES:
            dated = x
            yield f'<text x="{x + 2:.1f}" y="{BARS + 14}" class="axis">{day:%d %b}</text>'


def _bars(person: Life, step: float) -> Iterator[str]:
    most = max((count for _, count in person.days), default=0) or 1
    yield f'<text x="{LABELS - 10}" y="{BARS / 2 - 2}" text-anchor="end">events a day</text>'
    yield f'<text x="{LABELS - 10}" y="{BARS / 2 + 13}" text-anchor="end" class="axis">at most {most:,}</text>'
    for place, (day, count) in enumerate(person.days):
        if count:
            tall = max(1.5, (BARS - 6) * count / most)
            x = LABELS + place * step
            yield (
                f'<rect x="{x + 1:.1f}" y="{BARS - tall:.1f}" width="{max(1.0, step - 2):.1f}" height="{tall:.1f}" '
                f'class="bar"><title>{day:%a %d %b}: {plural(count, "event")}</title></rect>'
            )
    yield f'<line x1="{LABELS}" x2="{WIDTH - RIGHT}" y1="{BARS}" y2="{BARS}" class="base"/>'
