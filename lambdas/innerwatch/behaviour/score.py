"""From person-days to behaviour documents: each measure against the person's own days and against the peers' day.

Time-causal: a day is judged by the days before it and by what others did on it, never by what came later. So the
same code serves a stream, a replay and an evaluation.
"""

import hashlib
import math
import sys
from array import array
from bisect import bisect_left
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from innerwatch import instants
from innerwatch.behaviour import DATASET, risk
from innerwatch.behaviour.collect import PersonDay, date, day_number
from innerwatch.behaviour.measures import MEASURES, NAMES, PLACES, ROLLING, Measure
from innerwatch.behaviour.robust import Baseline, Without, baseline, deviation, median, score
from innerwatch.directory.employment import DAY
from innerwatch.fields import ECS_VERSION

HISTORY = 60  # days that are looked back
OWN_DAYS = 30  # of the person's own, the latest, that make a baseline
FEWEST_DAYS = 5  # with fewer there is none
FEWEST_PEERS = 5  # people; with fewer the group is widened
WIDENED = (("role", "department", "team"), ("role", "department"), ("role",), ("department",))
NOTED_AGAIN = 30  # days after which a document notes again what a person uses all along
KNOWN_TO = 3  # colleagues who use a thing make it no news for the next
ROLE_DAYS = 30  # by which is judged what fields a role sees
RARE = 0.01  # share of a role's customers shown with a field, below which it is seldom shown
RARE_LEAST = 100  # customers shown to the role; with fewer nobody knows what is seldom
PAIRED = 14  # days in which two people's look-ups are compared
AWAY = 14  # days without anything after which a person was away
UNUSUAL_FOR = 14  # days for which an unusual day does not count as usual, or a scheme's second day would look like one
ALONE = 1 / 3  # what a deviation counts where only the person's own days, or only the peers, are known
JOB = ("role", "department", "team")

# Whose use makes a thing known to others: those of one job, or everybody. Hours are each person's own.
OF_JOB = frozenset({"services", "actions", "buckets"})
OWN_ONLY = frozenset({"hours"})
NEW = {
    "new_addresses": "addresses",
    "new_networks": "networks",
    "new_user_agents": "user_agents",
    "new_hosts": "hosts",
    "new_services": "services",
    "new_actions": "actions",
    "new_buckets": "buckets",
    "odd_hours": "hours",
}


class Past(NamedTuple):
    """A day in a person's history."""

    day: int
    kind: str
    job: tuple[str, ...]
    values: "array[float]"  # in the order of MEASURES; NaN where it is not known
    unusual: frozenset[str]  # measures


class Peers(NamedTuple):
    baseline: Baseline
    group: str  # what they have in common, and whether it is their day or their usual days


