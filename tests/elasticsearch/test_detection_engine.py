"""The detection engine on a real node: what comes late, comes again, grows, or breaks off."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from elasticsearch import Elasticsearch

from innerwatch import instants
from innerwatch.detection import alerts as alert_documents
from innerwatch.detection import store
from innerwatch.detection.engine import Report, detect, look_back
from innerwatch.detection.hindsight import leaving
from innerwatch.detection.rules import CompiledRule, dump, load
from innerwatch.detection.store import Store
from innerwatch.fields import DATASETS
from innerwatch.values import Employee, Fact, dig
from innerwatch_cli import index_templates
from innerwatch_cli.sigma import compile_rules

pytestmark = pytest.mark.elasticsearch

MINUTE = 60_000
HOUR = 60 * MINUTE
START = 1_770_000_000_000

LOOKUPS = """
title: Lookups
name: lookups
id: 0e95725d-7320-415d-80f7-004da920fc14
logsource: {product: app, service: access}
detection:
  lookup: {event.action: lookup}
  condition: lookup
"""
MANY = f"""
title: Many customers in an hour
id: 0e95725d-7320-415d-80f7-004da920fc12
status: test
tags: [attack.collection, attack.t1530]
correlation:
  type: event_count
  rules: [lookups]
  group-by: [employee.id]
  timespan: 1h
  condition: {{gte: 10}}
