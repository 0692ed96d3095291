"""Two agents with one list of customers: one takes the contact data, the other what identifies and pays."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from random import Random

from innerwatch_cli.simulate.cast import COLLUSION, Insider
from innerwatch_cli.simulate.company import Person
from innerwatch_cli.simulate.insiders.scheme import Pace, case_in_hand, chosen, workdays
from innerwatch_cli.simulate.records import CONSOLE, Record, access
from innerwatch_cli.simulate.support import BY_NAME, IDENTITY_CHECK, OVERVIEW
from innerwatch_cli.simulate.worktime import MINUTE
from innerwatch_cli.simulate.world import World


class Collusion:
    kind = COLLUSION
    paces = (Pace("bold", (3, 4), (8, 15)), Pace("steady", (5, 8), (3, 6)), Pace("slow", (8, 14), (2, 3)))
    shares = (BY_NAME["login problem"].fields, IDENTITY_CHECK)  # e-mail and telephone; birthday and address

    def __init__(self, world: World, insider: Insider, rng: Random) -> None:
        self.people, self.rng = insider.people, rng
        self.pace = rng.choice(self.paces)
        self.caseless = rng.choice((0.95, 0.4))  # else under the number of a case that is open anyway
        first, second = ((person, workdays(world, person)) for person in insider.people)
        self.tasks: dict[date, list[tuple[Person, str, tuple[str, ...]]]] = defaultdict(list)
        for day in chosen(rng, first[1], self.pace):
            customers = world.customers.several(rng, rng.randint(*self.pace.a_day))
            later = next((other for other in second[1] if other >= day), second[1][-1])
            self.tasks[day] += [(first[0], customer, self.shares[0]) for customer in customers]
            self.tasks[later] += [(second[0], customer, self.shares[1]) for customer in customers]
        names = " and ".join(person.name for person in insider.people)
        self.story = f"{names} looked the same customers up, each another part of the data, on {len(self.tasks)} days."

    def acts(self, world: World, today: date) -> Iterator[Record]:
        rng = self.rng
        for person, customer, fields in self.tasks.get(today, ()):
            work = world.attendance.workday(person, today)
            if work is None:
                continue
            time = work.moment(rng, 0.05, 0.95)
            if rng.random() < 0.5:
                yield access(rng, time, work, CONSOLE, "search", customers=[customer], fields=OVERVIEW)
            time += int(rng.uniform(0.1, 0.8) * MINUTE)
            case = "" if rng.random() < self.caseless else case_in_hand(world, work, rng)
            yield access(rng, time, work, CONSOLE, "view", customers=[customer], fields=fields, case=case)
