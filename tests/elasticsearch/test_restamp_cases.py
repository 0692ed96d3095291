"""Case data that come late reach the accesses that are indexed already, and only those."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from elasticsearch import Elasticsearch

from innerwatch import instants
from innerwatch.errors import UserError
from innerwatch_cli.commands.ingest import ingest
from innerwatch_cli.commands.restamp import restamp

pytestmark = pytest.mark.elasticsearch

PEOPLE = (
    "employee_id,name,email,username,team,effective_date\n"
    "E-1,Ana Novak,ana@example.com,ana,Tier 1,2026-01-01\nE-2,Ben Ode,ben@example.com,ben,Tier 2,2026-01-01\n"
)
COLUMNS = "case_id,customer_id,opened_at,closed_at,employee_id\n"
KNOWN = COLUMNS + "K-1,C-1,2026-03-02T09:00:00Z,,E-1\n"
LATE = COLUMNS + "K-2,C-2;C-3,2026-03-02T09:00:00Z,2026-03-04T09:00:00Z,E-1\nK-3,C-4,2026-03-02T09:00:00Z,,E-1\n"
ACCESSES = [  # who, day of March, customers, case
    ("ana", 3, ["C-1"], "K-1"),
    ("ana", 3, ["C-2"], "k-2"),
    ("ana", 3, ["C-3"], ""),
    ("ana", 5, ["C-4"], "K-3"),
    ("ben", 3, ["C-2"], ""),
    ("ana", 3, [], ""),
]


@pytest.fixture
def indexed(elasticsearch: Elasticsearch, namespace: str, tmp_path: Path) -> Path:
    lines = [
        {
            "schema": "innerwatch.access/1",
            "id": f"a-{number}",
            "time": f"2026-03-{day:02}T10:00:00Z",
            "application": "crm",
            "actor": {"id": who},
            "action": "view",
            **({"customers": customers} if customers else {}),
            **({"case": case} if case else {}),
        }
        for number, (who, day, customers, case) in enumerate(ACCESSES)
    ]
    (tmp_path / "accesses.ndjson").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for name, text in (("people.csv", PEOPLE), ("known.csv", KNOWN), ("late.csv", LATE)):
        (tmp_path / name).write_text(text)
    delivered = instants.from_rfc3339("2026-03-04T00:00:00Z") / 1000
    os.utime(tmp_path / "known.csv", (delivered, delivered))
    arguments = ["--hr", str(tmp_path / "people.csv"), "--cases", str(tmp_path / "known.csv")]
    result = CliRunner().invoke(
        ingest, [str(tmp_path / "accesses.ndjson"), *arguments, "--namespace", namespace], catch_exceptions=False
    )
    assert "6 indexed" in result.output
    return tmp_path


def run(folder: Path, namespace: str, *arguments: str) -> Result:
    feeds = [item for name in ("known.csv", "late.csv") for item in ("--cases", str(folder / name))]
    people = ["--hr", str(folder / "people.csv")]
    return CliRunner().invoke(restamp, [*people, *feeds, "--namespace", namespace, *arguments], catch_exceptions=False)


def documents(es: Elasticsearch, namespace: str) -> list[dict[str, Any]]:
    answer = es.search(index=f"logs-app.access-{namespace}", size=100)
    return [
        hit["_source"] for hit in sorted(answer["hits"]["hits"], key=lambda hit: str(hit["_source"]["event"]["id"]))
    ]


def reasons(es: Elasticsearch, namespace: str) -> list[str | None]:
    return [document.get("access", {}).get("justification_reason") for document in documents(es, namespace)]


BEFORE = ["assigned", "no_such_case", "no_case", "case_data_pending", "no_case", None]


def test_every_access_since_a_day(elasticsearch: Elasticsearch, namespace: str, indexed: Path) -> None:
    before = documents(elasticsearch, namespace)
    assert reasons(elasticsearch, namespace) == BEFORE
    assert (
        "5 documents read: 3 would change, 2 stay"
        in run(indexed, namespace, "--from", "2026-03-01", "--dry-run").output
    )
    assert documents(elasticsearch, namespace) == before
    assert "5 documents read: 3 changed, 2 stay" in run(indexed, namespace, "--from", "2026-03-01").output
    after = documents(elasticsearch, namespace)
    assert reasons(elasticsearch, namespace) == [
        "assigned",
        "assigned",
        "assigned_unnamed",
        "assigned",
        "no_case",
        None,
    ]
    for old, new in zip(before, after, strict=True):
        changed = old["access"] != new["access"] if "access" in old else False
        assert (new["event"].pop("ingested") > old["event"].pop("ingested")) is changed
        for document in (old, new):
            for name in ("justification", "justification_reason", "unjustified"):
                document.get("access", {}).pop(name, None)
        assert old == new
    assert "0 changed, 5 stay" in run(indexed, namespace, "--from", "2026-03-01").output


def test_what_one_case_can_justify(elasticsearch: Elasticsearch, namespace: str, indexed: Path) -> None:
    assert "3 documents of K-2 read: 2 changed, 1 stay" in run(indexed, namespace, "--case", "K-2").output
    assert reasons(elasticsearch, namespace) == ["assigned", "assigned", "assigned_unnamed", *BEFORE[3:]]


def test_a_persons_accesses_are_judged_with_their_job(
    elasticsearch: Elasticsearch, namespace: str, indexed: Path
) -> None:
    (indexed / "people.csv").write_text(PEOPLE.replace("ben,Tier 2", "ben,Tier 3"))
    result = run(indexed, namespace, "--employee", "E-1", "--from", "2026-03-04")
    assert "1 documents of E-1 read: 1 changed" in result.output
    assert reasons(elasticsearch, namespace) == [*BEFORE[:3], "assigned", *BEFORE[4:]]
    assert "1 changed" in run(indexed, namespace, "--employee", "E-2", "--from", "2026-03-01").output
    assert documents(elasticsearch, namespace)[4]["employee"]["team"] == "Tier 3"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--case", "K-9"], "no feed names case 'K-9'; expected a case's number, as the case system has it"),
        (["--case", "K-1", "--employee", "E-1"], "both --employee and --case are given; expected one of them"),
        ([], "--from is missing; expected the first day or instant, such as 2026-03-01"),
        (["--cases-table", "cases", "--from", "2026-03-01"], "both --cases and --cases-table are given"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(namespace: str, indexed: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(UserError) as error:
        run(indexed, namespace, *arguments)
    assert message in str(error.value)


def test_without_case_data_it_needs_a_person(indexed: Path) -> None:
    with pytest.raises(UserError, match="neither --employee nor case data are given"):
        CliRunner().invoke(restamp, ["--hr", str(indexed / "people.csv"), "--case", "K-1"], catch_exceptions=False)