level: high
---{LOOKUPS}"""
SINGLE = """
title: Customer looked up without a case
id: 0e95725d-7320-415d-80f7-004da920fc11
status: test
description: A lookup without a case.
references: [https://example.com/lookups]
author: Security
date: 2026-01-01
modified: 2026-02-01
tags: [attack.collection, attack.t1530, attack.exfiltration, attack.t1567.002]
logsource: {product: app, service: access}
detection:
  lookup:
    event.action: lookup
    access.justification: unjustified
  condition: lookup
level: medium
"""


class Company:
    """A namespace with documents as the enricher writes them.

    Always the same one, emptied: the local node cannot delete data streams, and would keep those of every run.
    """

    def __init__(self, es: Elasticsearch, folder: Path) -> None:
        self.es, self.folder = es, folder
        self.namespace = "testdetection"
        self.ingested = START + 1000 * HOUR

    def clear(self) -> None:
        for index in (
            *(f"logs-{name}-{self.namespace}" for name in DATASETS),
            f"innerwatch-checkpoints-{self.namespace}",
        ):
            if self.es.indices.exists(index=index):
                self.es.indices.refresh(index=index)
                hits = self.es.search(index=index, size=10_000, source=False)["hits"]["hits"]
                if hits:
                    gone = [{"delete": {"_index": hit["_index"], "_id": hit["_id"]}} for hit in hits]
                    self.es.bulk(operations=gone, refresh=True)

    def rules(self, text: str) -> list[CompiledRule]:
        path = self.folder / "rule.yml"
        path.write_text(text)
        return load(dump(compile_rules([path])))  # as they travel to AWS

    def index(self, documents: Sequence[dict[str, Any]]) -> None:
        self.ingested += 1
        operations: list[dict[str, Any]] = []
        for document in documents:
            document["event"].setdefault("ingested", instants.iso(self.ingested))
            operations += [{"create": {"_id": document["event"]["id"]}}, document]
        answer = self.es.bulk(index=f"logs-app.access-{self.namespace}", operations=operations, refresh=True)
        assert not answer["errors"], answer

    def detect(self, rules: Sequence[CompiledRule], now: int = START + 10_000 * HOUR) -> Report:
        return detect(self.es, rules, namespace=self.namespace, now=now)

    def alerts(self) -> list[dict[str, Any]]:
        index = f"logs-innerwatch.alert-{self.namespace}"
        if not self.es.indices.exists(index=index):
            return []
        hits = self.es.search(index=index, size=1000, sort=["innerwatch.alert.first"])["hits"]["hits"]
        return [{"_id": hit["_id"], **hit["_source"]} for hit in hits]


@pytest.fixture
def company(es: Elasticsearch, tmp_path: Path) -> Company:
    index_templates.install(es)
    company = Company(es, tmp_path)
    company.clear()
    return company


def lookup(time: int, who: str | None = "e-1", identity: str = "", **fields: Any) -> dict[str, Any]:
    return {
        "@timestamp": instants.iso(time),
        "event": {"id": identity or f"{who}-{time}", "action": "Lookup", "kind": "event"},
        "access": {"justification": "unjustified", "customer": {"id": [f"c-{time % 7}"]}},
        "user": {"name": f"account of {who}"},
        **({"employee": {"id": who, "name": "Ana", "role": "agent", "status": "active"}} if who else {}),
        **fields,
    }


def evidence(alert: dict[str, Any]) -> list[str]:
    return list(dig(alert, "innerwatch.alert.evidence.id"))


def test_no_stream_is_no_events(company: Company) -> None:
    report = company.detect(company.rules(SINGLE))
    assert (report.rules, report.matched, report.raised) == (1, 0, 0)


def test_single_events_become_one_alert_for_an_actor_and_a_stretch_of_time(company: Company) -> None:
    rules = company.rules(SINGLE)
    run = [lookup(START + place * 50 * MINUTE) for place in range(5)]
    later = [lookup(START + 10 * HOUR)]
    other = [lookup(START, "e-2")]
    nobody = [lookup(START, None, "n-1"), lookup(START + 1, None, "n-2")]
    company.index([*run, *later, *other, *nobody])
    assert company.detect(rules).raised == 4
    assert sorted(len(evidence(alert)) for alert in company.alerts()) == [1, 1, 2, 5]
    again = company.detect(rules)
    assert (again.raised, again.grown, again.conflicts) == (0, 0, 0)


def test_what_an_alert_says(company: Company) -> None:
    rules = company.rules(SINGLE)
    first = lookup(START, access={"justification": "unjustified", "customer": {"id": ["c-2", "c-1"]}})
    last = lookup(START + MINUTE, employee={"id": "e-1", "name": "Ana", "role": "agent", "status": "notice"})
    company.index([first, last])
    company.detect(rules)
    (alert,) = company.alerts()
    assert alert["@timestamp"] == instants.iso(START + MINUTE)
    assert alert["event"]["kind"] == "alert"
    assert alert["event"]["risk_score"] == 47
    assert alert["employee"]["status"] == "notice"  # as of the latest event
    assert dig(alert, "access.customer.id") == sorted({"c-1", "c-2", f"c-{(START + MINUTE) % 7}"})
    assert alert["rule"] == {
        "id": "0e95725d-7320-415d-80f7-004da920fc11",
        "uuid": "0e95725d-7320-415d-80f7-004da920fc11",
        "name": "Customer looked up without a case",
        "description": "A lookup without a case.",
        "version": "2026-02-01",
        "author": "Security",
        "reference": ["https://example.com/lookups"],
        "ruleset": "innerwatch",
        "category": "medium",
    }
    pairs = [(one["tactic"]["id"], [technique["id"] for technique in one["technique"]]) for one in alert["threat"]]
    assert pairs == [("TA0009", ["T1530"]), ("TA0010", ["T1567"])]
    assert alert["threat"][1]["technique"][0]["subtechnique"][0]["id"] == "T1567.002"
    assert dig(alert, "innerwatch.alert.evidence.index") == [f"logs-app.access-{company.namespace}"]
    reason = dig(alert, "innerwatch.alert.reason")
    assert reason.startswith(
        "Ana (agent, notice): Customer looked up without a case, 2 events (Lookup), from 2026-02-02"
    )


def test_an_alert_says_what_it_took_hindsight_to_see(company: Company) -> None:
    """At a leaver's look-back; nothing is said of alerts that there would be anyway, or of what was known by then."""
    leaver = SINGLE.replace("access.justification: unjustified", "employee.status: notice").replace("fc11", "fc10")
    rules = [*company.rules(SINGLE), *company.rules(leaver)]
    notice, employee = "2026-02-04", {"id": "e-1", "name": "Ana", "role": "agent"}
    before, after = lookup(START), lookup(START + 72 * HOUR, employee={**employee, "status": "notice"})
    company.index([before, after])
    known = leaving(Fact(Employee("e-1", hired_at="2024-01-08", notice_at=notice, last_day="2026-03-31"), 0, 0))
    now = START + 80 * HOUR
    look_back(company.es, rules, "e-1", hindsight=known, namespace=company.namespace, now=now)
    said = {
        (alert["rule"]["uuid"][-2:], alert["innerwatch"]["alert"]["evidence"]["id"][0]): (
            dig(alert, "innerwatch.alert.hindsight"),
            dig(alert, "innerwatch.alert.reason").rpartition(" concerned")[2],
        )
        for alert in company.alerts()
    }
    in_hindsight = "notice given on 2026-02-04", ", seen in hindsight: notice given on 2026-02-04"
    first, last = before["event"]["id"], after["event"]["id"]
    nothing = None, ""
    assert said == {
        ("11", first): nothing,
        ("11", last): nothing,
        ("10", first): in_hindsight,
        ("10", last): nothing,
    }
    assert "innerwatch.alert.hindsight" in {row.name for row in DATASETS["innerwatch.alert"]}
    company.index([lookup(START + MINUTE, employee={**employee, "status": "notice"})])
    assert company.detect(rules).grown == 2
    assert {alert["innerwatch"]["alert"].get("hindsight") for alert in company.alerts()} == {None, in_hindsight[0]}


def test_an_alert_about_several_people_names_them_all(company: Company) -> None:
    rules = company.rules(MANY.replace("group-by: [employee.id]", "group-by: [service.name]").replace("10", "2"))
    company.index([lookup(START + place, f"e-{place}", service={"name": "CRM"}) for place in range(3)])
    company.detect(rules)
    (alert,) = company.alerts()
    assert dig(alert, "innerwatch.alert.employee.id") == ["e-0", "e-1", "e-2"]
    assert alert["employee"]["id"] == "e-2"
    assert dig(alert, "innerwatch.alert.reason").startswith("Ana (agent) and 2 others: Many customers")


def test_every_field_of_an_alert_is_in_the_field_table(company: Company) -> None:
    company.index([lookup(START + place) for place in range(10)])
    company.detect([*company.rules(MANY), *company.rules(SINGLE)])
    names = {row.name for row in DATASETS["innerwatch.alert"]}

    def leaves(value: Any, path: str) -> Iterator[str]:
        if isinstance(value, dict):
            for name, below in value.items():
                yield from leaves(below, f"{path}.{name}" if path else name)
        elif isinstance(value, list):
            for item in value:
                yield from leaves(item, path)
        else:
            yield path

    for alert in company.alerts():
        identity = alert.pop("_id")
        assert alert["event"]["id"] == identity
        assert set(leaves(alert, "")) <= names


@pytest.mark.parametrize("minutes", [1, 10, 30, 58])
def test_ten_in_an_hour_delivered_late_and_shuffled(company: Company, minutes: int) -> None:
    rules = company.rules(MANY)
    rng = random.Random(minutes)
    offset = START + rng.randrange(HOUR)
    burst = [lookup(offset + minutes * MINUTE * place // 9) for place in range(10)]
    quiet = [lookup(offset + place * (HOUR // 9 + MINUTE), "e-2") for place in range(15)]
    delivered = [*burst, *quiet]
    rng.shuffle(delivered)
    for start in range(0, len(delivered), 6):
        company.index(delivered[start : start + 6])
        company.detect(rules)
    (alert,) = company.alerts()
    assert set(evidence(alert)) == {document["event"]["id"] for document in burst}
    assert alert["employee"]["id"] == "e-1"
    assert company.detect(rules).raised == 0


def test_a_burst_grows_in_both_directions_and_stays_one_alert(company: Company) -> None:
    rules = company.rules(MANY)
    company.index([lookup(START + place * MINUTE) for place in range(10)])
    assert company.detect(rules).raised == 1
    identity = company.alerts()[0]["_id"]
    company.index([lookup(START + 30 * MINUTE), lookup(START - 20 * MINUTE)])
    report = company.detect(rules)
    assert (report.raised, report.grown) == (0, 1)
    (alert,) = company.alerts()
    assert alert["_id"] == identity
    assert len(evidence(alert)) == dig(alert, "innerwatch.alert.evidence.count") == 12
    assert dig(alert, "innerwatch.alert.first") == instants.iso(START - 20 * MINUTE)
    assert alert["@timestamp"] == instants.iso(START + 30 * MINUTE)


def test_a_late_event_that_joins_two_bursts_raises_no_third(company: Company) -> None:
    rules = company.rules(MANY)
    company.index([lookup(START + place * MINUTE) for place in range(10)])
    company.index([lookup(START + 70 * MINUTE + place * MINUTE) for place in range(10)])
    assert company.detect(rules).raised == 2
    company.index([lookup(START + 40 * MINUTE)])
    report = company.detect(rules)
    assert (report.raised, report.grown) == (0, 1)
    first, second = company.alerts()
    assert len(set(evidence(first)) | set(evidence(second))) == 21
    assert not set(evidence(first)) & set(evidence(second))


def test_a_run_that_breaks_off_is_done_again_and_adds_nothing(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = company.rules(MANY)
    company.index([lookup(START + place * MINUTE) for place in range(10)])

    save = Store.save_checkpoints

    def break_off(self: Store, checkpoints: dict[str, Any]) -> None:
        if any(checkpoint["reached"] for checkpoint in checkpoints.values()):  # the rule had more than its turn
            raise KeyboardInterrupt
        save(self, checkpoints)

    with monkeypatch.context() as patched:
        patched.setattr(Store, "save_checkpoints", break_off)
        with pytest.raises(KeyboardInterrupt):
            company.detect(rules)
    assert len(company.alerts()) == 1
    report = company.detect(rules)
    assert (report.raised, report.grown, len(company.alerts())) == (0, 0, 1)


def test_only_new_events_are_read_and_all_again_when_the_rule_means_something_else(company: Company) -> None:
    rules = company.rules(SINGLE)
    company.index([lookup(START + place) for place in range(10)])
    assert company.detect(rules).matched == 10
    company.ingested += HOUR
    company.index([lookup(START + HOUR)])
    assert company.detect(rules).matched == 11  # the checkpoint stood at the first ten
    assert company.detect(rules).matched == 1
    renamed = company.rules(SINGLE.replace("without a case", "with no case"))
    assert company.detect(renamed).matched == 1
    changed = company.rules(SINGLE.replace("event.action: lookup", "event.action|startswith: look"))
    assert company.detect(changed).matched == 11
    assert len(company.alerts()) == 1


def test_a_clock_that_is_ahead_hides_nothing(company: Company) -> None:
    rules = company.rules(SINGLE)
    ahead = lookup(START)
    ahead["event"]["ingested"] = instants.iso(START + 50_000 * HOUR)
    company.index([ahead])
    assert company.detect(rules).raised == 1
    company.index([lookup(START + 5 * HOUR)])
    assert company.detect(rules, now=START + 10_001 * HOUR).raised == 0  # read before: the clock is far behind `now`
    company.ingested = START + 10_002 * HOUR
    company.index([lookup(START + 9 * HOUR)])
    assert company.detect(rules, now=START + 10_003 * HOUR).raised == 1


def test_pages_and_chunks_change_nothing(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "PAGE", 7)
    monkeypatch.setattr("innerwatch.detection.engine.CHUNK", 5)
    monkeypatch.setattr("innerwatch.detection.engine.GROUPS", 2)
    rules = [*company.rules(MANY), *company.rules(SINGLE)]
    people = [f"e-{place}" for place in range(7)]
    documents = [lookup(START + place * MINUTE, who) for place in range(12) for who in people]
    random.Random(1).shuffle(documents)
    company.index(documents)
    report = company.detect(rules)
    assert report.raised == 14
    assert all(len(evidence(alert)) == 12 for alert in company.alerts())


def test_a_burst_too_large_for_one_alert_goes_on_in_another(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alert_documents, "MOST_EVIDENCE", 4)
    rules = company.rules(SINGLE)
    company.index([lookup(START + place) for place in range(6)])
    assert company.detect(rules).raised == 2
    company.index([lookup(START + 10 + place) for place in range(3)])
    report = company.detect(rules)
    assert (report.raised, report.grown) == (1, 1)
    found = [identity for alert in company.alerts() for identity in evidence(alert)]
    assert len(found) == len(set(found)) == 9
    assert company.detect(rules).raised == 0


def test_another_run_that_was_faster_is_not_overwritten(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = company.rules(SINGLE)
    company.index([lookup(START)])
    company.detect(rules)
    company.index([lookup(START + 1)])
    read = Store.raised

    def overtaken(self: Store, *args: Any) -> list[store.Stored]:
        return [alert._replace(seq_no=alert.seq_no + 1) for alert in read(self, *args)]

    with monkeypatch.context() as patched:
        patched.setattr(Store, "raised", overtaken)
        report = company.detect(rules)
    assert (report.grown, report.conflicts) == (0, 1)


def test_a_value_too_long_to_be_indexed_is_found_all_the_same(company: Company) -> None:
    rules = company.rules(
        SINGLE.replace("event.action: lookup", "user_agent.original|endswith: evil").replace("event.action", "x")
    )
    long = "x" * 9000 + "EVIL"
    found = lookup(START, user_agent={"original": long}, innerwatch={"oversized": ["user_agent.original"]})
    other = lookup(START + 1, user_agent={"original": "x" * 9000}, innerwatch={"oversized": ["user_agent.original"]})
    company.index([found, other])
    company.detect(rules)
    assert [evidence(alert) for alert in company.alerts()] == [[found["event"]["id"]]]


def test_what_is_not_run_is_said_and_does_not_keep_the_others_from_running(company: Company) -> None:
    company.index([lookup(START)])
    (rule,) = company.rules(SINGLE)
    others = {
        "foreign": {"dataset": ""},
        "informational": {"level": "informational"},
        "unsupported": {"status": "unsupported"},
        "not a query": {"query": "event.action:["},
    }
    wrong = [msgspec.structs.replace(rule, id=name, title=name, **change) for name, change in others.items()]
    report = company.detect([*wrong, rule])
    assert set(report.skipped) == set(others)
    assert (report.rules, report.raised) == (1, 1)
    assert "not run: foreign: its log source is none of ours" in str(report)


def test_an_expression_that_runs_away_is_ended_and_loses_nothing(company: Company) -> None:
    pattern = "user_agent.original|re: '^(a+)+$'"
    rules = company.rules(SINGLE.replace("event.action: lookup", pattern))
    hostile = lookup(START, user_agent={"original": "a" * 60 + "!"})
    company.index([hostile, lookup(START + 1, user_agent={"original": "aaa"})])
    report = company.detect(rules)
    assert report.rules == report.raised == 0
    (why,) = report.skipped.values()
    assert "'^(a+)+$' takes more than 1 s for one value" in why
    assert hostile["event"]["id"] in why
    mended = company.rules(SINGLE.replace("event.action: lookup", pattern.replace("(a+)+", "a+")))
    assert company.detect(mended).raised == 1


TEMPORAL = f"""
title: Export after many lookups
id: 0e95725d-7320-415d-80f7-004da920fc21
correlation:
  type: temporal_ordered
  rules: [many, exports]
  group-by: [employee.id]
  timespan: 2h
level: critical
---
title: Many
name: many
id: 0e95725d-7320-415d-80f7-004da920fc22
correlation:
  type: event_count
  rules: [lookups]
  group-by: [employee.id]
  timespan: 1h
  condition: {{gte: 3}}
---
title: Exports
name: exports
id: 0e95725d-7320-415d-80f7-004da920fc23
logsource: {{product: app, service: access}}
detection:
  export: {{event.action: export}}
  condition: export
---{LOOKUPS}"""


def test_a_chain_whose_parts_come_late(company: Company) -> None:
    rules = company.rules(TEMPORAL)
    lookups = [lookup(START + place * MINUTE) for place in range(3)]
    export = lookup(START + HOUR, event={"id": "x", "action": "Export"})
    too_early = lookup(START, "e-2", event={"id": "y", "action": "Export"})
    company.index([export, too_early, *(lookup(START + HOUR + place, "e-2") for place in range(3)), lookups[1]])
    assert company.detect(rules).raised == 0
    company.index([lookups[2], lookups[0]])
    assert company.detect(rules).raised == 1
    (alert,) = company.alerts()
    assert evidence(alert) == [document["event"]["id"] for document in [*lookups, export]]
    assert alert["event"]["risk_score"] == 99


def test_a_correlation_of_one_event_is_a_rule_with_a_longer_suppression(company: Company) -> None:
    """docs/semantics.md, Suppression: no second alert about a person until nothing came for the timespan."""
    rules = company.rules(MANY.replace("gte: 10", "gte: 1").replace("timespan: 1h", "timespan: 1d"))
    company.index([lookup(START + hours * HOUR) for hours in (0, 20, 40, 80)])
    assert company.detect(rules).raised == 2
    company.index([lookup(START + 100 * HOUR), lookup(START + 90 * HOUR, "e-2")])
    report = company.detect(rules)
    assert (report.raised, report.grown) == (1, 1)
    assert [len(evidence(alert)) for alert in company.alerts()] == [3, 2, 1]


@pytest.mark.parametrize("known", [False, True])
def test_runs_that_are_out_of_time_again_and_again_come_to_the_end(
    company: Company, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    monkeypatch.setattr(store, "PAGE", 7)
    monkeypatch.setattr("innerwatch.detection.engine.CHUNK", 8)
    rules = [*company.rules(MANY), *company.rules(SINGLE)]
    if known:  # the rules have checkpoints, and read what is new together
        company.index([lookup(START - 100 * HOUR, "e-0")])
        company.detect(rules)
    documents = [lookup(START + place * MINUTE, who) for place in range(12) for who in ("e-1", "e-2", "e-3")]
    for document in documents:  # over longer than is read again
        company.ingested += 3 * MINUTE
        document["event"]["ingested"] = instants.iso(company.ingested)
    company.index(documents)
    asked = 0

    def over(until: float | None) -> bool:
        nonlocal asked
        asked += until is not None
        return until is not None and asked % 15 == 0

    monkeypatch.setattr("innerwatch.detection.engine._over", over)
    reports = [detect(company.es, rules, namespace=company.namespace, now=START + 10_000 * HOUR, until=0.0)]
    while reports[-1].postponed:
        assert len(reports) < 30
        reports.append(detect(company.es, rules, namespace=company.namespace, now=START + 10_000 * HOUR, until=0.0))
    assert len(reports) > 1
    for rule in (rule for rule in rules if rule.alerts):
        found = [one for alert in company.alerts() if alert["rule"]["uuid"] == rule.id for one in evidence(alert)]
        wanted = {document["event"]["id"] for document in documents}
        assert (set(found) & wanted, len(found)) == (wanted, len(set(found)))


def test_what_many_rules_ask_is_read_once(company: Company) -> None:
    rules = company.rules(MANY)
    more = [
        msgspec.structs.replace(rule, id=f"{rule.id}-{copy}") for rule in rules for copy in range(20) if rule.alerts
    ]
    company.detect([*rules, *more])
    company.index([lookup(START)])
    company.detect([*rules, *more])
    company.index([lookup(START + place * MINUTE, f"e-{place}") for place in range(30)])
    read: list[str] = []
    hits = Store.hits

    def counted(self: Store, index: str, query: Any, *others: Any, **options: Any) -> Any:
        for hit in hits(self, index, query, *others, **options):
            if "range" in query:  # what is new, not what is around it
                read.append(hit["_id"])
            yield hit

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "hits", counted)
        assert company.detect([*rules, *more]).rules == 21
    assert len(read) == len(set(read)) == 31


def test_groups_by_several_fields_and_counts_their_values(company: Company) -> None:
    rules = company.rules(
        MANY.replace("event_count", "value_count")
        .replace("group-by: [employee.id]", "group-by: [employee.id, service.name]")
        .replace("{gte: 10}", "{field: customers, gte: 4}")
    )
    company.index(
        [
            *(lookup(START + place * 7, service={"name": "CRM"}) for place in range(9)),  # one customer
            *(lookup(START + place, "e-2", service={"name": "CRM"}) for place in range(4)),
            *(lookup(START + place, "e-3", service={"name": f"app {place % 2}"}) for place in range(7)),
            *(lookup(START + place, "e-4") for place in range(7)),  # no application: in no group
        ]
    )
    company.detect(rules)
    groups = [dig(alert, "innerwatch.alert.group.values") for alert in company.alerts()]
    assert sorted(groups) == [["e-2", "crm"], ["e-3", "app 0"]]
