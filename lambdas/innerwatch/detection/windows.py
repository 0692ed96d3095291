"""Correlations, judged exactly: sliding windows over events that may come late and in any order.

A window is the span of `timespan` that ends at an event, both ends included; it is judged once for each instant that
has an event. Windows that fulfil the condition and share an event are one burst: the union of their events.
Nothing here depends on the order of the arguments. docs/semantics.md gives the reasons.
"""

import hashlib
import math
from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from itertools import accumulate, product
from typing import Any, NamedTuple, Protocol

import msgspec

from innerwatch.detection.predicate import number, text
from innerwatch.detection.rules import All, AnyOf, CompiledRule, Condition, Correlation, FieldTest
from innerwatch.folding import fold

TYPES = (
    "event_count",
    "value_count",
    "value_sum",
    "value_avg",
    "value_percentile",
    "value_median",
    "temporal",
    "temporal_ordered",
)
Key = tuple[str, ...]


class Match(NamedTuple):
    """An event that a single rule matched, with the values that correlations ask for."""

    rule: str  # id of the single rule
    time: int
    id: str
    stream: str  # the data stream that holds it
    fields: Mapping[str, tuple[Any, ...]]  # path → values


class Hit(NamedTuple):
    """What one group of a correlation sees: an event, or a window in which an inner correlation was fulfilled."""

    time: int
    id: str
    sources: frozenset[int]  # places in the correlation's `sources`
    values: tuple[Any, ...]  # what is counted
    evidence: tuple[Match, ...]


class Burst(NamedTuple):
    """Windows of one group that fulfil the condition and overlap."""

    rule: str
    key: Key  # folded values of the fields that the rule groups by
    id: str  # depends on the rule, the group and the first event alone
    peak: float  # the highest measure of its windows
    evidence: tuple[Match, ...]  # in order of time, each event once for each rule that matched it
    ends: tuple[int, ...]  # instants at which a window was fulfilled

    @property
    def first(self) -> int:
        return self.evidence[0].time

    @property
    def last(self) -> int:
        return self.evidence[-1].time


def judge(
    rule: CompiledRule,
    rules: Mapping[str, CompiledRule],
    matches: Iterable[Match],
    new: Set[tuple[str, str]] | None = None,
) -> list[Burst]:
    """The bursts of a correlation among the events that its single rules matched.

    `rules` holds every rule that the correlation refers to, by id. Each event comes once for each rule that matched it.
    With `new`, (data stream, id) of events, only windows that hold one of them count: all events within `reach` of
    those are then enough to judge by.
    """
    by_rule: dict[str, dict[str, Match]] = defaultdict(dict)
    for match in matches:
        by_rule[match.rule][f"{match.stream}\n{match.id}"] = match
    plain = {name: list(found.values()) for name, found in by_rule.items()}
    bursts = [burst for burst, _ in _judge(rule, rules, plain, new)]
    return sorted(bursts, key=lambda burst: (burst.first, burst.key))


def reach(rule: CompiledRule, rules: Mapping[str, CompiledRule]) -> int:
    """How far before an event, in milliseconds, events can lie that share a window with it, inner windows included."""
    correlation = rule.correlation
    if correlation is None:
        return 0
    return correlation.timespan + max((reach(rules[source.rule], rules) for source in correlation.sources), default=0)


def bases(rule: CompiledRule, rules: Mapping[str, CompiledRule]) -> list[str]:
    """Ids of the single rules at the end of a chain, each once."""
    if rule.correlation is None:
        return [rule.id]
    found = (base for source in rule.correlation.sources for base in bases(rules[source.rule], rules))
    return list(dict.fromkeys(found))


def burst_id(rule: str, key: Key, time: int, first: str) -> str:
    """The same for the same rule, group and first event: its time and its id."""
    return hashlib.sha256(msgspec.json.encode((rule, key, time, first))).hexdigest()[:32]


# --- one correlation


class Window(NamedTuple):
    start: int  # places in the group's hits, in order of time
    stop: int  # excluded
    measure: float


def _judge(
    rule: CompiledRule,
    rules: Mapping[str, CompiledRule],
    matches: Mapping[str, list[Match]],
    new: Set[tuple[str, str]] | None = None,
) -> list[tuple[Burst, list[tuple[int, tuple[Match, ...]]]]]:
    """Bursts, each with its windows: the instant at which one ends, and its events."""
    correlation = rule.correlation
    if correlation is None:
        raise ValueError(f"{rule.id} is no correlation")
    found = []
    for key, hits in _groups(correlation, rules, matches).items():
        windows: Iterable[Window] = fulfilled(correlation, hits)
        if new is not None:
            windows = _holding(windows, hits, new)
        for start, stop, members in _merged(windows):
            evidence = _evidence(hits[start:stop])
            burst = Burst(
                rule.id,
                key,
                burst_id(rule.id, key, evidence[0].time, evidence[0].id),
                max(window.measure for window in members),
                evidence,
                tuple(hits[window.stop - 1].time for window in members),
            )
            inner = [(hits[w.stop - 1].time, _evidence(hits[w.start : w.stop])) for w in members]
            found.append((burst, inner))
    return found


