"""AWS on a laptop: moto holds buckets, queues and tables in this process, and the real handlers run against it.

moto sends genuine S3 notifications into SQS; what the event source mapping does in AWS, receiving messages in batches
and deleting those that the function did not name as failed, is done here.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools.utilities.typing import LambdaContext
from moto import mock_aws

from innerwatch import ledger

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

REGION = "us-east-1"
ACCOUNT = "123456789012"  # moto's own
BATCH = 10  # messages an invocation, as the template asks for
AT_A_TIME = 50  # objects
TIMEOUT = 300.0  # seconds that the handlers believe they have

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


class Context(LambdaContext):
    """What a handler reads of Lambda's context object.

    https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
    """

    def __init__(self, function_name: str) -> None:
        self._function_name = function_name
        self._function_version = "$LATEST"
        self._memory_limit_in_mb = 512
        self._invoked_function_arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function_name}"
        self._aws_request_id = "00000000-0000-4000-8000-000000000000"
        self._log_group_name = f"/aws/lambda/{function_name}"
        self._log_stream_name = "local"

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        return int(TIMEOUT * 1000)


@contextmanager
def environment(**values: str) -> Iterator[None]:
    """Environment variables for as long as the block runs."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def account(settings: Mapping[str, str]) -> Iterator["LocalAws"]:
    """A fresh, empty account; `settings` are the functions' environment. Nothing leaves this process."""
    credentials = {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_SESSION_TOKEN": "testing",
        "AWS_DEFAULT_REGION": REGION,
        # Elasticsearch is real: let its requests through to the network, and stop boto3 looking for a profile.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "POWERTOOLS_LOG_LEVEL": "WARNING",
        "POWERTOOLS_METRICS_DISABLED": "true",
    }
    with environment(**credentials, **settings), mock_aws():
        yield LocalAws()


class LocalAws:
    """The buckets, the queues behind them, and the tables."""

    def __init__(self) -> None:
        self.s3: S3Client = boto3.client("s3")
        self.sqs: SQSClient = boto3.client("sqs")
        self.dynamodb: DynamoDBClient = boto3.client("dynamodb")
        self.queues: dict[str, str] = {}  # bucket → URL of the queue that its notifications go to

    def bucket(self, name: str) -> None:
        self.s3.create_bucket(Bucket=name)

    def ledger(self, table: str) -> ledger.Ledger:
        """An empty ledger."""
        ledger.create_table(self.dynamodb, table)
        return ledger.Ledger(self.dynamodb, table)

    def announced_bucket(self, name: str) -> None:
        """A bucket whose new objects are announced in a queue of its own."""
        self.bucket(name)
        url = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        self.s3.put_bucket_notification_configuration(
            Bucket=name,
            NotificationConfiguration={"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]},
        )
        self.queues[name] = url

    def deliver(
        self,
        bucket: str,
        folder: Path,
        handler: Handler,
        name: str,
        advance: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Puts every file below a folder into a bucket, under its own path as key, and has the handler take them.

        Some at a time, since moto counts a queue's messages anew for each that is sent.
        """
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        for start in range(0, len(files), AT_A_TIME):
            some = files[start : start + AT_A_TIME]
            for path in some:
                self.s3.put_object(Bucket=bucket, Key=path.relative_to(folder).as_posix(), Body=path.read_bytes())
            self.drain(bucket, handler, name)
            advance(len(some))

    def drain(self, bucket: str, handler: Handler, name: str) -> None:
        """Invokes a handler with the queue's messages until none is left; raises when it cannot finish one."""
        url = self.queues[bucket]
        while received := self.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=BATCH, AttributeNames=["All"], MessageAttributeNames=["All"]
        ).get("Messages", []):
            records = [
                {
                    "messageId": message["MessageId"],
                    "receiptHandle": message["ReceiptHandle"],
                    "body": message["Body"],
                    "attributes": message.get("Attributes", {}),
                    "messageAttributes": {},
                    "md5OfBody": message["MD5OfBody"],
                    "eventSource": "aws:sqs",
                    "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{bucket}",
                    "awsRegion": REGION,
                }
                for message in received
            ]
            failed = handler({"Records": records}, Context(name))["batchItemFailures"]
            if failed:
                raise RuntimeError(f"{name} could not finish {len(failed)} of {len(records)} messages; see its log")
            entries = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(received)]
            self.sqs.delete_message_batch(QueueUrl=url, Entries=entries)  # type: ignore[arg-type]  # plain dicts do
