"""`innerwatch demo`: a fictional company's raw logs become named alerts, through the real handlers and a real node."""

import csv
import json
import logging
import shlex
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from elasticsearch import Elasticsearch
from rich.markup import escape
from rich.table import Table

import enrich_logs
import sync_hr
from innerwatch import wiring
from innerwatch.append_only import create_table
from innerwatch.behaviour.collect import People
from innerwatch.behaviour.measuring import measure
from innerwatch.detection.engine import detect
from innerwatch.values import dig
from innerwatch_cli import cluster, index_templates, local_aws, options, report
from innerwatch_cli.console import err, out
from innerwatch_cli.paths import RULES
from innerwatch_cli.progress import bar
from innerwatch_cli.report.findings import Findings, Person, as_list, collect, level
from innerwatch_cli.scorecard import load_truth, score
from innerwatch_cli.sigma import compile_rules
from innerwatch_cli.simulate import simulate
from innerwatch_cli.simulate.company import WITHOUT_CASES
from innerwatch_cli.simulate.customers import OBJECTS

# Names that AWS keeps for examples: nobody's bucket can have one.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
LOGS, HR, FAILED = "amzn-s3-demo-logs", "amzn-s3-demo-hr", "amzn-s3-demo-failed"
TABLE, LEDGER = "directory", "ledger"
COLOURS = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan"}


