"""sync_hr on real S3 notifications, by way of moto: feeds in a bucket become the directory's facts."""

import gzip
import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

import sync_hr
from innerwatch.directory import Directory, DynamoStore, create_table
from innerwatch_cli import local_aws

BUCKET = "innerwatch-hr"
SETTINGS = {"ELASTICSEARCH_URL": "http://localhost:9200", "DIRECTORY_TABLE": "directory"}
NOW = 4_102_444_800_000  # after every feed's own time

PEOPLE = b"""Worker ID,Full Name,Work Email,Job Title,Hire Date
e-1,Ana Lima,ana@example.com,Support Agent,2020-01-06
e-2,Ben Ode,ben@example.com,Analyst,2024-05-01
"""


class Bucket:
    """The HR bucket, and the function behind it."""

    def __init__(self, aws: local_aws.LocalAws) -> None:
        self.aws = aws
        aws.announced_bucket(BUCKET)
        create_table("directory")

    def put(self, key: str, data: bytes) -> None:
        self.aws.s3.put_object(Bucket=BUCKET, Key=key, Body=data)

    def run(self) -> None:
        self.aws.drain(BUCKET, sync_hr.handler, "sync_hr")

    @property
    def directory(self) -> Directory:
        return Directory(DynamoStore(boto3.resource("dynamodb").Table("directory")))

    def items(self) -> list[dict[str, Any]]:
        found = boto3.resource("dynamodb").Table("directory").scan()["Items"]
        return sorted(found, key=lambda item: (item["pk"], item["sk"]))


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with local_aws.account(SETTINGS) as aws:
        sync_hr.parts.cache_clear()
        yield Bucket(aws)
        sync_hr.parts.cache_clear()


def test_a_feed_becomes_facts_and_is_logged_without_a_person(bucket: Bucket, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="sync_hr")
    bucket.put("workday/people 2026.csv.gz", gzip.compress(PEOPLE + b"e-3,Cem Kaya,no address,Engineer,2026-13-40\n"))
    bucket.run()
    fact = bucket.directory.state("e-1", NOW)
    assert fact is not None
    assert (fact.employee.name, fact.employee.role) == ("Ana Lima", "Support Agent")
    head = bucket.aws.s3.head_object(Bucket=BUCKET, Key="workday/people 2026.csv.gz")
    assert fact.recorded_at == int(head["LastModified"].timestamp()) * 1000
    assert bucket.directory.owner("email:ben@example.com", NOW).employee_id == "e-2"
    log = next(vars(record) for record in caplog.records if record.message == "feed applied")
    assert log["people"] == {"new": 2, "changed": 0, "unchanged": 0, "left": 0}
    assert log["bad"] == [{"line": 4, "reason": "email: … is no mail address"}]
    for personal in ("Ana", "example.com", "Cem", "no address"):
        assert personal not in str([vars(record) for record in caplog.records])


def test_a_repeated_notification_changes_nothing(bucket: Bucket) -> None:
    bucket.put("people.csv", PEOPLE)
    bucket.run()
    before = bucket.items()
    url = bucket.aws.queues[BUCKET]
    body = {
        "Records": [
            {
                "eventSource": "aws:s3",
                "eventName": "ObjectCreated:Put",
                "s3": {"bucket": {"name": BUCKET}, "object": {"key": "people.csv", "eTag": "x"}},
            }
        ]
    }
    for _ in range(2):
        bucket.aws.sqs.send_message(QueueUrl=url, MessageBody=json.dumps(body))
    bucket.run()
    assert bucket.items() == before


def test_sns_in_between_and_eventbridge(bucket: Bucket) -> None:
    """Delivered by moto's S3 first, so that the objects are there; then announced in the other two ways."""
    bucket.put("people.csv", PEOPLE)
    bucket.put("owners.csv", b"identifier,employee_id\niam_user:123456789012:user/ops,e-2\n")
    url = bucket.aws.queues[BUCKET]
    bucket.aws.sqs.purge_queue(QueueUrl=url)
    record = {
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": BUCKET}, "object": {"key": "people.csv"}},
    }
    sns = {"Type": "Notification", "Message": json.dumps({"Records": [record]})}
    bridge = {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": {"bucket": {"name": BUCKET}, "object": {"key": "owners.csv"}},
    }
    for body in (sns, bridge):
        bucket.aws.sqs.send_message(QueueUrl=url, MessageBody=json.dumps(body))
    bucket.run()
    assert bucket.directory.owner("iam_user:123456789012:user/ops", NOW).employee_id == "e-2"


def failures(bucket: Bucket) -> list[str]:
    """Runs the function on what is queued; the bodies of the messages that it could not finish."""
    url = bucket.aws.queues[BUCKET]
    received = bucket.aws.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    records = [
        {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": {"SentTimestamp": f"{place:013d}"},
            "messageAttributes": {},
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": f"arn:aws:sqs:us-east-1:123456789012:{BUCKET}",
            "awsRegion": "us-east-1",
        }
        for place, message in enumerate(received)
    ]
    event = {"Records": records}
    failed = {
        item["itemIdentifier"] for item in sync_hr.handler(event, local_aws.Context("sync_hr"))["batchItemFailures"]
    }
    return [message["Body"] for message in received if message["MessageId"] in failed]


def test_a_refused_feed_fails_alone_and_changes_nothing(bucket: Bucket) -> None:
    bucket.put("people.csv", PEOPLE)
    bucket.run()
    before = bucket.items()
    bucket.put("lacks-a-column.csv", b"Full Name,Work Email\nAna Lima,ana@example.com\n")
    bucket.put("lacks-people.csv", PEOPLE.rsplit(b"e-2", 1)[0])
    bucket.put("empty.csv", b"")
    bucket.put("owners.csv", b"identifier,employee_id\nusername:ana,e-1\n")
    failed = failures(bucket)
    assert len(failed) == 3
    assert not any("owners.csv" in body for body in failed)
    changed = [item for item in bucket.items() if item not in before]
    assert {item["pk"] for item in changed} == {"identifier#username:ana", "identities", "feeds"}


def test_a_mapping_beside_the_feed_counts_for_its_folder_only(bucket: Bucket) -> None:
    mapping = (
        b"columns: {employee_id: Kennung, name: [Vorname, Nachname], hired_at: Eintritt}\ndate_format: '%d.%m.%y'\n"
    )
    bucket.put("de/hr-mapping.yml", mapping)
    bucket.put("de/leute.csv", "Kennung;Vorname;Nachname;Eintritt\n7;Jörg;Weiß;03.02.24\n".encode("utf-16"))
    bucket.run()
    fact = bucket.directory.state("7", NOW)
    assert fact is not None
    assert (fact.employee.name, fact.employee.hired_at) == ("Jörg Weiß", "2024-02-03")
    bucket.put("fr/gens.csv", b"Kennung;Vorname\n8;Zoe\n")
    assert len(failures(bucket)) == 1
