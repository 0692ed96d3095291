"""Rules for Kibana: valid by Elastic's own schemas, complete, the same twice, and each rule in one place.

The schemas are those that elastic/detection-rules holds its rules to. They leave `type` out of an item of
`required_fields`, which Kibana's own API demands, so that it is taken out for them and looked at apart.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped] # it has no types of its own
import msgspec
import pytest
from click.testing import CliRunner, Result

from innerwatch.detection import alerts
from innerwatch.detection import rules as detection
from innerwatch.detection.rules import CompiledRule
from innerwatch.fields import DATASETS
from innerwatch_cli.attack import attack
from innerwatch_cli.commands.compile import compile_
from innerwatch_cli.kibana import rules as kibana
from innerwatch_cli.kibana import saved_objects
from innerwatch_cli.main import COMMANDS
from innerwatch_cli.paths import RULES
from innerwatch_cli.sigma import compile_rules
from tests import ecs

DATA = Path(__file__).parents[3] / "shared" / "data"
SCHEMAS = DATA / "kibana" / "rule-schemas"
SIGMAHQ = DATA / "sigma" / "aws"
GOLDEN = Path(__file__).parents[1] / "golden" / "kibana"
CASES = sorted(GOLDEN.glob("*.yml"))

HEAD = "title: {0}\nid: 0e95725d-7320-415d-80f7-004da920fc{1}\nname: {0}\n"
APP = HEAD + "logsource: {{product: app, service: access}}\ndetection:\n  a: {{{2}}}\n  condition: a\nlevel: {3}\n"
AWS = APP.replace("product: app, service: access", "product: aws, service: cloudtrail")
BURST = (
    HEAD + "correlation:\n  type: event_count\n  rules: [{2}]\n  group-by: [employee.id]\n  timespan: 1h\n"
    "  condition: {{gte: 3}}\n"
)


@cache
def compiled(folder: Path) -> dict[str, CompiledRule]:
    return {rule.id: rule for rule in compile_rules([folder])}


@cache
def exported(folder: Path) -> kibana.Export:
    return kibana.export(compiled(folder).values(), compiled(folder), "innerwatch")


def native(folder: Path) -> list[tuple[CompiledRule, kibana.Rule]]:
    known = compiled(folder)
    return [(known[rule["rule_id"]], rule) for rule in exported(folder).rules if rule["rule_id"] in known]


def one(tmp_path: Path, text: str) -> CompiledRule:
    path = tmp_path / "rule.yml"
    path.write_text(text)
    (rule,) = compile_rules([path])
    return rule


def export(*rules: CompiledRule) -> kibana.Export:
    return kibana.export(rules, {rule.id: rule for rule in rules}, "innerwatch")


def command(*arguments: str) -> Result:
    return CliRunner().invoke(compile_, [*arguments, "--to", "kibana"])


# --- valid by Elastic's schemas


@cache
def schema(release: str, kind: str) -> Mapping[str, Any]:
    read: dict[str, Any] = json.loads((SCHEMAS / release / f"{release}.{kind}.json").read_text())
    return read


@pytest.mark.skipif(not SCHEMAS.exists(), reason="Elastic's rule schemas are not beside the checkout (../shared/data)")
@pytest.mark.parametrize("release", ["8.19", "9.5"])
@pytest.mark.parametrize("folder", [RULES, SIGMAHQ, GOLDEN], ids=["pack", "sigmahq", "golden"])
def test_every_rule_is_valid(folder: Path, release: str) -> None:
    if not folder.exists():
        pytest.skip("SigmaHQ's rules are not beside the checkout (../shared/data)")
    rules = exported(folder).rules
    assert rules
    for rule in rules:
        for item in rule["required_fields"]:
            assert set(item) == {"name", "type", "ecs"}
        bare = {
            **rule,
            "required_fields": [{"name": i["name"], "ecs": i["ecs"]} for i in rule["required_fields"]],
        }
        wrong = list(jsonschema.Draft4Validator(schema(release, rule["type"])).iter_errors(bare))
        assert not wrong, (rule["name"], [error.message for error in wrong])


@pytest.mark.skipif(not SCHEMAS.exists(), reason="Elastic's rule schemas are not beside the checkout (../shared/data)")
def test_the_schemas_do_refuse(tmp_path: Path) -> None:
    (rule,) = export(one(tmp_path, APP.format("a", 11, "event.action: view", "low"))).rules
    validator = jsonschema.Draft4Validator(schema("8.19", "query"))
    spoilt: dict[str, Any] = {"severity": "informational", "interval": "soon", "rule_id": "1", "surprise": 1}
    for name, value in spoilt.items():
        assert any(name in str(error) for error in validator.iter_errors({**rule, name: value})), name


# --- each rule in one place


@pytest.mark.parametrize("folder", [RULES, SIGMAHQ], ids=["pack", "sigmahq"])
def test_each_rule_runs_in_one_place(folder: Path) -> None:
    if not folder.exists():
        pytest.skip("SigmaHQ's rules are not beside the checkout (../shared/data)")
    found, known = exported(folder), compiled(folder)
    in_kibana = {rule["rule_id"] for rule in found.rules} - {kibana.PROMOTION_ID}
    in_engine = {rule.id for rule, _ in found.engine}
    assert not in_kibana & in_engine
    assert in_kibana | in_engine == {rule.id for rule in known.values() if rule.alerts}
    assert not found.refused
    assert len(in_kibana) > 20
    assert [rule["rule_id"] for rule in found.rules].count(kibana.PROMOTION_ID) == 1
    assert all(f'"{identity}"' in found.rules[-1]["query"] for identity in in_kibana)
    assert not any(identity in found.rules[-1]["query"] for identity in in_engine)
    for identity in in_kibana:
        assert known[identity].exact
        assert known[identity].correlation is None


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (APP.format("a", 11, "event.action|re: ex.*t", "high"), "Lucene alone cannot decide"),
        (APP.format("a", 11, "'@timestamp|hour': 3", "high"), "Lucene alone cannot decide"),
        (APP.format("a", 11, "service.name|contains: crm", "high"), "values of service.name that are too long"),
        (
            AWS.format("a", 11, "requestParameters.userName|startswith: adm", "high"),
            "values of aws.cloudtrail.match.request_parameters that are too long",
        ),
        (AWS.format("a", 11, "employee.resolution.reason|contains: role", "high"), "employee.resolution.reason"),
        (
            APP.format("a", 11, "event.kind: metric", "high").replace(
                "product: app, service: access", "product: innerwatch, service: behaviour"
            ),
            "whose documents grow through the day",
        ),
    ],
)
def test_what_kibana_would_not_get_exactly_right_is_the_engines(tmp_path: Path, rule: str, reason: str) -> None:
    found = export(one(tmp_path, rule))
    assert [item["rule_id"] for item in found.rules] == [kibana.PROMOTION_ID]
    ((_, why),) = found.engine
    assert reason in why


@pytest.mark.parametrize(
    "rule",
    [
        AWS.format("a", 11, "userAgent|contains: curl", "high"),  # AWS cuts it at 1 KB
        APP.format("a", 11, "employee.department|startswith: sales", "high"),
    ],
)
def test_values_that_are_always_short_stay_in_kibana(tmp_path: Path, rule: str) -> None:
    found = export(one(tmp_path, rule))
    assert not found.engine
    assert [item["name"] for item in found.rules] == ["a"]


def test_an_informational_rule_is_a_building_block(tmp_path: Path) -> None:
    (rule,) = export(one(tmp_path, APP.format("a", 11, "event.action: view", "informational"))).rules
    assert (rule["severity"], rule["risk_score"], rule["building_block_type"]) == ("low", 1, "default")


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (APP.format("a", 11, "Image: x", "low").replace("product: app, service: access", "product: windows"), "none"),
        (APP.format("a", 11, "event.action: view", "informational\nstatus: unsupported"), "status is unsupported"),
        (APP.format("a", 11, "event.action|re: v", "informational"), "informational rules raise no alerts"),
    ],
)
def test_what_runs_nowhere_is_refused(tmp_path: Path, rule: str, reason: str) -> None:
    (tmp_path / "rule.yml").write_text(rule)
    result = command(str(tmp_path))
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "for Kibana: 0, run by `innerwatch detect`: 0, serving a correlation only: 0, refused: 1" in result.stderr
    assert f"{tmp_path}/rule.yml: 'a' runs nowhere: " in result.stderr
    assert reason in result.stderr


def test_the_command_says_where_each_rule_runs(tmp_path: Path) -> None:
    (tmp_path / "one.yml").write_text(APP.format("one", 11, "event.action: export", "low"))
    (tmp_path / "two.yml").write_text(APP.format("two", 12, "event.action: view", "high"))
    (tmp_path / "burst.yml").write_text(BURST.format("burst", 13, "one"))
    result = command(str(tmp_path), "--namespace", "acme")
    assert result.exit_code == 0
    rules = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(rule["name"], rule["index"]) for rule in rules] == [
        ("two", ["logs-app.access-acme"]),
        ("Innerwatch Alert", ["logs-innerwatch.alert-acme"]),
    ]
    assert result.stderr.splitlines() == [
        (
            f"{tmp_path}/burst.yml: 'burst' is a correlation, which Lucene cannot express; "
            "`innerwatch detect` runs it, the promotion rule raises its alerts"
        ),
        "for Kibana: 1, run by `innerwatch detect`: 1, serving a correlation only: 1, refused: 0",
    ]


def test_what_does_not_compile_is_counted_as_refused(tmp_path: Path) -> None:
    (tmp_path / "one.yml").write_text(APP.format("one", 11, "event.action: export", "low"))
    (tmp_path / "two.yml").write_text(APP.format("two", 12, "no.such.field: view", "high"))
    result = command(str(tmp_path))
    assert result.exit_code == 2
    assert [json.loads(line)["name"] for line in result.stdout.splitlines()] == ["one"]
    assert "for Kibana: 1, run by `innerwatch detect`: 0, serving a correlation only: 0, refused: 1" in result.stderr
    assert "no field 'no.such.field'" in result.stderr


def test_the_documentation_says_where_most_rules_run() -> None:
    text = " ".join((Path(__file__).parents[2] / "docs" / "kibana.md").read_text().split())
    found = exported(RULES)
    assert "About a third of the pack runs in Kibana" in text
    assert 0.25 < len(found.rules) / (len(found.rules) + len(found.engine)) < 0.42
    if SIGMAHQ.exists():
        found = exported(SIGMAHQ)
        assert f"AWS rules, {len(found.rules) - 1} and {len(found.engine)}" in text


# --- the same twice, and a version that moves with the content


def test_the_same_bytes_twice_wherever_the_rules_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pack").symlink_to(RULES)
    monkeypatch.chdir(tmp_path)
    first, again = command(str(RULES)), command("pack")
    assert first.exit_code == again.exit_code == 0
    assert first.stdout == again.stdout
    assert command(str(RULES)).stdout == first.stdout


def test_the_version_moves_with_the_content_alone(tmp_path: Path) -> None:
    rule = msgspec.structs.replace(
        one(tmp_path, APP.format("a", 11, "event.action: view", "low")), version="2026-03-10"
    )

    def version(**changes: Any) -> int:
        return int(kibana.detection_rule(msgspec.structs.replace(rule, **changes), "innerwatch")["version"])

    assert version() == version() == version(path="/elsewhere/rule.yml")
    changes: list[dict[str, Any]] = [
        {"description": "x"},
        {"title": "b"},
        {"level": "high"},
        {"query": 'event.action:"print"'},
        {"falsepositives": ("y",)},
        {"tags": ("attack.collection",)},
    ]
    versions = {version(), *(version(**change) for change in changes)}
    assert len(versions) == len(changes) + 1
    assert version(version="2026-03-11") > max(versions)
    assert version(version="") >= 1
    assert max(versions) < 2**31


def test_versions_and_ids_are_the_rules_own() -> None:
    rules = exported(RULES).rules
    assert max(Counter(rule["rule_id"] for rule in rules).values()) == 1
    for compiled_rule, rule in native(RULES):
        assert rule["rule_id"] == compiled_rule.id
        assert rule["query"] == compiled_rule.query


# --- what is in a rule


def test_levels_become_severity_and_risk() -> None:
    for compiled_rule, rule in native(RULES):
        assert rule["severity"] == compiled_rule.level
        assert rule["risk_score"] == alerts.RISK[compiled_rule.level]


@pytest.mark.parametrize("folder", [RULES, SIGMAHQ], ids=["pack", "sigmahq"])
def test_each_tactic_has_its_own_techniques(folder: Path) -> None:
    if not folder.exists():
        pytest.skip("SigmaHQ's rules are not beside the checkout (../shared/data)")
    table, pairs = attack(), 0
    tactics = {identity: name for name, (identity, _) in table.tactics.items()}
    for compiled_rule, rule in native(folder):
        tagged = {tag.removeprefix("attack.").upper() for tag in compiled_rule.tags if re.search(r"\.t\d", tag)}
        paired = set()
        for threat in rule["threat"]:
            for technique in threat.get("technique", ()):
                below = technique.get("subtechnique", ())
                for item in (technique, *below):
                    assert item["name"] == table.techniques[item["id"]].name
                for item in below or (technique,):
                    assert tactics[threat["tactic"]["id"]] in table.techniques[item["id"]].tactics, rule["name"]
                    pairs += 1
                paired |= {item["id"] for item in (technique, *below)}
        assert {table.withdrawn.get(one, one) for one in tagged} <= paired, rule["name"]
    assert pairs > 20


def test_every_field_is_one_of_the_table() -> None:
    for rule in exported(RULES).rules:
        dataset = rule["index"][0].removeprefix("logs-").removesuffix("-innerwatch")
        rows = {row.name: row.type for row in DATASETS[dataset]}
        rows |= {row.match: "flattened" for row in DATASETS[dataset] if row.match}
        flattened = tuple(f"{name}." for name, kind in rows.items() if kind == "flattened")
        for item in rule["required_fields"]:
            assert rows[item["name"]] == item["type"], rule["name"]
        named = [*rule["investigation_fields"]["field_names"], *rule["alert_suppression"]["group_by"]]
        assert (
            len(named) == len(set(named)) + named.count("event.id" if "event.id" in named[:-1] else "employee.id") - 1
        )
        for name in (*named, rule["timestamp_override"]):
            assert name in rows or name.startswith(flattened), (rule["name"], name)
        for name in re.findall(
            r"`((?:access|aws|email|employee|event|innerwatch|rule|source|user_agent)\.[\w.]+)`", rule["note"]
        ):
            assert name in rows, (rule["name"], name)


def test_required_fields_are_those_that_the_condition_asks_for() -> None:
    for compiled_rule, rule in native(RULES):
        named = tuple(item["name"] for item in rule["required_fields"])
        for test in detection.tests(compiled_rule.condition):
            assert test.field in named or test.field.startswith(tuple(f"{name}." for name in named)), rule["name"]
    assert any(item["type"] == "flattened" for _, rule in native(RULES) for item in rule["required_fields"])


@pytest.mark.skipif(not ecs.ECS_FLAT.exists(), reason="ECS is not beside the checkout (../shared/data)")
def test_ecs_fields_are_marked_as_such() -> None:
    for rule in exported(RULES).rules:
        for item in rule["required_fields"]:
            assert item["ecs"] == (item["name"] in ecs.ecs()), item


def test_guides_say_what_the_rule_says_and_name_real_commands() -> None:
    for compiled_rule, rule in native(RULES):
        note = rule["note"]
        assert compiled_rule.description in note
        assert all(f"- {item}" in note for item in compiled_rule.falsepositives)
        for heading in (
            "What it means",
            "Who it was",
            "What to check",
            "False positives",
            "Who else",
            "Raw record and proof",
            "Notes",
        ):
            assert note.count(f"## {heading}\n") == 1
        assert rule["rule_id"] in rule["setup"]  # tells our rules from copies that analysts make in Kibana
    dashboards = {item["id"] for item in saved_objects.read(saved_objects.OBJECTS) if item["type"] == "dashboard"}
    for rule in exported(RULES).rules:
        links = re.findall(r"\]\(([^)]*)\)", rule["note"])
        assert len(links) == 2
        assert {link.removeprefix("/app/dashboards#/view/") for link in links} <= dashboards
        said = re.findall(r"(?:^|`)innerwatch (\w+)", rule["note"] + rule["setup"], re.MULTILINE)
        assert set(said) <= set(COMMANDS)
        assert said


def test_the_schedule_looks_back_over_interval_and_lag() -> None:
    for rule in exported(RULES).rules:
        assert (rule["interval"], rule["from"], rule["to"]) == ("5m", "now-25m", "now")
        assert rule["timestamp_override"] == "event.ingested"
        assert rule["alert_suppression"]["missing_fields_strategy"] == "doNotSuppress"


# --- golden files


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_golden(case: Path) -> None:
    """INNERWATCH_WRITE_GOLDEN=1 writes what is expected, to be read before it is kept."""
    result = command(str(case))
    assert result.exit_code == 0
    rules = [json.loads(line) for line in result.stdout.splitlines()]
    expected = case.with_suffix(".expected.json")
    if "INNERWATCH_WRITE_GOLDEN" in os.environ:
        expected.write_text(json.dumps(rules, indent=2, ensure_ascii=False) + "\n")
    assert rules == json.loads(expected.read_text())
    assert [list(rule) for rule in rules] == [list(rule) for rule in json.loads(expected.read_text())]
