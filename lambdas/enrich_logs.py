"""Lambda: log objects announced through SQS, and log streams, become enriched documents in Elasticsearch.

A message is acknowledged only when every record of its objects was indexed, was a duplicate, or was set aside with a
reason, and the ledger says so; else its id is returned and SQS delivers it again (ReportBatchItemFailures).
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html

Log lines hold no person and no value of a log: why a record was set aside, which may quote it, is in the failed store.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import boto3
import msgspec
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import BotoCoreError, ClientError

from innerwatch import clients, elastic, pipeline, wiring
from innerwatch.failed import FailedStore, until_the_last
from innerwatch.intake import UNPACKED_KINESIS, UNPACKED_LOGS, ObjectRef, cloudwatch_logs, kinesis, objects
from innerwatch.ledger import Ledger, Line
from innerwatch.settings import METRICS_NAMESPACE, Settings
from innerwatch.uris import version_id
from innerwatch.values import Counts, Event, Origin, SetAside

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

CHUNK = 256 * 1024  # bytes read from S3 at a time: an object of any size passes through little memory
RESERVE = 10.0  # seconds kept to report what failed before the function is stopped

logger = Logger(service="enrich_logs")
metrics = Metrics(namespace=METRICS_NAMESPACE, service="enrich_logs")


class Parts:
    """What a warm function keeps between invocations."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.s3: S3Client = boto3.client("s3")
        self.ledger = Ledger(boto3.client("dynamodb"), settings.ledger_table)
        self.mappings = wiring.mappings()
        self.enriched = wiring.enriched(settings)
        self.failed = FailedStore(self.s3, settings.failed_bucket)
        self.es = clients.elasticsearch(settings)

    @cached_property
    def reader(self) -> "Elasticsearch":
        """A client that may read the log streams. Asked for only when an attempt was left unfinished."""
        return clients.checker(self.settings)


@cache
def parts() -> Parts:
    return Parts(Settings.from_env(needs=("ELASTICSEARCH_URL", "DIRECTORY_TABLE", "LEDGER_TABLE", "FAILED_BUCKET")))


def index(
    events: Iterable[Event | SetAside],
    deadline: float,
    tally: pipeline.Tally,
    known: pipeline.Known | None = None,
) -> None:
    own = parts()
    namespace = own.settings.namespace
    documents = own.enriched(events)
    try:
        pipeline.index(documents, own.es, namespace, own.failed.keep, deadline=deadline, tally=tally, known=known)
    finally:
        measure(tally)


def measure(tally: pipeline.Tally) -> None:
    """The metrics of docs/observability.md that tell of records."""
    total = tally.total
    for name, value in {
        "RecordsRead": total.read,
        "RecordsIndexed": total.indexed,
        "RecordsDuplicate": total.duplicate,
        "RecordsSetAside": total.set_aside,
        "ActorsUnresolved": tally.unresolved,
        "BulkRetries": tally.retries,
    }.items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
    if total.indexed:
        average = tally.lag / total.indexed
        metrics.add_metric(name="IngestLagAverage", unit=MetricUnit.Seconds, value=round(average / 1000, 3))
        metrics.add_metric(name="IngestLagMaximum", unit=MetricUnit.Seconds, value=tally.longest_lag / 1000)


# --- Objects -----------------------------------------------------------------------------------------------------


class Work:
    """An object that is being read: its line in the ledger, who announced it, and whether it was read to its end."""

    __slots__ = ("announced_by", "etag", "line", "read")

    def __init__(self, line: Line, etag: str) -> None:
        self.line, self.etag, self.read = line, etag, False
        self.announced_by: list[str] = []  # ids of messages


