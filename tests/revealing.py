"""An account with the function `reveal` in it and some people who may call it, on moto.

moto's STS answers for the credentials that it made, and verifies signatures when it is told to; its IAM users stand for
people here, whom HR's feed names as their holders.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import boto3
import pytest
from botocore.credentials import Credentials

import reveal
from innerwatch.audit import Line, Trail
from innerwatch.directory import DynamoStore, apply_feed, create_table
from innerwatch.hr import read_feed
from innerwatch.pseudonyms import Keys, Pseudonyms
from innerwatch.reveal import Desk
from innerwatch.reveal.caller import prove
from innerwatch_cli.local_aws import ACCOUNT, REGION, Context, LocalAws, account

FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:innerwatch-reveal"
DIRECTORY, CHAIN, SECRET = "directory", "example-audit", "pseudonyms"
APPROVERS = f"arn:aws:iam::{ACCOUNT}:user/privacy/*,arn:aws:sts::{ACCOUNT}:assumed-role/AWSReservedSSO_Privacy_*/*"
REASON = "Alert 4711 shows exports of 300 customers at night"
HR = f"""\
employee_id,name,email,username,iam_user,status,hired_at,effective_date
E-1,Ana Ruiz,ana.ruiz@example.com,ana.ruiz,{ACCOUNT}:user/ana,active,2024-01-08,2024-01-08
E-2,Ben Okafor,ben.okafor@example.com,ben.okafor,{ACCOUNT}:user/privacy/ben,active,2024-01-08,2024-01-08
E-3,Carla Meyer,carla.meyer@example.com,carla.meyer,{ACCOUNT}:user/carla,active,2024-01-08,2024-01-08
E-4,Dan Novak,dan.novak@example.com,dan.novak,{ACCOUNT}:user/privacy/dan,terminated,2024-01-08,2024-01-08
E-5,Eva Lind,eva.lind@example.com,eva.lind,{ACCOUNT}:user/privacy/eva,active,2024-01-08,2024-01-08
"""
KEYS = Keys.new()


def create_chain(local: LocalAws, name: str) -> None:
    """Table and bucket as infra/template.yaml makes them, as far as moto knows of it."""
    local.dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "chain", "KeyType": "HASH"}, {"AttributeName": "sequence", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "chain", "AttributeType": "S"},
            {"AttributeName": "sequence", "AttributeType": "N"},
        ],
        DeletionProtectionEnabled=True,
    )
    local.s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    local.s3.put_object_lock_configuration(
        Bucket=name,
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 365}},
        },
    )


class Office(NamedTuple):
    """The function with a chain that is empty at first; the table and the bucket of witnesses have the same name."""

    aws: LocalAws
    people: dict[str, Credentials]  # by first name
    pseudonyms: Pseudonyms
    desk: Desk
    name: str

    @property
    def trail(self) -> Trail:
        return self.desk.trail

    def invoke(self, name: str, signed_as: str = "", **ask: Any) -> dict[str, Any]:
        """As `innerwatch reveal` does it with somebody's credentials."""
        return self.send(ask, self.proof(signed_as or name, ask))

    def proof(self, name: str, ask: dict[str, Any], function: str = FUNCTION) -> dict[str, str]:
        ask.setdefault("nonce", str(next(NONCES)))
        return prove(ask, function, self.people[name], REGION)

    def send(self, ask: Any, proof: Any) -> dict[str, Any]:
        event = json.loads(json.dumps({"ask": ask, "proof": proof}))
        answer: dict[str, Any] = json.loads(json.dumps(reveal.handler(event, Function())))
        return answer

    def request(self, name: str = "ana", about: str = "E-3", **more: Any) -> int:
        asked = {"pseudonyms": [self.pseudonyms.of(about)], "reason": REASON} | more
        answer = self.invoke(name, action="request", **asked)
        assert answer["state"] == "waiting", answer
        return int(answer["request"])

    def approved(self, name: str = "ana", by: str = "ben", about: str = "E-3") -> int:
        number = self.request(name, about)
        assert self.invoke(by, action="approve", request=number)["state"] == "approved"
        return number

    def lines(self) -> list[Line]:
        return list(self.trail.lines())

    def actions(self) -> list[tuple[str, str]]:
        """Of every record, what happened and whose call it was."""
        return [(line.record.action, line.record.who.employee) for line in self.lines()]


NONCES = iter(range(10**9))


class Function(Context):
    def __init__(self) -> None:
        super().__init__("innerwatch-reveal")
        self._invoked_function_arn = FUNCTION


def user(path: str, name: str) -> Credentials:
    iam = boto3.client("iam")
    iam.create_user(UserName=name, Path=path)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return Credentials(made["AccessKeyId"], made["SecretAccessKey"])


def session(role: str, name: str) -> Credentials:
    """Of somebody who took a role; moto lets anybody take any."""
    made = boto3.client("sts").assume_role(RoleArn=f"arn:aws:iam::{ACCOUNT}:role/{role}", RoleSessionName=name)
    found = made["Credentials"]
    return Credentials(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])


@contextmanager
def company() -> Iterator[Office]:
    """The function as its environment makes it, and everybody who calls it."""
    settings = {
        "DIRECTORY_TABLE": DIRECTORY,
        "PSEUDONYM_SECRET": SECRET,
        "AUDIT_TABLE": CHAIN,
        "AUDIT_BUCKET": CHAIN,
        "REVEAL_APPROVERS": APPROVERS,
        "AWS_REGION": REGION,
    }
    with account(settings) as local:
        create_chain(local, CHAIN)
        create_table(DIRECTORY)
        store = DynamoStore(boto3.resource("dynamodb").Table(DIRECTORY))
        apply_feed(store, read_feed(HR.encode(), "people.csv", 1_705_000_000_000))
        boto3.client("secretsmanager").create_secret(Name=SECRET, SecretString=KEYS.text())
        people = {
            "ana": user("/", "ana"),
            "ben": user("/privacy/", "ben"),
            "carla": user("/", "carla"),
            "dan": user("/privacy/", "dan"),
            "eva": user("/privacy/", "eva"),
            "nobody": user("/privacy/", "robot"),
            "ana as privacy officer": session("AWSReservedSSO_Privacy_0123456789abcdef", "ana.ruiz@example.com"),
            "ben by sso": session("AWSReservedSSO_Privacy_0123456789abcdef", "ben.okafor@example.com"),
            "ben chosen": session("deployer", "ben.okafor@example.com"),
        }
        reveal.desk.cache_clear()
        yield Office(local, people, Pseudonyms(KEYS, store.identities()), reveal.desk(ACCOUNT), CHAIN)
        reveal.desk.cache_clear()


def with_its_own_chain(office: Office, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Office:
    """The same company with another, empty chain, which the function is at work on; `changes` are to the desk."""
    name = f"{CHAIN}-{next(NONCES)}"
    create_chain(office.aws, name)
    trail = Trail(boto3.client("dynamodb"), name, office.aws.s3, name)
    desk = office.desk._replace(trail=trail, **changes)
    monkeypatch.setattr(reveal, "desk", lambda _account: desk)
    return office._replace(desk=desk, name=name)
