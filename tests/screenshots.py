"""`make screenshots`: the pictures in docs/, of the demo's company in a headless Chromium.

The same company each time, on a node of its own; only the day on which it was made differs.
"""

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from elasticsearch import Elasticsearch

from innerwatch.errors import UserError
from innerwatch_cli import cluster, elastic_local, index_templates, options, report
from innerwatch_cli.commands import demo
from innerwatch_cli.report.findings import Findings, Person, collect
from innerwatch_cli.scorecard import load_truth, score
from innerwatch_cli.simulate import simulate
from innerwatch_cli.view.pages import link
from innerwatch_cli.view.questions import Source
from innerwatch_cli.view.server import Server
from tests import browser

DOCS = Path(__file__).parents[1] / "docs"
NAMESPACE = "innerwatch"
PEOPLE, DAYS, SEED = 60, 30, 1  # the demo's


def main() -> None:
    chromium = browser.binary()
    if chromium is None:
        raise UserError("no Chromium on the PATH", f"expected one of {', '.join(browser.NAMES)}")
    with tempfile.TemporaryDirectory() as folder, node(Path(folder) / "node") as es:
        company = Path(folder) / "company"
        simulate(seed=SEED, people=PEOPLE, days=DAYS, out=company)
        index_templates.install(es)
        demo.run_functions(cluster.url(), NAMESPACE, company)
        demo.find(es, NAMESPACE, options.directory((company / "hr" / "employees.csv",)))
        findings = collect(es, NAMESPACE)
        page = Path(folder) / "report.html"
        page.write_text(_report(findings, company))
        take(chromium, page.as_uri(), 1200, 1560, "report")
        with serving(Source(es, NAMESPACE)) as url:
            for name, (target, height) in targets(findings).items():
                take(chromium, url + target.removeprefix("/"), 1100, height, f"view-{name}")


def _report(findings: Findings, company: Path) -> str:
    names = demo.employee_names(company / "hr" / "employees.csv")
    scorecard = score(findings, load_truth(company / "truth.json"), names)
    title = f"Innerwatch: a fictional company of {PEOPLE} people"
    return report.render(findings, title=title, made_at=datetime.now(UTC), scorecard=scorecard)


def targets(findings: Findings) -> dict[str, tuple[str, int]]:
    """Name of the picture → the address on the page and the height of the picture."""
    known = [person for person in findings.people if person.standing and person.justified.get("unjustified")]
    person = max(known, key=_risk)
    alert = max((alert for alert in person.alerts if alert.customers), key=lambda alert: (alert.risk, -alert.count))
    return {
        "alerts": ("/", 1000),
        "alert": (str(link("/alert", id=alert.id)), 1100),
        "person": (str(link("/person", id=person.key)), 1750),
        "customers": (str(link("/customers", customer=alert.customers[0])), 800),
    }


def _risk(person: Person) -> float:
    return float((person.standing or {})["user"]["risk"]["calculated_score_norm"])


def take(chromium: str, url: str, width: int, height: int, name: str) -> None:
    out = DOCS / f"{name}.png"
    browser.picture(chromium, url, width, height, out)
    print(f"{out.relative_to(DOCS.parent)}: {out.stat().st_size / 1000:.0f} KB")


@contextmanager
def node(home: Path) -> Iterator[Elasticsearch]:
    """A node of our own for as long as the block runs."""
    os.environ["INNERWATCH_HOME"] = str(home)
    os.environ.pop("ELASTICSEARCH_URL", None)
    try:
        yield cluster.connect(start_local=True)
    finally:
        elastic_local.stop()


@contextmanager
def serving(source: Source) -> Iterator[str]:
    with Server(source, 0) as server:
        thread: Any = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.url
        server.shutdown()


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
