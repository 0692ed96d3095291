"""The ledger's lines in moto's DynamoDB, and what the handler makes of them with a real Elasticsearch."""

import gzip
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from elasticsearch import Elasticsearch

import enrich_logs
from innerwatch import elastic, pipeline
from innerwatch.ledger import Ledger, Line, OutOfBalance
from innerwatch.values import Counts
from innerwatch_cli.local_aws import Context, LocalAws, account
from tests.chain import LEDGER, LOGS, empty_account

CLOUDTRAIL = (
    "AWSLogs/123456789012/CloudTrail/eu-central-1/2026/03/31/"
    "123456789012_CloudTrail_eu-central-1_20260331T0915Z_a1B2c3D4e5F6g7H8.json.gz"
)


# --- Lines -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with account({}) as local:
        yield local.ledger(LEDGER)


def opened(ledger: Ledger, key: str = "app/1.ndjson", version: str = "v1") -> Line:
    return ledger.open(LOGS, key, version_id=version)


def test_a_line_is_opened_once_and_closed_once(ledger: Ledger) -> None:
    line = opened(ledger)
    assert (line.object, line.version, line.uri) == (
        "s3://example-logs/app/1.ndjson",
        "v1",
        "s3://example-logs/app/1.ndjson?versionId=v1",
    )
    assert (line.state, line.attempts) == ("open", 1)
    assert opened(ledger).attempts == 2, "it was left open: an attempt did not finish"
    counts = Counts(read=6, indexed=3, duplicate=2, set_aside=1)
    assert ledger.close(line, counts, times=(1_000, 2_000), dataset="app.access", etag="e")
    assert opened(ledger).closed
    (found,) = ledger.versions(line.object)
    assert (found.read, found.indexed, found.duplicate, found.set_aside) == (6, 3, 2, 1)
    assert (found.first, found.last, found.dataset, found.etag, found.attempts) == (1_000, 2_000, "app.access", "e", 2)
    assert found.opened_at <= found.tried_at <= found.closed_at


def test_the_first_to_close_wins(ledger: Ledger) -> None:
    one, other = opened(ledger), opened(ledger)
    assert ledger.close(one, Counts(read=1, indexed=1))
    assert not ledger.close(other, Counts(read=1, duplicate=1))
    assert [line.indexed for line in ledger.versions(one.object)] == [1]


def test_counts_that_do_not_add_up_leave_the_line_open(ledger: Ledger) -> None:
    line = opened(ledger)
    with pytest.raises(OutOfBalance, match="read=2"):
        ledger.close(line, Counts(read=2, indexed=1))
    assert not ledger.versions(line.object)[0].closed


def test_a_cloudtrail_object_says_whose_it_is(ledger: Ledger) -> None:
    line = ledger.open(LOGS, CLOUDTRAIL, etag="e1")
    assert (line.account, line.region, line.delivered) == ("123456789012", "eu-central-1", 1_774_948_500_000)
    assert (line.version, line.uri) == ("e1", f"s3://example-logs/{CLOUDTRAIL}")


