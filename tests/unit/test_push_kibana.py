"""`innerwatch push kibana` and `export`, against the stand-in: what is written, what is not, what analysts keep.

No real Kibana runs here. The stand-in (tests/kibana_stand_in.py) holds requests to Elastic's rule schemas, where these
are beside the checkout, and to what is read from Kibana's sources.
"""

import copy
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from click.testing import CliRunner, Result
from urllib3.util import Timeout

from innerwatch.errors import UserError
from innerwatch_cli.authoring.references import compile_with_referred
from innerwatch_cli.kibana import client, files, guide, push, saved_objects
from innerwatch_cli.kibana.rules import PROMOTION_ID, REACH
from innerwatch_cli.main import cli
from innerwatch_cli.paths import RULES
from tests import kibana_stand_in
from tests.kibana_stand_in import KEY, OBJECTS, RULES_ALL, RULES_READ, SCHEMAS, Fault, Space, StandIn

RULE = (
    "title: {0}\nid: 0e95725d-7320-415d-80f7-004da920fc{1}\nname: {0}\nauthor: Ana Novak\ntags: [attack.collection]\n"
    "logsource: {{product: app, service: access}}\ndetection:\n  a: {{{2}}}\n  condition: a\nlevel: {3}\n"
)
BURST = (
    "title: burst\nid: 0e95725d-7320-415d-80f7-004da920fc13\nname: burst\ncorrelation:\n  type: event_count\n"
    "  rules: [one]\n  group-by: [employee.id]\n  timespan: 1h\n  condition: {gte: 3}\n"
)
ONE, TWO = "0e95725d-7320-415d-80f7-004da920fc11", "0e95725d-7320-415d-80f7-004da920fc12"
POLICY = client.RETRY
EXCEPTIONS = [{"id": "e-1", "list_id": "l-1", "type": "rule_default", "namespace_type": "single"}]
ACTIONS = [{"id": "mail", "action_type_id": ".email", "group": "default", "params": {"message": "look"}}]
FILTERS = [{"query": {"match_phrase": {"service.name": "crm"}}, "meta": {"negate": True}}]
OURS_AND_THEIRS = ("exceptions_list", "actions", "filters", "enabled", "timeline_id")


@pytest.fixture(params=kibana_stand_in.RELEASES)
def kibana(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    monkeypatch.setattr(client, "RETRY", client.RETRY.new(backoff_factor=0, backoff_jitter=0))
    monkeypatch.setattr(files, "compile_with_referred", compile_once)
    with kibana_stand_in.running(StandIn(request.param)) as stand_in:
        monkeypatch.setenv("KIBANA_URL", stand_in.url)
        monkeypatch.setenv("KIBANA_API_KEY", KEY)
        yield stand_in


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """Two rules for Kibana."""
    folder = tmp_path / "rules"
    folder.mkdir()
    write(folder, "one", 11)
    write(folder, "two", 12)
    return folder


@cache
def compiled_pack() -> Any:
    return compile_with_referred([RULES], None)


def compile_once(paths: Sequence[Path], pipelines: Sequence[Path] | None) -> Any:
    """The whole pack takes a second to compile, and many tests push it."""
    return compiled_pack() if list(paths) == [RULES] else compile_with_referred(paths, pipelines)


def pack_size() -> int:
    return len(files.compiled([RULES], None, "innerwatch").rules)


def write(folder: Path, name: str, number: int, test: str = "event.action: export", level: str = "high") -> Path:
    path = folder / f"{name}.yml"
    path.write_text(RULE.format(name, number, test, level))
    return path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["push", "kibana", *map(str, arguments)])


