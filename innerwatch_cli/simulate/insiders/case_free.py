"""A support agent who looks customers up without a case, and passes their addresses on."""

from collections.abc import Iterator
from datetime import date
from random import Random

from innerwatch_cli.simulate.cast import CASE_FREE, Insider
from innerwatch_cli.simulate.customers import mail
from innerwatch_cli.simulate.insiders.scheme import Pace, case_in_hand, chosen, workdays
from innerwatch_cli.simulate.records import CONSOLE, Record, access
from innerwatch_cli.simulate.support import BY_NAME, OVERVIEW
from innerwatch_cli.simulate.worktime import MINUTE
from innerwatch_cli.simulate.world import World


class CaseFreeLookups:
    kind = CASE_FREE
    paces = (Pace("bold", (2, 4), (14, 30)), Pace("steady", (5, 9), (5, 11)), Pace("slow", (9, 18), (2, 4)))

    def __init__(self, world: World, insider: Insider, rng: Random) -> None:
        self.people, self.rng = insider.people, rng
        self.pace = rng.choice(self.paces)
        self.days = chosen(rng, workdays(world, insider.people[0]), self.pace)
        self.recipients = [mail(f"C-{rng.randrange(10**6, 10**7)}") for _ in range(rng.choice((1, 1, 2, 5)))]
        self.hurried = rng.random() < 0.5  # all in one go, or a lookup here and there
        self.batch = rng.choice((1, 1, 3, 6))  # customers in a message
        self.covered = rng.random() < 0.4  # sends under the number of a case that is open anyway
        self.story = (
            f"{insider.people[0].name} looked customers up without a case on {len(self.days)} days ({self.pace.name}) "
            f"and sent their e-mail addresses to {' and '.join(self.recipients)}."
        )

    def acts(self, world: World, today: date) -> Iterator[Record]:
        work = world.attendance.workday(self.people[0], today)
        if today not in self.days or work is None:
            return
        rng, count = self.rng, self.rng.randint(*self.pace.a_day)
        low = rng.uniform(0.08, 0.75) if self.hurried else 0.06
        high = min(0.96, low + 0.004 * count + 0.05) if self.hurried else 0.94
        found: list[str] = []
        last = work.start
        for time in sorted(work.moment(rng, low, high) for _ in range(count)):
            customer = world.customers.several(rng, 1)[0]
            if rng.random() < 0.7:
                yield access(rng, time, work, CONSOLE, "search", customers=[customer], fields=OVERVIEW)
            last = max(last, time) + int(rng.uniform(0.1, 0.6) * MINUTE)
            shown = OVERVIEW if rng.random() < 0.7 else BY_NAME["login problem"].fields
            yield access(rng, last, work, CONSOLE, "view", customers=[customer], fields=shown)
            found.append(customer)
        case = case_in_hand(world, work, rng) if self.covered else ""
        recipient = rng.choice(self.recipients)
        while found:
            batch, found = found[: self.batch], found[self.batch :]
            last += int(rng.uniform(0.5, 9) * MINUTE) // (1 if self.batch > 1 else 4)
            yield access(
                rng, last, work, CONSOLE, "send", customers=batch, fields=("email",), recipient=recipient, case=case
            )
