"""`innerwatch restamp`: what HR or the case system said late reaches the documents that are indexed already."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import click
from botocore.exceptions import BotoCoreError, ClientError
from elasticsearch import Elasticsearch
from elasticsearch.helpers import scan, streaming_bulk

from innerwatch import elastic, instants, pipeline
from innerwatch.directory import Directory
from innerwatch.enrich import JUDGED, employee_fields
from innerwatch.errors import UserError
from innerwatch.justification import Cases, DynamoCases
from innerwatch.pseudonyms import Current, Keys
from innerwatch.replay import instant
from innerwatch_cli import cluster, options, pseudonymous
from innerwatch_cli.console import err, out

BATCH = 500  # documents of a bulk request

DATASETS = ("aws.cloudtrail", "app.access")

JUDGEMENT = ("justification", "justification_reason", "unjustified")  # below `access`

Hit = dict[str, Any]
Query = dict[str, Any]


@click.command()
@click.option("--employee", default="", help="The employee's id, as HR has it.")
@click.option("--case", "case_id", default="", help="A case: accesses that name it or show its customers.")
@click.option("--from", "start", default="", help="First day or instant: 2026-03-01, or 2026-03-01T09:15:00Z.")
@click.option("--to", "end", default="", help="Day or instant before which to stop; the present, if left out.")
@options.hr_feeds
@click.option("--table", default="", help="The employee directory's DynamoDB table, in place of --hr.")
@options.case_feeds
@click.option("--cases-table", default="", help="The case directory's DynamoDB table, in place of --cases.")
@click.option("--dry-run", is_flag=True, help="Count what would change, and change nothing.")
@options.pseudonym_keys
@options.namespace
def restamp(
    employee: str,
    case_id: str,
    start: str,
    end: str,
    feeds: tuple[Path, ...],
    table: str,
    case_feeds: tuple[Path, ...],
    cases_table: str,
    dry_run: bool,
    keys: Keys | None,
    namespace: str,
) -> None:
    """Apply what HR or the case system said late to documents already indexed.

    \b
    --employee E --from T                the events of one person: job and employment anew
    --case C --cases FILE                the accesses that a case can justify
    --cases FILE --from T                every access since T

    With case data, accesses are judged anew, too. A document that changes gets a new `event.ingested`, so that
    detection judges it again. Who acted stays as it was found; where that is wrong, replay the logs.
    """
    since, until = instant(start, "--from") if start else 0, instant(end, "--to") if end else None
    if until is not None and until <= since:
        raise UserError(f"--to is {end!r}, which is not after --from", "expected a later day or instant")
    people, cases = options.directory_of(feeds, table), case_directory(case_feeds, cases_table)
    names = Names(options.pseudonyms(keys, people))
    which = selection(employee, case_id, start, people, cases, names)
    es = cluster.connect()
    pseudonymous.check(es, namespace, keys)
    counts: Counter[str] = Counter()
    with cluster.errors(es), err.status("Stamping documents anew …"):
        es.indices.refresh(index=indices(namespace), ignore_unavailable=True)  # to find what was indexed just now
        hits = found(es, which, since, until, namespace)
        changes = changed(hits, people, employee, cases, names, counts)
        if dry_run:
            for _ in changes:
                pass
        else:
            write(es, changes, counts)
            es.indices.refresh(index=indices(namespace), ignore_unavailable=True)
    of = f" of {employee or case_id}" if employee or case_id else ""
    out.print(
        f"{counts['read']} documents{of} read: {counts['changed'] - counts['conflicts']} "
        f"{'would change' if dry_run else 'changed'}, {counts['read'] - counts['changed']} stay as they are"
    )
    if counts["conflicts"]:
        err.print(f"{counts['conflicts']} documents were changed by others meanwhile; run it again", style="red")
        sys.exit(2)


def case_directory(feeds: Sequence[Path], table: str) -> Cases | None:
    if feeds and table:
        raise UserError("both --cases and --cases-table are given", "expected one of them")
    if not table:
        return options.cases(feeds)
    try:
        return Cases(DynamoCases(boto3.resource("dynamodb").Table(table)), options.policy())
    except (BotoCoreError, ClientError) as error:
        what = f"the table {table!r} cannot be read: {error}"
        raise UserError(what, "expected credentials, a region and the table's name") from error


def selection(
    employee: str, case_id: str, start: str, people: Directory, cases: Cases | None, names: "Names"
) -> list[Query]:
    """Which documents to look at: a person's, those that a case can concern, or every access to a customer."""
    if employee and case_id:
        raise UserError("both --employee and --case are given", "expected one of them")
    if not employee and cases is None:
        raise UserError("neither --employee nor case data are given", "expected --employee, --cases or --cases-table")
    if not case_id and not start:
        raise UserError("--from is missing", "expected the first day or instant, such as 2026-03-01")
    try:
        if employee:
            if people.state(employee, instant(start, "--from")) is None:
                raise UserError(f"no HR feed names employee {employee!r}", "expected an id as HR has it")
            return [{"term": {"employee.id": names.of(employee)}}]
        if case_id and cases is not None:
            case = cases.case(case_id.lower())
            if case is None:
                raise UserError(
                    f"no feed names case {case_id!r}", "expected a case's number, as the case system has it"
                )
            named = {"term": {"access.case.id": case.id}}
            shown = {"terms": {"access.customer.id": sorted(case.customers)}}
            return [{"bool": {"should": [named, shown]}}]
    except (BotoCoreError, ClientError) as error:
        raise UserError(f"the directory cannot be read: {error}", "expected access to its table") from error
    return [{"exists": {"field": "access.customer.id"}}]


