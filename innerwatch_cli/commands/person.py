"""`innerwatch person`: what is stored of somebody, for them to have, and its erasure."""

import getpass
import json
import platform
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import click
from botocore.exceptions import BotoCoreError, ClientError
from rich import table as rich_table

from innerwatch import instants
from innerwatch.directory import DynamoStore
from innerwatch.errors import UserError
from innerwatch.justification import DynamoCases
from innerwatch.pseudonyms import Keys
from innerwatch.pseudonyms.keys import is_pseudonym
from innerwatch_cli import cluster, options, pseudonymous
from innerwatch_cli.console import err, out
from innerwatch_cli.progress import bar
from innerwatch_cli.rights import erasing, exporting, tables
from innerwatch_cli.rights.checkpoints import Checkpoints
from innerwatch_cli.rights.documents import Documents, own
from innerwatch_cli.rights.holdings import Finding, Holdings
from innerwatch_cli.rights.people import Person
from innerwatch_cli.rights.people import person as known
from innerwatch_cli.rights.register import Register, Row
from innerwatch_cli.rights.tables import PersonTable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table


@click.group()
def person() -> None:
    """Find, export or erase what is stored of a person."""


def sources(command: Callable[..., Any]) -> Callable[..., Any]:
    """The arguments that say of whom, and where to look."""
    for option in (
        click.argument("employee"),
        options.hr_feeds,
        click.option("--table", default="", help="The employee directory's DynamoDB table."),
        click.option("--cases-table", default="", help="The case directory's DynamoDB table."),
        options.pseudonym_keys,
        options.namespace,
    ):
        command = option(command)
    return command


@person.command()
@sources
@click.option("--json", "as_json", is_flag=True, help="Print it for machines.")
def find(as_json: bool, **asked: Any) -> None:
    """Count what is stored of EMPLOYEE, an id as HR has it.

    With --table or --hr also what accounts of theirs did while nobody knew whose they are. Changes nothing.
    """
    with opened(**asked) as holdings:
        finding = holdings.find()
        known_at_all(holdings, finding)
    if as_json:
        json.dump({"employee": holdings.person.id, **finding.as_json()}, sys.stdout, indent=2)
        print()
    else:
        show(holdings, finding)


@person.command()
@sources
@click.option("--out", "folder", type=options.PATH, required=True, help="A new folder.")
@click.option("--by", default="", help="Who exports it; the account on this computer unless set.")
def export(folder: Path, by: str, **asked: Any) -> None:
    """Write all that is stored of EMPLOYEE to a folder: NDJSON files, and a manifest with counts and SHA-256.

    Documents of other people that mention EMPLOYEE are counted in the manifest and left out: they are the others'.
    """
    with opened(**asked) as holdings:
        finding = holdings.find()
        known_at_all(holdings, finding)
        target = exporting.Folder(folder)
        query = own(holdings.person)
        for dataset, stream in holdings.documents.streams.items():
            pages = holdings.own_documents(stream)
            target.write(f"{dataset}.ndjson", exporting.lines(stream, pages), {"index": stream, "query": query})
        for hold in holdings.register.read(holdings.person.document_id).entry.active:
            for dataset, index in hold.indices(holdings.documents.namespace).items():
                pages = holdings.documents.pages(index, query)
                lines = exporting.lines(index, pages)
                target.write(f"hold-{hold.id}-{dataset}.ndjson", lines, {"index": index, "query": query})
        for table in holdings.tables:
            target.write(f"{table.name}.ndjson", table.export(), f"items of the table about {holdings.person.id}")
        target.finish(
            {
                "employee": holdings.person.id,
                "namespace": holdings.documents.namespace,
                "made": {"by": by or getpass.getuser(), "on": platform.node(), "at": erasing.now()},
                "found": finding.as_json(),
            }
        )
    records = sum(file["records"] for file in target.files.values())
    out.print(f"{records:,} records of {holdings.person.id} in {folder}", markup=False)


