"""`innerwatch compile`: rules as queries for other tools."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from innerwatch.errors import UserError
from innerwatch_cli import options
from innerwatch_cli.console import err

if TYPE_CHECKING:
    from innerwatch.detection.rules import CompiledRule


def lucene(rule: "CompiledRule", _: Sequence["CompiledRule"]) -> str:
    from innerwatch_cli.sigma import to_lucene

    return to_lucene(rule)


def esql(rule: "CompiledRule", rules: Sequence["CompiledRule"]) -> str:
    from innerwatch_cli.sigma import to_esql

    return to_esql(rule, rules)


# Language → what writes a rule in it. Raises UserError for a rule that the language cannot hold exactly.
LANGUAGES: dict[str, Callable[["CompiledRule", Sequence["CompiledRule"]], str]] = {"lucene": lucene, "esql": esql}


@click.command("compile")
@click.argument("paths", type=options.PATH, nargs=-1, required=True, metavar="PATHS...")
@click.option("--to", "language", type=click.Choice([*LANGUAGES, "kibana"]), default="lucene", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a rule: id, title, path and query.")
@options.pipelines
@options.namespace
def compile_(
    paths: tuple[Path, ...], language: str, as_json: bool, pipelines: tuple[Path, ...] | None, namespace: str
) -> None:
    """Print the query of each rule in PATHS, files or folders; with `--to kibana` whole detection rules, for import.

    A rule whose meaning the language cannot hold exactly is refused: one line on standard error says why, the other
    rules are printed all the same, and the exit code is 2. What Kibana cannot run exactly is named there too; our
    engine runs it, and one more rule raises its alerts in Kibana.
    """
    if language == "kibana":
        kibana(paths, pipelines, namespace)
        return
    from innerwatch_cli.authoring.references import compile_with_referred

    rules, known, errors = compile_with_referred(paths, pipelines)
    for rule in rules:
        try:
            query = LANGUAGES[language](rule, known)
        except UserError as refusal:
            errors.append(UserError(refusal.what, refusal.expected, path=refusal.path or rule.path))
            continue
        if as_json:
            print(json.dumps({"id": rule.id, "title": rule.title, "path": rule.path, "query": query}))
        else:
            print(f"# {rule.title} ({rule.path})\n{query}\n")
    for error in errors:
        err.print(str(error), style="red", markup=False)
    if errors:
        sys.exit(2)


def kibana(paths: Sequence[Path], pipelines: Sequence[Path] | None, namespace: str) -> None:
    from innerwatch_cli.kibana.files import compiled, tell
    from innerwatch_cli.kibana.rules import ndjson

    found = compiled(paths, pipelines, namespace)
    for line in ndjson(found.rules):
        print(line)
    if tell(found):
        sys.exit(2)
