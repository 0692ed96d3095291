"""The template, deployed on an emulated AWS that enforces IAM, with the built zip and a real Elasticsearch.

What an emulator cannot show is listed in docs/deploy.md.
"""

import gzip
import json
import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from innerwatch.pseudonyms import Keys
from innerwatch_cli import index_templates
from tests.ministack import Aws, wait_until

pytestmark = pytest.mark.elasticsearch

STACK = "innerwatch"
NAMESPACE = "deployed"
FEED = """\
employee_id,name,email,username,iam_user,role,department,status,hired_at,effective_date
E-1,Ana Ruiz,ana.ruiz@example.com,ana.ruiz,123456789012:user/ana,Support Agent,Support,active,2024-01-08,2024-01-08
E-1,Ana Ruiz,ana.ruiz@example.com,ana.ruiz,123456789012:user/ana,Team Lead,Support,active,2024-01-08,2026-03-10
"""
TRAILS, ACCESS_LOGS, RECORDS = 120, 80, 5  # objects of each kind, and records in each
ROLES = {"2026-03-05": "Support Agent", "2026-03-12": "Team Lead"}  # day of an event → Ana's job on it


@pytest.fixture(scope="module")
def logged_before(aws: Aws) -> int:
    return len(aws.log())


@pytest.fixture(scope="module")
def stack(
    aws: Aws,
    logged_before: int,
    elasticsearch: Elasticsearch,
    package: Path,
) -> dict[str, str]:
    """The outputs of the deployed stack, its secret filled and HR's feed applied."""
    index_templates.install(elasticsearch)
    outputs = aws.deploy(
        STACK,
        package,
        ElasticsearchUrl=next(iter(elasticsearch.transport.node_pool.all())).base_url,
        Namespace=NAMESPACE,
        CustomerObjects=json.dumps(["example-customers/(?P<customer>C-[0-9]+)/"]),
    )
    aws.secrets.put_secret_value(SecretId=outputs["ElasticsearchSecret"], SecretString="ZXhhbXBsZTprZXk=")
    aws.s3.put_object(Bucket=outputs["HrBucketName"], Key="people/employees 1.csv", Body=FEED.encode())
    table = aws.dynamodb.Table(outputs["DirectoryTable"])
    wait_until(lambda: "Item" in table.get_item(Key={"pk": "feeds", "sk": "version"}), "the HR feed is applied", 60)
    return outputs


def call(number: int, day: str) -> dict[str, Any]:
    user = "arn:aws:iam::123456789012:user/ana"
    return {
        "eventVersion": "1.11",
        "userIdentity": {"type": "IAMUser", "arn": user, "accountId": "123456789012", "userName": "ana"},
        "eventTime": f"{day}T09:00:00Z",
        "eventSource": "s3.amazonaws.com",
        "eventName": "GetObject",
        "awsRegion": "eu-central-1",
        "sourceIPAddress": "192.0.2.10",
        "requestParameters": {"bucketName": "example-customers", "key": f"C-{number}/address.json"},
        "eventID": f"call-{number}",
        "eventType": "AwsApiCall",
        "recipientAccountId": "123456789012",
        "eventCategory": "Data",
    }


def access(number: int, day: str) -> dict[str, Any]:
    return {
        "schema": "innerwatch.access/1",
        "id": f"look-{number}",
        "time": f"{day}T09:00:00Z",
        "application": "console",
        "actor": {"id": "ana.ruiz"},
        "action": "view",
        "outcome": "success",
        "customers": [f"C-{number}"],
    }


def day_of(number: int) -> str:
    return list(ROLES)[number % 2]


def log_objects() -> dict[str, bytes]:
    """Key → content, with every kind of character that a notification encodes in a key."""
    found = {}
    for start in range(0, TRAILS * RECORDS, RECORDS):
        records = [call(n, day_of(n)) for n in range(start, start + RECORDS)]
        key = f"AWSLogs/123456789012/CloudTrail/eu-central-1/2026/03/12/trail {start}+é.json.gz"
        found[key] = gzip.compress(json.dumps({"Records": records}).encode())
    for start in range(0, ACCESS_LOGS * RECORDS, RECORDS):
        lines = [json.dumps(access(n, day_of(n))) for n in range(start, start + RECORDS)]
        found[f"console/{start}.ndjson"] = "\n".join(lines).encode()
    return found


def announcement(bucket: str, key: str) -> str:
    """As EventBridge tells of an object: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html"""
    detail = {"bucket": {"name": bucket}, "object": {"key": key}}
    return json.dumps({"source": "aws.s3", "detail-type": "Object Created", "detail": detail})


def indexed(elasticsearch: Elasticsearch) -> list[dict[str, Any]]:
    """Nothing as long as Elasticsearch is still making a stream's first index."""
    index = f"logs-*-{NAMESPACE}"
    elasticsearch.indices.refresh(index=index, ignore_unavailable=True)
    answer = elasticsearch.options(ignore_status=503).search(index=index, size=5000)
    return [hit["_source"] for hit in answer.get("hits", {"hits": []})["hits"]]


