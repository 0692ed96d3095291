"""MITRE ATT&CK for Enterprise, from the table that comes with Innerwatch: nothing is downloaded.

`attack.json` holds the release that SigmaHQ's rules are tagged by. `withdrawn` names what earlier releases had, with
the technique that took its place where there is one. https://attack.mitre.org/resources/attack-data-and-tools/
"""

import json
from functools import cache
from pathlib import Path
from typing import NamedTuple


class Technique(NamedTuple):
    name: str
    tactics: tuple[str, ...]  # as tags write them: credential-access


class Attack(NamedTuple):
    version: str
    tactics: dict[str, tuple[str, str]]  # credential-access → (TA0006, Credential Access)
    techniques: dict[str, Technique]  # T1078.004 → …
    withdrawn: dict[str, str]


@cache
def attack() -> Attack:
    table = json.loads(Path(__file__).with_name("attack.json").read_bytes())
    return Attack(
        table["version"],
        {name: (row[0], row[1]) for name, row in table["tactics"].items()},
        {name: Technique(row[0], tuple(row[1:])) for name, row in table["techniques"].items()},
        table["withdrawn"],
    )
