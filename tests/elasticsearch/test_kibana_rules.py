"""Rules for Kibana, run as Kibana runs them: each selects exactly what the engine matches.

No Kibana runs here. What its detection engine sends for a Lucene query is in its sources: `getQueryFilter`, which
makes a `query_string` with the options below.
"""

import json
import re
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
import yaml
from elasticsearch import Elasticsearch

from innerwatch import elastic
from innerwatch.detection import alerts
from innerwatch.detection.alerts import Evidence
from innerwatch.detection.predicate import compiled
from innerwatch.detection.rules import CompiledRule
from innerwatch.sources import cloudtrail
from innerwatch.values import Event, Origin
from innerwatch_cli.authoring import running, suites
from innerwatch_cli.authoring.running import Outcome, Suite
from innerwatch_cli.kibana import rules as kibana
from innerwatch_cli.paths import RULES
from innerwatch_cli.sigma import compile_rules
from tests.elasticsearch.test_sigma_cloudtrail import RULES as SIGMAHQ
from tests.elasticsearch.test_sigma_cloudtrail import made

pytestmark = pytest.mark.elasticsearch

Document = dict[str, Any]
OPTIONS = {"analyze_wildcard": True, "time_zone": "Zulu"}


class Pack(NamedTuple):
    suites: list[Suite]
    outcomes: list[list[Outcome]]
    indices: Mapping[str, str]

    def documents(self, dataset: str) -> dict[str, Document]:
        """Every event of every case of the pack, by its id in the index."""
        return {
            f"{suite}:{place}:{identity}": document
            for suite, items in enumerate(self.outcomes)
            for place, item in enumerate(items)
            for identity, document in item.documents
            if document["data_stream"]["dataset"] == dataset
        }


@pytest.fixture(scope="module")
def pack(elasticsearch: Elasticsearch) -> Iterator[Pack]:
    loaded = suites.load([RULES])
    assert not loaded.errors
    outcomes = [[running.prepared(suite.cases, case) for case in suite.cases.cases] for suite in loaded.suites]
    with running.scratch(elasticsearch, ["app.access", "aws.cloudtrail"]) as indices:
        running.index(elasticsearch, indices, outcomes)
        yield Pack(loaded.suites, outcomes, indices)


def native(rules: Iterable[CompiledRule], known: Mapping[str, CompiledRule]) -> list[tuple[CompiledRule, kibana.Rule]]:
    exported = kibana.export(rules, known, "innerwatch")
    return [(known[rule["rule_id"]], rule) for rule in exported.rules if rule["rule_id"] in known]


def selected(es: Elasticsearch, index: str, rule: kibana.Rule) -> set[str]:
    assert (rule["type"], rule["language"]) == ("query", "lucene")
    answer = es.search(index=index, query={"query_string": {"query": rule["query"], **OPTIONS}}, size=10_000)
    assert answer["hits"]["total"]["value"] < 10_000
    return {hit["_id"] for hit in answer["hits"]["hits"]}


def test_the_pack_selects_what_the_engine_matches(elasticsearch: Elasticsearch, pack: Pack) -> None:
    """On the rule's own cases and on those of all other rules."""
    cases = 0
    for number, suite in enumerate(pack.suites):
        for rule, exported in native(suite.rules, suite.known):
            assert rule.condition is not None
            holds = compiled(rule.condition)
            documents = pack.documents(rule.dataset)
            found = selected(elasticsearch, pack.indices[rule.dataset], exported)
            assert found == {identity for identity, document in documents.items() if holds(document)}, rule.title
            for place, item in enumerate(pack.outcomes[number]):
                hits = any(identity.startswith(f"{number}:{place}:") for identity in found)
                assert hits or not item.case.match or len(suite.rules) > 1, (rule.title, item.case.name)
                assert item.case.match or not hits, (rule.title, item.case.name)
                cases += 1
    assert cases > 60


