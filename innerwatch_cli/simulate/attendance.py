"""Who is at work when, and where from: shifts, holidays, vacations, sick days, lunch, punctuality, overtime."""

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from innerwatch_cli.simulate.chance import Streams, between, poisson
from innerwatch_cli.simulate.company import SUPPORT, Job, Person
from innerwatch_cli.simulate.worktime import MINUTE, Period, instant, is_holiday

_ENGINE = "AppleWebKit/537.36 (KHTML, like Gecko)"
BROWSERS = (
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_ENGINE} Chrome/144.0.0.0 Safari/537.36",
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_ENGINE} Chrome/145.0.0.0 Safari/537.36 Edg/145.0.0.0",
    f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_ENGINE} Chrome/144.0.0.0 Safari/537.36",
    f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_ENGINE} Version/19.2 Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:147.0) Gecko/20100101 Firefox/147.0",
    "Mozilla/5.0 (X11; Linux x86_64; rv:147.0) Gecko/20100101 Firefox/147.0",
)
LAPTOP_TOOLS = (
    "aws-cli/2.31.18 md/awscrt#0.27.6 ua/2.1 os/macos#25.2.0 md/arch#arm64 lang/python#3.13.9 md/pyimpl#CPython",
    "aws-cli/2.28.4 md/awscrt#0.27.2 ua/2.1 os/linux#6.8.0 md/arch#x86_64 lang/python#3.13.5 md/pyimpl#CPython",
    "aws-cli/2.30.1 md/awscrt#0.27.6 ua/2.1 os/windows#11 md/arch#amd64 lang/python#3.13.7 md/pyimpl#CPython",
    "Boto3/1.40.61 md/Botocore#1.40.61 ua/2.1 os/macos#25.2.0 md/arch#arm64 lang/python#3.12.8 md/pyimpl#CPython",
    "Boto3/1.41.2 md/Botocore#1.41.2 ua/2.1 os/linux#6.8.0 md/arch#x86_64 lang/python#3.11.11 md/pyimpl#CPython",
)


@dataclass(frozen=True, slots=True)
class Habits:
    """What is a person's own, and stays so."""

    home: str  # address
    at_home: float  # share of days
    travels: float
    browser: str
    tool: str
    pace: float  # contacts in eight hours at the support desk, or the like elsewhere; 1 is usual
    early: float  # minutes by which they usually begin before their shift
    overtime: float  # minutes on average
    caseless: float  # share of contacts without a case in the log
    slips: float  # share of contacts that begin with the wrong customer
    searches: float  # share of contacts that begin with a search
    evenings: float  # share of days with some more work at home


def habits(person: Person, job: Job, rng: Random) -> Habits:
    desk = job.department == SUPPORT
    office_only = desk and person.site.name == "Manila"
    return Habits(
        home=_home(person.number),
        at_home=0.0 if office_only else rng.choice((0.2, 0.4, 0.4, 0.6, 1.0)),
        travels=0.0 if desk else 0.03,
        browser=rng.choice(BROWSERS),
        tool=rng.choice(LAPTOP_TOOLS),
        pace=between(rng, 0.6, 1.45, 1.0, 0.17),
        early=between(rng, -4, 12, 4, 4) if desk else between(rng, -45, 20, -8, 14),
        overtime=rng.uniform(1, 9) if desk else rng.uniform(2, 35),
        caseless=min(0.075, max(0.006, rng.lognormvariate(-3.6, 0.45))),
        slips=rng.uniform(0.004, 0.02),
        searches=rng.uniform(0.5, 0.9),
        evenings=0.0 if desk else max(0.0, rng.uniform(-0.06, 0.14)),
    )


def _home(number: int) -> str:
    return f"203.0.113.{number}" if number < 255 and number % 2 else f"2001:db8:{number:x}:{number * 37 % 65521:x}::1a"


@dataclass(slots=True)
class Workday:
    """One person's presence: `start` and `end`, and a pause, in milliseconds."""

    person: Person
    job: Job
    habits: Habits
    day: date
    start: int
    end: int
    pause: int
    resume: int
    address: str
    key: int  # from which sessions are made

    def session(self, application: str) -> str:
        return f"s-{(self.key * (len(application) + 7)) % 16**12:012x}"

    @property
    def minutes(self) -> float:
        return (self.end - self.start - (self.resume - self.pause)) / MINUTE

    def present(self, time: int) -> int:
        """The instant itself, or the end of the pause that it falls into."""
        return self.resume if self.pause <= time < self.resume else time

    def moment(self, rng: Random, low: float = 0.0, high: float = 1.0) -> int:
        """Some instant of the day, between two shares of it."""
        return self.present(int(self.start + rng.uniform(low, high) * (self.end - self.start)))


