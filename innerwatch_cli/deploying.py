"""`make deploy` and `make undeploy`: infra/template.yaml as a CloudFormation stack, without other tools.

Every parameter of the template is an option and an environment variable: AlarmEmail is --alarm-email and ALARM_EMAIL.
What is not given keeps its value, or takes the template's. Credentials and region are boto3's usual ones. With
AWS_ENDPOINT_URL, an emulated AWS, the template is expanded here and the package is built for this machine.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-updating-stacks-changesets.html
"""

import hashlib
import json
import os
import re
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import click
import yaml
from botocore.exceptions import BotoCoreError, ClientError

from innerwatch.errors import UserError
from innerwatch_cli import options as shared
from innerwatch_cli import packaging, sam_locally
from innerwatch_cli.console import err, out
from innerwatch_cli.paths import TEMPLATE

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import ParameterTypeDef, StackTypeDef
    from mypy_boto3_s3 import S3Client

OURS = frozenset({"PackageBucket", "PackageKey"})  # set here
ASKED = ("AlarmEmail",)  # besides those without which there is no stack
LONGEST = 3600.0  # seconds that a stack may take
NOTHING_TO_DO = ("didn't contain changes", "No updates are to be performed")
CREATED = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"}


class Template(yaml.SafeLoader):
    """Reads what the template says of its parameters; CloudFormation's own tags are passed over."""


Template.add_multi_constructor("!", lambda _loader, _tag, _node: None)


def parameters() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.load(TEMPLATE.read_text(), Template)["Parameters"]  # noqa: S506 a SafeLoader
    return found


