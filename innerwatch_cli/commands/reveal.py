"""`innerwatch reveal`: asks the deployed function who is behind a pseudonym; nothing on this machine can tell."""

import json
import re
import secrets
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import boto3
import click
from botocore.config import Config
from rich.table import Table

from innerwatch.errors import UserError
from innerwatch.reveal.caller import prove
from innerwatch_cli.console import err, out
from innerwatch_cli.revealing import JSON, STACK, aws_errors, output

Command = TypeVar("Command", bound=Callable[..., Any])

ARN = re.compile(r"arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{12}:function:[A-Za-z0-9_-]{1,64}", re.ASCII)
NO_FUNCTION = UserError(
    "only a deployed stack reveals: nothing on this machine knows who asks, or keeps a record that stays",
    "expected --stack, or --function with the stack's output RevealFunction",
)


@click.group()
def reveal() -> None:
    """Learn who is behind a pseudonym: one person asks, with a reason, another approves, and all of it is recorded.

    Uses the AWS credentials of the environment: by them the function knows who calls.
    """


def options(command: Command) -> Command:
    function = click.option("--function", envvar="REVEAL_FUNCTION", default="", help="ARN of the function.")
    return function(STACK(JSON(command)))


NUMBER = click.argument("number", type=click.IntRange(min=1))


@reveal.command()
@click.argument("pseudonyms", nargs=-1, required=True, metavar="PSEUDONYM...")
@click.option(
    "--reason", required=True, help="Why, for whoever must approve, and for the record: 20 characters or more."
)
@click.option("--case", default="", help="The number of a case, if there is one.")
@options
def request(pseudonyms: tuple[str, ...], reason: str, case: str, function: str, stack: str, as_json: bool) -> None:
    """Ask who is behind PSEUDONYM. Another person must approve within 72 hours."""
    ask = {"action": "request", "pseudonyms": list(pseudonyms), "reason": reason, "case": case}
    answer = asked(ask, function, stack, as_json)
    number = answer["request"]
    out.print(
        f"Request {number} waits until {answer['expires']} for another person: innerwatch reveal approve {number}"
    )
    receipt(answer)


@reveal.command()
@NUMBER
@options
def approve(number: int, function: str, stack: str, as_json: bool) -> None:
    """Allow who asked to learn it, as one of those whom the stack's parameter RevealApprovers names."""
    answer = asked({"action": "approve", "request": number}, function, stack, as_json)
    out.print(
        f"Request {number} is approved until {answer['expires']}; who asked may now: innerwatch reveal fetch {number}"
    )
    receipt(answer)


@reveal.command()
@NUMBER
@options
def refuse(number: int, function: str, stack: str, as_json: bool) -> None:
    """Refuse a request, or take back an approval; who asked may take back the request."""
    answer = asked({"action": "refuse", "request": number}, function, stack, as_json)
    out.print(f"Request {number} is refused.")
    receipt(answer)


@reveal.command()
@NUMBER
@options
def fetch(number: int, function: str, stack: str, as_json: bool) -> None:
    """Learn who it is, as who asked, once it is approved and until that expires. Each time is recorded."""
    answer = asked({"action": "fetch", "request": number}, function, stack, as_json)
    table = Table("pseudonym", "stands for", "HR id", "name", "e-mail", box=None, pad_edge=False)
    for person in answer["people"]:
        table.add_row(*(person.get(name, "") for name in ("pseudonym", "stands_for", "id", "name", "email")))
    out.print(table, markup=False)
    receipt(answer)


@reveal.command(name="list")
@options
def list_(function: str, stack: str, as_json: bool) -> None:
    """Show requests that are open or ended lately: your own, and if you may approve, all."""
    answer = asked({"action": "list"}, function, stack, as_json)
    for one in answer["requests"]:
        out.print(
            f"{one['request']:>5}  {one['state']:<8}  until {one['expires']}  {' '.join(one['pseudonyms'])}\n"
            f"       {one['requester']}{' · ' + one['case'] if one['case'] else ''}\n       {one['reason']}",
            markup=False,
        )
    if not answer["requests"]:
        out.print("no requests")


def asked(ask: dict[str, Any], function: str, stack: str, as_json: bool) -> dict[str, Any]:
    """The function's answer; ends the command where it was asked for as JSON, or denied."""
    with aws_errors("expected AWS credentials of somebody to whom the stack's RevealAccessPolicy is attached"):
        arn = where(function, stack)
        answer = invoked({**ask, "nonce": secrets.token_hex(8)}, arn)
    if "error" in answer:
        raise UserError(answer["error"])
    if as_json:
        out.print_json(json.dumps(answer))
    elif "denied" in answer:
        err.print(f"denied, and recorded: {answer['denied']}", style="red", markup=False)
    if "denied" in answer:
        sys.exit(1)
    if as_json:
        sys.exit(0)
    return answer


def where(function: str, stack: str) -> str:
    if not function and not stack:
        raise NO_FUNCTION
    arn = function or output(stack, "RevealFunction", "expected a stack whose parameter Pseudonyms is on")
    if not ARN.fullmatch(arn):
        raise UserError(f"{arn[:200]!r} is no function's ARN", "expected arn:aws:lambda:REGION:ACCOUNT:function:NAME")
    return arn


def invoked(ask: dict[str, Any], arn: str) -> dict[str, Any]:
    session = boto3.session.Session()
    credentials = session.get_credentials()
    if credentials is None:
        raise UserError(
            "there are no AWS credentials", "expected those of whoever asks: by them the function knows you"
        )
    region = arn.split(":")[3]
    event = {"ask": ask, "proof": prove(ask, arn, credentials, region)}
    config = Config(read_timeout=310, retries={"total_max_attempts": 1})  # longer than it may take, and never twice
    functions: Any = session.client("lambda", region_name=region, config=config)
    answer = functions.invoke(FunctionName=arn, Payload=json.dumps(event).encode())
    said: dict[str, Any] = json.loads(answer["Payload"].read())
    if answer.get("FunctionError"):
        what = said.get("errorMessage", "the function ended")
        raise UserError(f"nothing is told: {what}", "its log group and `innerwatch audit verify` say more")
    return said


def receipt(answer: dict[str, Any]) -> None:
    out.print(f"On record as {answer['record']}")
