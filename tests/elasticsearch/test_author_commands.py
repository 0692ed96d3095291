"""What a rule author sees of `innerwatch test` and `backtest`, on a real node; and that neither leaves a trace."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from elasticsearch import Elasticsearch

from innerwatch import elastic, pipeline
from innerwatch.errors import UserError
from innerwatch_cli import index_templates
from innerwatch_cli.authoring import running, suites
from innerwatch_cli.commands.backtest import backtest
from innerwatch_cli.commands.test import test as run_cases
from innerwatch_cli.paths import RULES

pytestmark = pytest.mark.elasticsearch

EXPORTS = """
title: Exports by leavers
id: 0e95725d-7320-415d-80f7-004da920fc11
logsource: {product: app, service: access}
detection:
  selection:
    event.action: [export, download]
    records|gte: 50
    employee.status: notice
  filter_main_case: {case|exists: true}
  condition: selection and not 1 of filter_main_*
level: high
"""
BURST = """
title: Three exports in an hour
id: 0e95725d-7320-415d-80f7-004da920fc12
correlation:
  type: event_count
  rules: [exported]
  group-by: [employee.id]
  timespan: 1h
  condition: {gte: 3}
level: high
---
title: Exported
id: 0e95725d-7320-415d-80f7-004da920fc13
name: exported
logsource: {product: app, service: access}
detection:
  selection: {event.action: export}
  condition: selection
"""
LEAVER = {
    "employee_id": "E-1",
    "name": "Ana Novak",
    "email": "ana@example.com",
    "username": "ana",
    "role": "Support Agent",
    "notice_at": "2026-03-01",
    "last_day": "2026-03-31",
}


def event(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "schema": "innerwatch.access/1",
        "id": f"e-{number}",
        "time": f"2026-03-10T10:{number:02}:00Z",
        "application": "crm",
        "actor": {"id": "ana"},
        "action": "export",
        "records": 400,
        "source": {"ip": "192.0.2.7"},
        **changes,
    }


def case(name: str, match: bool, *events: Any) -> dict[str, Any]:
    return {"name": name, "match": match, "events": list(events)}


def written(folder: Path, rule: str, *cases: dict[str, Any], name: str = "rule") -> Path:
    path = folder / f"{name}.yml"
    path.write_text(rule)
    (folder / f"{name}.cases.json").write_text(json.dumps({"employees": [LEAVER], "cases": list(cases)}))
    return path


MISS = case("viewed", False, event(1, action="view"))


@pytest.fixture(autouse=True)
def nothing_left_behind(elasticsearch: Elasticsearch) -> Iterator[None]:
    yield
    assert not elasticsearch.indices.get(index="innerwatch-cases-*", expand_wildcards="all")


def invoked(*arguments: str | Path) -> Result:
    return CliRunner().invoke(run_cases, list(map(str, arguments)), catch_exceptions=False)


def test_a_rule_whose_cases_come_out_as_they_say_is_green(tmp_path: Path) -> None:
    result = invoked(written(tmp_path, EXPORTS, case("exported", True, event(1, action="EXPORT")), MISS))
    assert result.exit_code == 0
    assert "✓" in result.stdout
    assert "2 of 2 cases passed" in result.stdout


def test_a_case_that_should_match_says_which_selection_failed_on_which_field_of_which_event(tmp_path: Path) -> None:
    events = (event(1, action="view", records=1), event(2, records=49))
    path = written(tmp_path, EXPORTS, case("exported", True, *events), MISS)
    result = invoked(path)
    assert result.exit_code == 1
    assert "exported must match and does not" in result.stdout
    assert "event 2\n" in result.stdout
    assert "selection: records (access.records): expected ≥ 50, found 49" in result.stdout
    assert f"{tmp_path / 'rule.cases.json'}:1:" in result.stdout


def test_a_filter_that_held_a_match_off_is_named(tmp_path: Path) -> None:
    result = invoked(written(tmp_path, EXPORTS, case("exported", True, event(1, case="CASE-1")), MISS))
    assert 'filter_main_case: case (access.case.id): expected no value, found "CASE-1"' in result.stdout


def test_a_pipeline_says_what_placeholders_stand_for_in_the_rule_and_in_the_reasons(tmp_path: Path) -> None:
    rule = EXPORTS.replace("case|exists: true", "'recipient|endswith|expand': '@%partners%'")
    pipeline = tmp_path / "pipeline.yaml.txt"
    pipeline.write_text("vars: {partners: [example.org]}\ntransformations: [{type: value_placeholders}]\n")
    sent = [case(to, True, event(1, recipient=f"x@{to}")) for to in ("example.net", "example.org")]
    path = written(tmp_path, rule, *sent, MISS)
    result = invoked("--pipeline", pipeline, path)
    assert result.exit_code == 1
    assert "example.org must match and does not" in result.stdout
    assert 'recipient (email.to.address): expected not ends with "@example.org", found' in result.stdout
    assert "2 of 3 cases passed" in result.stdout
    without = invoked(path)
    assert without.exit_code == 2
    assert "placeholder %partners%" in without.stderr


def test_an_expression_that_runs_away_is_ended_and_told_in_one_line(tmp_path: Path) -> None:
    rule = EXPORTS.replace("case|exists: true", "'source.user_agent|re': '^(a+)+$'")
    hostile = event(1, source={"user_agent": "a" * 60 + "!"})
    result = invoked(written(tmp_path, rule, case("hostile", True, hostile), MISS))
    assert result.exit_code == 2
    assert "'^(a+)+$' takes more than 1 s for one value; expected one without" in " ".join(result.stderr.split())


def test_a_case_that_should_not_match_says_what_matched_and_what_did_not_hold_it_off(tmp_path: Path) -> None:
    path = written(tmp_path, EXPORTS, case("exported", True, event(1)), case("again", False, event(2)))
    result = invoked(path)
    assert result.exit_code == 1
    assert "again must not match and does" in result.stdout
    assert 'selection matched: action (event.action): found "export"' in result.stdout
    assert 'selection matched: employee.status: found "notice"' in result.stdout
    assert (
        "filter_main_case did not hold it off: case (access.case.id): expected a value, found nothing" in result.stdout
    )


def test_a_correlation_says_how_far_it_came(tmp_path: Path) -> None:
    two = case("three", True, event(1), event(2), event(3, action="view"))
    result = invoked(written(tmp_path, BURST, two, MISS))
    assert result.exit_code == 1
    assert "Exported: matched 2 of 3 events (1, 2)" in result.stdout
    assert "employee.id e-1: event_count is 2 at most within 1h; the condition is gte 3" in result.stdout


def test_a_case_may_say_how_many_alerts_its_events_become(tmp_path: Path) -> None:
    """As the engine joins them: a single rule's until the person is quiet for an hour."""
    events = [event(1), event(2), event(3), event(4, time="2026-03-10T12:00:00Z")]
    single = {**case("two stretches", True, *events), "alerts": 2}
    burst = {**case("one burst", True, *events), "alerts": 1}
    first = written(tmp_path, EXPORTS, single, MISS, name="single")
    assert invoked(first, written(tmp_path, BURST, burst, MISS, name="burst")).exit_code == 0
    result = invoked(written(tmp_path, EXPORTS, {**single, "alerts": 1}, MISS, name="single"))
    assert result.exit_code == 1
    assert "two stretches must raise 1 alert and raises 2" in result.stdout
    assert "an alert of 3 events from 2026-03-10T10:01:00.000Z to 2026-03-10T10:03:00.000Z" in result.stdout


