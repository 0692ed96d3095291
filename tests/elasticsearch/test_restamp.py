"""A late correction of HR reaches documents that are indexed already, and only those that it concerns."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from elasticsearch import Elasticsearch

from innerwatch.errors import UserError
from innerwatch_cli.commands.ingest import ingest
from innerwatch_cli.commands.restamp import restamp

pytestmark = pytest.mark.elasticsearch

COLUMNS = "employee_id,name,email,username,role,notice_at,last_day,effective_date\n"
KNOWN = COLUMNS + (
    "E-1,Ana Novak,ana@example.com,ana,Support Agent,,,2026-01-01\n"
    "E-2,Ben Ode,ben@example.com,ben,Analyst,,,2026-01-01\n"
)
CORRECTION = COLUMNS + "E-1,Ana Novak,ana@example.com,ana,Support Agent,2026-03-02,2026-03-31,2026-03-02\n"


def event(number: int, actor: str, day: int) -> dict[str, Any]:
    return {
        "schema": "innerwatch.access/1",
        "id": f"{actor}-{number}",
        "time": f"2026-03-{day:02}T10:00:{number:02}Z",
        "application": "crm",
        "actor": {"id": actor},
        "action": "view",
        "customers": [f"c-{number}"],
    }


@pytest.fixture
def indexed(elasticsearch: Elasticsearch, namespace: str, tmp_path: Path) -> Path:
    """Seven events of Ana, from the 1st to the 7th, and one of Ben, as they were stamped before the correction."""
    events = [event(day, "ana", day) for day in range(1, 8)] + [event(1, "ben", 5)]
    (tmp_path / "events.ndjson").write_text("".join(json.dumps(item) + "\n" for item in events))
    (tmp_path / "employees.csv").write_text(KNOWN)
    (tmp_path / "correction.csv").write_text(CORRECTION)
    arguments = [str(tmp_path / "events.ndjson"), "--hr", str(tmp_path / "employees.csv"), "--namespace", namespace]
    result = CliRunner().invoke(ingest, arguments, catch_exceptions=False)
    assert "8 indexed" in result.output
    return tmp_path


def run(folder: Path, namespace: str, *arguments: str) -> Result:
    feeds = ["--hr", str(folder / "employees.csv"), "--hr", str(folder / "correction.csv")]
    return CliRunner().invoke(
        restamp, ["--employee", "E-1", *feeds, "--namespace", namespace, *arguments], catch_exceptions=False
    )


def documents(es: Elasticsearch, namespace: str) -> dict[str, dict[str, Any]]:
    answer = es.search(index=f"logs-app.access-{namespace}", size=100)
    return {hit["_source"]["@timestamp"] + hit["_source"]["user"]["id"]: hit for hit in answer["hits"]["hits"]}


def test_only_what_the_correction_changes_is_written(
    elasticsearch: Elasticsearch, namespace: str, indexed: Path
) -> None:
    before = documents(elasticsearch, namespace)
    result = run(indexed, namespace, "--from", "2026-03-01", "--to", "2026-03-06T10:00:00Z")
    assert result.exit_code == 0
    assert "5 documents of E-1 read: 4 changed, 1 stay as they are" in result.output
    after = documents(elasticsearch, namespace)
    assert after.keys() == before.keys()
    changed = {key for key in after if after[key]["_source"] != before[key]["_source"]}
    assert changed == {f"2026-03-{day:02}T10:00:{day:02}.000Zana" for day in range(2, 6)}
    for key in changed:
        document, old = after[key]["_source"], before[key]["_source"]
        assert (document["employee"]["status"], old["employee"]["status"]) == ("notice", "active")
        assert document["employee"]["days_to_exit"] == 31 - int(key[8:10])
        assert document["employee"]["resolution"] == old["employee"]["resolution"]
        assert document["event"].pop("ingested") > old["event"].pop("ingested")
        document.pop("employee"), old.pop("employee")
        assert document == old
        assert after[key]["_index"] == before[key]["_index"]


def test_a_second_run_changes_nothing(elasticsearch: Elasticsearch, namespace: str, indexed: Path) -> None:
    assert "6 changed" in run(indexed, namespace, "--from", "2026-03-01").output
    before = documents(elasticsearch, namespace)
    assert "0 changed, 7 stay" in run(indexed, namespace, "--from", "2026-03-01").output
    assert documents(elasticsearch, namespace) == before


def test_a_document_of_a_moment_ago_is_found(elasticsearch: Elasticsearch, namespace: str, indexed: Path) -> None:
    stream = f"logs-app.access-{namespace}"
    first = documents(elasticsearch, namespace)["2026-03-01T10:00:01.000Zana"]["_source"]
    elasticsearch.create(index=stream, id="a moment ago", document={**first, "@timestamp": "2026-03-03T10:00:00.000Z"})
    assert "8 documents of E-1 read: 7 changed" in run(indexed, namespace, "--from", "2026-03-01").output


def test_a_dry_run_changes_nothing(elasticsearch: Elasticsearch, namespace: str, indexed: Path) -> None:
    before = documents(elasticsearch, namespace)
    assert "6 would change" in run(indexed, namespace, "--from", "2026-03-01", "--dry-run").output
    assert documents(elasticsearch, namespace) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--employee", "E-9", "--from", "2026-03-01"], "no HR feed names employee 'E-9'; expected an id as HR has it"),
        (["--from", "March"], "--from is 'March'; expected 2026-03-01 or 2026-03-01T09:15:00Z"),
        (["--from", "2026-03-01", "--to", "2026-02-01"], "--to is '2026-02-01', which is not after --from; expected"),
        (["--from", "2026-03-01", "--table", "directory"], "either --hr or --table must be given"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(
    elasticsearch: Elasticsearch, namespace: str, indexed: Path, arguments: list[str], message: str
) -> None:
    with pytest.raises(UserError) as error:
        run(indexed, namespace, *arguments)
    assert message in str(error.value)
