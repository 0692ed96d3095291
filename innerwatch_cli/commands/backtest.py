"""`innerwatch backtest`: what a rule would have raised on the events in the cluster."""

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.table import Table

from innerwatch import instants
from innerwatch.errors import UserError
from innerwatch_cli import cluster, options
from innerwatch_cli.console import err, out

if TYPE_CHECKING:
    from innerwatch.detection.rules import CompiledRule
    from innerwatch_cli.authoring.backtest import Backtest, Filter

SHOWN = 15  # rows of a table
BAR = 40  # characters of the longest bar


@click.command()
@click.argument("path", type=options.PATH, metavar="RULE")
@click.option("--days", type=click.IntRange(1, 3650), default=30, show_default=True, help="How far back from now.")
@options.pipelines
@options.namespace
@click.option("--json", "as_json", is_flag=True, help="Print the same for machines.")
def backtest(path: Path, days: int, pipelines: tuple[Path, ...] | None, namespace: str, as_json: bool) -> None:
    """Run RULE over the last days of the data in the cluster: alerts per day, person and role.

    Also shows the values that are behind most alerts, and suggests a filter. It only reads: no alert is written.
    """
    from innerwatch.detection.store import Store
    from innerwatch_cli.authoring import backtest as backtesting

    rules, known = load(path, pipelines)
    es = cluster.connect()
    end = datetime.now(UTC)
    span = instants.of(end - timedelta(days=days)), instants.of(end)
    results: list[tuple[CompiledRule, Backtest]] = []
    with err.status("Reading events …") as status, cluster.errors(es):
        for rule in rules:
            found = backtesting.backtest(
                Store(es, namespace), rule, known, *span, lambda count: status.update(f"{count:,} matches …")
            )
            results.append((rule, found))
    if as_json:
        json.dump(
            [{"rule": rule.title, "id": rule.id, **asdict(found)} for rule, found in results], sys.stdout, indent=2
        )
        print()
        return
    for rule, found in results:
        show(rule, known, found, days)


def load(path: Path, pipelines: tuple[Path, ...] | None) -> tuple[list["CompiledRule"], dict[str, "CompiledRule"]]:
    """The rules of a file that alert, and all that they refer to. Raises UserError."""
    from innerwatch.detection import windows
    from innerwatch.fields import DATASETS
    from innerwatch_cli.authoring.references import referred
    from innerwatch_cli.sigma import compile_rules, loading

    files = loading.files([path])
    if len(files) > 1:
        raise UserError("this is a folder of rules", "expected one rule's file", path=path)
    known = {rule.id: rule for rule in compile_rules([*files, *referred(files)], pipelines)}
    own = [rule for rule in known.values() if rule.path == str(files[0])]
    rules = [rule for rule in own if rule.alerts] or own
    for rule in rules:
        if any(known[base].dataset not in DATASETS for base in windows.bases(rule, known)):
            raise UserError(
                f"Innerwatch has no log source for {rule.title!r}", "expected a rule on one of ours", path=path
            )
    return rules, known


def show(rule: "CompiledRule", known: dict[str, "CompiledRule"], found: "Backtest", days: int) -> None:
    out.print(f"[bold]{rule.title}[/]  ({rule.level}), the last {days} days")
    out.print(
        f"{found.events:,} events, {found.matches:,} matches, [bold]{found.alerts:,} alerts[/]"
        + (" [yellow](only the first matches were taken)[/]" if found.cut else "")
    )
    if not found.events:
        latest = f"the latest is of {found.latest[:10]}: try more --days" if found.latest else "is --namespace right?"
        out.print(f"no event in this time; {latest}", style="yellow")
    if not found.alerts:
        return
    table("day", found.by_day, whole=True)
    table("person", found.by_person)
    table("role", found.by_role)
    noisy = Table("field", "value", "alerts", title="What most alerts have", title_justify="left", box=None)
    for item in found.noise[:SHOWN]:
        noisy.add_row(item.field, item.value[:80], f"{item.alerts:,} ({item.alerts / found.alerts:.0%})")
    out.print(noisy, "")
    if found.filter is None:
        out.print("No single value stands out enough for a filter.")
    else:
        suggest(rule, known, found, found.filter)


def table(name: str, counts: dict[str, int], *, whole: bool = False) -> None:
    most = max(counts.values())
    made = Table(f"{name}", "alerts", "", title=f"Alerts per {name}", title_justify="left", box=None)
    rows = list(counts.items())
    for label, count in rows if whole else rows[:SHOWN]:
        made.add_row(label, f"{count:,}", "█" * max(1, round(BAR * count / most)))
    if not whole and len(rows) > SHOWN:
        made.add_row(f"… and {len(rows) - SHOWN} more", "", "")
    out.print(made, "")


def suggest(rule: "CompiledRule", known: dict[str, "CompiledRule"], found: "Backtest", best: "Filter") -> None:
    import yaml

    from innerwatch.detection import windows

    base = known[windows.bases(rule, known)[0]]
    snippet = {"detection": {FILTER: {best.field: best.value}, "condition": filtered(base)}}
    where = "" if rule.correlation is None else f" of {base.title!r}"
    out.print(f"A filter{where} that would leave [bold]{best.alerts:,} of {found.alerts:,} alerts[/]:\n")
    for line in yaml.safe_dump(snippet, allow_unicode=True, width=1000, sort_keys=False).splitlines():
        out.print(f"    {line}", style="cyan", markup=False)
    hidden = f"{best.people} people would then have no alert at all" if best.people != 1 else "1 person would have none"
    out.print(f"\n{hidden}. Look at what it hides before you add it.", style="yellow" if best.people else "")


FILTER = "filter_main_noise"


def filtered(base: "CompiledRule") -> str:
    """The rule's own condition, with the filter in it."""
    from innerwatch_cli.authoring.references import documents

    found = (item.data for item in documents([Path(base.path)]) if item.data.get("title") == base.title)
    condition = next(found, {}).get("detection", {}).get("condition", "selection")
    if isinstance(condition, list):
        condition = " or ".join(f"({one})" for one in condition)
    return condition if "1 of filter_main_*" in condition else f"({condition}) and not {FILTER}"
