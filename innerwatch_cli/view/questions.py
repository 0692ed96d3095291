"""What the pages ask of Elasticsearch. Lists come a page at a time; sums are its own, never made here.

Strings are indexed in lower case, so that the keys of its buckets are too: how they are really written comes from a
document of each bucket.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from elasticsearch import Elasticsearch

from innerwatch.elastic import stream_name
from innerwatch.values import dig
from innerwatch_cli.report.findings import (
    Alert,
    Key,
    as_list,
    buckets,
    days,
    events_index,
    justifications,
    read_evidence,
    standings,
)

PAGE = 50  # alerts, people, customers listed at a time
EVIDENCE = 200  # events listed of an alert
MARKS = 2000  # events drawn on a person's timeline
PERIOD = 60  # days of a person that are shown, up to the last that is known
FEWEST_DAYS, MOST_DAYS = 14, 366
CHOICES = 200  # rules and departments to choose among
FURTHEST = 10_000  # customers of a person that can be paged through
LISTED = {"customers": "access.customer.id", "fields": "access.fields", "cases": "access.case.id"}


@dataclass(frozen=True)
class Source:
    """An Elasticsearch and the namespace of its data streams."""

    es: Elasticsearch
    namespace: str

    @property
    def events(self) -> str:
        return events_index(self.namespace)

    @property
    def alerts(self) -> str:
        return stream_name("innerwatch.alert", self.namespace)

    @property
    def behaviour(self) -> str:
        return stream_name("innerwatch.behaviour", self.namespace)

    def search(self, index: str, **body: Any) -> Any:
        return self.es.search(index=index, ignore_unavailable=True, allow_no_indices=True, **body)

    def any(self, index: str) -> bool:
        answer = self.search(index, size=0, terminate_after=1, track_total_hits=True)
        return bool(answer["hits"]["total"]["value"])


class Filters(NamedTuple):
    """What of the alerts is shown; empty: all."""

    severity: str = ""
    rule: str = ""
    department: str = ""
    status: str = ""
    since: date | None = None
    until: date | None = None

    @property
    def query(self) -> dict[str, Any]:
        fields = {
            "rule.category": self.severity,
            "rule.id": self.rule,
            "employee.department": self.department,
            "employee.status": self.status,
        }
        terms = [{"term": {field: value}} for field, value in fields.items() if value]
        return {"bool": {"filter": [*terms, *within(self.since, self.until)]}}


class Choice(NamedTuple):
    value: str
    name: str
    events: int


class Cursor(NamedTuple):
    """The last alert of a page: where the next one begins."""

    time: int
    id: str


@dataclass
class AlertList:
    alerts: list[Alert]
    total: int
    people: int
    customers: int
    choices: dict[str, list[Choice]]
    next: Cursor | None


def within(since: date | None, until: date | None) -> list[dict[str, Any]]:
    """Days in UTC, both included."""
    limits = {"gte": since, "lte": until}
    named = {name: day.isoformat() for name, day in limits.items() if day}
    return [{"range": {"@timestamp": {**named, "format": "strict_date"}}}] if named else []


def alerts(source: Source, filters: Filters, after: Cursor | None = None, size: int = PAGE) -> AlertList:
    """Alerts, newest first, from behind `after`; what there is to choose among is of the same days."""
    named = {"rule": ("rule.id", "rule.name"), "department": ("employee.department",) * 2}
    plain = {"severity": "rule.category", "status": "employee.status"}
    answer = source.search(
        source.alerts,
        query={"bool": {"filter": within(filters.since, filters.until)}},
        post_filter=filters.query,
        size=size + 1,
        sort=[{"@timestamp": "desc"}, {"event.id": {"order": "desc", "unmapped_type": "keyword"}}],
        source_excludes=["innerwatch.alert.evidence.id"],
        aggs={
            **{
                name: {"terms": {"field": field, "size": CHOICES}, "aggs": _one(written)}
                for name, (field, written) in named.items()
            },
            **{name: {"terms": {"field": field}} for name, field in plain.items()},
            "chosen": {
                "filter": filters.query,
                "aggs": {
                    "people": {"cardinality": {"field": "innerwatch.alert.employee.id"}},
                    "customers": {"cardinality": {"field": "access.customer.id"}},
                },
            },
        },
        **({"search_after": [after.time, after.id]} if after else {}),
    )
    hits = answer["hits"]["hits"]
    chosen = (answer.get("aggregations") or {}).get("chosen") or {}
    choices = {
        name: [Choice(one["key"], _written(one, written), one["doc_count"]) for one in buckets(answer, name)]
        for name, (_, written) in named.items()
    } | {name: [Choice(one["key"], one["key"], one["doc_count"]) for one in buckets(answer, name)] for name in plain}
    return AlertList(
        alerts=[Alert(hit["_id"], hit["_source"]) for hit in hits[:size]],
        total=chosen.get("doc_count", 0),
        people=(chosen.get("people") or {}).get("value", 0),
        customers=(chosen.get("customers") or {}).get("value", 0),
        choices={name: sorted(found, key=lambda one: one.name) for name, found in choices.items()},
        next=Cursor(*hits[size - 1]["sort"]) if len(hits) > size else None,
    )


def _one(*fields: str) -> dict[str, Any]:
    """A document of each bucket, to see how its key is written."""
    return {"one": {"top_hits": {"size": 1, "_source": list(fields)}}}


def _written(bucket: Mapping[str, Any], field: str) -> str:
    found = as_list(dig(bucket["one"]["hits"]["hits"][0]["_source"], field))
    return str(found[0]) if found else str(bucket["key"])


def alert(source: Source, identity: str) -> Alert | None:
    """One alert with as much of its evidence as is listed."""
    hits = source.search(source.alerts, query={"ids": {"values": [identity]}}, size=1)["hits"]["hits"]
    if not hits:
        return None
    found = Alert(hits[0]["_id"], hits[0]["_source"])
    index = f"{source.events},{source.behaviour}"
    found.evidence = read_evidence(source.es, index, found.evidence_ids[:EVIDENCE])
    return found


def event(source: Source, identity: str) -> dict[str, Any] | None:
    """One event, or one day of behaviour."""
    index = f"{source.events},{source.behaviour}"
    hits = source.search(index, query={"ids": {"values": [identity]}}, size=1)["hits"]["hits"]
    return dict(hits[0]["_source"]) if hits else None


# --- people


class Seen(NamedTuple):
    """Somebody in a list, as of the latest alert or day."""

    key: Key
    employee: Mapping[str, Any]
    alerts: int
    worst: int  # risk score of the gravest alert
    last: str
    risk: Mapping[str, Any]  # user.risk.*, empty where nothing was measured


def people(source: Source, text: str = "") -> list[Seen]:
    """People with alerts, the gravest first; for a text those whose HR id, name or address has it, alerts or not."""
    named = {
        "bool": {
            "minimum_should_match": 1,
            "should": [
                {"wildcard": {field: {"value": f"*{escaped(text)}*", "case_insensitive": True}}}
                for field in ("employee.id", "employee.name", "employee.email")
            ],
        }
    }
    index = f"{source.alerts},{source.behaviour}" if text else source.alerts
    alert = {"filter": {"term": {"event.kind": "alert"}}, "aggs": {"worst": {"max": {"field": "event.risk_score"}}}}
    newest = {"top_hits": {"size": 1, "sort": [{"@timestamp": "desc"}], "_source": ["@timestamp", "employee", "user"]}}
    described = {"one": newest, "alerts": alert}
    order = [{"alerts>worst": "desc"}, {"_count": "desc"}]
    aggs = {"people": {"terms": {"field": "employee.id", "size": PAGE, "order": order}, "aggs": described}}
    if not text:
        aggs |= _accounts(order, described)
    answer = source.search(index, size=0, query=named if text else {"match_all": {}}, aggs=aggs)
    ids = [_written(one, "employee.id") for one in buckets(answer, "people")]
    standing = standings(source.es, source.behaviour, ids)
    found = []
    for one in (*buckets(answer, "people"), *_of_accounts(answer)):
        document = one["one"]["hits"]["hits"][0]["_source"]
        key = Alert("", document).person
        found.append(
            Seen(
                key=key,
                employee=document.get("employee") or {},
                alerts=one["alerts"]["doc_count"],
                worst=int(one["alerts"]["worst"]["value"] or 0),
                last=document["@timestamp"],
                risk=dig(standing.get(key.employee) or {}, "user.risk") or {},
            )
        )
    return sorted(found, key=lambda one: (-one.worst, -float(one.risk.get("calculated_score_norm") or 0)))


def _accounts(order: Any, details: Mapping[str, Any]) -> dict[str, Any]:
    """Aggregations over accounts that are nobody's: by name, else by id, as `Alert.person` has it."""
    absent = {"user.name": ["employee.id"], "user.id": ["employee.id", "user.name"]}
    return {
        field: {
            "filter": {"bool": {"must_not": [{"exists": {"field": other}} for other in others]}},
            "aggs": {"accounts": {"terms": {"field": field, "size": PAGE, "order": order}, "aggs": details}},
        }
        for field, others in absent.items()
    }


