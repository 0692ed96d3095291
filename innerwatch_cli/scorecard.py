"""What a simulated company planted against what the alerts found."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from innerwatch.errors import UserError
from innerwatch_cli.report.findings import Findings


def load_truth(path: Path) -> dict[str, Any]:
    try:
        truth = json.loads(path.read_bytes())
        return {"insiders": list(truth["insiders"]), "look_alikes": list(truth["look_alikes"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"no truth of a simulated company: {error}", "expected a truth.json", path=path) from error


def own_id(document_id: str) -> str:
    """The log's own id: an access document's _id has the application's name and a colon before it."""
    return document_id.rpartition(":")[2]


def score(findings: Findings, truth: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Insiders found and missed, and people flagged wrongly.

    An insider is found when an alert about one of those planted holds at least one of their malicious acts as
    evidence; any other person who has an alert is flagged wrongly. The root user and services are no
    person: their alerts stand apart. `names` maps employee ids to names.
    """
    planted = {employee for insider in truth["insiders"] for employee in insider["employee_ids"]}
    insiders = []
    for insider in truth["insiders"]:
        acts = set(insider["event_ids"])
        rules = {
            alert.name
            for person in findings.people
            for alert in person.alerts
            if acts.intersection(map(own_id, alert.evidence_ids))
            and (person.key in insider["employee_ids"] or person.employee.get("id") is None)
        }
        insiders.append(
            {
                "kind": insider["kind"],
                "names": [names.get(employee, employee) for employee in insider["employee_ids"]],
                "story": insider["story"],
                "found": bool(rules),
                "rules": sorted(rules),
                "customers": len(insider["customer_ids"]),
            }
        )
    alike = {person: kind["kind"] for kind in truth["look_alikes"] for person in kind["employee_ids"]}
    others = [
        {
            "id": person.key,
            "name": person.name,
            "rules": sorted({alert.name for alert in person.alerts}),
            "look_alike": alike.get(person.key),
            "person": bool(person.employee.get("id") or person.employee.get("status")),
        }
        for person in findings.people
        if person.key not in planted
    ]
    return {
        "insiders": insiders,
        "wrong": [other for other in others if other["person"]],
        "no_person": [other for other in others if not other["person"]],
    }