def test_every_event_is_indexed_exactly_once_and_stamped_as_of_its_time(
    aws: Aws, stack: dict[str, str], elasticsearch: Elasticsearch
) -> None:
    bucket, queue = stack["LogBucketName"], stack["LogQueueUrl"]
    objects = log_objects()
    shuffled = random.Random(6)
    keys = shuffled.sample(sorted(objects), len(objects))
    for place, key in enumerate(keys):
        aws.s3.put_object(Bucket=bucket, Key=key, Body=objects[key])
        if place % 3 == 0:  # and again what was announced before
            aws.sqs.send_message(QueueUrl=queue, MessageBody=announcement(bucket, shuffled.choice(keys[: place + 1])))
    expected = [f"call-{n}" for n in range(TRAILS * RECORDS)] + [f"look-{n}" for n in range(ACCESS_LOGS * RECORDS)]
    wait_until(lambda: len(indexed(elasticsearch)) >= len(expected), "everything is indexed", 60)
    wait_until(lambda: not aws.messages(queue), "the queue is empty", 60)

    documents = indexed(elasticsearch)
    assert Counter(document["event"]["id"] for document in documents) == Counter(expected)
    ana = pseudonym(aws, stack, "E-1")
    for document in documents:
        number = document["event"]["id"].split("-")[1]
        assert document["employee"]["id"] == ana
        assert document["employee"]["role"] == ROLES[document["@timestamp"][:10]]
        assert document["access"]["customer"]["id"] == [f"C-{number}"]
    assert {document["log"]["file"]["path"].partition("?")[0] for document in documents} == {
        f"s3://{bucket}/{key}" for key in objects
    }
    # The emulator announces an ETag, where AWS has the version's id in a bucket with versions: that line gives way.
    ledger: Any = aws.dynamodb.Table(stack["LedgerTable"]).scan()["Items"]
    lines = [line for line in ledger if "superseded_by" not in line]
    assert {(line["object"], line["superseded_by"]) for line in ledger if "superseded_by" in line} <= {
        (line["object"], line["version"]) for line in lines
    }
    assert Counter(line["object"] for line in lines) == Counter(f"s3://{bucket}/{key}" for key in objects)
    for line in lines:
        assert (line["state"], line["read"]) == ("closed", RECORDS), line
        assert line["read"] == line["indexed"] + line["duplicate"] + line["set_aside"], line
    assert aws.messages(stack["LogDeadLettersUrl"]) == aws.messages(stack["HrDeadLettersUrl"]) == 0
    assert aws.s3.list_objects_v2(Bucket=stack["FailedBucketName"])["KeyCount"] == 0


def test_what_cannot_be_read_is_kept_by_the_functions_own_permissions(aws: Aws, stack: dict[str, str]) -> None:
    aws.s3.put_object(Bucket=stack["LogBucketName"], Key="console/odd.log", Body=b"not a log of any kind\n")
    failed = stack["FailedBucketName"]
    wait_until(lambda: aws.s3.list_objects_v2(Bucket=failed)["KeyCount"] == 1, "the record is set aside", 30)
    (kept,) = aws.s3.list_objects_v2(Bucket=failed)["Contents"]
    entry = json.loads(aws.s3.get_object(Bucket=failed, Key=kept["Key"])["Body"].read())
    assert entry["origin"]["uri"].startswith(f"s3://{stack['LogBucketName']}/console/odd.log")
    assert entry["reason"] == "no log source recognises this record"


def pseudonym(aws: Aws, stack: dict[str, str], text: str) -> str:
    """By the key that the stack made for itself."""
    secret = aws.secrets.get_secret_value(SecretId=stack["PseudonymKeySecretId"])["SecretString"]
    return Keys.parse(secret, "the stack's").pseudonym(text.lower(), 0)


def test_nobody_stands_in_documents_logs_or_metrics(
    aws: Aws, logged_before: int, stack: dict[str, str], elasticsearch: Elasticsearch
) -> None:
    """What two tests above made, which hold all that Ana is called in logs."""
    ana = re.compile(r"(?<![^\W_])(e-1|ana|ana ruiz|ana\.ruiz|ana\.ruiz@example\.com)(?![^\W_])")
    documents = indexed(elasticsearch)
    assert len(documents) == (TRAILS + ACCESS_LOGS) * RECORDS
    for document in documents:
        assert not ana.search(json.dumps(document, ensure_ascii=False).lower()), document
    lines = aws.log()[logged_before:].splitlines()
    assert any("feed applied" in line for line in lines)
    assert any('"_aws"' in line and "RecordsIndexed" in line for line in lines)  # a metric is a line of the log
    for line in lines:
        assert not ana.search(line.lower()), line
