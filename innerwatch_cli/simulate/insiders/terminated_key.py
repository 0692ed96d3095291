"""A contractor whose engagement is over, and whose key nobody switched off."""

from collections.abc import Iterator
from datetime import date
from random import Random

from innerwatch_cli.simulate import cloud, trail
from innerwatch_cli.simulate.attendance import LAPTOP_TOOLS
from innerwatch_cli.simulate.cast import TERMINATED_KEY, Insider
from innerwatch_cli.simulate.estate import PROFILES
from innerwatch_cli.simulate.insiders.scheme import Pace, chosen
from innerwatch_cli.simulate.records import Record
from innerwatch_cli.simulate.worktime import instant
from innerwatch_cli.simulate.world import World


class TerminatedKey:
    kind = TERMINATED_KEY
    paces = (Pace("bold", (1, 2), (40, 110)), Pace("steady", (3, 6), (10, 30)), Pace("slow", (5, 12), (3, 8)))

    def __init__(self, world: World, insider: Insider, rng: Random) -> None:
        self.people, self.rng = insider.people, rng
        person = insider.people[0]
        self.pace = rng.choice(self.paces)
        last = person.jobs[-1].last_day or world.period.start
        self.days = chosen(rng, [day for day in world.period.watched if day > last], self.pace)
        own = world.attendance.habits(person)
        self.address = own.home if rng.random() < 0.5 else f"192.0.2.{rng.randint(100, 250)}"
        self.tool = own.tool if rng.random() < 0.6 else rng.choice(LAPTOP_TOOLS)
        self.story = (
            f"{person.name}'s engagement ended on {last}; the access key went on reading customers' profiles on "
            f"{len(self.days)} days ({self.pace.name})."
        )

    def acts(self, world: World, today: date) -> Iterator[Record]:
        if today not in self.days:
            return
        person, rng = self.people[0], self.rng
        clock = instant(today, rng.uniform(8, 23) * 60, person.site.zone)
        who = trail.iam_user(world.estate, person.iam_user, person.access_key, self.address, self.tool, person.id)
        if rng.random() < 0.7:
            yield trail.s3_object(rng, clock, who, "ListObjects", PROFILES, "customers/")
        for _ in range(rng.randint(*self.pace.a_day)):
            clock += int(rng.expovariate(1 / 9) * 1000) + 300
            yield cloud.profile_read(rng, clock, who, world.customers.several(rng, 1)[0])