class Scorer:
    """Judges days in the order of time, and learns from each once it is judged."""

    def __init__(self, namespace: str = "innerwatch", history: Iterable[PersonDay] = ()) -> None:
        """`history` are days that were judged before, as `from_document` gives them, in order of the days."""
        self.namespace = namespace
        self._past: dict[str, deque[Past]] = defaultdict(deque)
        self._jobs: dict[tuple[str, ...], tuple[str, ...]] = {}  # each once, however many days hold it
        # kind → (whose) → thing → person → day on which that was last noted
        self._used: dict[tuple[str, tuple[str, ...]], dict[str, dict[str, int]]] = defaultdict(dict)
        self._own: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)  # person, kind → thing → day
        self._fields: dict[tuple[str, ...], deque[tuple[int, Counter[str]]]] = defaultdict(deque)
        self._asked: dict[str, dict[str, int]] = defaultdict(dict)  # customer → person → day
        self._asked_of: dict[str, dict[str, int]] = defaultdict(dict)  # person → customer → day
        self._scores: dict[str, deque[risk.Contribution]] = defaultdict(deque)
        self._pruned = 0
        self.learn(history)

    def learn(self, days: Iterable[PersonDay]) -> None:
        """Takes in days that were judged before, in order of the days."""
        for day in days:
            self._learn(day)

    def judge(self, days: Sequence[PersonDay], alerts: Iterable[risk.Alert] = ()) -> Iterator[dict[str, Any]]:
        """The documents of all person-days of one date, in their order; learns from them when the last was taken.

        `alerts` are those known so far; their events may be of any time.
        """
        if not days:
            return
        today = days[0].day
        if any(day.day != today for day in days):
            raise ValueError("all person-days must be of one date")
        self._prune(today)
        by_person: dict[str, list[risk.Contribution]] = defaultdict(list)
        for alert in alerts:
            if alert.dataset != DATASET:
                for employee in alert.employees:
                    by_person[employee].append(risk.of_alert(alert))
        self._measure(days, today)
        groups = _Groups(days, self._past)
        judged = []
        for day in days:
            document = self._document(day, groups, by_person.get(day.id, ()))
            judged.append(from_document(document))  # far less than the document: a company has many people
            yield document
        self.learn(judged)

    # --- the measures that need other days

    def _measure(self, days: Sequence[PersonDay], today: int) -> None:
        for day in days:
            for customer in day.asked:
                self._asked[customer][day.id] = today
                self._asked_of[day.id][customer] = today
        for day in days:
            values, job = day.values, _job(day)
            if len(self._past[day.id]) >= FEWEST_DAYS:
                for name, kind in NEW.items():
                    values[name] = sum(self._is_new(kind, job, day, item, today) for item in day.seen.get(kind, ()))
            rare = self._rare(day, job[:2], today)
            if rare is not None:
                values["rare_fields"] = rare
            values["shared_customers"] = self._shared(day, today)
            for name, rolling in ROLLING.items():
                place = PLACES[rolling.of]
                past = [p.values[place] for p in self._past[day.id] if today - rolling.days < p.day < today]
                known = [value for value in (*past, values.get(rolling.of, math.nan)) if value == value]
                if known:
                    values[name] = sum(value >= rolling.least for value in known) if rolling.least else math.fsum(known)

    def _is_new(self, kind: str, job: tuple[str, ...], day: PersonDay, item: str, today: int) -> bool:
        if self._own[day.id, kind].get(item, -HISTORY) > today - HISTORY:
            return False
        if kind in OWN_ONLY:
            return True
        users = self._used[kind, _whose(kind, job)].get(item, {})
        others = sum(1 for person, last in users.items() if person != day.id and last > today - HISTORY)
        return others < KNOWN_TO

    def _rare(self, day: PersonDay, role: tuple[str, ...], today: int) -> float | None:
        """Customers whom the person saw with fields that people of that role seldom see."""
        if not day.fields:
            return None
        counts: Counter[str] = Counter()
        for past, of_day in self._fields[role]:
            if past > today - ROLE_DAYS:
                counts.update(of_day)
        most = max(counts.values(), default=0)
        if most < RARE_LEAST:
            return None
        return float(max((n for name, n in day.fields.items() if counts[name] < RARE * most), default=0))

    def _shared(self, day: PersonDay, today: int) -> float:
        """Customers looked up without a reason of late, as one same colleague did; one of them today."""
        recent = {c for c, last in self._asked_of[day.id].items() if last > today - PAIRED} if day.asked else set()
        with_whom: Counter[str] = Counter()
        current: set[str] = set()
        for customer in recent:
            for person, last in self._asked[customer].items():
                if person != day.id and last > today - PAIRED:
                    with_whom[person] += 1
                    if self._asked_of[day.id][customer] == today:
                        current.add(person)
        return float(max((with_whom[person] for person in current), default=0))

    # --- baselines

    def _own_days(self, person: str, job: tuple[str, ...], kind: str) -> tuple[list[Past], str]:
        """The person's latest days in this job, alike in kind where there are enough, and a word on them."""
        in_job = [past for past in self._past.get(person, ()) if past.job == job]
        alike = [past for past in in_job if past.kind == kind]
        chosen, word = (alike, kind) if len(alike) >= FEWEST_DAYS else (in_job, "")
        return chosen[-OWN_DAYS:], f"{word} " if word else ""

    # --- documents

    def _document(self, day: PersonDay, groups: "_Groups", alerts: Iterable[risk.Contribution]) -> dict[str, Any]:
        own_days, word = self._own_days(day.id, _job(day), day.kind)
        behaviour: dict[str, Any] = {}
        for place, measure in enumerate(MEASURES):
            value = day.values.get(measure.name)
            if value is not None:
                behaviour[measure.name] = self._judged(measure, place, value, day, own_days, word, groups)
        scores = {name: part["score"] for name, part in behaviour.items() if part.get("score", 0) >= risk.UNUSUAL}
        identity = document_id(day.id, day.day)
        time = day.end - 1
        own_risk = risk.assess([*self._scores[day.id], *risk.of_scores(time, identity, scores), *alerts], time)
        unusual = sorted(scores, key=lambda name: (-scores[name], name))
        behaviour |= {
            "date": day.date,
            "day": {"kind": day.kind or "unknown", "basis": self._basis(day, own_days)},
            "score": max((part.get("score", 0.0) for part in behaviour.values()), default=0.0),
            "seen": self._noted(day),
        }
        optional = {
            "unusual": unusual,
            "reason": _reason(unusual, behaviour),
            "shown": day.fields,
            "asked": list(day.asked),
            "bulk_role_events": day.bulk_role_events,
            "risk": {"contributions": risk.explained(own_risk)} if own_risk.contributions else None,
        }
        behaviour |= {name: value for name, value in optional.items() if value}
        return {
            "@timestamp": instants.iso(time),
            "ecs": {"version": ECS_VERSION},
            "data_stream": {"type": "logs", "dataset": DATASET, "namespace": self.namespace},
            "event": {
                "kind": "metric",
                "module": "innerwatch",
                "dataset": DATASET,
                "id": identity,
                "action": "behaviour",
                "type": ["info"],
                "end": instants.iso(day.end),
            },
            "employee": day.employee,
            "user": {"id": day.id, "risk": risk.fields(own_risk)},
            "behaviour": behaviour,
        }

    def _judged(
        self,
        measure: Measure,
        place: int,
        value: float,
        day: PersonDay,
        own_days: Sequence[Past],
        word: str,
        groups: "_Groups",
    ) -> dict[str, Any]:
        if value <= 0:  # nothing cannot be too much
            return {"value": 0.0, "score": 0.0}
        judged: dict[str, Any] = {"value": round(value, 6)}
        compared = _compared(value, measure)
        deviations, basis = [], []
        known = _known(self._usual(measure, place, day, own_days), measure)
        if len(known) >= FEWEST_DAYS:
            usual = baseline(sorted(known))
            deviations.append(deviation(compared, usual, _least(measure, usual)))
            judged["own"] = {**_shown(usual, measure), "days": usual.size}
            basis.append(f"own {usual.size} {word}days")
        peers = groups.peers(day, place, compared)
        if peers is not None:
            deviations.append(deviation(compared, peers.baseline, _least(measure, peers.baseline)))
            judged["peers"] = {
                **_shown(peers.baseline, measure),
                "people": peers.baseline.size,
                "group": peers.group,
            }
            basis.append(f"{peers.baseline.size} peers")
        # Unusual is what is unusual for the person and for the job: the whole desk's busy day is nobody's own, and a
        # supervisor's every day is not the desk's.
        if deviations:
            judged["score"] = round(score(min(deviations) * (1 if len(deviations) > 1 else ALONE)), 3)
        judged["basis"] = " and ".join(basis) or "nothing to compare with yet"
        return judged

    def _usual(self, measure: Measure, place: int, day: PersonDay, own_days: Sequence[Past]) -> Iterator[float]:
        """The measure's values that are usual for the person.

        A day that was unusual is not, for a while. Of a rolling measure nothing within its own window counts, or it
        would be compared with itself; a sum over fewer days than it should hold, as the first on record, is scaled up.
        """
        rolling = ROLLING.get(measure.name)
        for past in own_days:
            if measure.name in past.unusual and past.day > day.day - UNUSUAL_FOR:
                continue
            if rolling is None:
                yield past.values[place]
            elif past.day <= day.day - rolling.days:
                covered = past.day - self._past[day.id][0].day + 1
                yield past.values[place] * max(1.0, rolling.days / covered)

    def _basis(self, day: PersonDay, own_days: Sequence[Past]) -> str:
        """What the day is judged by, in words."""
        past = self._past.get(day.id, ())
        words = []
        if not past:
            words.append("first day on record")
        elif day.day - past[-1].day > AWAY:
            words.append(f"back after {day.day - past[-1].day} days")
        if any(p.job != _job(day) for p in list(past)[-OWN_DAYS:]):
            words.append("new job or team: the old one's days do not count")
        if len(own_days) < FEWEST_DAYS:
            words.append(f"cold start with {len(own_days)} own days: judged by peers alone")
        else:
            words.append(f"{len(own_days)} own days")
        tenure = day.employee.get("tenure_days")
        if isinstance(tenure, int) and tenure < 42:
            words.append("new hire")
        span = day.day - own_days[0].day if own_days else 0
        if len(own_days) >= FEWEST_DAYS and span >= 14 and len(own_days) / span < 0.5:
            words.append("works few days a week")
        return "; ".join(words)

    def _noted(self, day: PersonDay) -> dict[str, list[str]]:
        """What a document notes as used: all that was not noted within NOTED_AGAIN days."""
        noted = {
            kind: [item for item in items if self._own[day.id, kind].get(item, -HISTORY) <= day.day - NOTED_AGAIN]
            for kind, items in day.seen.items()
        }
        return {kind: items for kind, items in noted.items() if items}

    # --- memory

    def _learn(self, day: PersonDay) -> None:
        job = _job(day)
        job = self._jobs.setdefault(job, job)
        values = array("d", [day.values.get(name, math.nan) for name in NAMES])
        past = self._past[day.id]
        past.append(Past(day.day, sys.intern(day.kind), job, values, frozenset(day.scores)))
        while past[0].day <= day.day - HISTORY:
            past.popleft()
        for kind, items in day.seen.items():
            own = self._own[day.id, kind]
            for item in items:
                own[item] = day.day
                if kind not in OWN_ONLY:
                    self._used[kind, _whose(kind, job)].setdefault(item, {})[day.id] = day.day
        if day.fields:
            shown = self._fields[job[:2]]
            if not shown or shown[-1][0] != day.day:
                shown.append((day.day, Counter()))
            shown[-1][1].update(day.fields)
        for customer in day.asked:
            self._asked[customer][day.id] = day.day
            self._asked_of[day.id][customer] = day.day
        if day.scores:
            self._scores[day.id].extend(risk.of_scores(day.end - 1, document_id(day.id, day.day), day.scores))

    def _prune(self, today: int) -> None:
        """Forgets what no longer counts, once in some days."""
        if today - self._pruned < 7:
            return
        self._pruned = today
        for things in self._used.values():
            _forget({thing: max(users.values()) for thing, users in things.items()}, today - HISTORY, things)
        for own in self._own.values():
            _forget(own, today - HISTORY, own)
        _forget({asked: max(by.values()) for asked, by in self._asked.items()}, today - PAIRED, self._asked)
        for own in self._asked_of.values():
            _forget(own, today - PAIRED, own)
        for shown in self._fields.values():
            while shown and shown[0][0] <= today - ROLE_DAYS:
                shown.popleft()
        for scores in self._scores.values():
            while scores and scores[0].time <= (today - HISTORY) * DAY:
                scores.popleft()


