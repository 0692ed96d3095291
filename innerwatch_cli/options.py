"""Options that several commands share."""

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import boto3
import click
from botocore.exceptions import BotoCoreError, ClientError

from innerwatch import instants, justification
from innerwatch.behaviour.collect import People
from innerwatch.customers import CustomerObjects
from innerwatch.directory import Directory, DynamoStore, Report, in_memory
from innerwatch.errors import UserError
from innerwatch.hr import load_feed
from innerwatch.justification import CaseFeed, CaseReport, Cases, Policy, feeds
from innerwatch.pseudonyms import Current, HiddenPeople, Keys
from innerwatch.settings import checked_namespace
from innerwatch.sources.mapped import Mapping
from innerwatch.values import Feed
from innerwatch_cli.console import err

Command = TypeVar("Command", bound=Callable[..., Any])

PATH = click.Path(path_type=Path)
BAD_ROWS_SHOWN = 20  # of one HR feed, before the rest is only counted


def hr_feeds(command: Command) -> Command:
    return click.option(
        "--hr",
        "feeds",
        type=PATH,
        multiple=True,
        help="HR feed or owner map, oldest first; may be given several times.",
    )(command)


def case_feeds(command: Command) -> Command:
    return click.option(
        "--cases",
        "case_feeds",
        type=PATH,
        multiple=True,
        help="Feed of cases or of their assignments, oldest first; may be given several times.",
    )(command)


def pseudonym_keys(command: Command) -> Command:
    return click.option(
        "--pseudonyms",
        "keys",
        metavar="FILE|SECRET",
        callback=lambda _context, _option, value: load_keys(value) if value else None,
        help="Hide people: the key's file (`innerwatch pseudonyms new`), or secretsmanager:ID.",
    )(command)


def secret_of(place: str) -> str:
    """The ID of secretsmanager:ID; empty for a file."""
    kind, _, secret = place.partition(":")
    return secret if kind == "secretsmanager" else ""


def load_keys(place: str) -> Keys:
    """The key of pseudonyms, from a file or from Secrets Manager."""
    if secret := secret_of(place):
        try:
            text = boto3.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"]
        except (BotoCoreError, ClientError) as error:
            raise UserError(f"the secret {secret!r} cannot be read: {error}", "expected its name or ARN") from error
        return Keys.parse(text, secret)
    try:
        return Keys.parse(Path(place).read_text(encoding="utf-8"), place)
    except (OSError, UnicodeDecodeError) as error:
        expected = "expected a file that `innerwatch pseudonyms new` made, or secretsmanager:ID"
        raise UserError(f"the pseudonyms' key cannot be read: {error}", expected, path=Path(place)) from error


def pseudonyms(keys: Keys | None, people: Directory | None) -> Current | None:
    """Of everybody whom the HR feeds name; None where no key was given."""
    if keys is None:
        return None
    if people is None:
        raise UserError("--pseudonyms is given without HR data", "expected --hr FEED: it says whom to hide")
    return Current(people, lambda: keys)


def mappings(command: Command) -> Command:
    return click.option(
        "--mapping",
        "mappings",
        type=PATH,
        multiple=True,
        callback=lambda _context, _option, value: [Mapping.load(path) for path in value],
        help="Mapping file (docs/access-log.md) for logs of no known source; may be given several times.",
    )(command)


def customer_objects(command: Command) -> Command:
    return click.option(
        "--customer-objects",
        "patterns",
        multiple=True,
        metavar="REGEX",
        callback=lambda _context, _option, value: CustomerObjects(value) if value else None,
        help="Of bucket/key, with a group (?P<customer>…): whose data an S3 object holds.",
    )(command)


def pipelines(command: Command) -> Command:
    return click.option(
        "--pipeline",
        "pipelines",
        type=PATH,
        multiple=True,
        callback=lambda _context, _option, value: value or None,
        help="pySigma pipeline: what placeholders stand for. In place of sigma_rules/pipelines; several may be given.",
    )(command)


def namespace(command: Command) -> Command:
    return click.option(
        "--namespace",
        default="innerwatch",
        show_default=True,
        callback=lambda _context, _option, value: checked_namespace(value),
        help="Namespace of the data streams.",
    )(command)


def space(command: Command) -> Command:
    return click.option(
        "--space",
        default="default",
        show_default=True,
        callback=lambda _context, _option, value: checked_space(value),
        help="Id of the space in Kibana.",
    )(command)


def checked_space(value: str) -> str:
    """Raises UserError: Kibana's ids of spaces go into paths as they are."""
    if not re.fullmatch(r"[a-z0-9_-]+", value):
        raise UserError(f"{value!r} is no id of a space", "expected lower-case letters, digits, - and _")
    return value


def people_in_documents(people: Directory | None, current: Current | None) -> People | None:
    """The directory, asked with what stands in documents: HR's ids, or pseudonyms."""
    return HiddenPeople(people, current()) if people is not None and current is not None else people


def instant(text: str, option: str) -> int:
    """A day or an instant, in milliseconds."""
    try:
        return instants.from_day_or_time(text)
    except ValueError as error:
        raise UserError(f"{option}: {error}", "expected 2026-03-31 or 2026-03-31T09:00:00Z") from error


def directory(feeds: Sequence[Path]) -> Directory | None:
    """The employee directory that the feeds make, in memory; None without any feed."""
    if not feeds:
        return None
    return in_memory((load_feed(path) for path in feeds), tell_bad_rows)


def directory_of(feeds: Sequence[Path], table: str) -> Directory:
    """The employee directory that the feeds make, or that a DynamoDB table holds; UserError unless one is given."""
    if bool(feeds) == bool(table):
        raise UserError("either --hr or --table must be given", "expected an HR feed, or the directory's table")
    from_feeds = directory(feeds)
    if from_feeds is not None:
        return from_feeds
    try:
        return Directory(DynamoStore(boto3.resource("dynamodb").Table(table)))
    except (BotoCoreError, ClientError) as error:
        what = f"the table {table!r} cannot be read: {error}"
        raise UserError(what, "expected credentials, a region and the table's name") from error


def cases(paths: Sequence[Path]) -> Cases | None:
    """The case directory that the feeds make, in memory, with the graces of JUSTIFICATION; None without any feed."""
    return justification.in_memory(map(feeds.load_feed, paths), policy(), tell_bad_rows) if paths else None


def policy() -> Policy:
    """The graces that the environment sets, as for the functions."""
    return Policy.read(os.environ.get("JUSTIFICATION", ""))


def tell_bad_rows(feed: Feed | CaseFeed, report: Report | CaseReport) -> None:
    """Rows that were set aside, on standard error: the rest of the feed was taken."""
    for row in report.bad[:BAD_ROWS_SHOWN]:
        err.print(f"{feed.name}:{row.line}: {row.reason}", style="yellow", markup=False)
    if len(report.bad) > BAD_ROWS_SHOWN:
        err.print(f"{feed.name}: … and {len(report.bad) - BAD_ROWS_SHOWN} more rows set aside", style="yellow")
