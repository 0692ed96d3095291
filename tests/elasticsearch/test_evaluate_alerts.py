"""What `innerwatch evaluate` takes for alerts, in memory, is what the engine raises on Elasticsearch."""

import time
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from innerwatch import pipeline
from innerwatch.detection.engine import detect
from innerwatch.directory import in_memory
from innerwatch.values import Event, dig
from innerwatch_cli import index_templates
from innerwatch_cli.evaluate import companies
from innerwatch_cli.evaluate.matching import Matcher
from innerwatch_cli.paths import RULES
from innerwatch_cli.sigma import compile_rules
from innerwatch_cli.simulate import simulate

pytestmark = pytest.mark.elasticsearch


def test_the_alerts_of_a_company_are_the_engines(es: Elasticsearch, namespace: str, tmp_path: Path) -> None:
    simulate(seed=3, people=20, days=14, out=tmp_path / "company")
    company = companies.load(tmp_path / "company")
    rules = compile_rules([RULES])
    items = list(
        pipeline.enriched(company.logs(), in_memory(company.feeds), namespace, company.customers, company.cases)
    )
    matcher = Matcher(rules)
    for item in items:
        assert isinstance(item, Event)
        matcher.add(item)
    index_templates.install(es)
    counts = pipeline.index(items, es, namespace, lambda aside: None, deadline=time.monotonic() + 120)
    assert sum(count.indexed for count in counts.values()) == len(items)
    es.indices.refresh(index=f"logs-*-{namespace}")
    detect(es, rules, namespace=namespace)
    es.indices.refresh(index=f"logs-innerwatch.alert-{namespace}")
    hits = es.search(index=f"logs-innerwatch.alert-{namespace}", size=10_000)["hits"]["hits"]
    raised = {
        hit["_id"]: (
            dig(hit["_source"], "rule.name"),
            sorted(dig(hit["_source"], "innerwatch.alert.evidence.id")),
            dig(hit["_source"], "innerwatch.alert.employee.id") or [],
        )
        for hit in hits
    }
    found = {
        alert.id: (alert.rule.title, sorted(match.id for match in alert.evidence), alert.people)
        for alert in matcher.alerts(on_behaviour=False)
    }
    assert len(found) >= 10
    assert found == raised
