"""Behaviour measured on a real node: raw logs in, behaviour documents and alerts out; late, again, and broken off."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from elasticsearch import Elasticsearch

import measure_behaviour
from innerwatch import elastic, instants, pipeline
from innerwatch.behaviour import measuring
from innerwatch.behaviour.collect import Collector, day_number
from innerwatch.behaviour.score import judge
from innerwatch.detection.engine import detect, look_back
from innerwatch.detection.hindsight import leaving
from innerwatch.directory import Directory, in_memory
from innerwatch.elastic import stream_name
from innerwatch.hr import load_feed
from innerwatch.values import Event, SetAside
from innerwatch_cli import files, index_templates
from innerwatch_cli.sigma import compile_rules
from innerwatch_cli.simulate import simulate

pytestmark = pytest.mark.elasticsearch

NOW = instants.from_rfc3339("2026-03-20T00:00:00Z")
FIRST, LAST = day_number("2026-03-02"), day_number("2026-03-15")
RULE = """
title: Many customers
id: 3f0c7f0e-2f38-4c87-9d0e-6a1a3a4f7b11
status: test
logsource: {product: innerwatch, service: behaviour}
detection:
  many:
    behaviour.customers.value|gte: 40
  condition: many
level: high
---
title: Export by a leaver
id: 3f0c7f0e-2f38-4c87-9d0e-6a1a3a4f7b12
status: test
logsource: {product: app, service: access}
detection:
  export:
    event.action: export
    employee.status: notice
    employee.days_to_exit|lte: 60
  condition: export
level: high
"""


def around_the_world(feed: Path) -> None:
    """Moves people to where their day is not UTC's, some by half an hour, and one zone changes its clocks meanwhile."""
    zones = itertools.cycle(("Europe/Dublin", "Asia/Kolkata", "America/Los_Angeles"))
    rows = [row.replace("Europe/Dublin", next(zones)) for row in feed.read_text("utf-8").splitlines()]
    feed.write_text("\n".join(rows), "utf-8")


class Company:
    """A small simulated company, its people, and its enriched events; each test has a namespace of its own."""

    def __init__(self, folder: Path) -> None:
        simulate(seed=7, people=24, days=14, out=folder)
        around_the_world(folder / "hr" / "employees.csv")
        self.people: Directory = in_memory([load_feed(folder / "hr" / n) for n in ("employees.csv", "owners.csv")])
        names = files.expand([folder / "cloudtrail", folder / "app"])
        self._files = names

    def _read(self) -> Iterator[Event | SetAside]:
        return (event for path in self._files for event in pipeline.read(files.chunks(path), files.uri(path)))

    def events(self, namespace: str, until: str = "2026-04-01") -> list[Event]:
        found = list(pipeline.enriched(self._read(), self.people, namespace))
        assert not any(isinstance(item, SetAside) for item in found)
        return [e for e in found if isinstance(e, Event) and e.document["@timestamp"] < until]


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Company:
    return Company(tmp_path_factory.mktemp("company") / "small")


@pytest.fixture
def put(es: Elasticsearch, namespace: str) -> Callable[[list[Event], int], None]:
    """Indexes events as ingested at an instant."""
    index_templates.install(es)

    def index(events: list[Event], ingested: int) -> None:
        for event in events:
            event.document["event"]["ingested"] = instants.iso(ingested)
        for _, lines in elastic.batches(events, namespace):
            assert not elastic.create(es, lines, deadline=float("inf")).refused
        es.indices.refresh(index=f"logs-*-{namespace}")

    return index


def documents(es: Elasticsearch, namespace: str) -> dict[str, dict[str, Any]]:
    """What is stored, by id, without when it was written."""
    found = {}
    for hit in es.search(index=stream_name("innerwatch.behaviour", namespace), size=5000)["hits"]["hits"]:
        assert hit["_id"] == hit["_source"]["event"]["id"]
        del hit["_source"]["event"]["ingested"]
        found[hit["_id"]] = hit["_source"]
    return found


def expected(events: list[Event], people: Directory, namespace: str) -> dict[str, dict[str, Any]]:
    """The same from memory."""
    collector = Collector(people)
    for event in events:
        collector.add(event.document)
    made = {document["event"]["id"]: document for document in judge(collector.take(), namespace)}
    return msgspec.json.decode(msgspec.json.encode(made), type=dict[str, dict[str, Any]])


def test_days_are_measured_as_in_memory_and_only_once(
    es: Elasticsearch, company: Company, namespace: str, put: Callable[[list[Event], int], None]
) -> None:
    events = company.events(namespace)
    put(events, NOW - 10_000_000)
    first = measuring.measure(es, company.people, namespace, now=NOW)
    stored = documents(es, namespace)
    assert stored == expected(events, company.people, namespace)
    assert first.new == len(stored) > 150
    assert first.events == sum("id" in event.document["employee"] for event in events)
    again = measuring.measure(es, company.people, namespace, now=NOW, dates=range(FIRST - 1, LAST + 2))
    assert (again.new, again.changed, again.unchanged) == (0, 0, first.new)
    assert measuring.measure(es, company.people, namespace, now=NOW + 1).dates == 0  # nothing was ingested since


