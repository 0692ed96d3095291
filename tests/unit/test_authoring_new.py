"""`innerwatch new`: what it writes is right at once, and it never writes over anything."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from innerwatch.detection.predicate import compiled
from innerwatch.errors import UserError
from innerwatch_cli.authoring import cases, running
from innerwatch_cli.authoring.check import check
from innerwatch_cli.commands.new import new
from innerwatch_cli.sigma import compile_rules

TAGS = ("--tag", "attack.exfiltration", "--tag", "attack.t1567")


def written(folder: Path, *matches: str, logsource: str = "app/access", answers: str | None = None) -> Result:
    options = [item for match in matches for item in ("--match", match)]
    arguments = ["--title", "A new rule", "--logsource", logsource, *TAGS, "--out", str(folder), *options]
    return CliRunner().invoke(new, arguments, input=answers, catch_exceptions=False)


def verdicts(rule: Path) -> list[tuple[bool, bool]]:
    """For each case what it says, and what the compiled condition makes of its events."""
    (compiled_rule,) = compile_rules([rule])
    assert compiled_rule.condition is not None
    holds = compiled(compiled_rule.condition)
    given = cases.load(rule)
    return [
        (case.match, any(holds(document) for _, document in running.prepared(given, case).documents))
        for case in given.cases
    ]


@pytest.mark.parametrize(
    "matches",
    [
        ("event.action=export", "event.action=download", "records|gte=50", "employee.status=notice"),
        ("event.action=view", "case=null"),
        ("employee.status=terminated",),
        ("employee.status=unknown",),
        ("employee.status=leave", "customers|exists=true"),
        ("employee.status=pre_hire",),
        ("employee.type=contractor", "employee.on_shift=false"),
        ("employee.days_to_exit|lte=10",),
        ("employee.tenure_days|lt=30",),
        ("employee.department|contains=fin",),
        ("recipient|endswith=@example.net",),
        ("source.ip|cidr=203.0.113.0/24",),
        ("user_agent.original|startswith=curl",),
        ("records|gt=5", "records|lt=9"),
        ("bytes|gte=1000000",),
        ("application=c?m",),
        ("fields|contains|all=phone", "fields|contains|all=address"),
        ("event.outcome=failure", "customers=C-900001"),
    ],
    ids=" ".join,
)
def test_rule_and_cases_are_right_at_once(tmp_path: Path, matches: tuple[str, ...]) -> None:
    result = written(tmp_path, *matches)
    assert result.exit_code == 0, result.output
    rule = tmp_path / "a_new_rule.yml"
    assert check([rule]) == (1, [])
    assert verdicts(rule) == [(True, True), (False, False)]
    assert f"innerwatch check {rule}" in result.stdout.replace("\n", " ")


@pytest.mark.parametrize(
    "matches",
    [
        ("eventSource=cloudtrail.amazonaws.com", "eventName=StopLogging", "employee.status=notice"),
        ("eventName|startswith=Delete", "requestParameters.bucketName=customer-data"),
        ("eventName=ConsoleLogin", "additionalEventData.MFAUsed=No"),
        ("errorCode|exists=true", "userIdentity.type=AssumedRole"),
        ("sourceIPAddress=203.0.113.9", "userAgent|contains=S3 Browser"),
    ],
    ids=" ".join,
)
def test_cloudtrail_rules_too(tmp_path: Path, matches: tuple[str, ...]) -> None:
    result = written(tmp_path, *matches, logsource="aws/cloudtrail")
    assert result.exit_code == 0, result.output
    assert verdicts(tmp_path / "a_new_rule.yml") == [(True, True), (False, False)]


def test_it_asks_for_what_is_missing_and_again_where_an_answer_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answers = ["Exports by leavers", "app/access", "event.acton=export", "event.action=export", "records|gte=50", ""]
    answers += ["high", "attack.exfiltraton", "attack.exfiltration attack.t1567"]
    result = CliRunner().invoke(new, [], input="\n".join([*answers, ""]), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "did you mean event.action" in result.output
    assert "did you mean attack.exfiltration" in result.output
    rule = tmp_path / "sigma_rules/rules/app/access/exports_by_leavers.yml"
    assert "records|gte: 50\n" in rule.read_text()
    assert check([rule]) == (1, [])


def test_a_field_that_does_not_exist_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no field 'event\.acton'; did you mean event\.action"):
        written(tmp_path, "event.acton=export")
    assert list(tmp_path.iterdir()) == []


def test_it_says_which_case_it_could_not_make_up(tmp_path: Path) -> None:
    result = written(tmp_path, "event.action|re=^exp(ort)?$")
    assert result.exit_code == 1
    assert "'all of it' must still be written" in result.stderr


@pytest.mark.parametrize("name", ["a_new_rule.yml", "a_new_rule.cases.json"])
def test_it_never_writes_over_a_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(UserError, match=f"{name}: this file exists already"):
        written(tmp_path, "event.action=export")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]
