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
    from innerwatch_cli.authoring.references import referred
    from innerwatch_cli.sigma import compile_all, loading

    files = loading.files(paths)
    own = set(map(str, files))
    compilation = compile_all([*files, *referred(files)], pipelines)
    errors = [error for error in compilation.errors if str(error.path) in own]
    rules = [rule for rule in compilation.rules if rule.path in own]
    if language == "kibana":
        errors += kibana(rules, compilation.rules, namespace, len(errors))
    for rule in rules if language in LANGUAGES else ():
        try:
            query = LANGUAGES[language](rule, compilation.rules)
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


def kibana(
    rules: Sequence["CompiledRule"], known: Sequence["CompiledRule"], namespace: str, broken: int
) -> list[UserError]:
    """Prints rules for Kibana's import, and where the others run; those that run nowhere come back.

    `broken`: number of rules that did not compile.
    """
    from innerwatch_cli.kibana.rules import export, ndjson

    exported = export(rules, {rule.id: rule for rule in known}, namespace)
    for line in ndjson(exported.rules):
        print(line)
    for rule, why in exported.engine:
        err.print(
            f"{rule.path}: {why}; `innerwatch detect` runs it, the promotion rule raises its alerts", markup=False
        )
    native = len(exported.rules) - bool(exported.engine)
    serving = sum(not rule.alerts for rule in rules)
    err.print(
        f"for Kibana: {native}, run by `innerwatch detect`: {len(exported.engine)}, "
        f"serving a correlation only: {serving}, refused: {len(exported.refused) + broken}",
        markup=False,
    )
    return exported.refused
