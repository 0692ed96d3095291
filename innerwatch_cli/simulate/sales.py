"""Account executives look after their own customers, and therefore open them without a case."""

from collections.abc import Iterator
from datetime import date

from innerwatch_cli.simulate.chance import poisson
from innerwatch_cli.simulate.records import CONSOLE, Record, access
from innerwatch_cli.simulate.worktime import MINUTE
from innerwatch_cli.simulate.world import World

BOOK = 45  # customers that each looks after


def day(world: World, today: date) -> Iterator[Record]:
    for person in world.company.staff(today, "Account Executive", "Sales Manager"):
        work = world.attendance.workday(person, today)
        if work is None:
            continue
        rng = world.streams("sales", person.id, today)
        book = world.customers.several(world.streams("book", person.id), BOOK)
        clock = work.moment(rng, 0.02, 0.2)
        yield access(rng, clock, work, CONSOLE, "login")
        for _ in range(poisson(rng, 2.2 * work.habits.pace)):
            clock = work.present(clock + int(rng.expovariate(1 / 90) * MINUTE))
            if clock >= work.end:
                break
            page = rng.randrange(3)
            shown = book[page * 15 : page * 15 + 15]
            yield access(rng, clock, work, CONSOLE, "list", customers=shown, fields=("name", "plan"))
            if rng.random() < 0.6:
                clock += int(rng.uniform(0.3, 4) * MINUTE)
                customer = rng.choice(shown)
                yield access(rng, clock, work, CONSOLE, "view", customers=[customer], fields=("name", "email", "plan"))
                if rng.random() < 0.2:
                    clock += int(rng.uniform(1, 6) * MINUTE)
                    yield access(rng, clock, work, CONSOLE, "update", customers=[customer], fields=("notes",))
