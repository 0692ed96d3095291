"""The way of a log object from its bucket to Elasticsearch, with moto's S3, SQS and DynamoDB, for tests of failures.

Messages are delivered as Lambda's event source mapping does: those that the function did not name as failed are
deleted, the others come again. https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from elasticsearch import Elasticsearch
from elasticsearch.helpers import scan

import enrich_logs
import replay_failed
import sync_hr
from innerwatch.directory.dynamo import create_table
from innerwatch.failed import Entry, FailedStore
from innerwatch.ledger import Ledger, Line
from innerwatch_cli import index_templates
from innerwatch_cli.local_aws import ACCOUNT, BATCH, REGION, Context, LocalAws, account

LOGS, FAILED = "example-logs", "example-failed"
TABLE, LEDGER = "directory", "ledger"
RESERVE_MS = 10_000  # what the functions keep of their time


class Timed(Context):
    """A function that has so many seconds to work, besides those that it keeps to answer."""

    def __init__(self, name: str, seconds: float) -> None:
        super().__init__(name)
        self.seconds = seconds

    def get_remaining_time_in_millis(self) -> int:  # type: ignore[override]  # the base's needs no instance
        return int(self.seconds * 1000) + RESERVE_MS


class Chain:
    def __init__(self, local: LocalAws, es: Elasticsearch, namespace: str) -> None:
        self.aws, self.es, self.namespace = local, es, namespace
        self.ledger = Ledger(local.dynamodb, LEDGER)
        self.failed = FailedStore(local.s3, FAILED)

    def put(self, key: str, body: bytes) -> None:
        self.aws.s3.put_object(Bucket=LOGS, Key=key, Body=body)

    def event(self, queue: str = LOGS) -> dict[str, Any]:
        """Up to ten waiting messages, as Lambda hands them over; they stay visible until they are deleted."""
        received = self.aws.sqs.receive_message(
            QueueUrl=self.aws.queues[queue],
            MaxNumberOfMessages=BATCH,
            VisibilityTimeout=0,
            MessageSystemAttributeNames=["All"],
        )
        records = [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message["Attributes"],
                "messageAttributes": {},
                "md5OfBody": message["MD5OfBody"],
                "eventSource": "aws:sqs",
                "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}",
                "awsRegion": REGION,
            }
            for message in received.get("Messages", [])
        ]
        return {"Records": records}

    def acknowledge(self, event: dict[str, Any], answer: dict[str, Any], queue: str = LOGS) -> int:
        """Deletes what the function did not name as failed; how many it did name."""
        failed = {item["itemIdentifier"] for item in answer["batchItemFailures"]}
        for record in event["Records"]:
            if record["messageId"] not in failed:
                self.aws.sqs.delete_message(QueueUrl=self.aws.queues[queue], ReceiptHandle=record["receiptHandle"])
        return len(failed)

    def deliver(self, seconds: float = 60.0, tries: int = 20) -> int:
        """Invokes the function with the queue's messages until none is left; how many came back on the way."""
        back = 0
        for _ in range(tries):
            event = self.event()
            if not event["Records"]:
                return back
            back += self.acknowledge(event, enrich_logs.handler(event, Timed("enrich_logs", seconds)))
        raise AssertionError(f"messages are left after {tries} invocations")

    def replay(self, **event: Any) -> dict[str, Any]:
        return replay_failed.handler(event, Timed("replay_failed", 60.0))

    def documents(self) -> Counter[str]:
        """Every document's id, and how often it is there, in whichever index."""
        index = f"logs-*-{self.namespace}"
        self.es.indices.refresh(index=index, ignore_unavailable=True)
        return Counter(hit["_id"] for hit in scan(self.es, index=index, query={"_source": False}, size=5000))

    def entries(self) -> list[Entry]:
        """What lies in the failed store and waits to be mended."""
        return [entry for name in self.failed.names() for entry in self.failed.entries(name)]

    def replayed(self) -> list[dict[str, Any]]:
        listed = self.aws.s3.list_objects_v2(Bucket=FAILED, Prefix="replayed/").get("Contents", [])
        bodies = [self.aws.s3.get_object(Bucket=FAILED, Key=found["Key"])["Body"].read() for found in listed]
        return [json.loads(line) for body in bodies for line in body.splitlines()]

    def line(self, key: str) -> Line:
        """The ledger's line of an object of which there is one version."""
        (line,) = self.ledger.versions(f"s3://{LOGS}/{key}")
        return line

    def roll_over(self, dataset: str = "app.access") -> None:
        self.es.indices.rollover(alias=f"logs-{dataset}-{self.namespace}")

    def nothing_lost_or_doubled(self, ids: Iterable[str], *keys: str, aside: int = 0) -> None:
        """Each of the ids is a document exactly once, nothing else is, and the objects' ledger lines add up."""
        ids = list(ids)
        assert self.documents() == Counter(ids)
        assert len(self.entries()) == aside
        for key in keys:
            line = self.line(key)
            assert line.closed
            assert line.balanced
        if keys:
            lines = [self.line(key) for key in keys]
            assert sum(line.read for line in lines) == len(ids) + aside
            assert sum(line.set_aside for line in lines) == aside


@contextmanager
def empty_account(es: Elasticsearch, namespace: str, **settings: str) -> Iterator[LocalAws]:
    """An account with what the functions need, but no log bucket yet; `settings` replace and add to the usual ones."""
    index_templates.install(es)
    usual = {
        "ELASTICSEARCH_URL": next(iter(es.transport.node_pool.all())).base_url,
        "NAMESPACE": namespace,
        "DIRECTORY_TABLE": TABLE,
        "LEDGER_TABLE": LEDGER,
        "FAILED_BUCKET": FAILED,
    }
    caches: list[Callable[[], None]] = [
        enrich_logs.parts.cache_clear,
        replay_failed.parts.cache_clear,
        sync_hr.parts.cache_clear,
    ]
    with account(usual | settings) as local:
        for clear in caches:
            clear()
        create_table(TABLE)
        local.ledger(LEDGER)
        local.bucket(FAILED)
        try:
            yield local
        finally:
            for clear in caches:
                clear()


@contextmanager
def chain(es: Elasticsearch, namespace: str, url: str = "", versions: bool = False) -> Iterator[Chain]:
    """An empty account whose functions write to `url`, or else straight to the node of `es`."""
    with empty_account(es, namespace, **({"ELASTICSEARCH_URL": url} if url else {})) as local:
        local.announced_bucket(LOGS)
        if versions:
            local.s3.put_bucket_versioning(Bucket=LOGS, VersioningConfiguration={"Status": "Enabled"})
        yield Chain(local, es, namespace)


def access(number: int) -> dict[str, Any]:
    """A record of an application's access log; its document's id is `identity(number)`."""
    return {
        "schema": "innerwatch.access/1",
        "id": f"r-{number}",
        "time": "2026-03-05T09:00:00Z",
        "application": "console",
        "actor": {"id": "ana.ruiz"},
        "action": "view",
        "outcome": "success",
        "customers": [f"C-{number}"],
    }


def identity(number: int) -> str:
    return f"console:r-{number}"


def ids(*numbers: int) -> list[str]:
    return [identity(number) for number in numbers]


def lines(*records: dict[str, Any] | bytes) -> bytes:
    return b"\n".join(record if isinstance(record, bytes) else json.dumps(record).encode() for record in records)
