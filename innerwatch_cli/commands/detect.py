"""`innerwatch detect`: the rules run over what was indexed since the last run; alerts are written once."""

import time
from collections.abc import Iterator
from pathlib import Path

import click
from elasticsearch import Elasticsearch
from rich.markup import escape

from innerwatch.detection import alerts
from innerwatch.detection.engine import detect as run
from innerwatch.detection.engine import look_back
from innerwatch.detection.hindsight import leaving
from innerwatch.detection.store import Store
from innerwatch.elastic import stream_name
from innerwatch.errors import UserError
from innerwatch.fields import DATASETS
from innerwatch.pseudonyms import Keys
from innerwatch_cli import cluster, index_templates, options
from innerwatch_cli.console import err, out
from innerwatch_cli.paths import RULES
from innerwatch_cli.sigma import compile_rules


@click.command()
@click.option("--rules", "paths", type=options.PATH, multiple=True, help="Rules or folders of them; ours by default.")
@click.option("--employee", default="", help="Look back at what this person did instead: the HR id.")
@click.option("--days", type=click.IntRange(min=1), default=90, show_default=True, help="How far to look back.")
@options.hr_feeds
@options.pipelines
@options.pseudonym_keys
@options.namespace
def detect(
    paths: tuple[Path, ...],
    employee: str,
    days: int,
    feeds: tuple[Path, ...],
    pipelines: tuple[Path, ...] | None,
    keys: Keys | None,
    namespace: str,
) -> None:
    """Run the detection rules and write alerts; a second run adds none.

    With --employee, over the last days of one person, whatever was judged before: for somebody who gave notice. With
    --hr, which says so, rules on leavers then see what the person did before giving notice, too.
    """
    directory = options.directory(feeds)
    people = options.people_in_documents(directory, options.pseudonyms(keys, directory))
    if people is not None and not employee:
        raise UserError("--hr is given without --employee", "expected it for the look-back at one person alone")
    rules = compile_rules(list(paths) or [RULES], pipelines)
    es = cluster.connect()
    index_templates.install(es)
    with err.status("Running the detection rules …") as status, cluster.errors(es):
        if employee:
            now = int(time.time() * 1000)
            fact = people.state(employee, now) if people is not None else None
            if people is not None and fact is None:
                raise UserError(f"no HR feed names employee {employee!r}", "expected an id as HR has it")
            hindsight = leaving(fact) if fact is not None else lambda _time: {}
            found = look_back(es, rules, employee, days=days, hindsight=hindsight, namespace=namespace, now=now)
        else:
            found = run(es, rules, namespace=namespace, progress=lambda now: status.update(f"{escape(now)} …"))
        empty = not any(newest(es, namespace))
    out.print(str(found), markup=False)
    if empty:
        err.print(f"there are no events in the namespace {namespace!r} yet", style="yellow", markup=False)


def newest(es: Elasticsearch, namespace: str) -> Iterator[int | None]:
    """When the last event of each dataset that has any happened."""
    store = Store(es, namespace)
    return (store.latest(stream_name(name, namespace), "@timestamp") for name in DATASETS if name != alerts.DATASET)
