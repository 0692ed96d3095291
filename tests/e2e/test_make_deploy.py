"""`make deploy` and `make undeploy`, in the README's words, on an emulated AWS: the commands that a user types."""

import itertools
import json
import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from innerwatch_cli import index_templates
from tests.ministack import ACCOUNT, REGION, ROOT, Aws, wait_until

pytestmark = pytest.mark.elasticsearch

STACK, GROUP = "company", "/example/console"


def make(aws: Aws, target: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "TMPDIR", "LANG")}
    environment |= {
        "AWS_ENDPOINT_URL": aws.url,
        "AWS_CA_BUNDLE": str(aws.certificate),
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    given = [f"{name}={value}" for name, value in variables.items()]
    return subprocess.run(
        ["make", "--silent", target, f"STACK={STACK}", *given],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def stack(aws: Aws) -> Any:
    return aws.cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]


def outputs(aws: Aws) -> dict[str, str]:
    return {found["OutputKey"]: found["OutputValue"] for found in stack(aws)["Outputs"]}


def looked(number: int) -> str:
    actor = {"id": "ana.ruiz"}
    record = {"schema": "innerwatch.access/1", "id": f"look-{number}", "time": "2026-03-10T09:00:00Z", "actor": actor}
    return json.dumps(
        {**record, "application": "console", "action": "view", "outcome": "success", "customers": ["C-1"]}
    )


def ids(elasticsearch: Elasticsearch, namespace: str) -> set[str]:
    index = f"logs-app.access-{namespace}"
    elasticsearch.indices.refresh(index=index, ignore_unavailable=True)
    answer = elasticsearch.options(ignore_status=(404, 503)).search(index=index)
    return {hit["_source"]["event"]["id"] for hit in answer.get("hits", {"hits": []})["hits"]}


def test_the_readmes_words(aws: Aws, elasticsearch: Elasticsearch, package: Path, namespace: str) -> None:
    """One stack through its whole life: refused, created, left alone, given a source, deleted."""
    assert "make deploy" in (ROOT / "README.md").read_text()
    index_templates.install(elasticsearch)

    refused = make(aws, "deploy", PACKAGE=str(package))
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[0].startswith("ELASTICSEARCH_URL is not given; expected https://host:port")
    refused = make(aws, "deploy", PACKAGE=str(package), ELASTICSEARCH_URL="http://192.0.2.1")
    assert "expected https://host:port without a user's name or password" in refused.stderr.splitlines()[0]

    url = next(iter(elasticsearch.transport.node_pool.all())).base_url
    created = make(
        aws, "deploy", PACKAGE=str(package), ELASTICSEARCH_URL=url, NAMESPACE=namespace, ALARM_EMAIL="duty@example.com"
    )
    assert created.returncode == 0, created.stderr
    assert f"The stack {STACK} is created." in created.stdout
    own = outputs(aws)
    follow(aws, created.stdout, own)
    aws.s3.put_object(Bucket=own["LogBucketName"], Key="console/1.ndjson", Body=looked(1).encode())
    wait_until(lambda: ids(elasticsearch, namespace) == {"look-1"}, "the first event is indexed", 60)

    again = make(aws, "deploy", PACKAGE=str(package))
    assert again.returncode == 0, again.stderr
    assert f"The stack {STACK} is unchanged." in again.stdout
    assert stack(aws)["StackStatus"] == "CREATE_COMPLETE"

    aws.logs.create_log_group(logGroupName=GROUP)
    aws.logs.create_log_stream(logGroupName=GROUP, logStreamName="one")
    updated = make(aws, "deploy", PACKAGE=str(package), EXISTING_LOG_GROUP=GROUP)
    assert updated.returncode == 0, updated.stderr
    assert f"The stack {STACK} is updated." in updated.stdout
    assert outputs(aws) == own, "what was there is there still"
    event = {"timestamp": 1773133200000, "message": looked(2)}
    aws.logs.put_log_events(logGroupName=GROUP, logStreamName="one", logEvents=[event])
    wait_until(lambda: ids(elasticsearch, namespace) == {"look-1", "look-2"}, "the new source's event is indexed", 60)

    refused = make(aws, "deploy", PACKAGE=str(package), VPC_ID="vpc-0123456789abcdef0")
    assert refused.returncode == 2
    assert "A VPC needs VpcSubnets and VpcSecurityGroups" in refused.stderr.splitlines()[0]

    gone = make(aws, "undeploy", YES="1")
    assert gone.returncode == 0, gone.stderr
    for name in ("LogBucketName", "HrBucketName", "FailedBucketName"):
        assert own[name] in gone.stdout
        aws.s3.head_bucket(Bucket=own[name])  # raises unless it is there
    for name in ("DirectoryTable", "CasesTable", "LedgerTable"):
        assert own[name] in gone.stdout
        assert aws.dynamodb.Table(own[name]).table_status == "ACTIVE"
    assert not [f for f in aws.functions.list_functions()["Functions"] if f["FunctionName"].startswith(f"{STACK}-")]
    assert make(aws, "undeploy", YES="1").stderr.startswith(f"there is no stack {STACK}; expected")


def follow(aws: Aws, said: str, own: dict[str, str]) -> None:
    """Does what the command says is left to do with the secrets."""
    words = [line.split(" aws ")[1].split() for line in said.splitlines() if "put-secret-value" in line]
    assert len(words) == sum(name.endswith("Secret") for name in own)
    for command in words:
        (secret,) = (value for name, value in itertools.pairwise(command) if name == "--secret-id")
        assert secret in own.values()
        aws.secrets.put_secret_value(SecretId=secret, SecretString="ZXhhbXBsZTprZXk=")
    assert f"s3://{own['HrBucketName']}/people/" in said
    assert own["LogBucketName"] in said
    assert shlex.split(said.splitlines()[0])[0] == STACK
