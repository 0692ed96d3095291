"""What a rule would have raised on the events in a cluster: alerts a day, a person, a role, and what makes its noise.

It reads only. Alerts are counted as the engine would raise them: a single rule's matches by actor and quiet hour, a
correlation's by burst.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from innerwatch import instants
from innerwatch.detection import windows
from innerwatch.detection.engine import ACTOR, by_actor, fields_of, instant, source_of
from innerwatch.detection.predicate import compiled, text, values
from innerwatch.detection.rules import CompiledRule, tests
from innerwatch.detection.store import Store
from innerwatch.detection.windows import Burst, Match
from innerwatch.elastic import stream_name
from innerwatch.fields import DATASETS

PERSON = ("employee.id", "employee.name", "employee.role")
# Fields that a filter may sensibly go by. Not who it was: a rule that looks away from a person is blind to them.
NOISE = (
    "event.action",
    "service.name",
    "employee.role",
    "employee.department",
    "employee.team",
    "employee.type",
    "source.ip",
    "user_agent.original",
    "event.provider",
    "cloud.account.id",
    "cloud.region",
    "aws.cloudtrail.user_identity.type",
    "aws.cloudtrail.user_identity.session_context.session_issuer.arn",
)
TOP = 3  # values shown of a field
LEAST_SHARE = 0.1  # of the alerts, for a value to be worth a filter
MOST_TRIED = 20  # filters that are judged
MOST_MATCHES = 500_000  # held in memory


@dataclass(frozen=True)
class Noise:
    """A value of a field in the alerts' events."""

    field: str
    value: str
    alerts: int  # with an event that has it


@dataclass(frozen=True)
class Filter:
    field: str  # as the rule would name it
    value: str
    alerts: int  # that would remain
    people: int  # who would have none left


@dataclass(frozen=True)
class Backtest:
    events: int  # in the time that was looked at
    matches: int
    cut: bool  # there are more matches than were held
    latest: str  # the last event in the data, empty without any
    alerts: int
    by_day: dict[str, int]
    by_person: dict[str, int]
    by_role: dict[str, int]
    noise: list[Noise]
    filter: Filter | None


def backtest(
    store: Store,
    rule: CompiledRule,
    known: Mapping[str, CompiledRule],
    start: int,
    end: int,
    tell: Callable[[int], None] = lambda _count: None,
) -> Backtest:
    """`start` and `end` in milliseconds since 1970; `tell` is given the number of matches so far."""
    bases = [known[base] for base in windows.bases(rule, known)]
    matches: list[Match] = []
    events, latest = 0, None
    for base in bases:
        stream = stream_name(base.dataset, store.namespace)
        newest = store.latest(stream, "@timestamp")
        latest = max(filter(None, (latest, newest)), default=None)
        if newest is not None and base.dataset not in {other.dataset for other in bases[: bases.index(base)]}:
            events += store.es.count(index=stream, query=_within(start, end))["count"]
        for match in _matches(store, rule, known, base, start, end):
            if len(matches) == MOST_MATCHES:
                break
            matches.append(match)
            if len(matches) % 1000 == 0:
                tell(len(matches))
    bursts = _bursts(rule, known, matches)
    noise = _noise(rule, known, bursts)
    return Backtest(
        events=events,
        matches=len(matches),
        cut=len(matches) == MOST_MATCHES,
        latest=instants.iso(latest) if latest is not None else "",
        alerts=len(bursts),
        by_day=dict(sorted(Counter(instants.iso(burst.first)[:10] for burst in bursts).items())),
        by_person=dict(Counter(map(_person, bursts)).most_common()),
        by_role=dict(
            Counter(_last(burst, "employee.role") or "nobody in the HR feed" for burst in bursts).most_common()
        ),
        noise=noise,
        filter=_filter(rule, known, matches, bursts, noise),
    )


def _within(start: int, end: int) -> dict[str, Any]:
    return {"range": {"@timestamp": {"gte": start, "lte": end, "format": "epoch_millis"}}}


def _matches(
    store: Store, rule: CompiledRule, known: Mapping[str, CompiledRule], base: CompiledRule, start: int, end: int
) -> Iterable[Match]:
    if base.condition is None:
        return
    holds = compiled(base.condition)
    asked = fields_of(rule, known, base.id) if rule.correlation else ACTOR
    there = {row.name for row in DATASETS[base.dataset]}
    wanted = tuple(dict.fromkeys((*asked, *PERSON, *(path for path in NOISE if path in there))))
    query = {"bool": {"filter": [{"query_string": {"query": base.query}}, _within(start, end)]}}
    stream = stream_name(base.dataset, store.namespace)
    for hit in store.hits(stream, query, source_of(base, wanted), [{"@timestamp": "asc"}]):
        document = hit["_source"]
        if holds(document):
            fields = {path: tuple(values(document, path)) for path in wanted}
            yield Match(base.id, instant(document["@timestamp"]), hit["_id"], stream, fields)


def _bursts(rule: CompiledRule, known: Mapping[str, CompiledRule], matches: Sequence[Match]) -> list[Burst]:
    return windows.judge(rule, known, matches) if rule.correlation else list(by_actor(rule, matches))


def _last(burst: Burst, path: str) -> str:
    """A field as of the latest event that has it."""
    found = (match.fields[path] for match in reversed(burst.evidence) if match.fields.get(path))
    return ", ".join(map(text, next(found, ())))


def _person(burst: Burst) -> str:
    name, identity = _last(burst, "employee.name"), _last(burst, "employee.id")
    if identity:
        return f"{name} ({identity})" if name else identity
    return next((found for path in ACTOR if (found := _last(burst, path))), "unknown")


def _noise(rule: CompiledRule, known: Mapping[str, CompiledRule], bursts: Sequence[Burst]) -> list[Noise]:
    """The most frequent values of fields that the rule does not ask for itself."""
    asked = {test.field for base in windows.bases(rule, known) for test in tests(known[base].condition)}
    found: list[Noise] = []
    for path in NOISE:
        if path in asked:
            continue
        counts: Counter[str] = Counter()
        for burst in bursts:
            counts.update({text(value) for match in burst.evidence for value in match.fields.get(path, ())})
        found += [Noise(path, value, count) for value, count in counts.most_common(TOP)]
    return sorted(found, key=lambda item: -item.alerts)


def _filter(
    rule: CompiledRule,
    known: Mapping[str, CompiledRule],
    matches: Sequence[Match],
    bursts: Sequence[Burst],
    noise: Sequence[Noise],
) -> Filter | None:
    """The one value whose events, left out, spare most alerts for each person who then has none left.

    A value that is in nearly every alert is none: leaving it out would be to give up the rule.
    """
    people = set(map(_person, bursts))
    best: tuple[float, Filter] | None = None
    worth = [item for item in noise if LEAST_SHARE * len(bursts) <= item.alerts < len(bursts)]
    for item in worth[:MOST_TRIED]:
        left = [match for match in matches if item.value not in map(text, match.fields.get(item.field, ()))]
        remaining = _bursts(rule, known, left)
        gone = len(people - set(map(_person, remaining)))
        spared = len(bursts) - len(remaining)
        if spared > 0 and remaining and (best is None or spared / (1 + gone) > best[0]):
            best = spared / (1 + gone), Filter(item.field, item.value, len(remaining), gone)
    return best[1] if best else None
