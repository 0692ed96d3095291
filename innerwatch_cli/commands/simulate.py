"""`innerwatch simulate`: the logs of a fictional company, and the answers."""

import time
from datetime import date
from pathlib import Path

import click

from innerwatch.errors import UserError
from innerwatch_cli import options
from innerwatch_cli.console import out as console
from innerwatch_cli.simulate import START
from innerwatch_cli.simulate import simulate as run


@click.command()
@click.option("--seed", default=1, show_default=True, help="Another seed is another company.")
@click.option("--people", default=60, show_default=True, help="How many work there: 20 to 5000.")
@click.option("--days", default=30, show_default=True, help="How long: 14 to 365.")
@click.option("--start", default=START.isoformat(), show_default=True, metavar="DATE", help="The first day.")
@click.option("--out", type=options.PATH, required=True, metavar="DIR", help="Folder to write into.")
@click.option("--force", is_flag=True, help="Replace an earlier company in a folder that is not empty.")
def simulate(seed: int, people: int, days: int, start: str, out: Path, force: bool) -> None:
    """Write the HR feed, support cases and logs of a fictional company, with insiders among its people.

    DIR gets hr/, cases/, cloudtrail/ and app/ as a company's systems would write them, and truth.json: which people are
    insiders, by which events, and which only look like it. The same options always give the same bytes.
    """
    try:
        first = date.fromisoformat(start)
    except ValueError as error:
        raise UserError(f"--start is {start!r}", "expected a day such as 2026-03-02") from error
    began = time.monotonic()
    summary = run(seed, people, days, out, first, force=force)
    events = sum(summary.events.values())
    took = time.monotonic() - began
    console.print(
        f"{people} people, {days} days: {events:,} events in {summary.files:,} files ({summary.bytes / 1e6:.1f} MB), "
        f"{summary.insiders} insiders; {took:.1f} s, {events / took:,.0f} events/s"
    )
