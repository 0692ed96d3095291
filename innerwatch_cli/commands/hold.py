"""`innerwatch hold`: legal holds, under which a person's data is neither erased nor deleted by its lifecycle."""

import getpass
import json
import secrets
import sys
from datetime import date
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.table import Table

from innerwatch import instants
from innerwatch.directory.employment import DAY
from innerwatch.errors import UserError
from innerwatch.pseudonyms import Keys
from innerwatch_cli import cluster, options
from innerwatch_cli.commands.person import known_at_all, opened
from innerwatch_cli.console import err, out
from innerwatch_cli.rights import copies, erasing, retention
from innerwatch_cli.rights.documents import Documents
from innerwatch_cli.rights.holdings import Holdings
from innerwatch_cli.rights.people import Person
from innerwatch_cli.rights.register import Hold, Register, Row


@click.group()
def hold() -> None:
    """Legal holds: what is kept of a person for a legal claim, whatever else would delete it."""


def directory(command: Any) -> Any:
    table = click.option("--table", default="", help="The employee directory's DynamoDB table, in place of --hr.")
    return options.hr_feeds(table(options.pseudonym_keys(options.namespace(command))))


@hold.command()
@click.argument("employee")
@click.option("--reason", required=True, help="Why: the case, the court, the request.")
@click.option("--until", required=True, metavar="DAY", help="When to look at it again; it does not end by itself.")
@click.option("--by", default="", help="Who places it; the account on this computer unless set.")
@directory
def place(
    employee: str,
    reason: str,
    until: str,
    by: str,
    feeds: tuple[Path, ...],
    table: str,
    keys: Keys | None,
    namespace: str,
) -> None:
    """Hold the data of EMPLOYEE, an id as HR has it: refuse erasure, and copy the documents where nothing deletes them.

    Run `innerwatch hold update` daily for as long as it holds: what comes in later is copied then.
    """
    day = _future(until)
    if not reason.strip():
        raise UserError("--reason is empty", "expected why the data is held")
    with opened(employee, feeds, table, "", keys, namespace) as holdings:
        known_at_all(holdings, holdings.find())
        register = holdings.register
        row = register.read(holdings.person.document_id)
        if erasure := row.entry.unfinished:
            raise UserError(
                f"an erasure of this person has begun on {erasure.begun} and was not finished",
                "too late for a hold: finish it with `innerwatch person erase`",
            )
        new = Hold(id=secrets.token_hex(5), reason=reason, until=day, by=by or getpass.getuser(), placed=erasing.now())
        entry = msgspec.structs.replace(row.entry.with_hold(new), employee=holdings.person.document_id)
        row = register.write(row, entry)  # first of all: from now on nothing is erased
        new = brought_up_to_date(holdings, row, new)
    out.print(f"Hold {new.id} on {employee}: {_total(new):,} documents are kept", markup=False)
    out.print(f"Read them with --namespace {new.namespace(namespace)}", markup=False)


@hold.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@directory
def update(ids: tuple[str, ...], feeds: tuple[Path, ...], table: str, keys: Keys | None, namespace: str) -> None:
    """Copy what came since, for the holds ID, or for all. Made to be run daily."""
    es = cluster.connect()
    with cluster.errors(es):
        register = Register(es, namespace)
        chosen = [register.hold(identity)[1].id for identity in ids]
        found = [(row.entry.employee, one.id) for row in register.rows() for one in row.entry.active]
    asked = [(employee, identity) for employee, identity in found if not ids or identity in chosen]
    for employee, identity in asked:
        with opened(employee, feeds, table, "", keys, namespace) as holdings:
            row, one = holdings.register.hold(identity)
            before = _total(one)
            one = brought_up_to_date(holdings, row, one)
        out.print(f"Hold {identity}: {_total(one):,} documents, {_total(one) - before:,} more", markup=False)
    if not asked:
        out.print("No hold is active")


