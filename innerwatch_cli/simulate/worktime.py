"""Days, shifts and public holidays. Instants are milliseconds since 1970 in UTC; minutes of a day are local."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from innerwatch import instants

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class Shift(NamedTuple):
    first: int  # weekday of the first working day; Monday is 0
    days: int  # how many in a row
    start: int  # minutes from local midnight
    length: int  # minutes; may run past midnight

    def on(self, day: date) -> bool:
        return (day.weekday() - self.first) % 7 < self.days

    @property
    def full_time(self) -> bool:
        return self.days * self.length >= 35 * 60

    @property
    def overnight(self) -> bool:
        return self.start + self.length > 24 * 60

    def __str__(self) -> str:
        """As the HR report writes it: `Mon-Fri 09:00-17:30`."""
        first, last = DAYS[self.first], DAYS[(self.first + self.days - 1) % 7]
        return f"{first}-{last} {_clock(self.start)}-{_clock((self.start + self.length) % (24 * 60))}"


def shift(text: str) -> Shift:
    """The reverse of `str(shift)`."""
    days, hours = text.split()
    first, last = (DAYS.index(name) for name in days.split("-"))
    start, end = (60 * int(clock[:2]) + int(clock[3:]) for clock in hours.split("-"))
    return Shift(first, (last - first) % 7 + 1, start, (end - start) % (24 * 60))


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


class Period(NamedTuple):
    """What is simulated: `days` days from `start`, in UTC."""

    start: date
    days: int

    @property
    def begin(self) -> int:
        return instant(self.start, 0, "UTC")

    @property
    def end(self) -> int:
        return self.begin + self.days * DAY

    @property
    def last(self) -> date:
        return self.start + timedelta(days=self.days - 1)

    def day(self, index: int) -> date:
        return self.start + timedelta(days=index)

    @property
    def watched(self) -> list[date]:
        """The days on which something may be planted: the first third is for baselines, and nothing is cut off.

        In any time zone they begin after the first third of the period, and end before its end.
        """
        return [self.day(index) for index in range(self.days // 3 + 1, self.days - 1)]

    def at(self, share: float) -> date:
        return self.day(int(share * self.days))

    def span(self, low: float, high: float) -> list[date]:
        """The days between two shares of the period."""
        first, last = int(low * self.days), max(int(low * self.days) + 1, int(high * self.days))
        return [self.day(index) for index in range(first, min(last, self.days))]


def instant(day: date, minute: float, zone: str) -> int:
    """The instant at which clocks in a zone show a minute of a day; minutes beyond the day are simply later."""
    midnight = datetime.combine(day, time(), ZoneInfo(zone))
    return instants.of((midnight + timedelta(minutes=minute)).astimezone(UTC))


def seconds(milliseconds: int) -> str:
    """As CloudTrail writes instants: 2026-03-31T09:15:00Z."""
    return instants.iso(milliseconds)[:19] + "Z"


# Public holidays by rule: (month, day); ("easter", days after); (month, weekday, which of the month, or -1 the last).
HOLIDAYS: dict[str, tuple[tuple[object, ...], ...]] = {
    "IE": ((1, 1), (3, 17), ("easter", 1), (2, 0, 1), (5, 0, 1), (6, 0, 1), (8, 0, 1), (10, 0, -1), (12, 25), (12, 26)),
    "US": ((1, 1), (1, 0, 3), (2, 0, 3), (5, 0, -1), (6, 19), (7, 4), (9, 0, 1), (11, 3, 4), (12, 25)),
    "PH": ((1, 1), ("easter", -3), ("easter", -2), (4, 9), (5, 1), (6, 12), (8, 0, -1), (11, 30), (12, 25), (12, 30)),
}


def is_holiday(day: date, country: str) -> bool:
    return day in _holidays(country, day.year)


@lru_cache(maxsize=256)
def _holidays(country: str, year: int) -> frozenset[date]:
    return frozenset(_holiday(rule, year) for rule in HOLIDAYS[country])


def _holiday(rule: tuple[object, ...], year: int) -> date:
    match rule:
        case ("easter", int(offset)):
            return easter(year) + timedelta(days=offset)
        case (int(month), int(weekday), int(which)):
            first = date(year, month, 1)
            if which < 0:
                following = date(year + month // 12, month % 12 + 1, 1)
                return following - timedelta(days=(following.weekday() - weekday - 1) % 7 + 1)
            return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (which - 1))
        case (int(month), int(day)):
            return date(year, month, day)
    raise AssertionError(rule)


def easter(year: int) -> date:
    """Gregorian Easter Sunday, by the anonymous algorithm (Meeus, Astronomical Algorithms, chapter 8)."""
    a, b, c = year % 19, year // 100, year % 100
    d = (19 * a + b - b // 4 - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    e = (32 + 2 * (b % 4) + 2 * (c // 4) - d - c % 4) % 7
    f = d + e - 7 * ((a + 11 * d + 22 * e) // 451) + 114
    return date(year, f // 31, f % 31 + 1)
