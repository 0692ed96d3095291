"""Lambda: on a schedule, people's days become behaviour documents: each person against self and peers.

The event may name days, `{"from": "2026-03-01", "to": "2026-03-31"}`; without, the days that gained events since the
last run are measured. One run at a time: the template gives this function a concurrency of one. A run that is stopped
is done again by the next, and comes to the same documents. Log lines hold no person.
"""

from datetime import date
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from innerwatch import clients, wiring
from innerwatch.behaviour.collect import People, day_number
from innerwatch.behaviour.measuring import measure
from innerwatch.directory import Directory, DynamoStore
from innerwatch.errors import UserError
from innerwatch.pseudonyms import HiddenPeople
from innerwatch.settings import METRICS_NAMESPACE, Settings

logger = Logger(service="measure_behaviour")
metrics = Metrics(namespace=METRICS_NAMESPACE, service="measure_behaviour")


class Parts:
    """What a warm function keeps between invocations."""

    def __init__(self, settings: Settings) -> None:
        self.namespace = settings.namespace
        self.es = clients.elasticsearch(settings)
        self.directory = Directory(DynamoStore(boto3.resource("dynamodb").Table(settings.directory_table)))
        self.pseudonyms = wiring.pseudonyms(settings, self.directory)

    @property
    def people(self) -> People:
        """As documents name them."""
        return HiddenPeople(self.directory, self.pseudonyms()) if self.pseudonyms else self.directory


@cache
def parts() -> Parts:
    return Parts(Settings.from_env(needs=("ELASTICSEARCH_URL", "DIRECTORY_TABLE")))


def days(event: dict[str, Any]) -> list[int] | None:
    """The days that an event names; None where it names none."""
    first = event.get("from")
    if not first:
        return None
    begin, end = _day(first), _day(event.get("to") or first)
    if end < begin:
        raise UserError(f"to is {event['to']!r}, which is before from", "expected the same day or a later one")
    return list(range(begin, end + 1))


def _day(text: Any) -> int:
    try:
        return day_number(date.fromisoformat(str(text)).isoformat())
    except ValueError:
        raise UserError(f"{str(text)[:80]!r} is no day", "expected one such as 2026-03-01") from None


@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:  # noqa: ARG001 Lambda's signature
    own = parts()
    report = measure(own.es, own.people, own.namespace, dates=days(event))
    done = {
        "days": report.dates,
        "events": report.events,
        "person_days": report.people,
        "new": report.new,
        "changed": report.changed,
        "unchanged": report.unchanged,
        "removed": report.removed,
    }
    logger.info("behaviour measured", extra=done)
    metrics.add_metric(name="PersonDays", unit=MetricUnit.Count, value=report.people)
    return done