@person.command()
@sources
@click.option("--dry-run", is_flag=True, help="Say what would be erased, and erase nothing.")
@click.option("--yes", is_flag=True, help="Without asking to type the id again.")
@click.option("--texts", is_flag=True, help="Read every document, also for names inside texts. Needs --table or --hr.")
@click.option("--certificate", type=options.PATH, help="Where to write the certificate.  [default: erasure-HASH.json]")
@click.option("--by", default="", help="Who erases; the account on this computer unless set.")
def erase(dry_run: bool, yes: bool, texts: bool, certificate: Path | None, by: str, **asked: Any) -> None:
    """Erase EMPLOYEE: delete their documents, take them out of others', out of the directory and cases.

    Refused under a legal hold. May be stopped at any moment and run again. Ends with a look at whether anything is
    left, and a certificate that holds a hash in place of the id. Raw logs and backups are yours: docs/privacy.md.
    """
    if texts and not (asked["table"] or asked["feeds"]):
        raise UserError("--texts is given without the names to look for", "expected --table or --hr")
    with opened(**asked) as holdings:
        row = holdings.register.read(holdings.person.document_id)
        erasing.refuse_held(row)
        finding = holdings.find()
        if not (finding.left or texts) and row.entry.unfinished is None and row.entry.erasures:
            erased_before(holdings, row, dry_run)
            return
        if row.entry.unfinished is None and not row.entry.erasures:
            known_at_all(holdings, finding)
        show(holdings, finding)
        if missing := [f"--{name}" for name in ("table", "cases-table") if not asked[name.replace("-", "_")]]:
            err.print(f"{' and '.join(missing)} not given: nothing is erased there", style="yellow")
        if dry_run:
            out.print("Nothing was erased: --dry-run")
            return
        confirm(holdings.person, yes)
        who = by or getpass.getuser()
        row, resumed = erasing.begin(holdings, finding, who)
        target = certificate or Path(f"erasure-{row.key[:12]}.json")
        with bar("Erasing", finding.left) as step:
            done, indices = erasing.run(holdings, texts=texts, done=step)
        purged = dropped(lambda: erasing.purge(holdings, indices, resumed))
        write(target, erasing.finish(holdings, row, done, purged, who, texts=texts))
    deleted, redacted, items = (
        sum(count.get(name, 0) for count in done.values()) for name in ("deleted", "redacted", "items")
    )
    out.print(
        f"{deleted:,} documents deleted, {redacted:,} of others rid of the mention, {items:,} items of tables; "
        "nothing is found any more"
    )
    tell_disk(purged)
    out.print(f"Certificate: {target}", markup=False)
    out.print("Raw log objects, HR feeds and backups are not erased: the certificate says what to do there")


def erased_before(holdings: Holdings, row: Row, dry_run: bool) -> None:
    erasure = row.entry.erasures[-1]
    out.print(f"Erased on {erasure.finished}; nothing of {holdings.person.id} is found", markup=False)
    if erasure.on_disk and not dry_run:
        tell_disk(dropped(lambda: erasing.purge_again(holdings, row)))


