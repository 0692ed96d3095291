"""Each function's role is enough, and no statement of it is too much: without any one, the function's work fails.

The statements are the template's own. What the emulator does not hold a function to is listed in NOT_ENFORCED.
"""

import json
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from botocore.credentials import Credentials
from elasticsearch import Elasticsearch

from innerwatch.directory import DynamoStore, apply_feed
from innerwatch.failed import Entry, line
from innerwatch.hr import read_feed
from innerwatch.ledger import Ledger
from innerwatch.pseudonyms import Keys, Pseudonyms
from innerwatch.reveal.caller import prove
from innerwatch.uris import uri
from innerwatch.values import Origin, SetAside
from innerwatch_cli import index_templates
from tests import ministack
from tests.ministack import ACCOUNT, REGION, Aws, wait_until

pytestmark = pytest.mark.elasticsearch

STACK = "roles"
NAMESPACE = "roles"
NAMED, LIKE = "example-trails", "example-apps-console"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"
BY_LAMBDA = "Lambda does it with the role, before or after the code runs; the emulator does it without"
BY_KMS = "S3, DynamoDB and Kinesis ask KMS on the role's behalf; the emulator encrypts nothing"
NOT_ENFORCED = {
    "Queue": BY_LAMBDA,
    "Stream": BY_LAMBDA,
    "GivenUp": BY_LAMBDA,
    "GivenUpWhere": BY_LAMBDA,
    "OwnLog": BY_LAMBDA,
    "HrKey": BY_KMS,
    "LogsKeys": BY_KMS,
    "FeedsKey": BY_KMS,
    "NoMappingIsNoDenial": "S3 calls a missing object denied to whom may not list; the emulator calls it missing",
}
FUNCTIONS = ("EnrichLogs", "SyncHr", "ReplayFailed", "Detect", "MeasureBehaviour", "Reveal")


def statements(function: str) -> list[str]:
    resources = ministack.template()["Resources"]
    (policy,) = resources[f"{function}Role"]["Properties"]["Policies"]
    found = policy["PolicyDocument"]["Statement"]
    return [(statement["Fn::If"][1] if "Fn::If" in statement else statement)["Sid"] for statement in found]


ENFORCED = [(function, sid) for function in FUNCTIONS for sid in statements(function) if sid not in NOT_ENFORCED]
numbers = count()