class Batch:
    """The objects of one invocation. They share bulk requests; each is finished, or fails, on its own."""

    def __init__(self, records: Sequence[dict[str, Any]], deadline: float) -> None:
        self.records, self.deadline = records, deadline
        self.tally = pipeline.Tally()
        self.work: dict[str, Work] = {}  # by the object's uri
        self.done: set[str] = set()  # ids of messages of which nothing is left to do
        self.repeated = self.unfinished_before = 0

    def events(self) -> Iterator[Event | SetAside]:
        """What the messages' objects hold. A message that announces nothing, or cannot be read, is not done."""
        for record in self.records:
            message = record["messageId"]
            logger.set_correlation_id(message)
            if time.monotonic() >= self.deadline:
                return
            try:
                for ref in objects(record["body"]):
                    yield from self._object(ref, message)
            except (ValueError, ClientError, BotoCoreError) as error:
                logger.error("message failed", extra={"reason": str(error)})
            else:
                self.done.add(message)

    def _object(self, ref: ObjectRef, message: str) -> Iterator[Event | SetAside]:
        """Nothing, where its line is closed."""
        found = opened(ref)
        if found is None:
            self.repeated += 1
            return
        line, answer = found
        body = answer["Body"]
        with body:
            work = self.work.get(line.uri)
            if work is None:
                work = self.work[line.uri] = Work(line, answer["ETag"].strip('"'))
                work.announced_by.append(message)
                if line.attempts > 1:
                    self.unfinished_before += 1
                    logger.info("read again", extra={"origin": line.uri, "attempt": line.attempts})
                yield from until_the_last(pipeline.read(body.iter_chunks(CHUNK), line.uri, mappings=parts().mappings))
                work.read = True
            elif work.line.version == line.version:  # announced twice in one batch
                work.announced_by.append(message)
            else:  # their records could not be told apart
                raise ValueError(f"{line.uri} was overwritten meanwhile; the new version is for the next attempt")

    def known(self, origins: Sequence[Origin], lines: Sequence[bytes]) -> set[int]:
        """Of objects that an earlier attempt left unfinished: the documents that any backing index holds."""
        places = [place for place, origin in enumerate(origins) if self.work[origin.uri].line.attempts > 1]
        if not places:
            return set()
        asked = [line for place in places for line in lines[2 * place : 2 * place + 2]]
        return {places[found] for found in elastic.held(parts().reader, asked, deadline=self.deadline)}

    def finish(self) -> list[str]:
        """Closes the line of every object whose records have all ended; the ids of messages that are not done."""
        with ThreadPoolExecutor(max_workers=8) as pool:
            for work, closed in zip(self.work.values(), pool.map(self._close, self.work.values()), strict=True):
                if not closed:
                    self.done.difference_update(work.announced_by)
        return [record["messageId"] for record in self.records if record["messageId"] not in self.done]

    def _close(self, work: Work) -> bool:
        line, counts = work.line, self.tally.counts[work.line.uri]
        about = {"correlation_id": work.announced_by[0], "origin": line.uri, "counts": numbers(counts)}
        if not work.read or not counts.balanced:
            logger.warning("object not finished", extra=about)
            return False
        span = self.tally.spans.get(line.uri)
        times, dataset = ((span.first, span.last), span.dataset) if span else (None, "")
        try:
            first = parts().ledger.close(line, counts, times=times, dataset=dataset, etag=work.etag)
        except (ClientError, BotoCoreError) as error:
            logger.error("ledger line not closed", extra={**about, "reason": str(error)})
            return False
        logger.info("enriched" if first else "enriched, and closed by another function", extra=about)
        return True


def numbers(counts: Counts) -> dict[str, int]:
    """Counts as they may be logged: a reason can quote the record."""
    return {name: getattr(counts, name) for name in ("read", "indexed", "duplicate", "set_aside")}


def opened(ref: ObjectRef) -> "tuple[Line, GetObjectOutputTypeDef] | None":
    """The object's line, open, and S3's answer; None where this version is closed in the ledger, so not to be read.

    What was announced without a version is known by its ETag, and what S3 answers with counts: another ETag is another
    version, and the one that was announced is gone.
    """
    own = parts()
    version = version_id(ref.version)
    line = None
    if version or ref.etag:
        line = own.ledger.open(ref.bucket, ref.key, version_id=version, etag=ref.etag)
        if line.closed:
            return None
    asked = {"VersionId": version} if version else {}
    answer = own.s3.get_object(Bucket=ref.bucket, Key=ref.key, **asked)  # type: ignore[arg-type]  # ** of a dict
    if version and line:
        return line, answer
    etag = answer["ETag"].strip('"')
    version = version_id(answer.get("VersionId"))
    if line and not version and line.version == etag:
        return line, answer
    current = own.ledger.open(ref.bucket, ref.key, version_id=version, etag=etag)
    if line:
        own.ledger.supersede(line, current.version)
    if current.closed:
        answer["Body"].close()
        return None
    return current, answer


