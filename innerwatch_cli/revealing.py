"""What `innerwatch reveal` and `innerwatch audit` share: the deployed stack's parts, and AWS's errors in one line."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import boto3
import click
from botocore.exceptions import BotoCoreError, ClientError

from innerwatch.errors import UserError

Command = TypeVar("Command", bound=Callable[..., Any])

STACK = click.option("--stack", envvar="STACK", default="", help="Name of the stack whose outputs say where.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print it for machines.")


def output(stack: str, name: str, missing: str) -> str:
    """The output of a stack. Raises UserError, with what it means that it is not there."""
    stacks: Any = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    for found in stacks[0].get("Outputs", []):
        if found["OutputKey"] == name:
            return str(found["OutputValue"])
    raise UserError(f"the stack {stack} has no output {name}", missing)


@contextmanager
def aws_errors(expected: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise UserError(f"{error.operation_name}: {error.response['Error']['Message']}", expected) from error
    except BotoCoreError as error:
        raise UserError(str(error), expected) from error
