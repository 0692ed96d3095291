"""One company walked through what runs in production: identity, HR, justification, rules, behaviour and risk."""

import gc
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from innerwatch import pipeline
from innerwatch.behaviour import DATASET as BEHAVIOUR
from innerwatch.behaviour import risk
from innerwatch.behaviour.collect import PersonDay
from innerwatch.behaviour.score import Scorer
from innerwatch.detection.rules import CompiledRule
from innerwatch.directory import Directory, employment, in_memory
from innerwatch.errors import UserError
from innerwatch.values import FOREVER, Change, Event, SetAside
from innerwatch_cli.evaluate import baselines, companies, flags
from innerwatch_cli.evaluate.answers import Answers
from innerwatch_cli.evaluate.baselines import Score
from innerwatch_cli.evaluate.companies import Company
from innerwatch_cli.evaluate.counting import DAY, Counting
from innerwatch_cli.evaluate.days import Days
from innerwatch_cli.evaluate.flags import Flag
from innerwatch_cli.evaluate.matching import Alert, Matcher

NAMESPACE = "evaluate"
EMPLOYED = frozenset({"active", "leave", "notice"})


@dataclass
class Result:
    """What one company came to; small enough to be handed between processes."""

    name: str
    answers: Answers
    events: int = 0
    set_aside: int = 0
    first: int = 0  # instants of the first and last event
    last: int = 0
    person_days: int = 0
    alerts: Counter[str] = field(default_factory=Counter)  # rule title → alerts, of all levels
    flagging: Counter[str] = field(default_factory=Counter)  # the same for alerts that flag people
    flags: list[Flag] = field(default_factory=list)
    scores: dict[str, list[Score]] = field(default_factory=dict)  # baseline → every person-day's
    names: dict[str, str] = field(default_factory=dict)  # employee id → name

    @property
    def days(self) -> float:
        return max((self.last - self.first) / DAY, 1.0)


def walk(folder: Path, rules: Sequence[CompiledRule], compared: Iterable[str]) -> Result:
    """Raises UserError for what is wrong with the folder."""
    company = companies.load(folder)
    result = Result(company.name, company.answers)
    people = in_memory(company.feeds)
    counting, matcher = Counting(), Matcher(rules)
    with Days(people) as days:
        with without_collection():
            see(company, people, result, (matcher.add, counting.add, lambda event: days.add(event.document)))
        employed(company, people, result)
        alerts = list(matcher.alerts(on_behaviour=False))
        behave(days.take(), alerts, matcher)
    for alert in (*alerts, *matcher.alerts(on_behaviour=True)):
        take(alert, company, result)
    result.scores = dict(baselines.scores(counting.finished(), compared))
    return result


@contextmanager
def without_collection() -> Iterator[None]:
    """Documents hold no cycles, and looking for some among millions of matches takes a quarter of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def see(company: Company, people: Directory, result: Result, seers: Iterable[Callable[[Event], None]]) -> None:
    """Takes every event through the chain once, and shows it to each of `seers`."""
    seen: set[tuple[str, str]] = set()
    first, last = FOREVER, 0
    for item in pipeline.enriched(company.logs(), people, NAMESPACE, company.customers, company.cases):
        if isinstance(item, SetAside):
            result.set_aside += 1
        elif isinstance(item, Event) and (item.dataset, item.id) not in seen:  # a second one would be a duplicate
            seen.add((item.dataset, item.id))
            first, last = min(first, item.time), max(last, item.time)
            for see_it in seers:
                see_it(item)
    if not seen:
        raise UserError("there is no event in the logs", "expected logs of a source that is known", path=company.name)
    result.events, result.first, result.last = len(seen), first, last


def employed(company: Company, people: Directory, result: Result) -> None:
    """Counts person-days: of everybody whom HR has for employed on a day, at work or not."""
    ids = {row.employee_id for feed in company.feeds for row in feed.rows if isinstance(row, Change)}
    for day in range(result.first // DAY, result.last // DAY + 1):
        noon = day * DAY + DAY // 2
        for employee_id in ids:
            fact = people.state(employee_id, noon)
            if fact is not None:
                result.names[employee_id] = fact.employee.name
                result.person_days += employment.status_at(fact.employee, noon) in EMPLOYED


def behave(days: Iterable[PersonDay], alerts: Iterable[Alert], matcher: Matcher) -> None:
    """Shows the rules each person's day as a behaviour document, with the risk that was known at its end."""
    by_person: dict[str, list[Alert]] = defaultdict(list)
    for alert in alerts:
        for person in alert.people:
            by_person[person].append(alert)
    scorer = Scorer(NAMESPACE)
    for _, of_date in groupby(days, key=lambda day: day.day):
        today = list(of_date)
        known = [found for day in today for alert in by_person.get(day.id, ()) if (found := as_of(alert, day))]
        for day, document in zip(today, list(scorer.judge(today, known)), strict=True):
            matcher.see(document["event"]["id"], BEHAVIOUR, day.end - 1, document)


def as_of(alert: Alert, day: PersonDay) -> risk.Alert | None:
    """An alert as it was when a person's day ended: raised by then, with the evidence until then."""
    if alert.ends[0] >= day.end:
        return None
    latest = max(match.time for match in alert.evidence if match.time < day.end)
    return risk.Alert(alert.id, latest, alert.rule.title, alert.rule.level, alert.rule.dataset, (day.id,))


def take(alert: Alert, company: Company, result: Result) -> None:
    result.alerts[alert.rule.title] += 1
    result.flagging[alert.rule.title] += alert.rule.level in flags.LEVELS
    result.flags += flags.flags(alert, company.answers)
