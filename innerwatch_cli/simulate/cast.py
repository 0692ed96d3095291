"""Who plays which part: the insiders, the innocent people who look like them, and what happens to each in HR.

Nobody has two parts. Insiders are chosen first, so that a company of any size has all kinds of them.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date, timedelta
from random import Random
from typing import NamedTuple

from innerwatch_cli.simulate.chance import Streams
from innerwatch_cli.simulate.company import AGENTS, Company, Job, Person
from innerwatch_cli.simulate.worktime import Period, shift

CASE_FREE = "case_free_lookup_and_send"
SLOW_EXPORT = "slow_export"
LEAVER_SHARES = "leaver_shares_data"
TERMINATED_KEY = "terminated_key_in_use"
LOGGING_DISABLED = "logging_disabled"
COLLUSION = "collusion"

ANALYSTS = ("Data Analyst", "Data Scientist")
DEVELOPERS = ("Software Engineer", "Senior Software Engineer")
OPERATORS = ("Platform Engineer", "Site Reliability Engineer")


class Insider(NamedTuple):
    kind: str
    people: tuple[Person, ...]


class Cast(NamedTuple):
    insiders: tuple[Insider, ...]
    parts: dict[str, tuple[Person, ...]]  # kind of look-alike → who plays it

    @property
    def guilty(self) -> frozenset[str]:
        return frozenset(person.id for insider in self.insiders for person in insider.people)

    @property
    def needed(self) -> frozenset[str]:
        """Those without whom something planned would not happen."""
        return self.guilty | {person.id for person in self.parts["quarterly_report"]}


def cast(company: Company, period: Period, streams: Streams) -> Cast:
    """Chooses, and writes what follows from it into people's histories."""
    pool = _Pool(company, period, streams("cast"))
    insiders = list(_insiders(pool, streams("insiders"), len(company.people)))
    career = streams("careers")
    for insider in insiders:
        if change := GUILTY_CAREERS.get(insider.kind):
            change(insider.people[0], company, period, career)
    parts: dict[str, tuple[Person, ...]] = {}
    for part in PARTS:
        chosen = pool.take(part.wanted, part.number(len(company.people), period.days))
        for person in chosen:
            part.career(person, company, period, career)
        parts[part.kind] = (*parts.get(part.kind, ()), *chosen)
    for person in company.people:
        person.settle()
    return Cast(tuple(insiders), parts)


class _Pool:
    """Those who have no part yet."""

    def __init__(self, company: Company, period: Period, rng: Random) -> None:
        self.day = period.start
        owners = {agent.owner.id for agent in company.agents}
        self.free = [person for person in company.people if person.id not in owners]
        rng.shuffle(self.free)

    def take(self, wanted: Callable[[Job, Person], bool], count: int) -> list[Person]:
        taken = [person for person in self.free if (job := person.job(self.day)) and wanted(job, person)][:count]
        self.free = [person for person in self.free if person not in taken]
        return taken

    def take_pair(self, wanted: Callable[[Job, Person], bool]) -> list[Person]:
        """Two of one team if there are such, who therefore know each other."""
        candidates = [(person, job) for person in self.free if (job := person.job(self.day)) and wanted(job, person)]
        for person, job in candidates:
            mates = [other for other, his in candidates if other is not person and his.team == job.team]
            if mates:
                self.free = [free for free in self.free if free is not person and free is not mates[0]]
                return [person, mates[0]]
        return []


def is_agent(job: Job, person: Person) -> bool:
    return job.role in AGENTS and job.shift.full_time


def _is_analyst(job: Job, person: Person) -> bool:
    return job.role in ANALYSTS and job.type == "employee" and job.shift.full_time


def _is_engineer(job: Job, person: Person) -> bool:
    return job.role in (*DEVELOPERS, "Data Engineer") and job.type == "employee" and job.shift.full_time


def _is_operator(job: Job, person: Person) -> bool:
    return job.role in OPERATORS and job.shift.full_time


def _is_keyed_contractor(job: Job, person: Person) -> bool:
    return job.type == "contractor" and bool(person.access_key)


CHOOSERS: dict[str, Callable[[Job, Person], bool]] = {
    CASE_FREE: is_agent,
    COLLUSION: is_agent,
    LEAVER_SHARES: _is_engineer,
    TERMINATED_KEY: _is_keyed_contractor,
    LOGGING_DISABLED: _is_operator,
}
KINDS = (TERMINATED_KEY, LOGGING_DISABLED, LEAVER_SHARES, SLOW_EXPORT, COLLUSION, CASE_FREE)


def _insiders(pool: _Pool, rng: Random, people: int) -> Iterable[Insider]:
    """Each kind once, then kinds at random until 1 in 100 people is an insider."""
    found: list[Insider] = []
    kinds = list(KINDS)
    while kinds or sum(len(insider.people) for insider in found) < round(people / 100):
        kind = kinds.pop(0) if kinds else rng.choice(KINDS)
        if kind == COLLUSION:
            chosen = pool.take_pair(is_agent)
        elif kind == SLOW_EXPORT:
            # Mostly somebody who exports anyway; sometimes an agent, whose job has few exports.
            chosen = pool.take(is_agent if rng.random() < 0.3 else _is_analyst, 1)
        else:
            chosen = pool.take(CHOOSERS[kind], 1)
        if chosen:
            found.append(Insider(kind, tuple(chosen)))
    return found