def _forget(last: Mapping[str, int], until: int, things: dict[str, Any]) -> None:
    """Takes out of `things` what was last used on a day until then."""
    for thing in [thing for thing, day in last.items() if day <= until]:
        del things[thing]


LEAST_LOG = 0.5  # the least spread on a logarithmic scale: a factor of 1.65
THAT_DAY, USUAL_DAYS = "that day", "their usual days"


class _Groups:
    """The values of a day by group, and what is usual in them without each person."""

    def __init__(self, days: Sequence[PersonDay], past: Mapping[str, Sequence[Past]]) -> None:
        self._past = past
        self._today: dict[tuple[str, ...], list[PersonDay]] = defaultdict(list)
        for day in days:
            for level in WIDENED:
                self._today[_group(_job(day), level)].append(day)
        self._known: dict[tuple[str, ...], list[str]] | None = None  # group → people in the history
        self._values: dict[tuple[tuple[str, ...], int, str], list[float]] = {}
        self._baselines: dict[tuple[tuple[str, ...], int, str, float | None], Baseline] = {}
        self._typical: dict[tuple[str, int], float | None] = {}

    def peers(self, day: PersonDay, place: int, own: float) -> Peers | None:
        """What is usual among the nearest group with enough people besides this one, compared as the measure is.

        The peers' same day, since they have the same weekday, holiday and workload; where too few of them were there,
        their usual days.
        """
        job = _job(day)
        levels = [level for level in WIDENED if all(day.employee.get(name) for name in level)]
        for level in levels:
            group = _group(job, level)
            values = self._sorted(group, place, THAT_DAY)
            if len(values) > FEWEST_PEERS:
                return Peers(self._without(group, place, THAT_DAY, own), f"{', '.join(level)}; {THAT_DAY}")
        typical = self._typical_day(day.id, place)
        for level in levels:
            group = _group(job, level)
            values = self._sorted(group, place, USUAL_DAYS)
            if len(values) - (typical is not None) >= FEWEST_PEERS:
                # Whoever changed jobs is still in the group of the old one.
                inside = typical if typical is not None and day.id in self._people(group) else None
                return Peers(self._without(group, place, USUAL_DAYS, inside), f"{', '.join(level)}; {USUAL_DAYS}")
        return None

    def _sorted(self, group: tuple[str, ...], place: int, which: str) -> list[float]:
        key = group, place, which
        values = self._values.get(key)
        if values is None:
            measure = MEASURES[place]
            if which == THAT_DAY:
                found = _known((member.values.get(measure.name) for member in self._today[group]), measure)
            else:
                typical = (self._typical_day(person, place) for person in self._people(group))
                found = [value for value in typical if value is not None]
            values = self._values[key] = sorted(found)
        return values

    def _without(self, group: tuple[str, ...], place: int, which: str, own: float | None) -> Baseline:
        key = group, place, which, own
        found = self._baselines.get(key)
        if found is None:
            values: Sequence[float] = self._sorted(group, place, which)
            found = self._baselines[key] = baseline(
                values if own is None else Without(values, bisect_left(values, own))
            )
        return found

    def _people(self, group: tuple[str, ...]) -> list[str]:
        if self._known is None:
            self._known = defaultdict(list)
            for person, past in self._past.items():
                if past:
                    for level in WIDENED:
                        self._known[_group(past[-1].job, level)].append(person)
        return self._known.get(group, [])

    def _typical_day(self, person: str, place: int) -> float | None:
        """The median of a person's latest days in a measure."""
        key = person, place
        if key not in self._typical:
            past = list(self._past.get(person, ()))[-OWN_DAYS:]
            values = _known((one.values[place] for one in past), MEASURES[place])
            self._typical[key] = median(sorted(values)) if len(values) >= FEWEST_DAYS else None
        return self._typical[key]


