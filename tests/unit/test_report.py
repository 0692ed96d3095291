"""The report: what it says of a person, and that hostile names stay text."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from innerwatch_cli import report
from innerwatch_cli.report.findings import Alert, Findings, Person
from innerwatch_cli.scorecard import score
from tests.html_pages import Page

START = date(2026, 3, 2)


def alert(rule: str, risk: int, *, ids: list[str], customers: list[str], **employee: Any) -> Alert:
    document = {
        "@timestamp": "2026-03-04T10:00:00.000Z",
        "rule": {"name": rule},
        "event": {"risk_score": risk},
        "employee": employee,
        "user": {"name": "ana"},
        "access": {"customer": {"id": customers}},
        "threat": [{"technique": [{"id": "T1530", "name": "Data from Cloud Storage"}]}],
        "innerwatch": {
            "alert": {
                "reason": f"{rule} happened",
                "first": "2026-03-03T09:00:00.000Z",
                "last": "2026-03-04T10:00:00.000Z",
                "evidence": {"id": ids, "count": len(ids)},
            }
        },
    }
    evidence = [
        {
            "@timestamp": "2026-03-03T09:00:00.000Z",
            "event": {"action": "view", "outcome": "success"},
            "access": {"customer": {"id": customers}},
            "source": {"ip": "192.0.2.7"},
            "log": {"file": {"path": "s3://example-logs/app/a.gz?versionId=v1"}, "offset": 3},
        }
    ]
    return Alert("a1", document, evidence)


def person(*alerts: Alert, key: str = "E-1") -> Person:
    days = [(START + timedelta(n), n) for n in range(10)]
    return Person(key, dict(alerts[0].document["employee"]), "ana", list(alerts), days)


def page(*people: Person) -> str:
    findings = Findings(list(people), 1234, START, START + timedelta(9))
    return report.render(findings, title="Report", made_at=datetime(2026, 3, 12, tzinfo=UTC))


def test_it_says_who_why_and_which_customers() -> None:
    text = page(
        person(
            alert(
                "Customers viewed without a case",
                73,
                ids=["console:1"],
                customers=["C-1", "C-2"],
                id="E-1",
                name="Ana Ruiz",
                role="Agent",
                department="Support",
                status="notice",
                days_to_exit=12,
            )
        )
    )
    for part in ("Ana Ruiz", "Agent · Support", "leaves in 12 days", "Customers viewed without a case", "C-1  C-2"):
        assert part in text
    assert "T1530 Data from Cloud Storage" in text
    assert "192.0.2.7" in text


def test_it_says_where_the_raw_records_are_and_how_to_prove_them() -> None:
    one = person(alert("Rule", 73, ids=["console:1"], customers=["C-1"], id="E-1", name="Ana Ruiz", status="active"))
    findings = Findings([one], 1234, START, START + timedelta(9))
    made_at = datetime(2026, 3, 12, tzinfo=UTC)
    text = report.render(findings, title="Report", made_at=made_at, proof="--namespace other --copy 'my logs'")
    read = Page(text)
    assert "example-logs app/a.gz version v1 line 3" in read.text
    assert read.objects == ["https://s3.console.aws.amazon.com/s3/object/example-logs?prefix=app/a.gz&versionId=v1"]
    assert "innerwatch evidence a1 --namespace other --copy 'my logs' ." in read.text


def test_names_from_logs_are_text_and_never_markup() -> None:
    hostile = '<img src=x onerror=alert(1)>"&'
    text = page(person(alert(hostile, 73, ids=["1"], customers=[hostile], id="E-1", name=hostile, status="active")))
    assert "<img" not in text
    Page(text)
    assert "&lt;img" in text


def test_an_account_of_nobody_has_a_place() -> None:
    text = page(person(alert("Unknown account", 99, ids=["1"], customers=[], status="unknown"), key="ana"))
    assert "resolves to nobody" in text


def test_risk_and_justification_stand_with_the_person_where_they_are_known() -> None:
    one = alert("Rule", 73, ids=["console:1"], customers=["C-1"], id="E-1", name="Ana Ruiz", status="active")
    one.evidence[0]["access"] |= {"justification": "unjustified", "justification_reason": "other_customer"}
    known = person(one)
    assert "without justification" not in page(known)
    known.justified = {"unjustified": 12, "justified": 3}
    known.standing = {
        "user": {"risk": {"calculated_score_norm": 71.6}},
        "behaviour": {
            "date": "2026-03-04",
            "risk": {
                "contributions": [
                    {"time": "2026-03-04T10:00:00.000Z", "kind": "score", "id": "x", "name": "exports", "points": 9.5},
                    {"kind": "rest", "name": "4 smaller ones", "points": 0.25},
                ]
            },
        },
    }
    text = Page(page(known)).text
    assert "without justification: 12 , justified: 3, not known: 0" in text
    assert "risk 72 of 100" in text
    assert "unusual: exports and downloads 9.5" in text
    assert "4 smaller ones 0.2" in text
    assert "unjustified: other customer" in text


def test_a_quiet_period_is_a_page_too() -> None:
    assert "No alert" in page()


def test_the_score_counts_found_missed_and_wrong() -> None:
    guilty = person(alert("Rule", 73, ids=["console:evil"], customers=["C-1"], id="E-1", name="Ana"))
    innocent = person(alert("Rule", 73, ids=["console:fine"], customers=["C-2"], id="E-2", name="Ben"), key="E-2")
    truth = {
        "insiders": [
            {"kind": "a", "employee_ids": ["E-1"], "story": "", "event_ids": ["evil"], "customer_ids": ["C-1"]},
            {"kind": "b", "employee_ids": ["E-3"], "story": "", "event_ids": ["worse"], "customer_ids": []},
        ],
        "look_alikes": [{"kind": "busy", "employee_ids": ["E-2"]}],
    }
    result = score(Findings([guilty, innocent], 2, START, START), truth, {"E-1": "Ana", "E-3": "Cy"})
    assert [insider["found"] for insider in result["insiders"]] == [True, False]
    assert [(wrong["name"], wrong["look_alike"]) for wrong in result["wrong"]] == [("Ben", "busy")]