def test_the_guides_query_counts_the_same_events(elasticsearch: Elasticsearch, pack: Pack) -> None:
    asked = 0
    for suite in pack.suites:
        for rule, exported in native(suite.rules, suite.known):
            found = re.search(r"```\n(FROM .*?)\n```", exported["note"], re.DOTALL)
            assert found
            query = (
                found[1].replace(exported["index"][0], pack.indices[rule.dataset]).replace("- 30 days", "- 99 years")
            )
            answer = elasticsearch.esql.query(query=query)
            assert answer["columns"][0]["name"] == "events"
            hits = selected(elasticsearch, pack.indices[rule.dataset], exported)
            # A person has one role and one department in an event, so that none is counted twice.
            assert sum(row[0] for row in answer["values"]) == len(hits) > 0, rule.title
            asked += 1
    assert asked > 20


@pytest.mark.skipif(not SIGMAHQ.exists(), reason="SigmaHQ's rules are not beside the checkout (../shared/data)")
def test_sigmahqs_rules_select_what_the_engine_matches(elasticsearch: Elasticsearch) -> None:
    """On events made to hit and to miss each of them."""
    rules = compile_rules([SIGMAHQ])
    records = [
        record for path in sorted(Path(SIGMAHQ).rglob("*.yml")) for record in made(yaml.safe_load(path.read_text()))
    ]
    events = [
        cloudtrail.parse(json.dumps(record).encode(), Origin("made", place)) for place, record in enumerate(records)
    ]
    documents = {str(place): event.document for place, event in enumerate(events) if isinstance(event, Event)}
    assert len(documents) == len(records)
    with running.scratch(elasticsearch, ["aws.cloudtrail"]) as indices:
        index = indices["aws.cloudtrail"]
        write(elasticsearch, index, documents)
        pairs = native(rules, {rule.id: rule for rule in rules})
        assert len(pairs) > 40
        for rule, exported in pairs:
            assert rule.condition is not None
            holds = compiled(rule.condition)
            expected = {identity for identity, document in documents.items() if holds(document)}
            assert selected(elasticsearch, index, exported) == expected, rule.title
            assert 0 < len(expected) < len(documents), rule.title


def write(es: Elasticsearch, index: str, documents: Mapping[str, Document]) -> None:
    lines = [
        msgspec.json.encode(line)
        for identity, document in documents.items()
        for line in ({"create": {"_index": index, "_id": identity}}, document)
    ]
    for start in range(0, len(lines), 2 * elastic.BATCH_DOCUMENTS):
        outcome = elastic.create(es, lines[start : start + 2 * elastic.BATCH_DOCUMENTS], deadline=time.monotonic() + 60)
        assert not outcome.refused
    es.indices.refresh(index=index)


def test_the_promotion_rule_raises_the_engines_alerts_and_no_native_rules(elasticsearch: Elasticsearch) -> None:
    rules = compile_rules([RULES])
    known = {rule.id: rule for rule in rules}
    exported = kibana.export(rules, known, "innerwatch")
    promotion = exported.rules[-1]
    assert promotion["rule_id"] == kibana.PROMOTION_ID
    engines = {rule.id for rule, _ in exported.engine}
    evidence = [Evidence("e-1", "logs-app.access-innerwatch", 1_700_000_000_000, {"employee": {"id": "E-1"}})]
    documents = {
        rule.id: alerts.raised(rule, str(uuid.uuid4()), ("E-1",), ("employee.id",), evidence, "innerwatch", 1)
        for rule in rules
        if rule.alerts
    }
    with running.scratch(elasticsearch, [alerts.DATASET]) as indices:
        write(elasticsearch, indices[alerts.DATASET], documents)
        assert selected(elasticsearch, indices[alerts.DATASET], promotion) == engines
    severities = {item["value"]: item["severity"] for item in promotion["severity_mapping"]}
    for identity in engines:
        document = documents[identity]
        assert severities[str(document["event"]["severity"])] == known[identity].level
        assert document["event"]["risk_score"] == alerts.RISK[known[identity].level]
        assert document["rule"]["name"] == known[identity].title
