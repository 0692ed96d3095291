"""A person's days as SVG: bars for all they did, a row of marks for each alert's evidence."""

from collections.abc import Iterator
from datetime import datetime

from markupsafe import Markup, escape

from innerwatch_cli.report.findings import Person, level

WIDTH, LABELS, RIGHT = 1080, 300, 16
BARS, ROW = 64, 24
ROWS = 12  # alerts of one rule share a row; more rules than this are drawn in the last


def svg(person: Person) -> Markup:
    days = person.days
    rows: dict[str, list[tuple[float, int]]] = {}  # rule → [(place on the x axis, risk)]
    start = days[0][0]
    for alert in person.alerts:
        places = rows.setdefault(alert.name, [])
        for document in alert.evidence:
            instant = datetime.fromisoformat(document["@timestamp"])
            fraction = (instant.hour * 60 + instant.minute) / 1440
            places.append(((instant.date() - start).days + fraction, alert.risk))
    step = (WIDTH - LABELS - RIGHT) / max(1, len(days))
    height = BARS + 28 + ROW * min(len(rows), ROWS)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" class="timeline">',
        f"<title>{escape(person.name)}: events a day, and when the evidence fell</title>",
        *_weekends(person, step, height),
        *_bars(person, step),
    ]
    for place, (name, marks) in enumerate(list(rows.items())[:ROWS]):
        y = BARS + 28 + place * ROW + ROW / 2
        short = name if len(name) <= 40 else name[:39] + "…"
        parts.append(
            f'<text x="{LABELS - 10}" y="{y + 4}" text-anchor="end"><title>{escape(name)}</title>{escape(short)}</text>'
        )
        parts.append(f'<line x1="{LABELS}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" class="rule"/>')
        # Marks that fall on the same spot are one: a page with a thousand of them would be slow and show no more.
        for x, risk in sorted({(round(LABELS + at * step, 1), risk) for at, risk in marks}):
            parts.append(f'<circle cx="{x}" cy="{y}" r="5" class="mark {level(risk)}"/>')
    return Markup("".join([*parts, "</svg>"]))  # noqa: S704 every text above is escaped


def _weekends(person: Person, step: float, height: int) -> Iterator[str]:
    for place, (day, _) in enumerate(person.days):
        x = LABELS + place * step
        if day.weekday() >= 5:
            yield f'<rect x="{x:.1f}" y="0" width="{step:.1f}" height="{height}" class="weekend"/>'
        if day.weekday() == 0:
            yield f'<text x="{x + 2:.1f}" y="{BARS + 14}" class="axis">{day:%d %b}</text>'


def _bars(person: Person, step: float) -> Iterator[str]:
    most = max((count for _, count in person.days), default=0) or 1
    yield f'<text x="{LABELS - 10}" y="{BARS / 2 - 2}" text-anchor="end">events a day</text>'
    yield f'<text x="{LABELS - 10}" y="{BARS / 2 + 13}" text-anchor="end" class="axis">at most {most:,}</text>'
    for place, (day, count) in enumerate(person.days):
        if count:
            tall = max(1.5, (BARS - 6) * count / most)
            x = LABELS + place * step
            yield (
                f'<rect x="{x + 1:.1f}" y="{BARS - tall:.1f}" width="{max(1.0, step - 2):.1f}" height="{tall:.1f}" '
                f'class="bar"><title>{day:%a %d %b}: {count:,} events</title></rect>'
            )
    yield f'<line x1="{LABELS}" x2="{WIDTH - RIGHT}" y1="{BARS}" y2="{BARS}" class="base"/>'
