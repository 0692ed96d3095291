"""`innerwatch scope`: exactly which customers' data some people have seen, how sure that is, and what is not known."""

import getpass
import json
import platform
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import click
from elasticsearch import Elasticsearch

from innerwatch import instants
from innerwatch.errors import UserError
from innerwatch.ledger import Ledger
from innerwatch.values import dig
from innerwatch_cli import cluster, options
from innerwatch_cli.console import err, out
from innerwatch_cli.coverage import Span
from innerwatch_cli.coverage import coverage as cover
from innerwatch_cli.coverage.evidence import Bucket, PublicKeys, Sources, errors, given_keys
from innerwatch_cli.progress import bar
from innerwatch_cli.scope import Answer, Question, answer, gaps, verifying, writing
from innerwatch_cli.scope.question import MOST_EVENTS
from innerwatch_cli.scope.reading import MINUTE, Pages, Reader
from innerwatch_cli.scope.tally import listed

LATENESS = 60 * MINUTE


@click.command()
@click.option("--employee", "people", multiple=True, help="HR id of somebody; may be given several times.")
@click.option("--alert", default="", help="An alert's id: its people, and its time unless --from and --to are given.")
@click.option("--case", default="", help="A support case: only accesses in its name; whoever made them.")
@click.option("--from", "start", default="", help="First day or instant: 2026-03-01, or 2026-03-01T09:15:00Z.")
@click.option("--to", "end", default="", help="Day or instant that is not included any more.")
@click.option("--fields", default="", help="Only accesses that showed one of these, such as email,phone.")
@click.option("--account", "accounts", multiple=True, help="Only this user's or AWS account's accesses; repeatable.")
@click.option("--events", type=options.PATH, help="Only the events whose ids this file lists, one a line.")
@click.option("--coverage", type=options.PATH, help="What `innerwatch coverage --json` printed for the time.")
@click.option("--log-bucket", default="", metavar="BUCKET[/PREFIX]", help="Find the coverage out, in place of that.")
@click.option("--objects", multiple=True, metavar="PREFIX", help="With --log-bucket: also other log objects below it.")
@click.option("--ledger", default="", envvar="LEDGER_TABLE", help="With --log-bucket: the ledger's DynamoDB table.")
@click.option("--public-keys", "key_files", multiple=True, type=options.PATH, help="As for `innerwatch coverage`.")
@click.option("--customer-base", "base", type=click.IntRange(0), help="How many customers there are at all.")
@click.option("--harmless", multiple=True, help="A bucket, application or service without customers' data; repeatable.")
@click.option("--system", "systems", multiple=True, help="An application that should have logs; repeatable.")
@click.option("--by", default="", help="Who makes the report; the account on this computer unless set.")
@click.option("--out", "folder", type=options.PATH, default=Path("scope-report"), show_default=True)
@click.option("--pdf", is_flag=True, help="Also report.pdf, if a Chromium is there.")
@click.option("--verify", "report", type=options.PATH, help="Do an earlier report again (summary.json or report.html).")
@options.hr_feeds
@options.namespace
@click.option("--json", "as_json", is_flag=True, help="Print the summary for machines.")
def scope(
    people: tuple[str, ...],
    alert: str,
    case: str,
    start: str,
    end: str,
    fields: str,
    accounts: tuple[str, ...],
    events: Path | None,
    coverage: Path | None,
    log_bucket: str,
    objects: tuple[str, ...],
    ledger: str,
    key_files: tuple[Path, ...],
    base: int | None,
    harmless: tuple[str, ...],
    systems: tuple[str, ...],
    by: str,
    folder: Path,
    pdf: bool,
    report: Path | None,
    feeds: tuple[Path, ...],
    namespace: str,
    as_json: bool,
) -> None:
    """Exactly which customers' data some people have seen, how sure that is, and what is not known.

    \b
    --employee E --from T --to T     what somebody saw; several people may be given
    --alert ID                       what the people of an alert saw in its time
    --case ID                        what was seen in the name of a support case
    --verify FILE                    does an earlier report again and names what differs

    Writes a report for counsel, the customers as CSV and JSON lines, and a summary into the folder --out. With
    --verify it ends with 1 where something differs.
    """
    if report is not None:
        verify(report)
        return
    if sum(map(bool, (people, alert, case))) != 1:
        raise UserError("it is not said whose accesses", "expected one of --employee, --alert and --case")
    browser = writing.find_browser() if pdf else ""  # before work that would be lost
    es = cluster.connect(serializer=Pages())
    with cluster.errors(es):
        question = Question(
            namespace=namespace,
            people=tuple({person.lower(): person for person in people}.values()),
            start=options.instant(start, "--from") if start else 0,
            end=options.instant(end, "--to") if end else 0,
            case=case,
            fields=tuple(sorted({it.strip() for it in fields.split(",")} - {""})),
            accounts=accounts,
            events=read_events(events) if events else (),
            base=base,
            harmless=harmless,
            systems=systems,
            alert=alert,
        )
        question, rules = completed(question, Reader(es, question), feeds)
        proof = proven(es, question, coverage, log_bucket, objects, ledger, key_files)
        found = run(es, question, proof, rules)
    found.summary["made"] = {
        "by": by or getpass.getuser(),
        "on": platform.node(),
        "at": instants.iso(instants.of(datetime.now(UTC))),
    }
    writing.write(folder, found.summary, found.customers())
    if browser:
        writing.print_pdf(folder, browser)
    if as_json:
        json.dump(found.summary, sys.stdout, indent=2)
        print()
    else:
        show(found.summary, folder)


