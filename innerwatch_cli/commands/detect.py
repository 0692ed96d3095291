"""`innerwatch detect`: the rules run over what was indexed since the last run; alerts are written once."""

from collections.abc import Iterator
from pathlib import Path

import click
from elasticsearch import Elasticsearch

from innerwatch.detection import alerts
from innerwatch.detection.engine import detect as run
from innerwatch.detection.store import Store
from innerwatch.elastic import stream_name
from innerwatch.fields import DATASETS
from innerwatch_cli import cluster, index_templates, options
from innerwatch_cli.console import err, out
from innerwatch_cli.paths import RULES
from innerwatch_cli.sigma import compile_rules


@click.command()
@click.option("--rules", "paths", type=options.PATH, multiple=True, help="Rules or folders of them; ours by default.")
@options.pipelines
@options.namespace
def detect(paths: tuple[Path, ...], pipelines: tuple[Path, ...] | None, namespace: str) -> None:
    """Run the detection rules and write alerts; a second run adds none."""
    rules = compile_rules(list(paths) or [RULES], pipelines)
    es = cluster.connect()
    index_templates.install(es)
    with err.status("Running the detection rules …"), cluster.errors(es):
        found = run(es, rules, namespace=namespace)
        empty = not any(newest(es, namespace))
    out.print(str(found), markup=False)
    if empty:
        err.print(f"there are no events in the namespace {namespace!r} yet", style="yellow", markup=False)


def newest(es: Elasticsearch, namespace: str) -> Iterator[int | None]:
    """When the last event of each dataset that has any happened."""
    store = Store(es, namespace)
    return (store.latest(stream_name(name, namespace), "@timestamp") for name in DATASETS if name != alerts.DATASET)
