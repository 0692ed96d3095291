"""`innerwatch compile`: queries out, and a line for each rule that a language cannot hold."""

import json
from pathlib import Path

from click.testing import CliRunner

from innerwatch_cli.authoring import references, suites
from innerwatch_cli.commands.compile import compile_

HEAD = "title: {0}\nid: 0e95725d-7320-415d-80f7-004da920fc{1}\nname: {0}\n"
SINGLE = HEAD + "logsource: {{product: app, service: access}}\ndetection:\n  a: {{{2}}}\n  condition: a\n"
BURST = (
    HEAD + "correlation:\n  type: event_count\n  rules: [{2}]\n  group-by: [employee.id]\n  timespan: 1h\n"
    "  condition: {{gte: 3}}\n"
)


def folder(tmp_path: Path) -> Path:
    (tmp_path / "one.yml").write_text(SINGLE.format("one", 11, "event.action: 'Say \"hi\"', records|gte: 5"))
    (tmp_path / "two.yml").write_text(SINGLE.format("two", 12, "event.action|re: ex.*t"))
    (tmp_path / "burst.yml").write_text(BURST.format("burst", 13, "one"))
    return tmp_path


def test_a_folder_gives_a_query_for_each_rule_and_a_line_for_each_refusal(tmp_path: Path) -> None:
    result = CliRunner().invoke(compile_, [str(folder(tmp_path)), "--to", "lucene"])
    assert result.exit_code == 2
    assert result.stdout == f'# one ({tmp_path}/one.yml)\nevent.action:"say \\"hi\\"" AND access.records:[5 TO *]\n\n'
    assert [line.split(": ")[0] for line in result.stderr.splitlines()] == [
        f"{tmp_path}/two.yml",
        f"{tmp_path}/burst.yml",
    ]


def test_esql_carries_the_query(tmp_path: Path) -> None:
    result = CliRunner().invoke(compile_, [str(folder(tmp_path) / "one.yml"), "--to", "esql", "--json"])
    assert result.exit_code == 0
    (rule,) = map(json.loads, result.stdout.splitlines())
    assert rule["title"] == "one"
    assert rule["query"].startswith("FROM logs-app.access-")
    assert 'QSTR("event.action:\\"say \\\\\\"hi' in rule["query"]


def test_a_correlation_brings_the_rules_that_it_refers_to(tmp_path: Path) -> None:
    path = folder(tmp_path) / "burst.yml"
    assert references.referred([path]) == [tmp_path / "one.yml"]


def test_a_rule_that_changed_takes_with_it_those_that_lean_on_it(tmp_path: Path) -> None:
    files = sorted(folder(tmp_path).glob("*.yml"))
    assert references.leaning_on([tmp_path / "one.yml"], files) == [tmp_path / "one.yml", tmp_path / "burst.yml"]


def test_a_rule_on_logs_that_we_do_not_have_cannot_be_tested(tmp_path: Path) -> None:
    path = tmp_path / "windows.yml"
    path.write_text(SINGLE.format("w", 14, "Image: a").replace("product: app, service: access", "product: windows"))
    loaded = suites.load([path])
    assert not loaded.suites
    assert "Innerwatch has no logs for 'w'" in str(loaded.errors[0])
