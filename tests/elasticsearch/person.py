"""A small company for the tests of `innerwatch person` and `innerwatch hold`: four people, two tables, five streams."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import boto3
from click.testing import CliRunner, Result
from elasticsearch import Elasticsearch

from innerwatch.append_only import create_table
from innerwatch.directory import DynamoStore, apply_feed
from innerwatch.hr import read_feed
from innerwatch.justification import DynamoCases, feeds
from innerwatch.justification import apply_feed as apply_cases
from innerwatch_cli.commands.hold import hold
from innerwatch_cli.commands.ingest import ingest
from innerwatch_cli.commands.person import person

MARKER = "Zzyxquorra"  # a surname that no file holds by chance
PEOPLE = f"""employee_id,name,email,username,role,manager_id,notice_at,last_day,effective_date
E-1,Ana {MARKER},ana.zzyxquorra@example.com,ana.zz,Support Agent,E-3,2026-03-02,2026-03-31,2026-01-01
E-2,Ben Ode,ben@example.com,ben.ode,Analyst,E-1,,,2026-01-01
E-3,Cem Uz,cem@example.com,cem.uz,Lead,,,,2026-01-01
E-10,Ada Lin,ada@example.com,ada.lin,Analyst,E-3,,,2026-01-01
"""
OWNERS = b"""identifier,employee_id,valid_from,valid_to
iam_user:123456789012:user/ops,E-1,,2026-03-10
iam_user:123456789012:user/ops,E-2,2026-03-10,
"""
CASES = b"""case_id,customer_id,opened_at,closed_at
K-1,C-1,2026-03-01T09:00:00Z,
"""
ASSIGNED = b"""case_id,assignee,team,from,to
K-1,ana.zz,Tier 1,2026-03-01T09:00:00Z,2026-03-02T09:00:00Z
K-1,ben.ode,Tier 1,2026-03-02T09:00:00Z,
"""
MARCH = 1_772_323_200_000  # 2026-03-01T00:00:00Z
DIRECTORY, CASE_TABLE = "directory", "cases"


def access(number: int, actor: str, day: int) -> dict[str, Any]:
    return {
        "schema": "innerwatch.access/1",
        "id": f"{actor}-{number}",
        "time": f"2026-03-{day:02}T10:00:{number:02}Z",
        "application": "crm",
        "actor": {"id": actor},
        "action": "view",
        "customers": [f"C-{number}"],
    }


def call(number: int, actor: str, about: str) -> dict[str, Any]:
    """An administrator resets somebody's password."""
    return {
        "eventVersion": "1.08",
        "eventID": f"00000000-0000-0000-0000-{number:012}",
        "eventTime": f"2026-03-06T11:00:{number:02}Z",
        "eventSource": "iam.amazonaws.com",
        "eventName": "UpdateLoginProfile",
        "awsRegion": "us-east-1",
        "sourceIPAddress": "192.0.2.7",
        "userIdentity": {
            "type": "IAMUser",
            "principalId": f"AIDA{number}",
            "arn": f"arn:aws:iam::123456789012:user/{actor}",
            "accountId": "123456789012",
            "userName": actor,
        },
        "requestParameters": {"userName": about, "note": f"for Ana {MARKER}"},
    }


def alert(identity: str, latest: str, people: Sequence[str], users: Sequence[str]) -> dict[str, Any]:
    return {
        "@timestamp": "2026-03-07T12:00:00.000Z",
        "data_stream": {"type": "logs", "dataset": "innerwatch.alert"},
        "event": {"kind": "alert", "id": identity, "risk_score": 73, "severity": 73},
        "rule": {"id": "r-1", "name": "Shared customers", "category": "high"},
        "employee": {"id": latest},
        "related": {"user": list(users)},
        "innerwatch": {
            "alert": {
                "employee": {"id": list(people)},
                "first": "2026-03-05T12:00:00.000Z",
                "last": "2026-03-07T12:00:00.000Z",
                "group": {"key": "k", "fields": ["access.customer.id"], "values": ["C-1"]},
                "evidence": {"id": ["event-1"], "index": ["logs-app.access-x"], "count": 1},
                "reason": f"{latest} and 1 other: Shared customers",
            }
        },
    }


