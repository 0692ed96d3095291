"""Employment at an instant, in the person's own days: statuses, time zones, working hours."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from innerwatch.directory import employment
from innerwatch.values import Employee


def at(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


LEAVER = Employee(
    "e-1",
    type="employee",
    hired_at="2020-01-06",
    notice_at="2026-03-02",
    last_day="2026-03-31",
    time_zone="America/Los_Angeles",
)


@pytest.mark.parametrize(
    ("when", "status", "days_to_exit", "tenure_days"),
    [
        ("2020-01-05T23:59:59.999", "pre_hire", None, None),
        ("2020-01-06T00:00", "active", None, 0),
        ("2026-03-01T23:59:59.999", "active", None, 2246),
        ("2026-03-02T00:00", "notice", 29, 2247),
        ("2026-03-31T23:59:59.999", "notice", 0, 2276),
        ("2026-04-01T00:00", "terminated", -1, 2277),
    ],
)
def test_days_begin_at_midnight_where_the_person_is(
    when: str, status: str, days_to_exit: int | None, tenure_days: int | None
) -> None:
    time = int(datetime.fromisoformat(when).replace(tzinfo=ZoneInfo("America/Los_Angeles")).timestamp() * 1000 + 0.5)
    assert employment.status_at(LEAVER, time) == status
    assert employment.days_to_exit(LEAVER, time) == days_to_exit
    assert employment.tenure_days(LEAVER, time) == tenure_days


def with_last_day(type: str = "", status: str = "", notice_at: str = "") -> str:
    """The status twenty days before the last one."""
    person = Employee("e-1", last_day="2026-03-31", type=type, status=status, notice_at=notice_at)
    return employment.status_at(person, at("2026-03-11T12:00"))


def test_a_last_day_alone_means_notice_for_employees_only_and_only_near_it() -> None:
    assert with_last_day() == "notice"
    assert with_last_day(type="employee") == "notice"
    assert with_last_day(type="contractor") == "active"
    assert with_last_day(type="vendor") == "active"
    assert employment.status_at(Employee("e-1", last_day="2026-03-31"), at("2026-02-01T12:00")) == "active"
    assert with_last_day(status="leave", notice_at="2026-03-20") == "leave"


def test_dates_say_more_than_the_feeds_word() -> None:
    assert with_last_day(status="terminated", type="contractor") == "active"
    assert employment.status_at(Employee("e-1", status="terminated"), 0) == "terminated"
    assert employment.status_at(
        Employee("e-1", status="terminated", notice_at="2026-03-02"), at("2026-03-05T00:00")
    ) == ("terminated")
    assert employment.status_at(Employee("e-1", status="active", last_day="2026-03-01"), at("2026-03-02T00:00")) == (
        "terminated"
    )
    assert employment.status_at(Employee("e-1", status="pre_hire", hired_at="2026-03-01"), at("2026-03-02T00:00")) == (
        "active"
    )


def test_somebody_who_came_back_is_not_terminated_by_the_earlier_last_day() -> None:
    back = Employee("e-1", hired_at="2026-03-01", last_day="2024-06-30", notice_at="2024-06-01")
    assert employment.status_at(back, at("2026-03-02T00:00")) == "active"
    assert employment.days_to_exit(back, at("2026-03-02T00:00")) is None


@pytest.mark.parametrize(
    ("shift", "when", "inside"),
    [
        ("Mon-Fri 09:00-17:30", "2026-03-02T09:00", True),  # a Monday
        ("Mon-Fri 09:00-17:30", "2026-03-02T08:59", False),
        ("Mon-Fri 09:00-17:30", "2026-03-02T17:29", True),
        ("Mon-Fri 09:00-17:30", "2026-03-02T17:30", False),
        ("Mon-Fri 09:00-17:30", "2026-03-07T12:00", False),
        ("Tue-Sat 14:00-22:00", "2026-03-07T21:59", True),
        ("Sun-Thu 22:00-06:00", "2026-03-01T22:00", True),  # Sunday night
        ("Sun-Thu 22:00-06:00", "2026-03-02T05:59", True),
        ("Sun-Thu 22:00-06:00", "2026-03-06T05:59", True),  # begun on Thursday
        ("Sun-Thu 22:00-06:00", "2026-03-06T22:00", False),
        ("Sun-Thu 22:00-06:00", "2026-03-01T05:59", False),  # Saturday night is no shift
        ("Sun 22:00-06:00", "2026-03-02T03:00", True),  # over the end of the week
        ("Mon 09:00-12:00; Mon 13:00-17:00;", "2026-03-02T12:30", False),
        ("Mon 09:00-12:00; Mon 13:00-17:00;", "2026-03-02T13:30", True),
        ("Mon-Sun 00:00-24:00", "2026-03-04T23:59", True),
        ("monday - friday 9:00 - 17:00", "2026-03-02T09:00", True),
    ],
)
def test_working_hours(shift: str, when: str, inside: bool) -> None:
    berlin = Employee("e-1", shift=shift, time_zone="Europe/Berlin")
    assert employment.on_shift(berlin, at(when, "Europe/Berlin")) is inside


def test_no_shift_is_not_known() -> None:
    assert employment.on_shift(Employee("e-1"), 0) is None


@pytest.mark.parametrize("shift", ["9 to 5", "Mon-Fri", "Foo-Fri 09:00-17:00", "Mon 25:00-26:00", "Mon 09:60-10:00"])
def test_a_shift_that_is_none_is_told(shift: str) -> None:
    with pytest.raises(ValueError, match=r"shift|day of the week|time of day"):
        employment.working_hours(shift)


ZONES = [
    "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe", "America/Sao_Paulo",
    "Africa/Casablanca", "Pacific/Apia", "America/St_Johns", "Asia/Tehran", "America/Havana", "Pacific/Chatham",
]  # fmt: skip


@settings(max_examples=1000, deadline=None)
@given(st.sampled_from(ZONES), st.integers(at("2012-01-01T00:00"), at("2037-01-01T00:00")))
def test_the_day_is_the_one_that_a_clock_there_shows(zone: str, time: int) -> None:
    """Also in the hours in which clocks change."""
    shown = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time)).astimezone(ZoneInfo(zone))
    assert employment.local_day(time, zone) == shown.date().isoformat()


@pytest.mark.parametrize("zone", ZONES)
def test_the_day_around_every_change_of_clocks(zone: str) -> None:
    """Every quarter of an hour of the years in which a change can be, to the millisecond before and after."""
    for start in range(at("2024-01-01T00:00"), at("2026-01-01T00:00"), 15 * 60_000):
        offset = datetime.fromtimestamp(start / 1000, ZoneInfo(zone)).utcoffset()
        if offset != datetime.fromtimestamp((start - 60_000) / 1000, ZoneInfo(zone)).utcoffset():
            for time in (start - 1, start, start + 1):
                shown = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time)).astimezone(ZoneInfo(zone))
                assert employment.local_day(time, zone) == shown.date().isoformat()


def test_a_day_begins_where_the_clock_first_shows_it() -> None:
    assert employment.starts_at("2026-03-02", "Europe/Berlin") == at("2026-03-01T23:00")
    assert employment.starts_at("2018-11-04", "America/Sao_Paulo") == at("2018-11-04T03:00")  # midnight was skipped
    with pytest.raises(ValueError, match="'Mars' is no time zone"):
        employment.starts_at("2026-03-02", "Mars")
