"""`innerwatch audit`: who asked for whom, why, who allowed it; and whether that record is as it was written."""

import sys
from typing import Any

import boto3
import click

from innerwatch.audit import Broken, Line, Record, Trail, first_fault
from innerwatch.errors import UserError
from innerwatch_cli.console import err, out
from innerwatch_cli.revealing import JSON, STACK, aws_errors, output

MISSING = "expected a stack that `make deploy` made"
DENIED = "expected AWS credentials of somebody to whom the stack's RevealAuditPolicy is attached"

ACCEPT = "Record N has no witness, and somebody has looked at it: the function was stopped when it wrote it."


@click.group()
def audit() -> None:
    """The record of who was revealed: read it, and verify that nobody removed, altered or added anything."""


def options(command: Any) -> Any:
    table = click.option("--table", envvar="AUDIT_TABLE", default="", help="The chain's table, in place of --stack.")
    bucket = click.option("--bucket", envvar="AUDIT_BUCKET", default="", help="The bucket of its witnesses.")
    return STACK(table(bucket(command)))


@audit.command(name="list")
@options
@JSON
def list_(stack: str, table: str, bucket: str, as_json: bool) -> None:
    """Print the records, first to last; as JSON, each is the very text that its hash is of."""
    with aws_errors(DENIED):
        for line in trail(stack, table, bucket).lines():
            out.print(line.text if as_json else told(line), markup=False)


@audit.command()
@options
@click.option("--receipt", "receipts", multiple=True, metavar="HASH", help="`On record as HASH`: is it still there?")
@click.option("--accept", type=click.IntRange(min=1), multiple=True, metavar="N", help=ACCEPT)
def verify(stack: str, table: str, bucket: str, receipts: tuple[str, ...], accept: tuple[int, ...]) -> None:
    """Verify all records against each other and against their witnesses. Ends with 1 and the first that is wrong."""
    with aws_errors(DENIED), err.status("Verifying …"):
        lines, witnesses = read(trail(stack, table, bucket))
    fault = first_fault(lines, witnesses, accept)
    if fault:
        err.print(f"broken: {fault}", style="bold red", markup=False)
        sys.exit(1)
    hashes = {line.hash for line in lines}
    lost = [receipt for receipt in receipts if receipt not in hashes]
    for receipt in lost:
        err.print(f"broken: no record has the hash {receipt}", style="bold red", markup=False)
    if lost:
        sys.exit(1)
    if not lines:
        out.print("0 records")
        return
    if lines[-1].sequence not in witnesses:
        err.print(
            "the last record has no witness yet: it is being written, or the function was stopped", style="yellow"
        )
    out.print(f"{len(lines)} records, whole, {lines[0].record.time} to {lines[-1].record.time}")
    out.print(f"the last is {lines[-1].hash}")


def trail(stack: str, table: str, bucket: str) -> Trail:
    if not stack and not (table and bucket):
        raise UserError("no record is named", "expected --stack, or --table and --bucket")
    table = table or output(stack, "RevealAuditTable", MISSING)
    bucket = bucket or output(stack, "RevealAuditBucket", MISSING)
    return Trail(boto3.client("dynamodb"), table, boto3.client("s3"), bucket)


def read(found: Trail) -> tuple[list[Line], dict[int, set[str]]]:
    """All records and their witnesses, of one moment: others may be written while this reads."""
    before = found.witnesses()
    lines = list(found.lines())
    last = lines[-1].sequence if lines else 0
    after = found.witnesses()
    return lines, {sequence: hashes for sequence, hashes in after.items() if sequence in before or sequence <= last}


def told(line: Line) -> str:
    """A record for a reader; one that is none is shown as it is, since `verify` says what is wrong with it."""
    try:
        record: Record = line.record
    except Broken:
        return f"{line.sequence:>5}  is no record: {line.text}"
    who = f"{record.who.employee or 'nobody known'} ({record.who.arn or 'not vouched for by AWS'})"
    about = [
        f"request {record.request or record.sequence}" if record.request or record.action == "requested" else "",
        " ".join(record.pseudonyms),
        record.case,
        record.reason,
        record.why,
    ]
    return f"{record.sequence:>5}  {record.time}  {record.action:<9}  {who}  {' · '.join(filter(None, about))}"