def environment_name(parameter: str) -> str:
    """ELASTICSEARCH_URL of ElasticsearchUrl."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", parameter).upper()


def emulated() -> bool:
    return bool(os.environ.get("AWS_ENDPOINT_URL"))


# --- the package


def package_bucket(s3: "S3Client", name: str, account: str, region: str) -> str:
    """A private bucket of this account, made if need be. Raises UserError where another account has the name."""
    name = name or f"innerwatch-packages-{account}-{region}"
    try:
        s3.head_bucket(Bucket=name, ExpectedBucketOwner=account)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("404", "NoSuchBucket"):
            expected = "expected one of this account; name another with PACKAGE_BUCKET"
            raise UserError(f"the bucket {name} cannot be used: {error}", expected) from error
        where: Any = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=name, **where)
        closed = dict.fromkeys(
            ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
        )
        s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=closed)  # type: ignore[arg-type]  # a dict made of names
    return name


def upload(s3: "S3Client", bucket: str, account: str, stack: str, content: bytes, suffix: str) -> str:
    """Puts it under a name made from its content, so that CloudFormation sees a change where there is one."""
    key = f"{stack}/{hashlib.sha256(content).hexdigest()}{suffix}"
    s3.put_object(Bucket=bucket, Key=key, Body=content, ExpectedBucketOwner=account)
    return key


def package(ready: Path | None, architecture: str) -> bytes:
    if ready:
        try:
            return ready.read_bytes()
        except OSError as error:
            raise UserError(
                f"cannot be read: {error.strerror}", "expected what `make package` made", path=ready
            ) from error
    platform = {"arm64": packaging.LAMBDA.platform, "x86_64": "x86_64-manylinux_2_28"}[architecture]
    target = packaging.LOCAL if emulated() else packaging.LAMBDA._replace(platform=platform)
    rules, mappings = packaging.rules_given(), packaging.mappings_given()
    return packaging.build(Path("dist/lambda.zip"), target, rules, mappings=mappings).read_bytes()


def template(region: str, values: Mapping[str, str]) -> bytes:
    """From a bucket, since it is longer than what a request to CloudFormation may hold itself."""
    return (
        json.dumps(sam_locally.for_emulator(TEMPLATE, region, values)).encode() if emulated() else TEMPLATE.read_bytes()
    )


# --- the stack


class Stack:
    def __init__(self, cloudformation: "CloudFormationClient", name: str) -> None:
        self.cloudformation, self.name = cloudformation, name
        self.pause = 0.2 if emulated() else 3.0

    def now(self) -> "StackTypeDef | None":
        try:
            return self.cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise

    def outputs(self) -> dict[str, str]:
        stack = self.now()
        return {found["OutputKey"]: found["OutputValue"] for found in stack.get("Outputs", [])} if stack else {}

    def changed(self, template_url: str, values: Mapping[str, str]) -> str:
        """ "created", "updated" or "unchanged". Raises UserError with the first thing that failed."""
        stack = self.now()
        there = stack is not None and stack["StackStatus"] != "REVIEW_IN_PROGRESS"
        if stack is not None and there and stack["StackStatus"] not in CREATED:
            raise self.not_now(stack["StackStatus"])
        kept = (
            {found["ParameterKey"] for found in stack.get("Parameters", [])} if stack is not None and there else set()
        )
        given: list[ParameterTypeDef] = [
            {"ParameterKey": name, "ParameterValue": values[name]}
            if name in values
            else {"ParameterKey": name, "UsePreviousValue": True}
            for name in parameters()
            if name in values or name in kept
        ]
        before = self.events()
        change = self.cloudformation.create_change_set(
            StackName=self.name,
            ChangeSetName=f"deploy-{time.time_ns()}",
            ChangeSetType="UPDATE" if there else "CREATE",
            Parameters=given,
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            TemplateURL=template_url,
        )["Id"]
        if not self.has_changes(change):
            self.cloudformation.delete_change_set(ChangeSetName=change)
            return "unchanged"
        self.cloudformation.execute_change_set(ChangeSetName=change)
        done = "UPDATE_COMPLETE" if there else "CREATE_COMPLETE"
        if (status := self.end_of("REVIEW_IN_PROGRESS")) != done:
            raise self.failure(status, len(before))
        return "updated" if there else "created"

    def not_now(self, status: str) -> UserError:
        if status.endswith("IN_PROGRESS"):
            return UserError(f"the stack {self.name} is being changed ({status})", "try again when that has ended")
        return UserError(
            f"the stack {self.name} cannot be updated ({status})", f"`make undeploy STACK={self.name}` first"
        )

    def has_changes(self, change: str) -> bool:
        deadline = time.monotonic() + LONGEST
        while time.monotonic() < deadline:
            found = self.cloudformation.describe_change_set(ChangeSetName=change)
            if found["Status"] == "CREATE_COMPLETE":
                return True
            if found["Status"] == "FAILED":
                why = found.get("StatusReason", "")
                if any(text in why for text in NOTHING_TO_DO):
                    return False
                raise UserError(f"CloudFormation refuses the change: {why}")
            time.sleep(self.pause)
        raise UserError(f"CloudFormation has not looked at the change within {LONGEST:.0f} s")

    def end_of(self, *also: str) -> str:
        """Waits; the stack's status at last, "" when it is gone."""
        deadline = time.monotonic() + LONGEST
        with err.status(f"{self.name} …") as shown:
            while time.monotonic() < deadline:
                stack = self.now()
                status = stack["StackStatus"] if stack else ""
                if not status.endswith("_IN_PROGRESS") and status not in also:
                    return status
                shown.update(f"{self.name}: {status}")
                time.sleep(self.pause)
        raise UserError(f"the stack {self.name} is not finished after {LONGEST:.0f} s", "look at its events")

    def events(self) -> list[dict[str, Any]]:
        """Newest first."""
        if self.now() is None:
            return []
        pages = self.cloudformation.get_paginator("describe_stack_events").paginate(StackName=self.name)
        return [dict(event) for page in pages for event in page["StackEvents"]]

    def failure(self, status: str, seen: int) -> UserError:
        """What failed first: the rest is cancelled for its sake."""
        new = self.events()
        for event in reversed(new[: len(new) - seen]):
            reason = event.get("ResourceStatusReason", "")
            if event["ResourceStatus"].endswith("_FAILED") and "cancelled" not in reason:
                what = f"{event['LogicalResourceId']} ({event.get('ResourceType', '')})"
                return UserError(f"the stack {self.name} is {status}: {what}: {reason}")
        return UserError(f"the stack {self.name} is {status}", "its events say why")

    def kept(self) -> dict[str, str]:
        """Logical → physical id of what outlives the stack."""
        if self.now() is None:
            return {}
        body: Any = self.cloudformation.get_template(StackName=self.name, TemplateStage="Processed")["TemplateBody"]
        resources = (json.loads(body) if isinstance(body, str) else body)["Resources"]
        found = self.cloudformation.describe_stack_resources(StackName=self.name)["StackResources"]
        return {
            one["LogicalResourceId"]: one.get("PhysicalResourceId", "")
            for one in found
            if str(resources.get(one["LogicalResourceId"], {}).get("DeletionPolicy", "")).startswith("Retain")
        }


# --- what is left to do


def next_steps(outputs: Mapping[str, str], empty: Sequence[str], mail: str) -> list[str]:
    steps = []
    if mail:
        steps.append(f"{mail} has a mail from AWS: whoever reads it must confirm, or no alarm arrives.")
    if empty:
        steps.append(
            "Install templates and roles, which also prints how to make the API keys: innerwatch push elasticsearch"
        )
        steps += [
            f"{name}: aws secretsmanager put-secret-value --secret-id {outputs[name]} --secret-string file://key.txt"
            for name in empty
        ]
    steps.append(f"Drop an HR feed: aws s3 cp employees.csv s3://{outputs['HrBucketName']}/people/")
    steps.append(f"And customers' cases, if you have them: s3://{outputs['HrBucketName']}/cases/")
    steps.append(f"Then let logs arrive: {outputs['LogBucketName']}")
    return steps


