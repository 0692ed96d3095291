"""The function `detect` on a real node: rules from its package, its clock, its metrics and its log."""

import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import boto3
import pytest
from elasticsearch import Elasticsearch

import detect
from innerwatch import instants
from innerwatch.detection import engine, raising
from innerwatch.detection.store import Store
from innerwatch.directory import DynamoStore, apply_feed, create_table
from innerwatch.errors import UserError
from innerwatch.hr import read_feed
from innerwatch.pseudonyms import Keys
from innerwatch_cli import index_templates, packaging
from innerwatch_cli.local_aws import Context, account
from tests.metrics import documented, emitted, logged

NOW = 1_770_000_000_000
RULE = """
title: Export of {action}
id: 5a0e5f0e-7320-415d-80f7-004da920fd0{number}
logsource: {{product: app, service: access}}
detection:
  export: {{event.action: {action}}}
  condition: export
"""
ACTIONS = "export", "print", "share", "copy"


class Index(Protocol):
    def __call__(self, action: str, at: int = NOW, person: str = "e-1") -> None: ...


class Short(Context):
    """A function that is to be stopped at once."""

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        return 0


@pytest.fixture
def index(
    elasticsearch: Elasticsearch, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Index]:
    """The function as it is deployed, on an empty namespace; indexes one event with an action."""
    index_templates.install(elasticsearch)
    rules = "---".join(RULE.format(action=action, number=number) for number, action in enumerate(ACTIONS))
    (tmp_path / "rules.yml").write_text(rules)
    (tmp_path / "rules.json").write_bytes(packaging.rules_json([tmp_path / "rules.yml"]))
    monkeypatch.setattr(detect, "RULES", tmp_path / "rules.json")
    url = next(iter(elasticsearch.transport.node_pool.all())).base_url

    def one(action: str, at: int = NOW, person: str = "e-1") -> None:
        document = {
            "@timestamp": instants.iso(at),
            "event": {"id": f"of {action}", "action": action, "ingested": instants.iso(at), "kind": "event"},
            "employee": {"id": person, "name": "Ana Ruiz"},
        }
        elasticsearch.create(index=f"logs-app.access-{namespace}", id=f"of {action}", document=document, refresh=True)

    with account({"ELASTICSEARCH_URL": url, "NAMESPACE": namespace, "DIRECTORY_TABLE": "directory"}):
        create_table("directory")
        monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "false")
        detect.parts.cache_clear()
        detect.metrics.clear_metrics()
        yield one
        detect.parts.cache_clear()


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    with logged(detect.logger) as written:
        yield written


@pytest.mark.elasticsearch
def test_a_run_raises_alerts_and_the_next_adds_none(
    index: Index, log: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    index("Export")
    index("Print")
    capfd.readouterr()
    done = detect.handler({}, Context("detect"))
    values, units = emitted(capfd.readouterr().out)
    assert (done["rules"], done["matches"], done["raised"]) == (4, 2, 2)
    assert units == documented("detect")
    assert (values["RulesRun"], values["AlertsRaised"], values["CheckpointLag"]) == ([4.0], [2.0], [0.0])
    again = detect.handler({}, Context("detect"))
    assert (again["matches"], again["raised"], again["grown"]) == (2, 0, 0)
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["raised"] for line in lines if line["message"] == "rules run"] == [2, 0]
    assert "Ana" not in log.getvalue()
    assert "e-1" not in log.getvalue()


@pytest.mark.elasticsearch
def test_what_there_is_no_time_for_is_done_by_the_next_run(index: Index) -> None:
    detect.handler({}, Context("detect"))
    index("Export")
    short = detect.handler({}, Short("detect"))
    assert (short["raised"], short["postponed"], short["failed"]) == (0, 4, 0)
    assert detect.handler({}, Context("detect"))["raised"] == 1


def run(**options: Any) -> engine.Report:
    own = detect.parts()
    return engine.detect(own.es, own.rules, namespace=own.namespace, **options)