def completed(
    question: Question, reader: Reader, feeds: tuple[Path, ...]
) -> tuple[Question, tuple[dict[str, Any], ...]]:
    """With the people and the time that an alert or a case says, where they were not given; and the alert's rule."""
    changes: dict[str, Any] = {}
    rules: tuple[dict[str, Any], ...] = ()
    first = last = 0
    if question.alert:
        document = reader.alert(question.alert)
        if document is None:
            raise UserError(
                f"no alert has the id {question.alert!r}",
                "expected an alert's `event.id`; `innerwatch view` lists them",
            )
        changes["people"] = tuple(sorted(map(str, listed(dig(document, "innerwatch.alert.employee.id")))))
        first, last = (instants.from_rfc3339(dig(document, f"innerwatch.alert.{name}")) for name in ("first", "last"))
        rules = ({name: dig(document, f"rule.{name}") for name in ("id", "name", "version")},)
    if question.case:
        ids, first, last = reader.people_of_case()
        changes["people"] = tuple(ids)
        if not last:
            raise UserError(f"no access names case {question.case!r}", "expected a case's number as the logs have it")
    changes["start"] = question.start or first
    changes["end"] = question.end or (last + 1 if last else 0)
    changed = Question(**{name: getattr(question, name) for name in question.__struct_fields__} | changes)
    if not changed.start or not changed.end:
        raise UserError("the time is not given", "expected --from and --to")
    if changed.end <= changed.start:
        raise UserError("--to is not after --from", "expected a span of time")
    if not changed.people:
        raise UserError(
            f"{question.alert or question.case!r} names nobody whom HR knows", "expected people with an HR id"
        )
    if question.people:
        check_people(changed, reader, feeds)
    return changed, rules


def check_people(question: Question, reader: Reader, feeds: tuple[Path, ...]) -> None:
    """That somebody is unknown must not read as that they saw nothing."""
    directory = options.directory(feeds)
    for person in question.people:
        if directory is not None and directory.state(person, question.end) is not None:
            continue
        if not reader.known(person):
            raise UserError(
                f"no document of namespace {question.namespace!r} is of employee {person!r}",
                "expected an id as HR has it; --hr FEED says of people who did nothing that they exist",
            )