def empty_secrets(outputs: Mapping[str, str], new: bool) -> list[str]:
    """The outputs that name a secret without a value yet: of a new stack, all."""
    secrets = boto3.client("secretsmanager")
    return [
        name
        for name, identity in outputs.items()
        if name.endswith("Secret") and (new or not secrets.describe_secret(SecretId=identity).get("VersionIdsToStages"))
    ]


# --- the commands


def asked(values: dict[str, str], new: bool) -> None:
    """Fills in what only the user knows; on a terminal it is asked for. Raises UserError for what is missing."""
    for name, found in parameters().items():
        if name in OURS or name in values or not new:
            continue
        if sys.stdin.isatty() and ("Default" not in found or name in ASKED):
            values[name] = click.prompt(f"{name}: {found['Description']}", default=found.get("Default"), err=True)
        elif "Default" not in found:
            raise UserError(f"{environment_name(name)} is not given", f"expected {found['Description']}")


def parameter_options() -> list[click.Parameter]:
    return [
        click.Option(
            [f"--{environment_name(name).lower().replace('_', '-')}", name],
            envvar=environment_name(name),
            help=found["Description"],
        )
        for name, found in parameters().items()
        if name != "PackageKey"
    ]


STACK = click.option("--stack", envvar="STACK", default="innerwatch", show_default=True, help="Name of the stack.")


@click.group()
def cli() -> None:
    """Innerwatch's stack in AWS."""


@cli.command(params=parameter_options(), context_settings={"max_content_width": 120})
@STACK
@click.option(
    "--package", "ready", type=shared.PATH, envvar="PACKAGE", help="What `make package` made; else it is made now."
)
def deploy(stack: str, ready: Path | None, **given: str | None) -> None:
    """Create the stack, or update it."""
    values = {name: value for name, value in given.items() if value is not None}
    session = boto3.session.Session()
    if not session.region_name:
        raise UserError("no AWS region is set", "expected AWS_DEFAULT_REGION, or a profile that names one")
    account = boto3.client("sts").get_caller_identity()["Account"]
    target = Stack(boto3.client("cloudformation"), stack)
    asked(values, target.now() is None)
    out.print(f"{stack} in account {account}, {session.region_name}", markup=False)
    for name, value in values.items():
        out.print(f"  {name}: {value}", markup=False)
    s3 = boto3.client("s3")
    bucket = package_bucket(s3, values.get("PackageBucket", ""), account, session.region_name)
    values |= {
        "PackageBucket": bucket,
        "PackageKey": upload(s3, bucket, account, stack, package(ready, values.get("Architecture", "arm64")), ".zip"),
    }
    key = upload(s3, bucket, account, stack, template(session.region_name, values), ".template")
    done = target.changed(f"{s3.meta.endpoint_url}/{bucket}/{key}", values)
    outputs = target.outputs()
    out.print(f"The stack {stack} is {done}.", markup=False)
    for number, step in enumerate(
        next_steps(outputs, empty_secrets(outputs, done == "created"), values.get("AlarmEmail", "")), 1
    ):
        out.print(f"{number}. {step}", markup=False)


@cli.command()
@STACK
@click.option("--yes", envvar="YES", is_flag=True, help="Without asking.")
def undeploy(stack: str, yes: bool) -> None:
    """Delete the stack. What holds data stays."""
    target = Stack(boto3.client("cloudformation"), stack)
    if target.now() is None:
        raise UserError(f"there is no stack {stack}", "expected the name of one, with STACK=")
    if not yes:
        click.confirm(f"Delete the stack {stack}?", abort=True, err=True)
    kept = target.kept()
    before = target.events()
    target.cloudformation.delete_stack(StackName=stack)
    if (status := target.end_of()) not in ("", "DELETE_COMPLETE"):
        raise target.failure(status, len(before))
    out.print(f"The stack {stack} is deleted. What holds data stays, until you delete it by hand:", markup=False)
    for name, identity in kept.items():
        out.print(f"  {name}: {identity}", markup=False)


def main() -> None:
    try:
        cli(standalone_mode=False)
    except ClientError as error:
        err.print(f"{error.operation_name}: {error.response['Error']['Message']}", style="red", markup=False)
        sys.exit(2)
    except (UserError, BotoCoreError) as error:
        err.print(" ".join(str(error).split()), style="red", markup=False)
        sys.exit(2)
    except click.ClickException as error:
        err.print(error.format_message(), style="red", markup=False)
        sys.exit(2)
    except click.Abort:
        err.print("interrupted", style="red")
        sys.exit(130)


if __name__ == "__main__":
    main()
