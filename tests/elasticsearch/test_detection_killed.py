"""Killed at 200 random points and started again: the same alerts, none twice."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from innerwatch import instants
from innerwatch.detection.engine import Report, detect
from innerwatch.detection.rules import dump
from innerwatch.values import dig
from innerwatch_cli import index_templates
from innerwatch_cli.sigma import compile_rules

pytestmark = pytest.mark.elasticsearch

ROOT = Path(__file__).parents[2]
NAMESPACE = "testkilled"
MINUTE = 60_000
HOUR = 60 * MINUTE
START = 1_770_000_000_000
FIRST_RUN, SECOND_RUN = START + 100 * HOUR, START + 103 * HOUR
KILLS = 100  # from each of two states

RULES = """
title: Lookup without a case
id: 5a0e5f0e-7320-415d-80f7-004da920fc01
logsource: {product: app, service: access}
detection:
  lookup: {event.action: lookup, access.justification: unjustified}
  condition: lookup
---
title: Export
name: exports
id: 5a0e5f0e-7320-415d-80f7-004da920fc02
logsource: {product: app, service: access}
detection:
  export: {event.action: export}
  condition: export
---
title: Lookup
name: lookups
id: 5a0e5f0e-7320-415d-80f7-004da920fc03
logsource: {product: app, service: access}
detection:
  lookup: {event.action: lookup}
  condition: lookup
---
title: Many lookups in an hour
name: many
id: 5a0e5f0e-7320-415d-80f7-004da920fc04
correlation:
  type: event_count
  rules: [lookups]
  group-by: [employee.id]
  timespan: 1h
  condition: {gte: 5}
  generate: true
---
title: Export after many lookups
id: 5a0e5f0e-7320-415d-80f7-004da920fc05
correlation:
  type: temporal_ordered
  rules: [many, exports]
  group-by: [employee.id]
  timespan: 2h
