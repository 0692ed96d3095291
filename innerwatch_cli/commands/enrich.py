"""`innerwatch enrich`: raw logs in, enriched documents out as NDJSON, without any server."""

import sys
from pathlib import Path

import click
import msgspec

from innerwatch import pipeline
from innerwatch.values import SetAside
from innerwatch_cli import files, options
from innerwatch_cli.problems import Problems


@click.command()
@click.argument("paths", type=options.PATH, nargs=-1, required=True, metavar="FILES...")
@options.hr_feeds
@options.namespace
def enrich(paths: tuple[Path, ...], feeds: tuple[Path, ...], namespace: str) -> None:
    """Print each event of FILES as the document that would be indexed, one a line.

    FILES are logs as their sources write them, gzip or zstd or plain, or folders of them. What cannot be read is
    named on standard error, and the exit code is then 2.
    """
    people = options.directory(feeds)
    problems = Problems()
    encode, write = msgspec.json.Encoder().encode, sys.stdout.buffer.write
    for path in files.expand(paths):
        for item in pipeline.enriched(pipeline.read(files.chunks(path), str(path)), people, namespace):
            if isinstance(item, SetAside):
                problems.report(item)
            else:
                write(encode(item.document) + b"\n")
    sys.stdout.buffer.flush()
    problems.exit()
