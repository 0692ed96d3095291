"""AWS as MiniStack emulates it, for tests/e2e: a stack from infra/template.yaml whose functions run from the zip.

A function runs as a subprocess of the emulator's own Python. So that it sees what it would see in AWS, the zip and
boto3 and nothing else, the emulator starts with an empty environment from a virtual environment that holds only boto3;
the emulator's own libraries come last on its `sys.path`, which subprocesses don't inherit. That Python is the one that
runs the tests, whichever the template names: compiled files and native libraries fit no other.
"""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from innerwatch_cli import sam_locally
from innerwatch_cli.paths import TEMPLATE

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import ParameterTypeDef
    from mypy_boto3_dynamodb import DynamoDBClient, DynamoDBServiceResource
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

ROOT = Path(__file__).parents[1]
LOCKS = Path(__file__).parent / "e2e"
REGION = "eu-central-1"
ACCOUNT = "123456789012"
START = 30.0  # seconds; it takes 0.3
STACK = 60.0


def template() -> dict[str, Any]:
    """infra/template.yaml as it is written, short forms of functions included."""
    return sam_locally.source(TEMPLATE)


def translated() -> dict[str, Any]:
    """What SAM's transform makes of the template, as CloudFormation does it in AWS."""
    return sam_locally.translated(TEMPLATE, REGION)


class Aws:
    """Clients of the emulated account's root user."""

    def __init__(self, url: str, certificate: Path, log: Path) -> None:
        self._log = log
        self.url, self.certificate = url, certificate
        options: dict[str, Any] = {
            "endpoint_url": url,
            "verify": str(certificate),
            "region_name": REGION,
            "aws_access_key_id": ACCOUNT,  # MiniStack takes the account from it
            "aws_secret_access_key": "test",
        }
        self.cloudformation: CloudFormationClient = boto3.client("cloudformation", **options)
        self.iam: IAMClient = boto3.client("iam", **options)
        self.s3: S3Client = boto3.client("s3", **options)
        self.sqs: SQSClient = boto3.client("sqs", **options)
        self.secrets: SecretsManagerClient = boto3.client("secretsmanager", **options)
        self.functions: Any = boto3.client(
            "lambda", **options, config=Config(read_timeout=120, retries={"total_max_attempts": 1})
        )
        self.logs: Any = boto3.client("logs", **options)
        self.kinesis: Any = boto3.client("kinesis", **options)
        self.tables: DynamoDBClient = boto3.client("dynamodb", **options)
        self.dynamodb: DynamoDBServiceResource = boto3.resource("dynamodb", **options)

    def bucket(self, name: str) -> None:
        self.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})

    def deploy(self, name: str, package: Path, **parameters: str) -> dict[str, str]:
        """Creates the stack, by way of a bucket for its package, and gives its outputs."""
        bucket = f"{name}-packages"
        self.bucket(bucket)
        self.s3.put_object(Bucket=bucket, Key=package.name, Body=package.read_bytes())
        parameters |= {"PackageBucket": bucket, "PackageKey": package.name}
        body = sam_locally.for_emulator(TEMPLATE, REGION, parameters)
        given: list[ParameterTypeDef] = [
            {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
        ]
        self.s3.put_object(Bucket=bucket, Key=f"{name}.template", Body=json.dumps(body).encode())
        self.cloudformation.create_stack(
            StackName=name,
            TemplateURL=f"{self.s3.meta.endpoint_url}/{bucket}/{name}.template",
            Parameters=given,
            Capabilities=["CAPABILITY_IAM"],
        )
        stack = self.cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        deadline = time.monotonic() + STACK
        while stack["StackStatus"] == "CREATE_IN_PROGRESS" and time.monotonic() < deadline:
            time.sleep(0.1)
            stack = self.cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        assert stack["StackStatus"] == "CREATE_COMPLETE", self.why(name)
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def why(self, name: str) -> list[str]:
        events = self.cloudformation.describe_stack_events(StackName=name)["StackEvents"]
        return [
            f"{e['LogicalResourceId']}: {e.get('ResourceStatusReason', '')}"
            for e in events
            if "FAILED" in e["ResourceStatus"]
        ]

    def log(self) -> str:
        """What the emulator and the functions have written so far."""
        return self._log.read_text(errors="replace")

    def messages(self, url: str) -> int:
        """How many wait in a queue or are being worked on."""
        names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)


def wait_until(true: Callable[[], bool], what: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not after {seconds:g} s: {what}"
        time.sleep(0.2)


@contextmanager
def running(folder: Path) -> Iterator[Aws]:
    """An empty emulated AWS on a port of its own, which enforces IAM policies; its log is `folder`/ministack.log."""
    python, libraries = _environment(folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    start = f"import sys; sys.path.append({str(libraries)!r}); from ministack.app import main; main()"
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",  # its default is every interface
        "AUTH": "true",
        "USE_SSL": "1",  # or the buckets' policies deny everything; it makes a certificate with the openssl command
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "MINISTACK_REGION": REGION,
    }
    log = folder / "ministack.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [python, "-I", "-c", start],
            env=environment,
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a group of its own, so that the functions' processes end with it
        )
    try:
        url, certificate = f"https://127.0.0.1:{port}", folder / "ministack-tls" / "server.crt"
        wait_until(lambda: _answers(url, certificate, process), "MiniStack answers", START)
        yield Aws(url, certificate, log)
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # asked kindly, it waits for its clients' idle connections
        process.wait()


def _answers(url: str, certificate: Path, process: "subprocess.Popen[bytes]") -> bool:
    assert process.poll() is None, f"MiniStack ended with {process.returncode}"
    try:
        context = ssl.create_default_context(cafile=str(certificate))
        with urllib.request.urlopen(f"{url}/_ministack/health", timeout=5, context=context) as answer:  # noqa: S310 our own address
            return bool(answer.status == 200)
    except OSError:
        return False


def _environment(folder: Path) -> tuple[str, Path]:
    """A Python with boto3 alone, and a folder with the emulator, both from their locks."""
    venv.create(folder / "python", with_pip=False, symlinks=True)
    python, libraries = str(folder / "python" / "bin" / "python"), folder / "libraries"
    install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-config", "--require-hashes", "--no-deps"]
    for where, lock in ((["--python", python], "lambda-runtime"), (["--target", str(libraries)], "ministack")):
        subprocess.run([*install, *where, "-r", str(LOCKS / f"{lock}.lock")], check=True)
    return python, libraries
