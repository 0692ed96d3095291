"""The handler on events as AWS sends them, with moto's S3 and SQS, its own DynamoDB table and a real Elasticsearch."""

import base64
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch

import enrich_logs
import sync_hr
from innerwatch import wiring
from innerwatch.ledger import Ledger
from innerwatch_cli.local_aws import Context, LocalAws
from tests.chain import FAILED, LEDGER, LOGS, empty_account

pytestmark = pytest.mark.elasticsearch

HR = "example-hr"
FEED = """\
employee_id,name,email,username,role,department,status,hired_at,effective_date
E-1,Ana Ruiz,ana.ruiz@example.com,ana.ruiz,Support Agent,Customer Support,active,2024-01-08,2024-01-08
E-1,Ana Ruiz,ana.ruiz@example.com,ana.ruiz,Team Lead,Customer Support,active,2024-01-08,2026-03-10
"""


@pytest.fixture
def aws(elasticsearch: Elasticsearch, namespace: str) -> Iterator[LocalAws]:
    with empty_account(elasticsearch, namespace) as local:
        for bucket in (LOGS, HR):
            local.announced_bucket(bucket)
        local.s3.put_object(Bucket=HR, Key="employees.csv", Body=FEED.encode())
        local.drain(HR, sync_hr.handler, "sync_hr")
        yield local


def access(number: int, time: str = "2026-03-05T09:00:00Z") -> dict[str, Any]:
    return {
        "schema": "innerwatch.access/1",
        "id": f"r-{number}",
        "time": time,
        "application": "console",
        "actor": {"id": "ana.ruiz"},
        "action": "view",
        "outcome": "success",
        "customers": [f"C-{number}"],
    }


def lines(*records: dict[str, Any]) -> bytes:
    return b"\n".join(json.dumps(record).encode() for record in records)


def documents(es: Elasticsearch, namespace: str) -> dict[str, dict[str, Any]]:
    es.indices.refresh(index=f"logs-*-{namespace}")
    hits = es.search(index=f"logs-*-{namespace}", size=100)["hits"]["hits"]
    return {hit["_id"]: hit["_source"] for hit in hits}


def test_an_announced_object_is_stamped_as_of_each_event(
    aws: LocalAws, elasticsearch: Elasticsearch, namespace: str
) -> None:
    records = access(1, "2026-03-05T09:00:00Z"), access(2, "2026-03-12T09:00:00Z")
    aws.s3.put_object(Bucket=LOGS, Key="app/a b+c.ndjson.gz", Body=gzip.compress(lines(*records)))
    aws.drain(LOGS, enrich_logs.handler, "enrich_logs")
    found = documents(elasticsearch, namespace)
    assert [found[f"console:r-{n}"]["employee"]["role"] for n in (1, 2)] == ["Support Agent", "Team Lead"]
    assert found["console:r-1"]["log"]["file"]["path"] == "s3://example-logs/app/a b+c.ndjson.gz"


LEFT = "E-1,Ana Ruiz,ana.ruiz@example.com,ana.ruiz,Team Lead,Customer Support,terminated,2024-01-08"


@pytest.mark.parametrize(
    "later",
    [
        FEED.splitlines()[0] + f"\n{LEFT},2026-04-01\n",
        FEED.splitlines()[0].removesuffix(",effective_date") + ",last_day\n" + f"{LEFT},2026-04-01\n",
    ],
    ids=["a dated change", "a full list"],
)
def test_a_replay_after_the_person_has_left_gives_the_same_documents(
    aws: LocalAws, elasticsearch: Elasticsearch, namespace: str, later: str
) -> None:
    records = access(1, "2026-03-05T09:00:00Z"), access(2, "2026-03-12T09:00:00Z")
    body = gzip.compress(lines(*records))
    aws.s3.put_object(Bucket=LOGS, Key="app/1.ndjson.gz", Body=body)
    aws.drain(LOGS, enrich_logs.handler, "enrich_logs")
    before = documents(elasticsearch, namespace)
    for hit in elasticsearch.search(index=f"logs-app.access-{namespace}")["hits"]["hits"]:
        elasticsearch.delete(index=hit["_index"], id=hit["_id"], refresh=True)
    ledger = Ledger(aws.dynamodb, LEDGER)
    (line,) = ledger.versions("s3://example-logs/app/1.ndjson.gz")
    assert ledger.reopen(line)
    aws.s3.put_object(Bucket=HR, Key="later.csv", Body=later.encode())
    aws.drain(HR, sync_hr.handler, "sync_hr")
    enrich_logs.parts.cache_clear()
    aws.s3.put_object(Bucket=LOGS, Key="app/1.ndjson.gz", Body=body)
    aws.drain(LOGS, enrich_logs.handler, "enrich_logs")
    after = documents(elasticsearch, namespace)
    assert len(before) == 2
    assert all(after[key]["event"]["ingested"] > before[key]["event"]["ingested"] for key in before)
    for document in (*before.values(), *after.values()):
        document["event"].pop("ingested")
    assert json.dumps(after, sort_keys=True) == json.dumps(before, sort_keys=True)


