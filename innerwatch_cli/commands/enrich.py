"""`innerwatch enrich`: raw logs in, enriched documents out as NDJSON, without any server."""

import sys
from pathlib import Path

import click
import msgspec

from innerwatch import pipeline
from innerwatch.customers import CustomerObjects
from innerwatch.pseudonyms import Keys
from innerwatch.sources.mapped import Mapping
from innerwatch.values import SetAside
from innerwatch_cli import files, options
from innerwatch_cli.actors import Actors
from innerwatch_cli.console import err
from innerwatch_cli.problems import Problems


@click.command()
@click.argument("paths", type=options.PATH, nargs=-1, required=True, metavar="FILES...")
@options.hr_feeds
@options.case_feeds
@options.mappings
@options.customer_objects
@options.pseudonym_keys
@options.namespace
def enrich(
    paths: tuple[Path, ...],
    feeds: tuple[Path, ...],
    case_feeds: tuple[Path, ...],
    mappings: list[Mapping],
    patterns: CustomerObjects | None,
    keys: Keys | None,
    namespace: str,
) -> None:
    """Print each event of FILES as the document that would be indexed, one a line.

    FILES are logs as their sources write them, gzip or zstd or plain, or folders of them. What cannot be read is
    named on standard error, and the exit code is then 2.
    """
    people, cases = options.directory(feeds), options.cases(case_feeds)
    pseudonyms = options.pseudonyms(keys, people)
    problems, actors = Problems(), Actors()
    encode, write = msgspec.json.Encoder().encode, sys.stdout.buffer.write
    for path in files.expand(paths):
        events = pipeline.read(files.chunks(path), files.uri(path), mappings=mappings)
        for item in pipeline.enriched(events, people, namespace, patterns, cases, pseudonyms):
            if isinstance(item, SetAside):
                problems.report(item)
            else:
                actors.add(item.document)
                write(encode(item.document) + b"\n")
    sys.stdout.buffer.flush()
    if actors.events or not problems.count:
        err.print(f"{actors.events} events, {problems.count} set aside; {actors}", markup=False)
    problems.exit()
