"""Lambda: feeds announced through SQS become facts of the employee directory, or statements of the case directory.

A feed of cases or assignments is known by its columns, or lies below `cases/`; every other is an HR feed. One that must
be broken changes nothing: its message fails, is tried again, and ends in the dead-letter queue, from where it can be
sent again once its mapping (`hr-mapping.yml` or `cases-mapping.yml` beside it) is mended. Logs and metrics hold no
person. Feeds must be applied one at a time: the template gives this function a concurrency of one.
"""

import re
from collections.abc import Callable, Sequence
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import BotoCoreError, ClientError

from innerwatch import hr, instants, justification
from innerwatch.directory import DynamoStore, Report, apply_feed
from innerwatch.errors import UserError
from innerwatch.hr.mapping import NAMES, Mapping
from innerwatch.intake import ObjectRef, objects
from innerwatch.justification import CaseReport, DynamoCases, feeds
from innerwatch.settings import METRICS_NAMESPACE, Settings, require
from innerwatch.values import BadRow

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ROWS_LOGGED = 100  # of the bad ones, each with its line

logger = Logger(service="sync_hr")
metrics = Metrics(namespace=METRICS_NAMESPACE, service="sync_hr")
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


class Parts:
    """What a warm function keeps between invocations."""

    def __init__(self, settings: Settings) -> None:
        self.s3: S3Client = boto3.client("s3")
        self.settings = settings
        self.store = DynamoStore(boto3.resource("dynamodb").Table(settings.directory_table))

    @cached_property
    def cases(self) -> DynamoCases:
        return DynamoCases(boto3.resource("dynamodb").Table(require("CASES_TABLE", self.settings.cases_table)))


@cache
def parts() -> Parts:
    return Parts(Settings.from_env())


def mapping_beside(
    s3: "S3Client", ref: ObjectRef, names: Sequence[str], load: Callable[[bytes, str], Mapping]
) -> Mapping | None:
    folder = ref.key.rpartition("/")[0]
    for name in names:
        key = f"{folder}/{name}" if folder else name
        try:
            data = s3.get_object(Bucket=ref.bucket, Key=key)["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchKey":
                raise
        else:
            return load(data, f"s3://{ref.bucket}/{key}")
    return None


def sync_object(ref: ObjectRef) -> Report | CaseReport | None:
    """Applies one feed; None for a mapping file, which counts from the next feed on."""
    if ref.key.rpartition("/")[2] in (*NAMES, *feeds.MAPPING_NAMES):
        return None
    own = parts()
    version = {"VersionId": ref.version} if ref.version else {}
    answer = own.s3.get_object(Bucket=ref.bucket, Key=ref.key, **version)  # type: ignore[arg-type]  # ** of a dict
    # When S3 took it, not when we see it: a message that comes twice, or late, says the same.
    recorded_at = instants.of(answer["LastModified"])
    with answer["Body"] as body:
        data = body.read()
    name = f"s3://{ref.bucket}/{ref.key}"
    of_cases = mapping_beside(own.s3, ref, feeds.MAPPING_NAMES, feeds.load_mapping)
    if "/cases/" in f"/{ref.key}" or feeds.recognised(data, name, of_cases):
        return justification.apply_feed(own.cases, feeds.read_feed(data, name, recorded_at, of_cases))
    of_people = mapping_beside(own.s3, ref, NAMES, hr.load_mapping)
    return apply_feed(own.store, hr.read_feed(data, name, recorded_at, of_people))


def without_values(reason: str) -> str:
    """A bad row's reason as it may be logged: what the row held is somebody's data."""
    return re.sub(r"'[^']*'|\"[^\"]*\"", "…", reason)


def report_on(ref: ObjectRef, report: Report | CaseReport) -> None:
    rows: list[BadRow] = report.bad[:ROWS_LOGGED]
    changes = {"new": report.new, "changed": report.changed, "unchanged": report.unchanged}
    what: dict[str, Any] = (
        {"cases": {**changes, "removed": report.removed}}
        if isinstance(report, CaseReport)
        else {"people": {**changes, "left": report.left}, "identifiers": report.identifiers}
    )
    logger.info(
        "feed applied before" if report.repeated else "feed applied",
        extra={
            "key": ref.key,
            **what,
            "bad_rows": len(report.bad),
            "bad": [{"line": row.line, "reason": without_values(row.reason)} for row in rows],
        },
    )
    metrics.add_metric(name="FeedsApplied", unit=MetricUnit.Count, value=0 if report.repeated else 1)
    metrics.add_metric(name="BadRows", unit=MetricUnit.Count, value=len(report.bad))
    if isinstance(report, Report):
        metrics.add_metric(name="PeopleLeft", unit=MetricUnit.Count, value=report.left)


def sync_message(record: SQSRecord) -> None:
    for ref in objects(record.body):
        try:
            report = sync_object(ref)
        except UserError as error:
            logger.error("feed refused", extra={"key": ref.key, "reason": without_values(str(error))})
            metrics.add_metric(name="FeedsRefused", unit=MetricUnit.Count, value=1)
            raise
        except (BotoCoreError, ClientError) as error:
            logger.error("feed not applied", extra={"key": ref.key, "reason": str(error)})
            raise
        if report is not None:
            report_on(ref, report)


@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    metrics.add_metric(name="Messages", unit=MetricUnit.Count, value=len(event["Records"]))
    # A queue does not keep the order; where one batch holds several feeds, the older goes first.
    event["Records"].sort(key=lambda record: record["attributes"].get("SentTimestamp", ""))
    return dict(
        process_partial_response(event=event, record_handler=sync_message, processor=processor, context=context)
    )
