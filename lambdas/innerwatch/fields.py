"""Every field that Innerwatch writes: the one table that the parsers, the index templates, the Sigma pipelines,
docs/fields.md and `innerwatch check` go by.

A row's `raw` is the log's own name for the value: what a Sigma rule for that log source calls it. A row of type
`flattened` covers everything below it; `match` then names its twin with lower-cased values, which rules search,
since a flattened field takes no normalizer.

Types are Elasticsearch's (https://www.elastic.co/docs/reference/elasticsearch/mapping-reference/field-data-types).
Names follow ECS 9.4 (https://www.elastic.co/docs/reference/ecs) and, below `aws.cloudtrail`, Elastic's AWS integration.
"""

from typing import NamedTuple

ECS_VERSION = "9.4.0"


class Field(NamedTuple):
    name: str
    type: str
    note: str  # what it holds and where that comes from: the text of docs/fields.md
    raw: str = ""
    match: str = ""


COMMON: tuple[Field, ...] = (
    Field("@timestamp", "date", "when it happened, by the log's own clock"),
    Field("ecs.version", "keyword", f"the ECS release that the document follows: {ECS_VERSION}"),
    Field("data_stream.type", "keyword", "`logs`"),
    Field("data_stream.dataset", "keyword", "the dataset, for example `aws.cloudtrail`"),
    Field("data_stream.namespace", "keyword", "`innerwatch`, unless set"),
    Field("event.kind", "keyword", "`event`, or `alert` for an alert"),
    Field("event.module", "keyword", "the part before the dataset's dot"),
    Field("event.dataset", "keyword", "as data_stream.dataset"),
    Field("event.id", "keyword", "the log's own id of the event"),
    Field("event.ingested", "date", "when Innerwatch wrote it; detection goes by this, so lateness loses nothing"),
    Field("event.action", "keyword", "what was done, as the log calls it"),
    Field("event.category", "keyword", "ECS category"),
    Field("event.type", "keyword", "ECS type"),
    Field("event.outcome", "keyword", "`success`, `failure` or `unknown`"),
    Field("event.original", "keyword", "the record as it was read; kept in the source, neither indexed nor searchable"),
    Field("related.user", "keyword", "every user name or id in the event"),
    Field("related.ip", "ip", "every address in the event"),
    Field("source.address", "keyword", "the caller, as the log has it: an address or a service's name"),
    Field("source.ip", "ip", "the caller's address"),
    Field("user.id", "keyword", "the acting account's id"),
    Field("user.name", "keyword", "the acting account's name"),
    Field("user.email", "keyword", "the acting person's address, where the log has it"),
    Field("user_agent.original", "keyword", "the client's user agent"),
    Field("log.file.path", "keyword", "where the record was read: s3://bucket/key, or a file's path"),
    Field("log.offset", "long", "the record's place in that object or file, counted from 1"),
    Field(
        "innerwatch.oversized",
        "keyword",
        "names of the fields whose value is too long to be indexed: rules verify these",
    ),
)

EMPLOYEE: tuple[Field, ...] = (
    Field("employee.id", "keyword", "the person's HR id, as of the event's time, like all of `employee.*`"),
    Field("employee.name", "keyword", "name"),
    Field("employee.email", "keyword", "work address"),
    Field("employee.role", "keyword", "job"),
    Field("employee.department", "keyword", "department"),
    Field("employee.team", "keyword", "team"),
    Field("employee.location", "keyword", "place of work"),
    Field("employee.manager.id", "keyword", "the manager's HR id"),
    Field("employee.type", "keyword", "`employee`, `contractor` or `vendor`"),
    Field(
        "employee.status",
        "keyword",
        "`pre_hire`, `active`, `leave`, `notice`, `terminated`, or `unknown` when the account resolves to nobody",
    ),
    Field("employee.hired_at", "date", "first day"),
    Field("employee.notice_at", "date", "day on which notice was given"),
    Field("employee.last_day", "date", "last day of employment or engagement"),
    Field("employee.days_to_exit", "long", "days until the last day; negative after it"),
    Field("employee.tenure_days", "long", "days since the first day"),
    Field(
        "employee.on_shift", "boolean", "whether the event falls in the person's own working hours; absent: not known"
    ),
    Field("employee.as_of", "date", "when the directory recorded the fact that was used"),
    Field(
        "employee.resolution.method", "keyword", "what the person was recognised by; `none`: no person, or nobody known"
    ),
    Field("employee.resolution.confidence", "keyword", "`certain`, `asserted`, `guessed` or `none`"),
    Field("employee.resolution.reason", "keyword", "why no person was found"),
)

CLOUDTRAIL: tuple[Field, ...] = ()

ACCESS: tuple[Field, ...] = (
    Field("access.customer.id", "keyword", "the customers whose data it is", raw="customers"),
    Field("access.fields", "keyword", "which of their data were shown", raw="fields"),
    Field("access.records", "long", "number of records shown", raw="records"),
    Field("access.case.id", "keyword", "the support case given as the reason", raw="case"),
    Field("access.justification", "keyword", "`justified`, `unjustified` or `unknown`"),
    Field("access.justification_reason", "keyword", "why"),
    Field("access.bytes", "long", "size of what was exported or sent", raw="bytes"),
    Field("service.name", "keyword", "the application", raw="application"),
    Field("access.session.id", "keyword", "the application's session", raw="session"),
    Field("email.to.address", "keyword", "to whom data was sent", raw="recipient"),
)

DATASETS: dict[str, tuple[Field, ...]] = {
    "aws.cloudtrail": COMMON + EMPLOYEE + CLOUDTRAIL,
    "app.access": COMMON + EMPLOYEE + ACCESS,
}
