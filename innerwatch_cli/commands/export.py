"""`innerwatch export`: files for Kibana's own import pages."""

import sys
from collections.abc import Iterable
from pathlib import Path

import click

from innerwatch.errors import UserError
from innerwatch_cli import options
from innerwatch_cli.console import err
from innerwatch_cli.paths import RULES

SUFFIX = ".ndjson"


@click.command()
@click.argument("paths", type=options.PATH, nargs=-1, metavar="[PATHS]...")
@click.option("--out", "target", type=options.PATH, required=True, help="The rules' file; its name ends in .ndjson.")
@click.option("--dashboards", is_flag=True, help="Write dashboards and the Timeline template beside it too.")
@options.space
@options.pipelines
@options.namespace
def export(
    paths: tuple[Path, ...],
    target: Path,
    dashboards: bool,
    space: str,
    pipelines: tuple[Path, ...] | None,
    namespace: str,
) -> None:
    """Write Kibana's detection rules to a file, for import by hand: those of PATHS, or Innerwatch's own.

    With --dashboards, FILE.saved_objects.ndjson is for Stack Management → Saved Objects, FILE.timeline_template.ndjson
    for Security → Timelines. The same rules always make the same bytes. `innerwatch push kibana` needs no files.
    """
    from innerwatch_cli.kibana import files, saved_objects
    from innerwatch_cli.kibana.guide import dashboards as links
    from innerwatch_cli.kibana.rules import ndjson

    if target.suffix != SUFFIX:
        raise UserError("Kibana imports no file of that name", f"expected one that ends in {SUFFIX}", path=target)
    found = files.compiled(list(paths) or [RULES], pipelines, namespace, links(space))
    write(target, ndjson(found.rules))
    if dashboards:
        objects = saved_objects.prepared(saved_objects.read(saved_objects.OBJECTS), space)
        write(target.with_suffix(f".saved_objects{SUFFIX}"), ndjson(objects))
        write(target.with_suffix(f".timeline_template{SUFFIX}"), ndjson(saved_objects.read(saved_objects.TIMELINES)))
    if files.tell(found):
        sys.exit(2)


def write(path: Path, lines: Iterable[str]) -> None:
    text = [f"{line}\n" for line in lines]
    try:
        path.write_text("".join(text), encoding="utf-8", newline="\n")
    except OSError as error:
        raise UserError(f"cannot be written: {error.strerror}", path=path) from error
    err.print(f"{len(text)} in {path}", markup=False)
