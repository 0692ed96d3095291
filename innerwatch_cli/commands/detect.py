"""`innerwatch detect`: the rules run over what was indexed since the last run; alerts are written once."""

from pathlib import Path

import click

from innerwatch.detection.engine import detect as run
from innerwatch_cli import cluster, index_templates, options
from innerwatch_cli.console import err, out
from innerwatch_cli.paths import RULES
from innerwatch_cli.sigma import compile_rules


@click.command()
@click.option("--rules", "paths", type=options.PATH, multiple=True, help="Rules or folders of them; ours by default.")
@options.namespace
def detect(paths: tuple[Path, ...], namespace: str) -> None:
    """Run the detection rules and write alerts; a second run adds none."""
    rules = compile_rules(list(paths) or [RULES])
    es = cluster.connect()
    index_templates.install(es)
    with err.status("Running the detection rules …"), cluster.errors(es):
        found = run(es, rules, namespace=namespace)
    out.print(str(found), markup=False)
