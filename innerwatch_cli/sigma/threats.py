"""ATT&CK tags as ECS `threat.*`: each tactic with those of the rule's techniques that belong to it.

https://www.elastic.co/docs/reference/ecs/ecs-threat
"""

from collections.abc import Iterable
from typing import Any

from innerwatch_cli.attack import attack

SITE = "https://attack.mitre.org"


def threats(tags: Iterable[str]) -> tuple[dict[str, Any], ...]:
    """A technique whose tactic is not tagged goes by its first one in ATT&CK; unknown tags are left out."""
    table = attack()
    names = [tag.removeprefix("attack.") for tag in tags if tag.startswith("attack.")]
    tactics = [name for name in names if name in table.tactics]
    found: dict[str, dict[str, dict[str, Any]]] = {tactic: {} for tactic in tactics}
    for name in names:
        technique = table.withdrawn.get(name.upper(), name.upper())
        if technique not in table.techniques:
            continue
        own = table.techniques[technique].tactics
        for tactic in [tactic for tactic in tactics if tactic in own] or list(own[:1]):
            _add(found.setdefault(tactic, {}), technique)
    return tuple(
        {
            "framework": "MITRE ATT&CK",
            "tactic": {
                "id": table.tactics[tactic][0],
                "name": table.tactics[tactic][1],
                "reference": f"{SITE}/tactics/{table.tactics[tactic][0]}/",
            },
            **({"technique": list(techniques.values())} if techniques else {}),
        }
        for tactic, techniques in found.items()
    )


def _add(techniques: dict[str, dict[str, Any]], identity: str) -> None:
    parent = identity.split(".")[0]
    entry = techniques.setdefault(parent, _described(parent))
    if identity != parent:
        below = entry.setdefault("subtechnique", [])
        if all(one["id"] != identity for one in below):
            below.append(_described(identity))


def _described(identity: str) -> dict[str, Any]:
    technique = attack().techniques.get(identity)
    name = {"name": technique.name} if technique else {}
    return {"id": identity, **name, "reference": f"{SITE}/techniques/{identity.replace('.', '/')}/"}
