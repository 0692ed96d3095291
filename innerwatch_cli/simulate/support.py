"""The support desk's day in the support console: nearly all of it is driven by cases, as it is in life.

Each agent works through contacts: new cases, cases taken up again, colleagues' cases, call-backs, and now and then a
customer without a case, or the wrong customer. What an agent does moves the case system on.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, NamedTuple

from innerwatch_cli.simulate.attendance import Workday
from innerwatch_cli.simulate.company import AGENTS, SUPERVISOR, Person
from innerwatch_cli.simulate.customers import COURIER, mail
from innerwatch_cli.simulate.desk import Case
from innerwatch_cli.simulate.records import CONSOLE, Record, access
from innerwatch_cli.simulate.worktime import DAY, HOUR, MINUTE
from innerwatch_cli.simulate.world import World

CONTACTS = 13.2  # that a usual agent has in eight hours of a usual day
MOST = 32.0  # that anybody manages
HANDLING = 6.0  # minutes
OVERVIEW = ("name", "email")


class Topic(NamedTuple):
    name: str
    weight: int
    fields: tuple[str, ...]  # what the case needs to see
    update: float  # how often something is changed
    changed: tuple[str, ...]
    send: float  # how often the answer is a message


TOPICS = (
    Topic("order status", 30, ("name", "orders"), 0.04, ("notes",), 0.45),
    Topic("refund", 16, ("name", "orders", "card_last4"), 0.35, ("refund",), 0.5),
    Topic("billing question", 16, ("name", "invoices", "card_last4", "billing_address"), 0.08, ("notes",), 0.45),
    Topic("login problem", 14, ("name", "email", "phone", "last_login"), 0.3, ("password",), 0.35),
    Topic("change of address", 9, ("name", "address", "phone"), 0.85, ("address",), 0.3),
    Topic("change of plan", 8, ("name", "plan", "invoices"), 0.6, ("plan",), 0.4),
    Topic("cancellation", 5, ("name", "plan", "iban"), 0.7, ("plan",), 0.6),
    Topic("data request", 2, ("name", "email", "phone", "address", "date_of_birth", "orders"), 0.05, ("notes",), 0.9),
)
BY_NAME = {topic.name: topic for topic in TOPICS}
WEIGHTS = [topic.weight for topic in TOPICS]
IDENTITY_CHECK = ("name", "date_of_birth", "address")


@dataclass(slots=True)
class Team:
    """Who of a team is there on a day, and who is not."""

    there: list[Person] = field(default_factory=list)
    missing: list[Person] = field(default_factory=list)
    lead: Person | None = None


def day(world: World, today: date) -> Iterator[Record]:
    teams, desks, reviews = _roster(world, today)
    _reassign(world, today, teams)
    for work in sorted(desks, key=lambda work: (work.start, work.person.number)):
        yield from AgentDay(world, work, teams[work.job.team]).records()
    for work in reviews:
        yield from _review(world, work, teams[work.job.team])


def _roster(world: World, today: date) -> tuple[dict[str, Team], list[Workday], list[Workday]]:
    teams: dict[str, Team] = defaultdict(Team)
    desks: list[Workday] = []
    reviews: list[Workday] = []
    for person in world.company.people:
        job = person.job(today)
        if job is None or job.role not in (*AGENTS, SUPERVISOR):
            continue
        work = world.attendance.workday(person, today)
        if job.role == SUPERVISOR:
            teams[job.team].lead = person
            reviews += [work] if work else []
            continue
        (teams[job.team].there if work else teams[job.team].missing).append(person)
        desks += [work] if work else []
    return teams, desks, reviews


def _reassign(world: World, today: date, teams: dict[str, Team]) -> None:
    """Cases of those who have left, are on leave or have another job now go to colleagues who are there."""
    rng = world.streams("reassign", today)
    for owner_id, cases in sorted(world.desk.open.items()):
        job = world.company.by_id[owner_id].job(today)
        if not cases or job is None or (job.present and job.role in (*AGENTS, SUPERVISOR)):
            continue
        team = cases[0].held[-1][1]
        for case in list(cases) if teams[team].there else []:
            mate = rng.choice(teams[team].there)
            work = world.attendance.workday(mate, today)
            if work is not None:
                at = max(work.start - 20 * MINUTE, case.held[-1][2] + MINUTE, case.spans[-1][0] + MINUTE)
                world.desk.hand_over(case, mate, team, at)
                case.due = today


class AgentDay:
    """One agent's way through one day; `clock` is where it has come to."""

    def __init__(self, world: World, work: Workday, team: Team) -> None:
        self.world, self.work, self.team, self.desk = world, work, team, world.desk
        self.today, self.me, self.habits = work.day, work.person, work.habits
        self.rng = world.streams("support", self.me.id, self.today)
        self.clock = work.start
        self.experience = world.experience(work.job.hired_at, self.today)
        self.busy = self.today in world.demand.busy
        self.end = work.end + int(self.rng.uniform(0, 50) * MINUTE if self.busy else 0)
        self.usual = "new_hire" if self.experience < 1 else "busy_day" if self.busy else ""
        self.forgets = False  # to name the case, in this contact

    def records(self) -> Iterator[Record]:
        rng = self.rng
        demand = self.world.demand.of(self.today)
        wanted = CONTACTS * self.habits.pace * demand * self.experience
        contacts = max(1.0, min(wanted, MOST) * self.work.minutes / 450)
        gap = max(0.7, self.work.minutes / contacts - HANDLING)
        if rng.random() < 0.015:
            yield self._emit("login", outcome="failure")
            self._pass(0.4)
        yield self._emit("login")
        self._pass(rng.uniform(0.2, 3))
        yield from self._queue()
        while True:
            self._pass(rng.expovariate(1 / gap))
            if self.clock >= self.end:
                return
            self.forgets = rng.random() < self.habits.caseless * 0.5
            yield from self._contact()
            if rng.random() < 0.0015:
                yield from self._own_list()

    def _contact(self) -> Iterator[Record]:
        rng = self.rng
        due = self._due()
        chance = rng.random()
        covering = 0.14 if self.busy else 0.03
        if due and rng.random() < 0.5:
            return self._follow_up(due[0])
        if chance < covering and (case := self._colleagues_case()):
            return self._handle(case, "cover")
        if chance > 0.97 and (recent := self._recent()):
            return self._call_back(rng.choice(recent))
        if rng.random() < self.habits.caseless:
            return self._without_case()
        return self._new_case()

    def _new_case(self) -> Iterator[Record]:
        rng = self.rng
        customer = self.world.customers.one(rng)
        topic = rng.choices(TOPICS, WEIGHTS)[0]
        if rng.random() < self.habits.slips * (3 if self.experience < 1 else 1):
            yield from self._wrong_customer()
        if rng.random() < self.habits.searches + (1 - self.experience) * 0.3:
            yield from self._search(customer)
        first_look = rng.random() < self.habits.caseless  # the case is opened only after a first look
        if first_look:
            yield self._emit("view", customers=[customer], fields=OVERVIEW)
            self._pass(rng.uniform(0.3, 2))
        waited = rng.uniform(0.2, 2) if rng.random() < 0.45 else rng.uniform(10, 900)  # on the telephone, or by mail
        opened = self.clock - int(waited * MINUTE)
        case = self.desk.start(customer, topic.name, self.me, self.work.job.team, opened, self.clock)
        self._pass(rng.uniform(0.05, 0.4))
        yield from self._handle(case)

    def _follow_up(self, case: Case) -> Iterator[Record]:
        if case.closed_at:
            opened = max(case.closed_at + MINUTE, self.clock - int(self.rng.uniform(5, 90) * MINUTE))
            self.desk.reopen(case, opened, max(opened, self.clock), self.work.job.team)
            self.clock = max(opened, self.clock)
        return self._handle(case)

    def _handle(self, case: Case, alike: str = "") -> Iterator[Record]:
        """Works on a case: looks, perhaps changes something or answers, and leaves it closed, open or with another."""
        rng, topic = self.rng, BY_NAME[case.topic]
        subject: dict[str, Any] = {"customers": [case.customer], "case": case.id, "alike": alike}
        yield self._emit("view", fields=OVERVIEW if rng.random() < 0.6 else topic.fields, **subject)
        if rng.random() < 0.12:
            self._pass(rng.uniform(0.1, 0.8))
            yield self._emit("view", fields=IDENTITY_CHECK, **subject)
        if rng.random() < 0.62:
            self._pass(self._minutes(0.3))
            refused = rng.random() < 0.004
            yield self._emit("view", fields=topic.fields, outcome="failure" if refused else "success", **subject)
        if rng.random() < topic.update:
            self._pass(self._minutes(0.3))
            yield self._emit("update", fields=topic.changed, **subject)
        if topic.name == "data request" and rng.random() < 0.7:
            self._pass(self._minutes(0.3))
            yield self._emit("export", fields=topic.fields, size=rng.randint(4000, 60_000), **subject)
        if rng.random() < topic.send:
            self._pass(self._minutes(0.4))
            # A message is written in the case: one without happens where somebody answers from the customer's page.
            free = rng.random() < 0.001
            lost = case.topic == "order status" and rng.random() < 0.04
            yield self._emit(
                "send",
                fields=("email",),
                recipient=COURIER if lost else mail(case.customer),
                customers=[case.customer],
                case="" if free else case.id,
                alike=alike,
            )
        self._pass(self._minutes(0.25))
        self._settle(case)

    def _settle(self, case: Case) -> None:
        rng, outcome = self.rng, self.rng.random()
        if outcome < 0.58:
            self.desk.close(case, self.clock)
            if rng.random() < 0.07:
                case.reopens = self.today + timedelta(days=rng.randint(1, 6))
            return
        case.due = self.today + timedelta(days=rng.randint(1, 4))
        others = [mate for mate in self.team.there if mate is not self.me and mate is not case.owner]
        if outcome < 0.63 and others:
            self.desk.hand_over(case, rng.choice(others), self.work.job.team, self.clock)
            case.due = self.today + timedelta(days=1)
        elif outcome < 0.645 and self.team.lead:
            self.desk.hand_over(case, self.team.lead, self.work.job.team, self.clock)

    def _own_list(self) -> Iterator[Record]:
        """The cases of some days as a file: for a meeting, or to sort them."""
        cases = [*self.desk.open[self.me.id], *self.desk.closed[self.me.id]][-self.rng.randint(8, 40) :]
        customers = list(dict.fromkeys(case.customer for case in cases))
        if customers:
            size = 500 + 150 * len(customers)
            yield self._emit("export", customers=customers, fields=("name", "case"), size=size)

    def _call_back(self, case: Case) -> Iterator[Record]:
        """The customer rings again after the case was closed."""
        fields = BY_NAME[case.topic].fields
        for shown in (OVERVIEW, fields)[: self.rng.randint(1, 2)]:
            yield self._emit("view", customers=[case.customer], fields=shown, case=case.id, alike="call_back")
            self._pass(self._minutes(0.3))

    def _without_case(self) -> Iterator[Record]:
        """A caller who hangs up, a question answered at once, a case somebody forgot to open."""
        customer = self.world.customers.one(self.rng)
        if self.rng.random() < 0.7:
            yield from self._search(customer)
        yield self._emit("view", customers=[customer], fields=OVERVIEW)
        if self.rng.random() < 0.35:
            self._pass(self._minutes(0.3))
            yield self._emit("view", customers=[customer], fields=self.rng.choices(TOPICS, WEIGHTS)[0].fields)
        self._pass(self._minutes(0.2))

    def _wrong_customer(self) -> Iterator[Record]:
        """A mistyped number or a namesake: found, opened, closed again."""
        wrong = self.world.customers.one(self.rng)
        yield self._emit("search", customers=[wrong], fields=OVERVIEW, alike="mistyped_search")
        if self.rng.random() < 0.6:
            self._pass(self.rng.uniform(0.05, 0.3))
            yield self._emit("view", customers=[wrong], fields=OVERVIEW, alike="mistyped_search")
        self._pass(self.rng.uniform(0.1, 0.6))

    def _search(self, customer: str) -> Iterator[Record]:
        """By number or mail address, which finds one, or by name, which may find several. Newcomers search twice."""
        for _ in range(2 if self.rng.random() < (1 - self.experience) * 0.7 else 1):
            hits = [customer]
            if self.rng.random() < 0.18:
                hits += self.world.customers.several(self.rng, self.rng.randint(1, 5))
            yield self._emit("search", customers=list(dict.fromkeys(hits)), fields=OVERVIEW)
            self._pass(self.rng.uniform(0.1, 0.6))

    def _queue(self) -> Iterator[Record]:
        """The list of one's own open cases, with which the day begins."""
        waiting = [case.customer for case in self.desk.open[self.me.id]][:15]
        if waiting:
            yield self._emit("list", customers=list(dict.fromkeys(waiting)), fields=("name",))

    def _due(self) -> list[Case]:
        reopened = [case for case in self.desk.closed[self.me.id] if case.reopens and case.reopens <= self.today]
        waiting = [case for case in self.desk.open[self.me.id] if self._is_due(case)]
        return sorted(waiting + reopened, key=lambda case: case.due or self.today)

    def _is_due(self, case: Case) -> bool:
        return case.due is not None and case.due <= self.today and case.held[-1][2] < self.clock

    def _colleagues_case(self) -> Case | None:
        waiting = [case for mate in self.team.missing for case in self.desk.open[mate.id] if self._is_due(case)]
        return self.rng.choice(waiting) if waiting else None

    def _recent(self) -> list[Case]:
        since = self.clock - 2 * DAY
        return [case for case in self.desk.closed[self.me.id] if since < case.closed_at < self.clock - HOUR // 2]

    def _minutes(self, share: float) -> float:
        """Some part of the handling of a contact, quicker where many wait."""
        return self.rng.lognormvariate(0, 0.5) * HANDLING * share / (1.6 if self.busy else 1)

    def _pass(self, minutes: float) -> None:
        self.clock = self.work.present(self.clock + int(minutes * MINUTE))

    def _emit(self, action: str, *, case: str = "", alike: str = "", **details: Any) -> Record:
        lost = bool(case) and self.world.demand.without_link(self.clock)
        if lost or (self.forgets and action == "view"):
            case = ""
        alike = alike or ("case_system_outage" if lost else self.usual)
        return access(self.rng, self.clock, self.work, CONSOLE, action, case=case, alike=alike, **details)


def _review(world: World, work: Workday, team: Team) -> Iterator[Record]:
    """A supervisor's day: reads many cases of the team, none of them assigned to the supervisor."""
    rng = world.streams("review", work.person.id, work.day)
    clock = work.start
    desk = world.desk
    members: Sequence[Person] = [*team.there, *team.missing]
    yield access(rng, clock, work, CONSOLE, "login")
    mine = list(desk.open[work.person.id])
    others = [case for person in members for case in (*desk.open[person.id], *desk.closed[person.id])]
    # What of the cases is known by now: agents' days are told before the supervisor's.
    others = [case for case in others if case.spans[0][0] < work.start or case.held[0][2] < work.end - HOUR]
    if any(not case.closed_at for case in others):
        clock += rng.randint(1, 8) * MINUTE
        open_now = [case for case in others if not case.closed_at and case.spans[-1][0] < clock]
        waiting = list(dict.fromkeys(case.customer for case in open_now))[:25]
        yield access(rng, clock, work, CONSOLE, "list", customers=waiting, fields=("name",), alike="supervisor_review")
    chosen = [(case, "supervisor_review") for case in rng.sample(others, min(len(others), rng.randint(14, 34)))]
    chosen += [(case, "") for case in mine]
    rng.shuffle(chosen)
    gap = work.minutes / (len(chosen) + 2)
    for case, alike in chosen:
        clock = work.present(clock + int(rng.expovariate(1 / gap) * MINUTE))
        clock = max(clock, case.held[0][2] + MINUTE)
        if clock >= work.end:
            break
        if not alike and case.held[-1][2] >= clock:  # it comes only later today
            continue
        for shown in (OVERVIEW, BY_NAME[case.topic].fields)[: rng.randint(1, 2)]:
            subject: dict[str, Any] = {"customers": [case.customer], "case": case.id, "alike": alike}
            yield access(rng, clock, work, CONSOLE, "view", fields=shown, **subject)
            clock += int(rng.uniform(0.3, 3) * MINUTE)
        if not alike and rng.random() < 0.6:
            desk.close(case, clock)
    if work.day.weekday() == 0 and any(case.closed_at for case in others):
        week = [case for case in others if case.closed_at > work.start - 7 * DAY]
        customers = list(dict.fromkeys(case.customer for case in week))
        yield access(
            rng,
            work.moment(rng, 0.6, 0.95),
            work,
            CONSOLE,
            "export",
            customers=customers,
            fields=("name", "case"),
            size=900 + 160 * len(customers),
            alike="supervisor_review",
        )
