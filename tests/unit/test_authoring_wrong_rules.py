"""Every wrong rule gets the message that stands beside it: place, what is wrong, remedy.

A new case is a folder in tests/golden/wrong_rules with the files an author wrote and `expected.txt`, and no test code.
"""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from innerwatch.errors import UserError
from innerwatch_cli.authoring.check import check
from innerwatch_cli.commands.check import check as command
from innerwatch_cli.paths import RULES
from innerwatch_cli.sigma import compile_rules

FOLDERS = sorted((Path(__file__).parents[1] / "golden" / "wrong_rules").iterdir())
SIGMAHQ = Path(__file__).parents[3] / "shared" / "data" / "sigma" / "aws"


def with_cases(folder: Path) -> bool:
    return folder.name.startswith("cases_")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_wrong_rule_is_told_what_and_where_and_the_remedy(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    _, problems = check([Path()], with_cases=with_cases(folder))
    assert "".join(f"{problem}\n" for problem in problems) == (folder / "expected.txt").read_text()


def test_there_are_at_least_forty_kinds_of_mistake() -> None:
    first_lines = {(folder / "expected.txt").read_text().splitlines()[0].split(": ", 1)[1] for folder in FOLDERS}
    assert len(first_lines) >= 40


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_message_names_a_place_and_a_remedy(folder: Path) -> None:
    for line in (folder / "expected.txt").read_text().splitlines():
        said = re.fullmatch(r"([\w./-]+?)((?::\d+)*): .+; (?:expected|did you mean|see) .+", line)
        assert said, line
        path, place = said.groups()
        assert (folder / path).exists() or folder.name == "cases_missing"
        assert place or folder.name in ("cases_missing", "empty_file")


def test_the_command_prints_one_line_a_problem_and_exits_with_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(next(folder for folder in FOLDERS if folder.name == "several_problems"))
    result = CliRunner().invoke(command, ["--no-cases", "rule.yml"])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 7
    assert "6 problems in 1 files" in result.stderr


def test_yaml_mistakes_are_told_so_by_every_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(next(folder for folder in FOLDERS if folder.name == "yaml_tab"))
    with pytest.raises(UserError, match=r"rule\.yml:9:1: a tab is used for indentation; expected spaces"):
        compile_rules([Path("rule.yml")])


def test_an_id_that_a_neighbour_has_is_found_from_the_one_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(next(folder for folder in FOLDERS if folder.name == "id_twice"))
    _, (problem,) = check([Path("second.yml")], with_cases=False)
    assert "is taken by rule.yml:2" in str(problem)


def test_the_rules_that_come_with_innerwatch_have_no_problem() -> None:
    files, problems = check([RULES])
    assert files >= 45
    assert not problems


def test_sigmahqs_rules_have_no_problem_but_that_they_bring_no_cases() -> None:
    if not SIGMAHQ.is_dir():
        pytest.skip("SigmaHQ's rules are not here: ../shared/data/sigma/aws")
    files, problems = check([SIGMAHQ], with_cases=False)
    assert files == 57
    assert not problems