def test_cases_do_not_see_each_other(tmp_path: Path) -> None:
    """Two exports in each of two cases are four within the hour, and no case has three."""
    cases = [case(name, False, event(1), event(2)) for name in ("one", "two")]
    result = invoked(written(tmp_path, BURST, case("three", True, event(1), event(2), event(3)), *cases))
    assert result.exit_code == 0, result.stdout


def test_a_correlation_finds_its_rules_in_the_same_folder(tmp_path: Path) -> None:
    correlation, base = BURST.split("---\n")
    (tmp_path / "exported.yml").write_text(base)
    path = written(tmp_path, correlation, case("three", True, event(1), event(2), event(3)), MISS, name="burst")
    result = invoked(path)
    assert result.exit_code == 0, result.output


def test_machines_get_the_same(tmp_path: Path) -> None:
    result = invoked("--json", written(tmp_path, EXPORTS, case("exported", True, event(1, records=1)), MISS))
    assert result.exit_code == 1
    (rule,) = json.loads(result.stdout)
    assert [one["passed"] for one in rule["cases"]] == [False, True]
    (why,) = rule["cases"][0]["why"]
    assert (why["event"], why["selection"], why["expected"], why["found"]) == (1, "selection", "≥ 50", "1")


def test_a_rule_that_cannot_be_read_does_not_keep_others_from_running(tmp_path: Path) -> None:
    written(tmp_path, EXPORTS, case("exported", True, event(1)), MISS)
    (tmp_path / "wrong.yml").write_text(EXPORTS.replace("fc11", "fc99").replace("records|gte", "records|gtee"))
    (tmp_path / "none.yml").write_text(EXPORTS.replace("fc11", "fc98"))
    result = invoked(tmp_path)
    assert result.exit_code == 2
    assert "2 of 2 cases passed" in result.stdout
    assert "wrong.yml:8:5: " in result.stderr
    assert "none.cases.json: the rule has no cases" in result.stderr


