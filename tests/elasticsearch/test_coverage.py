"""Coverage of a signed trail, in moto's AWS and a real Elasticsearch: it names exactly the damaged minutes."""

import gzip
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from elasticsearch import Elasticsearch

from innerwatch import instants
from innerwatch.errors import UserError
from innerwatch.ledger import Ledger
from innerwatch_cli.commands.coverage import coverage
from innerwatch_cli.local_aws import LocalAws
from tests.chain import LEDGER, empty_account
from tests.delivery import HOURS, NINE, PER_HOUR, SLOT, Delivery
from tests.trail_files import BUCKET, HOUR, MINUTE, CloudTrail, File

pytestmark = pytest.mark.elasticsearch


@pytest.fixture
def aws(elasticsearch: Elasticsearch, namespace: str) -> Iterator[LocalAws]:
    with empty_account(elasticsearch, namespace) as local:
        local.bucket(BUCKET)
        local.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield local


@pytest.fixture
def delivery(aws: LocalAws, elasticsearch: Elasticsearch, namespace: str, tmp_path: Path) -> Delivery:
    return Delivery(aws, elasticsearch, namespace, tmp_path)


def against(covered: dict[str, Any]) -> dict[tuple[int, int], list[str]]:
    """What is not proven: minutes from nine o'clock, end not included → reasons."""
    return {
        tuple((instants.from_rfc3339(it[name]) - NINE) // MINUTE for name in ("start", "end")): [  # type: ignore[misc]  # of two
            reason["reason"] for reason in it["reasons"]
        ]
        for it in covered["intervals"]
        if it["state"] != "proven"
    }


def slots(**reasons: list[str]) -> dict[tuple[int, int], list[str]]:
    return {(int(slot[1:]) * 10, int(slot[1:]) * 10 + 10): reason for slot, reason in reasons.items()}


def test_exactly_the_damaged_minutes_are_named(delivery: Delivery, elasticsearch: Elasticsearch) -> None:
    delivery.make(HOURS + 2, broken=[9])
    lost, late, forged = 1, 13, 17
    messages = [delivery.put(file) for slot, file in enumerate(delivery.files) if slot not in (lost, late)]
    messages += [delivery.put(file) for file in delivery.digests]
    first = NINE + forged * SLOT
    messages.append(delivery.put(delivery.trail.log_file(first, first + 9 * MINUTE, events=3)))
    random.Random(1).shuffle(messages)
    delivery.announce(messages)

    delivery.remove(delivery.files[3].key)
    altered = delivery.files[5]
    delivery.put(File(altered.key, gzip.compress(gzip.decompress(altered.body).replace(b"192.0.2.7", b"192.0.2.8"))))
    for hit in delivery.documents(7)[:2]:
        elasticsearch.delete(index=hit["_index"], id=hit["_id"], refresh=True)
    Ledger(delivery.aws.dynamodb, LEDGER).reopen(delivery.line(11))
    delivery.put(delivery.files[late])
    stream = f"logs-aws.cloudtrail-{delivery.namespace}"
    copies = delivery.documents(15)
    elasticsearch.indices.rollover(alias=stream)
    for hit in copies[:1]:
        elasticsearch.index(index=stream, id=hit["_id"], document=hit["_source"], op_type="create", refresh=True)
    tampered = delivery.line(19)
    delivery.aws.dynamodb.update_item(
        TableName=LEDGER,
        Key={"object": {"S": tampered.object}, "version": {"S": tampered.version}},
        UpdateExpression="SET #indexed = :four",
        ExpressionAttributeNames={"#indexed": "indexed"},
        ExpressionAttributeValues={":four": {"N": "4"}},
    )

    expected = slots(
        _1=["object missing"],
        _3=["read, then removed"],
        _5=["object altered", "never read"],
        _7=["fewer documents than records"],
        _9=["records set aside"],
        _11=["reading not finished"],
        _13=["never read"],
        _15=["more documents than records"],
        _17=["not in any digest"],
        _19=["counts do not add up"],
    )
    (covered,) = delivery.covered(code=1)
    assert {name: covered["trail"][name] for name in ("account", "region", "name")} == {
        "account": "123456789012",
        "region": "eu-central-1",
        "name": "company",
    }
    assert against(covered) == expected
    assert covered["minutes"] == {"proven": 140, "unproven": 30, "incomplete": 70}
    assert covered["objects"] == HOURS * PER_HOUR + 1

    delivery.remove(delivery.digests[2].key)
    (covered,) = delivery.covered("--lateness", "0", code=1)
    found = against(covered)
    inside = {span: reasons for span, reasons in found.items() if span[0] >= 120 and span[1] <= 180}
    assert all("digest missing" in reasons for reasons in inside.values())
    assert sum(end - start for start, end in inside) == 60
    # What happened before eleven and was delivered after it stood in that digest, too.
    before = expected | slots(_11=["reading not finished", "not in any digest"])
    assert {span: reasons for span, reasons in found.items() if span not in inside} == {
        span: reasons for span, reasons in before.items() if not 120 <= span[0] < 180
    }
    wrong = delivery.keys.with_name("wrong.json")
    wrong.write_text(json.dumps(CloudTrail().listed_keys()))
    delivery.keys = wrong
    (covered,) = delivery.covered(code=1)
    assert covered["minutes"]["proven"] == 0
    assert "CloudTrail has no public key" in covered["intervals"][0]["reasons"][0]["example"]


