"""What was found, gathered from Elasticsearch: alerts, the people they name, and each person's days."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from elasticsearch import Elasticsearch

from innerwatch.elastic import stream_name
from innerwatch.values import dig

# Kibana's risk scores for its four severities, highest first.
SEVERITIES = {"critical": 99, "high": 73, "medium": 47, "low": 21}
PAGE = 1000  # documents asked for at a time
EVIDENCE_READ = 500  # evidence documents read for an alert; their number is exact all the same


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
    index = ",".join(stream_name(dataset, namespace) for dataset in ("aws.cloudtrail", "app.access"))
    people: dict[str, Person] = {}
    for hit in pages(es, stream_name("innerwatch.alert", namespace), {"match_all": {}}):
        alert = Alert(hit["_id"], hit["_source"])
        employee = alert.document.get("employee") or {}
        account = str(dig(alert.document, "user.name") or dig(alert.document, "user.id") or "")
        key = str(employee.get("id") or account or "unknown account")
        person = people.setdefault(key, Person(key, employee, account, []))
        person.employee = employee or person.employee  # the state at the latest alert
        person.alerts.append(alert)
        alert.evidence = _evidence(es, index, alert)
    events, start, end = _period(es, index)
    for person in people.values():
        person.alerts.sort(key=lambda alert: (-alert.risk, alert.first))
        person.days = _days(es, index, person, start, end)
    ranked = sorted(people.values(), key=lambda person: (-person.risk, person.name))
    return Findings(ranked, events, start, end)


def _evidence(es: Elasticsearch, index: str, alert: Alert) -> list[dict[str, Any]]:
    found = es.search(
        index=index,
        query={"ids": {"values": alert.evidence_ids[:EVIDENCE_READ]}},
        size=EVIDENCE_READ,
        sort=[{"@timestamp": "asc"}],
        ignore_unavailable=True,
    )
    return [hit["_source"] for hit in found["hits"]["hits"]]


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


def _days(es: Elasticsearch, index: str, person: Person, start: date, end: date) -> list[tuple[date, int]]:
    names = {"employee.id": person.employee["id"]} if person.employee.get("id") else {"user.name": person.account}
    answer = es.search(
        index=index,
        size=0,
        query={"term": names},
        aggs={"days": {"date_histogram": {"field": "@timestamp", "calendar_interval": "day"}}},
        ignore_unavailable=True,
        allow_no_indices=True,
    )
    buckets = answer.get("aggregations", {}).get("days", {}).get("buckets", [])
    counts = {datetime.fromisoformat(bucket["key_as_string"]).date(): bucket["doc_count"] for bucket in buckets}
    return [(day, counts.get(day, 0)) for day in (start + timedelta(n) for n in range((end - start).days + 1))]
