"""`innerwatch check`: everything that is wrong with rules and their cases, in one go."""

import sys
from pathlib import Path

import click

from innerwatch_cli import options
from innerwatch_cli.console import err, out
from innerwatch_cli.paths import RULES


@click.command()
@click.argument("paths", type=options.PATH, nargs=-1, metavar="[PATHS]...")
@click.option("--no-cases", is_flag=True, help="Don't ask for cases: for rules that were written elsewhere.")
@options.pipelines
def check(paths: tuple[Path, ...], no_cases: bool, pipelines: tuple[Path, ...] | None) -> None:
    """Check rules: files or folders of them; those that come with Innerwatch by default.

    Looks at the YAML, every key, the log source, fields ("did you mean"), modifiers, conditions, correlations, ATT&CK
    tags, ids and titles used twice, whether the rule compiles, what pySigma's validators say, and the cases file.
    Prints one line a problem, `path:line:column: what is wrong; what was expected`, and exits with 2 if there is any.
    """
    from innerwatch_cli.authoring.check import check as find_problems  # pySigma takes a while; --help need not wait

    files, problems = find_problems(list(paths) or [RULES], with_cases=not no_cases, pipelines=pipelines)
    for problem in problems:
        err.print(str(problem), style="red", markup=False)
    if problems:
        err.print(f"{len(problems)} problems in {files} files", style="bold red")
        sys.exit(2)
    out.print(f"{files} files, no problem", style="green")