Company = dict[str, dict[str, dict[str, Any]]]  # dataset → id → document


def company(es: Elasticsearch, namespace: str, folder: Path) -> Company:
    """Of E-1: seven accesses, two more that came before HR's feed, an alert, a day of behaviour; others name them."""
    (folder / "hr.csv").write_text(PEOPLE)
    early = [access(30 + day, "ana.zz", day) for day in (1, 2)]
    events = [access(day, "ana.zz", day) for day in range(1, 8)]
    events += [access(1, "ben.ode", 5), access(2, "cem.uz", 5), access(3, "ada.lin", 5), access(9, "nobody", 5)]
    for name, rows, known in (("early", early, []), ("events", events, ["--hr", str(folder / "hr.csv")])):
        (folder / f"{name}.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))
        ran([str(folder / f"{name}.ndjson"), *known, "--namespace", namespace], ingest)
    (folder / "trail.json").write_text(json.dumps({"Records": [call(1, "cem.uz", "ana.zz"), call(2, "cem.uz", "x")]}))
    ran([str(folder / "trail.json"), "--hr", str(folder / "hr.csv"), "--namespace", namespace], ingest)
    alerts = [
        alert("a-1", "E-1", ["E-1"], ["ana.zz"]),
        alert("a-2", "E-2", ["E-1", "E-2"], ["ana.zz", "ben.ode"]),
        alert("a-3", "E-2", ["E-2"], ["ben.ode"]),
    ]
    day = {"@timestamp": "2026-03-06T23:59:59.000Z", "employee": {"id": "E-1"}, "behaviour": {"date": "2026-03-06"}}
    found: Company = {
        "innerwatch.alert": {document["event"]["id"]: document for document in alerts},
        "innerwatch.behaviour": {"b-1": day},
    }
    index(es, namespace, found)
    return {
        dataset: everything(es, f"logs-{dataset}-{namespace}") for dataset in ("aws.cloudtrail", "app.access", *found)
    }


def index(es: Elasticsearch, namespace: str, documents: Company) -> None:
    operations: list[dict[str, Any]] = []
    for dataset, some in documents.items():
        for identity, document in some.items():
            operations += [{"create": {"_index": f"logs-{dataset}-{namespace}", "_id": identity}}, document]
    for checkpoint in ("rule-1", "look-back#01772409600000#E-1", "look-back#01772409600000#E-10"):
        operations += [{"index": {"_index": f"innerwatch-checkpoints-{namespace}", "_id": checkpoint}}, {"at": 0}]
    assert not es.bulk(operations=operations, refresh=True)["errors"]


def fill_tables() -> None:
    """The directory and the cases in DynamoDB."""
    for name in (DIRECTORY, CASE_TABLE):
        create_table(name)
    store = DynamoStore(boto3.resource("dynamodb").Table(DIRECTORY))
    before = PEOPLE.replace("2026-03-02,2026-03-31", ",")  # no notice yet
    for data, day in ((before.encode(), 0), (OWNERS, 1), (PEOPLE.encode(), 2)):
        apply_feed(store, read_feed(data, "s3://hr/feed.csv", MARCH + day * 86_400_000))
    cases = DynamoCases(boto3.resource("dynamodb").Table(CASE_TABLE))
    for data, day in ((CASES, 1), (ASSIGNED, 2)):
        apply_cases(cases, feeds.read_feed(data, "s3://hr/cases/feed.csv", MARCH + day * 86_400_000))


def ran(arguments: list[str], command: Any = person) -> Result:
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


def held(arguments: list[str]) -> Result:
    return ran(arguments, hold)


def everything(es: Elasticsearch, index: str) -> dict[str, dict[str, Any]]:
    """Id → document."""
    es.indices.refresh(index=index, ignore_unavailable=True)
    hits = es.search(index=index, size=1000, ignore_unavailable=True, expand_wildcards="all")["hits"]["hits"]
    return {hit["_id"]: hit["_source"] for hit in hits}
