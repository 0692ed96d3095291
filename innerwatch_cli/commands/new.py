"""`innerwatch new`: a rule and its first cases, from a few answers."""

import sys
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from innerwatch.errors import UserError
from innerwatch_cli import options
from innerwatch_cli.console import err, out

if TYPE_CHECKING:
    from innerwatch_cli.authoring.skeleton import NewRule

LEVELS = ("informational", "low", "medium", "high", "critical")
SOURCES = ("app/access", "aws/cloudtrail")  # those whose records we can make up: skeleton.TEMPLATES
FOLDER = Path("sigma_rules/rules")


@click.command()
@click.option("--title", help="What the rule finds, in a few words.")
@click.option("--logsource", type=click.Choice(SOURCES), help="Where its events come from.")
@click.option(
    "--match",
    "matches",
    multiple=True,
    metavar="FIELD=VALUE",
    help="What an event must have; several times for several fields. Sigma's modifiers may follow the field: "
    "'records|gte=50'. The same field again is another value that will do.",
)
@click.option("--level", type=click.Choice(LEVELS), help="How bad it is.")
@click.option("--tag", "tags", multiple=True, help="ATT&CK tag, such as attack.t1530; several times for several.")
@click.option("--author", default="", help="Who writes it.")
@click.option("--out", "folder", type=options.PATH, help="Folder for the files; sigma_rules/rules/… by default.")
def new(
    title: str | None,
    logsource: str | None,
    matches: tuple[str, ...],
    level: str | None,
    tags: tuple[str, ...],
    author: str,
    folder: Path | None,
) -> None:
    """Write a rule and two cases: an event that it must match and a near miss.

    Asks for what the options don't say; with title and match given it asks nothing. Never overwrites a file.
    """
    from innerwatch_cli.authoring import skeleton

    asking = not (title and matches)
    title = title or click.prompt("What does the rule find", type=str)
    logsource = logsource or (_choose("Log source", SOURCES, SOURCES[0]) if asking else SOURCES[0])
    product, service = logsource.split("/")
    found = skeleton.parse_matches(matches or _ask_matches(product, service), product, service)
    level = level or (_choose("Level", LEVELS, "medium") if asking else "medium")
    tags = tags or (_ask_tags() if asking else ())
    for tag in tags:
        _checked_tag(tag)
    rule = skeleton.NewRule(str(title).strip(), product, service, found, level, tags, author, _today())
    path = write(rule, folder or FOLDER / product / service)
    out.print(f"[green]✓[/] {path}\n[green]✓[/] {cases_path(path)}")
    unfinished = review(path)
    for line in unfinished:
        err.print(line, style="yellow", markup=False)
    out.print(f"\nNext: [bold]innerwatch check {path}[/] and [bold]innerwatch test {path} --watch[/]")
    if unfinished:
        sys.exit(1)


def write(rule: "NewRule", folder: Path) -> Path:
    """The rule's file. Raises UserError where it or its cases exist already."""
    from innerwatch_cli.authoring import skeleton

    path = folder / f"{rule.stem}.yml"
    texts = {path: skeleton.rule_text(rule), cases_path(path): skeleton.cases_text(rule)}
    for file in texts:
        if file.exists():
            raise UserError(
                "this file exists already", "expected another title, or another folder with --out", path=file
            )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in texts.items():
            with file.open("x", encoding="utf-8") as stream:
                stream.write(text)
    except OSError as error:
        raise UserError(f"cannot be written: {error.strerror}", "expected a folder for rules", path=folder) from error
    return path


def cases_path(path: Path) -> Path:
    from innerwatch_cli.authoring.cases import path_for

    return path_for(path)


def review(path: Path) -> list[str]:
    """What the author must still do by hand: problems, and cases that do not come out as they say."""
    from innerwatch.detection.predicate import compiled
    from innerwatch_cli.authoring import cases, running
    from innerwatch_cli.authoring.check import check
    from innerwatch_cli.sigma import compile_rules

    _, problems = check([path])
    if problems:
        return [str(problem) for problem in problems]
    (rule,) = compile_rules([path])
    holds = compiled(rule.condition) if rule.condition else lambda _: False
    given = cases.load(path)
    why = "no fitting event could be made up"
    return [
        f"{given.path}:{given.line(case)}: the case {case.name!r} must still be written: {why}"
        for case in given.cases
        for outcome in (running.prepared(given, case),)
        if any(holds(document) for _, document in outcome.documents) is not case.match
    ]


def _choose(question: str, known: tuple[str, ...], default: str) -> str:
    answer: str = click.prompt(question, type=click.Choice(known), default=default)
    return answer


def _ask_matches(product: str, service: str) -> list[str]:
    """Asks for one field=value after the other, again where one is wrong."""
    from innerwatch_cli.authoring import skeleton

    click.echo(
        f"What must an event have? One field=value at a time, such as {skeleton.TEMPLATES[product, service].example}"
    )
    found: list[str] = []
    while True:
        text = click.prompt("Field=value" if not found else "And (empty: that is all)", default="", show_default=False)
        if not text and found:
            return found
        try:
            skeleton.parse_matches([*found, text], product, service)
        except UserError as error:
            err.print(str(error), style="red", markup=False)
        else:
            found.append(text)


def _ask_tags() -> tuple[str, ...]:
    while True:
        text = click.prompt("ATT&CK tags (separated by spaces, may be empty)", default="", show_default=False)
        tags = tuple(text.split())
        try:
            for tag in tags:
                _checked_tag(tag)
        except UserError as error:
            err.print(str(error), style="red", markup=False)
        else:
            return tags


def _checked_tag(tag: str) -> None:
    from innerwatch_cli.authoring import header

    if wrong := header.tag(tag):
        raise UserError(*wrong)


def _today() -> date:
    return datetime.now().astimezone().date()
