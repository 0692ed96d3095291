"""Lambda: tells who is behind a pseudonym, to whom another person has allowed it; the only thing that can.

Invoked by `innerwatch reveal` with `{"ask": {"action": …}, "proof": {…}}`; docs/reveal.md says what may be asked. What
was asked and why, by whom, and how it ended is on record before it is answered. Log lines hold no person, no pseudonym
and no reason.
"""

import os
from functools import cache
from typing import Any

import boto3
import msgspec
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from innerwatch import wiring
from innerwatch.audit import Entry, Line, Trail
from innerwatch.directory import Directory, DynamoStore
from innerwatch.errors import UserError
from innerwatch.reveal import Ask, Desk, Terms, Unproven
from innerwatch.reveal.caller import proven
from innerwatch.reveal.decisions import HOUR
from innerwatch.settings import METRICS_NAMESPACE, Settings

logger = Logger(service="reveal")
metrics = Metrics(namespace=METRICS_NAMESPACE, service="reveal")


@cache
def desk(account: str) -> Desk:
    """What a warm function keeps between invocations."""
    own = Settings.from_env(needs=("DIRECTORY_TABLE", "PSEUDONYM_SECRET", "AUDIT_TABLE", "AUDIT_BUCKET"))
    people = Directory(DynamoStore(boto3.resource("dynamodb").Table(own.directory_table)))
    return Desk(
        Trail(boto3.client("dynamodb"), own.audit_table, boto3.client("s3"), own.audit_bucket),
        people,
        wiring.pseudonyms_of(own.pseudonym_secret, people),
        Terms(own.reveal_approvers, own.reveal_hours * HOUR),
        account,
    )


def asked(event: dict[str, Any]) -> Ask:
    """What an event asks for. Raises UserError for what it should not hold."""
    if event.keys() != {"ask", "proof"}:
        raise UserError("the event is not what this function takes", 'expected {"ask": …, "proof": …}')
    try:
        ask = msgspec.convert(event["ask"], Ask)
    except msgspec.ValidationError as error:
        raise UserError(f"that cannot be asked: {error}", "see docs/reveal.md") from error
    ask.check()
    return ask


def measure(entry: Entry | None) -> None:
    """The metrics of docs/observability.md."""
    action = entry.action if entry else ""
    metrics.add_metric(name="RevealsRequested", unit=MetricUnit.Count, value=action == "requested")
    metrics.add_metric(name="RevealsApproved", unit=MetricUnit.Count, value=action == "approved")
    metrics.add_metric(name="RevealsRefused", unit=MetricUnit.Count, value=action == "refused")
    metrics.add_metric(name="Revealed", unit=MetricUnit.Count, value=action == "revealed")
    metrics.add_metric(name="RevealDenied", unit=MetricUnit.Count, value=action == "denied")


def log(entry: Entry | None, line: Line | None) -> None:
    if entry and line:
        logger.info("on record", extra={"action": entry.action, "sequence": line.sequence, "hash": line.hash})


@metrics.log_metrics
@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    try:
        ask = asked(event)
    except UserError as error:
        return {"error": str(error)}
    function = context.invoked_function_arn
    own = desk(function.split(":")[4])
    try:
        caller = proven(event["ask"], event["proof"], function, os.environ["AWS_REGION"])
        answer, entry, line = own.ask(ask, caller)
    except Unproven as error:
        answer, entry, line = own.turned_away(ask, "", f"AWS does not vouch for the caller: {error}")
    measure(entry)
    log(entry, line)
    return answer