def test_many_lines_are_found_batch_by_batch(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("innerwatch.ledger.BATCH", 5)
    for number in range(13):
        opened(ledger, f"app/{number}.ndjson")
    asked = [(f"s3://example-logs/app/{number}.ndjson", "v1") for number in range(14)]
    assert {line.object for line in ledger.lines(asked)} == {name for name, _ in asked[:13]}


def test_a_line_is_reopened_only_when_closed(ledger: Ledger) -> None:
    line = opened(ledger)
    assert not ledger.reopen(line)
    ledger.close(line, Counts())
    assert ledger.reopen(line)
    assert opened(ledger).attempts == 2


# --- The handler -----------------------------------------------------------------------------------------------------


@pytest.fixture
def aws(elasticsearch: Elasticsearch, namespace: str) -> Iterator[LocalAws]:
    with empty_account(elasticsearch, namespace) as local:
        local.announced_bucket(LOGS)
        yield local


def body(*numbers: int) -> bytes:
    records: list[dict[str, Any]] = [
        {
            "schema": "innerwatch.access/1",
            "id": f"r-{number}",
            "time": f"2026-03-05T09:{number % 60:02d}:00Z",
            "application": "console",
            "actor": {"id": "ana.ruiz"},
            "action": "view",
            "outcome": "success",
        }
        for number in numbers
    ]
    return gzip.compress(b"\n".join(json.dumps(record).encode() for record in records), mtime=0)


def announcement(key: str, message: str = "m-1", **item: str) -> dict[str, Any]:
    notice = {
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": LOGS}, "object": {"key": key, **item}},
    }
    return {"messageId": message, "eventSource": "aws:sqs", "body": json.dumps({"Records": [notice]})}


def invoke(*records: dict[str, Any]) -> list[str]:
    answer = enrich_logs.handler({"Records": list(records)}, Context("enrich_logs"))
    return [item["itemIdentifier"] for item in answer["batchItemFailures"]]


def put(aws: LocalAws, key: str, content: bytes) -> dict[str, str]:
    """Puts an object; what its announcement says of it."""
    answer: Any = aws.s3.put_object(Bucket=LOGS, Key=key, Body=content)
    version = {"versionId": answer["VersionId"]} if "VersionId" in answer else {}
    return {"eTag": answer["ETag"].strip('"'), **version}


def versioned(aws: LocalAws) -> None:
    aws.s3.put_bucket_versioning(Bucket=LOGS, VersioningConfiguration={"Status": "Enabled"})


def lines(aws: LocalAws, key: str) -> list[Line]:
    return sorted(Ledger(aws.dynamodb, LEDGER).versions(f"s3://{LOGS}/{key}"), key=lambda line: line.opened_at)


def count(es: Elasticsearch, namespace: str) -> int:
    es.indices.refresh(index=f"logs-*-{namespace}")
    return int(es.count(index=f"logs-*-{namespace}")["count"])


def untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on, reading any object fails the test."""

    def refuse(*_args: object, **_options: object) -> None:
        pytest.fail("an object was read")

    monkeypatch.setattr(pipeline, "read", refuse)


@pytest.mark.elasticsearch
@pytest.mark.parametrize("versions", [True, False])
def test_a_closed_line_met_again_is_acknowledged_unread(
    aws: LocalAws, elasticsearch: Elasticsearch, namespace: str, versions: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if versions:
        versioned(aws)
    notice = announcement("app/1.ndjson.gz", **put(aws, "app/1.ndjson.gz", body(1, 2)))
    assert invoke(notice) == []
    untouched(monkeypatch)
    assert invoke(notice) == []
    (line,) = lines(aws, "app/1.ndjson.gz")
    assert (line.read, line.indexed, line.attempts, line.dataset) == (2, 2, 1, "app.access")
    assert (line.first, line.last) == (1_772_701_260_000, 1_772_701_320_000)


@pytest.mark.elasticsearch
def test_cloudtrails_own_announcement_names_no_version(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> None:
    etag = put(aws, CLOUDTRAIL, body(1))["eTag"]
    message = {"s3Bucket": LOGS, "s3ObjectKey": [CLOUDTRAIL]}
    record = {"messageId": "m-1", "eventSource": "aws:sqs", "body": json.dumps(message)}
    assert invoke(record) == []
    (line,) = lines(aws, CLOUDTRAIL)
    assert (line.version, line.closed, line.account) == (etag, True, "123456789012")
    untouched(monkeypatch)
    assert invoke(record) == []


@pytest.mark.elasticsearch
def test_an_object_overwritten_before_it_was_read_is_another_version(
    aws: LocalAws, elasticsearch: Elasticsearch, namespace: str
) -> None:
    first = put(aws, "app/1.ndjson.gz", body(1))
    second = put(aws, "app/1.ndjson.gz", body(2, 3))
    assert invoke(announcement("app/1.ndjson.gz", **first)) == []
    gone, current = lines(aws, "app/1.ndjson.gz")
    assert (gone.version, gone.closed, gone.superseded_by, gone.read) == (first["eTag"], True, second["eTag"], 0)
    assert (current.version, current.closed, current.indexed) == (second["eTag"], True, 2)
    assert invoke(announcement("app/1.ndjson.gz", **second)) == []
    assert lines(aws, "app/1.ndjson.gz")[1].attempts == 1
    assert count(elasticsearch, namespace) == 2


@pytest.mark.elasticsearch
def test_each_version_is_read_for_itself(aws: LocalAws, elasticsearch: Elasticsearch, namespace: str) -> None:
    versioned(aws)
    first, second = (put(aws, "app/1.ndjson.gz", body(number)) for number in (1, 2))
    assert invoke(announcement("app/1.ndjson.gz", **first), announcement("app/1.ndjson.gz", "m-2", **second)) == []
    assert [line.indexed for line in lines(aws, "app/1.ndjson.gz")] == [1, 1]
    assert count(elasticsearch, namespace) == 2


@pytest.mark.elasticsearch
def test_announced_twice_in_one_batch_it_is_read_once(
    aws: LocalAws, elasticsearch: Elasticsearch, namespace: str
) -> None:
    item = put(aws, "app/1.ndjson.gz", body(1, 2))
    assert invoke(announcement("app/1.ndjson.gz", **item), announcement("app/1.ndjson.gz", "m-2", **item)) == []
    (line,) = lines(aws, "app/1.ndjson.gz")
    assert (line.read, line.indexed, line.duplicate) == (2, 2, 0)


@pytest.mark.elasticsearch
def test_overwritten_within_a_batch_the_second_waits(
    aws: LocalAws, elasticsearch: Elasticsearch, namespace: str
) -> None:
    first = put(aws, "app/1.ndjson.gz", body(1))
    real = enrich_logs.parts().s3.get_object

    def overwritten_once_read(**options: Any) -> Any:
        answer = real(**options)
        put(aws, "app/1.ndjson.gz", body(2))
        return answer

    enrich_logs.parts().s3.get_object = overwritten_once_read  # type: ignore[method-assign]  # the race, made certain
    second = {"eTag": aws.s3.put_object(Bucket="example-failed", Key="x", Body=body(2))["ETag"].strip('"')}
    records = announcement("app/1.ndjson.gz", **first), announcement("app/1.ndjson.gz", "m-2", **second)
    assert invoke(*records) == ["m-2"]
    assert invoke(*records) == []
    assert [line.indexed for line in lines(aws, "app/1.ndjson.gz")] == [1, 1]
    assert count(elasticsearch, namespace) == 2


@pytest.mark.elasticsearch
def test_objects_that_share_a_bulk_request_close_one_by_one(
    aws: LocalAws, elasticsearch: Elasticsearch, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Elasticsearch fails after the first request: what was in it is done, the rest is not."""
    monkeypatch.setattr(elastic, "BATCH_DOCUMENTS", 4)
    records = [
        announcement(key, key, **put(aws, key, body(*numbers)))
        for key, numbers in {"one": range(3), "two": range(3, 6), "three": range(6, 9)}.items()
    ]
    real, calls = elastic.create, []

    def fails_later(*args: Any, **options: Any) -> elastic.Outcome:
        calls.append(args)
        if len(calls) > 1:
            raise elastic.Unavailable("made up")
        return real(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(elastic, "create", fails_later)
        assert invoke(*records) == ["two", "three"]
    assert [lines(aws, key)[0].closed for key in ("one", "two")] == [True, False]
    assert invoke(*records) == []
    assert [lines(aws, key)[0].attempts for key in ("one", "two", "three")] == [1, 2, 2]
    (two,) = lines(aws, "two")
    assert (two.read, two.indexed, two.duplicate) == (3, 2, 1)
    assert count(elasticsearch, namespace) == 9


@pytest.mark.elasticsearch
def test_an_unfinished_attempt_before_a_rollover_doubles_nothing(
    aws: LocalAws, elasticsearch: Elasticsearch, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    notice = announcement("app/1.ndjson.gz", **put(aws, "app/1.ndjson.gz", body(*range(10))))
    with monkeypatch.context() as patch:
        patch.setattr(enrich_logs.Batch, "finish", lambda batch: pytest.fail("killed"))
        with pytest.raises(pytest.fail.Exception):
            invoke(notice)
    stream = f"logs-app.access-{namespace}"
    hits = elasticsearch.search(index=stream, query={"ids": {"values": ["console:r-0", "console:r-1"]}})["hits"]["hits"]
    elasticsearch.indices.refresh(index=stream)
    for number in (0, 1):  # as if the kill had come before these
        index = elasticsearch.search(index=stream, query={"ids": {"values": [f"console:r-{number}"]}})["hits"]["hits"]
        elasticsearch.delete(index=index[0]["_index"], id=f"console:r-{number}", refresh=True)
    assert len(hits) <= 2
    elasticsearch.indices.rollover(alias=stream)
    assert invoke(notice) == []
    (line,) = lines(aws, "app/1.ndjson.gz")
    assert (line.read, line.indexed, line.duplicate, line.attempts) == (10, 2, 8, 2)
    assert count(elasticsearch, namespace) == 10


@pytest.mark.elasticsearch
def test_a_message_redriven_after_a_rollover_doubles_nothing(
    aws: LocalAws, elasticsearch: Elasticsearch, namespace: str
) -> None:
    notice = announcement("app/1.ndjson.gz", **put(aws, "app/1.ndjson.gz", body(*range(10))))
    assert invoke(notice) == []
    elasticsearch.indices.rollover(alias=f"logs-app.access-{namespace}")
    assert invoke(notice) == []
    assert count(elasticsearch, namespace) == 10


@pytest.mark.elasticsearch
def test_two_functions_at_once_double_nothing(aws: LocalAws, elasticsearch: Elasticsearch, namespace: str) -> None:
    notice = announcement("app/1.ndjson.gz", **put(aws, "app/1.ndjson.gz", body(*range(200))))
    enrich_logs.parts()
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: invoke(notice), range(4))) == [[]] * 4
    (line,) = lines(aws, "app/1.ndjson.gz")
    assert line.closed
    assert line.balanced
    assert count(elasticsearch, namespace) == 200


@pytest.mark.elasticsearch
def test_an_object_that_cannot_be_read_fails_its_message_only(
    aws: LocalAws, elasticsearch: Elasticsearch, namespace: str
) -> None:
    versioned(aws)
    there = announcement("app/1.ndjson.gz", "m-1", **put(aws, "app/1.ndjson.gz", body(1)))
    gone = announcement("app/2.ndjson.gz", "m-2", **put(aws, "app/2.ndjson.gz", body(2)))
    version = json.loads(gone["body"])["Records"][0]["s3"]["object"]["versionId"]
    aws.s3.delete_object(Bucket=LOGS, Key="app/2.ndjson.gz", VersionId=version)
    assert invoke(there, gone) == ["m-2"]
    assert [lines(aws, key)[0].closed for key in ("app/1.ndjson.gz", "app/2.ndjson.gz")] == [True, False]


@pytest.mark.elasticsearch
def test_a_digest_file_is_a_line_without_records(aws: LocalAws) -> None:
    key = CLOUDTRAIL.replace("/CloudTrail/", "/CloudTrail-Digest/")
    digest = {"awsAccountId": "123456789012", "digestS3Object": key, "logFiles": []}
    assert invoke(announcement(key, **put(aws, key, gzip.compress(json.dumps(digest).encode())))) == []
    (line,) = lines(aws, key)
    assert (line.closed, line.read, line.set_aside, line.first) == (True, 0, 0, None)