def _groups(
    correlation: Correlation, rules: Mapping[str, CompiledRule], matches: Mapping[str, list[Match]]
) -> dict[Key, list[Hit]]:
    """The hits of each group in order of time. An event without one of the group's fields is in no group."""
    groups: dict[Key, dict[tuple[int, str], Hit]] = defaultdict(dict)
    for place, source in enumerate(correlation.sources):
        for time, identity, evidence in _occurrences(source.rule, rules, matches):
            values = tuple(
                value for match in evidence for value in _values(correlation.type, match, source.value[match.rule])
            )
            keys = {key for match in evidence for key in keys_of(match, source.group_by[match.rule])}
            for key in keys:
                hits = groups[key]
                old = hits.get((time, identity))
                if old is None:
                    hits[time, identity] = Hit(time, identity, frozenset((place,)), values, evidence)
                else:  # one event, several rules: its values count once
                    hits[time, identity] = Hit(
                        time, identity, old.sources | {place}, old.values or values, old.evidence + evidence
                    )
    return {key: [hits[order] for order in sorted(hits)] for key, hits in groups.items()}


def _occurrences(
    rule: str, rules: Mapping[str, CompiledRule], matches: Mapping[str, list[Match]]
) -> Iterator[tuple[int, str, tuple[Match, ...]]]:
    """When a rule matched: time, identity and events. For an inner correlation, every window that it found."""
    if rules[rule].correlation is None:
        for match in matches.get(rule, ()):
            yield match.time, f"{match.id}\n{match.stream}", (match,)
        return
    for burst, windows in _judge(rules[rule], rules, matches):
        for time, evidence in windows:
            yield time, burst.id, evidence


def keys_of(match: Match, paths: Sequence[str]) -> Iterator[Key]:
    """The groups that an event belongs to: of a field with several values any."""
    choices = [dict.fromkeys(fold(text(value)) for value in match.fields.get(path, ())) for path in paths]
    return product(*choices)


def _values(kind: str, match: Match, paths: Sequence[str]) -> Iterator[Any]:
    """What an event adds to the count: distinct texts (of several fields: their combinations), or numbers."""
    if kind == "value_count":
        return ("\n".join(combination) for combination in keys_of(match, paths)) if paths else iter(())
    found = (number(value) for path in paths for value in match.fields.get(path, ()))
    return (value for value in found if value is not None)


def _evidence(hits: Iterable[Hit]) -> tuple[Match, ...]:
    distinct = {(match.time, match.id, match.stream, match.rule): match for hit in hits for match in hit.evidence}
    return tuple(distinct[order] for order in sorted(distinct))


def _holding(windows: Iterable[Window], hits: Sequence[Hit], new: Set[tuple[str, str]]) -> Iterator[Window]:
    """The windows with a new event in them."""
    fresh = [any((match.stream, match.id) in new for match in hit.evidence) for hit in hits]
    before = [0, *accumulate(fresh)]
    return (window for window in windows if before[window.stop] > before[window.start])


def _merged(windows: Iterable[Window]) -> Iterator[tuple[int, int, list[Window]]]:
    """Windows in order of their ends, joined where they share a hit."""
    start = stop = 0
    members: list[Window] = []
    for window in windows:
        if members and window.start < stop:
            start, stop = min(start, window.start), window.stop
        else:
            if members:
                yield start, stop, members
            start, stop, members = window.start, window.stop, []
        members.append(window)
    if members:
        yield start, stop, members


# --- the windows of one group


def fulfilled(correlation: Correlation, hits: Sequence[Hit]) -> Iterator[Window]:
    """The windows that fulfil the condition. `hits` are in order of time."""
    if correlation.type == "temporal_ordered":
        yield from _ordered(correlation, hits)
        return
    measure = _measure(correlation)
    holds = _condition(correlation)
    start = stop = 0
    while stop < len(hits):
        now = hits[stop].time
        while stop < len(hits) and hits[stop].time == now:
            measure.add(hits[stop])
            stop += 1
        while now - hits[start].time > correlation.timespan:
            measure.remove(hits[start])
            start += 1
        value = measure.value()
        if value is not None and holds(value, measure):
            yield Window(start, stop, value)


class Measure(Protocol):
    """What a window amounts to, kept up as events come in and drop out."""

    def add(self, hit: Hit) -> None: ...
    def remove(self, hit: Hit) -> None: ...
    def value(self) -> float | None: ...