"""


def event(identity: str, who: str, time: int, *, action: str = "Lookup", justified: bool = False) -> dict[str, Any]:
    return {
        "@timestamp": instants.iso(time),
        "event": {"id": identity, "action": action, "kind": "event"},
        "access": {
            "justification": "justified" if justified else "unjustified",
            "customer": {"id": [f"c-{time % 5}"]},
        },
        "employee": {"id": who, "name": who.title(), "status": "active"},
    }


def before() -> Iterator[dict[str, Any]]:
    """What the first run finds: bursts of four people, one too small to be one yet."""
    for place in range(8):
        for who in ("ana", "ben", "cem"):
            yield event(f"{who}-{place}", who, START + place * 5 * MINUTE)
    for place in range(4):
        yield event(f"dua-{place}", "dua", START + place * 10 * MINUTE, justified=True)
    yield event("ana-export", "ana", START + HOUR, action="Export")


def after() -> Iterator[dict[str, Any]]:
    """What comes until the second: bursts grow, a late event completes one, another joins two."""
    for place in range(8, 14):
        yield event(f"ana-{place}", "ana", START + place * 5 * MINUTE)
    yield event("dua-late", "dua", START + 35 * MINUTE, justified=True)
    yield event("ben-export", "ben", START + 90 * MINUTE, action="Export")
    yield event("ben-late", "ben", START - 20 * MINUTE, justified=True)
    for place in range(6):
        yield event(f"cem-again-{place}", "cem", START + 100 * MINUTE + place * MINUTE)
    yield event("cem-between", "cem", START + 70 * MINUTE, justified=True)


# The node is not what is killed: it need not flush every request to disk.
UNSAFE = {"index.translog.durability": "async"}

State = dict[str, dict[str, dict[str, Any]]]  # index → id → document


@dataclass
class World:
    es: Elasticsearch
    rules: Path
    killer: "subprocess.Popen[str]"
    rng: random.Random
    alerts: str = f"logs-innerwatch.alert-{NAMESPACE}"
    checkpoints: str = f"innerwatch-checkpoints-{NAMESPACE}"
    compiled: list[Any] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)  # alert → its index

    def read(self) -> State:
        """Alerts and checkpoints, as they are."""
        state: State = {self.checkpoints: {}}
        if self.es.indices.exists(index=self.checkpoints):
            found = self.es.mget(index=self.checkpoints, ids=[rule.id for rule in self.compiled])["docs"]
            state[self.checkpoints] = {one["_id"]: one["_source"] for one in found if one["found"]}
        return {self.alerts: self.found(), **state}

    def found(self) -> dict[str, dict[str, Any]]:
        """The alerts, by id."""
        self.es.indices.refresh(index=self.alerts, ignore_unavailable=True)
        hits = self.es.search(index=self.alerts, size=1000, ignore_unavailable=True)["hits"]["hits"]
        self.places = {hit["_id"]: hit["_index"] for hit in hits}
        return {hit["_id"]: hit["_source"] for hit in hits}

    def write(self, state: State) -> None:
        """Alerts and checkpoints as they were, instead of those found last."""
        gone = [(self.checkpoints, rule.id) for rule in self.compiled]
        gone += [(place, identity) for identity, place in self.places.items()]
        operations: list[dict[str, Any]] = [{"delete": {"_index": name, "_id": identity}} for name, identity in gone]
        for index, documents in state.items():
            for identity, document in documents.items():
                operations += [{"create": {"_index": index, "_id": identity}}, document]
        results = self.es.bulk(operations=operations, refresh=True)["items"]
        assert not [item for item in results if "create" in item and item["create"]["status"] != 201]

    def index(self, documents: Iterator[dict[str, Any]], ingested: int) -> None:
        operations: list[dict[str, Any]] = []
        for place, document in enumerate(documents):
            # Over longer than a run looks back anyway: what a checkpoint skipped would be missed.
            document["event"]["ingested"] = instants.iso(ingested + place * 3 * MINUTE)
            operations += [{"create": {"_id": document["event"]["id"]}}, document]
        answer = self.es.bulk(index=f"logs-app.access-{NAMESPACE}", operations=operations, refresh=True)
        assert not answer["errors"], answer

    def detect(self, now: int) -> Report:
        return detect(self.es, self.compiled, namespace=NAMESPACE, now=now)

    def killed(self, now: int, *, request: int = 0, before: bool = False, seconds: float = 0.0) -> bool:
        """Whether a run in a process of its own was killed, at its nth request or after some seconds."""
        order = {
            "url": next(iter(self.es.transport.node_pool.all())).base_url,
            "namespace": NAMESPACE,
            "rules": str(self.rules),
            "now": now,
            "request": request,
            "before": before,
            "seconds": seconds,
        }
        assert self.killer.stdin is not None
        assert self.killer.stdout is not None
        self.killer.stdin.write(json.dumps(order) + "\n")
        self.killer.stdin.flush()
        return bool(json.loads(self.killer.stdout.readline())["killed"])


@pytest.fixture(scope="module")
def world(es: Elasticsearch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("killed")
    (folder / "rules.yml").write_text(RULES)
    compiled = compile_rules([folder / "rules.yml"])
    (folder / "rules.json").write_bytes(dump(compiled))
    index_templates.install(es)
    command = [sys.executable, "-m", "tests.killing"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as killer:
        world = World(es, folder / "rules.json", killer, random.Random(8), compiled=compiled)
        stream = f"logs-app.access-{NAMESPACE}"
        if es.indices.exists(index=stream):
            hits = es.search(index=stream, size=1000, source=False)["hits"]["hits"]
            gone = [{"delete": {"_index": hit["_index"], "_id": hit["_id"]}} for hit in hits]
            es.bulk(operations=gone, refresh=True)
        world.found()
        world.write({})
        yield world
        assert killer.stdin is not None
        killer.stdin.close()


def findings(world: World) -> dict[str, dict[str, Any]]:
    """The alerts by id. In which order an alert came by its evidence is of no account."""
    alerts = world.found()
    for alert in alerts.values():
        alert["innerwatch"]["alert"]["evidence"]["id"].sort()
    return alerts


def requests(world: World, run: Callable[[], Report]) -> int:
    """How many requests a run sends."""
    send, sent = world.es.transport.perform_request, 0

    def counted(*args: Any, **options: Any) -> Any:
        nonlocal sent
        sent += 1
        return send(*args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.es.transport, "perform_request", counted)
        run()
    return sent


@pytest.mark.timeout(600)
def test_killed_at_random_points_and_started_again_it_raises_the_same_alerts(world: World) -> None:
    world.index(before(), FIRST_RUN - 2 * HOUR)
    world.detect(FIRST_RUN)
    world.es.indices.put_settings(index=[world.alerts, world.checkpoints], settings=UNSAFE)
    between = world.read()
    world.index(after(), SECOND_RUN - HOUR)
    starts: list[State] = [{}, between]  # nothing was run yet; the first run is over
    for start in starts:
        world.write(start)
        began = time.monotonic()
        sent = requests(world, lambda: world.detect(SECOND_RUN))
        took = time.monotonic() - began
        expected = findings(world)
        killed = 0
        while killed < KILLS:
            world.write(start)
            if killed % 2:
                request, earlier = world.rng.randint(1, sent), world.rng.random() < 0.5
                at = f"request {request} of {sent}, {'before' if earlier else 'after'} it"
                assert world.killed(SECOND_RUN, request=request, before=earlier), at
                killed += 1
            else:
                seconds = world.rng.uniform(0.001, took)
                at = f"{seconds} s of {took}"
                killed += world.killed(SECOND_RUN, seconds=seconds)  # unless it was over by then
            if world.detect(SECOND_RUN).conflicts:  # its last request was still under way
                world.detect(SECOND_RUN)
            assert findings(world) == expected, at
        again = world.detect(SECOND_RUN)
        assert (again.raised, again.grown, again.skipped) == (0, 0, {})
    found = [identity for alert in expected.values() for identity in dig(alert, "innerwatch.alert.evidence.id")]
    assert {"ana-13", "dua-late", "ben-late", "cem-between", "ben-export"} <= set(found)