def test_late_events_change_their_day_alone(
    es: Elasticsearch, company: Company, namespace: str, put: Callable[[list[Event], int], None]
) -> None:
    events = company.events(namespace, "2026-03-12")
    busy = max({e.document["employee"].get("id", "") for e in events}, key=lambda who: sum(
        e.document["employee"].get("id") == who and e.dataset == "app.access" for e in events))  # fmt: skip
    late = [
        event
        for event in events
        if event.document["employee"].get("id") == busy and event.document["@timestamp"][:10] == "2026-03-10"
    ]
    assert len(late) > 10
    put([event for event in events if event not in late], NOW - 10_000_000)
    measuring.measure(es, company.people, namespace, now=NOW)
    before = documents(es, namespace)
    es.indices.rollover(alias=stream_name("innerwatch.behaviour", namespace))  # documents stay where they are
    put(late, NOW + 100_000_000)
    report = measuring.measure(es, company.people, namespace, now=NOW + 100_000_001)
    after = documents(es, namespace)
    changed = {after[identity]["behaviour"]["date"] for identity in after if after[identity] != before.get(identity)}
    assert changed <= {"2026-03-09", "2026-03-10", "2026-03-11", "2026-03-12"}
    assert report.new + report.changed > 0
    complete = expected(events, company.people, namespace)
    # Later days keep what was said on them, but the day itself is now as if nothing had been late.
    for identity, document in complete.items():
        if document["behaviour"]["date"] == "2026-03-10":
            assert after[identity] == document


def test_killed_and_run_again_it_comes_to_the_same(
    es: Elasticsearch,
    company: Company,
    namespace: str,
    put: Callable[[list[Event], int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    events = company.events(namespace, "2026-03-07")
    put(events, NOW - 10_000_000)
    create, calls = elastic.create, iter(range(1000))
    monkeypatch.setattr(elastic, "BATCH_DOCUMENTS", 5)

    def killed(*arguments: Any, **options: Any) -> elastic.Outcome:
        if next(calls) >= 20:
            raise KeyboardInterrupt
        return create(*arguments, **options)

    monkeypatch.setattr(elastic, "create", killed)
    with pytest.raises(KeyboardInterrupt):
        measuring.measure(es, company.people, namespace, now=NOW)
    es.indices.refresh(index=stream_name("innerwatch.behaviour", namespace))
    assert 0 < len(documents(es, namespace)) <= 100
    monkeypatch.setattr(elastic, "create", create)
    measuring.measure(es, company.people, namespace, now=NOW)
    assert documents(es, namespace) == expected(events, company.people, namespace)


def test_rules_on_behaviour_raise_alerts_and_a_leaver_is_looked_back_at(
    es: Elasticsearch, company: Company, namespace: str, put: Callable[[list[Event], int], None], tmp_path: Path
) -> None:
    events = company.events(namespace)
    put(events, NOW - 10_000_000)
    measuring.measure(es, company.people, namespace, now=NOW)
    path = tmp_path / "rule.yml"
    path.write_text(RULE)
    rules = compile_rules([path])
    report = detect(es, rules, namespace=namespace, now=NOW)
    many = [d for d in documents(es, namespace).values() if d["behaviour"]["customers"]["value"] >= 40]
    assert report.by_rule["Many customers"] == len(many) > 0
    alerts = es.search(index=stream_name("innerwatch.alert", namespace), size=100)["hits"]["hits"]
    assert {hit["_source"]["innerwatch"]["alert"]["dataset"] for hit in alerts} == {"innerwatch.behaviour"}

    exports = [e.document for e in events if e.document["event"]["action"] == "export"]
    somebody = min(document["employee"]["id"] for document in exports if document["employee"]["status"] == "active")
    assert look_back(es, rules, somebody, namespace=namespace, now=NOW).raised == 0  # no notice: nothing new
    fact = company.people.state(somebody, NOW)
    assert fact is not None
    resigned = replace(fact, employee=replace(fact.employee, notice_at="2026-03-19", last_day="2026-04-15"))
    known = leaving(resigned)
    found = look_back(es, rules, somebody, hindsight=known, namespace=namespace, now=NOW)
    assert found.by_rule.get("Export by a leaver", 0) > 0
    assert look_back(es, rules, somebody, hindsight=known, namespace=namespace, now=NOW).raised == 0


def test_the_function_measures_the_days_of_its_event(
    es: Elasticsearch,
    company: Company,
    namespace: str,
    put: Callable[[list[Event], int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    events = company.events(namespace, "2026-03-06")
    put(events, NOW)
    own = SimpleNamespace(es=es, people=company.people, namespace=namespace)
    monkeypatch.setattr(measure_behaviour, "parts", lambda: own)
    done = measure_behaviour.handler({"from": "2026-03-03", "to": "2026-03-04"}, SimpleNamespace())
    stored = documents(es, namespace)
    assert {document["behaviour"]["date"] for document in stored.values()} == {"2026-03-03", "2026-03-04"}
    assert (done["days"], done["new"]) == (2, len(stored))


@pytest.fixture(autouse=True)
def _streams_of_the_test_go(es: Elasticsearch, namespace: str) -> Iterator[None]:
    yield
    es.indices.delete(index=f"innerwatch-checkpoints-{namespace}", ignore_unavailable=True)
