"""The report: one self-contained HTML page that says who, why that is odd for their job, and which customers.

`findings.collect` asks Elasticsearch, `timeline.svg` and `charts` draw, `render` fills the template: no request leaves
the page. `innerwatch view` shows the same with the same parts (`parts.html.j2`, `style.css`).
"""

import shlex
from datetime import datetime
from typing import Any

from jinja2 import BaseLoader, ChoiceLoader, Environment, PackageLoader, StrictUndefined

from innerwatch.values import dig
from innerwatch_cli.report import charts, text, timeline
from innerwatch_cli.report.findings import SEVERITIES, Findings, as_list, level

EVIDENCE_SHOWN = 60  # events listed below an alert; the rest is counted
CUSTOMERS_SHOWN = 200


def environment(*loaders: BaseLoader) -> Environment:
    """Templates that escape whatever logs say, and write out what would turn a line around."""
    made = Environment(
        loader=ChoiceLoader([*loaders, PackageLoader("innerwatch_cli.report", ".")]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=text.visible,
        trim_blocks=True,
    )
    readers = (text.when, text.day, text.subject, text.place, text.thousands, text.number, text.plural, text.plain)
    made.filters.update({reader.__name__: reader for reader in (*readers, text.short)})
    made.filters.update(
        dig=dig, level=level, as_list=as_list, measure=charts.note, unusual=charts.unusual, told=charts.told
    )
    made.filters.update(console=text.console, quoted=shlex.quote)
    made.globals.update(timeline=timeline.svg, chart=charts.behaviour, risk_chart=charts.risk, severities=SEVERITIES)
    return made


def render(
    findings: Findings,
    *,
    title: str,
    made_at: datetime,
    scorecard: dict[str, Any] | None = None,
    proof: str = "",
) -> str:
    """The page. `scorecard` is the demo's comparison with what was planted; a real report has none.

    `proof` are the options by which `innerwatch evidence` finds the events and their raw records.
    """
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            findings=findings,
            title=title,
            made_at=f"{made_at:%d %B %Y, %H:%M} UTC",
            scorecard=scorecard,
            proof=f" {proof}" if proof else "",
            evidence_shown=EVIDENCE_SHOWN,
            customers_shown=CUSTOMERS_SHOWN,
        )
    )