def read_events(path: Path) -> tuple[str, ...]:
    try:
        ids = tuple(dict.fromkeys(line.strip() for line in path.read_text(encoding="utf-8").splitlines()))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError("is no list of event ids", "expected a text file with one id a line", path=path) from error
    ids = tuple(it for it in ids if it)
    if not 0 < len(ids) <= MOST_EVENTS:
        raise UserError(f"lists {len(ids):,} event ids", f"expected 1 to {MOST_EVENTS:,}", path=path)
    return ids


def proven(
    es: Elasticsearch,
    question: Question,
    file: Path | None,
    log_bucket: str,
    objects: tuple[str, ...],
    ledger: str,
    key_files: tuple[Path, ...],
) -> gaps.Coverage | None:
    """What is known of the time's completeness: from a file, or found out now; None where nothing is."""
    if file and log_bucket:
        raise UserError("both --coverage and --log-bucket are given", "expected one of them")
    if file:
        return gaps.read(file, question.start, question.end)
    if not log_bucket:
        return None
    if not ledger:
        raise UserError("--log-bucket needs the ledger", "expected --ledger TABLE, or LEDGER_TABLE set")
    name, _, prefix = log_bucket.removeprefix("s3://").partition("/")
    with errors(name), err.status("Reconciling the logs …"):
        session = boto3.Session()
        sources = Sources(
            Bucket(session.client("s3"), name),
            PublicKeys(session, given_keys(key_files)),
            Ledger(session.client("dynamodb"), ledger),
            es,
            question.namespace,
        )
        found = cover(sources, Span(question.start, question.end, LATENESS), prefix=prefix, objects=objects)
    if not found:
        raise UserError(f"no trail delivers to {log_bucket}", "expected the bucket, and prefix, that trails deliver to")
    return gaps.found(found, question.start, question.end)


def run(
    es: Elasticsearch, question: Question, coverage: gaps.Coverage | None, rules: tuple[dict[str, Any], ...]
) -> Answer:
    with ExitStack() as stack:
        return answer(
            es,
            question,
            coverage,
            rules=rules,
            began=lambda events: stack.enter_context(bar("Reading events", events)),
        )


def verify(path: Path) -> None:
    before = verifying.load(path)
    question, coverage, rules = verifying.asked(before, path)
    es = cluster.connect(serializer=Pages())
    with cluster.errors(es):
        now = run(es, question, coverage, rules).summary
        made = dig(before, "made.at")
        since = Reader(es, question).ingested_after(instants.from_rfc3339(made)) if made else 0
    # As JSON has them: tuples are lists there.
    wrong = [*verifying.files(before, path.parent), *verifying.differences(before, json.loads(json.dumps(now)))]
    if not wrong:
        out.print(f"[green]proven[/]: {now['evidence']['events']:,} events give the same numbers, and the same hash")
        return
    for text in wrong:
        out.print(text, style="red", markup=False)
    if since:
        out.print(f"{since:,} of the events were indexed or stamped anew since the report was made, {made}")
    out.print(f"[bold red]refuted[/]: {len(wrong)} differences")
    sys.exit(1)


def show(summary: dict[str, Any], folder: Path) -> None:
    totals = summary["totals"]
    upper = totals["upper"]
    out.print(f"[bold]At least {totals['lower']:,} customers[/], certainly seen by these people")
    if totals["probable"] > totals["lower"]:
        out.print(f"Probably {totals['probable']:,}")
    out.print(
        f"At most {upper:,}" if upper is not None else "[bold]No upper bound[/] can be given: --customer-base would"
    )
    for part in totals["upper_is_made_of"][1:]:
        number = f"{part['customers']:,}" if part["customers"] is not None else "any number"
        out.print(f"  {part['name']}: {number}, {part['why']}", markup=False, soft_wrap=True)
    if summary["blind_spots"]["coverage"] is None:
        out.print("[yellow]Completeness of the logs was not proven: no --coverage[/]")
    out.print(f"Evidence: {summary['evidence']['events']:,} events, SHA-256 {summary['evidence']['sha256']}")
    out.print(f"Report: {folder / writing.REPORT}", markup=False)
