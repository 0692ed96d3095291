"""What HR feeds do to the directory: history, leavers, broken feeds, accounts, and who wins when two claim one."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from innerwatch.directory import Directory, MemoryStore, Report, apply_feed, employment, in_memory
from innerwatch.errors import UserError
from innerwatch.hr import load_mapping, read_feed
from innerwatch.values import CLAIMED_TWICE, NOBODY, Employee, Feed, Owner


def at(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)


def feed(rows: str, day: str, mapping: str = "") -> Feed:
    return read_feed(
        rows.encode(), "hr.csv", at(day), load_mapping(mapping.encode(), "hr-mapping.yml") if mapping else None
    )


class Hr:
    """A directory with feeds applied to it."""

    def __init__(self) -> None:
        self.store = MemoryStore()

    def apply(self, rows: str, day: str, mapping: str = "") -> Report:
        return apply_feed(self.store, feed(rows, day, mapping))

    def employee(self, employee_id: str, day: str) -> Employee:
        fact = Directory(self.store).state(employee_id, at(day))
        assert fact is not None
        return fact.employee

    def status(self, employee_id: str, day: str) -> str:
        return employment.status_at(self.employee(employee_id, day), at(day))

    def owner(self, identifier: str, day: str) -> Owner:
        return Directory(self.store).owner(identifier, at(day))


def people(*numbers: int, **columns: str) -> str:
    """A snapshot with a row for each number; `columns` apply to all."""
    head = ",".join(["employee_id", "name", "email", *columns])
    return (
        "\n".join([head, *(",".join([f"e-{n}", f"P{n}", f"p{n}@example.com", *columns.values()]) for n in numbers)])
        + "\n"
    )


def test_a_stamp_does_not_change_when_later_feeds_say_the_same_or_something_new() -> None:
    hr = Hr()
    hr.apply(people(1, 2, role="Agent"), "2026-03-01")
    before = Directory(hr.store).state("e-1", at("2026-03-05"))
    hr.apply(people(1, 2, role="Agent"), "2026-03-10")
    hr.apply(people(1, 2, role="Analyst"), "2026-03-20")
    assert Directory(hr.store).state("e-1", at("2026-03-05")) == before
    assert before is not None
    assert before.recorded_at == at("2026-03-01")
    assert hr.employee("e-1", "2026-03-20").role == "Analyst"


def test_whoever_is_missing_from_a_full_feed_has_left_and_may_come_back() -> None:
    hr = Hr()
    hr.apply(people(*range(20)), "2026-03-01")
    report = hr.apply(people(*range(1, 20)), "2026-03-10T12:00")
    assert (report.left, report.changed, report.unchanged) == (1, 0, 19)
    assert hr.status("e-0", "2026-03-10T11:59") == "active"
    assert hr.status("e-0", "2026-03-10T12:00") == "terminated"
    assert hr.apply(people(*range(1, 20)), "2026-03-11").left == 0
    hr.apply(people(*range(20)), "2026-03-20")
    assert [hr.status("e-0", day) for day in ("2026-03-19", "2026-03-20")] == ["terminated", "active"]


def test_a_last_day_still_to_come_does_not_keep_somebody_who_is_gone() -> None:
    hr = Hr()
    hr.apply(people(*range(20), last_day="2026-12-31"), "2026-03-01")
    hr.apply(people(*range(1, 20), last_day="2026-12-31"), "2026-03-10")
    assert hr.status("e-0", "2026-03-11") == "terminated"


def test_a_feed_that_lacks_too_many_is_refused_whole() -> None:
    hr = Hr()
    hr.apply(people(*range(20)), "2026-03-01")
    hr.apply(people(*range(2, 20)), "2026-03-02")  # a tenth, and no more
    with pytest.raises(UserError) as error:
        hr.apply(people(*range(4, 20), role="Agent"), "2026-03-03")
    assert str(error.value) == (
        "hr.csv: the feed lacks 2 of the 18 people who are employed, more than 10%; nothing was changed; "
        "expected a complete feed, or `full: false` in its mapping if it holds only changes"
    )
    assert hr.employee("e-5", "2026-03-04").role == ""
    assert hr.apply(people(*range(4, 20)), "2026-03-04", "largest_removal: 0.2").left == 2
    assert hr.apply(people(4), "2026-03-05", "full: false").left == 0


def test_a_bad_row_is_no_leaver() -> None:
    hr = Hr()
    hr.apply(people(*range(20), hired_at="2020-01-01"), "2026-03-01")
    rows = people(*range(20), hired_at="2020-01-01").replace(
        "e-3,P3,p3@example.com,2020-01-01", "e-3,P3,p3@example.com,?"
    )
    rows = rows.replace("e-4,", ",")
    report = hr.apply(rows, "2026-03-02")
    assert (report.left, [row.line for row in report.bad]) == (0, [5, 6])


def test_a_feed_of_bad_rows_only_is_refused() -> None:
    with pytest.raises(UserError, match=re.escape("hr.csv: none of its 1 rows can be read: employee_id is empty")):
        Hr().apply("employee_id,name\n,Ana\n", "2026-03-01")
    with pytest.raises(UserError, match=re.escape("hr.csv: it holds no row; nothing was changed")):
        Hr().apply("employee_id,name\n", "2026-03-01")


def test_notice_holds_from_its_day_but_what_else_changed_does_not() -> None:
    hr = Hr()
    hr.apply(people(1, role="Agent"), "2026-03-01")
    hr.apply(people(1, role="Analyst"), "2026-03-07")
    hr.apply(people(1, role="Lead", notice_at="2026-03-05", last_day="2026-03-31"), "2026-03-10")
    days = ("2026-03-04", "2026-03-05", "2026-03-07", "2026-03-09", "2026-03-10")
    assert [hr.employee("e-1", day).role for day in days] == ["Agent", "Agent", "Analyst", "Analyst", "Lead"]
    assert [hr.status("e-1", day) for day in days] == ["active"] + ["notice"] * 4


def test_a_last_day_that_hr_reports_too_late_holds_from_then() -> None:
    hr = Hr()
    hr.apply(people(1, last_day=""), "2026-03-01")
    hr.apply(people(1, last_day="2026-03-31"), "2026-04-10")
    assert [hr.status("e-1", day) for day in ("2026-03-30", "2026-03-31", "2026-04-01")] == [
        "active",
        "notice",
        "terminated",
    ]


def test_a_late_correction_holds_until_the_next_fact() -> None:
    hr = Hr()
    hr.apply(people(1, department="Support"), "2026-01-01")
    hr.apply(people(1, department="Fraud"), "2026-03-01")
    hr.apply("employee_id,department,effective_date\ne-1,Sales,2026-02-01\n", "2026-03-10")
    days = ("2026-01-31", "2026-02-01", "2026-03-01")
    assert [hr.employee("e-1", day).department for day in days] == ["Support", "Sales", "Fraud"]


def test_before_the_first_fact_only_the_dates_count() -> None:
    hr = Hr()
    row = "employee_id,status,hired_at,effective_date\ne-1,leave,2026-01-15,2026-03-01\n"
    hr.apply(row, "2026-03-10")
    assert [hr.status("e-1", day) for day in ("2026-01-14", "2026-01-15", "2026-03-01")] == [
        "pre_hire",
        "active",
        "leave",
    ]


def test_two_rows_for_one_person_in_a_snapshot() -> None:
    hr = Hr()
    report = hr.apply("employee_id,role\ne-1,Agent\ne-1,Agent\ne-1,Lead\n", "2026-03-01")
    assert [(row.line, row.reason) for row in report.bad] == [
        (4, "the person is already on line 2; expected one row a person")
    ]
    assert hr.employee("e-1", "2026-03-02").role == "Agent"


def test_an_identifier_belongs_to_whom_it_belonged_then() -> None:
    hr = Hr()
    hr.apply("employee_id,email\ne-1,team@example.com\ne-2,two@example.com\n", "2026-03-01")
    hr.apply("employee_id,email\ne-1,one@example.com\ne-2,team@example.com\n", "2026-03-10")
    assert [hr.owner("email:TEAM@example.com", day) for day in ("2026-03-09", "2026-03-10")] == [
        Owner("e-1"),
        Owner("e-2"),
    ]
    assert hr.owner("email:one@example.com", "2026-03-09") == Owner("", NOBODY)


def test_two_people_are_never_merged_but_one_who_left_yields() -> None:
    hr = Hr()
    hr.apply("employee_id,email,last_day\ne-1,team@example.com,2026-03-05\ne-2,team@example.com,\n", "2026-03-01")
    assert hr.owner("email:team@example.com", "2026-03-05") == Owner("", CLAIMED_TWICE)
    assert hr.owner("email:team@example.com", "2026-03-06") == Owner("e-2")


def test_an_account_whose_holder_left_is_still_theirs() -> None:
    hr = Hr()
    hr.apply("employee_id,email,last_day\ne-1,ana@example.com,2026-03-05\n", "2026-03-01")
    assert hr.owner("email:ana@example.com", "2026-04-01") == Owner("e-1")
    assert hr.status("e-1", "2026-04-01") == "terminated"


@pytest.mark.parametrize(
    ("held", "asked", "is_theirs"),
    [
        ("d-1/9067-ab", "identity_center:d-1/9067-ab", True),
        ("9067-ab", "identity_center:d-1/9067-ab", True),
        ("d-1/9067-ab", "identity_center:9067-ab", True),
        ("d-1/9067-ab", "identity_center:d-2/9067-ab", False),
        ("9067-ab", "identity_center:9067-cd", False),
    ],
)
def test_an_identity_center_id_with_or_without_its_store(held: str, asked: str, is_theirs: bool) -> None:
    hr = Hr()
    hr.apply(f"employee_id,identity_center_user_id\ne-1,{held}\n", "2026-03-01")
    assert hr.owner(asked, "2026-03-02") == (Owner("e-1") if is_theirs else Owner("", NOBODY))


def test_an_owner_map_moves_an_account_from_one_to_another() -> None:
    hr = Hr()
    hr.apply(people(1, 2), "2026-03-01")
    hr.apply("identifier,employee_id\niam_user:123456789012:user/ops,e-1\n", "2026-03-01")
    hr.apply("identifier,employee_id\niam_user:123456789012:user/ops,e-2\n", "2026-03-10")
    hr.apply("identifier,employee_id\niam_user:123456789012:user/ops,e-2\n", "2026-03-20")
    identifier = "iam_user:123456789012:user/ops"
    assert [hr.owner(identifier, day) for day in ("2026-02-01", "2026-03-09", "2026-03-10", "2026-03-21")] == [
        Owner("e-1"),
        Owner("e-1"),
        Owner("e-2"),
        Owner("e-2"),
    ]
    assert len(hr.store.claims(identifier).ownerships) == 2


def test_an_owner_map_may_come_before_the_people_and_survives_their_snapshots() -> None:
    hr = Hr()
    hr.apply("identifier,employee_id\nusername:agent-7,e-1\n", "2026-03-01")
    assert hr.owner("username:agent-7", "2026-03-02") == Owner("", NOBODY)
    hr.apply("employee_id,username\ne-1,ana\n", "2026-03-02")
    hr.apply("employee_id,username\ne-1,ana2\n", "2026-03-03")
    assert hr.owner("username:agent-7", "2026-03-04") == Owner("e-1")
    assert hr.owner("username:ana", "2026-03-04") == Owner("", NOBODY)


RESIGNATION = "EmailAddress,ResignationDate,LastWorkingDate\nP1@example.com,2026-03-05,2026-03-31\n"


def test_a_resignation_by_mail_address_is_added_to_what_is_known() -> None:
    hr = Hr()
    hr.apply(people(1, role="Agent"), "2026-03-01")
    hr.apply(people(1, role="Lead"), "2026-03-08")
    hr.apply(RESIGNATION, "2026-03-10")
    days = ("2026-03-04", "2026-03-05", "2026-03-09")
    assert [(hr.status("e-1", day), hr.employee("e-1", day).role) for day in days] == [
        ("active", "Agent"),
        ("notice", "Agent"),
        ("notice", "Lead"),
    ]
    assert hr.employee("e-1", "2026-03-09").email == "p1@example.com"


def test_a_resignation_that_comes_before_the_person_is_not_lost() -> None:
    hr = Hr()
    hr.apply(RESIGNATION, "2026-03-10")
    assert hr.owner("email:p1@example.com", "2026-03-10") == Owner("p1@example.com")
    hr.apply(people(1, 2), "2026-03-12")
    assert hr.owner("email:p1@example.com", "2026-03-10") == Owner("e-1")
    assert [hr.status("e-1", day) for day in ("2026-03-04", "2026-03-05", "2026-04-01")] == [
        "active",
        "notice",
        "terminated",
    ]
    assert hr.apply(people(1, 2), "2026-03-13").left == 0


def test_a_mail_address_of_two_people_leads_to_neither() -> None:
    hr = Hr()
    hr.apply("employee_id,email\ne-1,p1@example.com\ne-2,p1@example.com\n", "2026-03-01")
    report = hr.apply(RESIGNATION, "2026-03-10")
    assert [row.reason for row in report.bad] == ["two people have this mail address"]
    assert hr.status("e-1", "2026-03-10") == "active"


def test_an_older_feed_that_comes_late_undoes_nothing() -> None:
    hr = Hr()
    hr.apply(people(1, role="Agent"), "2026-03-01")
    hr.apply(people(1, role="Lead"), "2026-03-20")
    hr.apply(people(1, role="Analyst"), "2026-03-10")
    assert [hr.employee("e-1", day).role for day in ("2026-03-09", "2026-03-10", "2026-03-20")] == [
        "Agent",
        "Analyst",
        "Lead",
    ]


def test_feeds_of_the_same_second_both_count_in_the_order_in_which_they_are_applied() -> None:
    hr = Hr()
    for role in ("Agent", "Lead", "Boss"):
        hr.apply(f"employee_id,role,effective_date\ne-1,{role},2026-03-01\n", "2026-03-10")
        assert hr.employee("e-1", "2026-03-02").role == role
    assert [fact.recorded_at - at("2026-03-10") for fact in hr.store.facts("e-1")] == [0, 1, 2]


def test_the_stamp_of_a_dated_row_on_disk_is_its_own_date_whenever_the_file_was_written() -> None:
    """So a file to which a row is added stamps what was before as it did."""
    rows = "employee_id,role,effective_date\ne-1,Agent,2026-03-01\n"
    first = replace(feed(rows, "2026-03-05"), on_disk=True)
    second = replace(feed(rows + "e-1,Lead,2026-03-10\n", "2026-03-15"), on_disk=True)
    time = at("2026-03-07")
    assert in_memory([first]).state("e-1", time) == in_memory([second]).state("e-1", time)
    assert in_memory([first, second]).state("e-1", time) == in_memory([second]).state("e-1", time)


def test_feeds_on_disk_count_in_the_order_given_whatever_their_times() -> None:
    feeds = [feed(people(1, role="Agent"), "2026-03-10"), feed(people(1, role="Lead"), "2026-03-01")]
    fact = in_memory(feeds).state("e-1", at("2026-03-11"))
    assert fact is not None
    assert fact.employee.role == "Lead"
