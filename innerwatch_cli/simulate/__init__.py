"""A fictional company, for trying detection out: its HR feed, its cases, its logs, and who in it is an insider.

The same arguments always give the same bytes. Events are not drawn from a distribution: they follow from who works on a
day, when, and on what. The parts: company and cast (who), attendance (when), support, sales, warehouse, cloud and
machines (what), insiders and look_alikes (what should be found, and what should not), writers (where it goes).
"""

import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

from innerwatch.errors import UserError
from innerwatch_cli.progress import bar
from innerwatch_cli.simulate import cloud, insiders, look_alikes, machines, sales, support, warehouse
from innerwatch_cli.simulate.attendance import Attendance
from innerwatch_cli.simulate.cast import cast
from innerwatch_cli.simulate.chance import Streams
from innerwatch_cli.simulate.company import AGENTS, SMALLEST, build
from innerwatch_cli.simulate.customers import Customers
from innerwatch_cli.simulate.demand import Demand
from innerwatch_cli.simulate.desk import Desk
from innerwatch_cli.simulate.estate import Estate
from innerwatch_cli.simulate.records import SIGN_IN, Record
from innerwatch_cli.simulate.truth import Truth
from innerwatch_cli.simulate.worktime import DAY, HOUR, Period
from innerwatch_cli.simulate.world import World
from innerwatch_cli.simulate.writers import CaseWriter, LogWriter, write_hr, write_truth

START = date(2026, 3, 2)
LARGEST, SHORTEST, LONGEST = 5000, 14, 365
WARM_UP = 7  # days of support work before the period, so that it begins with cases open
CUSTOMERS_PER_AGENT, FEWEST_CUSTOMERS = 220, 2000
WRITTEN = ("hr", "cases", "cloudtrail", "app", "truth.json")

PARTS = (support.day, sales.day, warehouse.day, cloud.day, look_alikes.day)


class Summary(NamedTuple):
    events: dict[str, int]  # by log
    files: int
    bytes: int
    insiders: int


def simulate(seed: int, people: int, days: int, out: Path, start: date = START, *, force: bool = False) -> Summary:
    """Writes the company's files into the folder `out`. Raises UserError for arguments that make no company."""
    check(seed, people, days, start)
    try:
        _prepare(out, force=force)
        with bar("Simulating", days + WARM_UP + 2) as advance:
            for state in _written(make_world(seed, people, Period(start, days)), out):
                summary = state
                advance(1)
    except OSError as error:
        raise UserError(f"cannot be written: {error.strerror}", "expected a folder with room", path=out) from error
    return summary


def check(seed: int, people: int, days: int, start: date) -> None:
    for name, value, low, high in (
        ("--seed", seed, 0, 2**63),
        ("--people", people, SMALLEST, LARGEST),
        ("--days", days, SHORTEST, LONGEST),
        ("--start, the year", start.year, 2000, 2098),
    ):
        if not low <= value <= high:
            raise UserError(f"{name} is {value}", f"expected a whole number from {low} to {high}")


def make_world(seed: int, people: int, period: Period) -> World:
    """The company before anything has happened."""
    streams = Streams(seed)
    company = build(people, period, streams)
    parts = cast(company, period, streams)
    agents = len(company.staff(period.start, *AGENTS))
    return World(
        period=period,
        streams=streams,
        company=company,
        cast=parts,
        attendance=Attendance(period, streams, parts.needed),
        customers=Customers(max(FEWEST_CUSTOMERS, CUSTOMERS_PER_AGENT * agents)),
        demand=Demand(period, streams),
        desk=Desk(),
        estate=Estate(streams, people),
    )


def _written(world: World, out: Path) -> Iterator[Summary]:
    """Makes and writes day by day; gives the state after each."""
    period = world.period
    schemes = insiders.plan(world)
    truth = Truth(world, schemes)
    logs = LogWriter(out, period, world.streams)
    with CaseWriter(out / "cases") as cases:
        for index in range(-WARM_UP, period.days + 1):
            today = period.day(index)
            midnight = period.begin + index * DAY
            for record in ordinary(world, today, warm_up=index < -1):
                if logs.add(record):
                    truth.ordinary(record)
            for number, scheme in enumerate(schemes):
                for record in scheme.acts(world, today):
                    if logs.add(record) and record.alike != SIGN_IN:
                        truth.act(number, record)
            # Clocks in Manila are eight hours ahead: what the next day brings begins there in the afternoon, UTC.
            logs.flush(midnight + 14 * HOUR)
            cases.write(world.desk.done(midnight))
            world.attendance.forget(today)
            yield Summary(dict(logs.counts), logs.files, logs.bytes, len(schemes))
        cases.write(world.desk.rest())
    logs.flush(period.end + HOUR)
    write_hr(out / "hr", world.company, period)
    write_truth(out / "truth.json", truth.as_json())
    yield Summary(dict(logs.counts), logs.files, logs.bytes, len(schemes))


def ordinary(world: World, today: date, *, warm_up: bool = False) -> Iterator[Record]:
    """All that happens on a day but what insiders do beside their work. In the warm-up only the support desk works."""
    for part in PARTS[:1] if warm_up else PARTS:
        yield from part(world, today)
    if world.period.start <= today <= world.period.last:
        yield from machines.day(world, today)


def _prepare(out: Path, *, force: bool) -> None:
    """An empty folder, or one from which an earlier company is removed: nothing else in it is touched."""
    if out.exists() and not out.is_dir():
        raise UserError("is no folder", "expected a folder, or a name for a new one", path=out)
    if out.is_dir() and any(out.iterdir()):
        if not force:
            raise UserError("the folder is not empty", "expected an empty one, or --force to write over it", path=out)
        for name in WRITTEN:
            path = out / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    out.mkdir(parents=True, exist_ok=True)
