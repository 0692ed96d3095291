"""What is asked: whose accesses, of which time, narrowed to what; and the Elasticsearch query that this is. Pure."""

from collections.abc import Mapping
from typing import Any, Self

import msgspec

from innerwatch import instants
from innerwatch.elastic import stream_name

DATASETS = ("app.access", "aws.cloudtrail")
MOST_EVENTS = 50_000  # ids in one question; Elasticsearch takes 65,536 in a clause

Query = dict[str, Any]

# AWS calls that hand out stored data, or open it to others, without saying whose it is. Management calls that only
# describe things are not among them.
# https://docs.aws.amazon.com/awscloudtrail/latest/userguide/logging-data-events-with-cloudtrail.html
SILENT: dict[str, tuple[str, ...]] = {
    "s3.amazonaws.com": ("GetObject", "SelectObjectContent", "CopyObject", "UploadPartCopy", "PutBucketPolicy"),
    "dynamodb.amazonaws.com": (
        *("GetItem", "BatchGetItem", "Query", "Scan", "TransactGetItems", "ExecuteStatement"),
        *("BatchExecuteStatement", "ExportTableToPointInTime"),
    ),
    "athena.amazonaws.com": ("GetQueryResults", "GetQueryResultsStream", "StartQueryExecution"),
    "redshift-data.amazonaws.com": ("ExecuteStatement", "BatchExecuteStatement", "GetStatementResult"),
    "rdsdata.amazonaws.com": ("ExecuteStatement", "BatchExecuteStatement"),
    "rds.amazonaws.com": ("ModifyDBSnapshotAttribute", "ModifyDBClusterSnapshotAttribute", "StartExportTask"),
    "ec2.amazonaws.com": ("ModifySnapshotAttribute", "ModifyImageAttribute"),
    "ebs.amazonaws.com": ("GetSnapshotBlock",),
}
# Accesses of these kinds show no customer's data.
WITHOUT_DATA = ("authentication", "iam")


class Question(msgspec.Struct, frozen=True):
    """All that the numbers depend on, besides documents and coverage. Instants in milliseconds; `end` is excluded."""

    namespace: str
    people: tuple[str, ...]  # HR ids, in order
    start: int
    end: int
    case: str = ""
    fields: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    events: tuple[str, ...] = ()  # only these: ids of documents or of their logs
    base: int | None = None  # how many customers there are at all
    harmless: tuple[str, ...] = ()  # buckets, applications and AWS services that hold no customers' data
    systems: tuple[str, ...] = ()  # applications that should have logs
    alert: str = ""  # the alert from which people and time were taken

    @property
    def index(self) -> str:
        return ",".join(stream_name(dataset, self.namespace) for dataset in DATASETS)

    def as_json(self) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found | {"start": instants.iso(self.start), "end": instants.iso(self.end)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Raises ValueError (msgspec's own is one) for anything that `as_json` does not give."""
        times = {name: instants.from_rfc3339(str(value.get(name))) for name in ("start", "end")}
        return msgspec.convert(dict(value) | times, cls)


def within(question: Question) -> Query:
    times = {"gte": instants.iso(question.start), "lt": instants.iso(question.end)}
    return {"range": {"@timestamp": times}}


def narrowed(question: Question) -> list[Query]:
    """The time, and what else the question is narrowed to, but for whose accesses it asks."""
    filters = [within(question)]
    if question.case:
        filters.append({"term": {"access.case.id": question.case}})
    if question.fields:
        shown = {"terms": {"access.fields": list(question.fields)}}
        filters.append(some(shown, without("access.fields")))
    if question.accounts:
        names = ("user.id", "user.name", "user.email", "cloud.account.id")
        filters.append(some(*({"terms": {name: list(question.accounts)}} for name in names)))
    if question.events:
        ids = list(question.events)
        filters.append(some({"ids": {"values": ids}}, {"terms": {"event.id": ids}}))
    return filters


def query(question: Question) -> Query:
    """Every event that may have shown a customer's data to one of the people, and did not fail."""
    return {
        "bool": {
            "filter": [*narrowed(question), some(*whose(question.people)), some(*showing())],
            "must_not": [{"term": {"event.outcome": "failure"}}],
        }
    }


def attempts(question: Question) -> Query:
    """What the people tried in vain, with customers named."""
    failed = [{"term": {"event.outcome": "failure"}}, {"exists": {"field": "access.customer.id"}}]
    return {"bool": {"filter": [*narrowed(question), named(question.people), *failed]}}


def programs(question: Question) -> Query:
    """What services, instances and other accounts of no person showed of customers."""
    return {
        "bool": {
            "filter": [
                *narrowed(question),
                {"exists": {"field": "access.customer.id"}},
            ],
            "must_not": [{"term": {"event.outcome": "failure"}}, {"exists": {"field": "employee.id"}}, *UNKNOWN],
        }
    }


def named(people: tuple[str, ...]) -> Query:
    return {"terms": {"employee.id": list(people)}}


# Of events without `employee.id`, those of accounts that should be a person's, or behind which anybody may sit. What is
# left are services, instances, and role sessions named after a program.
UNKNOWN: tuple[Query, ...] = (
    {"term": {"employee.status": "unknown"}},
    {"term": {"employee.resolution.reason": "no HR feed was given"}},
    {"term": {"employee.resolution.reason": "the event names nobody"}},
    {"term": {"employee.resolution.reason": "the record names no caller"}},
    {"prefix": {"employee.resolution.reason": "root of account"}},
)


def whose(people: tuple[str, ...]) -> list[Query]:
    """The people's own events, those of accounts that belong to nobody known, and those guessed to be others'."""
    nobody = {
        "bool": {
            "must_not": [{"exists": {"field": "employee.id"}}],
            "should": list(UNKNOWN),
            "minimum_should_match": 1,
        }
    }
    return [named(people), nobody, {"term": {"employee.resolution.confidence": "guessed"}}]


def showing() -> list[Query]:
    """Events that name a customer, or that show data without saying whose."""
    calls: list[Query] = [
        {"bool": {"filter": [{"term": {"event.provider": service}}, {"terms": {"event.action": list(names)}}]}}
        for service, names in SILENT.items()
    ]
    application = {
        "bool": {
            "filter": [{"term": {"data_stream.dataset": "app.access"}}],
            "must_not": [{"terms": {"event.category": list(WITHOUT_DATA)}}],
        }
    }
    return [
        {"exists": {"field": "access.customer.id"}},
        {"term": {"innerwatch.oversized": "access.customer.id"}},
        application,
        *calls,
    ]


def without(field: str) -> Query:
    return {"bool": {"must_not": [{"exists": {"field": field}}]}}


def some(*queries: Query) -> Query:
    return {"bool": {"should": list(queries), "minimum_should_match": 1}}