def indices(namespace: str) -> str:
    return ",".join(elastic.stream_name(dataset, namespace) for dataset in DATASETS)


def found(es: Elasticsearch, which: list[Query], since: int, until: int | None, namespace: str) -> Iterator[Hit]:
    """The documents of that time, each with the place and version that it had."""
    times = {"gte": instants.iso(since), **({"lt": instants.iso(until)} if until is not None else {})}
    query = {"bool": {"filter": [*which, {"range": {"@timestamp": times}}]}}
    yield from scan(
        es,
        index=indices(namespace),
        query={"query": query, "seq_no_primary_term": True},
        size=BATCH,
        ignore_unavailable=True,
        allow_no_indices=True,
    )


def changed(
    hits: Iterator[Hit],
    people: Directory,
    employee: str,
    cases: Cases | None,
    names: "Names",
    counts: Counter[str],
) -> Iterator[Hit]:
    """Bulk actions for the documents whose stamps change; they fail where a document changed since."""
    for hit in hits:
        counts["read"] += 1
        if stamped_anew(hit["_source"], people, employee, cases, names):
            counts["changed"] += 1
            yield {
                "_op_type": "index",
                "_index": hit["_index"],
                "_id": hit["_id"],
                "if_seq_no": hit["_seq_no"],
                "if_primary_term": hit["_primary_term"],
                "_source": hit["_source"],
            }


class Names:
    """Between HR's ids and those in documents, which are the same unless people stand under pseudonyms."""

    def __init__(self, current: Current | None) -> None:
        self.pseudonyms = current() if current else None
        self._ids = self.pseudonyms.employees() if self.pseudonyms else {}

    def of(self, employee: str) -> str:
        return self.pseudonyms.of(employee) if self.pseudonyms else employee

    def hidden(self, fields: dict[str, Any]) -> dict[str, Any]:
        return self.pseudonyms.employee(fields) if self.pseudonyms else fields

    def shown(self, fields: dict[str, Any], people: Directory, time: int) -> dict[str, Any] | None:
        """`employee.*` of a document as HR has it; None where HR has nobody with that pseudonym."""
        if self.pseudonyms is None or "id" not in fields:
            return fields
        fact = people.state(self._ids.get(fields["id"], ""), time)
        return None if fact is None else {**fields, "id": fact.employee.id, "email": fact.employee.email}


def stamped_anew(document: dict[str, Any], people: Directory, employee: str, cases: Cases | None, names: Names) -> bool:
    """Whether the stamps of the document changed: the person's fields, with case data also what they judge."""
    time = instants.from_rfc3339(document["@timestamp"])
    is_new = bool(employee) and employed_anew(document, people, employee, names, time)
    if cases is not None and document["data_stream"]["dataset"] == JUDGED:
        is_new |= judged_anew(document, people, cases, names, time)
    if is_new:
        document["event"]["ingested"] = pipeline.timestamp(datetime.now(UTC))
    return is_new


def judged_anew(document: dict[str, Any], people: Directory, cases: Cases, names: Names, time: int) -> bool:
    before = {name: document.get("access", {}).get(name) for name in JUDGEMENT}
    stamped = document["employee"]
    shown = names.shown(stamped, people, time)
    if shown is None:  # of whom nobody knows whose cases are theirs
        return False
    document["employee"] = shown
    cases.stamp(document, time, people)
    document["employee"] = stamped
    return before != {name: document.get("access", {}).get(name) for name in JUDGEMENT}


def employed_anew(document: dict[str, Any], people: Directory, employee: str, names: Names, time: int) -> bool:
    """Whether the person's fields in the document changed. That the directory recorded the same anew is no change."""
    before = document["employee"]
    fact = people.state(employee, time)
    if fact is None or before["id"] != names.of(employee):  # Elasticsearch compares ids without regard to case
        return False
    after = names.hidden({**employee_fields(fact, time), "resolution": before.get("resolution", {})})
    if {**after, "as_of": None} == {**before, "as_of": None}:
        return False
    document["employee"] = after
    return True


def write(es: Elasticsearch, changes: Iterator[Hit], counts: Counter[str]) -> None:
    size = elastic.BATCH_BYTES
    for done, item in streaming_bulk(es, changes, chunk_size=BATCH, max_chunk_bytes=size, raise_on_error=False):
        result = item["index"]
        if result["status"] == 409:
            counts["conflicts"] += 1
        elif not done:
            raise UserError(f"Elasticsearch refused {result['_id']}: {result['error']}", "expected it to take it back")