def _of_accounts(answer: Any) -> list[Any]:
    return [*buckets(answer, "user.name", "accounts"), *buckets(answer, "user.id", "accounts")]


def escaped(text: str) -> str:
    """For a wildcard query: what somebody typed means itself."""
    return "".join(f"\\{letter}" if letter in "\\*?" else letter for letter in text)


@dataclass
class Life:
    """A person over some days; also what `timeline.svg` needs of one."""

    key: Key
    employee: Mapping[str, Any]
    last: str  # when the person was last seen
    start: date
    end: date
    days: list[tuple[date, int]]
    alerts: list[Alert]
    alert_count: int
    justified: dict[str, int]
    reasons: list[Choice]
    behaviour: list[dict[str, Any]]  # documents of those days, oldest first
    customers: "Customers"

    @property
    def name(self) -> str:
        return str(self.employee.get("name") or self.key.employee or self.key.account)


def newest(source: Source, key: Key) -> dict[str, Any] | None:
    """What there is of somebody as of the latest event, alert or day."""
    found = source.search(
        f"{source.events},{source.alerts},{source.behaviour}",
        query=key.query,
        size=1,
        sort=[{"@timestamp": "desc"}],
        source=["@timestamp", "employee"],
    )["hits"]["hits"]
    return dict(found[0]["_source"]) if found else None


