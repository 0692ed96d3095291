"""Who works in the company: departments, teams, shifts, managers, accounts, and each person's history in HR's eyes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from itertools import cycle
from random import Random
from typing import Any, NamedTuple

from innerwatch_cli.simulate import names
from innerwatch_cli.simulate.chance import BASE32, Streams, text, uuid4
from innerwatch_cli.simulate.worktime import Period, Shift, shift

ACCOUNT = "123456789012"
DOMAIN = "example.com"

SUPPORT = "Customer Support"
AGENTS = ("Support Agent", "Senior Support Agent")
SUPERVISOR = "Support Supervisor"
PRESENT = ("active", "notice")


class Site(NamedTuple):
    name: str
    zone: str
    country: str
    address: str  # from which the office reaches the internet


DUBLIN = Site("Dublin", "Europe/Dublin", "IE", "198.51.100.10")
AUSTIN = Site("Austin", "America/Chicago", "US", "198.51.100.20")
MANILA = Site("Manila", "Asia/Manila", "PH", "198.51.100.30")

# Support follows the sun: each site covers its own day, Manila's nights some of Austin's. One in five is part-time.
SUPPORT_SHIFTS: dict[str, tuple[Shift, ...]] = {
    site: tuple(map(shift, shifts))
    for site, shifts in {
        "Dublin": (
            "Mon-Fri 08:00-16:30",
            "Mon-Fri 10:00-18:30",
            "Tue-Sat 09:00-17:30",
            "Mon-Fri 09:00-17:30",
            "Mon-Wed 09:00-14:00",
            "Wed-Sun 10:00-18:30",
            "Mon-Fri 08:00-16:30",
            "Sun-Thu 11:00-19:30",
            "Mon-Fri 10:00-18:30",
            "Mon-Fri 09:00-13:00",
        ),
        "Austin": (
            "Mon-Fri 08:00-16:30",
            "Mon-Fri 11:00-19:30",
            "Tue-Sat 12:00-20:30",
            "Mon-Fri 08:00-16:30",
            "Thu-Sat 09:00-15:00",
            "Sun-Thu 09:00-17:30",
            "Mon-Fri 11:00-19:30",
            "Wed-Sun 08:00-16:30",
            "Mon-Fri 09:00-17:30",
            "Mon-Fri 12:00-16:00",
        ),
        "Manila": (
            "Mon-Fri 06:00-14:30",
            "Mon-Fri 22:00-06:30",
            "Tue-Sat 08:00-16:30",
            "Mon-Fri 07:00-15:30",
            "Fri-Sun 08:00-14:00",
            "Sun-Thu 06:00-14:30",
            "Tue-Sat 22:00-06:30",
            "Wed-Sun 09:00-17:30",
        ),
    }.items()
}
OFFICE_SHIFTS = tuple(
    map(
        shift,
        (
            "Mon-Fri 09:00-17:30",
            "Mon-Fri 08:30-17:00",
            "Mon-Fri 09:30-18:00",
            "Mon-Fri 09:00-17:30",
            "Mon-Fri 08:00-16:30",
            "Mon-Fri 10:00-18:30",
            "Mon-Thu 09:00-15:00",
            "Mon-Fri 09:00-17:30",
            "Mon-Fri 08:30-17:00",
            "Tue-Fri 09:00-17:00",
            "Mon-Fri 09:00-17:30",
        ),
    )
)


class Department(NamedTuple):
    name: str
    share: float  # of the company
    least: int  # people, in the smallest company
    roles: tuple[str, ...]  # in turn
    lead: str  # the first person's role, where there are enough
    teams: tuple[str, ...]


DEPARTMENTS = (
    Department("Leadership", 0.0, 1, ("Managing Director",), "", ("Leadership",)),
    Department(SUPPORT, 0.46, 9, AGENTS[:1] * 3 + AGENTS[1:], SUPERVISOR, ()),
    Department("Sales", 0.10, 1, ("Account Executive",), "Sales Manager", ("Sales EMEA", "Sales Americas")),
    Department("Marketing", 0.05, 1, ("Campaign Manager", "Content Marketer"), "Marketing Manager", ("Marketing",)),
    Department(
        "Data & Analytics",
        0.08,
        3,
        ("Data Analyst", "Data Engineer", "Data Analyst", "Data Scientist"),
        "Data Manager",
        ("Analytics", "Data Platform"),
    ),
    Department(
        "Engineering",
        0.15,
        3,
        ("Software Engineer", "Senior Software Engineer", "Software Engineer", "QA Engineer"),
        "Engineering Manager",
        ("Checkout", "Accounts", "Mobile", "Search", "Messaging", "Payments"),
    ),
    Department(
        "Platform",
        0.06,
        2,
        ("Platform Engineer", "Site Reliability Engineer"),
        "Platform Lead",
        ("Platform", "Reliability"),
    ),
    Department("Security", 0.03, 0, ("Security Engineer", "Security Analyst"), "Security Manager", ("Security",)),
    Department("Finance", 0.03, 0, ("Accountant", "Financial Controller"), "Finance Manager", ("Finance",)),
    Department("Human Resources", 0.02, 0, ("HR Partner",), "HR Manager", ("People",)),
    Department("Product", 0.02, 0, ("Product Manager",), "Product Lead", ("Product",)),
)
# Jobs that work with customers' data without cases: they sell, query and report.
WITHOUT_CASES = tuple(
    role
    for department in DEPARTMENTS
    if department.name in ("Sales", "Marketing", "Data & Analytics", "Finance", "Product")
    for role in dict.fromkeys((department.lead, *department.roles))
)
SMALLEST = sum(department.least for department in DEPARTMENTS)


@dataclass(frozen=True, slots=True)
class Job:
    """What HR holds true of a person from a day on: one row of the report."""

    since: date
    role: str
    department: str
    team: str
    shift: Shift
    manager_id: str
    type: str
    status: str
    hired_at: date
    notice_at: date | None = None
    last_day: date | None = None

    @property
    def present(self) -> bool:
        return self.status in PRESENT


@dataclass(slots=True, eq=False)
class Person:
    number: int
    id: str
    name: str
    username: str
    identity_center_id: str
    site: Site
    jobs: list[Job]  # oldest first
    iam_user: str = ""
    access_key: str = ""
    changes: list[tuple[date, dict[str, Any]]] = field(default_factory=list)

    @property
    def email(self) -> str:
        return f"{self.username}@{DOMAIN}"

    def job(self, day: date) -> Job | None:
        """None before the first row."""
        return next((job for job in reversed(self.jobs) if job.since <= day), None)

    def plan(self, day: date, **change: Any) -> None:
        """What HR will write on a day; in force once `settle` was called."""
        self.changes.append((day, change))

    def settle(self) -> None:
        for day, change in sorted(self.changes, key=lambda item: item[0]):
            last = self.jobs[-1]
            if last.since == day:
                self.jobs[-1] = replace(last, **change)
            else:
                self.jobs.append(replace(last, since=day, **change))
        self.changes = []


class Agent(NamedTuple):
    """A program with an IAM user of its own, for which a person answers."""

    name: str
    access_key: str
    owner: Person


class Company:
    def __init__(self, people: list[Person], agents: list[Agent]) -> None:
        self.people, self.agents = people, agents
        self.by_id = {person.id: person for person in people}

    def staff(self, day: date, *roles: str) -> list[Person]:
        """Who has one of these roles on a day, and is not gone."""
        return [
            person
            for person in self.people
            if (job := person.job(day)) is not None and job.role in roles and job.present
        ]


def build(people: int, period: Period, streams: Streams) -> Company:
    """The company as it is when the period begins."""
    rng = streams("company")
    seats = list(_seats(people))
    members = [
        _person(number, name, seat, rng, period)
        for number, (name, seat) in enumerate(zip(names.distinct(streams("names"), people), seats, strict=True), 1)
    ]
    for person, seat in zip(members, seats, strict=True):
        person.jobs = [replace(job, manager_id=members[seat.manager].id) for job in person.jobs]
    members[0].jobs = [replace(job, manager_id="") for job in members[0].jobs]
    return Company(members, _agents(members, streams("agents"), period))


class _Seat(NamedTuple):
    department: str
    team: str
    role: str
    site: Site
    shift: Shift
    type: str
    manager: int  # index


def _seats(people: int) -> Iterator[_Seat]:
    """Every job in the company, leads first in their teams."""
    first = 0
    for department, count in zip(DEPARTMENTS, headcount(people), strict=True):
        teams = _support_teams(count) if department.name == SUPPORT else _teams(department, count)
        lead = 0  # the managing director
        index = 0
        for number, (team, site, size) in enumerate(teams):
            led = bool(department.lead) and size >= 5
            own_lead = first if led else lead
            shifts = SUPPORT_SHIFTS[site.name] if department.name == SUPPORT else OFFICE_SHIFTS
            roles = cycle(department.roles)
            for place in range(size):
                leads = led and place == 0
                role = department.lead if leads else next(roles)
                yield _Seat(
                    department.name,
                    team,
                    role,
                    site,
                    shifts[0] if leads else shifts[(place + number) % len(shifts)],
                    "employee" if leads else _type(department.name, team, index),
                    lead if leads else own_lead,
                )
                index += 1
            if number == 0 and led:
                lead = first  # to whom the other teams' leads answer
            first += size


def headcount(people: int) -> list[int]:
    """People in each department; whoever is hired next goes where most are missing."""
    counts = [department.least for department in DEPARTMENTS]
    for total in range(SMALLEST, people):
        missing = [
            department.share * (total + 1) - count for department, count in zip(DEPARTMENTS, counts, strict=True)
        ]
        counts[missing.index(max(missing))] += 1
    return counts


def _support_teams(count: int) -> list[tuple[str, Site, int]]:
    sites = (DUBLIN, AUSTIN, MANILA)
    teams = 1 if count < 15 else max(3, round(count / 11))
    sizes = [count // teams + (number < count % teams) for number in range(teams)]
    return [
        (f"Support {sites[number % 3].name} {number // 3 + 1}", sites[number % 3], size)
        for number, size in enumerate(sizes)
    ]


def _teams(department: Department, count: int) -> list[tuple[str, Site, int]]:
    wanted = max(1, min(round(count / 8), 10 * len(department.teams))) if count else 0
    sizes = [count // wanted + (number < count % wanted) for number in range(wanted)]
    named = len(department.teams)
    return [
        (
            department.teams[number % named] + (f" {number // named + 1}" if number >= named else ""),
            AUSTIN if number % 3 == 1 else DUBLIN,
            size,
        )
        for number, size in enumerate(sizes)
    ]


def _type(department: str, team: str, index: int) -> str:
    if department == "Engineering" and index % 5 == 2:
        return "contractor"
    if department == "Data & Analytics" and index % 6 == 1:
        return "contractor"
    if team.startswith("Support Manila") and index % 2:
        return "vendor"
    return "employee"


def _person(number: int, name: str, seat: _Seat, rng: Random, period: Period) -> Person:
    first, *rest = names.plain(name.split()[0]), *map(names.plain, name.split()[1:])
    engaged = seat.type != "employee"
    hired_at = period.start - timedelta(days=rng.randint(70, 400) if engaged else int(rng.triangular(90, 2400, 200)))
    job = Job(
        since=hired_at,
        role=seat.role,
        department=seat.department,
        team=seat.team,
        shift=seat.shift,
        manager_id="",
        type=seat.type,
        status="active",
        hired_at=hired_at,
        last_day=period.last + timedelta(days=rng.randint(60, 300)) if engaged else None,
    )
    keyed = seat.type == "contractor" or (seat.department in KEYED and rng.random() < 0.15)
    username = f"{first}.{''.join(rest)}"
    return Person(
        number=number,
        id=f"E{10000 + number}",
        name=name,
        username=username,
        identity_center_id=uuid4(rng),
        site=seat.site,
        jobs=_promoted(job, rng, period),
        iam_user=f"{'ext-' if engaged else ''}{first[0]}{''.join(rest)}{number}" if keyed else "",
        access_key=access_key(rng) if keyed else "",
    )


KEYED = ("Engineering", "Platform", "Data & Analytics")  # some have an IAM user from the time before Identity Center
JUNIOR = {"Senior Support Agent": "Support Agent", "Senior Software Engineer": "Software Engineer"}


def _promoted(job: Job, rng: Random, period: Period) -> list[Job]:
    """Seniors have been juniors first."""
    tenure = (period.start - job.hired_at).days
    if job.role not in JUNIOR or tenure < 300:
        return [job]
    promoted_at = job.hired_at + timedelta(days=int(tenure * rng.uniform(0.3, 0.8)))
    return [replace(job, role=JUNIOR[job.role]), replace(job, since=promoted_at)]


def access_key(rng: Random) -> str:
    return "AKIA" + text(rng, BASE32, 16)


def _agents(members: Sequence[Person], rng: Random, period: Period) -> list[Agent]:
    """Two old programs that still run with an IAM user's key."""
    wanted = (
        ("svc-nightly-report", "Data Engineer", "Data Manager"),
        ("svc-inventory", "Site Reliability Engineer", ""),
    )
    return [
        Agent(name, access_key(rng), rng.choice(owners))
        for name, *roles in wanted
        if (owners := list(_employed(members, roles, period)))
    ]


def _employed(members: Iterable[Person], roles: Sequence[str], period: Period) -> Iterator[Person]:
    for person in members:
        job = person.job(period.start)
        if job is not None and job.role in roles and job.type == "employee":
            yield person
