"""A Person's Risk Is High, on a real node."""

from collections.abc import Iterator
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from innerwatch import elastic, instants, pipeline
from innerwatch.behaviour import measuring
from innerwatch.detection.engine import Report, detect
from innerwatch.elastic import stream_name
from innerwatch.values import Event, dig
from innerwatch_cli import index_templates
from innerwatch_cli.authoring import cases
from innerwatch_cli.paths import RULES
from innerwatch_cli.sigma import compile_rules

pytestmark = pytest.mark.elasticsearch

RULE = RULES / "innerwatch" / "behaviour" / "risk_of_a_person_high.yml"
CASE = "high on six days, with a weekend between and two ordinary days at the end: one alert"
HIGH = ["2026-03-17", "2026-03-18", "2026-03-19", "2026-03-20", "2026-03-23", "2026-03-24"]


class Company:
    """The people and events of the rule's case, indexed, measured and judged as time goes by."""

    def __init__(self, es: Elasticsearch, namespace: str) -> None:
        self.es, self.namespace = es, namespace
        self.rules = compile_rules([RULE])
        found = cases.load(RULE)
        (case,) = [one for one in found.cases if one.name == CASE]
        self.people = found.directory()
        items = list(pipeline.enriched(found.parsed(case), self.people, namespace))
        self.events = sorted((item for item in items if isinstance(item, Event)), key=lambda event: event.time)
        assert len(self.events) == len(items)
        index_templates.install(es)

    def until(self, instant: str) -> Report:
        """What happened up to an instant is indexed then; days are measured a moment later, and rules run."""
        now = instants.from_rfc3339(instant)
        came = [event for event in self.events if event.time < now]
        self.events = self.events[len(came) :]
        for event in came:
            event.document["event"]["ingested"] = instants.iso(now)
        for _, lines in elastic.batches(came, self.namespace):
            assert not elastic.create(self.es, lines, deadline=float("inf")).refused
        self.es.indices.refresh(index=f"logs-*-{self.namespace}")
        measuring.measure(self.es, self.people, self.namespace, now=now + 1000)
        report = detect(self.es, self.rules, namespace=self.namespace, now=now + 2000)
        self.es.indices.refresh(index=f"logs-*-{self.namespace}")
        return report

    def stored(self, dataset: str) -> list[dict[str, Any]]:
        index = stream_name(dataset, self.namespace)
        return [hit["_source"] for hit in self.es.search(index=index, size=1000)["hits"]["hits"]]


@pytest.fixture
def company(es: Elasticsearch, namespace: str) -> Iterator[Company]:
    yield Company(es, namespace)
    es.indices.delete(index=f"innerwatch-checkpoints-{namespace}", ignore_unavailable=True)


def test_a_high_risk_is_one_alert_whenever_days_are_measured_and_adds_nothing_to_the_risk(company: Company) -> None:
    def outcomes(*times: str) -> list[tuple[int, int]]:
        return [(report.raised, report.grown) for report in map(company.until, times)]

    assert outcomes("2026-03-17T00:00:00Z") == [(0, 0)]
    # By noon of the first high day, again with each event that comes, when the day's document is of a later time, and
    # when the day is over.
    assert outcomes("2026-03-17T11:15:00Z") == [(1, 0)]
    assert outcomes("2026-03-17T12:01:00Z", "2026-03-18T00:00:00Z") == [(0, 0)] * 2
    assert outcomes(*(f"{day}T23:59:59.999Z" for day in HIGH[1:])) == [(0, 1)] * 5
    (alert,) = company.stored("innerwatch.alert")
    own = alert["innerwatch"]["alert"]
    days = {one["event"]["id"]: one["behaviour"]["date"] for one in company.stored("innerwatch.behaviour")}
    assert [days[identity] for identity in own["evidence"]["id"]] == HIGH
    assert own["dataset"] == "innerwatch.behaviour"
    assert alert["employee"]["id"] == "E-1001"
    contributions = [
        one
        for document in company.stored("innerwatch.behaviour")
        for one in dig(document, "behaviour.risk.contributions") or ()
    ]
    assert len(contributions) > 20
    assert {one["kind"] for one in contributions} <= {"score", "rest"}
