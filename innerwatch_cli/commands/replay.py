"""`innerwatch replay`: records that were set aside are indexed once what was wrong with them is mended."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import boto3
import click
from botocore.exceptions import BotoCoreError, ClientError

from innerwatch import pipeline
from innerwatch import replay as records
from innerwatch.customers import CustomerObjects
from innerwatch.errors import UserError
from innerwatch.failed import FailedStore, NoEntryError
from innerwatch.pseudonyms import Keys
from innerwatch.sources.mapped import Mapping
from innerwatch_cli import cluster, options, pseudonymous
from innerwatch_cli.commands.restamp import case_directory
from innerwatch_cli.console import err, out
from innerwatch_cli.rights import erasing

SHOWN = 20  # reasons, and objects that cannot be read, before the rest is only counted


@click.command()
@click.option("--bucket", required=True, help="The bucket of failed records: FailedBucketName of the stack.")
@click.option("--reason", default="", help="Only records whose reason holds this text.")
@click.option("--origin", default="", help="Only records whose origin begins so: s3://BUCKET/PREFIX.")
@click.option("--since", default="", help="Only what was set aside since: 2026-03-01, or 2026-03-01T09:15:00Z.")
@click.option("--limit", type=click.IntRange(min=1), default=records.NO_END, help="Try no more than about so many.")
@click.option("--dry-run", is_flag=True, help="List the reasons and how many records have each; change nothing.")
@options.hr_feeds
@click.option("--table", default="", help="The employee directory's DynamoDB table, in place of --hr.")
@options.case_feeds
@click.option("--cases-table", default="", help="The DynamoDB table of cases and assignments, in place of --cases.")
@options.mappings
@options.customer_objects
@options.pseudonym_keys
@options.namespace
def replay(
    bucket: str,
    reason: str,
    origin: str,
    since: str,
    limit: int,
    dry_run: bool,
    feeds: tuple[Path, ...],
    table: str,
    case_feeds: tuple[Path, ...],
    cases_table: str,
    mappings: list[Mapping],
    patterns: CustomerObjects | None,
    keys: Keys | None,
    namespace: str,
) -> None:
    """Index records that were set aside, now that what was wrong with them is mended.

    Each goes through the same steps as when it was first read, gets the same id, and is indexed once however often
    this runs. What was replayed is moved from failed/ to replayed/ in the bucket; what fails again stays, with its new
    reason. Uses the AWS credentials of the environment.
    """
    selection = records.Selection(reason, origin, records.instant(since, "--since") if since else 0)
    with aws_errors(bucket):
        s3 = boto3.client("s3")
        store = FailedStore(s3, bucket)
        if dry_run:
            tell(records.reasons(store, selection))
            return
        people, cases = options.directory_of(feeds, table), case_directory(case_feeds, cases_table)
        es = cluster.connect()
        pseudonymous.check(es, namespace, keys)
        enriched = partial(
            pipeline.enriched,
            people=people,
            namespace=namespace,
            customers=patterns,
            cases=cases,
            pseudonyms=options.pseudonyms(keys, people),
        )
        with cluster.errors(es), err.status("Replaying …"):
            if warning := erasing.warning(es, namespace):
                err.print(warning, style="yellow", markup=False)
            parts = records.Replay(store, s3, es, es, namespace, enriched, mappings)
            report = parts.run(selection, limit=limit, deadline=float("inf"))
    out.print(
        f"{report.entries} tried: {report.replayed} replayed ({report.indexed} records indexed, "
        f"{report.duplicate} were there), {report.entries - report.replayed} fail again",
    )
    tell(report.reasons)
    for line in report.trouble[:SHOWN]:
        err.print(line, style="red", markup=False)
    if len(report.trouble) > SHOWN:
        err.print(f"… and {len(report.trouble) - SHOWN} more objects cannot be read", style="red")
    if report.more:
        err.print("there is more: the limit was reached", style="yellow")
    if report.reasons or report.trouble:
        sys.exit(2)


def tell(reasons: Counter[str]) -> None:
    for reason, count in reasons.most_common(SHOWN):
        out.print(f"{count:>8}  {reason}", markup=False)
    rest = len(reasons) - SHOWN
    if rest > 0:
        out.print(f"{reasons.total() - sum(n for _, n in reasons.most_common(SHOWN)):>8}  for {rest} more reasons")


@contextmanager
def aws_errors(bucket: str) -> Iterator[None]:
    """What can be wrong with AWS or the bucket, in one line."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise UserError(
            f"the failed records in {bucket!r} cannot be replayed: {error}",
            "expected AWS credentials, a region, and the FailedBucketName of the stack",
        ) from error
    except NoEntryError as error:
        raise UserError(str(error), "expected what Innerwatch itself keeps below failed/") from error
