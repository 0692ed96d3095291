"""What was found, gathered from Elasticsearch: alerts, the people they name, and each person's days."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from elasticsearch import Elasticsearch

from innerwatch.elastic import MAX_RESULT_WINDOW, stream_name
from innerwatch.values import dig

# Kibana's risk scores for its four severities, highest first.
SEVERITIES = {"critical": 99, "high": 73, "medium": 47, "low": 21}
PAGE = 1000  # documents asked for at a time
EVIDENCE_READ = 500  # evidence documents read for an alert; their number is exact all the same


class Key(NamedTuple):
    """By what events name somebody: the HR id, or the account where nobody known to HR acted."""

    employee: str = ""
    account: str = ""

    @property
    def query(self) -> dict[str, Any]:
        """Elasticsearch's query for all that this person or account did."""
        if self.employee:
            return {"term": {"employee.id": self.employee}}
        names = [{"term": {field: self.account}} for field in ("user.name", "user.id")]
        return {"bool": {"should": names, "minimum_should_match": 1, "must_not": {"exists": {"field": "employee.id"}}}}


@dataclass
class Alert:
    id: str
    document: dict[str, Any]
    evidence: list[dict[str, Any]] = field(default_factory=list)  # documents, oldest first

    @property
    def name(self) -> str:
        return str(dig(self.document, "rule.name"))

    @property
    def risk(self) -> int:
        return int(dig(self.document, "event.risk_score") or 0)

    @property
    def reason(self) -> str:
        return str(dig(self.document, "innerwatch.alert.reason") or "")

    @property
    def description(self) -> str:
        """Why the rule exists; what makes the evidence odd in that job."""
        return str(dig(self.document, "rule.description") or "")

    @property
    def person(self) -> "Key":
        employee = as_list(dig(self.document, "employee.id"))
        account = as_list(dig(self.document, "user.name")) or as_list(dig(self.document, "user.id"))
        return Key(str(employee[0]) if employee else "", str(account[0]) if account else "")

    @property
    def evidence_ids(self) -> list[str]:
        return as_list(dig(self.document, "innerwatch.alert.evidence.id"))

    @property
    def count(self) -> int:
        return int(dig(self.document, "innerwatch.alert.evidence.count") or len(self.evidence_ids))

    @property
    def first(self) -> str:
        return str(dig(self.document, "innerwatch.alert.first") or self.document["@timestamp"])

    @property
    def last(self) -> str:
        return str(dig(self.document, "innerwatch.alert.last") or self.document["@timestamp"])

    @property
    def customers(self) -> list[str]:
        return as_list(dig(self.document, "access.customer.id"))

    @property
    def techniques(self) -> list[str]:
        """ATT&CK techniques as `T1530 Data from Cloud Storage`."""
        return [
            f"{technique['id']} {technique['name']}"
            for threat in as_list(self.document.get("threat"))
            for technique in as_list(threat.get("technique"))
        ]


@dataclass
class Person:
    """Somebody whom alerts name: an employee, or an account that resolves to nobody."""

    key: str
    employee: dict[str, Any]
    account: str
    alerts: list[Alert]
    days: list[tuple[date, int]] = field(default_factory=list)  # events on each day of the period
    standing: dict[str, Any] | None = None  # the newest behaviour document, where there is one
    justified: dict[str, int] = field(default_factory=dict)  # access.justification → distinct customers

    @property
    def name(self) -> str:
        return str(self.employee.get("name") or self.account or "unknown account")

    @property
    def risk(self) -> int:
        """The worst alert decides; more of different kinds break the tie."""
        return max(alert.risk for alert in self.alerts) * 100 + len({alert.name for alert in self.alerts})

    @property
    def customers(self) -> list[str]:
        return sorted({customer for alert in self.alerts for customer in alert.customers})


@dataclass
class Findings:
    people: list[Person]
    events: int
    start: date
    end: date

    @property
    def alerts(self) -> list[Alert]:
        return [alert for person in self.people for alert in person.alerts]

    @property
    def customers(self) -> list[str]:
        return sorted({customer for person in self.people for customer in person.customers})


def level(risk: int) -> str:
    return next((name for name, score in SEVERITIES.items() if risk >= score), "low")