def _gives_notice(person: Person, company: Company, period: Period, rng: Random) -> None:
    day = rng.choice(period.span(0.3, 0.5))
    _leave(person, day, day + timedelta(days=rng.randint(14, 30)))


def _leave(person: Person, notice: date, last: date) -> None:
    person.plan(notice, status="notice", notice_at=notice, last_day=last)
    person.plan(last + timedelta(days=1), status="terminated")


def _engagement_ends(
    person: Person,
    company: Company,
    period: Period,
    rng: Random,
    low: float = 0.18,
    high: float = 0.36,
) -> None:
    """As agreed from the start: the last day stands in every row."""
    last = rng.choice(period.span(low, high))
    for index, job in enumerate(person.jobs):
        person.jobs[index] = replace(job, last_day=last)
    person.plan(last + timedelta(days=1), status="terminated")


def _engagement_ends_later(person: Person, company: Company, period: Period, rng: Random) -> None:
    _engagement_ends(person, company, period, rng, 0.45, 0.8)


def _is_new(person: Person, company: Company, period: Period, rng: Random) -> None:
    """Hired in the first half; HR knows some weeks ahead."""
    hired = rng.choice([day for day in period.span(0.05, 0.45) if day.weekday() == 0] or period.span(0.05, 0.45))
    first = person.jobs[-1]
    known = hired - timedelta(days=rng.randint(10, 35))
    person.jobs = [replace(first, since=known, hired_at=hired, status="pre_hire")]
    person.plan(hired, status="active")


def _goes_on_leave(person: Person, company: Company, period: Period, rng: Random) -> None:
    """Parental or long sick leave; some are back before the period ends."""
    start = rng.choice(period.span(0.15, 0.6))
    person.plan(start, status="leave")
    person.plan(start + timedelta(days=rng.choice((12, 21, 90, 120))), status="active")


def _resigns(person: Person, company: Company, period: Period, rng: Random) -> None:
    day = rng.choice(period.span(0.05, 0.7))
    _leave(person, day, day + timedelta(days=rng.randint(12, 35)))


def _changes_role(person: Person, company: Company, period: Period, rng: Random) -> None:
    """From the support desk to the analysts: other systems, other hours, from one Monday on."""
    mate = next(job for other in company.people if (job := other.job(period.start)) and job.role == "Data Analyst")
    person.plan(
        _monday(period, rng),
        role=mate.role,
        department=mate.department,
        team=mate.team,
        manager_id=mate.manager_id,
        shift=shift("Mon-Fri 09:00-17:30"),
    )


def _is_promoted(person: Person, company: Company, period: Period, rng: Random) -> None:
    person.plan(_monday(period, rng), role="Senior Support Agent")


def _as_ever(person: Person, company: Company, period: Period, rng: Random) -> None:
    """Nothing changes in HR."""


def _monday(period: Period, rng: Random) -> date:
    days = period.span(0.35, 0.75)
    return rng.choice([day for day in days if day.weekday() == 0] or days)


def _moves(person: Person, company: Company, period: Period, rng: Random) -> None:
    """To another support team, of the same site if there is one; with it comes another supervisor."""
    own = person.jobs[-1]
    agents = [job for other in company.people if (job := other.job(period.start)) and job.role in AGENTS]
    managers = {job.team: job.manager_id for job in agents if job.team != own.team}
    near = [team for team in managers if team.startswith(own.team.rpartition(" ")[0])]
    if managers:
        team = rng.choice(sorted(near or managers))
        person.plan(_monday(period, rng), team=team, manager_id=managers[team])


GUILTY_CAREERS: dict[str, Callable[[Person, Company, Period, Random], None]] = {
    LEAVER_SHARES: _gives_notice,
    TERMINATED_KEY: _engagement_ends,
}


class _Part(NamedTuple):
    kind: str
    wanted: Callable[[Job, Person], bool]
    career: Callable[[Person, Company, Period, Random], None]
    number: Callable[[int, int], int]  # of people and days


def _one_in(people: int) -> Callable[[int, int], int]:
    return lambda company, days: 1 + company // people


def _monthly(share: float) -> Callable[[int, int], int]:
    return lambda company, days: max(1, round(share * company * days / 30))


# In the order of choice. Each kind takes who is left; in the smallest company some kinds find nobody.
PARTS = (
    _Part("migration", _is_engineer, _as_ever, _one_in(400)),
    _Part("contractor_left", _is_keyed_contractor, _engagement_ends_later, _one_in(250)),
    _Part("new_hire", is_agent, _is_new, _monthly(0.012)),
    _Part("on_leave", is_agent, _goes_on_leave, _one_in(150)),
    _Part("leaver_innocent", _is_engineer, _resigns, _one_in(250)),
    _Part("quarterly_report", lambda job, _: job.role in ANALYSTS, _as_ever, _one_in(500)),
    _Part("leaver_innocent", is_agent, _resigns, _monthly(0.01)),
    _Part("role_change", is_agent, _changes_role, _one_in(250)),
    _Part("promotion", lambda job, _: job.role == AGENTS[0] and job.shift.full_time, _is_promoted, _one_in(120)),
    _Part("team_move", is_agent, _moves, _one_in(200)),
)