def dropped(purge: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    with err.status("Waiting for Elasticsearch to drop what was deleted …"):
        return purge()


# --- where to look


@contextmanager
def opened(
    employee: str, feeds: tuple[Path, ...], table: str, cases_table: str, keys: Keys | None, namespace: str
) -> Iterator[Holdings]:
    """Everything that is asked, with what can be wrong there told in one line.

    `employee` is an id as HR has it, or a pseudonym as documents have it, which needs the key to be looked up in the
    directory.
    """
    if not employee.strip():
        raise UserError("the employee's id is empty", "expected an id as HR has it")
    es = cluster.connect()
    with cluster.errors(es), aws_errors():
        people = options.directory_of(feeds, table) if feeds or table else None
        if people or not is_pseudonym(employee):
            pseudonymous.check(es, namespace, keys)  # else a table would be erased, and the documents not be found
        hidden = options.pseudonyms(keys, people)
        pseudonyms = hidden() if hidden else None
        ids = pseudonyms.employees() if pseudonyms else {}
        who = known(
            ids.get(employee, employee),
            people.identities if people else None,
            pseudonyms.of if pseudonyms else str,
        )
        register = Register(es, namespace)
        documents = Documents(es, namespace)
        found: list[PersonTable | Checkpoints] = [Checkpoints(documents, who)]
        if table:
            held = [ids.get(person, person) for person in register.held(but=who.document_id)]
            found.append(tables.directory(DynamoStore(dynamodb(table)), who, held))
        if cases_table:
            found.append(tables.case_directory(DynamoCases(dynamodb(cases_table)), who))
        yield Holdings(who, documents, register, found)


def dynamodb(name: str) -> "Table":
    return boto3.resource("dynamodb").Table(name)


@contextmanager
def aws_errors() -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise UserError(f"a table cannot be used: {error}", "expected credentials, a region and its name") from error


def known_at_all(holdings: Holdings, finding: Finding) -> None:
    """That an id was mistyped must not read as that nothing is stored."""
    if finding.nothing:
        if erasures := holdings.register.read(holdings.person.document_id).entry.erasures:
            when = erasures[-1].finished or f"{erasures[-1].begun}, not finished: run it again"
            raise UserError(f"nothing of employee {holdings.person.id!r} is found: erased on {when}")
        raise UserError(
            f"nothing of employee {holdings.person.id!r} is found in namespace {holdings.documents.namespace!r}",
            "expected an id as HR has it, and the namespace of the data streams",
        )


def confirm(who: Person, yes: bool) -> None:
    if yes:
        return
    typed = click.prompt("This cannot be undone. Type the employee's id to erase", err=True)
    if typed != who.id:
        raise UserError(f"{typed!r} is not {who.id!r}: nothing was erased", "expected the same id again")


# --- what is shown


def tell_disk(purged: Mapping[str, Any]) -> None:
    if purged["left"]:
        what = f"what was deleted is still on the disk in {len(purged['left'])} indices: {purged['reason']}"
        err.print(f"{what}; `innerwatch person erase` again later drops it", style="yellow", markup=False)
    else:
        out.print(f"Dropped from the disk in {purged['indices']} indices")


def show(holdings: Holdings, finding: Finding) -> None:
    table = rich_table.Table(box=None, header_style="bold", pad_edge=False)
    for name in ("where", "what", "number", "first", "last"):
        table.add_column(name, justify="right" if name == "number" else "left")
    for where, what, count, first, last in rows(finding):
        if count:
            table.add_row(where, what, f"{count:,}", day(first), day(last))
    out.print(f"{holdings.person.id} in namespace {holdings.documents.namespace}", markup=False)
    out.print(table)


def rows(finding: Finding) -> Iterator[tuple[str, str, int, int | None, int | None]]:
    for stream, found in finding.streams.items():
        for what, tally in zip(("their own", "others', that name them", "kept, held for others"), found, strict=True):
            yield stream, what, *tally
    for name, kinds in finding.tables.items():
        for kind, count in kinds.items():
            yield name, kind, count, None, None
    for hold, datasets in finding.holds.items():
        for dataset, count in datasets.items():
            yield f"hold {hold}", f"copies of {dataset}", count, None, None
    yield "holds of others", "copies", finding.others, None, None


def day(instant: int | None) -> str:
    return "" if instant is None else instants.iso(instant)[:10]


def write(path: Path, certificate: dict[str, Any]) -> None:
    try:
        path.write_text(json.dumps(certificate, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        json.dump(certificate, sys.stdout, indent=2)  # what was done must not be lost with the file
        print()
        raise UserError(f"cannot be written: {error.strerror}", path=path) from error
