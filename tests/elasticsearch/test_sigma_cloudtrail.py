"""SigmaHQ's AWS rules, unchanged, on CloudTrail: the query on Elasticsearch and the judgement behind it against an
independent engine, on all the CloudTrail in ../shared/data and on events made to hit and to miss each rule.

The other engine sees the raw record, flattened as SQLite needs it; we see what the parser and the index make of it.
"""

import json
import time
import uuid
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml
from elasticsearch import Elasticsearch

from innerwatch import elastic
from innerwatch.detection.predicate import compiled
from innerwatch.detection.rules import CompiledRule
from innerwatch.sources import cloudtrail
from innerwatch.splitting import SPLITTERS
from innerwatch.values import Event, Origin, SetAside
from innerwatch_cli import index_templates
from innerwatch_cli.sigma import compile_rules
from tests import oracle

DATA = Path(__file__).parents[3] / "shared" / "data"
RULES = DATA / "sigma" / "aws"
STREAM = "logs-aws.cloudtrail-testsigma"

pytestmark = [
    pytest.mark.elasticsearch,
    pytest.mark.skipif(not RULES.exists(), reason="SigmaHQ's rules are not beside the checkout (../shared/data)"),
]

Record = dict[str, Any]


def recorded() -> Iterator[Record]:
    """Every CloudTrail record in ../shared/data."""
    for path in sorted((DATA / "cloudtrail").rglob("*.*json")):
        for item in SPLITTERS["json" if path.suffix == ".json" else "lines"]([path.read_bytes()], str(path)):
            if not isinstance(item, SetAside):
                record = json.loads(item[1])
                record = record.get("event") or record  # Panther's stand inside its cases
                if str(record.get("eventTime"))[:1].isdigit():  # some are cut short for reading
                    yield record


# --- events made for a rule


def satisfying(value: Any, modifiers: list[str]) -> Any:
    """A value of a field that passes one of the rule's values."""
    value = value[0] if isinstance(value, list) and "all" not in modifiers else value
    if isinstance(value, list):
        return " ".join(f"x{one}y" for one in value)
    if "re" in modifiers:
        return "arn:aws:sts::123456789012:assumed-role/aws:ec2-instance/i-0123456789abcdef0"
    if "fieldref" in modifiers:
        return None
    if isinstance(value, str):
        if "contains" in modifiers:
            return f"some {value} thing"
        if "startswith" in modifiers:
            return f"{value}20990101"
        if "endswith" in modifiers:
            return f"prefix{value}"
        return value.replace("*", "any")
    return value


def put(record: Record, field: str, value: Any) -> None:
    *parents, name = field.split(".")
    for parent in parents:
        level = record.get(parent)
        if not isinstance(level, dict):
            level = record[parent] = {}
        record = level
    if value is None:
        record.pop(name, None)
    else:
        record[name] = {"note": value} if field in ("requestParameters", "responseElements") else value


def plain() -> Record:
    return {
        "eventVersion": "1.09",
        "eventTime": "2026-03-31T09:15:00Z",
        "eventID": str(uuid.uuid4()),
        "eventName": "Nothing",
        "eventSource": "example.amazonaws.com",
        "awsRegion": "eu-west-1",
        "sourceIPAddress": "192.0.2.1",
        "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::123456789012:user/ana", "userName": "ana"},
    }


def made(rule: Record) -> Iterator[Record]:
    """Records with each combination of the rule's selections and filters fulfilled or not, and each spoilt a little."""
    names = [name for name in rule["detection"] if name != "condition"]
    for chosen in product((True, False), repeat=len(names)):
        maps: list[Record] = []
        for name, wanted in zip(names, chosen, strict=True):
            body = rule["detection"][name]
            if wanted:
                maps += body if isinstance(body, list) else [body]
        record = plain()
        for body in maps:
            for key, value in body.items():
                field, *modifiers = key.split("|")
                put(record, field, satisfying(value, modifiers))
        yield record
        for body in maps:
            for key in body:
                field = key.split("|")[0]
                for change in (str.upper, lambda text: f"{text}x", lambda _: None):
                    spoilt = json.loads(json.dumps({**record, "eventID": str(uuid.uuid4())}))
                    value = get(spoilt, field)
                    if isinstance(value, str):
                        put(spoilt, field, change(value))
                        yield spoilt


def get(record: Record, field: str) -> Any:
    value: Any = record
    for name in field.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


