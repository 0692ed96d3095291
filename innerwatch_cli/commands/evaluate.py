"""`innerwatch evaluate`: how well detection does where the insiders are known."""

import json
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape
from rich.table import Table

from innerwatch_cli import options
from innerwatch_cli.console import err, out
from innerwatch_cli.progress import bar

if TYPE_CHECKING:
    from innerwatch.detection.rules import CompiledRule
    from innerwatch_cli.evaluate.chain import Result

FOREST = "isolation forest"


@click.command()
@click.argument("folders", type=options.PATH, nargs=-1, required=True, metavar="DIR...")
@click.option("--rules", "paths", type=options.PATH, multiple=True, help="Rules or folders of them; ours by default.")
@options.pipelines
@click.option("--processes", type=click.IntRange(1, 64), help="Companies at a time; one for each core unless given.")
@click.option("--json", "as_json", is_flag=True, help="Print the same for machines; docs/evaluation.md has the keys.")
def evaluate(
    folders: tuple[Path, ...],
    paths: tuple[Path, ...],
    pipelines: tuple[Path, ...] | None,
    processes: int | None,
    as_json: bool,
) -> None:
    """Measure detection on logs whose insiders are known.

    Each DIR is a company as `innerwatch simulate` writes it, or any log set with an evaluation.yml. Its raw logs go
    through parsing, identity, HR, justification, rules, behaviour and risk in memory, and the people flagged are
    compared with the answers, and with what naive baselines find in the same logs.
    """
    from innerwatch_cli.evaluate.baselines import BASELINES
    from innerwatch_cli.evaluate.measures import summary
    from innerwatch_cli.paths import RULES
    from innerwatch_cli.sigma import compile_rules

    rules = compile_rules(list(paths) or [RULES], pipelines)
    compared = [name for name in BASELINES if name != FOREST or find_spec("sklearn")]
    if FOREST not in compared:
        err.print("the isolation forest is left out: scikit-learn is not installed", style="yellow")
    began = time.monotonic()
    results = walked(folders, rules, compared, processes or os.cpu_count() or 1)
    figures = summary(results, compared)
    took = time.monotonic() - began
    if as_json:
        json.dump(figures, sys.stdout, indent=2)
        print()
        return
    show(figures)
    err.print(f"{figures['events']:,} events in {took:,.0f} s, {figures['events'] / took:,.0f} a second")


def walked(
    folders: Sequence[Path], rules: Sequence["CompiledRule"], compared: Sequence[str], processes: int
) -> list["Result"]:
    """The results in the order of the folders; several companies at a time."""
    from innerwatch_cli.evaluate.chain import walk

    one = partial(walk, rules=rules, compared=compared)
    with bar("Evaluating", len(folders)) as advance:
        results: list[Result] = []
        if len(folders) == 1 or processes == 1:
            for folder in folders:
                results.append(one(folder))
                advance(1)
            return results
        with ProcessPoolExecutor(min(processes, len(folders))) as pool:
            for result in pool.map(one, folders):
                results.append(result)
                advance(1)
    return results


def show(figures: dict[str, Any]) -> None:
    table = Table("", "Innerwatch", *figures["baselines"], title="Detection", title_justify="left", title_style="bold")
    columns = [figures, *figures["baselines"].values()]
    for label, key in (
        ("insiders found", "found"),
        ("of planted", "planted"),
        ("recall", "recall"),
        ("precision (people)", "precision"),
        ("wrongly flagged people", "wrongly_flagged_people"),
        ("… per 10,000 person-days", "wrongly_flagged_per_10000_person_days"),
        ("median days to detection", "median_days_to_detection"),
        ("… missed ones as never", "median_days_missed_as_never"),
        ("flags an analyst gets a day", "flagging_alerts_per_day"),
    ):
        table.add_row(label, *(cell(column[key]) for column in columns))
    out.print(table, "")
    kinds = Table("kind of insider", "found", "median days", title="By kind", title_justify="left", title_style="bold")
    for name in figures["baselines"]:
        kinds.add_column(name)
    for kind, found in figures["by_kind"].items():
        others = (base["by_kind"][kind]["found"] for base in figures["baselines"].values())
        kinds.add_row(
            escape(kind.replace("_", " ")),
            f"{found['found']}/{found['planted']}",
            cell(found["median_days_to_detection"]),
            *map(str, others),
        )
    out.print(kinds, "")
    rules = Table("rule", "flags", "alerts a day", "insiders", "wrongly", title="By rule", title_justify="left")
    for rule in figures["by_rule"]:
        rules.add_row(
            escape(rule["rule"]),
            "yes" if rule["flags"] else "",
            f"{rule['alerts_per_day']:.2f}",
            str(rule["insiders_flagged"]) if rule["flags"] else "",
            str(rule["wrongly_flagged_people"]) if rule["flags"] else "",
        )
    out.print(rules, "")
    for missed in figures["missed"]:
        kind = missed["kind"].replace("_", " ")
        out.print("[red]missed[/]", escape(f"{missed['company']}: {kind}: {missed['story']}"))
    for wrong in figures["wrong"]:
        alike = f" (a look-alike: {wrong['look_alike']})" if wrong["look_alike"] else ""
        who = f"{wrong['company']}: {wrong['name'] or wrong['employee_id']}{alike}"
        out.print("[yellow]wrong[/] ", escape(f"{who}: {'; '.join(wrong['rules'])}"))


def cell(value: Any) -> str:
    return "–" if value is None else f"{value:.2f}" if isinstance(value, float) else f"{value:,}"
