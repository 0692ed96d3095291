"""How much the customers want from the support desk on each day, and when its case system failed."""

from datetime import date, timedelta
from random import Random

from innerwatch_cli.simulate.chance import Streams
from innerwatch_cli.simulate.worktime import MINUTE, Period, instant

WEEKDAYS = (1.14, 1.04, 1.0, 0.98, 0.94, 0.72, 0.66)


class Demand:
    def __init__(self, period: Period, streams: Streams) -> None:
        self.streams = streams
        rng = streams("demand")
        # An outage on a Sunday evening doubles the cases of the Monday after; the Tuesday still feels it.
        self.busy: frozenset[date] = frozenset(_mondays(period, rng))
        # Once, on another day, the console lost its link to the case system for an hour or so.
        day = rng.choice([day for day in period.span(0.4, 0.9) if day.weekday() < 5 and day not in self.busy])
        self.link_lost = instant(day, rng.randint(13 * 60, 16 * 60), "UTC")
        self.link_back = self.link_lost + rng.randint(35, 80) * MINUTE

    def of(self, day: date) -> float:
        """Cases of a day against a usual one."""
        rng = self.streams("demand", day)
        load = WEEKDAYS[day.weekday()] * rng.uniform(0.9, 1.1)
        if day in self.busy:
            load *= 2.0
        elif day - timedelta(days=1) in self.busy:
            load *= 1.25
        return load * (1.15 if day.day in (1, 2) else 1.0)  # bills go out on the first

    def without_link(self, time: int) -> bool:
        return self.link_lost <= time < self.link_back


def _mondays(period: Period, rng: Random) -> list[date]:
    """One in 45 days, never in the first week."""
    mondays = [day for day in (period.day(index) for index in range(7, period.days)) if day.weekday() == 0]
    return rng.sample(mondays, min(len(mondays), max(1, round(period.days / 45))))