class Distinct:
    """The number of distinct things: events, values, or rules."""

    def __init__(self, of: Callable[[Hit], Iterable[Any]]) -> None:
        self.of = of
        self.seen: Counter[Any] = Counter()

    def add(self, hit: Hit) -> None:
        self.seen.update(self.of(hit))

    def remove(self, hit: Hit) -> None:
        for item in self.of(hit):
            self.seen[item] -= 1
            if not self.seen[item]:
                del self.seen[item]

    def value(self) -> float | None:
        return len(self.seen)


class Numbers:
    """A statistic of the numbers in a window; none while it holds no number."""

    def __init__(self, statistic: Callable[[list[float]], float]) -> None:
        self.statistic = statistic
        self.sorted: list[float] = []

    def add(self, hit: Hit) -> None:
        for value in hit.values:
            insort(self.sorted, value)

    def remove(self, hit: Hit) -> None:
        for value in hit.values:
            del self.sorted[bisect_left(self.sorted, value)]

    def value(self) -> float | None:
        return self.statistic(self.sorted) if self.sorted else None


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Linear between the closest ranks, as SQL's PERCENTILE_CONT."""
    place = (len(ordered) - 1) * percent / 100
    low, high = math.floor(place), math.ceil(place)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def _measure(correlation: Correlation) -> Measure:
    match correlation.type:
        case "event_count":
            return Distinct(lambda hit: (hit.id,))
        case "value_count":
            return Distinct(lambda hit: hit.values)
        case "temporal":
            return Distinct(lambda hit: hit.sources)
        case "value_sum":
            return Numbers(math.fsum)
        case "value_avg":
            return Numbers(lambda values: math.fsum(values) / len(values))
        case "value_median":
            return Numbers(lambda values: percentile(values, 50))
        case "value_percentile":
            return Numbers(lambda values: percentile(values, correlation.percentile))
    raise ValueError(f"no correlation type {correlation.type!r}")


COMPARE: dict[str, Callable[[float, float], bool]] = {
    "lt": lambda value, limit: value < limit,
    "lte": lambda value, limit: value <= limit,
    "gt": lambda value, limit: value > limit,
    "gte": lambda value, limit: value >= limit,
    "eq": lambda value, limit: value == limit,
    "neq": lambda value, limit: value != limit,
}


def _condition(correlation: Correlation) -> Callable[[float, Any], bool]:
    if correlation.expression is not None:
        expression = correlation.expression
        places = {source.name: place for place, source in enumerate(correlation.sources)}
        return lambda _, measure: _seen(expression, measure.seen, places)
    return lambda value, _: all(COMPARE[operator](value, limit) for operator, limit in correlation.tests)


def _seen(expression: Condition, seen: Mapping[int, int], places: Mapping[str, int]) -> bool:
    if isinstance(expression, FieldTest):
        return places[expression.field] in seen
    if isinstance(expression, All):
        return all(_seen(part, seen, places) for part in expression.of)
    if isinstance(expression, AnyOf):
        return any(_seen(part, seen, places) for part in expression.of)
    return not _seen(expression.of, seen, places)


# --- order


def _ordered(correlation: Correlation, hits: Sequence[Hit]) -> Iterator[Window]:
    """Windows that hold the rules' events in the order of the rules. Events of one instant are in any order."""
    steps = len(correlation.sources)
    # chains[n]: of the chains of the first n rules, the one that begins last, as places in `hits`
    chains: list[tuple[int, ...] | None] = [None] * (steps + 1)
    stop = 0
    while stop < len(hits):
        first_of_instant, now = stop, hits[stop].time
        while stop < len(hits) and hits[stop].time == now:
            stop += 1
        before = list(chains)
        complete = False
        for step in range(steps):
            for place in range(first_of_instant, stop):
                if step not in hits[place].sources:
                    continue
                for earlier in (chains[step], before[step]) if step else ((),):
                    if earlier is None or place in earlier:
                        continue
                    chain = (*earlier, place)
                    complete |= step == steps - 1 and now - hits[chain[0]].time <= correlation.timespan
                    best = chains[step + 1]
                    if best is None or hits[chain[0]].time >= hits[best[0]].time:
                        chains[step + 1] = chain
                    break
        if complete and (whole := chains[steps]) is not None:
            start = whole[0]
            yield Window(start, stop, float(steps))


def quiet(matches: Iterable[Match], gap: int) -> Iterator[tuple[Match, ...]]:
    """Events in order of time, cut where nothing happened for longer than `gap` milliseconds."""
    burst: list[Match] = []
    for match in sorted(matches, key=lambda match: (match.time, match.id)):
        if burst and match.time - burst[-1].time > gap:
            yield tuple(burst)
            burst = []
        burst.append(match)
    if burst:
        yield tuple(burst)
