"""Compiled rules as Kibana's detection rules, one JSON object a line, for Kibana's rule import.

A rule runs in one place. Kibana runs those whose query alone decides; all others run in our engine, and one promotion
rule raises the engine's alerts in Kibana. docs/kibana.md says which and why.

Kibana's fields: https://www.elastic.co/docs/api/doc/kibana/operation/operation-createrule
"""

import hashlib
import json
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import msgspec

from innerwatch.detection import alerts, windows
from innerwatch.detection.alerts import RISK
from innerwatch.detection.engine import OVERLAP, QUIET, why_not_run
from innerwatch.detection.rules import CompiledRule, tests
from innerwatch.elastic import stream_name
from innerwatch.errors import UserError
from innerwatch.fields import DATASETS, Field
from innerwatch_cli.kibana.guide import dashboards, guide, promotion_guide, promotion_setup, setup
from innerwatch_cli.sigma import to_lucene

Rule = dict[str, Any]

INTERVAL = 5  # minutes between runs
# Minutes that a run looks back, by `event.ingested`: the interval, and the time that a document may take to be seen.
# Kibana leaves out what it has alerted on already.
REACH = INTERVAL + OVERLAP // 60_000
MOST_ALERTS = 1_000  # in one run: more than that Kibana's alerting framework does not take unless it is set to
PROMOTION_ID = str(uuid.uuid5(uuid.NAMESPACE_URL, "innerwatch/kibana/promotion"))
# Growth of an alert is a new version of its document, which Kibana would raise again; it is counted instead.
GROWTH_HOURS = 720
LINKS = dashboards()  # in the default space
OURS = ("access.", "aws.", "employee.", "innerwatch.")  # fields outside ECS, and `log.offset`, which is Elastic's
OVERSIZED = re.compile(r"innerwatch\.oversized:\(([^()]*)\)")
# What Kibana watches itself, and its tags.
SOURCES = {"app.access": ("Application", "Application access"), "aws.cloudtrail": ("Cloud", "AWS CloudTrail")}
WHO = (
    "employee.id",
    "employee.name",
    "employee.role",
    "employee.department",
    "employee.status",
    "employee.days_to_exit",
    "employee.resolution.confidence",
)
RECORD = ("log.file.path", "log.offset")  # where the raw record is
WHAT = {  # what an analyst sees first, by dataset
    "app.access": (
        "event.action",
        "service.name",
        "access.customer.id",
        "access.fields",
        "access.records",
        "access.case.id",
        "access.justification",
        "email.to.address",
        "source.ip",
        *RECORD,
    ),
    "aws.cloudtrail": (
        "event.action",
        "event.provider",
        "user.name",
        "aws.cloudtrail.error_code",
        "aws.cloudtrail.resources.arn",
        "cloud.account.id",
        "cloud.region",
        "source.ip",
        "user_agent.original",
        *RECORD,
    ),
    alerts.DATASET: (
        "innerwatch.alert.reason",
        "innerwatch.alert.first",
        "innerwatch.alert.last",
        "innerwatch.alert.evidence.count",
        "innerwatch.alert.employee.id",
        "event.action",
        "access.customer.id",
        "source.ip",
    ),
}


class Export(NamedTuple):
    """What becomes of rules: `rules` are Kibana's, the promotion rule last."""

    rules: list[Rule]
    engine: list[tuple[CompiledRule, str]]  # rules that our engine runs, each with why Kibana cannot
    refused: list[UserError]  # rules that neither runs
    serving: int = 0  # rules that only serve a correlation