def from_queue(event: dict[str, Any], _context: LambdaContext, deadline: float) -> dict[str, Any]:
    """S3 objects announced through SQS, all of a batch in few bulk requests.

    A message fails where it announces nothing, one of its objects cannot be read, or not all of their records ended.
    """
    batch = Batch(event["Records"], deadline)
    out_of_balance = 0
    try:
        index(batch.events(), deadline, batch.tally, batch.known)
    except (elastic.Unavailable, ClientError, BotoCoreError) as error:
        logger.error("not all documents were taken in time", extra={"reason": str(error)})
    else:  # every record that was read has ended, so that the counts must add up
        counts = batch.tally.counts
        out_of_balance = sum(work.read and not counts[uri].balanced for uri, work in batch.work.items())
    failed = batch.finish()
    for name, value in {
        "MessagesFailed": len(failed),
        "ObjectsRead": len(batch.work),
        "ObjectsRepeated": batch.repeated,
        "ObjectsUnfinishedBefore": batch.unfinished_before,
        "ObjectsOutOfBalance": out_of_balance,
    }.items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
    return {"batchItemFailures": [{"itemIdentifier": message} for message in failed]}


# --- Streams: they have no ledger. What comes again has the same ids, which `create` finds in the current index. ---


def from_kinesis(event: dict[str, Any], _context: LambdaContext, deadline: float) -> dict[str, Any]:
    """A shard's records in order. If they cannot all be indexed, all are delivered again: what was is a duplicate."""
    items: list[Event | SetAside] = []
    for record in event["Records"]:
        try:
            items += pipeline.read_records(kinesis(record), parts().mappings)
        except ValueError as why:
            origin = Origin(f"{UNPACKED_KINESIS}{record.get('eventID', '')}", 1)
            items.append(SetAside(origin, str(why), msgspec.json.encode(record)))
    index_stream(items, deadline)
    return {"batchItemFailures": []}


def from_subscription(event: dict[str, Any], context: LambdaContext, deadline: float) -> dict[str, Any]:
    """A CloudWatch Logs subscription invokes asynchronously: an error here has Lambda try again, then its OnFailure."""
    data = str(event["awslogs"].get("data", ""))
    try:
        items: list[Event | SetAside] = list(pipeline.read_records(cloudwatch_logs(data), parts().mappings))
    except ValueError as why:
        items = [SetAside(Origin(f"{UNPACKED_LOGS}{context.aws_request_id}", 1), str(why), data.encode())]
    index_stream(items, deadline)
    return {}


def index_stream(items: Iterable[Event | SetAside], deadline: float) -> None:
    tally = pipeline.Tally()
    index(items, deadline, tally)
    logger.info("enriched", extra={"counts": numbers(tally.total)})


# What an event brings → how it is read. https://docs.aws.amazon.com/lambda/latest/dg/lambda-services.html
WAYS_IN: dict[str, Callable[[dict[str, Any], LambdaContext, float], dict[str, Any]]] = {
    "aws:sqs": from_queue,
    "aws:kinesis": from_kinesis,
    "awslogs": from_subscription,
}


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    logger.set_correlation_id(context.aws_request_id)
    records = event.get("Records") or [{}]
    way_in = "awslogs" if "awslogs" in event else records[0].get("eventSource", "")
    if way_in not in WAYS_IN:
        raise ValueError(f"the event is of {way_in or 'no known source'!r}; expected one of {', '.join(WAYS_IN)}")
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - RESERVE
    with published():
        return WAYS_IN[way_in](event, context, deadline)


@contextmanager
def published() -> Iterator[None]:
    """Writes the metrics of the block, also when it fails; without any, Powertools would warn."""
    try:
        yield
    finally:
        if metrics.metric_set:
            metrics.flush_metrics()
        metrics.clear_metrics()  # where they are turned off, Powertools keeps a hundred of each and then prints them