def as_list(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def pages(es: Elasticsearch, index: str, query: dict[str, Any]) -> Iterator[Any]:
    """All hits of a query in order of time, page by page (search_after), however many there are."""
    after: dict[str, Any] = {}
    while True:
        hits = es.search(
            index=index,
            query=query,
            size=PAGE,
            sort=[{"@timestamp": "asc"}, {"event.id": {"order": "asc", "unmapped_type": "keyword"}}],
            ignore_unavailable=True,
            allow_no_indices=True,
            **after,
        )["hits"]["hits"]
        yield from hits
        if len(hits) < PAGE:
            return
        after = {"search_after": hits[-1]["sort"]}


def collect(es: Elasticsearch, namespace: str) -> Findings:
    """Everything the report shows of a namespace."""
    events = events_index(namespace)
    behaviour = stream_name("innerwatch.behaviour", namespace)
    people: dict[str, Person] = {}
    for hit in pages(es, stream_name("innerwatch.alert", namespace), {"match_all": {}}):
        alert = Alert(hit["_id"], hit["_source"])
        employee = alert.document.get("employee") or {}
        key = alert.person.employee or alert.person.account or "unknown account"
        person = people.setdefault(key, Person(key, employee, alert.person.account, []))
        person.employee = employee or person.employee  # the state at the latest alert
        person.alerts.append(alert)
        alert.evidence = read_evidence(es, f"{events},{behaviour}", alert.evidence_ids[:EVIDENCE_READ])
    total, start, end = _period(es, events)
    standing = standings(es, behaviour, [key for key, person in people.items() if person.employee.get("id")])
    for person in people.values():
        person.alerts.sort(key=lambda alert: (-alert.risk, alert.first))
        who = person.alerts[0].person.query
        person.days = days(es, events, who, start, end)
        person.justified = justifications(es, events, who)
        person.standing = standing.get(person.key)
    ranked = sorted(people.values(), key=lambda person: (-person.risk, person.name))
    return Findings(ranked, total, start, end)


def events_index(namespace: str) -> str:
    """The streams of what people did."""
    return ",".join(stream_name(dataset, namespace) for dataset in ("aws.cloudtrail", "app.access"))


def read_evidence(
    es: Elasticsearch, index: str, ids: Sequence[str], source: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """Documents by their ids, oldest first; as many as one search may return, which is at most 10,000."""
    if not ids:
        return []
    found = es.search(
        index=index,
        query={"ids": {"values": list(ids)}},
        size=min(len(ids), MAX_RESULT_WINDOW),
        sort=[{"@timestamp": "asc"}],
        source=True if source is None else {"includes": list(source)},
        ignore_unavailable=True,
        allow_no_indices=True,
    )
    return [hit["_source"] for hit in found["hits"]["hits"]]


def standings(es: Elasticsearch, index: str, employees: Sequence[str]) -> dict[str, dict[str, Any]]:
    """HR id → the newest behaviour document, which holds the risk."""
    if not employees:
        return {}
    found = es.search(
        index=index,
        query={"terms": {"employee.id": list(employees)}},
        size=min(len(employees), MAX_RESULT_WINDOW),
        collapse={"field": "employee.id"},
        sort=[{"@timestamp": "desc"}],
        source={"includes": ["@timestamp", "employee.id", "user.risk", "behaviour.risk", "behaviour.date"]},
        ignore_unavailable=True,
        allow_no_indices=True,
    )
    return {str(dig(hit["_source"], "employee.id")): hit["_source"] for hit in found["hits"]["hits"]}


def justifications(es: Elasticsearch, index: str, who: dict[str, Any]) -> dict[str, int]:
    """access.justification → distinct customers whose data somebody saw with it."""
    answer = es.search(
        index=index,
        size=0,
        query=who,
        aggs={
            "justification": {
                "terms": {"field": "access.justification"},
                "aggs": {
                    "customers": {"cardinality": {"field": "access.customer.id"}},
                    # Of an access to many, not all need be unjustified.
                    "unjustified": {"cardinality": {"field": "access.unjustified.customer.id"}},
                },
            }
        },
        ignore_unavailable=True,
        allow_no_indices=True,
    )
    return {
        bucket["key"]: bucket["unjustified"]["value"] or bucket["customers"]["value"]
        for bucket in buckets(answer, "justification")
    }


def days(es: Elasticsearch, index: str, who: dict[str, Any], start: date, end: date) -> list[tuple[date, int]]:
    """How many events somebody has on each day from `start` to `end`, in UTC."""
    whole = {"gte": start.isoformat(), "lte": end.isoformat(), "format": "strict_date"}  # a day's `lte` takes all of it
    answer = es.search(
        index=index,
        size=0,
        query={"bool": {"filter": [who, {"range": {"@timestamp": whole}}]}},
        aggs={"days": {"date_histogram": {"field": "@timestamp", "calendar_interval": "day"}}},
        ignore_unavailable=True,
        allow_no_indices=True,
    )
    counts = {
        datetime.fromisoformat(bucket["key_as_string"]).date(): bucket["doc_count"]
        for bucket in buckets(answer, "days")
    }
    return [(day, counts.get(day, 0)) for day in (start + timedelta(n) for n in range((end - start).days + 1))]


def buckets(answer: Any, *names: str) -> list[Any]:
    """An aggregation's buckets; none where there is no index to ask, and so no aggregation."""
    part = answer.get("aggregations") or {}
    for name in names:
        part = part.get(name) or {}
    found: list[Any] = part.get("buckets", [])
    return found


def _period(es: Elasticsearch, index: str) -> tuple[int, date, date]:
    answer = es.search(
        index=index,
        size=0,
        track_total_hits=True,
        aggs={"first": {"min": {"field": "@timestamp"}}, "last": {"max": {"field": "@timestamp"}}},
        ignore_unavailable=True,
        allow_no_indices=True,
    )
    total = answer["hits"]["total"]["value"]
    if not total:
        today = datetime.now().astimezone().date()
        return 0, today, today
    first, last = (answer["aggregations"][name]["value_as_string"] for name in ("first", "last"))
    return total, datetime.fromisoformat(first).date(), datetime.fromisoformat(last).date()