def export(
    rules: Iterable[CompiledRule], known: Mapping[str, CompiledRule], namespace: str, links: str = LINKS
) -> Export:
    """`rules` for Kibana; those that only serve a correlation are left out. `known`: these and all they refer to.

    `links`: to our dashboards, as `guide.dashboards` makes them for a space.
    """
    found = Export([], [], [])
    serving = 0
    for rule in rules:
        if not rule.alerts:
            serving += 1
            continue
        inexact = why_not_exact(rule)
        # In Kibana an informational rule may run: it is a building block there, whose alerts are hidden.
        judged = rule if inexact else msgspec.structs.replace(rule, level="low")
        why_not = why_not_run(judged, [known[base] for base in windows.bases(rule, known)])
        if why_not:
            found.refused.append(UserError(f"{rule.title!r} runs nowhere: {why_not}", path=rule.path))
        elif inexact:
            found.engine.append((rule, inexact))
        else:
            found.rules.append(detection_rule(rule, namespace, links))
    if found.engine:
        found.rules.append(promotion_rule([rule["rule_id"] for rule in found.rules], namespace, links))
    return found._replace(serving=serving)


def why_not_exact(rule: CompiledRule) -> str:
    """Why Kibana cannot run a rule exactly; empty where it can."""
    try:
        to_lucene(rule)
    except UserError as refusal:
        return refusal.what
    if rule.dataset not in SOURCES:
        return f"{rule.title!r} is on {rule.dataset}, whose documents grow through the day"
    names = {name for clause in OVERSIZED.findall(rule.query) for name in re.findall(r'"([^"]+)"', clause)}
    long = sorted(name for name in names if not _short(rule.dataset, name))
    if long:
        return f"{rule.title!r} has to look into values of {', '.join(long)} that are too long for the index"
    return ""


def _short(dataset: str, name: str) -> bool:
    """Whether no value of a field can be too long for the index (8,191 characters).

    HR feeds are held to less. Of CloudTrail, AWS cuts short what it writes itself, but not what callers send as
    parameters: https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
    """
    if name.startswith("employee."):
        return name != "employee.resolution.reason"
    row = _column(dataset, name)
    return dataset == "aws.cloudtrail" and row.raw != "" and row.type != "flattened"


def ndjson(rules: Iterable[Rule]) -> Iterator[str]:
    """The lines of a file for Kibana's import."""
    return (json.dumps(rule, ensure_ascii=False) for rule in rules)


