"""Innocent work that looks like an insider's flags nobody: by no rule, nor by behaviour or risk.

The company is simulated, its raw logs go through the real chain in memory; the insiders among its people are found.
"""

import json
from pathlib import Path

import pytest

from innerwatch_cli.evaluate.chain import Result, walk
from innerwatch_cli.paths import RULES
from innerwatch_cli.sigma import compile_rules
from innerwatch_cli.simulate import simulate

INNOCENT = {
    "supervisor": "supervisor_review",
    "busy_day": "busy_day",
    "migration": "migration",
    "on_call": "on_call_night",
    "new_hire": "new_hire",
    "call_back": "call_back",
    "cover_for_a_colleague": "cover",
    "role_change": "role_change",
    "team_move": "team_move",
    "outage_of_the_case_system": "case_system_outage",
}


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("company") / "logs"
    simulate(seed=1, people=60, days=30, out=folder)
    return folder


@pytest.fixture(scope="module")
def result(company: Path) -> Result:
    return walk(company, compile_rules([RULES]), [])


@pytest.mark.parametrize("kind", INNOCENT.values(), ids=INNOCENT)
def test_it_flags_nobody(company: Path, result: Result, kind: str) -> None:
    truth = json.loads((company / "truth.json").read_text())
    people = {one for entry in truth["look_alikes"] if entry["kind"] == kind for one in entry["employee_ids"]}
    assert people
    assert not people & {flag.person for flag in result.flags if flag.insider is None}


def test_the_insiders_among_them_are_found(result: Result) -> None:
    found = {flag.insider for flag in result.flags if flag.insider is not None}
    assert len(found) >= 5
    assert len(result.answers.insiders) == 6
