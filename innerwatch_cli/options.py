"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from innerwatch.directory import Directory, MemoryStore

from innerwatch.hr import load_feed
from innerwatch.settings import checked_namespace

Command = TypeVar("Command", bound=Callable[..., Any])

PATH = click.Path(path_type=Path)


def hr_feeds(command: Command) -> Command:
    return click.option(
        "--hr",
        "feeds",
        type=PATH,
        multiple=True,
        help="HR feed or owner map, oldest first; may be given several times.",
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
    store = MemoryStore()
    for path in feeds:
        apply_feed(store, load_feed(path))
    return Directory(store)
