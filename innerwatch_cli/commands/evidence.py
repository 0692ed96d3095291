"""`innerwatch evidence`: whether the events behind an alert are what the raw records say, and who signed these."""

import getpass
import json
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import click

from innerwatch import __version__, instants
from innerwatch.customers import CustomerObjects
from innerwatch.ledger import Ledger
from innerwatch.sources.mapped import Mapping
from innerwatch.uris import SCHEME
from innerwatch_cli import cluster, options
from innerwatch_cli.console import out
from innerwatch_cli.coverage.evidence import PublicKeys, errors, given_keys
from innerwatch_cli.evidence import Sources, prove, writing
from innerwatch_cli.evidence.documents import Behind, distinct, find
from innerwatch_cli.evidence.judging import Judged, Outcome
from innerwatch_cli.evidence.records import Reader, checked
from innerwatch_cli.progress import bar
from innerwatch_cli.report.text import visible

COLOURS = {
    Outcome.PROVEN: "green",
    Outcome.UNSIGNED: "yellow",
    Outcome.NOTHING: "dim",
    Outcome.GONE: "red",
    Outcome.DIFFERS: "bold red",
}
WIDTH = max(map(len, Outcome))


@click.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option(
    "--copy",
    "copies",
    multiple=True,
    type=options.PATH,
    help="Read objects from this folder, which mirrors the log bucket, and not from AWS; repeatable.",
)
@click.option("--ledger", "table", default="", envvar="LEDGER_TABLE", help="The ledger's DynamoDB table.")
@click.option("--public-keys", "key_files", multiple=True, type=options.PATH, help="As for `innerwatch coverage`.")
@options.mappings
@options.customer_objects
@options.namespace
@click.option("--json", "as_json", is_flag=True, help="Print the whole proof for machines, raw records included.")
def evidence(
    ids: tuple[str, ...],
    copies: tuple[Path, ...],
    table: str,
    key_files: tuple[Path, ...],
    mappings: list[Mapping],
    patterns: CustomerObjects | None,
    namespace: str,
    as_json: bool,
) -> None:
    """Prove, event by event, that an alert rests on what the raw logs say.

    ID is an alert's id, or an event's. Each event's raw record is read again, from the object, version and position
    where it was first read, and compared with the document. For CloudTrail's objects, the digest file that lists the
    object is looked up, its hash compared and its signature verified. AWS credentials and region are those of the AWS
    CLI. Ends with 1 where something differs or is gone.
    """
    keys = given_keys(key_files)
    es = cluster.connect()
    with cluster.errors(es):
        events = distinct([event for one in dict.fromkeys(ids) for event in find(es, namespace, one)])
        places = sources(events, checked(copies), keys, table, mappings, patterns)
        with bar("Reading", len(events)) as advance:
            found = list(prove(events, places, advance))
    order = {(event.index, event.id): number for number, event in enumerate(events)}
    found.sort(key=lambda it: order[it[0].index, it[0].id])
    if as_json:
        json.dump(proof(found, namespace, ids), sys.stdout, indent=2)
        print()
    else:
        show(found)
    if any(judged.outcome in (Outcome.DIFFERS, Outcome.GONE) for _, judged in found):
        sys.exit(1)


def sources(
    events: list[Behind],
    copies: Any,
    keys: dict[str, bytes] | None,
    table: str,
    mappings: list[Mapping],
    patterns: CustomerObjects | None,
) -> Sources:
    """AWS is asked only for what is in a bucket, and not where copies are given."""
    if copies or not any(event.uri.startswith(SCHEME) for event in events):
        return Sources(Reader(None, copies, mappings, patterns))
    with errors("of the logs"):
        session = boto3.Session()
        s3 = session.client("s3")
        ledger = Ledger(session.client("dynamodb"), table) if table else None
    return Sources(Reader(s3, (), mappings, patterns), s3, PublicKeys(session, keys), ledger)


def proof(found: list[tuple[Behind, Judged]], namespace: str, ids: tuple[str, ...]) -> dict[str, Any]:
    return {
        "asked": list(ids),
        "namespace": namespace,
        "made": {
            "by": getpass.getuser(),
            "on": platform.node(),
            "at": instants.iso(instants.of(datetime.now(UTC))),
            "innerwatch": __version__,
        },
        "outcomes": writing.summary(found),
        "events": [writing.as_dict(event, judged) for event, judged in found],
    }


def show(found: list[tuple[Behind, Judged]]) -> None:
    for event, judged in found:
        where = f"{event.uri} record {event.position}: " if event.uri else ""
        colour = COLOURS[judged.outcome]
        out.print(f"[{colour}]{judged.outcome.value:<{WIDTH}}[/]  ", end="")
        said = "; ".join((judged.why, *judged.notes))
        out.print(visible(f"{event.id}  {where}{said}"), markup=False, soft_wrap=True)
    if len(found) == 1:
        detail(found[0][1])
    counts = ", ".join(f"{count:,} {name}" for name, count in writing.summary(found).items())
    out.print(f"{len(found):,} event{'' if len(found) == 1 else 's'}: {counts}", markup=False)


def detail(judged: Judged) -> None:
    """All that there is of the one event that was asked about."""
    lines = {
        "record": judged.raw.decode(errors="backslashreplace"),
        "SHA-256 of the record": judged.record_sha256,
        "SHA-256 of the object": judged.reading.sha256,
        "SHA-256 of its content": judged.reading.content_sha256,
    }
    if judged.signed:
        lines |= {
            "listed in": judged.signed.digest,
            "with SHA-256": judged.signed.listed,
            "signature": judged.signed.signature,
            "key's fingerprint": judged.signed.fingerprint,
        }
    for name, value in lines.items():
        if value:
            out.print(visible(f"  {name}: {value}"), markup=False, soft_wrap=True)
