"""Person-days that do not fit into memory come out as if they did."""

import random
from typing import Any

from innerwatch import instants
from innerwatch.behaviour.collect import collect
from innerwatch_cli.evaluate.days import Days

START = instants.from_rfc3339("2026-03-02T08:00:00Z")


def document(chance: random.Random) -> dict[str, Any]:
    customer = f"C-{chance.randrange(30)}"
    return {
        "@timestamp": instants.iso(START + chance.randrange(10) * 86_400_000 + chance.randrange(300) * 60_000),
        "event": {"action": chance.choice(("view", "export", "send")), "outcome": "success"},
        "service": {"name": chance.choice(("console", "warehouse"))},
        "source": {"ip": f"198.51.100.{chance.randrange(9)}"},
        "access": {"customer": {"id": [customer]}, "fields": chance.sample(("name", "email", "phone"), 2)},
        "employee": {"id": f"E{chance.randrange(6)}", "role": "Agent", "on_shift": chance.random() < 0.9},
    }


def test_what_waits_in_files_comes_out_as_from_memory() -> None:
    chance = random.Random(1)
    documents = [document(chance) for _ in range(500)]
    with Days(most=7) as days:
        for one in documents:
            days.add(one)
        assert list(days.take()) == collect(documents)