def detection_rule(rule: CompiledRule, namespace: str, links: str = LINKS) -> Rule:
    """A rule that Kibana runs exactly."""
    stream = stream_name(rule.dataset, namespace)
    domain, source = SOURCES[rule.dataset]
    tactics = [f"Tactic: {threat['tactic']['name']}" for threat in rule.threat]
    informational = rule.level == "informational"
    return _versioned(
        {
            "rule_id": rule.id,
            "name": rule.title,
            "description": rule.description or rule.title,
            "type": "query",
            "language": "lucene",
            "index": [stream],
            "query": rule.query,
            **_schedule(),
            "severity": "low" if informational else rule.level,
            "risk_score": RISK[rule.level],
            **({"building_block_type": "default"} if informational else {}),
            "tags": ["Innerwatch", f"Domain: {domain}", f"Data Source: {source}", *tactics, *rule.tags],
            "threat": [dict(threat) for threat in rule.threat],
            "alert_suppression": _suppression("employee.id", QUIET // 3_600_000),
            "investigation_fields": {"field_names": _investigated(rule)},
            "required_fields": [_required(row) for row in _rows(rule)],
            "related_integrations": [],  # the data come from Innerwatch, which is none of Elastic's packages
            "setup": setup(rule, stream),
            "note": guide(rule, stream, links),
            "false_positives": list(rule.falsepositives),
            "references": list(rule.references),
            "author": [name for name in map(str.strip, rule.author.split(",")) if name],
            **({"license": rule.license} if rule.license else {}),
        },
        rule.version,
    )


def promotion_rule(native: Sequence[str], namespace: str, links: str = LINKS) -> Rule:
    """The rule that raises our engine's alerts, but for those of `native` rules: Kibana runs these itself."""
    stream = stream_name(alerts.DATASET, namespace)
    rows = {row.name: row for row in DATASETS[alerts.DATASET]}
    read = ("event.kind", "event.module", "event.id", "event.severity", "event.risk_score", "rule.id", "rule.name")
    ids = " OR ".join(f'"{one}"' for one in sorted(native))
    excluded = f" AND NOT rule.id:({ids})" if native else ""
    return _versioned(
        {
            "rule_id": PROMOTION_ID,
            "name": "Innerwatch Alert",
            "description": "Raises each alert of Innerwatch's detection engine under its own name, severity and risk.",
            "type": "query",
            "language": "lucene",
            "index": [stream],
            "query": f'event.kind:"alert" AND event.module:"innerwatch"{excluded}',
            **_schedule(),
            "severity": "medium",
            "risk_score": RISK["medium"],
            "rule_name_override": "rule.name",
            "severity_mapping": [
                {"field": "event.severity", "operator": "equals", "value": str(RISK[level]), "severity": level}
                for level in ("low", "medium", "high", "critical")
            ],
            "risk_score_mapping": [{"field": "event.risk_score", "operator": "equals", "value": ""}],
            "tags": ["Innerwatch", "Promotion"],
            "threat": [],  # each alert's own is in its `threat` fields
            "alert_suppression": _suppression("event.id", GROWTH_HOURS),
            "investigation_fields": {"field_names": [*WHO, *WHAT[alerts.DATASET]]},
            "required_fields": [_required(rows[name]) for name in read],
            "related_integrations": [],
            "setup": promotion_setup(PROMOTION_ID, stream),
            "note": promotion_guide(links),
            "false_positives": [],
            "references": [],
            "author": ["Innerwatch"],
            "license": "Apache-2.0",
        }
    )


def _schedule() -> Rule:
    return {
        "enabled": True,
        "interval": f"{INTERVAL}m",
        "from": f"now-{REACH}m",
        "to": "now",
        "timestamp_override": "event.ingested",
        "max_signals": MOST_ALERTS,
    }


def _suppression(field: str, hours: int) -> Rule:
    return {
        "group_by": [field],
        "duration": {"value": hours, "unit": "h"},
        "missing_fields_strategy": "doNotSuppress",  # events of nobody are not one person's
    }


def _versioned(rule: Rule, changed: str = "") -> Rule:
    """The rule with a number that moves when anything in it does, and forward with the day of its last change.

    Days since 2000, then five digits of the content's hash: no state is kept, and it fits in 32 bits.
    """
    content = json.dumps(rule, sort_keys=True).encode()
    digits = int.from_bytes(hashlib.sha256(content).digest()[:8]) % 99_999 + 1
    days = (date.fromisoformat(changed) - date(2000, 1, 1)).days if changed else 0
    return {**rule, "version": max(days, 0) * 100_000 + digits}


def _column(dataset: str, path: str) -> Field:
    """The row of the field table that a path of a condition belongs to; a flattened field's twin is one of its own."""
    for row in DATASETS[dataset]:
        if row.name == path:
            return row
    for row in DATASETS[dataset]:
        for name in filter(None, (row.name, row.match)):
            if row.type == "flattened" and (path == name or path.startswith(f"{name}.")):
                return row._replace(name=name)
    raise ValueError(f"{dataset} has no field {path!r}")


def _rows(rule: CompiledRule) -> list[Field]:
    """The fields that a rule's query asks for, each once, in its order."""
    return list(dict.fromkeys(_column(rule.dataset, test.field) for test in tests(rule.condition)))


def _required(row: Field) -> Rule:
    return {"name": row.name, "type": row.type, "ecs": not row.name.startswith(OURS)}


def _investigated(rule: CompiledRule) -> list[str]:
    """Who, what, and what the rule asks for; of a flattened field the key that it asks for."""
    originals = {row.match: row.name for row in DATASETS[rule.dataset] if row.match}
    asked = []
    for test in tests(rule.condition):
        twin = _column(rule.dataset, test.field).name
        asked.append(originals.get(twin, twin) + test.field[len(twin) :])
    return list(dict.fromkeys([*WHO, *WHAT[rule.dataset], *asked]))
