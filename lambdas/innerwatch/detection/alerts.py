"""What an alert says: the document for a burst of evidence, and how it grows when more evidence comes.

Fields are ECS's (https://www.elastic.co/docs/reference/ecs/ecs-rule, ecs-threat) and `innerwatch.alert.*`.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from innerwatch import instants
from innerwatch.detection.rules import CompiledRule
from innerwatch.fields import ECS_VERSION
from innerwatch.values import dig

DATASET = "innerwatch.alert"
# Kibana's risk scores and numbers of severity for its four; Sigma's `informational` is below them.
RISK = {"informational": 1, "low": 21, "medium": 47, "high": 73, "critical": 99}
MOST_EVIDENCE = 10_000  # event ids in one alert; a burst that goes on continues in another
CONTEXT = (  # what an alert takes from its evidence
    "employee",
    "user",
    "access.customer.id",
    "event.action",
    "related.user",
    "source.ip",
    "cloud.account.id",
    "cloud.region",
    "service.name",
)
UNIONS = tuple(path for path in CONTEXT if path not in ("employee", "user"))


class Evidence(msgspec.Struct):
    """One event behind an alert, with what the alert tells of it."""

    id: str
    stream: str
    time: int
    context: Mapping[str, Any]
    hindsight: str = ""  # what it took to match, in words, that was not known at its time


def group_hash(key: Sequence[str]) -> str:
    return hashlib.sha256(msgspec.json.encode(key)).hexdigest()[:32]


def raised(
    rule: CompiledRule,
    identity: str,
    key: Sequence[str],
    names: Sequence[str],
    evidence: Sequence[Evidence],
    namespace: str,
    now: int,
) -> dict[str, Any]:
    """A new alert. `evidence` is in order of time and not empty; `names` are the fields that `key` holds values of."""
    document: dict[str, Any] = {
        "ecs": {"version": ECS_VERSION},
        "data_stream": {"type": "logs", "dataset": DATASET, "namespace": namespace},
        "event": {
            "kind": "alert",
            "module": "innerwatch",
            "dataset": DATASET,
            "id": identity,
            "category": ["intrusion_detection"],
            "type": ["info"],
            "severity": RISK[rule.level],
            "risk_score": RISK[rule.level],
            "created": instants.iso(now),
        },
        "rule": _rule(rule),
        "innerwatch": {
            "alert": {
                "group": {"key": group_hash(key), "fields": list(names), "values": list(key)},
            }
        },
    }
    if rule.threat:
        document["threat"] = [dict(threat) for threat in rule.threat]
    _tell(document, rule, evidence, now)
    return document


def grown(document: dict[str, Any], rule: CompiledRule, evidence: Sequence[Evidence], now: int) -> dict[str, Any]:
    """The alert with more evidence in it; `evidence` are the events that it did not have."""
    _tell(document, rule, evidence, now)
    return document


def _tell(document: dict[str, Any], rule: CompiledRule, evidence: Sequence[Evidence], now: int) -> None:
    alert = document["innerwatch"]["alert"]
    old = alert.get("evidence") or {"id": [], "index": []}
    ids = [*old["id"], *(item.id for item in evidence)]
    alert["evidence"] = {
        "id": ids,
        "index": sorted({*old["index"], *(item.stream for item in evidence)}),
        "count": len(ids),
    }
    datasets = {stream.split("-")[1] for stream in alert["evidence"]["index"]}  # as elastic.stream_name has it
    alert["dataset"] = datasets.pop() if len(datasets) == 1 else None
    known_later = next((item.hindsight for item in evidence if item.hindsight), "")
    if known_later:
        alert["hindsight"] = known_later
    first, last = evidence[0], evidence[-1]
    was_first, was_last = alert.get("first"), alert.get("last")
    new_first, new_last = instants.iso(first.time), instants.iso(last.time)
    alert["first"] = min(was_first, new_first) if was_first else new_first
    alert["last"] = max(was_last, new_last) if was_last else new_last
    document["@timestamp"] = alert["last"]
    document["event"]["start"], document["event"]["end"] = alert["first"], alert["last"]
    document["event"]["ingested"] = instants.iso(now)
    if not was_last or new_last >= was_last:  # who it was, as of the latest event
        for name in ("employee", "user"):
            if name in last.context:
                document[name] = last.context[name]
    for path in UNIONS:
        _union(document, path, path, evidence)
    _union(document, "innerwatch.alert.employee.id", "employee.id", evidence)
    alert["reason"] = reason(document, rule)


def _union(document: dict[str, Any], path: str, of: str, evidence: Iterable[Evidence]) -> None:
    """Adds what the evidence holds at `of` to what the alert has at `path`."""
    found = set(map(str, _list(dig(document, path))))
    for item in evidence:
        found.update(map(str, _list(dig(item.context, of))))
    if not found:
        return
    *parents, name = path.split(".")
    level = document
    for parent in parents:
        level = level.setdefault(parent, {})
    level[name] = sorted(found)


def _rule(rule: CompiledRule) -> dict[str, Any]:
    described = {
        "id": rule.id,
        "uuid": rule.id,
        "name": rule.title,
        "description": rule.description,
        "version": rule.version,
        "author": rule.author,
        "license": rule.license,
        "reference": list(rule.references),
        "ruleset": "innerwatch",
        "category": rule.level,
    }
    return {name: value for name, value in described.items() if value}


def reason(document: Mapping[str, Any], rule: CompiledRule) -> str:
    """One sentence: who, which job, what, how often, since when, how many customers, and whether only in hindsight."""
    alert = document["innerwatch"]["alert"]
    count = alert["evidence"]["count"]
    others = len(_list(dig(document, "innerwatch.alert.employee.id"))) - 1
    people = f" and {others} other{'s' if others > 1 else ''}" if others > 0 else ""
    parts = [f"{who(document)}{people}: {rule.title}"]
    actions = _list(dig(document, "event.action"))
    times = "1 event" if count == 1 else f"{count:,} events"
    parts.append(f"{times} ({', '.join(actions[:3])}{', …' if len(actions) > 3 else ''})" if actions else times)
    first, last = (alert[name][:16].replace("T", " ") for name in ("first", "last"))
    parts.append(f"on {first} UTC" if first == last else f"from {first} to {last} UTC")
    customers = len(_list(dig(document, "access.customer.id")))
    if customers:
        parts.append(f"{customers:,} customer{'s' if customers > 1 else ''} concerned")
    if alert.get("hindsight"):
        parts.append(f"seen in hindsight: {alert['hindsight']}")
    return ", ".join(parts)


def who(document: Mapping[str, Any]) -> str:
    employee = document.get("employee") or {}
    account = dig(document, "user.name") or dig(document, "user.id") or "an unknown account"
    name = employee.get("name") or (f"employee {employee['id']}" if employee.get("id") else None)
    if not name:
        return (
            f"{_first(account)} (nobody in the directory)" if employee.get("status") == "unknown" else _first(account)
        )
    job = ", ".join(str(employee[part]) for part in ("role", "department") if employee.get(part))
    if employee.get("status") not in (None, "active"):
        job += f"{', ' if job else ''}{employee['status']}"
    return f"{name} ({job})" if job else str(name)


def _first(value: Any) -> str:
    return str(value[0]) if isinstance(value, list) and value else str(value)


def _list(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]