def person(source: Source, key: Key, since: date | None, until: date | None) -> Life | None:
    """Somebody's last PERIOD days or the days given. None for somebody of whom there is nothing."""
    who = key.query
    document = newest(source, key)
    if document is None:
        return None
    end = until or datetime.fromisoformat(document["@timestamp"]).astimezone(UTC).date()
    start = min(since, end) if since else _first_day(source, who, end)
    start = max(start, end - timedelta(days=MOST_DAYS - 1))
    inside = {"bool": {"filter": [who, *within(start, end)]}}
    about = who
    if key.employee:
        involved = {"term": {"innerwatch.alert.employee.id": key.employee}}
        about = {"bool": {"should": [who, involved], "minimum_should_match": 1}}
    found = source.search(
        source.alerts,
        query={"bool": {"filter": [about, *within(start, end)]}},
        size=PAGE,
        track_total_hits=True,
        sort=[{"event.risk_score": {"order": "desc", "unmapped_type": "double"}}, {"@timestamp": "desc"}],
    )["hits"]
    listed = [Alert(hit["_id"], hit["_source"]) for hit in found["hits"]]
    _mark(source, listed)
    answer = source.search(source.events, size=0, query=inside, aggs={"reasons": {"terms": _REASONS}})
    measured = source.search(
        source.behaviour,
        query=inside,
        size=MOST_DAYS,
        sort=[{"@timestamp": "asc"}],
        source_excludes=["behaviour.seen", "behaviour.asked", "behaviour.shown"],
    )["hits"]["hits"]
    return Life(
        key=key,
        employee=document.get("employee") or {},
        last=document["@timestamp"],
        start=start,
        end=end,
        days=days(source.es, source.events, who, start, end),
        alerts=listed,
        alert_count=found["total"]["value"],
        justified=justifications(source.es, source.events, inside),
        reasons=[Choice(one["key"], one["key"], one["doc_count"]) for one in buckets(answer, "reasons")],
        behaviour=[hit["_source"] for hit in measured],
        customers=customers_of(source, inside),
    )


