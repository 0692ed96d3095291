"""Lambda: log objects announced through SQS, and log streams, become enriched documents in Elasticsearch.

A message is acknowledged only when every record of its objects was indexed, was a duplicate, or was set aside with a
reason; else its id is returned and SQS delivers it again (ReportBatchItemFailures).
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities import parameters
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import BotoCoreError, ClientError

from innerwatch import elastic, pipeline
from innerwatch.customers import CustomerObjects
from innerwatch.directory import Directory, DynamoStore
from innerwatch.failed import FailedStore
from innerwatch.intake import ObjectRef, cloudwatch_logs, kinesis, objects
from innerwatch.settings import Settings
from innerwatch.values import Event, Origin, SetAside

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch
    from mypy_boto3_s3 import S3Client

CHUNK = 256 * 1024  # bytes read from S3 at a time: an object of any size passes through little memory
RESERVE = 10.0  # seconds kept to report what failed before the function is stopped

logger = Logger(service="enrich_logs")


class Parts:
    """What a warm function keeps between invocations."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.s3: S3Client = boto3.client("s3")
        self.people = Directory(DynamoStore(boto3.resource("dynamodb").Table(settings.directory_table)))
        self.customers = CustomerObjects(settings.customer_objects) if settings.customer_objects else None
        self.failed = FailedStore(self.s3, settings.failed_bucket)
        api_key = str(parameters.get_secret(settings.elasticsearch_secret)) if settings.elasticsearch_secret else None
        self.es: Elasticsearch = elastic.client(settings.elasticsearch_url, api_key)


@cache
def parts() -> Parts:
    return Parts(Settings.from_env())


def chunks(s3: "S3Client", ref: ObjectRef) -> Iterator[bytes]:
    version = {"VersionId": ref.version} if ref.version else {}
    body = s3.get_object(Bucket=ref.bucket, Key=ref.key, **version)["Body"]  # type: ignore[arg-type]  # ** of a dict
    with body:
        yield from body.iter_chunks(CHUNK)


def object_events(ref: ObjectRef) -> Iterator[Event | SetAside]:
    uri = f"s3://{ref.bucket}/{ref.key}" + (f"?versionId={ref.version}" if ref.version else "")
    return pipeline.read(chunks(parts().s3, ref), uri)


def index(events: Iterable[Event | SetAside], deadline: float) -> None:
    own = parts()
    namespace = own.settings.namespace
    documents = pipeline.enriched(events, own.people, namespace, own.customers)
    counts = pipeline.index(documents, own.es, namespace, own.failed.keep, deadline=deadline)
    for uri, count in counts.items():
        logger.info("enriched", extra={"origin": uri, "counts": asdict(count)})


def from_queue(event: dict[str, Any], _context: LambdaContext, deadline: float) -> dict[str, Any]:
    """S3 objects announced through SQS, all of a batch in few bulk requests.

    A message fails on its own where it announces nothing, its object cannot be read, or its turn comes too late; all
    fail together where Elasticsearch does not take the documents in time, since they share requests.
    """
    failed: dict[str, None] = {}

    def events() -> Iterator[Event | SetAside]:
        for record in event["Records"]:
            message = record["messageId"]
            if time.monotonic() >= deadline:
                failed[message] = None
                continue
            try:
                for ref in objects(record["body"]):
                    yield from object_events(ref)
            except (ValueError, ClientError, BotoCoreError) as error:
                logger.error("message failed", extra={"message_id": message, "reason": str(error)})
                failed[message] = None

    try:
        index(events(), deadline)
    except elastic.Unavailable as error:
        logger.error("Elasticsearch did not take the documents in time", extra={"reason": str(error)})
        failed.update((record["messageId"], None) for record in event["Records"])
    return {"batchItemFailures": [{"itemIdentifier": message} for message in failed]}


def from_kinesis(event: dict[str, Any], _context: LambdaContext, deadline: float) -> dict[str, Any]:
    """A shard's records in order. If they cannot all be indexed, all are delivered again: what was is a duplicate."""
    items: list[Event | SetAside] = []
    for record in event["Records"]:
        try:
            items += pipeline.read_records(kinesis(record))
        except ValueError as why:
            data = str(record.get("kinesis", {}).get("data", ""))
            items.append(SetAside(Origin(f"kinesis://{record.get('eventID', '')}", 1), str(why), data.encode()))
    index(items, deadline)
    return {"batchItemFailures": []}


def from_subscription(event: dict[str, Any], context: LambdaContext, deadline: float) -> dict[str, Any]:
    """A CloudWatch Logs subscription invokes asynchronously: an error here has Lambda try again, then its OnFailure."""
    data = str(event["awslogs"].get("data", ""))
    try:
        items: list[Event | SetAside] = list(pipeline.read_records(cloudwatch_logs(data)))
    except ValueError as why:
        items = [SetAside(Origin(f"cloudwatch-logs://request/{context.aws_request_id}", 1), str(why), data.encode())]
    index(items, deadline)
    return {}


# What an event brings → how it is read. https://docs.aws.amazon.com/lambda/latest/dg/lambda-services.html
WAYS_IN: dict[str, Callable[[dict[str, Any], LambdaContext, float], dict[str, Any]]] = {
    "aws:sqs": from_queue,
    "aws:kinesis": from_kinesis,
    "awslogs": from_subscription,
}


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    records = event.get("Records") or [{}]
    way_in = "awslogs" if "awslogs" in event else records[0].get("eventSource", "")
    if way_in not in WAYS_IN:
        raise ValueError(f"the event is of {way_in or 'no known source'!r}; expected one of {', '.join(WAYS_IN)}")
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - RESERVE
    return WAYS_IN[way_in](event, context, deadline)