def test_an_event_that_elasticsearch_refuses_is_told_and_nothing_stays(
    tmp_path: Path, elasticsearch: Elasticsearch
) -> None:
    path = written(tmp_path, EXPORTS, case("exported", True, event(1)), MISS)
    suite = suites.load([path]).suites[0]
    outcome = running.prepared(suite.cases, suite.cases.cases[0])
    outcome.documents[0][1]["access"]["records"] = "many"
    with running.scratch(elasticsearch, ["app.access"]) as indices, pytest.raises(UserError, match="refuses an event"):
        running.index(elasticsearch, indices, [[outcome]])


def test_ctrl_c_leaves_nothing(tmp_path: Path, elasticsearch: Elasticsearch) -> None:
    with pytest.raises(KeyboardInterrupt), running.scratch(elasticsearch, ["app.access", "aws.cloudtrail"]):
        raise KeyboardInterrupt


def test_watch_runs_again_when_a_rule_is_saved(tmp_path: Path) -> None:
    path = written(tmp_path, EXPORTS, case("exported", True, event(1, records=49)), MISS)
    with subprocess.Popen(
        [sys.executable, "-c", "from innerwatch_cli.main import main; main()", "test", str(path), "--watch"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        try:
            assert process.stdout is not None
            seen = ""
            for line in process.stdout:
                seen += line
                if "1 of 2 cases passed" in line:
                    time.sleep(0.5)  # until it watches
                    path.write_text(EXPORTS.replace("50", "40"))
                if "2 of 2 cases passed" in line:
                    break
        finally:
            process.terminate()
    assert "2 of 2 cases passed" in seen, seen


def test_the_rules_that_come_with_innerwatch_pass(elasticsearch: Elasticsearch) -> None:
    loaded = suites.load([RULES])
    assert not loaded.errors
    assert len(loaded.suites) >= 45
    outcomes = running.run(elasticsearch, loaded.suites)
    failed = {
        (str(suite.cases.path.name), outcome.case.name)
        for suite, some in zip(loaded.suites, outcomes, strict=True)
        for outcome in some
        if not outcome.passed or outcome.at_odds
    }
    assert not failed


# --- backtest


@pytest.fixture
def month(elasticsearch: Elasticsearch, namespace: str, tmp_path: Path) -> str:
    """Ten days: a person who exports each day, and a report that four others run each day."""
    index_templates.install(elasticsearch)
    now = datetime.now(UTC)
    records = []
    for day in range(10):
        when = (now - timedelta(days=day, hours=1)).isoformat(timespec="milliseconds")
        records.append(event(1, id=f"a{day}", time=when))
        for person in range(4):
            name = {"id": f"p{person}"}
            records.append(event(2, id=f"r{day}-{person}", time=when, actor=name, application="nightly-report"))
    log = "\n".join(map(json.dumps, records)).encode()
    documents = pipeline.enriched(pipeline.read([log], "log"), None, namespace)
    pipeline.index(documents, elasticsearch, namespace, lambda items: None, deadline=time.monotonic() + 60)
    elasticsearch.indices.refresh(index=elastic.stream_name("app.access", namespace))
    return namespace


def backtested(tmp_path: Path, *arguments: str) -> Result:
    path = tmp_path / "exported.yml"
    path.write_text(BURST.split("---\n")[1])
    return CliRunner().invoke(backtest, [str(path), *arguments], catch_exceptions=False)


def test_backtest_counts_days_people_and_noise_and_suggests_a_filter(tmp_path: Path, month: str) -> None:
    result = backtested(tmp_path, "--days", "30", "--namespace", month, "--json")
    (found,) = json.loads(result.stdout)
    assert (found["events"], found["matches"], found["alerts"]) == (50, 50, 50)
    assert set(found["by_day"].values()) == {5}
    assert len(found["by_day"]) == 10
    assert found["by_person"] == {"ana": 10, "p0": 10, "p1": 10, "p2": 10, "p3": 10}
    assert {"field": "service.name", "value": "nightly-report", "alerts": 40} in found["noise"]
    assert found["filter"] == {"field": "service.name", "value": "nightly-report", "alerts": 10, "people": 4}


def test_backtest_looks_back_no_further_than_asked_and_writes_nothing(
    tmp_path: Path, month: str, elasticsearch: Elasticsearch
) -> None:
    result = backtested(tmp_path, "--days", "3", "--namespace", month)
    assert result.exit_code == 0
    assert "15 events, 15 matches, 15 alerts" in result.stdout
    assert "service.name: nightly-report" in result.stdout
    assert not elasticsearch.indices.exists(index=elastic.stream_name("innerwatch.alert", month))
    assert not elasticsearch.indices.exists(index=f"innerwatch-checkpoints-{month}")


def test_backtest_without_events_says_so(tmp_path: Path, namespace: str, elasticsearch: Elasticsearch) -> None:
    result = backtested(tmp_path, "--namespace", namespace)
    assert "no event in this time" in result.stdout