class Deployed:
    """The stack with every optional source, and a piece of work for each function that needs all of its role."""

    def __init__(self, aws: Aws, outputs: dict[str, str]) -> None:
        self.aws, self.outputs = aws, outputs
        self.ledger = Ledger(aws.tables, outputs["LedgerTable"])
        self.work: dict[str, Callable[[], str]] = {
            "EnrichLogs": self.enrich,
            "SyncHr": self.sync,
            "ReplayFailed": self.replay,
            "Detect": lambda: self.trouble("detect", {}),
            "MeasureBehaviour": lambda: self.trouble("measure-behaviour", {"from": "2026-03-10"}),
            "Reveal": self.reveal,
        }
        self.store = DynamoStore(aws.dynamodb.Table(outputs["DirectoryTable"]))
        self.asker = self.user("roles-asks")

    # --- work: "" if it was done, else what was wrong

    def enrich(self) -> str:
        """Objects of both kinds of buckets, one begun before, and one that cannot be read."""
        begun = self.log(NAMED)
        self.ledger.open(NAMED, begun, etag=self.etag(NAMED, begun))
        odd = f"{next(numbers)}.log"
        self.aws.s3.put_object(Bucket=NAMED, Key=odd, Body=f"{odd} is no log\n".encode())
        return self.trouble("enrich-logs", self.announced((NAMED, begun), (LIKE, self.log(LIKE)), (NAMED, odd)))

    def sync(self) -> str:
        bucket, number = self.outputs["HrBucketName"], next(numbers)
        people = "employee_id,name,email,username,status,hired_at,effective_date\n"
        people += f"E-1,Ana Ruiz,ana.ruiz@example.com,ana.ruiz,active,2024-01-08,2024-01-08\nE-{number},,,,active,,\n"
        cases = f"case_id,customer_id,opened_at\nCASE-{number},C-{number},2026-03-01T08:00:00Z\n"
        self.aws.s3.put_object(Bucket=bucket, Key=f"people/{number}.csv", Body=people.encode())
        self.aws.s3.put_object(Bucket=bucket, Key=f"cases/{number}.csv", Body=cases.encode())
        return self.trouble(
            "sync-hr", self.announced((bucket, f"people/{number}.csv"), (bucket, f"cases/{number}.csv"))
        )

    def replay(self) -> str:
        """A record that was kept whole, and the rest of an object of either kind of buckets."""
        bucket, name = self.outputs["FailedBucketName"], f"failed/{next(numbers)}.ndjson"
        items = [
            SetAside(Origin("kinesis://example", 1), "mended", access(next(numbers)), "app.access"),
            *(SetAside(Origin(uri(b, self.log(b)), 1), "mended", b"{", "app.access", rest=True) for b in (NAMED, LIKE)),
        ]
        body = b"".join(json.dumps(line(Entry(item, 0))).encode() + b"\n" for item in items)
        self.aws.s3.put_object(Bucket=bucket, Key=name, Body=body)
        answer = self.trouble("replay-failed", {"reason": "mended"})
        left = self.aws.s3.list_objects_v2(Bucket=bucket, Prefix=name)["KeyCount"]
        self.aws.s3.delete_object(Bucket=bucket, Key=name)
        return answer or ("entries are left" if left else "")

    def reveal(self) -> str:
        """A request by the one person of whom the directory knows that the account is theirs, about themselves."""
        if not self.store.facts("E-0"):
            feed = f"employee_id,iam_user,status,hired_at\nE-0,{ACCOUNT}:user/roles-asks,active,2024-01-08\n"
            apply_feed(self.store, read_feed(feed.encode(), "people.csv", 1_705_000_000_000))
        key = self.aws.secrets.get_secret_value(SecretId=self.outputs["PseudonymKeySecretId"])["SecretString"]
        pseudonym = Pseudonyms(Keys.parse(key, "the key"), self.store.identities()).of("E-0")
        reason = "to see that the role is enough"
        ask = {"action": "request", "pseudonyms": [pseudonym], "reason": reason, "nonce": str(next(numbers))}
        function = self.outputs["RevealFunction"]
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL", self.aws.url)
            proof = prove(ask, function, self.asker, REGION)
        return self.trouble("reveal", {"ask": ask, "proof": proof})

    def user(self, name: str) -> Credentials:
        self.aws.iam.create_user(UserName=name)
        key = self.aws.iam.create_access_key(UserName=name)["AccessKey"]
        return Credentials(key["AccessKeyId"], key["SecretAccessKey"])

    def trouble(self, function: str, event: dict[str, Any]) -> str:
        answer = self.aws.functions.invoke(FunctionName=f"{STACK}-{function}", Payload=json.dumps(event).encode())
        said = json.loads(answer["Payload"].read())
        failed = (
            answer.get("FunctionError") or said.get("batchItemFailures") or said.get("trouble") or said.get("denied")
        )
        return json.dumps(said) if failed else ""

    def log(self, bucket: str) -> str:
        number = next(numbers)
        self.aws.s3.put_object(Bucket=bucket, Key=f"{number}.ndjson", Body=access(number) + b"\n")
        return f"{number}.ndjson"

    def etag(self, bucket: str, key: str) -> str:
        return self.aws.s3.head_object(Bucket=bucket, Key=key)["ETag"].strip('"')

    def announced(self, *objects: tuple[str, str]) -> dict[str, Any]:
        """As a queue hands over what EventBridge tells of objects."""
        records = []
        for bucket, key in objects:
            detail = {"bucket": {"name": bucket}, "object": {"key": key, "etag": self.etag(bucket, key)}}
            body = {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}
            record = {"messageId": f"m-{next(numbers)}", "eventSource": "aws:sqs", "body": json.dumps(body)}
            records.append({**record, "attributes": {"SentTimestamp": "0"}, "receiptHandle": "r"})
        return {"Records": records}

    # --- roles

    def role(self, function: str) -> tuple[str, str, dict[str, Any]]:
        """The names of role and policy, and the policy."""
        found = self.aws.cloudformation.describe_stack_resource(StackName=STACK, LogicalResourceId=f"{function}Role")
        name = found["StackResourceDetail"]["PhysicalResourceId"]
        (policy,) = self.aws.iam.list_role_policies(RoleName=name)["PolicyNames"]
        document: Any = self.aws.iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        return name, policy, document

    def actions(self, function: str, sid: str) -> list[str]:
        (found,) = (one["Action"] for one in self.role(function)[2]["Statement"] if one["Sid"] == sid)
        return [found] if isinstance(found, str) else list(found)

    def without(self, function: str, *sids: str) -> str:
        """What goes wrong when those statements are gone. The function starts anew, so that it keeps nothing it had."""
        name, policy, whole = self.role(function)
        fewer = [statement for statement in whole["Statement"] if statement["Sid"] not in sids]
        assert len(fewer) == len(whole["Statement"]) - len(set(sids) & set(statements(function)))
        put = self.aws.iam.put_role_policy
        put(RoleName=name, PolicyName=policy, PolicyDocument=json.dumps({**whole, "Statement": fewer}))
        self.start_anew(f"{STACK}-{policy}")
        try:
            return self.work[function]()
        finally:
            put(RoleName=name, PolicyName=policy, PolicyDocument=json.dumps(whole))

    def start_anew(self, function: str) -> None:
        configured = self.aws.functions.get_function_configuration(FunctionName=function)
        self.aws.functions.update_function_configuration(FunctionName=function, Timeout=configured["Timeout"])
        wait_until(
            lambda: (
                self.aws.functions.get_function_configuration(FunctionName=function)["LastUpdateStatus"] == "Successful"
            ),
            f"{function} is updated",
            30,
        )