def _first_day(source: Source, who: Mapping[str, Any], end: date) -> date:
    """The first day with events of the PERIOD that ends; at least a fortnight before its end."""
    start = end - timedelta(days=PERIOD - 1)
    inside = {"bool": {"filter": [who, *within(start, end)]}}
    answer = source.search(source.events, size=0, query=inside, aggs={"first": {"min": {"field": "@timestamp"}}})
    first = ((answer.get("aggregations") or {}).get("first") or {}).get("value_as_string")
    known = datetime.fromisoformat(first).date() if first else start
    return min(known, end - timedelta(days=FEWEST_DAYS - 1))


_REASONS = {"field": "access.justification_reason", "size": 20}


def _mark(source: Source, listed: Sequence[Alert]) -> None:
    """Gives each alert the times of its evidence, as the timeline draws them."""
    share = max(1, MARKS // max(1, len(listed)))
    wanted = {name for alert in listed for name in alert.evidence_ids[:share]}
    index = f"{source.events},{source.behaviour}"
    times = {
        str(hit["_id"]): hit["_source"]
        for hit in source.search(
            index, query={"ids": {"values": sorted(wanted)}}, size=len(wanted), source=["@timestamp"]
        )["hits"]["hits"]
    }
    for alert in listed:
        alert.evidence = [times[name] for name in alert.evidence_ids[:share] if name in times]


# --- customers


class Contact(NamedTuple):
    """How often somebody saw a customer, and what of that customer; or all customers, or all people."""

    key: Key
    employee: Mapping[str, Any]
    customer: str
    times: int
    customers: int
    unjustified: int  # accesses to the one customer, or else customers
    fields: list[str]
    cases: list[str]  # the most frequent
    case_count: int
    reasons: list[str]
    first: str
    last: str
    newest: str  # the last event's id


@dataclass
class Customers:
    contacts: list[Contact]
    total: int  # distinct customers, or people
    more: bool


def customers_of(source: Source, inside: Mapping[str, Any], offset: int = 0) -> Customers:
    """The customers somebody saw, the most often seen first: which they are, then what of those on the page."""
    answer = source.search(
        source.events,
        size=0,
        query=inside,
        aggs={
            "total": {"cardinality": {"field": "access.customer.id"}},
            "customers": {"terms": {"field": "access.customer.id", "size": min(offset + PAGE, FURTHEST) + 1}},
        },
    )
    keys = [one["key"] for one in buckets(answer, "customers")[offset:]]
    total = ((answer.get("aggregations") or {}).get("total") or {}).get("value", 0)
    if not keys:
        return Customers([], total, more=False)
    terms = {"field": "access.customer.id", "include": keys[:PAGE], "size": PAGE}
    unjustified = {"terms": {"field": "access.unjustified.customer.id", "include": keys[:PAGE], "size": PAGE}}
    detailed = source.search(
        source.events,
        size=0,
        query=inside,
        aggs={"customers": {"terms": terms, "aggs": _details()}, "unjustified": unjustified},
    )
    found = buckets(detailed, "customers")
    without = {one["key"]: one["doc_count"] for one in buckets(detailed, "unjustified")}
    spelling = _spelling(source, found)
    contacts = [
        _contact(one, spelling, customer=spelling.get(one["key"], one["key"]), unjustified=without.get(one["key"], 0))
        for one in found
    ]
    return Customers(contacts, total, more=len(keys) > PAGE)


def who_saw(source: Source, customer: str = "") -> Customers:
    """People and accounts who saw a customer, or any; whoever saw the most stands first."""
    query: dict[str, Any] = {"term": {"access.customer.id": customer}} if customer else _NAMED
    order = {"_count": "desc"} if customer else {"total": "desc"}
    details = _details()
    if customer:
        details["without"] = {"filter": {"term": {"access.unjustified.customer.id": customer}}}
    else:
        details["without"] = {"cardinality": {"field": "access.unjustified.customer.id"}}
    answer = source.search(
        source.events,
        size=0,
        query=query,
        aggs={
            "total": {"cardinality": {"field": "employee.id"}},
            "people": {"terms": {"field": "employee.id", "size": PAGE, "order": order}, "aggs": details},
            **_accounts(order, details),
        },
    )
    found = [*buckets(answer, "people"), *_of_accounts(answer)]
    spelling = _spelling(source, found)
    contacts = [
        _contact(one, spelling, customer=customer, unjustified=one["without"]["doc_count" if customer else "value"])
        for one in found
    ]
    total = ((answer.get("aggregations") or {}).get("total") or {}).get("value", 0)
    return Customers(contacts, total, total > PAGE)


_NAMED = {"exists": {"field": "access.customer.id"}}


def alerts_on(source: Source, customer: str) -> list[Alert]:
    """The latest alerts that concern a customer."""
    hits = source.search(
        source.alerts,
        query={"term": {"access.customer.id": customer}},
        size=PAGE,
        sort=[{"@timestamp": "desc"}],
        source_excludes=["innerwatch.alert.evidence.id"],
    )["hits"]["hits"]
    return [Alert(hit["_id"], hit["_source"]) for hit in hits]


def _details() -> dict[str, Any]:
    return {
        "total": {"cardinality": {"field": "access.customer.id"}},
        "fields": {"terms": {"field": "access.fields", "size": 30}},
        "cases": {"terms": {"field": "access.case.id", "size": 3}},
        "all_cases": {"cardinality": {"field": "access.case.id"}},
        "reasons": {"terms": _REASONS},
        "first": {"min": {"field": "@timestamp"}},
        "last": {"max": {"field": "@timestamp"}},
        "newest": {"top_hits": {"size": 1, "sort": [{"@timestamp": "desc"}], "_source": ["employee", "user"]}},
    }


def _spelling(source: Source, found: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Lower case → as a document has it, of all that the buckets list."""
    keys: dict[str, set[str]] = {name: set() for name in LISTED}
    for bucket in found:
        keys["customers"].add(bucket["key"])
        for name in ("fields", "cases"):
            keys[name].update(one["key"] for one in bucket[name]["buckets"])
    answer = source.search(
        source.events,
        size=0,
        aggs={
            name: {
                "terms": {"field": field, "include": sorted(keys[name]), "size": len(keys[name])},
                "aggs": {"one": {"top_hits": {"size": 1, "_source": [field]}}},
            }
            for name, field in LISTED.items()
            if keys[name]
        },
    )
    written: dict[str, str] = {}
    for name, field in LISTED.items():
        for one in buckets(answer, name):
            for value in as_list(dig(one["one"]["hits"]["hits"][0]["_source"], field)):
                if str(value).lower() == one["key"]:
                    written[one["key"]] = str(value)
    return written


def _contact(bucket: Mapping[str, Any], spelling: Mapping[str, str], *, customer: str, unjustified: int) -> Contact:
    newest = bucket["newest"]["hits"]["hits"][0]
    document = newest["_source"]

    def listed(name: str) -> list[str]:
        return [spelling.get(one["key"], one["key"]) for one in bucket[name]["buckets"]]

    return Contact(
        key=Alert("", document).person,
        employee=document.get("employee") or {},
        customer=customer,
        times=bucket["doc_count"],
        customers=bucket["total"]["value"],
        unjustified=unjustified,
        fields=listed("fields"),
        cases=listed("cases"),
        case_count=bucket["all_cases"]["value"],
        reasons=[one["key"] for one in bucket["reasons"]["buckets"]],
        first=bucket["first"]["value_as_string"],
        last=bucket["last"]["value_as_string"],
        newest=newest["_id"],
    )


# --- what there is


class Stock(NamedTuple):
    """What the namespace holds, and which others there are, those with the most documents first."""

    events: bool
    alerts: bool
    behaviour: bool
    others: list[str]


def stock(source: Source) -> Stock:
    answer = source.search(
        "logs-*", size=0, aggs={"namespaces": {"terms": {"field": "data_stream.namespace", "size": 50}}}
    )
    others = [one["key"] for one in buckets(answer, "namespaces") if one["key"] != source.namespace]
    return Stock(source.any(source.events), source.any(source.alerts), source.any(source.behaviour), others)
