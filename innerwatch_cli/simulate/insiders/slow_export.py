"""An analyst, or an agent, who exports a little every day."""

from collections.abc import Iterator
from datetime import date
from random import Random

from innerwatch_cli.simulate.cast import SLOW_EXPORT, Insider
from innerwatch_cli.simulate.company import AGENTS
from innerwatch_cli.simulate.insiders.scheme import Pace, workdays
from innerwatch_cli.simulate.records import CONSOLE, SIGN_IN, WAREHOUSE, Record, access
from innerwatch_cli.simulate.warehouse import ROW_FIELDS, export
from innerwatch_cli.simulate.world import World


class SlowExport:
    kind = SLOW_EXPORT
    analyst = (Pace("bold", (8, 40), (180, 420)), Pace("steady", (10, 40), (70, 170)), Pace("slow", (12, 40), (25, 75)))
    agent = (Pace("bold", (8, 40), (40, 90)), Pace("steady", (10, 40), (15, 40)), Pace("slow", (12, 40), (8, 18)))

    def __init__(self, world: World, insider: Insider, rng: Random) -> None:
        self.people, self.rng = insider.people, rng
        person = insider.people[0]
        self.desk = person.jobs[-1].role in AGENTS
        self.pace = rng.choice(self.agent if self.desk else self.analyst)
        days = workdays(world, person)
        self.days = [day for day in days[rng.randint(0, len(days) // 4) :] if rng.random() < 0.88] or days[:1]
        self.days = self.days[: rng.randint(*self.pace.days)]
        self.listed = rng.random() < 0.5  # works a list off from top to bottom, or takes what comes
        self.next = rng.randrange(world.customers.count // 2)
        self.when = rng.choice(("any", "end", "lunch", "evening"))
        where = "the support console" if self.desk else "the data warehouse"
        self.story = (
            f"{person.name} exported {self.pace.a_day[0]} to {self.pace.a_day[1]} customers a day from {where} on "
            f"{len(self.days)} days."
        )

    def acts(self, world: World, today: date) -> Iterator[Record]:
        person, rng = self.people[0], self.rng
        work = world.attendance.workday(person, today)
        if today not in self.days or work is None:
            return
        time = work.moment(rng, 0.05, 0.95)
        if self.when == "end":
            time = work.moment(rng, 0.88, 1.0)
        elif self.when == "lunch":
            time = int(rng.uniform(work.pause, work.resume))
        elif self.when == "evening" and rng.random() < 0.6 and (late := world.attendance.evening(person, today, rng)):
            work, time = late, late.moment(rng, 0.1)
            application = CONSOLE if self.desk else WAREHOUSE
            yield access(rng, work.start, work, application, "login", alike=SIGN_IN)
        customers = self._customers(world, rng.randint(*self.pace.a_day))
        if self.desk:
            size = 500 + 150 * len(customers)
            fields = ("name", "case")
            yield access(rng, time, work, CONSOLE, "export", customers=customers, fields=fields, size=size)
        else:
            yield export(rng, time, work, customers, rng.choice(ROW_FIELDS))

    def _customers(self, world: World, count: int) -> list[str]:
        if not self.listed:
            return world.customers.several(self.rng, count)
        first, self.next = self.next, self.next + count
        return world.customers.stretch(first, count)