def access(number: int) -> bytes:
    record = {
        "schema": "innerwatch.access/1",
        "id": f"look-{number}",
        "time": "2026-03-10T09:00:00Z",
        "application": "console",
        "actor": {"id": "ana.ruiz"},
        "action": "view",
        "outcome": "success",
        "customers": [f"C-{number}"],
        "case": f"CASE-{number}",
    }
    return json.dumps(record).encode()


@pytest.fixture(scope="module")
def deployed(aws: Aws, elasticsearch: Elasticsearch, package: Path) -> Deployed:
    index_templates.install(elasticsearch)
    for bucket in (NAMED, LIKE):
        aws.bucket(bucket)
    stream = "example-stream"
    aws.kinesis.create_stream(StreamName=stream, ShardCount=1)
    outputs = aws.deploy(
        STACK,
        package,
        ElasticsearchUrl=next(iter(elasticsearch.transport.node_pool.all())).base_url,
        Namespace=NAMESPACE,
        ExistingLogBuckets=f"arn:aws:s3:::{NAMED}",
        ExistingLogBucketsLike="arn:aws:s3:::example-apps-*",
        ExistingLogKeys=KEY,
        ExistingHrBucketKey=KEY,
        ExistingKinesisStream=f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{stream}",
    )
    for name, secret in outputs.items():
        if name.endswith("Secret"):
            aws.secrets.put_secret_value(SecretId=secret, SecretString="ZXhhbXBsZTprZXk=")
    # Nothing but the tests' own invocations: what the buckets announce would be read at the same time.
    for mapping in aws.functions.list_event_source_mappings()["EventSourceMappings"]:
        if f":{STACK}-" in mapping["FunctionArn"]:
            aws.functions.delete_event_source_mapping(UUID=mapping["UUID"])
    return Deployed(aws, outputs)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_role_is_enough_and_the_list_of_what_is_not_enforced_is_true(deployed: Deployed, function: str) -> None:
    assert deployed.without(function, *NOT_ENFORCED) == ""


@pytest.mark.parametrize(("function", "sid"), ENFORCED)
def test_no_statement_can_be_spared(deployed: Deployed, function: str, sid: str) -> None:
    before = len(deployed.aws.log())
    actions = deployed.actions(function, sid)
    trouble = deployed.without(function, sid)
    assert trouble
    said = trouble + deployed.aws.log()[before:]
    assert any(f"not authorized to perform: {action}" in said for action in actions), trouble


def test_what_is_not_enforced_is_in_the_template() -> None:
    assert {sid for function in FUNCTIONS for sid in statements(function)} >= set(NOT_ENFORCED)
