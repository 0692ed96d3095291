"""The judgement, case by case: who looked when, and what the case system said."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from innerwatch import instants
from innerwatch.directory import Directory, MemoryStore, apply_feed
from innerwatch.errors import UserError
from innerwatch.hr import read_feed
from innerwatch.justification import Cases, MemoryCases, Policy, feeds, in_memory, judgement
from innerwatch.justification import apply_feed as apply_cases

PEOPLE = b"""employee_id,name,email,username,team,role,manager_id,effective_date
E-1,Ana,ana@example.com,ana,Tier 1,Support Agent,E-5,2020-01-01
E-2,Ben,ben@example.com,ben,Tier 1,Support Agent,E-5,2020-01-01
E-3,Cem,cem@example.com,cem,Tier 2,Support Agent,E-6,2020-01-01
E-5,Eve,eve@example.com,eve,Leads,Support Supervisor,E-7,2020-01-01
E-6,Fay,fay@example.com,fay,Leads,Support Supervisor,E-7,2020-01-01
E-7,Gil,gil@example.com,gil,Leads,Head of Support,E-8,2020-01-01
E-8,Hal,hal@example.com,hal,Board,Managing Director,,2020-01-01
E-9,Ida,ida@example.com,ida,Analytics,Data Analyst,,2020-01-01
E-2,Ben,ben@example.com,ben,Tier 2,Support Agent,E-6,2026-03-20
"""
CASES = b"""case_id,customer_id,opened_at,closed_at
K-1,C-1,2026-03-10T09:00:00Z,2026-03-10T17:00:00Z
K-2,C-2;C-3,2026-03-10T09:00:00Z,
K-4,C-4,2026-03-01T09:00:00Z,2026-03-02T09:00:00Z
K-4,C-4,2026-03-12T09:00:00Z,2026-03-13T09:00:00Z
K-5,C-5,2026-03-10T09:00:00Z,
K-6,C-6,2026-03-10T09:00:00Z,
K-7,C-7,2026-03-10T09:00:00Z,
"""
ASSIGNMENTS = b"""case_id,employee_id,team,from,to
K-1,E-1,Tier 1,2026-03-10T10:00:00Z,2026-03-10T12:00:00Z
K-1,E-3,Tier 2,2026-03-10T12:00:00Z,2026-03-10T17:00:00Z
K-2,e-1,,2026-03-10T09:00:00Z,
K-4,E-1,,2026-03-01T09:00:00Z,2026-03-02T09:00:00Z
K-5,ANA@example.com,,2026-03-10T09:00:00Z,
K-6,,Tier 2,2026-03-10T09:00:00Z,
"""
AFTER = instants.from_rfc3339("2026-04-01T00:00:00Z")


def people() -> Directory:
    store = MemoryStore()
    apply_feed(store, read_feed(PEOPLE, "people.csv", 1))
    return Directory(store)


def directory(policy: Policy | None = None, recorded_at: int = AFTER) -> Cases:
    read = [feeds.read_feed(data, "feed.csv", recorded_at) for data in (CASES, ASSIGNMENTS)]
    return in_memory(read, policy)


def stamped(
    who: str,
    when: str,
    customers: Iterable[str],
    case: str | list[str] = "",
    cases: Cases | None = None,
    known: Directory | None = None,
) -> dict[str, Any]:
    """`access` of a document; `when` is a day and time in March."""
    time = instants.from_rfc3339(f"2026-03-{when}:00Z")
    everybody = known or people()
    fact = everybody.state(who, time)
    employee: dict[str, Any] = {"resolution": {"method": "application"}, "status": "unknown"}
    if fact is not None:
        named = {"id": fact.employee.id, "email": fact.employee.email, "team": fact.employee.team}
        employee = {**employee, **named, "role": fact.employee.role}
    access: dict[str, Any] = {"customer": {"id": list(customers)}}
    if case:
        access["case"] = {"id": case}
    document: dict[str, Any] = {"employee": employee, "access": access}
    (cases or directory()).stamp(document, time, everybody)
    return access


@pytest.mark.parametrize(
    ("who", "when", "customer", "case", "expected"),
    [
        ("E-1", "10T11:00", "C-1", "K-1", "justified assigned"),
        ("E-1", "10T10:00", "C-1", "K-1", "justified assigned"),  # the first instant
        ("E-3", "10T12:00", "C-1", "K-1", "justified assigned"),
        ("E-1", "10T11:00", "c-1", "k-1", "justified assigned"),  # no matter how it is written
        ("E-2", "10T11:00", "C-1", "K-1", "justified team"),
        ("E-2", "10T15:00", "C-1", "K-1", "unjustified assigned_to_others"),
        ("E-5", "10T11:00", "C-1", "K-1", "justified supervisor"),
        ("E-6", "10T10:59", "C-1", "K-1", "unjustified assigned_to_others"),  # supervises others
        ("E-7", "10T11:00", "C-1", "K-1", "justified supervisor"),  # two levels up
        ("E-8", "10T11:00", "C-1", "K-1", "unjustified assigned_to_others"),  # three
        ("E-1", "10T12:59", "C-1", "K-1", "justified transferred"),  # just handed over
        ("E-1", "10T13:00", "C-1", "K-1", "unjustified assigned_to_others"),
        ("E-3", "10T11:00", "C-1", "K-1", "justified transferred"),  # will have it within the hour
        ("E-3", "10T10:59", "C-1", "K-1", "unjustified assigned_to_others"),
        ("E-1", "10T09:00", "C-1", "K-1", "justified transferred"),  # waits to be taken
        ("E-3", "10T09:30", "C-1", "K-1", "unknown not_assigned"),
        ("E-1", "10T08:30", "C-1", "K-1", "justified before_opening"),  # and took it within the hour
        ("E-3", "10T08:30", "C-1", "K-1", "unjustified case_not_open_yet"),
        ("E-1", "10T08:30", "C-2", "K-2", "justified before_opening"),
        ("E-1", "10T08:29", "C-2", "K-2", "unjustified case_not_open_yet"),
        ("E-3", "10T17:00", "C-1", "K-1", "justified call_back"),  # the first instant after closing
        ("E-3", "14T16:59", "C-1", "K-1", "justified call_back"),
        ("E-3", "14T17:00", "C-1", "K-1", "unjustified case_closed"),
        ("E-1", "10T18:00", "C-1", "K-1", "unjustified case_closed"),  # did not have it when it was closed
        ("E-6", "30T18:00", "C-1", "K-1", "justified supervisor"),  # reviews what was closed
        ("E-1", "03T09:00", "C-4", "K-4", "justified call_back"),
        ("E-1", "08T09:00", "C-4", "K-4", "unjustified case_closed"),
        ("E-1", "12T08:30", "C-4", "K-4", "justified reopened"),  # about to be
        ("E-1", "12T10:00", "C-4", "K-4", "justified reopened"),  # and nobody else has taken it
        ("E-3", "12T10:00", "C-4", "K-4", "unjustified assigned_to_others"),
        ("E-1", "13T10:00", "C-4", "K-4", "justified call_back"),
        ("E-1", "11T09:00", "C-3", "K-2", "justified assigned"),  # a case with two customers
        ("E-1", "11T09:00", "C-1", "K-2", "unjustified other_customer"),
        ("E-1", "11T09:00", "C-1", "K-99", "unjustified no_such_case"),
        ("E-1", "11T09:00", "C-2", "K-99", "justified assigned_unnamed"),  # mistyped
        ("E-1", "11T09:00", "C-2", "", "justified assigned_unnamed"),
        ("E-2", "10T11:00", "C-1", "", "justified team_unnamed"),
        ("E-5", "11T09:00", "C-2", "", "justified supervisor_unnamed"),
        ("E-3", "12T11:00", "C-1", "", "justified call_back_unnamed"),
        ("E-3", "11T09:00", "C-2", "", "unjustified no_case"),
        ("E-1", "11T09:00", "C-99", "", "unjustified no_case"),
        ("E-1", "11T09:00", "C-5", "K-5", "justified assigned"),  # named by mail address
        ("E-5", "11T09:00", "C-5", "K-5", "justified supervisor"),
        ("E-3", "11T09:00", "C-6", "K-6", "justified team"),  # a team's case
        ("E-2", "19T09:00", "C-6", "K-6", "unjustified assigned_to_others"),
        ("E-2", "21T09:00", "C-6", "K-6", "justified team"),  # moved there on the 20th
        ("E-1", "11T09:00", "C-7", "K-7", "unknown not_assigned"),
        ("E-1", "11T09:00", "C-7", "", "unknown not_assigned"),
        ("nobody", "10T11:00", "C-1", "K-1", "unknown person_unknown"),
        ("nobody", "10T11:00", "C-1", "K-99", "unjustified no_such_case"),
    ],
)
def test_one_customer(who: str, when: str, customer: str, case: str, expected: str) -> None:
    access = stamped(who, when, [customer], case)
    assert f"{access['justification']} {access['justification_reason']}" == expected
    assert access.get("unjustified") == (
        {"customer": {"id": [customer], "total": 1}} if expected.startswith("unjustified") else None
    )


def test_an_assignee_may_be_written_as_a_login_name() -> None:
    case = b"ticket,customer,created,assignee\nK-1,C-1,2026-03-10T09:00:00Z,ana\n"
    cases = in_memory([feeds.read_feed(case, "tickets.csv", AFTER)])
    for who, reason in (("E-1", "assigned"), ("E-5", "supervisor"), ("E-2", "assigned_to_others")):
        assert stamped(who, "11T09:00", ["C-1"], "K-1", cases)["justification_reason"] == reason


def test_without_the_people_an_id_must_do() -> None:
    document: dict[str, Any] = {
        "employee": {"id": "E-1", "resolution": {"method": "application"}},
        "access": {"customer": {"id": ["C-2"]}},
    }
    directory().stamp(document, instants.from_rfc3339("2026-03-11T09:00:00Z"), None)
    assert document["access"]["justification_reason"] == "assigned_unnamed"


def test_the_worst_of_several_customers_counts_and_which_is_told() -> None:
    access = stamped("E-1", "11T09:00", ["C-2", "C-90", "C-3", "C-91"], "K-2")
    assert (access["justification"], access["justification_reason"]) == ("unjustified", "other_customer")
    assert access["unjustified"] == {"customer": {"id": ["C-90", "C-91"], "total": 2}}
    access = stamped("E-1", "11T09:00", ["C-2", "C-7", "C-3"])
    assert (access["justification"], access["justification_reason"]) == ("unknown", "not_assigned")
    assert "unjustified" not in access
    access = stamped("E-1", "11T09:00", ["C-2", "C-3", "C-5"], ["K-2", "K-5"])
    assert (access["justification"], access["justification_reason"]) == ("justified", "assigned")


def test_a_very_long_list_is_judged_but_not_counted() -> None:
    access = stamped("E-1", "11T09:00", ["C-2", *(f"X-{number}" for number in range(1000))])
    assert (access["justification"], "unjustified" in access) == ("unjustified", False)


def test_judged_again_an_access_loses_what_no_longer_holds() -> None:
    document: dict[str, Any] = {
        "employee": {"id": "E-1", "resolution": {"method": "application"}},
        "access": {"customer": {"id": ["C-2"]}, "unjustified": {"customer": {"id": ["C-2"], "total": 1}}},
    }
    directory().stamp(document, instants.from_rfc3339("2026-03-11T09:00:00Z"), None)
    assert "unjustified" not in document["access"]


def test_what_is_later_than_the_case_data_is_not_called_unjustified() -> None:
    """The feed comes once a day, the logs within minutes."""
    cases = directory(recorded_at=instants.from_rfc3339("2026-03-10T11:00:00Z"))
    assert stamped("E-1", "10T11:30", ["C-99"], "", cases)["justification_reason"] == "case_data_pending"
    assert stamped("E-1", "10T11:30", ["C-98"], "K-98", cases)["justification"] == "unknown"
    assert stamped("E-1", "10T11:30", ["C-2"], "K-2", cases)["justification"] == "justified"
    assert stamped("E-1", "10T10:30", ["C-99"], "", cases)["justification"] == "unjustified"


def test_no_case_data_at_all() -> None:
    cases = Cases(MemoryCases())
    assert stamped("E-1", "10T11:00", ["C-1"], "K-1", cases)["justification_reason"] == "no_case_data"


def test_a_case_of_which_only_the_assignment_is_known() -> None:
    cases = in_memory([feeds.read_feed(ASSIGNMENTS, "a.csv", AFTER)])
    assert stamped("E-1", "10T11:00", ["C-1"], "K-1", cases)["justification_reason"] == "case_data_pending"


def test_roles_whose_work_has_no_cases() -> None:
    cases = directory(Policy(roles_without_cases=("Data Analyst",)))
    assert stamped("E-9", "10T11:00", ["C-99"], "", cases)["justification_reason"] == "role_without_cases"
    assert stamped("E-9", "10T11:00", ["C-99"], "K-99", cases)["justification_reason"] == "no_such_case"
    assert stamped("E-9", "10T11:00", ["C-99"])["justification_reason"] == "no_case"


def test_graces_are_settings() -> None:
    cases = directory(Policy.read('{"call_back_days": 0.5, "transfer_minutes": 0, "review_days": 1, "managers": 1}'))
    for who, when, expected in (
        ("E-3", "11T04:59", "call_back"),
        ("E-3", "11T05:00", "case_closed"),
        ("E-1", "10T12:00", "assigned_to_others"),
        ("E-6", "11T16:59", "supervisor"),
        ("E-6", "11T17:00", "case_closed"),
        ("E-7", "10T11:00", "assigned_to_others"),
    ):
        assert stamped(who, when, ["C-1"], "K-1", cases)["justification_reason"] == expected, (who, when)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "JUSTIFICATION is '{': Input data was truncated; expected a JSON object with some of call_back_days"),
        ("[]", "JUSTIFICATION is '[]': Expected `object`, got `array`"),
        ('{"call_back": 1}', "JUSTIFICATION: 'call_back' is no setting; expected a JSON object with some of"),
        ('{"early_minutes": "1"}', 'JUSTIFICATION is \'{"early_minutes": "1"}\': Expected `float`, got `str`'),
        ('{"review_days": -1}', "JUSTIFICATION: review_days is -1.0; expected a number from 0 to 3650"),
    ],
)
def test_wrong_settings_are_told_in_one_line(text: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        Policy.read(text)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    "document",
    [
        {"employee": {}},
        {"employee": {}, "access": {}},
        {"employee": {}, "access": {"case": {"id": "K-1"}}},
        {"employee": {}, "access": {"customer": {"id": []}}},
        {"employee": {}, "access": {"customer": {"total": 3}}},
    ],
)
def test_what_shows_no_customer_is_not_judged(document: dict[str, Any]) -> None:
    before = repr(document)
    directory().stamp(document, 1, people())
    assert repr(document) == before


def test_a_service_is_no_person() -> None:
    document: dict[str, Any] = {"employee": {"resolution": {"method": "none"}}, "access": {"customer": {"id": ["C-1"]}}}
    directory().stamp(document, 1, people())
    assert document["access"]["justification_reason"] == "no_person"


def test_a_warm_directory_asks_once_and_again_after_a_new_feed() -> None:
    asked: list[str] = []

    class Counting(MemoryCases):
        def statements(self, case_id: str) -> Any:
            asked.append(case_id)
            return super().statements(case_id)

    store, now = Counting(), [0.0]
    apply_cases(store, feeds.read_feed(CASES, "c.csv", AFTER))
    apply_cases(store, feeds.read_feed(ASSIGNMENTS, "a.csv", AFTER))
    cases = Cases(store, fresh=60, clock=lambda: now[0])
    asked.clear()
    for _ in range(3):
        assert stamped("E-1", "10T11:00", ["C-1"], "K-1", cases)["justification"] == "justified"
    assert asked == ["k-1"]
    for _ in range(3):
        assert stamped("E-1", "10T11:00", ["C-1"], "", cases)["justification"] == "justified"
    assert asked == ["k-1", "k-1"]  # as the customer's only case
    apply_cases(store, feeds.read_feed(b"case_id,employee_id,from,to\nK-1,E-9,2026-03-10T11:00:00Z,\n", "l", AFTER + 1))
    asked.clear()
    assert stamped("E-9", "10T11:30", ["C-1"], "K-1", cases)["justification"] == "unjustified"
    now[0] = 61
    assert stamped("E-9", "10T11:30", ["C-1"], "K-1", cases)["justification"] == "justified"
    assert set(asked) == {"k-1"}


def test_the_page_lists_every_term() -> None:
    text = (Path(__file__).parents[2] / "docs" / "justification.md").read_text()
    for verdict in judgement.VERDICTS:
        assert f"`{verdict.reason.removesuffix('_unnamed')}`" in text, verdict
    assert "_unnamed" in text
    for setting in Policy.__dataclass_fields__:
        assert f"`{setting}`" in text, setting
