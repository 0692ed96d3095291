"""`innerwatch test`: each rule's cases, through the real chain."""

import json
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from innerwatch.errors import UserError
from innerwatch_cli import cluster, options
from innerwatch_cli.console import err, out
from innerwatch_cli.paths import RULES

if TYPE_CHECKING:
    from innerwatch_cli.authoring.running import Outcome, Suite

POLL = 0.3  # seconds between two looks at the files
CASES_FAILED, USER_ERROR = 1, 2


@click.command()
@click.argument("paths", type=options.PATH, nargs=-1, metavar="[PATHS]...")
@click.option("--watch", is_flag=True, help="Run again whenever a rule or its cases change, until Ctrl-C.")
@options.pipelines
@click.option("--json", "as_json", is_flag=True, help="Print the same for machines.")
def test(paths: tuple[Path, ...], watch: bool, pipelines: tuple[Path, ...] | None, as_json: bool) -> None:
    """Run the cases of rules: files or folders of them; those that come with Innerwatch by default.

    A case's raw logs go through the real chain: parser, identity, HR, Elasticsearch, compiled query. For a case that
    fails it says which selection failed on which field of which event. Uses the cluster at ELASTICSEARCH_URL or else
    the local node, which is started if need be, and leaves nothing in it. Exit code 1: cases failed; 2: a rule or its
    cases cannot be read.
    """
    chosen = list(paths) or [RULES]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that what was made is removed
    seen = stamps(chosen)
    code = run(chosen, pipelines, as_json=as_json)
    if not watch:
        sys.exit(code)
    for changed in changes(chosen, seen):
        out.rule(f"{time.strftime('%H:%M:%S')}  {', '.join(path.name for path in changed)}")
        run(affected(chosen, changed), pipelines, as_json=as_json)


def run(paths: Sequence[Path], pipelines: Sequence[Path] | None, *, as_json: bool) -> int:
    """Runs and prints; gives the exit code. A file that cannot be read does not keep the others from running."""
    from innerwatch_cli.authoring import suites

    started = time.monotonic()
    try:
        loaded = suites.load(paths, pipelines)
        results = results_of(loaded.suites)
    except UserError as error:
        err.print(str(error), style="red", markup=False)
        return USER_ERROR
    if as_json:
        print(json.dumps([summary(suite, outcomes) for suite, outcomes in results], indent=2))
    else:
        for suite, outcomes in results:
            show(suite, outcomes)
    for problem in loaded.errors:
        err.print(str(problem), style="red", markup=False)
    passed = [outcome.passed for _, outcomes in results for outcome in outcomes]
    if not as_json:
        style = "green" if all(passed) and not loaded.errors else "red"
        seconds = time.monotonic() - started
        out.print(f"{len(results)} rules, {sum(passed)} of {len(passed)} cases passed, {seconds:.1f} s", style=style)
    return USER_ERROR if loaded.errors else 0 if all(passed) else CASES_FAILED


def results_of(suites: Sequence["Suite"]) -> list[tuple["Suite", list["Outcome"]]]:
    from innerwatch_cli.authoring import running

    if not suites:
        return []
    es = cluster.connect(start_local=True)
    with cluster.errors(es):
        return list(zip(suites, running.run(es, suites), strict=True))


def show(suite: "Suite", outcomes: Sequence["Outcome"]) -> None:
    """One line a rule, and below it what is wrong with each case that failed."""
    failed = [outcome for outcome in outcomes if not outcome.passed]
    style, sign = ("red", "✗") if failed else ("green", "✓")
    passed = len(outcomes) - len(failed)
    out.print(f"[{style}]{sign}[/] {suite.rules[0].path}  [dim]{passed} of {len(outcomes)} cases[/]")
    for outcome in failed:
        if outcome.case.match and outcome.matched:
            plural = "" if outcome.case.alerts == 1 else "s"
            wanted = f"must raise {outcome.case.alerts} alert{plural} and raises {len(outcome.bursts)}"
        else:
            wanted = "must match and does not" if outcome.case.match else "must not match and does"
        out.print(f"  {suite.cases.path}:{suite.cases.line(outcome.case) or 1}: ", end="", markup=False)
        out.print(outcome.case.name, style="bold", markup=False, end="")
        out.print(f" {wanted}", style="red")
        for line, style in findings(suite, outcome):
            out.print(f"    {line}", style=style, markup=False)


def findings(suite: "Suite", outcome: "Outcome") -> Iterator[tuple[str, str]]:
    """Lines and their style: an event, and below it the selections with what they expected and found."""
    from innerwatch_cli.authoring.explain import why

    last: Any = None
    several = len(suite.bases()) > 1
    for reason in why(suite, outcome):
        if reason.note:
            about = f"event {reason.event}: " if reason.event else f"{reason.rule}: " if reason.rule else ""
            yield f"{about}{reason.note}", "yellow"
            continue
        if (reason.event, reason.rule) != last:
            yield f"event {reason.event}" + (f", {reason.rule}" if several else ""), "cyan"
            last = (reason.event, reason.rule)
        if outcome.case.match or not reason.matched:
            hold = "" if outcome.case.match else " did not hold it off"
            yield f"  {reason.selection}{hold}: {reason.field}: expected {reason.expected}, found {reason.found}", ""
        else:
            yield f"  {reason.selection} matched: {reason.field}: found {reason.found}", ""


def summary(suite: "Suite", outcomes: Sequence["Outcome"]) -> dict[str, Any]:
    from innerwatch_cli.authoring.explain import why

    return {
        "rules": [{"id": rule.id, "title": rule.title} for rule in suite.rules],
        "path": suite.rules[0].path,
        "passed": all(outcome.passed for outcome in outcomes),
        "cases": [
            {
                "name": outcome.case.name,
                "line": suite.cases.line(outcome.case),
                "match": outcome.case.match,
                "matched": outcome.matched,
                "alerts": len(outcome.bursts),
                "passed": outcome.passed,
                "why": [] if outcome.passed else [reason._asdict() for reason in why(suite, outcome)],
            }
            for outcome in outcomes
        ],
    }


def changes(paths: Sequence[Path], before: dict[Path, tuple[int, ...]]) -> Iterator[list[Path]]:
    """Rule files that changed, or whose cases did, each time that any does. `before`: their stamps so far."""
    while True:
        time.sleep(POLL)
        now = stamps(paths)
        changed = [path for path, stamp in now.items() if before.get(path) != stamp]
        before = now
        if changed:
            yield changed


def affected(paths: Sequence[Path], changed: list[Path]) -> list[Path]:
    from innerwatch_cli.authoring.references import leaning_on
    from innerwatch_cli.sigma import loading

    return leaning_on(changed, loading.files(paths))


def stamps(paths: Sequence[Path]) -> dict[Path, tuple[int, ...]]:
    """Rule file → when it and its cases were written last."""
    from innerwatch_cli.authoring import cases
    from innerwatch_cli.sigma import loading

    try:
        files = loading.files(paths)
    except UserError:
        return {}  # between an editor's two steps a file may be away
    return {path: tuple(_written(one) for one in (path, cases.path_for(path))) for path in files}


def _written(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
