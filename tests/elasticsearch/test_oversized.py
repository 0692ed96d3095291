"""Rules find what stands in a value too long to be indexed, through the real chain."""

import json
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from innerwatch_cli.authoring import running, suites

pytestmark = pytest.mark.elasticsearch
RULE = """\
title: A word in a long value
id: 2c6b3f0e-5f0c-4a5e-9c59-3a35d1f1f0aa
status: test
logsource: {{product: {product}, service: {service}}}
detection:
  selection:
    {test}
  condition: selection
level: high
"""
COMBINED = '192.0.2.7 - ana [31/Mar/2026:09:15:0{} +0000] "GET {} HTTP/1.1" 200 5 "-" "{}"'
ACCESS = {"schema": "innerwatch.access/1", "time": "2026-03-31T09:15:00Z", "application": "crm", "action": "view"}
TRAIL = {"eventVersion": "1.11", "eventTime": "2026-03-31T09:15:00Z", "eventSource": "s3.amazonaws.com"}
LONG = "a" * 9000
ACCESS_SOURCE, TRAIL_SOURCE = ("app", "access"), ("aws", "cloudtrail")


def entry(agent: str, **changes: object) -> dict[str, object]:
    return {**ACCESS, "actor": {"id": "ana"}, "source": {"user_agent": agent}, **changes}


@pytest.mark.parametrize(
    ("source", "test", "hit", "miss"),
    [
        (
            ACCESS_SOURCE,
            "url.original|contains: Needle",
            COMBINED.format(1, f"/{LONG}neEDLE{LONG}", "x"),
            COMBINED.format(2, f"/{LONG}needl{LONG}", "x"),
        ),
        (
            ACCESS_SOURCE,
            "user_agent.original|endswith: needle",
            COMBINED.format(1, "/", f"{LONG}Needle"),
            COMBINED.format(2, "/", f"{LONG}Needle "),
        ),
        (ACCESS_SOURCE, "source.user_agent|contains: needle", entry(f"{LONG}NEEDLE"), entry(LONG)),
        (ACCESS_SOURCE, "customers|startswith: needle", entry("x", customers=["C-1", f"needle{LONG}"]), entry(LONG)),
        (ACCESS_SOURCE, "case|exists: true", entry("x", case=LONG), entry(LONG)),
        (ACCESS_SOURCE, "case: null", entry(LONG), entry("x", case=LONG)),
        (ACCESS_SOURCE, f"case: {LONG}B", entry("x", case=f"{LONG}b"), entry("x", case=f"{LONG}c")),
        (
            TRAIL_SOURCE,
            "userAgent|contains: needle",
            {**TRAIL, "eventID": "1", "userAgent": f"{LONG}Needle{LONG}"},
            {**TRAIL, "eventID": "2", "userAgent": LONG},
        ),
        (
            TRAIL_SOURCE,
            "requestParameters.policy|contains: needle",
            {**TRAIL, "eventID": "1", "requestParameters": {"policy": f"{LONG}Needle{LONG}"}},
            {**TRAIL, "eventID": "2", "requestParameters": {"policy": LONG, "other": "needle"}},
        ),
    ],
    ids=["url", "web agent", "agent", "one of a list", "exists", "null", "whole", "AWS agent", "parameter"],
)
def test_a_rule_finds_it(
    elasticsearch: Elasticsearch, tmp_path: Path, source: tuple[str, str], test: str, hit: object, miss: object
) -> None:
    product, service = source
    path = tmp_path / "rule.yml"
    path.write_text(RULE.format(product=product, service=service, test=test))
    cases = [{"name": "hit", "match": True, "events": [hit]}, {"name": "miss", "match": False, "events": [miss]}]
    path.with_suffix(".cases.json").write_text(json.dumps({"employees": [], "cases": cases}))
    loaded = suites.load([path])
    assert not loaded.errors
    (outcomes,) = running.run(elasticsearch, loaded.suites)
    assert [outcome.matched for outcome in outcomes] == [True, False]
