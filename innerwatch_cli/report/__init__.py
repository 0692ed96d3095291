"""The report: one self-contained HTML page that says who, why that is odd for their job, and which customers.

`findings.collect` asks Elasticsearch, `timeline.svg` draws, `render` fills the template: no request leaves the page.
"""

from datetime import datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from innerwatch.values import dig
from innerwatch_cli.report import timeline
from innerwatch_cli.report.findings import SEVERITIES, Findings, as_list, level

EVIDENCE_SHOWN = 60  # events listed below an alert; the rest is counted
CUSTOMERS_SHOWN = 200
SUBJECT_LENGTH = 160  # characters


def when(value: str) -> str:
    """`2026-03-02T09:14:03.221Z` as people read it; times are UTC throughout the page."""
    return f"{datetime.fromisoformat(value):%a %d %b %Y, %H:%M}"


def day(value: str) -> str:
    return f"{datetime.fromisoformat(value):%d %b %Y}"


def subject(event: dict[str, Any]) -> str:
    """What an event was done to, in a few words: customers, or the resource that the request names."""
    customers = as_list(dig(event, "access.customer.id"))
    if customers:
        shown = ", ".join(customers[:3]) + (f" and {len(customers) - 3:,} more" if len(customers) > 3 else "")
        recipient = as_list(dig(event, "email.to.address"))
        return shown + (f" → {', '.join(recipient)}" if recipient else "")
    parameters = dig(event, "aws.cloudtrail.flattened.request_parameters")
    if isinstance(parameters, dict):
        named = [f"{key}: {value}" for key, value in parameters.items() if isinstance(value, str)]
        return ", ".join(named)[:SUBJECT_LENGTH]
    return str(dig(event, "service.name") or dig(event, "event.provider") or "")


def render(findings: Findings, *, title: str, made_at: datetime, scorecard: dict[str, Any] | None = None) -> str:
    """The page. `scorecard` is the demo's comparison with what was planted; a real report has none."""
    environment = Environment(
        loader=PackageLoader("innerwatch_cli.report", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters.update(
        when=when, day=day, subject=subject, dig=dig, level=level, thousands=lambda number: f"{number:,}"
    )
    environment.globals.update(timeline=timeline.svg, severities=SEVERITIES)
    return environment.get_template("report.html.j2").render(
        findings=findings,
        title=title,
        made_at=f"{made_at:%d %B %Y, %H:%M} UTC",
        scorecard=scorecard,
        evidence_shown=EVIDENCE_SHOWN,
        customers_shown=CUSTOMERS_SHOWN,
    )
