"""`innerwatch reveal` against the deployed stack, on an emulated AWS that verifies signatures and enforces IAM.

What the emulator leaves out, docs/reveal.md names: the table's own policy, Object Lock, and KMS.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from innerwatch.audit import Trail
from innerwatch.directory import DynamoStore
from innerwatch.pseudonyms import Keys, Pseudonyms
from innerwatch.reveal.caller import prove
from tests.ministack import ACCOUNT, REGION, Aws, wait_until

STACK = "reveal"
FEED = f"""\
employee_id,name,email,username,iam_user,status,hired_at,effective_date
E-1,Ana Ruiz,ana.ruiz@example.com,ana.ruiz,{ACCOUNT}:user/ana,active,2024-01-08,2024-01-08
E-2,Ben Okafor,ben.okafor@example.com,ben.okafor,{ACCOUNT}:user/privacy/ben,active,2024-01-08,2024-01-08
E-3,Carla Meyer,carla.meyer@example.com,carla.meyer,{ACCOUNT}:user/carla,active,2024-01-08,2024-01-08
"""
# What an analyst may have in AWS besides Kibana: to look at everything that holds no secret and no HR data.
ANALYST = ["cloudwatch:*", "logs:*", "s3:ListAllMyBuckets", "lambda:ListFunctions", "cloudformation:Describe*"]
REASON = "Alert 4711 shows exports of 300 customers at night"


class Stack:
    def __init__(self, aws: Aws, outputs: dict[str, str]) -> None:
        self.aws, self.outputs = aws, outputs
        self.keys = {
            "ana": self.user("ana", outputs["RevealAccessPolicy"]),
            "ben": self.user("ben", outputs["RevealAccessPolicy"], path="/privacy/"),
            "analyst": self.user("carla"),
            "auditor": self.user("auditor", outputs["RevealAuditPolicy"]),
        }
        self.trail = Trail(aws.tables, outputs["RevealAuditTable"], aws.s3, outputs["RevealAuditBucket"])
        found: Any = aws.functions.get_function_configuration(FunctionName=f"{STACK}-reveal")
        self.role = str(found["Role"])
        document = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": ANALYST, "Resource": "*"}],
        }
        aws.iam.put_user_policy(UserName="carla", PolicyName="analyst", PolicyDocument=json.dumps(document))

    def user(self, name: str, policy: str = "", path: str = "/") -> dict[str, str]:
        self.aws.iam.create_user(UserName=name, Path=path)
        if policy:
            self.aws.iam.attach_user_policy(UserName=name, PolicyArn=policy)
        key = self.aws.iam.create_access_key(UserName=name)["AccessKey"]
        return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}

    def run(self, who: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """The command with somebody's credentials."""
        env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            **self.keys[who],
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.aws.url,
            "AWS_CA_BUNDLE": str(self.aws.certificate),
            "STACK": STACK,
        }
        command = [str(Path(sys.executable).with_name("innerwatch")), *arguments]
        return subprocess.run(command, check=False, env=env, capture_output=True, text=True, timeout=60)

    def client(self, who: str, service: str) -> Any:
        keys = self.keys[who]
        return boto3.client(
            service,  # type: ignore[call-overload]  # any of them
            endpoint_url=self.aws.url,
            verify=str(self.aws.certificate),
            region_name=REGION,
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        )


@pytest.fixture(scope="module")
def stack(aws: Aws, package: Path) -> Stack:
    outputs = aws.deploy(
        STACK,
        package,
        ElasticsearchUrl="http://127.0.0.1:9",  # nothing here asks it
        RevealApprovers=f"arn:aws:iam::{ACCOUNT}:user/privacy/*",
    )
    aws.s3.put_object(Bucket=outputs["HrBucketName"], Key="people/1.csv", Body=FEED.encode())
    table = aws.dynamodb.Table(outputs["DirectoryTable"])
    wait_until(lambda: "Item" in table.get_item(Key={"pk": "feeds", "sk": "version"}), "the HR feed is applied", 60)
    return Stack(aws, outputs)


def pseudonym(stack: Stack, employee: str) -> str:
    """As it stands in documents: made with the stack's own key."""
    secret = stack.aws.secrets.get_secret_value(SecretId=stack.outputs["PseudonymKeySecretId"])["SecretString"]
    store = DynamoStore(stack.aws.dynamodb.Table(stack.outputs["DirectoryTable"]))
    return Pseudonyms(Keys.parse(secret, "secret"), store.identities()).of(employee)


@pytest.fixture(scope="module")
def waiting(stack: Stack) -> str:
    """A request by Ana for who Carla's pseudonym belongs to."""
    answer = stack.run("ana", "reveal", "request", pseudonym(stack, "E-3"), "--reason", REASON, "--json")
    assert answer.returncode == 0, answer.stderr
    return str(json.loads(answer.stdout)["request"])


def test_two_people_reveal_and_the_audit_is_whole(stack: Stack, waiting: str) -> None:
    alone = stack.run("ana", "reveal", "approve", waiting)
    assert (alone.returncode, alone.stdout) == (1, "")
    assert "the caller is none of those who may approve" in alone.stderr
    assert "the request is waiting" in stack.run("ana", "reveal", "fetch", waiting).stderr
    listed = stack.run("ben", "reveal", "list")
    assert REASON in listed.stdout
    approved = stack.run("ben", "reveal", "approve", waiting)
    assert approved.returncode == 0, approved.stderr
    told = stack.run("ana", "reveal", "fetch", waiting)
    assert told.returncode == 0, told.stderr
    assert "E-3" in told.stdout
    assert "Carla Meyer" in told.stdout
    receipt = told.stdout.split()[-1]
    audit = stack.run("auditor", "audit", "verify", "--receipt", receipt)
    assert (audit.returncode, audit.stderr) == (0, "")
    assert audit.stdout.startswith("5 records, whole")
    records = [json.loads(line) for line in stack.run("auditor", "audit", "list", "--json").stdout.splitlines()]
    assert [record["action"] for record in records] == ["requested", "denied", "denied", "approved", "revealed"]
    log = stack.aws.log()
    assert '"message":"on record"' in log
    assert "Carla" not in log


