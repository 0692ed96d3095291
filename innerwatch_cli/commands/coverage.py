"""`innerwatch coverage`: which minutes of which trail are proven complete in Elasticsearch, and why others are not."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import click
from rich.table import Table

from innerwatch import instants
from innerwatch.errors import UserError
from innerwatch.ledger import Ledger
from innerwatch_cli import cluster, options
from innerwatch_cli.console import err, out
from innerwatch_cli.coverage import Covered, Span
from innerwatch_cli.coverage import coverage as cover
from innerwatch_cli.coverage.evidence import Bucket, PublicKeys, Sources, errors, given_keys
from innerwatch_cli.coverage.minutes import MEANING, Reason, State

COLOURS = {State.PROVEN: "green", State.UNPROVEN: "yellow", State.INCOMPLETE: "bold red"}
MINUTE = 60_000


def instant(_context: click.Context, option: click.Parameter, value: str) -> int:
    return options.instant(value, option.opts[0])


@click.command()
@click.argument("place", metavar="BUCKET[/PREFIX]")
@click.option("--from", "start", required=True, callback=instant, help="First day, or first instant with its offset.")
@click.option("--to", "end", required=True, callback=instant, help="Day or instant that is not included any more.")
@click.option("--ledger", "table", required=True, envvar="LEDGER_TABLE", help="The ledger's DynamoDB table.")
@click.option(
    "--objects", multiple=True, metavar="PREFIX", help="Also other log objects below this prefix of the bucket."
)
@click.option(
    "--lateness",
    default=60,
    show_default=True,
    type=click.IntRange(0, 1440),
    metavar="MINUTES",
    help="How long after an event CloudTrail may deliver it.",
)
@click.option(
    "--public-keys",
    "key_files",
    multiple=True,
    type=options.PATH,
    help="What `aws cloudtrail list-public-keys` printed, in place of asking CloudTrail.",
)
@options.namespace
@click.option("--json", "as_json", is_flag=True, help="Print the same for machines.")
def coverage(
    place: str,
    start: int,
    end: int,
    table: str,
    objects: tuple[str, ...],
    lateness: int,
    key_files: tuple[Path, ...],
    namespace: str,
    as_json: bool,
) -> None:
    """Which minutes of which trail are proven to be in Elasticsearch, complete, and why others are not.

    Reconciles CloudTrail's signed digest files, the objects in the log bucket, the ledger and the documents. AWS
    credentials and region are those of the AWS CLI, Elasticsearch is at ELASTICSEARCH_URL, else the local node.
    Ends with 1 where events are known to be missing.
    """
    if end <= start:
        raise UserError("--to is not after --from", "expected a span of time")
    name, _, prefix = place.removeprefix("s3://").partition("/")
    es = cluster.connect()
    keys = given_keys(key_files)
    with errors(name), cluster.errors(es):
        session = boto3.Session()
        sources = Sources(
            Bucket(session.client("s3"), name),
            PublicKeys(session, keys),
            Ledger(session.client("dynamodb"), table),
            es,
            namespace,
        )
        with err.status("Looking for trails …") as status:
            found = cover(
                sources,
                Span(start, end, lateness * MINUTE),
                prefix=prefix,
                objects=objects,
                began=lambda what: status.update(f"Reconciling {what} …"),
            )
    if as_json:
        json.dump([as_dict(it) for it in found], sys.stdout, indent=2)
        print()
    else:
        show(found, place)
    if any(it.minutes(State.INCOMPLETE) for it in found):
        sys.exit(1)


def as_dict(covered: Covered) -> dict[str, Any]:
    return {
        "trail": covered.trail._asdict(),
        "minutes": {state.value: covered.minutes(state) for state in State},
        "objects": covered.objects,
        "records": covered.records,
        "documents": covered.documents,
        "intervals": [
            {
                "start": instants.iso(it.start),
                "end": instants.iso(it.end),
                "state": it.state.value,
                "reasons": [
                    {
                        "reason": count.reason.value,
                        "meaning": MEANING[count.reason].text,
                        "objects": count.objects,
                        "example": count.example,
                    }
                    for count in it.reasons
                ],
            }
            for it in covered.intervals
        ],
    }


def show(found: list[Covered], place: str) -> None:
    if not found:
        err.print(f"no trail delivers to {place}", style="yellow", markup=False)
    for covered in found:
        trail = covered.trail
        what = " ".join(it for it in (trail.name or "no trail known", trail.account, trail.region) if it)
        table = Table(title=f"{what}, {trail.bucket}/{trail.prefix}", title_justify="left", title_style="bold")
        for heading in ("From (UTC)", "To", "Minutes", "State", "Why (objects)"):
            table.add_column(heading, justify="right" if heading == "Minutes" else "left")
        for it in covered.intervals:
            why = ", ".join(f"{count.reason.value} ({count.objects:,})" for count in it.reasons)
            state = f"[{COLOURS[it.state]}]{it.state.value}[/]"
            table.add_row(clock(it.start), clock(it.end), f"{(it.end - it.start) // MINUTE:,}", state, why)
        out.print(table)
        explain(covered)
        numbers = ", ".join(f"{covered.minutes(state):,} minutes {state.value}" for state in State)
        out.print(
            f"{numbers}; {covered.objects:,} objects, {covered.records:,} records, {covered.documents:,} documents\n"
        )


def explain(covered: Covered) -> None:
    """Each reason once, with the first object that gives it."""
    first: dict[Reason, str] = {}
    for it in covered.intervals:
        for count in it.reasons:
            first.setdefault(count.reason, count.example)
    for reason, example in first.items():
        out.print(f"  {reason.value}: {MEANING[reason].text}", markup=False, soft_wrap=True)
        if example:
            out.print(f"    such as {example}", markup=False, soft_wrap=True)


def clock(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M}"
