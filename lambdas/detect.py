"""Lambda: on a schedule, the compiled Sigma rules run over what is new in Elasticsearch and write alerts.

The rules are `rules.json` beside this file, made by `make package`. A run ends before Lambda would stop it; what it did
not come to is done first by the next. After a run that was killed, the next comes to the same alerts, none twice.
Log lines hold no person and no value of an event.
"""

import time
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import msgspec
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from innerwatch import clients, wiring
from innerwatch.detection.engine import Report, detect
from innerwatch.detection.leavers import STILL_NEWS, look_backs
from innerwatch.detection.leavers import Report as LookBacks
from innerwatch.detection.rules import CompiledRule, load
from innerwatch.directory import Directory, DynamoStore
from innerwatch.errors import UserError
from innerwatch.pseudonyms import Current, hidden_notices
from innerwatch.settings import METRICS_NAMESPACE, Settings
from innerwatch.values import Fact

RULES = Path(__file__).with_name("rules.json")
RESERVE = 60.0  # seconds kept for the rule that is at work when no other is begun: two requests may take that long

logger = Logger(service="detect")
metrics = Metrics(namespace=METRICS_NAMESPACE, service="detect")


class Parts:
    """What a warm function keeps between invocations."""

    def __init__(self, settings: Settings, rules: Path) -> None:
        table = settings.directory_table
        self.directory = DynamoStore(boto3.resource("dynamodb").Table(table)) if table else None
        self.pseudonyms: Current | None = None
        if self.directory and settings.pseudonym_secret:
            self.pseudonyms = wiring.pseudonyms_of(settings.pseudonym_secret, Directory(self.directory))
        self.namespace = settings.namespace
        self.es = clients.elasticsearch(settings)
        self.rules = read_rules(rules)


@cache
def parts() -> Parts:
    return Parts(Settings.from_env(needs=("ELASTICSEARCH_URL",)), RULES)


def read_rules(path: Path) -> list[CompiledRule]:
    expected = "expected the compiled rules that `make package` puts beside the function"
    try:
        return load(path.read_bytes())
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", expected, path=path) from error
    except msgspec.DecodeError as error:
        raise UserError(f"these are no rules: {error}", expected, path=path) from error


def measure(report: Report) -> None:
    """The metrics of docs/observability.md."""
    metrics.add_metric(name="RulesRun", unit=MetricUnit.Count, value=report.rules)
    metrics.add_metric(name="RulesFailed", unit=MetricUnit.Count, value=len(report.failed))
    metrics.add_metric(name="RulesPostponed", unit=MetricUnit.Count, value=len(report.postponed))
    metrics.add_metric(name="Matches", unit=MetricUnit.Count, value=report.matched)
    metrics.add_metric(name="AlertsRaised", unit=MetricUnit.Count, value=report.raised)
    metrics.add_metric(name="AlertsGrown", unit=MetricUnit.Count, value=report.grown)
    metrics.add_metric(name="AlertConflicts", unit=MetricUnit.Count, value=report.conflicts)
    metrics.add_metric(name="CheckpointLag", unit=MetricUnit.Seconds, value=report.lag / 1000)


def look_back(own: Parts, until: float) -> LookBacks:
    """At whoever HR has said is leaving: at what they did before, now that it is known."""
    now = int(time.time() * 1000)
    notices: Iterable[tuple[str, Fact]] = own.directory.leaving(now - STILL_NEWS) if own.directory else ()
    if own.pseudonyms:
        notices = hidden_notices(notices, own.pseudonyms())
    found = look_backs(own.es, own.rules, notices, namespace=own.namespace, until=until, now=now)
    metrics.add_metric(name="LookBacks", unit=MetricUnit.Count, value=found.people)
    metrics.add_metric(name="LookBacksWaiting", unit=MetricUnit.Count, value=found.waiting)
    return found


@metrics.log_metrics
@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001 Lambda's signature
    own = parts()
    left = context.get_remaining_time_in_millis() / 1000
    until = time.monotonic() + max(left - RESERVE, left / 2)
    report = detect(own.es, own.rules, namespace=own.namespace, until=until)
    measure(report)
    leavers = look_back(own, until)
    for title in report.failed:
        logger.error("rule not run", extra={"rule": title, "reason": report.skipped[title]})
    done: dict[str, Any] = {
        "rules": report.rules,
        "failed": len(report.failed),
        "postponed": len(report.postponed),
        "matches": report.matched,
        "raised": report.raised,
        "grown": report.grown,
        "conflicts": report.conflicts,
        "checkpoint_lag": report.lag / 1000,
        "looked_back_at": leavers.people,
        "look_backs_waiting": leavers.waiting,
    }
    logger.info("rules run", extra=done)
    return done