def test_the_same_notification_twice_doubles_nothing(
    aws: LocalAws, elasticsearch: Elasticsearch, namespace: str
) -> None:
    for _ in range(2):
        aws.s3.put_object(Bucket=LOGS, Key="app/1.ndjson", Body=lines(access(1), access(2)))
    aws.drain(LOGS, enrich_logs.handler, "enrich_logs")
    assert len(documents(elasticsearch, namespace)) == 2


def test_what_cannot_be_read_is_kept_with_its_reason(
    aws: LocalAws, elasticsearch: Elasticsearch, namespace: str
) -> None:
    body = lines(access(1), {"schema": "innerwatch.access/1", "id": "r-2"}, access(3))
    aws.s3.put_object(Bucket=LOGS, Key="app/1.ndjson", Body=body)
    aws.drain(LOGS, enrich_logs.handler, "enrich_logs")
    assert len(documents(elasticsearch, namespace)) == 2
    (kept,) = aws.s3.list_objects_v2(Bucket=FAILED)["Contents"]
    entry = json.loads(aws.s3.get_object(Bucket=FAILED, Key=kept["Key"])["Body"].read())
    assert entry["origin"] == {"uri": "s3://example-logs/app/1.ndjson", "position": 2}
    assert "time is missing" in entry["reason"]
    assert json.loads(entry["raw"])["id"] == "r-2"


def test_a_message_that_cannot_be_finished_is_named(aws: LocalAws) -> None:
    record = {"messageId": "m-1", "receiptHandle": "r", "body": "no notification", "eventSource": "aws:sqs"}
    answer = enrich_logs.handler({"Records": [record]}, Context("enrich_logs"))
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m-1"}]}


def test_kinesis_and_log_subscriptions(aws: LocalAws, elasticsearch: Elasticsearch, namespace: str) -> None:
    data = base64.b64encode(lines(access(1), access(2))).decode()
    kinesis = {
        "eventSource": "aws:kinesis",
        "eventID": "shardId-000000000000:49590338271490256608559692538361571095921575989136588898",
        "eventSourceARN": "arn:aws:kinesis:us-east-1:123456789012:stream/access",
        "kinesis": {"sequenceNumber": "49590338271490256608559692538361571095921575989136588898", "data": data},
    }
    assert enrich_logs.handler({"Records": [kinesis]}, Context("enrich_logs")) == {"batchItemFailures": []}
    payload = {
        "messageType": "DATA_MESSAGE",
        "owner": "123456789012",
        "logGroup": "console",
        "logStream": "i-1",
        "logEvents": [{"id": "e-1", "timestamp": 1772701200000, "message": json.dumps(access(3))}],
    }
    data = base64.b64encode(gzip.compress(json.dumps(payload).encode())).decode()
    enrich_logs.handler({"awslogs": {"data": data}}, Context("enrich_logs"))
    assert {f"console:r-{n}" for n in (1, 2, 3)} == set(documents(elasticsearch, namespace))


def test_stream_records_that_cannot_be_read_are_kept(aws: LocalAws) -> None:
    enrich_logs.handler({"awslogs": {"data": "no base64!"}}, Context("enrich_logs"))
    enrich_logs.handler({"Records": [{"eventSource": "aws:kinesis", "kinesis": {}}]}, Context("enrich_logs"))
    assert aws.s3.list_objects_v2(Bucket=FAILED)["KeyCount"] == 2


def test_an_event_of_an_unknown_kind_is_refused_by_name(aws: LocalAws) -> None:
    with pytest.raises(ValueError, match=r"aws:sns.*expected one of aws:sqs"):
        enrich_logs.handler({"Records": [{"eventSource": "aws:sns"}]}, Context("enrich_logs"))


def test_a_log_of_no_known_source_is_read_by_the_packages_mapping(
    aws: LocalAws, elasticsearch: Elasticsearch, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "desk.yml").write_text(
        "name: desk\nrecognise: {kind: audit}\n"
        "fields: {time: at, application: {value: desk}, action: verb, actor.id: who}\n"
    )
    monkeypatch.setattr(wiring, "MAPPINGS", tmp_path)
    enrich_logs.parts.cache_clear()
    record = {"kind": "audit", "at": "2026-03-12T09:00:00Z", "verb": "view", "who": "ana.ruiz"}
    aws.s3.put_object(Bucket=LOGS, Key="desk.log", Body=lines(record))
    aws.drain(LOGS, enrich_logs.handler, "enrich_logs")
    [document] = documents(elasticsearch, namespace).values()
    assert (document["service"]["name"], document["employee"]["role"]) == ("desk", "Team Lead")