# --- the other engine's view


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for below in value.values() if isinstance(value, dict) else value:
            yield from texts(below)


class Flat(dict[str, Any]):
    """A row whose names know no case: some of Panther's records have theirs in lower case, which the parser reads."""

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.lower(), default)


def flat(record: Record) -> Flat:
    """Dotted names to single values: objects and lists as their JSON, lists of objects below their keys as well.

    An object's texts follow its JSON, where quotes in them are escaped.
    """
    row = Flat()

    def walk(value: Any, path: str) -> None:
        if isinstance(value, dict):
            if path:
                row[path.lower()] = "\n".join((json.dumps(value, separators=(",", ":")), *texts(value)))
            for name, below in value.items():
                walk(below, f"{path}.{name}" if path else name)
        elif isinstance(value, list):
            for item in value:
                if isinstance(item, dict):
                    for name, below in item.items():
                        walk(below, f"{path}.{name}")
            row[path.lower()] = json.dumps(value, separators=(",", ":"))
        elif value is not None:
            row[path.lower()] = value

    walk(record, "")
    return row


# --- the test


@pytest.fixture(scope="module")
def rules() -> list[CompiledRule]:
    return compile_rules([RULES])


@pytest.fixture(scope="module")
def records() -> list[Record]:
    found = [*recorded()]
    assert len(found) > 3_300
    for path in sorted(RULES.rglob("*.yml")):
        found += made(yaml.safe_load(path.read_text()))
    return found


@pytest.fixture(scope="module")
def events(records: list[Record]) -> list[Event]:
    parsed = [
        cloudtrail.parse(json.dumps(record).encode(), Origin("made", place)) for place, record in enumerate(records, 1)
    ]
    assert not [item for item in parsed if isinstance(item, SetAside)]
    return [item for item in parsed if isinstance(item, Event)]


@pytest.fixture(scope="module")
def indexed(es: Elasticsearch, events: list[Event]) -> str:
    """One document for each record, by its place: records that were written twice are there twice."""
    index_templates.install(es)
    if es.indices.exists(index=STREAM):  # of an earlier run; the local node cannot delete a data stream
        empty(es, STREAM)
    items = (
        elastic.Document(str(place), "aws.cloudtrail", event.document, event.origin)
        for place, event in enumerate(events)
    )
    for _, lines in elastic.batches(items, "testsigma"):
        outcome = elastic.create(es, lines, deadline=time.monotonic() + 60)
        assert not outcome.refused
    es.indices.refresh(index=STREAM)
    return STREAM


def empty(es: Elasticsearch, stream: str) -> None:
    es.indices.refresh(index=stream)
    while hits := es.search(index=stream, size=5_000, source=False)["hits"]["hits"]:
        gone = [{"delete": {"_index": hit["_index"], "_id": hit["_id"]}} for hit in hits]
        es.bulk(operations=gone, refresh=True)


def selected(es: Elasticsearch, stream: str, query: str) -> set[int]:
    answer = es.search(index=stream, query={"query_string": {"query": query}}, size=10_000, source=False)
    assert answer["hits"]["total"]["value"] < 10_000
    return {int(hit["_id"]) for hit in answer["hits"]["hits"]}


def test_all_57_compile(rules: Iterable[CompiledRule]) -> None:
    found = list(rules)
    assert len(found) == 57
    assert {rule.dataset for rule in found} == {"aws.cloudtrail"}


def test_they_match_what_an_independent_engine_matches(
    es: Elasticsearch, rules: list[CompiledRule], records: list[Record], events: list[Event], indexed: str
) -> None:
    rows = [flat(record) for record in records]
    hits = 0
    for rule in rules:
        assert rule.condition is not None
        judge = compiled(rule.condition)
        candidates = selected(es, indexed, rule.query)
        ours = {place for place in candidates if judge(events[place].document)}
        everywhere = {place for place, event in enumerate(events) if judge(event.document)}
        assert ours == everywhere, f"{rule.title}: the query misses {sorted(everywhere - ours)[:3]}"
        assert not rule.exact or candidates == ours, rule.title
        theirs = oracle.matches(Path(rule.path).read_text(), rows)
        assert ours == theirs, (
            rule.title,
            [records[place] for place in sorted(ours - theirs)[:2]],
            [records[place] for place in sorted(theirs - ours)[:2]],
        )
        assert 0 < len(ours) < len(events), rule.title
        hits += len(ours)
    assert hits > 500