def pushed(*arguments: str | Path) -> Result:
    result = run(*arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return result


def refused(*arguments: str | Path) -> str:
    """The one line that an error is told in."""
    result = run(*arguments)
    assert isinstance(result.exception, UserError), (result.output, result.exception)
    line = str(result.exception)
    assert len(line.splitlines()) == 1
    assert KEY not in line + result.output
    return line


def as_analyst(space: Space, name: str, *, enabled: bool = False) -> dict[str, Any]:
    """What an analyst does to a rule in Kibana; what must stay of it comes back."""
    rule = space.named(name)
    rule |= {"exceptions_list": EXCEPTIONS, "actions": ACTIONS, "filters": FILTERS, "timeline_id": "t-1"}
    rule["enabled"] = enabled
    rule["tags"] = ["Team blue", *rule["tags"]]
    rule["note"] += "\n\n- Ask Bo first.\n"
    rule["revision"] += 1
    return copy.deepcopy({field: rule[field] for field in OURS_AND_THEIRS})


def theirs(rule: dict[str, Any]) -> dict[str, Any]:
    assert "Team blue" in rule["tags"]
    assert rule["note"].endswith("renews the rule.\n\n- Ask Bo first.\n")
    return {field: rule[field] for field in OURS_AND_THEIRS}


# --- what a push writes


def test_the_first_push_installs_the_pack_and_the_second_writes_nothing(kibana: StandIn) -> None:
    count = pack_size()
    assert f"created: {count}, updated: 0, disabled: 0, unchanged: 0" in pushed().stdout
    space = kibana.space()
    assert len(space.rules) == count > 20
    assert all(rule["enabled"] and rule["tags"][0] == "Innerwatch" for rule in space.rules.values())
    assert all(rule["from"] == f"now-{REACH}m" for rule in space.rules.values())
    assert PROMOTION_ID in space.rules
    lines = [path.read_text().splitlines() for path in (saved_objects.OBJECTS, saved_objects.TIMELINES)]
    assert (len(space.objects), len(space.timelines)) == tuple(map(len, lines))
    assert len(space.objects) >= 9
    assert len(kibana.writes) == count + 2  # saved objects and timelines go in a file each

    before = copy.deepcopy(space.rules)
    again = pushed()
    assert f"created: 0, updated: 0, disabled: 0, unchanged: {count}, left alone: 0" in again.stdout
    assert "saved objects written: 0" in again.stdout
    assert len(kibana.writes) == count + 2
    assert space.rules == before


def test_the_guides_link_to_dashboards_that_are_pushed(kibana: StandIn) -> None:
    kibana.spaces["hr-team"] = Space()
    pushed()
    pushed("--space", "hr-team")
    for name, path, suffix in (("default", "", ""), ("hr-team", "/s/hr-team", "-hr-team")):
        space = kibana.space(name)
        dashboards = {identity for kind, identity in space.objects if kind == "dashboard"}
        for rule in space.rules.values():
            for identity in guide.DASHBOARDS:
                assert identity + suffix in dashboards
                assert f"]({path}/app/dashboards#/view/{identity}{suffix})" in rule["note"]
    writes = len(kibana.writes)
    pushed("--space", "hr-team")
    pushed()
    assert len(kibana.writes) == writes


def test_links_have_the_base_path_of_a_kibana_behind_a_proxy(kibana: StandIn, rules: Path) -> None:
    kibana.base, kibana.spaces["hr"] = "/siem", Space()
    pushed(rules, "--url", f"{kibana.url}/siem/", "--space", "hr")
    assert "](/siem/s/hr/app/dashboards#/view/innerwatch-person-hr)" in kibana.space("hr").named("one")["note"]
    assert "is no Kibana" in refused(rules)


def test_more_rules_than_a_page_holds(kibana: StandIn, rules: Path) -> None:
    pushed(rules, "--rules-only")
    rows = kibana.space().rules
    for number in range(250):
        rows[f"r-{number}"] = {
            **rows[ONE],
            "id": f"id-{number}",
            "rule_id": f"r-{number}",
            "created_at": f"2027-{number}",
        }
    found = client.Kibana(kibana.url, KEY).ours()
    assert {rule["rule_id"] for rule in found} == set(rows)


def test_a_change_of_one_rule_is_one_write(kibana: StandIn, rules: Path) -> None:
    pushed(rules, "--rules-only")
    kept = as_analyst(kibana.space(), "one")
    other = copy.deepcopy(kibana.space().named("two"))
    before = copy.deepcopy(kibana.space().named("one"))
    write(rules, "one", 11, level="critical")
    result = pushed(rules, "--rules-only")
    assert "~ rule 'one': severity, risk_score" in result.stdout
    assert kibana.writes[2:] == [("PATCH", "/api/detection_engine/rules")]
    sent = kibana.requests[-1].body
    assert set(sent) == {"rule_id", "severity", "risk_score", "version"}
    after = kibana.space().named("one")
    assert (after["severity"], after["risk_score"]) == ("critical", 99)
    assert after["version"] > before["version"]
    assert after["revision"] == before["revision"] + 1
    assert theirs(after) == kept
    assert kibana.space().named("two") == other


def test_versions_only_go_forward(kibana: StandIn, rules: Path) -> None:
    """The version in a rule is made from a hash, which may be smaller than the one before."""
    pushed(rules, "--rules-only")
    seen = [kibana.space().named("one")["version"]]
    for level in ("low", "medium", "critical", "low"):
        write(rules, "one", 11, level=level)
        pushed(rules, "--rules-only")
        seen.append(kibana.space().named("one")["version"])
        pushed(rules, "--rules-only")
        assert kibana.space().named("one")["version"] == seen[-1]
    assert seen == sorted(set(seen))


def test_what_was_changed_in_our_part_comes_back(kibana: StandIn, rules: Path) -> None:
    pushed(rules, "--rules-only")
    kibana.space().named("one")["query"] = "nothing:at-all"
    assert "~ rule 'one': query" in pushed(rules, "--rules-only").stdout
    assert kibana.space().named("one")["query"] == 'event.action:"export"'


def test_a_new_guide_keeps_the_notes_and_a_new_tag_the_tags(kibana: StandIn, rules: Path) -> None:
    pushed(rules, "--rules-only")
    kept = as_analyst(kibana.space(), "one", enabled=True)
    path = rules / "one.yml"
    path.write_text(
        path.read_text().replace("[attack.collection]", "[attack.exfiltration]") + "description: New words.\n"
    )
    assert "~ rule 'one': description, tags, threat, note" in pushed(rules, "--rules-only").stdout
    after = kibana.space().named("one")
    assert theirs(after) == kept
    assert "New words." in after["note"]
    assert after["tags"][-2:] == ["attack.exfiltration", "Team blue"]
    assert "attack.collection" not in after["tags"]
    writes = len(kibana.writes)
    pushed(rules, "--rules-only")
    assert len(kibana.writes) == writes


def test_a_guide_that_an_analyst_wrote_anew_is_kept_below_ours(kibana: StandIn, rules: Path) -> None:
    pushed(rules, "--rules-only")
    kibana.space().named("one")["note"] = "Call Bo."
    pushed(rules, "--rules-only")
    note = kibana.space().named("one")["note"]
    assert note.startswith("## What it means")
    assert note.endswith("renews the rule.\n\nCall Bo.")
    pushed(rules, "--rules-only")
    assert len(kibana.writes) == 3


def test_a_field_that_patch_cannot_take_away(kibana: StandIn, rules: Path) -> None:
    """The rule is put whole, so with the analysts' part as it is at that moment."""
    write(rules, "one", 11, level="informational")
    pushed(rules, "--rules-only")
    assert kibana.space().named("one")["building_block_type"] == "default"
    kept = as_analyst(kibana.space(), "one")
    write(rules, "one", 11, level="high")
    pushed(rules, "--rules-only")
    after = kibana.space().named("one")
    assert "building_block_type" not in after
    assert after["severity"] == "high"
    assert theirs(after) == kept
    assert kibana.writes[2:] == [("PUT", "/api/detection_engine/rules")]
    pushed(rules, "--rules-only")
    assert len(kibana.writes) == 3


def test_a_licence_that_is_gone_is_gone(kibana: StandIn, rules: Path) -> None:
    path = rules / "one.yml"
    without = path.read_text()
    path.write_text(without + "license: MIT\n")
    pushed(rules, "--rules-only")
    assert kibana.space().named("one")["license"] == "MIT"
    path.write_text(without)
    pushed(rules, "--rules-only")
    assert kibana.space().named("one")["license"] == ""
    pushed(rules, "--rules-only")
    assert len(kibana.writes) == 3


# --- what is removed


def test_a_removed_rule_is_disabled_and_comes_back(kibana: StandIn, rules: Path) -> None:
    (rules / "burst.yml").write_text(BURST)
    pushed(rules, "--rules-only")
    kept = as_analyst(kibana.space(), "two", enabled=True)
    (rules / "two.yml").unlink()
    result = pushed(rules, "--rules-only")
    assert "- rule 'two': enabled, tags" in result.stdout
    # The promotion rule now raises the engine's alerts of `two` again.
    assert "created: 0, updated: 1, disabled: 1" in result.stdout
    after = kibana.space().named("two")
    assert theirs(after) == kept | {"enabled": False}
    assert push.REMOVED in after["tags"]
    writes = len(kibana.writes)
    pushed(rules, "--rules-only")
    assert len(kibana.writes) == writes

    write(rules, "two", 12)
    pushed(rules, "--rules-only")
    after = kibana.space().named("two")
    assert theirs(after) == kept
    assert push.REMOVED not in after["tags"]


def test_what_an_analyst_decided_of_a_removed_rule_stays(kibana: StandIn, rules: Path) -> None:
    pushed(rules, "--rules-only")
    kibana.space().named("one")["enabled"] = False
    for path in (rules / "one.yml", rules / "two.yml"):
        path.rename(path.with_suffix(".gone"))
    write(rules, "three", 14)
    assert "created: 1, updated: 0, disabled: 1" in pushed(rules, "--rules-only").stdout
    kibana.space().named("two")["enabled"] = True  # wanted all the same
    for _ in range(2):
        pushed(rules, "--rules-only")
        assert kibana.space().named("two")["enabled"]
    for path in rules.glob("*.gone"):
        path.rename(path.with_suffix(".yml"))
    pushed(rules, "--rules-only")
    assert not kibana.space().named("one")["enabled"]  # they had disabled it before it was removed
    assert kibana.space().named("two")["enabled"]


def test_only_our_own_rules_are_disabled(kibana: StandIn, rules: Path) -> None:
    """Neither a copy made in Kibana, which has our tags and text but its own id, nor a rule of somebody else."""
    pushed(rules, "--rules-only")
    rows = kibana.space().rules
    rows["copy"] = {**copy.deepcopy(rows[TWO]), "rule_id": "copy", "name": "two [Duplicate]", "id": "c-1"}
    rows["other"] = {**copy.deepcopy(rows[TWO]), "rule_id": "other", "name": "other", "id": "o-1", "tags": ["Elastic"]}
    before = copy.deepcopy((rows["copy"], rows["other"]))
    (rules / "two.yml").unlink()
    assert "disabled: 1" in pushed(rules, "--rules-only").stdout
    assert (rows["copy"], rows["other"]) == before


def test_a_rule_of_somebody_else_with_our_id_is_left_alone(kibana: StandIn, rules: Path) -> None:
    pushed(rules, "--rules-only")
    rule = kibana.space().named("one")
    rule |= {"tags": ["Elsewhere"], "query": "theirs:yes"}
    before = copy.deepcopy(rule)
    result = pushed(rules, "--rules-only")
    assert f"left alone: 'one' has a rule of ours' id, {ONE}, but not the tag Innerwatch" in result.stderr
    assert "unchanged: 1, left alone: 1" in result.stdout
    assert rule == before
    assert len(kibana.writes) == 2


def test_most_rules_are_not_disabled_by_mistake(kibana: StandIn, tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    folder.mkdir()
    for number in range(20, 32):
        write(folder, f"rule{number}", number)
    pushed(folder, "--rules-only")
    line = refused(folder / "rule20.yml", "--rules-only")
    assert "11 of the 12 rules that Innerwatch has in Kibana are not among those given" in line
    assert all(rule["enabled"] for rule in kibana.space().rules.values())
    pushed(folder / "rule20.yml", "--rules-only", "--disable-many")
    assert sum(rule["enabled"] for rule in kibana.space().rules.values()) == 1


def test_nothing_is_pushed_if_a_rule_does_not_compile(kibana: StandIn, rules: Path) -> None:
    pushed(rules, "--rules-only")
    write(rules, "one", 11, test="no.such.field: x")
    result = run(rules, "--rules-only")
    assert result.exit_code == 2
    assert "no field 'no.such.field'" in result.stderr
    assert "nothing was pushed" in result.stderr
    assert all(rule["enabled"] for rule in kibana.space().rules.values())
    assert len(kibana.writes) == 2


# --- dry run


def test_a_dry_run_shows_the_difference_and_writes_nothing(kibana: StandIn, rules: Path) -> None:
    first = pushed(rules, "--dry-run")
    assert "+ rule 'one'" in first.stdout
    assert "+ dashboard '[Innerwatch] Person': new" in first.stdout
    assert "would be created: 2, updated: 0, disabled: 0" in first.stdout
    assert not kibana.writes
    pushed(rules)
    writes = len(kibana.writes)
    as_analyst(kibana.space(), "one")
    write(rules, "one", 11, test="event.action: [export, download]", level="low")
    (rules / "two.yml").unlink()
    before = copy.deepcopy(kibana.space().rules)
    lines = pushed(rules, "--dry-run").stdout.splitlines()
    assert "~ rule 'one': query, severity, risk_score, note" in lines
    assert '    query: event.action:"export" → event.action:"export" OR event.action:"download"' in lines
    assert "    severity: high → low" in lines
    assert "    risk_score: 73 → 21" in lines
    assert any(line.startswith("    note: - | WHERE QSTR(") for line in lines)
    assert "- rule 'two': enabled, tags" in lines
    assert f"    tags: + {push.REMOVED}" in lines
    assert (
        "would be created: 0, updated: 1, disabled: 1, unchanged: 0, left alone: 0; saved objects written: 0" in lines
    )
    assert len(kibana.writes) == writes
    assert kibana.space().rules == before


# --- dashboards and the like


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copies of our saved objects' files, to be changed."""
    for name in ("OBJECTS", "TIMELINES"):
        path = getattr(saved_objects, name)
        shutil.copy(path, tmp_path / path.name)
        monkeypatch.setattr(saved_objects, name, tmp_path / path.name)
    return tmp_path


def test_only_changed_saved_objects_are_written(kibana: StandIn, rules: Path, shipped: Path) -> None:
    pushed(rules)
    before = copy.deepcopy(kibana.space().objects)
    objects = saved_objects.read(saved_objects.OBJECTS)
    (person,) = (one for one in objects if one["id"] == "innerwatch-person")
    person["attributes"]["description"] = "New."
    saved_objects.OBJECTS.write_text("".join(f"{json.dumps(one)}\n" for one in objects))
    result = pushed(rules)
    assert "~ dashboard '[Innerwatch] Person': changed" in result.stdout
    assert "saved objects written: 1" in result.stdout
    after = kibana.space().objects
    assert [key for key in after if after[key] != before[key]] == [("dashboard", "innerwatch-person")]
    del after["search", "innerwatch-access"]
    assert "+ search '[Innerwatch] Access by person': new" in pushed(rules).stdout


def test_dashboards_that_were_edited_in_kibana_are_left_alone(kibana: StandIn, rules: Path, shipped: Path) -> None:
    pushed(rules)
    dashboard = kibana.space().objects["dashboard", "innerwatch-person"]
    dashboard["attributes"]["title"] = "Mine"
    # Kibana's editor writes references to tags anew: saved_objects_tagging_oss, updateTagsReferences
    dashboard["references"][-1] |= {"name": "tag-ref-innerwatch-tag"}
    result = pushed(rules)
    assert "saved objects written: 0" in result.stdout
    assert "dashboard '[Innerwatch] Person' was edited in Kibana; --overwrite-edited puts it back" in result.stderr
    assert dashboard["attributes"]["title"] == "Mine"
    pushed(rules, "--overwrite-edited")
    assert kibana.space().objects["dashboard", "innerwatch-person"]["attributes"]["title"] == "[Innerwatch] Person"


def test_a_timeline_template_is_renewed_by_its_version(kibana: StandIn, rules: Path, shipped: Path) -> None:
    pushed(rules)
    (template,) = saved_objects.read(saved_objects.TIMELINES)
    saved_objects.TIMELINES.write_text(json.dumps({**template, "templateTimelineVersion": 7, "title": "Newer"}) + "\n")
    assert "+ timeline template 'Newer'" in pushed(rules).stdout
    (there,) = kibana.space().timelines.values()
    assert there["title"] == "Newer"
    assert "saved objects written: 0" in pushed(rules).stdout


def test_a_saved_object_that_kibana_does_not_take(kibana: StandIn, rules: Path, shipped: Path) -> None:
    objects = [one for one in saved_objects.read(saved_objects.OBJECTS) if one["type"] != "index-pattern"]
    saved_objects.OBJECTS.write_text("".join(f"{json.dumps(one)}\n" for one in objects))
    line = refused(rules)
    assert "did not take search innerwatch-alerts missing_references" in line


# --- what goes wrong


def test_a_wrong_key(kibana: StandIn, rules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIBANA_API_KEY", "d3Jvbmc=")
    assert refused(rules) == (
        f"Kibana at {kibana.url} does not know the API key (401); set KIBANA_API_KEY to a valid one"
    )
    monkeypatch.setenv("KIBANA_API_KEY", "käse")
    assert "the API key is not one" in refused(rules)
    monkeypatch.delenv("KIBANA_API_KEY")
    assert refused(rules).startswith("no API key; set KIBANA_API_KEY")
    monkeypatch.delenv("KIBANA_URL")
    assert refused(rules) == "no Kibana; give --url or set KIBANA_URL"


@pytest.mark.parametrize("lacking", ["everything", "rules", "writing", "objects", "timelines", "timelines' writing"])
def test_a_missing_privilege_is_named(kibana: StandIn, rules: Path, lacking: str) -> None:
    read, everything = RULES_READ[kibana.release], RULES_ALL[kibana.release]
    granted = {
        "everything": set(),
        "rules": {OBJECTS},
        "writing": {read, OBJECTS, kibana_stand_in.TIMELINE_READ, kibana_stand_in.TIMELINE_WRITE},
        "objects": {read, everything},
        "timelines": {read, everything, OBJECTS},
        "timelines' writing": {read, everything, OBJECTS, kibana_stand_in.TIMELINE_READ},
    }[lacking]
    kibana.keys[KEY] = {"default": granted}
    expected = {
        "everything": "the API key may not enter the space 'default'",
        "rules": f"the API key lacks the Kibana privilege {read} for GET /api/detection_engine/rules/_find",
        "writing": {
            "8.19": 'the API key lacks a privilege (Unauthorized by "siem" to create "siem.queryRule" rule) for POST',
            "9.5": "the API key lacks the Kibana privilege rules-all for POST /api/detection_engine/rules in",
        }[kibana.release],
        "objects": "the API key lacks a privilege (Unable to bulk_get tag:innerwatch-tag)",
        "timelines": "the API key lacks the Kibana privilege timeline_read for GET /api/timeline",
        "timelines' writing": "the API key lacks the Kibana privilege timeline_write for POST /api/timeline/_import",
    }[lacking]
    line = refused(rules)
    assert expected in line
    assert "403" in line
    if lacking == "rules":
        feature = {"8.19": "All for Security there", "9.5": "All for Rules and Exceptions there"}[kibana.release]
        assert feature in line
    assert not kibana.space().rules
    if lacking in ("objects", "timelines", "timelines' writing"):
        assert "--rules-only" in line
        pushed(rules, "--rules-only")
        assert len(kibana.space().rules) == 2


def test_a_wrong_space(kibana: StandIn, rules: Path) -> None:
    assert "has no space 'nowhere' (404); mend --space" in refused(rules, "--space", "nowhere")
    kibana.keys[KEY] = {"other": {OBJECTS}}
    assert "may not enter the space 'default'" in refused(rules)
    assert "'../x' is no id of a space" in refused(rules, "--space", "../x")
    assert not kibana.writes


def test_a_conflict_is_told_and_the_next_push_goes_on(kibana: StandIn, rules: Path) -> None:
    pushed(rules, "--rules-only")
    write(rules, "one", 11, level="low")
    kept = as_analyst(kibana.space(), "one")
    body = b'{"message":"[alert:1]: version conflict","status_code":409}'
    kibana.faults.append(Fault("PATCH", "/rules$", 409, body=body))
    line = refused(rules, "--rules-only")
    assert "(409): [alert:1]: version conflict; run the command again" in line
    assert kibana.space().named("one")["severity"] == "high"
    pushed(rules, "--rules-only")
    assert kibana.space().named("one")["severity"] == "low"
    assert theirs(kibana.space().named("one")) == kept


def test_a_rule_that_appears_while_we_push(kibana: StandIn, rules: Path) -> None:
    def somebody(writes: int) -> None:
        kibana.before_write = lambda _: None
        kibana.space().rules[ONE] = {"rule_id": ONE, "name": "theirs", "tags": [], "created_at": "2026"}

    kibana.before_write = somebody
    line = refused(rules, "--rules-only")
    assert f'(409): rule_id: "{ONE}" already exists; run the command again' in line
    assert kibana.space().rules[ONE]["name"] == "theirs"


@pytest.mark.parametrize("failure", ["401", "403", "404 space", "409", "429", "503", "cut off", "404 rule", "400"])
def test_the_analysts_part_survives_whatever_fails(kibana: StandIn, rules: Path, failure: str) -> None:
    pushed(rules, "--rules-only")
    kept = as_analyst(kibana.space(), "one")
    write(rules, "one", 11, level="low")
    arguments: list[str | Path] = [rules, "--rules-only"]
    status, _, where = failure.partition(" ")
    if where == "space":
        arguments += ["--space", "nowhere"]
    elif failure == "cut off":
        kibana.faults += [Fault("PATCH", "rules$", 0)] * 2
    else:
        kibana.faults += [Fault("PATCH", "rules$", int(status))] * (7 if status in ("429", "503") else 1)
    refused(*arguments)
    assert not kibana.faults
    assert theirs(kibana.space().named("one")) == kept
    assert kibana.space().named("one")["severity"] == "high"
    assert "updated: 1" in pushed(rules, "--rules-only").stdout
    assert theirs(kibana.space().named("one")) == kept
    assert kibana.space().named("one")["severity"] == "low"


def test_a_kibana_that_does_not_answer(kibana: StandIn, rules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "TIMEOUT", Timeout(connect=1, read=0.2))
    kibana.before_write = lambda _: time.sleep(0.5)
    line = refused(rules, "--rules-only")
    assert "did not answer within" in line
    assert "what is done stays done" in line


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_busy_kibana_is_asked_again(kibana: StandIn, rules: Path, status: int) -> None:
    page = {"body": b"<html>proxy</html>", "kind": "text/html"} if status in (502, 504) else {}
    for method, path in (("GET", "/api/status"), ("GET", "_find"), ("POST", "rules$"), ("POST", "_import")):
        kibana.faults += [Fault(method, path, status, **page)] * 2  # type: ignore[arg-type] # NamedTuple's fields
    pushed(rules)
    assert not kibana.faults
    assert len(kibana.space().rules) == 2
    assert len(kibana.writes) == 4


def test_kibana_says_how_long_to_wait(kibana: StandIn, rules: Path) -> None:
    pushed(rules, "--rules-only")
    kibana.faults.append(Fault("GET", "_find", 429, headers={"Retry-After": "1"}))
    started = time.monotonic()
    pushed(rules, "--rules-only")
    assert 1 <= time.monotonic() - started < 5


def test_waiting_is_bounded(kibana: StandIn, rules: Path) -> None:
    kibana.faults += [Fault("POST", "rules$", 503)] * 100
    line = refused(rules, "--rules-only")
    assert "is too busy or not ready (503), again and again; run the command again later" in line
    assert len(kibana.faults) == 100 - 7


def test_the_real_policy_waits_with_jitter() -> None:
    assert (POLICY.status, POLICY.backoff_factor, POLICY.backoff_jitter) == (6, 0.5, 0.5)
    assert set(POLICY.status_forcelist) == {429, 502, 503, 504}
    assert max(POLICY.backoff_max, POLICY.retry_after_max) <= 20  # seconds


def test_a_rule_that_was_made_although_the_proxy_gave_up(kibana: StandIn, rules: Path) -> None:
    kibana.faults.append(Fault("POST", "rules$", 504, after=True))
    assert "created: 2" in pushed(rules, "--rules-only").stdout
    assert len(kibana.space().rules) == 2


@pytest.mark.parametrize("number", ["7.17.29", "8.18.8", "10.0.0", "nonsense"])
def test_another_release(kibana: StandIn, rules: Path, number: str) -> None:
    kibana.number = number
    line = refused(rules)
    if number == "nonsense":
        assert "is no Kibana" in line
    else:
        assert line == f"Kibana at {kibana.url} is {number}; expected 8.19 or 9.x"


@pytest.mark.parametrize("number", ["8.19.0", "9.0.0", "9.3.1-SNAPSHOT", "9.10.2"])
def test_releases_that_work(kibana: StandIn, rules: Path, number: str) -> None:
    kibana.number = number
    pushed(rules, "--rules-only", "--dry-run")


@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [
        (200, "text/html", b"<html>Welcome</html>"),
        (302, "text/html", b""),
        (404, "application/json", b'{"error":"no handler found for uri [/api/status]","status":400}'),
        (200, "application/json", b"{"),
        (200, "application/json", b'["what?"]'),
    ],
)
def test_something_that_is_no_kibana(kibana: StandIn, rules: Path, status: int, kind: str, body: bytes) -> None:
    kibana.faults.append(Fault("GET", "/api/status", status, body=body, kind=kind, headers={"Location": "/login"}))
    assert refused(rules) == (
        f"what answers at {kibana.url} is no Kibana; KIBANA_URL is the address of Kibana, not of Elasticsearch"
    )


def test_a_login_page_in_the_middle(kibana: StandIn, rules: Path) -> None:
    kibana.faults.append(Fault("POST", "/api/detection_engine/rules", 200, body=b"<html>", kind="text/html"))
    assert "is no Kibana" in refused(rules, "--rules-only")


def test_nothing_listens(rules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIBANA_API_KEY", KEY)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    line = refused(rules, "--url", f"http://elastic:hunter2@127.0.0.1:{port}")
    assert line.startswith(f"nothing answers at http://127.0.0.1:{port}: ")
    assert "Connection refused; mend KIBANA_URL" in line
    assert "hunter2" not in line
    assert "nothing answers at http://kibana.invalid" in refused(rules, "--url", "http://kibana.invalid")


@pytest.mark.parametrize("url", ["kibana:5601", "ftp://kibana", "https://", "http://[::1", "http://kibana/?x=1"])
def test_an_address_that_is_none(rules: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("KIBANA_API_KEY", KEY)
    assert refused(rules, "--url", url) == f"KIBANA_URL is {url!r}; {client.EXPECTED_URL}"


def test_tls_that_fails(rules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that speaks no TLS; a certificate nobody vouches for is told the same way (see test_cluster.py)."""
    monkeypatch.setenv("KIBANA_API_KEY", KEY)
    with kibana_stand_in.running(StandIn("9.5")) as plain:
        line = refused(rules, "--url", plain.url.replace("http:", "https:"))
    assert line.startswith(f"TLS with {plain.url.replace('http:', 'https:')} failed: ")
    assert "SSL_CERT_FILE may name a file of certificates to trust" in line
    assert ssl.OPENSSL_VERSION  # the error's own words are OpenSSL's


@pytest.mark.parametrize("after", [False, True])
def test_a_connection_that_breaks_is_made_anew_once(kibana: StandIn, rules: Path, after: bool) -> None:
    kibana.faults.append(Fault("POST", "rules$", 0, after=after))
    assert "created: 2" in pushed(rules, "--rules-only").stdout
    assert len(kibana.space().rules) == 2


def test_a_connection_that_always_breaks(kibana: StandIn, rules: Path) -> None:
    kibana.faults += [Fault("POST", "rules$", 0, after=True)] * 2
    line = refused(rules, "--rules-only")
    assert "broke the connection off" in line
    assert "what is done stays done" in line
    assert len(kibana.space().rules) == 1
    assert "created: 1, updated: 0, disabled: 0, unchanged: 1" in pushed(rules, "--rules-only").stdout


def test_killed_half_way_and_again(kibana: StandIn) -> None:
    """The whole pack, by the real command, killed at its eleventh write."""
    reached, released = threading.Event(), threading.Event()

    def stop(writes: int) -> None:
        if writes == 10:
            reached.set()
            released.wait(30)

    kibana.before_write = stop
    command = [sys.executable, "-m", "innerwatch_cli.main", "push", "kibana"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ) as process:
        assert reached.wait(60)
        process.send_signal(signal.SIGKILL)
    kibana.before_write = lambda _: None
    released.set()
    kept = as_analyst(kibana.space(), next(iter(kibana.space().rules.values()))["name"])
    first = next(iter(kibana.space().rules))
    pushed()
    assert len(kibana.space().rules) == pack_size()
    assert len(kibana.writes) == pack_size() + 2
    assert theirs(kibana.space().rules[first]) == kept


def test_errors_are_one_line_of_the_real_command(kibana: StandIn) -> None:
    command = [sys.executable, "-m", "innerwatch_cli.main", "push", "kibana", "--space", "nowhere"]
    result = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False, timeout=60)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr == f"Kibana at {kibana.url} has no space 'nowhere' (404); mend --space\n"


# --- the stand-in is strict


def ask(kibana: StandIn, method: str, path: str, body: Any = None, **headers: str | None) -> int:
    given = {
        "Authorization": f"ApiKey {KEY}",
        "kbn-xsrf": "x",
        "elastic-api-version": "2023-10-31",
        "Content-Type": "application/json",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    request = Request(  # noqa: S310 our own server
        kibana.url + path,
        method=method,
        data=json.dumps(body).encode() if body is not None else None,
        headers={name: value for name, value in given.items() if value is not None},
    )
    try:
        with urlopen(request) as answer:  # noqa: S310 our own server
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code


def test_the_stand_in_refuses(kibana: StandIn, rules: Path) -> None:
    pushed(rules, "--rules-only")
    path = "/api/detection_engine/rules"
    good = {"rule_id": ONE, "name": "renamed"}
    assert ask(kibana, "PATCH", path, good) == 200
    assert ask(kibana, "PATCH", path, good, kbn_xsrf=None) == 400
    assert ask(kibana, "PATCH", path, good, elastic_api_version=None) == 400
    assert ask(kibana, "PATCH", path, good, Content_Type="text/plain") == 415
    assert ask(kibana, "PATCH", path, good, Authorization="ApiKey nobody") == 401
    assert ask(kibana, "PATCH", path, {**good, "revision": 3}) == 400
    assert ask(kibana, "PATCH", path, {**good, "required_fields": [{"name": "x", "type": "y", "ecs": True}]}) == 400
    assert ask(kibana, "PATCH", path, {**good, "rule_id": "gone"}) == 404
    assert ask(kibana, "PATCH", f"{path}?force=true", good) == 400
    assert ask(kibana, "GET", f"{path}/_find?filter=everything") == 400
    assert ask(kibana, "POST", f"{path}/_bulk_create", [good]) == 404
    assert ask(kibana, "POST", path, {"rule_id": "new"}) == 400
    assert ask(kibana, "POST", "/api/saved_objects/_import", good) == 415


@pytest.mark.skipif(not SCHEMAS.exists(), reason="Elastic's rule schemas are not beside the checkout (../shared/data)")
def test_the_stand_in_holds_rules_to_elastics_schemas(kibana: StandIn, rules: Path) -> None:
    pushed(rules, "--rules-only")
    path = "/api/detection_engine/rules"
    for wrong in (
        {"severity": "informational"},
        {"interval": "soon"},
        {"surprise": 1},
        {"threat": [{"framework": "x"}]},
    ):
        assert ask(kibana, "PATCH", path, {"rule_id": ONE, **wrong}) == 400, wrong
    assert ask(kibana, "PATCH", path, {"rule_id": ONE, "severity": "low"}) == 200


def test_put_takes_away_what_it_does_not_name(kibana: StandIn, rules: Path) -> None:
    """Why we don't use it, but where we must."""
    pushed(rules, "--rules-only")
    as_analyst(kibana.space(), "one")
    bare = {"rule_id": ONE, "name": "one", "description": "x", "risk_score": 1, "severity": "low", "type": "query"}
    bare |= {"author": [], "language": "lucene", "query": "*"}
    assert ask(kibana, "PUT", "/api/detection_engine/rules", bare) == 200
    after = kibana.space().rules[ONE]
    assert (after["exceptions_list"], after["actions"], "filters" in after) == ([], [], False)


# --- export


def export(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["export", *map(str, arguments)])


def test_export_writes_what_compile_prints_and_push_sends(kibana: StandIn, tmp_path: Path) -> None:
    out = tmp_path / "innerwatch.ndjson"
    result = export("--out", out, "--dashboards")
    assert result.exit_code == 0, result.exception
    printed = CliRunner().invoke(cli, ["compile", str(RULES), "--to", "kibana"])
    assert out.read_text() == printed.stdout
    pushed()
    space = kibana.space()
    for line in out.read_text().splitlines():
        rule = json.loads(line)
        there = space.rules[rule["rule_id"]]
        assert {name: there[name] for name in rule if name != "required_fields"} == {
            name: value for name, value in rule.items() if name != "required_fields"
        }
    objects = saved_objects.read(tmp_path / "innerwatch.saved_objects.ndjson")
    assert {saved_objects.key(one) for one in objects} == set(space.objects)
    assert all(saved_objects.mark(one) == saved_objects.mark(space.objects[saved_objects.key(one)]) for one in objects)
    timelines = tmp_path / "innerwatch.timeline_template.ndjson"
    assert saved_objects.read(timelines) == list(space.timelines.values())


def test_export_makes_the_same_bytes_twice(tmp_path: Path) -> None:
    written: list[dict[str, bytes]] = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        assert export("--out", tmp_path / name / "x.ndjson", "--dashboards", "--space", "hr").exit_code == 0
        written.append({path.name: path.read_bytes() for path in sorted((tmp_path / name).iterdir())})
    assert written[0] == written[1]
    assert list(written[0]) == ["x.ndjson", "x.saved_objects.ndjson", "x.timeline_template.ndjson"]
    assert b"/s/hr/app/dashboards#/view/innerwatch-person-hr" in written[0]["x.ndjson"]


def test_export_without_dashboards_writes_one_file(tmp_path: Path, rules: Path) -> None:
    result = export(rules, "--out", tmp_path / "x.ndjson", "--namespace", "acme")
    assert result.exit_code == 0
    assert [path.name for path in tmp_path.glob("*.ndjson")] == ["x.ndjson"]
    assert [json.loads(line)["index"] for line in (tmp_path / "x.ndjson").read_text().splitlines()] == [
        ["logs-app.access-acme"]
    ] * 2


@pytest.mark.parametrize(
    ("name", "said"), [("x.json", "Kibana imports no file of that name"), ("no/x.ndjson", "cannot be written: No such")]
)
def test_export_to_where_it_cannot(tmp_path: Path, rules: Path, name: str, said: str) -> None:
    result = export(rules, "--out", tmp_path / name)
    assert isinstance(result.exception, UserError)
    assert said in str(result.exception)


def test_export_of_a_rule_that_does_not_compile(tmp_path: Path, rules: Path) -> None:
    write(rules, "one", 11, test="no.such.field: x")
    result = export(rules, "--out", tmp_path / "x.ndjson")
    assert result.exit_code == 2
    assert "no field 'no.such.field'" in result.stderr