@click.command()
@click.option("--seed", default=1, show_default=True, help="Another seed is another company.")
@click.option("--people", default=60, show_default=True, type=click.IntRange(20, 5000))
@click.option("--days", default=30, show_default=True, type=click.IntRange(14, 365))
@click.option("--out", "folder", type=options.PATH, default=Path("demo-output"), show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the same for machines.")
def demo(seed: int, people: int, days: int, folder: Path, as_json: bool) -> None:
    """Raw logs of a fictional company in, named alerts out.

    Simulates the company, starts a local Elasticsearch, runs the Lambda handlers on S3 notifications (moto stands in
    for AWS), runs the detection rules, and compares the alerts with the insiders that were planted. Writes
    report.html into the folder.
    """
    logs = folder / "company"
    if logs.exists():
        shutil.rmtree(logs)
    simulate(seed=seed, people=people, days=days, out=logs)
    es = cluster.connect(start_local=True)
    # A namespace of its own for every run: earlier demos and the user's own logs stay as they are.
    namespace = f"demo{datetime.now(UTC):%Y%m%d%H%M%S}"
    index_templates.install(es)
    run_functions(cluster.url(), namespace, logs)
    with err.status("Running the detection rules …"), cluster.errors(es):
        find(es, namespace, options.directory((logs / "hr" / "employees.csv",)))
        findings = collect(es, namespace)
    scorecard = score(findings, load_truth(logs / "truth.json"), employee_names(logs / "hr" / "employees.csv"))
    page = folder / "report.html"
    title = f"Innerwatch: a fictional company of {people} people"
    proof = f"--namespace {namespace} {copies(logs)}"
    page.write_text(report.render(findings, title=title, made_at=datetime.now(UTC), scorecard=scorecard, proof=proof))
    if as_json:
        json.dump(summary(findings, scorecard, page), sys.stdout, indent=2)
        print()
    else:
        show(findings, scorecard)
        out.print(f"\nReport: [bold]{page}[/]   Documents: namespace [bold]{namespace}[/] on {cluster.url()}")
        out.print(f"To look closer: [bold]innerwatch view --namespace {namespace}[/]")
        out.print(f"To prove an alert: [bold]innerwatch evidence ID {escape(proof)}[/]")


def copies(logs: Path) -> str:
    """Where `innerwatch evidence` finds the raw logs: the bucket that they were read from is gone."""
    return " ".join(f"--copy {shlex.quote(str(logs / name))}" for name in ("cloudtrail", "app"))


def find(es: Elasticsearch, namespace: str, people: People | None) -> None:
    """Alerts, then people's days with the risk that these make, then the alerts of rules on such days."""
    rules, everything = compile_rules([RULES]), f"logs-*-{namespace}"
    es.indices.refresh(index=everything)
    detect(es, rules, namespace=namespace)
    es.indices.refresh(index=everything)
    measure(es, people, namespace)
    es.indices.refresh(index=everything)
    detect(es, rules, namespace=namespace)
    es.indices.refresh(index=everything)


def run_functions(url: str, namespace: str, logs: Path) -> None:
    """HR first, then the logs, each through S3 → SQS → handler."""
    settings = {
        "ELASTICSEARCH_URL": url,
        "NAMESPACE": namespace,
        "DIRECTORY_TABLE": TABLE,
        "JUSTIFICATION": json.dumps({"roles_without_cases": WITHOUT_CASES}),
        "LEDGER_TABLE": LEDGER,
        "FAILED_BUCKET": FAILED,
        "CUSTOMER_OBJECTS": json.dumps([OBJECTS]),
    }
    for name in ("sync_hr", "enrich_logs"):
        logging.getLogger(name).setLevel(logging.WARNING)  # thousands of objects, each with a line of its own
    with local_aws.account(settings) as aws:
        create_table(TABLE)
        aws.ledger(LEDGER)
        aws.announced_bucket(HR)
        aws.announced_bucket(LOGS)
        aws.bucket(FAILED)
        aws.deliver(HR, logs / "hr", sync_hr.handler, "sync_hr")
        # In memory, in place of a CASES_TABLE: moto goes through a whole table for each query.
        cases = options.cases(sorted((logs / "cases").glob("*.csv")))
        enrich_logs.parts().enriched = wiring.enriched(enrich_logs.parts().settings, cases)
        count = sum(1 for name in ("cloudtrail", "app") for _ in (logs / name).rglob("*.gz"))
        with bar("Enriching", count) as advance:
            for name in ("cloudtrail", "app"):
                aws.deliver(LOGS, logs / name, enrich_logs.handler, "enrich_logs", advance)


def employee_names(feed: Path) -> dict[str, str]:
    with feed.open(newline="") as file:
        return {row["employee_id"]: row["name"] for row in csv.DictReader(file)}


def job(person: Person) -> str:
    """Role, department, status and days to exit, as the state at the latest alert was."""
    employee = person.employee
    if not employee.get("id"):
        return "[red]nobody in the HR feed[/]"
    days = employee.get("days_to_exit")
    leaving = f", {days} days to exit" if days is not None else ""
    return f"{employee.get('role', '')}, {employee.get('department', '')}\n{employee.get('status', '')}{leaving}"


def show(findings: Findings, scorecard: dict[str, Any]) -> None:
    table = Table(title="Alerts", title_justify="left", title_style="bold", show_lines=True)
    table.add_column("Alert", ratio=3)
    table.add_column("Person", ratio=3)
    table.add_column("Evidence", ratio=2)
    table.add_column("Customers\ntouched", justify="right")
    for person in findings.people:
        by_rule: dict[str, list[Any]] = {}
        for alert in person.alerts:
            by_rule.setdefault(alert.name, []).append(alert)
        for name, alerts in by_rule.items():
            severity = level(alerts[0].risk)
            customers = {customer for alert in alerts for customer in alert.customers}
            count = sum(alert.count for alert in alerts)
            first, last = min(alert.first for alert in alerts), max(alert.last for alert in alerts)
            table.add_row(
                f"[{COLOURS[severity]}]{severity}[/] {name}",
                f"[bold]{person.name}[/]\n{job(person)}",
                f"{count} event{'s' if count != 1 else ''}\n{first[:16]} – {last[:16]}".replace("T", " "),
                f"{len(customers):,}" if customers else "–",
            )
    out.print(table)
    found = [insider for insider in scorecard["insiders"] if insider["found"]]
    out.print(f"\n[bold]Planted insiders found: {len(found)} of {len(scorecard['insiders'])}[/]")
    for insider in scorecard["insiders"]:
        mark = "[green]found [/]" if insider["found"] else "[red]missed[/]"
        out.print(f"  {mark} {', '.join(insider['names'])}: {insider['kind'].replace('_', ' ')}")
    out.print(f"[bold]Flagged wrongly: {len(scorecard['wrong'])}[/]")
    for person in scorecard["wrong"]:
        alike = f" (an innocent look-alike: {person['look_alike']})" if person["look_alike"] else ""
        out.print(f"  {person['name']}{alike}: {'; '.join(person['rules'])}")
    for account in scorecard["no_person"]:
        out.print(f"[bold]An account that is no person:[/] {account['name']}: {'; '.join(account['rules'])}")


def summary(findings: Findings, scorecard: dict[str, Any], page: Path) -> dict[str, Any]:
    return {
        "events": findings.events,
        "alerts": [
            {
                "rule": alert.name,
                "severity": level(alert.risk),
                "person": {
                    "name": person.name,
                    **{key: person.employee.get(key) for key in ("id", "role", "department", "status", "days_to_exit")},
                },
                "evidence": {"count": alert.count, "first": alert.first, "last": alert.last, "ids": alert.evidence_ids},
                "customers": as_list(dig(alert.document, "access.customer.id")),
            }
            for person in findings.people
            for alert in person.alerts
        ],
        "insiders": scorecard["insiders"],
        "flagged_wrongly": scorecard["wrong"],
        "no_person": scorecard["no_person"],
        "report": str(page),
    }