def test_an_analyst_can_do_nothing(stack: Stack, waiting: str) -> None:
    lines = len(list(stack.trail.lines()))
    asked = stack.run("analyst", "reveal", "request", pseudonym(stack, "E-1"), "--reason", REASON)
    assert asked.returncode == 2
    assert "not authorized to perform: lambda:InvokeFunction" in asked.stderr
    elsewhere = stack.run("ana", "reveal", "list", "--stack", "another")
    assert elsewhere.returncode == 2
    assert elsewhere.stderr.startswith("DescribeStacks: ")
    outputs = stack.outputs
    chain = {"chain": {"S": "reveal"}, "sequence": {"N": "1"}}
    witness = f"witness/{1:014d}-{stack.trail.recent(0)[0].hash}"
    attempts: list[tuple[str, str, dict[str, Any]]] = [
        ("secretsmanager", "get_secret_value", {"SecretId": outputs["PseudonymKeySecretId"]}),
        ("dynamodb", "get_item", {"TableName": outputs["DirectoryTable"], "Key": {"pk": {"S": "a"}, "sk": {"S": "b"}}}),
        ("dynamodb", "put_item", {"TableName": outputs["RevealAuditTable"], "Item": chain}),
        ("dynamodb", "delete_item", {"TableName": outputs["RevealAuditTable"], "Key": chain}),
        ("s3", "put_object", {"Bucket": outputs["RevealAuditBucket"], "Key": "witness/1-0", "Body": b""}),
        ("s3", "delete_object", {"Bucket": outputs["RevealAuditBucket"], "Key": witness}),
        ("lambda", "update_function_code", {"FunctionName": outputs["RevealFunction"], "ZipFile": b""}),
        ("sts", "assume_role", {"RoleArn": stack.role, "RoleSessionName": "ben.okafor@example.com"}),
    ]
    for service, operation, arguments in attempts:
        with pytest.raises(ClientError, match=r"AccessDenied|not authorized"):
            getattr(stack.client("analyst", service), operation)(**arguments)
    assert len(list(stack.trail.lines())) == lines


def test_the_right_to_invoke_is_no_identity(stack: Stack, waiting: str) -> None:
    """Ana may invoke the function. She writes into the event that Ben calls, with all that she knows of him."""
    functions = stack.client("ana", "lambda")
    ask = {"action": "approve", "request": int(waiting), "nonce": "1"}
    function = stack.outputs["RevealFunction"]
    guessed = Credentials(stack.keys["ben"]["AWS_ACCESS_KEY_ID"], "a guess")
    own = Credentials(stack.keys["ana"]["AWS_ACCESS_KEY_ID"], stack.keys["ana"]["AWS_SECRET_ACCESS_KEY"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", stack.aws.url)
        forged, stolen = prove(ask, function, guessed, REGION), prove({"action": "list"}, function, own, REGION)
    for proof, why in ((forged, "SignatureDoesNotMatch"), (stolen, "SignatureDoesNotMatch"), ({}, "no proof")):
        answer = functions.invoke(FunctionName=function, Payload=json.dumps({"ask": ask, "proof": proof}).encode())
        said = json.loads(answer["Payload"].read())
        assert said == {"denied": f"approve: AWS does not vouch for the caller: {why}"}
    records = [line.record for line in stack.trail.recent(0)][-3:]
    assert [(record.action, record.who.arn) for record in records] == [("denied", "")] * 3


def test_nobody_but_the_function_adds_witnesses(stack: Stack, waiting: str) -> None:
    """Not even an administrator, unless the bucket's policy is changed before."""
    stack.aws.iam.create_user(UserName="administrator")
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    stack.aws.iam.put_user_policy(UserName="administrator", PolicyName="all", PolicyDocument=json.dumps(everything))
    key = stack.aws.iam.create_access_key(UserName="administrator")["AccessKey"]
    stack.keys["administrator"] = {
        "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
    }
    s3 = stack.client("administrator", "s3")
    bucket = stack.outputs["RevealAuditBucket"]
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.put_object(Bucket=bucket, Key="witness/00000000000001-0", Body=b"")
    assert s3.list_object_versions(Bucket=bucket)["Versions"]


def test_the_audit_names_the_first_wrong_record(stack: Stack, waiting: str) -> None:
    """Last, since the chain is broken afterwards."""
    table, lines = stack.outputs["RevealAuditTable"], list(stack.trail.lines())
    stack.aws.tables.delete_item(TableName=table, Key={"chain": {"S": "reveal"}, "sequence": {"N": "1"}})
    audit = stack.run("auditor", "audit", "verify")
    assert (audit.returncode, audit.stdout, audit.stderr) == (1, "", "broken: record 1 is missing\n")
    head = {"chain": {"S": "reveal"}, "sequence": {"N": str(lines[-1].sequence)}}
    stack.aws.tables.delete_item(TableName=table, Key=head)
    answer = stack.run("ana", "reveal", "fetch", waiting)
    assert answer.returncode == 2
    assert "nothing is told: the audit chain is broken: record " in answer.stderr
