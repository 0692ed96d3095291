"""The case directory in DynamoDB, and feeds on their way into it: as in memory, nothing overwritten, kills harmless."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

import enrich_logs
import sync_hr
from innerwatch import instants, pipeline
from innerwatch.append_only import create_table
from innerwatch.directory import Directory, DynamoStore
from innerwatch.errors import UserError
from innerwatch.justification import CaseFeed, Cases, DynamoCases, MemoryCases, apply_feed, feeds
from innerwatch.settings import Settings
from innerwatch.values import Event
from innerwatch_cli import local_aws

BUCKET = "innerwatch-hr"
SETTINGS = {
    "ELASTICSEARCH_URL": "http://localhost:9200",
    "DIRECTORY_TABLE": "directory",
    "CASES_TABLE": "cases",
    "LEDGER_TABLE": "ledger",
    "FAILED_BUCKET": "failed",
    "JUSTIFICATION": '{"call_back_days": 0}',
}
MARCH = 1_772_323_200_000  # 2026-03-01T00:00:00Z
DAY = 86_400_000

OPENED = b"""case_id,customer_id,opened_at,closed_at
K-1,C-1,2026-03-01T09:00:00Z,
K-2,C-1;C-2,2026-03-01T10:00:00Z,2026-03-01T12:00:00Z
"""
ASSIGNED = b"""case_id,employee_id,team,from,to
K-1,E-1,Tier 1,2026-03-01T09:00:00Z,
K-3,E-2,,2026-03-03T09:00:00Z,
"""
MOVED = b"""case_id,customer_id,opened_at,closed_at
K-1,C-9,2026-03-01T09:00:00Z,2026-03-04T09:00:00Z
K-3,C-1,2026-03-03T09:00:00Z,
"""
HANDED = b"""case_id,employee_id,team,from,to
K-1,E-1,Tier 1,2026-03-01T09:00:00Z,2026-03-02T09:00:00Z
K-1,E-2,Tier 2,2026-03-02T09:00:00Z,
"""
FEEDS = [(OPENED, 1), (ASSIGNED, 2), (MOVED, 5), (HANDED, 5), (OPENED, 3)]  # the last one comes late


def feed(data: bytes, day: int, mapping: bytes = b"") -> CaseFeed:
    chosen = feeds.load_mapping(mapping, "m.yml") if mapping else None
    return feeds.read_feed(data, "s3://hr/cases/feed.csv", MARCH + day * DAY, chosen)


@pytest.fixture
def aws() -> Iterator[local_aws.LocalAws]:
    with local_aws.account(SETTINGS) as aws:
        for name in ("cases", "directory"):
            create_table(name)
        aws.announced_bucket(BUCKET)
        for module in (sync_hr, enrich_logs):
            module.parts.cache_clear()
        yield aws
        for module in (sync_hr, enrich_logs):
            module.parts.cache_clear()


@pytest.fixture
def store(aws: local_aws.LocalAws) -> DynamoCases:
    return DynamoCases(boto3.resource("dynamodb").Table("cases"))


def items() -> list[dict[str, Any]]:
    found = boto3.resource("dynamodb").Table("cases").scan()["Items"]
    return sorted((item for item in found if item["sk"] != "version"), key=lambda item: (item["pk"], item["sk"]))


def same_answers(one: DynamoCases, other: MemoryCases) -> None:
    first, second = Cases(one), Cases(other)
    assert first.until() == second.until()
    for number in range(5):
        assert first.case(f"k-{number}") == second.case(f"k-{number}")
        assert first.of_customer(f"c-{number}") == second.of_customer(f"c-{number}")
    assert first.of_customer("c-9") == second.of_customer("c-9")


def test_it_answers_as_the_one_in_memory_does(store: DynamoCases) -> None:
    memory = MemoryCases()
    for data, day in FEEDS:
        assert apply_feed(store, feed(data, day)) == apply_feed(memory, feed(data, day))
    same_answers(store, memory)
    found = {case.id: case for case in Cases(store).of_customer("c-1")}
    assert set(found) == {"k-1", "k-2", "k-3"}
    assert [item.assignee for item in found["k-1"].assignments] == ["e-1", "e-2"]
    assert [item.assignee for item in found["k-3"].assignments] == ["e-2"]  # said before its customer was known
    assert Cases(store).of_customer("c-9") == (found["k-1"],)


def test_one_query_gives_a_case_and_one_all_cases_of_a_customer(
    store: DynamoCases, monkeypatch: pytest.MonkeyPatch
) -> None:
    for data, day in FEEDS:
        apply_feed(store, feed(data, day))
    cases, query = Cases(store), store._query
    asked: list[str] = []

    def asking(pk: str) -> Iterator[dict[str, Any]]:
        asked.append(pk)
        return query(pk)

    monkeypatch.setattr(store, "_query", asking)
    for _ in range(3):
        cases.case("k-1")
        cases.of_customer("c-1")
        cases.of_customer("c-77")
    assert asked == ["case#k-1", "customer#c-1", "customer#c-77"]


def test_ids_from_a_log_may_be_anything(store: DynamoCases) -> None:
    cases = Cases(store)
    for wild in ("x" * 5000, "a\0b", "\ud800", "", "#", "feeds"):
        assert cases.case(wild) is None
        assert cases.of_customer(wild) == ()


def test_the_same_feed_twice_adds_nothing_and_nothing_is_overwritten(store: DynamoCases) -> None:
    before: list[dict[str, Any]] = []
    for data, day in FEEDS:
        apply_feed(store, feed(data, day))
        assert [item for item in items() if item in before] == before
        before = items()
        assert apply_feed(store, feed(data, day)).repeated
        assert items() == before


def test_a_full_feed_is_compared_with_the_whole_table(store: DynamoCases) -> None:
    apply_feed(store, feed(OPENED, 1))
    with pytest.raises(UserError, match="the feed lacks 1 of the 1 cases that are open"):
        apply_feed(store, feed(b"case_id,customer_id,opened_at\nK-8,C-8,2026-03-01\n", 2, b"full: true"))
    allowed = b"full: true\nlargest_removal: 1"
    report = apply_feed(store, feed(b"case_id,customer_id,opened_at\nK-8,C-8,2026-03-01\n", 2, allowed))
    assert (report.new, report.removed) == (1, 1)
    case = Cases(store).case("k-1")
    assert case is not None
    assert case.spans[-1].end == MARCH + 2 * DAY


class KilledError(Exception):
    pass


@pytest.mark.parametrize("writes", range(4))
def test_killed_at_any_write_and_repeated_it_ends_the_same(
    store: DynamoCases, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    monkeypatch.setattr("boto3.dynamodb.table.BatchWriter.__init__.__defaults__", (3, None))  # items of a request
    for data, day in FEEDS[:2]:
        apply_feed(store, feed(data, day))
    left = [writes]

    def kill(operation_name: str, **_: Any) -> None:
        if operation_name in ("BatchWriteItem", "TransactWriteItems"):
            if not left[0]:
                raise KilledError
            left[0] -= 1

    events = store._client.meta.events
    events.register("before-parameter-build.dynamodb", lambda model, **_: kill(model.name), unique_id="kill")
    with pytest.raises(KilledError):
        apply_feed(store, feed(MOVED, 5))
    assert not store.applied(feed(MOVED, 5))
    events.unregister("before-parameter-build.dynamodb", unique_id="kill")
    for data, day in ((HANDED, 4), (MOVED, 5)):  # another feed comes in between
        apply_feed(store, feed(data, day))
    memory = MemoryCases()
    for data, day in [*FEEDS[:2], (HANDED, 4), (MOVED, 5)]:
        apply_feed(memory, feed(data, day))
    same_answers(store, memory)


def put(aws: local_aws.LocalAws, key: str, data: bytes) -> None:
    aws.s3.put_object(Bucket=BUCKET, Key=key, Body=data)


def run(aws: local_aws.LocalAws) -> None:
    aws.drain(BUCKET, sync_hr.handler, "sync_hr")


def test_sync_hr_takes_case_feeds_beside_hr_feeds(
    aws: local_aws.LocalAws, store: DynamoCases, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="sync_hr")
    put(aws, "people.csv", b"employee_id,name,email\nE-1,Ana Lima,ana@example.com\n")
    put(aws, "export.csv", OPENED + b"K-5,,2026-03-01,\n")  # by its columns
    put(aws, "cases/cases-mapping.yml", b"columns: {case_id: Vorgang, assignee: Bearbeiter}\n")
    put(aws, "cases/bearbeiter.csv", b"Vorgang,Bearbeiter\nK-1,ana@example.com\n")
    run(aws)
    people = Directory(DynamoStore(boto3.resource("dynamodb").Table("directory")))
    assert people.state("E-1", MARCH) is not None
    case = Cases(store).case("k-1")
    assert case is not None
    assert [item.assignee for item in case.assignments] == ["ana@example.com"]
    logs = [vars(record) for record in caplog.records if record.message == "feed applied"]
    told = next(log for log in logs if log["key"] == "export.csv")
    assert told["cases"] == {"new": 2, "changed": 0, "unchanged": 0, "removed": 0}
    assert told["bad"] == [{"line": 4, "reason": "customer_id is empty; expected the customers whose case it is"}]
    assert "ana@example.com" not in str(logs)


@pytest.mark.parametrize(
    ("key", "data"), [("cases/x.csv", b"employee_id,name\nE-1,Ana\n"), ("x.csv", b"case_id,customer_id\nK-1,C-1\n")]
)
def test_a_broken_case_feed_fails_and_changes_nothing(aws: local_aws.LocalAws, key: str, data: bytes) -> None:
    put(aws, key, data)
    with pytest.raises(RuntimeError, match="could not finish 1 of"):
        run(aws)
    assert items() == []


def test_without_a_table_for_cases_a_case_feed_is_refused(
    aws: local_aws.LocalAws, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("CASES_TABLE")
    put(aws, "cases/x.csv", OPENED)
    with pytest.raises(RuntimeError, match="could not finish 1 of"):
        run(aws)
    assert any("CASES_TABLE is not set" in str(vars(record)) for record in caplog.records)


def test_enrich_logs_judges_where_a_table_is_set(
    aws: local_aws.LocalAws, store: DynamoCases, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.bucket("failed")
    put(aws, "people.csv", b"employee_id,name,email\nE-1,Ana Lima,ana@example.com\n")
    run(aws)
    apply_feed(store, feed(OPENED, 40))
    apply_feed(store, feed(ASSIGNED, 40))
    parts, reasons = enrich_logs.parts(), []
    event = {
        "schema": "innerwatch.access/1",
        "time": instants.iso(MARCH + DAY),
        "application": "crm",
        "actor": {"email": "ana@example.com"},
        "action": "view",
    }
    for customer in ("C-1", "C-2"):
        record = json.dumps({**event, "customers": [customer], "case": "K-1" if customer == "C-1" else "K-2"})
        items = pipeline.read([record.encode()], "s3://logs/x")
        for item in parts.enriched(items):
            assert isinstance(item, Event)
            reasons.append(item.document["access"]["justification_reason"])
    assert reasons == ["assigned", "case_closed"]  # the policy of the environment: no grace for call-backs
    monkeypatch.delenv("CASES_TABLE")
    enrich_logs.parts.cache_clear()
    [item] = enrich_logs.parts().enriched(pipeline.read([record.encode()], "s3://logs/x"))
    assert isinstance(item, Event)
    assert "justification" not in item.document["access"]


def test_settings_say_what_is_wrong() -> None:
    with pytest.raises(UserError, match="JUSTIFICATION: 'grace' is no setting"):
        Settings.from_env({"JUSTIFICATION": '{"grace": 1}'})
