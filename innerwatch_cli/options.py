"""Options that several commands share."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from innerwatch.customers import CustomerObjects
from innerwatch.directory import Directory, Report, in_memory
from innerwatch.hr import load_feed
from innerwatch.settings import checked_namespace
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


def directory(feeds: Sequence[Path]) -> Directory | None:
    """The employee directory that the feeds make, in memory; None without any feed."""
    if not feeds:
        return None
    return in_memory((load_feed(path) for path in feeds), tell_bad_rows)


def tell_bad_rows(feed: Feed, report: Report) -> None:
    """Rows that were set aside, on standard error: the rest of the feed was taken."""
    for row in report.bad[:BAD_ROWS_SHOWN]:
        err.print(f"{feed.name}:{row.line}: {row.reason}", style="yellow", markup=False)
    if len(report.bad) > BAD_ROWS_SHOWN:
        err.print(f"{feed.name}: … and {len(report.bad) - BAD_ROWS_SHOWN} more rows set aside", style="yellow")
