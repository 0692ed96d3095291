"""`make docs`: writes what follows from the field table: docs/fields.md, and the index templates for reading."""

import json
from pathlib import Path

from innerwatch import fields
from innerwatch.fields import Field
from innerwatch_cli.index_templates import templates

ROOT = Path(__file__).parents[1]
PERSON = """\
As of the event's own time, from the employee directory. What HR did not say is absent. Without an HR feed only
`employee.resolution.*` is there."""
TRAIL = """\
Field for field as Elastic's AWS integration writes them, and what it loses. Request parameters and their like stand
twice: as they were, and below the name given in the last column with lower-cased values, for matching."""
SECTIONS: dict[str, tuple[str, tuple[Field, ...]]] = {
    "Every document": ("", fields.COMMON),
    "The person: `employee.*`": (PERSON, fields.EMPLOYEE),
    "CloudTrail: `logs-aws.cloudtrail-*`": (TRAIL, fields.CLOUDTRAIL),
    "Application access: `logs-app.access-*`": ("The contract is docs/access-log.md.", fields.ACCESS),
    "Web servers' logs, also in `logs-app.access-*`": ("", fields.WEB),
    "Alerts: `logs-innerwatch.alert-*`": ("", fields.ALERT),
    "Behaviour: `logs-innerwatch.behaviour-*`": (
        "One document per person and day: docs/behaviour.md.",
        fields.BEHAVIOUR,
    ),
    "Behaviour, measure by measure": ("", fields.MEASURED),
}
HEAD = f"""# Fields

Everything that Innerwatch writes, made from `lambdas/innerwatch/fields.py` by `make docs`. Names follow ECS
{fields.ECS_VERSION}; below `aws.cloudtrail` they follow Elastic's AWS integration; `employee`, `access` and
`innerwatch` are our own. Keywords compare without regard to case. "In rules" is the log's own name, which Sigma rules
for that log source use; the field's name works as well.
"""


def fields_page() -> str:
    parts = [HEAD]
    for title, (text, rows) in SECTIONS.items():
        parts.append(f"\n## {title}\n")
        if text:
            parts.append(f"{text}\n")
        raw, match = any(row.raw for row in rows), any(row.match for row in rows)
        columns = ["Field", "Type", "What it holds", *(["In rules"] if raw else []), *(["Matched in"] if match else [])]
        parts.append(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}")
        for row in rows:
            cells = [f"`{row.name}`", row.type, row.note.replace("|", "\\|")]
            if raw:
                cells.append(f"`{row.raw}`" if row.raw else "")
            if match:
                cells.append(f"`{row.match}`" if row.match else "")
            parts.append(f"| {' | '.join(cells)} |")
    return "\n".join(parts) + "\n"


def files() -> dict[Path, str]:
    """Path below the root → content."""
    made = {Path("docs/fields.md"): fields_page()}
    for name, body in templates().items():
        made[Path(f"infra/elasticsearch/{name}.json")] = json.dumps(body, indent=2) + "\n"
    return made


if __name__ == "__main__":
    for path, content in files().items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(content)
