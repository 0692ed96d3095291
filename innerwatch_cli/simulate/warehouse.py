"""The data warehouse's log: analysts' queries and exports, campaigns, month-ends.

Most queries return sums, and show no single customer. Those that return rows list their customers, up to 1,000 of them.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from random import Random
from typing import NamedTuple

from innerwatch_cli.simulate.attendance import Workday
from innerwatch_cli.simulate.chance import poisson
from innerwatch_cli.simulate.records import LISTED, WAREHOUSE, Record, access
from innerwatch_cli.simulate.worktime import MINUTE, is_holiday
from innerwatch_cli.simulate.world import World


class Use(NamedTuple):
    """How a role uses the warehouse on a usual day."""

    queries: float
    rows: float  # share of queries that return customers' rows
    large: float  # share that return more than are listed
    exports: float  # a day
    exported: tuple[int, int]  # customers in an export


USES: dict[str, Use] = {
    "Data Analyst": Use(11, 0.22, 0.1, 0.3, (15, 260)),
    "Data Scientist": Use(8, 0.18, 0.3, 0.15, (40, 600)),
    "Data Engineer": Use(5, 0.08, 0.2, 0.04, (10, 120)),
    "Data Manager": Use(3, 0.1, 0.05, 0.05, (10, 80)),
    "Campaign Manager": Use(4, 0.12, 0.15, 0.12, (60, 700)),
    "Marketing Manager": Use(1, 0.0, 0.1, 0.0, (1, 2)),
    "Product Manager": Use(3, 0.04, 0.05, 0.0, (1, 2)),
    "Financial Controller": Use(2, 0.1, 0.1, 0.05, (20, 200)),
    "Accountant": Use(3, 0.2, 0.05, 0.12, (10, 150)),
    "Sales Manager": Use(1, 0.1, 0.0, 0.02, (15, 45)),
}
ROW_FIELDS = (
    ("customer_id", "country", "plan"),
    ("customer_id", "orders", "revenue"),
    ("customer_id", "signup_date", "last_login"),
    ("customer_id", "invoices"),
    ("customer_id", "email", "country"),
)


def day(world: World, today: date) -> Iterator[Record]:
    newsletter, report = newsletter_day(world, today), report_days(world)
    month_end = (today + timedelta(days=3)).day <= 5
    authors = world.plays("quarterly_report")
    for person in world.company.staff(today, *USES):
        work = world.attendance.workday(person, today)
        if work is None:
            continue
        rng = world.streams("warehouse", person.id, today)
        yield from _usual(world, work, rng, month_end)
        if rng.random() < work.habits.evenings / 2 and (late := world.attendance.evening(person, today, rng)):
            yield from _usual(world, late, rng, month_end)
        if newsletter and work.job.role == "Campaign Manager":
            yield from _newsletter(work, rng, world.customers.count)
        if today in report and person.id in authors:
            yield from _report(work, rng, world.customers.count)


def _usual(world: World, work: Workday, rng: Random, month_end: bool) -> Iterator[Record]:
    use = USES[work.job.role]
    busier = 2.0 if month_end and work.job.department == "Finance" else 1.0
    queries = poisson(rng, use.queries * work.habits.pace * busier * work.minutes / 450)
    exports = poisson(rng, use.exports * busier)
    if not queries + exports:
        return
    fields = world.streams("tables", work.person.id).sample(ROW_FIELDS, 3)  # the tables that this person works with
    times = sorted(work.moment(rng, 0.04, 0.98) for _ in range(queries + exports))
    yield access(rng, times[0] - int(rng.uniform(0.5, 6) * MINUTE), work, WAREHOUSE, "login")
    exporting = set(rng.sample(range(len(times)), exports))
    for index, time in enumerate(times):
        if index in exporting:
            size = rng.randint(*use.exported)
            yield export(rng, time, work, world.customers.several(rng, size), rng.choice(fields))
        else:
            yield _query(world, rng, time, work, use, rng.choice(fields))


def _query(world: World, rng: Random, time: int, work: Workday, use: Use, fields: tuple[str, ...]) -> Record:
    kind = rng.random()
    if rng.random() < 0.02:
        return access(rng, time, work, WAREHOUSE, "query", outcome="failure")
    if kind < use.rows:
        size = min(LISTED, 1 + int(rng.lognormvariate(2.6, 1.0)))
        return access(rng, time, work, WAREHOUSE, "query", customers=world.customers.several(rng, size), fields=fields)
    rows = (
        int(rng.lognormvariate(8.6, 0.8)) + LISTED if kind < use.rows + use.large else int(rng.lognormvariate(3, 1.2))
    )
    return access(rng, time, work, WAREHOUSE, "query", records=rows)


def export(rng: Random, time: int, work: Workday, customers: list[str], fields: tuple[str, ...]) -> Record:
    size = len(customers) * rng.randint(60, 140) + 400
    return access(rng, time, work, WAREHOUSE, "export", customers=customers, fields=fields, size=size)


def newsletter_day(world: World, today: date) -> bool:
    """The newsletter goes out on the first working Tuesday or Wednesday after the middle of a month.

    In a period that has none, in its middle.
    """
    days = [day for day in map(world.period.day, range(world.period.days)) if not is_holiday(day, "IE")]
    third_week = [day for day in days if day.weekday() in (1, 2) and 15 <= day.day <= 21]
    chosen = {day.month: day for day in reversed(third_week)}
    return today in (chosen.values() or [next(day for day in days[len(days) // 2 :] if day.weekday() in (1, 2))])


def report_days(world: World) -> list[date]:
    """The three days in which the figures of the quarter are made; in a period without its end, of half the quarter."""
    period = world.period
    ends = [day for day in map(period.day, range(period.days)) if day.month % 3 == 0 and 25 <= day.day <= 27]
    return ends or [period.day(int(0.62 * period.days) + offset) for offset in range(3)]


def _newsletter(work: Workday, rng: Random, customers: int) -> Iterator[Record]:
    """The addresses of whole segments, in a few files: far more than anybody else exports."""
    clock = work.moment(rng, 0.1, 0.4)
    for _ in range(rng.randint(2, 4)):
        rows = rng.randint(customers // 4, customers // 2)
        yield _large(rng, clock, work, "query", rows, (), "marketing_export")
        clock += int(rng.uniform(2, 15) * MINUTE)
        yield _large(rng, clock, work, "export", rows, ("customer_id", "name", "email"), "marketing_export")
        clock = work.present(clock + int(rng.uniform(5, 40) * MINUTE))


def _report(work: Workday, rng: Random, customers: int) -> Iterator[Record]:
    """Two or three times the usual queries, large exports, and a long evening."""
    end = work.end + int(rng.uniform(20, 150) * MINUTE)
    for _ in range(rng.randint(14, 30)):
        time = work.present(int(rng.uniform(work.start, end)))
        yield _large(rng, time, work, "query", rng.randint(200, customers), (), "quarterly_report")
    for _ in range(rng.randint(2, 5)):
        time = work.present(int(rng.uniform(work.start, end)))
        rows = rng.randint(customers // 3, customers)
        yield _large(rng, time, work, "export", rows, ("customer_id", "orders", "revenue"), "quarterly_report")


def _large(
    rng: Random, time: int, work: Workday, action: str, rows: int, fields: tuple[str, ...], alike: str
) -> Record:
    size = rows * rng.randint(50, 110) if action == "export" else 0
    return access(rng, time, work, WAREHOUSE, action, records=rows, fields=fields, size=size, alike=alike)