def judge(
    days: Iterable[PersonDay], namespace: str = "innerwatch", alerts: Iterable[risk.Alert] = ()
) -> Iterator[dict[str, Any]]:
    """The documents of person-days that are in order of their date."""
    scorer, known = Scorer(namespace), list(alerts)
    for _, of_date in groupby(days, key=lambda day: day.day):
        yield from scorer.judge(list(of_date), known)


def document_id(employee: str, day: int) -> str:
    """The same for the same person and date."""
    return hashlib.sha256(f"{DATASET}\n{employee}\n{date(day)}".encode()).hexdigest()[:32]


def from_document(document: Mapping[str, Any]) -> PersonDay:
    """The person-day that a behaviour document tells of, as far as later days need it."""
    behaviour = document["behaviour"]
    parts = {name: behaviour[name] for name in NAMES if name in behaviour}
    kind = behaviour["day"]["kind"]
    return PersonDay(
        employee=document["employee"],
        day=day_number(behaviour["date"]),
        end=instants.from_rfc3339(document["event"]["end"]),
        kind="" if kind == "unknown" else kind,
        values={name: part["value"] for name, part in parts.items()},
        seen={kind: tuple(items) for kind, items in (behaviour.get("seen") or {}).items()},
        fields=dict(behaviour.get("shown") or {}),
        asked=tuple(behaviour.get("asked") or ()),
        scores={name: part["score"] for name, part in parts.items() if part.get("score", 0) >= risk.UNUSUAL},
    )