@pytest.mark.elasticsearch
def test_no_rule_starves(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    """With time for one rule a run, each has had its turn after as many runs as there are rules."""
    index("start")
    run()
    for action in ACTIONS:
        index(action)
    begun: list[str] = []

    def counted(store: Any, rule: Any, *others: Any) -> Any:
        begun.append(rule.title)
        return raising.write(store, rule, *others)

    monkeypatch.setattr(engine, "write", counted)
    monkeypatch.setattr(engine, "_over", lambda until: until is not None and len(begun) >= until)
    for turn in range(len(ACTIONS)):
        report = run(until=turn + 1)
        assert (report.raised, len(report.postponed)) == (1, len(ACTIONS) - 1)
    assert len(set(begun)) == len(ACTIONS)


@pytest.mark.elasticsearch
def test_a_rule_that_every_run_breaks_off_at_keeps_no_other_from_its_turn(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    index("start")
    run()
    for action in ACTIONS:
        index(action)

    def break_off(store: Any, rule: Any, *others: Any) -> Any:
        if rule.title == "Export of export":
            raise KeyboardInterrupt
        return raising.write(store, rule, *others)

    monkeypatch.setattr(engine, "write", break_off)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run()
    own = detect.parts()
    found = {rule.title: len(list(Store(own.es, own.namespace).raised(rule.id, NOW, NOW))) for rule in own.rules}
    assert found == {"Export of export": 0, "Export of print": 1, "Export of share": 1, "Export of copy": 1}


def test_a_package_without_rules_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"rules\.json: cannot be read: No such file.*make package"):
        detect.read_rules(tmp_path / "rules.json")
    (tmp_path / "rules.json").write_text("{}")
    with pytest.raises(UserError, match="these are no rules"):
        detect.read_rules(tmp_path / "rules.json")


LEAVER = """
title: Print by a leaver
id: 5a0e5f0e-7320-415d-80f7-004da920fd09
logsource: {product: app, service: access}
detection:
  print: {event.action: Print, employee.status: notice}
  condition: print
"""
PEOPLE = "employee_id,name,email,status,hired_at,last_day\n"


@pytest.mark.elasticsearch
def test_who_gives_notice_is_looked_back_at_once(index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "leaver.yml").write_text(LEAVER)
    (tmp_path / "leaver.json").write_bytes(packaging.rules_json([tmp_path / "leaver.yml"]))
    monkeypatch.setattr(detect, "RULES", tmp_path / "leaver.json")
    now = int(time.time() * 1000)
    store = DynamoStore(boto3.resource("dynamodb").Table("directory"))
    for last_day, recorded_at in (("", now - 60 * engine.DAY), (instants.iso(now + 20 * engine.DAY)[:10], now)):
        row = f"e-1,Ana Ruiz,ana@example.com,active,2024-01-08,{last_day}\n"
        apply_feed(store, read_feed(f"{PEOPLE}{row}".encode(), "people.csv", recorded_at))
        if not last_day:
            index("Print", now - 5 * engine.DAY)
            assert detect.handler({}, Context("detect"))["looked_back_at"] == 0
    assert [fact.employee.name for _, fact in store.leaving(0)] == [""]  # a name is not needed for it
    assert detect.handler({}, Short("detect"))["look_backs_waiting"] == 1
    found = [detect.handler({}, Context("detect")) for _ in range(2)]
    assert [one["looked_back_at"] for one in found] == [1, 0]
    es = detect.parts().es
    es.indices.refresh(index="logs-innerwatch.alert-*")
    [alert] = es.search(index=f"logs-innerwatch.alert-{detect.parts().namespace}")["hits"]["hits"]
    assert alert["_source"]["rule"]["name"] == "Print by a leaver"
    assert (
        alert["_source"]["innerwatch"]["alert"]["hindsight"]
        == f"last day is {instants.iso(now + 20 * engine.DAY)[:10]}"
    )


@pytest.mark.elasticsearch
def test_under_a_pseudonym_a_leaver_is_looked_back_at_and_named_nowhere(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose key was changed meanwhile: the function reads it with each new feed, and she keeps her pseudonym."""
    (tmp_path / "leaver.yml").write_text(LEAVER)
    (tmp_path / "leaver.json").write_bytes(packaging.rules_json([tmp_path / "leaver.yml"]))
    monkeypatch.setattr(detect, "RULES", tmp_path / "leaver.json")
    monkeypatch.setenv("PSEUDONYM_SECRET", "example-key")
    now = int(time.time() * 1000)
    keys = Keys.new()
    secrets = boto3.client("secretsmanager")
    secrets.create_secret(Name="example-key", SecretString=keys.rotated(now - engine.DAY).text())
    ana = keys.pseudonym("e-1", None)
    store = DynamoStore(boto3.resource("dynamodb").Table("directory"))
    for last_day, recorded_at in (("", now - 60 * engine.DAY), (instants.iso(now + 20 * engine.DAY)[:10], now)):
        row = f"e-1,Ana Ruiz,ana@example.com,active,2024-01-08,{last_day}\n"
        apply_feed(store, read_feed(f"{PEOPLE}{row}".encode(), "people.csv", recorded_at))
    index("Print", now - 5 * engine.DAY, ana)
    assert detect.handler({}, Context("detect"))["looked_back_at"] == 1
    es, namespace = detect.parts().es, detect.parts().namespace
    es.indices.refresh(index="logs-innerwatch.alert-*")
    [alert] = es.search(index=f"logs-innerwatch.alert-{namespace}")["hits"]["hits"]
    assert alert["_source"]["innerwatch"]["alert"]["employee"]["id"] == [ana]
    es.indices.refresh(index=f"innerwatch-checkpoints-{namespace}")
    for hit in es.search(index=f"innerwatch-checkpoints-{namespace}", size=100)["hits"]["hits"]:
        assert "e-1" not in str(hit).replace(ana, "")
    assert detect.handler({}, Context("detect"))["looked_back_at"] == 0
