"""ES|QL that carries a rule gives the same rows as the engine's own judgement."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from innerwatch.detection.predicate import compiled
from innerwatch.errors import UserError
from innerwatch_cli import index_templates
from innerwatch_cli.sigma import compile_rules, to_esql, to_lucene

pytestmark = pytest.mark.elasticsearch

RUN = f"esql-{datetime.now(UTC):%Y%m%d%H%M%S%f}"  # what earlier runs left is not ours
BASE = """
title: Lookups
name: lookups
id: 0e95725d-7320-415d-80f7-004da920fc14
logsource: {product: app, service: access}
detection:
  lookup: {event.action: lookup}
  filter: {employee.role|contains: "a <b> \\"c\\" \\\\d\\n\\te"}
  condition: lookup and not filter
"""
CORRELATION = """
title: Many
id: 0e95725d-7320-415d-80f7-004da920fc12
correlation:
  type: TYPE
  rules: [lookups]
  group-by: [employee.id]
  timespan: 1h
  condition: {CONDITION}
---"""


def document(place: int, minutes: int, who: str | None, **fields: Any) -> dict[str, Any]:
    return {
        "@timestamp": (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat(timespec="milliseconds"),
        "event": {"id": f"{RUN}-{place}", "action": "LookUp"},
        **({"employee": {"id": who}} if who else {}),
        **fields,
    }


@pytest.fixture(scope="module")
def documents(es: Elasticsearch) -> list[dict[str, Any]]:
    index_templates.install(es)
    found = [
        document(0, 5, "e-1", access={"records": 3, "customer": {"id": ["A", "b"]}}),
        document(1, 50, "E-1", access={"records": 4, "customer": {"id": ["a"]}}),
        document(2, 70, "e-1", access={"records": 9, "customer": {"id": ["z"]}}),  # before the window
        document(3, 5, None, access={"records": 9}),
        document(4, 5, "e-2", access={"records": 1}, event={"id": f"{RUN}-4", "action": ["x", "LOOKUP"]}),
        document(5, 5, "e-2", event={"id": f"{RUN}-5", "action": "export"}),
        document(6, 5, "e-3", employee={"id": "e-3", "role": 'A <b> "C" \\d\n\te'}),
    ]
    operations = [part for one in found for part in ({"create": {"_id": one["event"]["id"]}}, one)]
    es.bulk(index="logs-app.access-testesql", operations=operations, refresh=True)
    return found


def ours(es: Elasticsearch, query: str, ids: set[str]) -> list[dict[str, Any]]:
    """The rows of a query, on this test's documents alone."""
    lines = query.replace("logs-app.access-*", "logs-app.access-testesql").split("\n")
    keep = " OR ".join(f'event.id == "{identity}"' for identity in sorted(ids))
    answer = es.options(request_timeout=20).esql.query(query="\n".join([lines[0], f"| WHERE {keep}", *lines[1:]]))
    names = [column["name"] for column in answer["columns"]]
    return [dict(zip(names, row, strict=True)) for row in answer["values"]]


def test_a_single_rule(es: Elasticsearch, documents: list[dict[str, Any]], tmp_path: Path) -> None:
    path = tmp_path / "rule.yml"
    path.write_text(BASE)
    (rule,) = compile_rules([path])
    assert rule.condition is None or not rule.exact  # `<` is widened in a pattern …
    with pytest.raises(UserError, match="cannot decide"):
        to_esql(rule)
    path.write_text(BASE.replace("|contains", ""))
    (rule,) = compile_rules([path])
    assert rule.condition is not None
    judge = compiled(rule.condition)
    expected = {one["event"]["id"] for one in documents if judge(one)}
    rows = ours(es, to_esql(rule), {one["event"]["id"] for one in documents})
    assert {row["_id"] for row in rows} == expected
    assert expected == {f"{RUN}-{place}" for place in (0, 1, 2, 3, 4)}


@pytest.mark.parametrize(
    ("kind", "condition", "expected"),
    [
        ("event_count", "gte: 2", {"e-1": 2}),
        ("event_count", "lt: 2", {"e-2": 1}),
        ("value_count", "field: customers, gte: 2", {"e-1": 2}),
        ("value_sum", "field: records, gt: 6.5", {"e-1": 7}),
        ("value_avg", "field: records, eq: 3.5", {"e-1": 3.5}),
    ],
)
def test_a_correlation_asks_for_the_window_that_ends_now(
    es: Elasticsearch,
    documents: list[dict[str, Any]],
    tmp_path: Path,
    kind: str,
    condition: str,
    expected: dict[str, float],
) -> None:
    path = tmp_path / "rule.yml"
    text = CORRELATION.replace("TYPE", kind).replace("CONDITION", condition)
    path.write_text(text + BASE.replace("|contains", ""))
    rules = compile_rules([path])
    (rule,) = [rule for rule in rules if rule.correlation]
    rows = ours(es, to_esql(rule, rules), {one["event"]["id"] for one in documents})
    assert {row["employee.id"]: row["measure"] for row in rows} == expected


@pytest.mark.parametrize(
    "correlation",
    [
        CORRELATION.replace("TYPE", "value_median").replace("CONDITION", "field: records, gte: 2"),
        CORRELATION.replace("TYPE", "temporal").replace("CONDITION", "gte: 1"),
    ],
)
def test_what_esql_cannot_express_is_refused(tmp_path: Path, correlation: str) -> None:
    path = tmp_path / "rule.yml"
    path.write_text(correlation + BASE.replace("|contains", ""))
    rules = compile_rules([path])
    (rule,) = [rule for rule in rules if rule.correlation]
    for output in (to_lucene, to_esql):
        with pytest.raises(UserError, match="innerwatch detect"):
            output(rule, rules) if output is to_esql else output(rule)
