"""`innerwatch ingest`: raw logs in, enriched documents in Elasticsearch."""

import time
from pathlib import Path

import click

from innerwatch import pipeline
from innerwatch.customers import CustomerObjects
from innerwatch.pseudonyms import Keys
from innerwatch.sources.mapped import Mapping
from innerwatch.values import Counts
from innerwatch_cli import cluster, files, index_templates, options, pseudonymous
from innerwatch_cli.actors import Actors
from innerwatch_cli.console import err, out
from innerwatch_cli.problems import Problems
from innerwatch_cli.progress import bar

PATIENCE = 300.0  # seconds for one file's documents, retries included


@click.command()
@click.argument("paths", type=options.PATH, nargs=-1, required=True, metavar="FILES...")
@options.hr_feeds
@options.case_feeds
@options.mappings
@options.customer_objects
@options.pseudonym_keys
@options.namespace
def ingest(
    paths: tuple[Path, ...],
    feeds: tuple[Path, ...],
    case_feeds: tuple[Path, ...],
    mappings: list[Mapping],
    patterns: CustomerObjects | None,
    keys: Keys | None,
    namespace: str,
) -> None:
    """Index the events of FILES, each stamped with its person and job; a second time adds none.

    FILES are logs as their sources write them, gzip or zstd or plain, or folders of them. They go to the cluster at
    ELASTICSEARCH_URL if that is set, else to the local node, which is started if need be.
    """
    names = files.expand(paths)
    people, cases = options.directory(feeds), options.cases(case_feeds)
    pseudonyms = options.pseudonyms(keys, people)
    es = cluster.connect(start_local=True)
    pseudonymous.check(es, namespace, keys)
    index_templates.install(es)
    total, problems, actors = Counts(), Problems(), Actors()
    with bar("Ingesting", len(names)) as advance:
        for path in names:
            documents = pipeline.enriched(
                pipeline.read(files.chunks(path), files.uri(path), mappings=mappings),
                people,
                namespace,
                patterns,
                cases,
                pseudonyms,
            )
            with cluster.errors(es):
                deadline = time.monotonic() + PATIENCE
                for counts in pipeline.index(
                    actors.seen(documents), es, namespace, problems.keep, deadline=deadline
                ).values():
                    total.add(counts)
            advance(1)
    with cluster.errors(es):  # so that the next command finds the events
        es.indices.refresh(index=f"logs-*-{namespace}", ignore_unavailable=True)
    if total.indexed + total.duplicate or not problems.count:
        out.print(
            f"{total.read} events read: {total.indexed} indexed, {total.duplicate} duplicates, "
            f"{total.set_aside} set aside\n{actors}"
        )
    if not total.read:
        err.print("the files hold no event", style="yellow")
    problems.exit()