def _job(day: PersonDay) -> tuple[str, ...]:
    return tuple(str(day.employee.get(name, "")) for name in JOB)


def _group(job: tuple[str, ...], level: Sequence[str]) -> tuple[str, ...]:
    return (*level, *(job[JOB.index(name)] for name in level))


def _whose(kind: str, job: tuple[str, ...]) -> tuple[str, ...]:
    return job[:2] if kind in OF_JOB else ()


def _compared(value: float, measure: Measure) -> float:
    return math.log(value + measure.floor) if measure.scale == "log" else value


def _least(measure: Measure, usual: Baseline) -> float:
    """The least spread: counts vary at least as those of independent events do, by the root of their mean (Poisson)."""
    return LEAST_LOG if measure.scale == "log" else max(measure.floor, math.sqrt(usual.median))


def _known(values: Iterable[float | None], measure: Measure) -> list[float]:
    return [_compared(value, measure) for value in values if value is not None and value == value]


def _shown(usual: Baseline, measure: Measure) -> dict[str, Any]:
    """A baseline in the measure's own unit; the MAD as it was compared."""
    middle, high = usual.median, usual.high
    if measure.scale == "log":
        middle, high = math.exp(middle) - measure.floor, math.exp(high) - measure.floor
    return {"median": round(middle, 3), "mad": round(usual.mad, 6), "high": round(high, 3)}


def _reason(unusual: Sequence[str], behaviour: Mapping[str, Any]) -> str:
    """One sentence: what was unusual, and what is usual."""
    parts = []
    for name in unusual[:5]:
        part = behaviour[name]
        usual = [f"{who} {part[who]['median']:,.4g}" for who in ("own", "peers") if who in part]
        parts.append(f"{name} {part['value']:,.6g} (usual: {', '.join(usual)})")
    return "; ".join(parts)
