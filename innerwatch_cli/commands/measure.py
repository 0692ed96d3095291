"""`innerwatch measure`: each person's day against that person's own days and the peers', as behaviour documents."""

from datetime import date
from pathlib import Path

import click

from innerwatch.behaviour.collect import day_number
from innerwatch.behaviour.measuring import measure as run
from innerwatch.errors import UserError
from innerwatch.pseudonyms import Keys
from innerwatch_cli import cluster, index_templates, options, pseudonymous
from innerwatch_cli.console import err, out


@click.command()
@click.option("--from", "first", default="", metavar="DAY", help="First day to measure: 2026-03-01.")
@click.option("--to", "last", default="", metavar="DAY", help="Last day to measure; the same as --from, if left out.")
@options.hr_feeds
@options.pseudonym_keys
@options.namespace
def measure(first: str, last: str, feeds: tuple[Path, ...], keys: Keys | None, namespace: str) -> None:
    """Measure people's days and write behaviour documents.

    Without --from, the days that gained events since the last run. Days are the persons' own; their time zones come
    from the HR feed, without which days are UTC's. A second run changes nothing.
    """
    dates = days(first, last)
    directory = options.directory(feeds)
    people = options.people_in_documents(directory, options.pseudonyms(keys, directory))
    es = cluster.connect()
    if directory:  # else days are UTC's, whoever it is
        pseudonymous.check(es, namespace, keys)
    index_templates.install(es)
    with err.status("Measuring …") as status, cluster.errors(es):
        report = run(
            es,
            people,
            namespace,
            dates=dates,
            tell=lambda done, total: status.update(f"Measuring … {done} of {total} days"),
        )
    out.print(str(report), markup=False)
    if not report.events:
        err.print(f"no event of a person was found in the namespace {namespace!r}", style="yellow", markup=False)


def days(first: str, last: str) -> list[int] | None:
    if not first:
        if last:
            raise UserError("--to is given without --from", "expected both, or neither")
        return None
    begin, end = _day(first, "--from"), _day(last or first, "--to")
    if end < begin:
        raise UserError(f"--to is {last!r}, which is before --from", "expected the same day or a later one")
    return list(range(begin, end + 1))


def _day(text: str, option: str) -> int:
    try:
        return day_number(date.fromisoformat(text).isoformat())
    except ValueError:
        raise UserError(f"{option} is {text!r}", "expected a day such as 2026-03-01") from None
