"""The simulator's parts: chance, calendar, the company, and who plays which part."""

import uuid
from datetime import date, timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerwatch.directory import employment
from innerwatch_cli.simulate import make_world, names
from innerwatch_cli.simulate.cast import KINDS, Cast, cast
from innerwatch_cli.simulate.chance import Streams, poisson, uuid4
from innerwatch_cli.simulate.company import DEPARTMENTS, OFFICE_SHIFTS, SUPPORT_SHIFTS, build, headcount
from innerwatch_cli.simulate.insiders import plan
from innerwatch_cli.simulate.records import Record
from innerwatch_cli.simulate.worktime import Period, Shift, easter, instant, is_holiday, shift
from innerwatch_cli.simulate.writers import LogWriter

PERIOD = Period(date(2026, 3, 2), 14)
SHIFTS = sorted({*OFFICE_SHIFTS, *(shift for shifts in SUPPORT_SHIFTS.values() for shift in shifts)})


def test_streams_do_not_depend_on_each_other() -> None:
    streams = Streams(1)
    alone = streams("desk", 4).random()
    streams("other").random()
    assert streams("desk", 4).random() == alone
    assert streams("desk", 5).random() != alone
    assert Streams(2)("desk", 4).random() != alone


@pytest.mark.parametrize("mean", [0.4, 3.0, 80.0])
def test_poisson_has_its_mean(mean: float) -> None:
    rng = Random(5)
    draws = [poisson(rng, mean) for _ in range(4000)]
    assert min(draws) >= 0
    assert sum(draws) / len(draws) == pytest.approx(mean, rel=0.1)


def test_uuids_are_of_version_4() -> None:
    rng = Random(5)
    made = [uuid.UUID(uuid4(rng)) for _ in range(200)]
    assert {found.version for found in made} == {4}
    assert {found.variant for found in made} == {uuid.RFC_4122}


@pytest.mark.parametrize(
    ("year", "day"),
    [(2000, date(2000, 4, 23)), (2024, date(2024, 3, 31)), (2026, date(2026, 4, 5)), (2038, date(2038, 4, 25))],
)
def test_easter(year: int, day: date) -> None:
    assert easter(year) == day


@pytest.mark.parametrize(
    ("day", "country"),
    [
        (date(2026, 3, 17), "IE"),
        (date(2026, 4, 6), "IE"),
        (date(2026, 10, 26), "IE"),
        (date(2026, 5, 25), "US"),
        (date(2026, 11, 26), "US"),
        (date(2026, 4, 3), "PH"),
    ],
)
def test_public_holidays(day: date, country: str) -> None:
    assert is_holiday(day, country)
    assert not is_holiday(day + timedelta(days=2), country)


@pytest.mark.parametrize("own", SHIFTS, ids=str)
def test_shifts_are_written_as_the_directory_reads_them(own: Shift) -> None:
    assert shift(str(own)) == own
    spans = employment.working_hours(str(own))
    assert len(spans) == own.days
    assert {end - start for start, end in spans} == {own.length}
    week = [date(2026, 3, 2) + timedelta(days=index) for index in range(7)]
    assert {start // (24 * 60) for start, _ in spans} == {day.weekday() for day in week if own.on(day)}


def test_hours_of_a_day_follow_the_clocks_even_when_these_change() -> None:
    before, after = (instant(date(2026, 3, day), 9 * 60, "America/Chicago") for day in (7, 8))
    assert after - before == 23 * 3_600_000


@given(st.integers(min_value=20, max_value=5000))
def test_everybody_has_a_department(people: int) -> None:
    counts = headcount(people)
    assert sum(counts) == people
    assert all(count >= department.least for count, department in zip(counts, DEPARTMENTS, strict=True))


def test_names_and_accounts_are_unique_in_the_largest_company() -> None:
    company = build(5000, PERIOD, Streams(9))
    assert len({person.email for person in company.people}) == 5000
    users = [person.iam_user for person in company.people if person.iam_user]
    assert len(users) == len(set(users))
    assert all(name.isascii() for name in users)
    assert len(set(names.distinct(Random(1), 5000))) == 5000


def casting(seed: int, people: int, days: int = 14) -> Cast:
    streams, period = Streams(seed), Period(date(2026, 3, 2), days)
    return cast(build(people, period, streams), period, streams)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("people", [20, 33, 60])
def test_every_kind_of_insider_is_cast_in_every_company(seed: int, people: int) -> None:
    found = casting(seed, people)
    assert {insider.kind for insider in found.insiders} == set(KINDS)
    everybody = [person.id for insider in found.insiders for person in insider.people]
    everybody += [person.id for part in found.parts.values() for person in part]
    assert len(everybody) == len(set(everybody)), "nobody has two parts"


def test_one_in_a_hundred_is_an_insider() -> None:
    assert len(casting(1, 1500).guilty) in (15, 16)  # a pair may be one too many


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("days", [14, 31])
def test_whatever_is_planned_is_also_done(seed: int, days: int) -> None:
    """In short periods too, with holidays in them: each scheme acts, inside the days that are watched."""
    world = make_world(seed, 20, Period(date(2026, 3, 30), days))
    schemes = plan(world)
    acted = {scheme.kind: 0 for scheme in schemes}
    for index in range(days):
        for scheme in schemes:
            for record in scheme.acts(world, world.period.day(index)):
                acted[scheme.kind] += 1
                assert world.period.begin + days * 86_400_000 // 3 <= record.time < world.period.end, scheme.story
    assert all(acted.values()), acted


def test_paces_differ_between_seeds() -> None:
    stories = {
        scheme.story.rpartition("(")[2] for seed in range(12) for scheme in plan(make_world(seed, 20, PERIOD))[:1]
    }
    assert {story[: story.find(")")] for story in stories} == {"bold", "steady", "slow"}


def test_a_record_of_an_hour_already_written_is_a_mistake(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, PERIOD, Streams(1))
    writer.flush(PERIOD.begin + 5 * 3_600_000)
    assert not writer.add(Record(PERIOD.begin - 1, "app/x", "1", {}))
    with pytest.raises(AssertionError, match="comes after its hour was written"):
        writer.add(Record(PERIOD.begin, "app/x", "2", {}))