@hold.command("list")
@options.namespace
@click.option("--json", "as_json", is_flag=True, help="Print them for machines.")
def list_(namespace: str, as_json: bool) -> None:
    """All holds, released ones too, and how many documents each keeps."""
    es = cluster.connect()
    with cluster.errors(es):
        holds = [(row, one) for row in Register(es, namespace).rows() for one in row.entry.holds]
        there = {one.id: sum(copies.there(es, namespace, one).values()) for _, one in holds if one.active}
    holds.sort(key=lambda item: item[1].placed)
    if as_json:
        lines = [
            {
                **msgspec.to_builtins(one),
                "employee": row.entry.employee if one.active else "",
                "documents": there.get(one.id, 0),
                "namespace": one.namespace(namespace),
            }
            for row, one in holds
        ]
        json.dump(lines, sys.stdout, indent=2)
        print()
        return
    today = erasing.now()[:10]
    shown = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("hold", "employee", "since", "until", "by", "documents", "reason"):
        shown.add_column(name, no_wrap=name != "reason")
    for row, one in holds:
        until = f"released {one.released[:10]}" if one.released else one.until
        until += " (review is due)" if one.active and one.until < today else ""
        documents = f"{there[one.id]:,}" if one.active else ""
        employee = row.entry.employee if one.active else ""
        shown.add_row(one.id, employee, one.placed[:10], until, one.by, documents, one.reason)
    out.print(shown if holds else "No hold was ever placed")


@hold.command()
@click.argument("identity", metavar="ID")
@click.option("--reason", required=True, help="Why it may end.")
@click.option("--yes", is_flag=True, help="Without asking to type the id again.")
@click.option("--by", default="", help="Who releases it; the account on this computer unless set.")
@options.namespace
def release(identity: str, reason: str, yes: bool, by: str, namespace: str) -> None:
    """End the hold ID: its copies are deleted, and what else there is follows its lifecycle again."""
    es = cluster.connect()
    with cluster.errors(es):
        register = Register(es, namespace)
        row, one = register.hold(identity)
        if not one.active:
            out.print(f"Hold {identity} was released on {one.released}", markup=False)
            return
        if not yes and click.prompt("Its copies are deleted. Type the hold's id to release it", err=True) != identity:
            raise UserError("another id was typed: nothing was released", "expected the same id again")
        documents = sum(copies.there(es, namespace, one).values())
        copies.drop(es, namespace, one)
        ended = msgspec.structs.replace(
            one, released=erasing.now(), released_by=by or getpass.getuser(), released_reason=reason
        )
        entry = row.entry.with_hold(ended)
        employee = entry.employee
        if not entry.active:
            entry = msgspec.structs.replace(entry, employee="")
        register.write(row, entry)
        out.print(f"Hold {identity} is released: {documents:,} copies deleted", markup=False)
        for other in entry.active:
            out.print(f"{employee} is still under hold {other.id}", markup=False)
        if not entry.active:
            for line in what_is_left(Documents(es, namespace), employee):
                out.print(line, markup=False)


def brought_up_to_date(holdings: Holdings, row: Row, one: Hold) -> Hold:
    """Copies, and notes in the register what is kept. What was kept before and is fewer now was tampered with."""
    with err.status("Copying documents …"):
        before = {name: kept.documents for name, kept in one.copies.items()}
        there = copies.there(holdings.documents.es, holdings.documents.namespace, one)
        lost = {name: count for name, count in before.items() if there[name] < count}
        kept = copies.keep(holdings.documents, holdings.person, one)
    changed = msgspec.structs.replace(one, copies=kept, updated=erasing.now())
    holdings.register.write(row, row.entry.with_hold(changed))
    for dataset, count in lost.items():
        err.print(
            f"hold {one.id}: {dataset} held {count:,} copies, and {there[dataset]:,} were there: somebody deleted some",
            style="red",
            markup=False,
        )
    return changed


def what_is_left(documents: Documents, employee: str) -> list[str]:
    """What the lifecycle will delete, and about when."""
    days = retention.days(documents.es)
    lines = []
    for dataset, stream in documents.streams.items():
        own = documents.find(Person(employee, employee))[stream].own
        if own.documents and own.first is not None and own.last is not None:
            first, last = (instants.iso(at)[:10] for at in (own.first, own.last))
            lines.append(
                f"{stream}: {own.documents:,} documents of {first} to {last}; {gone(days.get(dataset), own.last)}"
            )
    return lines or [f"Nothing else of {employee} is in the streams of this namespace"]


def gone(kept: int | None, last: int) -> str:
    if kept is None:
        return "nothing deletes them here: the cluster has no lifecycle for this stream"
    end = instants.iso(last + (kept + retention.rollover_days(kept)) * DAY)[:10]
    return f"all deleted by {end} ({kept} days after their index was rolled over)"


def _total(one: Hold) -> int:
    return sum(kept.documents for kept in one.copies.values())


def _future(text: str) -> str:
    try:
        day = date.fromisoformat(text).isoformat()
    except ValueError:
        raise UserError(f"--until is {text!r}", "expected a day such as 2027-03-31") from None
    if day <= erasing.now()[:10]:
        raise UserError(f"--until is {text!r}, which is not in the future", "expected a later day")
    return day