class Attendance:
    def __init__(self, period: Period, streams: Streams, needed: frozenset[str] = frozenset()) -> None:
        """`needed` are the ids of people who are never away for long, since the story could not go on without them."""
        self.period, self.streams, self.needed = period, streams, needed
        self._habits: dict[str, Habits] = {}
        self._away: dict[str, frozenset[date]] = {}
        self._days: dict[tuple[str, date], Workday | None] = {}

    def habits(self, person: Person) -> Habits:
        if person.id not in self._habits:
            self._habits[person.id] = habits(person, person.jobs[-1], self.streams("habits", person.id))
        return self._habits[person.id]

    def workday(self, person: Person, day: date) -> Workday | None:
        """None where the person does not work that day."""
        key = person.id, day
        if key not in self._days:
            self._days[key] = self._workday(person, day)
        return self._days[key]

    def forget(self, day: date) -> None:
        """Days before this one are not asked for again."""
        self._days = {key: value for key, value in self._days.items() if key[1] >= day}

    def workdays(self, person: Person, days: list[date]) -> list[date]:
        return [day for day in days if self.workday(person, day) is not None]

    def off_shift(self, person: Person, day: date, start: int, minutes: float, rng: Random) -> Workday | None:
        """Presence outside the shift, from home: an evening, an on-call night, a weekend. None for who is not employed.

        `day` is the one whose evening or night it is.
        """
        job = person.job(day)
        if job is None:
            return None
        own = self.habits(person)
        end = int(start + minutes * MINUTE)
        return Workday(person, job, own, day, start, end, end, end, own.home, rng.getrandbits(48))

    def evening(self, person: Person, day: date, rng: Random) -> Workday | None:
        """An hour or two at home, over before midnight."""
        job = person.job(day)
        if job is None:
            return None
        end = min(job.shift.start + job.shift.length, 20 * 60)
        start = instant(day, end + rng.uniform(30, 110), person.site.zone)
        return self.off_shift(person, day, start, rng.uniform(60, 120), rng)

    def _workday(self, person: Person, day: date) -> Workday | None:
        job = person.job(day)
        if job is None or not job.present or not job.shift.on(day) or day in self._absent(person):
            return None
        if job.shift.overnight and not ((next_job := person.job(day + timedelta(days=1))) and next_job.present):
            return None  # nobody works on into a day on which they are gone
        rng = self.streams("day", person.id, day)
        desk = job.department == SUPPORT
        if is_holiday(day, person.site.country) and not (desk and rng.random() < 0.3):
            return None
        own = self.habits(person)
        zone = person.site.zone
        start = instant(day, job.shift.start - own.early, zone) + int(rng.gauss(0, 6 if desk else 16) * MINUTE)
        end = instant(day, job.shift.start + job.shift.length, zone)
        end += int((rng.expovariate(1 / own.overtime) - (2 if desk else 9)) * MINUTE)
        lunch = int(between(rng, 20, 75, 38, 9) if job.shift.length >= 6 * 60 else 10) * MINUTE
        pause = int(start + between(rng, 0.38, 0.62, 0.48, 0.05) * (end - start))
        return Workday(
            person, job, own, day, start, end, pause, pause + lunch, self._address(person, rng), rng.getrandbits(48)
        )

    def _address(self, person: Person, rng: Random) -> str:
        own, place = self.habits(person), rng.random()
        if place < own.travels:
            return f"192.0.2.{rng.randint(100, 250)}"
        return own.home if place < own.travels + own.at_home else person.site.address

    def _absent(self, person: Person) -> frozenset[date]:
        if person.id not in self._away:
            longest = 1 if person.id in self.needed else 14
            self._away[person.id] = frozenset(_absences(self.period, self.streams("away", person.id), longest))
        return self._away[person.id]


def _absences(period: Period, rng: Random, longest: int) -> list[date]:
    """Vacations of some days to two weeks, and a sick day now and then, as calendar days in a row."""
    days: list[date] = []
    for mean, lengths in ((period.days / 65, (2, 3, 5, 9, 12)), (period.days / 75, (1, 1, 2, 4))):
        for _ in range(poisson(rng, mean)):
            first = period.day(rng.randrange(-10, period.days))
            days += [first + timedelta(days=offset) for offset in range(min(longest, rng.choice(lengths)))]
    return days