def test_what_came_twice_across_a_rollover_is_proven_and_not_doubled(
    delivery: Delivery, elasticsearch: Elasticsearch
) -> None:
    delivery.make(HOURS + 2)
    copy = delivery.trail.log_file(NINE, NINE + 9 * MINUTE)  # CloudTrail may deliver events again, in another file
    copy.body = delivery.files[0].body
    delivery.digests.append(
        delivery.trail.digest(NINE + (HOURS + 2) * HOUR, NINE + (HOURS + 3) * HOUR, [(copy, NINE, NINE + 9 * MINUTE)])
    )
    files = [*delivery.files, copy, *delivery.digests]
    messages = [delivery.put(file) for file in files]
    shuffled = random.Random(2)
    shuffled.shuffle(messages)
    delivery.announce(messages)
    elasticsearch.indices.rollover(alias=f"logs-aws.cloudtrail-{delivery.namespace}")
    shuffled.shuffle(messages)
    delivery.announce(messages)
    (covered,) = delivery.covered(code=0)
    assert against(covered) == {}
    assert covered["records"] == (HOURS * PER_HOUR + 1) * 5
    assert elasticsearch.count(index=f"logs-*-{delivery.namespace}")["count"] == (HOURS + 2) * PER_HOUR * 5

    query = {"match": {"@timestamp": instants.iso(NINE)}}  # of either file, whichever was read first
    (hit,) = elasticsearch.search(index=f"logs-*-{delivery.namespace}", query=query)["hits"]["hits"]
    elasticsearch.delete(index=hit["_index"], id=hit["_id"], refresh=True)
    (covered,) = delivery.covered(code=1)
    assert against(covered) == slots(_0=["fewer documents than records"])
    lacking = next(it for it in covered["intervals"] if it["reasons"])
    assert lacking["reasons"][0]["objects"] == 2, "the file whose document it was, and the one that only names its id"


def test_without_digests_nothing_is_proven(delivery: Delivery) -> None:
    delivery.make(1)
    delivery.announce([delivery.put(file) for file in delivery.files[:5]])
    other = File(
        "app/1.ndjson",
        b'{"schema":"innerwatch.access/1","id":"1","time":"2026-03-31T09:30:00Z","application":"a",\
"actor":{"id":"ana"},"action":"view","outcome":"success"}',
    )
    delivery.announce([delivery.put(other)])
    delivery.put(delivery.files[5])
    trail, objects = delivery.covered("--objects", "app/", code=1)
    assert (trail["trail"]["name"], trail["minutes"]["proven"]) == ("", 0)
    assert trail["objects"] == 6
    # When an object's events happened is not known before it is read: within the hour before its delivery at 10:04.
    assert against(trail) == {
        (0, 4): ["no digest"],
        (4, 65): ["never read", "no digest"],
        (65, 240): ["no digest"],
    }
    assert against(objects) == {(0, 240): ["nobody signs these objects"]}
    assert objects["trail"] == {"bucket": BUCKET, "prefix": "app/", "account": "", "region": "", "name": ""}


def test_the_table_says_it_in_words(delivery: Delivery) -> None:
    delivery.make(2)
    delivery.announce([delivery.put(file) for file in [*delivery.files[1:], *delivery.digests]])
    asked = [
        BUCKET,
        "--from",
        "2026-03-31T09:00:00Z",
        "--to",
        "2026-03-31T10:00:00Z",
        "--namespace",
        delivery.namespace,
    ]
    done = CliRunner().invoke(coverage, [*asked, "--public-keys", str(delivery.keys)], env={"COLUMNS": "200"})
    assert done.exit_code == 1
    assert "company 123456789012 eu-central-1, example-logs/AWSLogs/" in done.stdout
    assert "object missing (1)" in done.stdout
    assert f"such as s3://{BUCKET}/{delivery.files[0].key}" in done.stdout
    assert (
        "50 minutes proven, 0 minutes unproven, 10 minutes incomplete; 6 objects, 25 records, 25 documents"
        in done.stdout
    )


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--from", "yesterday", "--to", "2026-03-31"], "--from: .yesterday"),
        (["--from", "2026-03-31", "--to", "2026-03-31"], "--to is not after --from"),
        (["--from", "2026-03-30", "--to", "2026-03-31", "--public-keys", "/dev/null"], "/dev/null: .*list-public-keys"),
    ],
)
def test_what_is_asked_wrongly_is_one_line(delivery: Delivery, arguments: list[str], why: str) -> None:
    done = CliRunner().invoke(coverage, [BUCKET, *arguments])
    assert isinstance(done.exception, UserError)
    assert re.search(why, str(done.exception))


def test_a_bucket_that_is_not_there_is_one_line(delivery: Delivery) -> None:
    done = CliRunner().invoke(coverage, ["example-none", "--from", "2026-03-30", "--to", "2026-03-31"])
    assert isinstance(done.exception, UserError)
    assert "NoSuchBucket" in str(done.exception)
