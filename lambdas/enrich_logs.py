"""Lambda: log objects announced through SQS become enriched documents in Elasticsearch.

A message is acknowledged only when every record of its objects was indexed, was a duplicate, or was set aside with a
reason; else its id is returned and SQS delivers it again (ReportBatchItemFailures).
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

import time
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities import parameters
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from innerwatch.directory import Directory, DynamoStore

from innerwatch import elastic, pipeline
from innerwatch.failed import FailedStore
from innerwatch.intake import ObjectRef, objects
from innerwatch.settings import Settings
from innerwatch.values import Counts

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch
    from mypy_boto3_s3 import S3Client

CHUNK = 256 * 1024  # bytes read from S3 at a time: an object of any size passes through little memory
RESERVE = 10.0  # seconds kept to report what failed before the function is stopped

logger = Logger(service="enrich_logs")
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


class Parts:
    """What a warm function keeps between invocations."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.s3: S3Client = boto3.client("s3")
        self.people = Directory(DynamoStore(boto3.resource("dynamodb").Table(settings.directory_table)))
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


def enrich_object(ref: ObjectRef, deadline: float) -> Counts:
    own = parts()
    uri = f"s3://{ref.bucket}/{ref.key}" + (f"?versionId={ref.version}" if ref.version else "")
    namespace = own.settings.namespace
    documents = pipeline.enriched(pipeline.read(chunks(own.s3, ref), uri), own.people, namespace)
    return pipeline.index(documents, own.es, namespace, own.failed.keep, deadline=deadline)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - RESERVE

    def enrich_message(record: SQSRecord) -> None:
        for ref in objects(record.body):
            counts = enrich_object(ref, deadline)
            logger.info("object enriched", extra={"key": ref.key, "counts": counts})

    return dict(
        process_partial_response(event=event, record_handler=enrich_message, processor=processor, context=context)
    )
