"""Everything that the parts of the simulation share."""

from dataclasses import dataclass
from datetime import date

from innerwatch_cli.simulate.attendance import Attendance
from innerwatch_cli.simulate.cast import Cast
from innerwatch_cli.simulate.chance import Streams
from innerwatch_cli.simulate.company import Company
from innerwatch_cli.simulate.customers import Customers
from innerwatch_cli.simulate.demand import Demand
from innerwatch_cli.simulate.desk import Desk
from innerwatch_cli.simulate.estate import Estate
from innerwatch_cli.simulate.worktime import Period


@dataclass(slots=True)
class World:
    period: Period
    streams: Streams
    company: Company
    cast: Cast
    attendance: Attendance
    customers: Customers
    demand: Demand
    desk: Desk
    estate: Estate

    def plays(self, part: str) -> frozenset[str]:
        """Ids of the people who play a part."""
        return frozenset(person.id for person in self.cast.parts.get(part, ()))

    def experience(self, hired_at: date, day: date) -> float:
        """How much of a routine person's work a newcomer gets done: the learning curve of six weeks."""
        weeks = max(0, (day - hired_at).days) / 7
        return min(1.0, 0.3 + 0.12 * weeks)
