"""Runs compiled rules over what was indexed since the last run, and writes alerts: each burst once, growing.

What is new is read once, in the order of `event.ingested`, and every rule that is up to date is judged on it; the
store's size has no part in that. A rule that is not (it is new, means something else now, or fell behind) asks by its
own query instead, so that the others need not wait for it. A single rule's matches become one alert for each actor and
each stretch of time without a quiet hour. A correlation asks which groups gained events, reads those groups' events
around them, and judges their windows by the events' own time, so an event that came late counts as if it had come in
time. A rule's checkpoint is written after its alerts: a run that breaks off is done again, and finds its own alerts.
"""

import heapq
import time as clock
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from elasticsearch import BadRequestError, Elasticsearch

from innerwatch import instants
from innerwatch.detection import windows
from innerwatch.detection.hindsight import Hindsight, said
from innerwatch.detection.predicate import Predicate, compiled, text, values
from innerwatch.detection.raising import write
from innerwatch.detection.regex import TooSlowError
from innerwatch.detection.rules import CompiledRule, tests
from innerwatch.detection.ruleset import RuleSet, in_event
from innerwatch.detection.store import Source, Store
from innerwatch.detection.windows import Burst, Key, Match
from innerwatch.elastic import stream_name
from innerwatch.fields import DATASETS
from innerwatch.folding import fold

# Read again: a document is seen some time after its `event.ingested`, since bulk requests are tried again for as long
# as the function that sends them may run, which is 15 minutes at most in AWS Lambda.
OVERLAP = 20 * 60_000
BEHIND = 60 * 60_000  # a rule further behind the others than this asks by its own query
DAY = 24 * 60 * 60_000
QUIET = 60 * 60_000  # a single rule's alert ends where its actor was quiet for longer
CHUNK = 100_000  # new matches held at a time
GROUPS = 100  # groups read with one query
ACTOR = ("employee.id", "user.id", "user.name", "source.address")  # the first that an event has is whose alert it is
PROGRESS = 1000  # events read between two words of progress
NOT_TAKEN = "Elasticsearch does not take its query: {}"
NO_TIME = "there was no time for it, or not for all of it; the next run goes on"
OVERTAKEN = "another run wrote its alerts at the same time; the next run goes on"

Progress = Callable[[str], None]


@dataclass(slots=True)
class Report:
    """What a run did."""

    rules: int = 0
    matched: int = 0  # new events, once for each rule that they match
    raised: int = 0
    grown: int = 0
    conflicts: int = 0  # alerts that were there already, or that another run wrote at the same time
    by_rule: dict[str, int] = field(default_factory=dict)  # title → alerts raised
    skipped: dict[str, str] = field(default_factory=dict)  # title → why it was not run
    failed: list[str] = field(default_factory=list)  # titles of those among them that something is wrong with
    postponed: list[str] = field(default_factory=list)  # and of those that the next run goes on with
    lag: int = 0  # milliseconds from the point that the last rule has reached to the newest event

    def __str__(self) -> str:
        plural = "" if self.raised == 1 else "s"
        text = f"{self.rules} rules, {self.matched:,} matches: {self.raised:,} new alert{plural}, {self.grown:,} grown"
        return text + "".join(f"\nnot run: {title}: {why}" for title, why in self.skipped.items())


def detect(
    es: Elasticsearch,
    rules: Sequence[CompiledRule],
    *,
    namespace: str = "innerwatch",
    now: int | None = None,
    until: float | None = None,
    progress: Progress = lambda _: None,
) -> Report:
    """Run `rules` over the data streams of a namespace. `now` is in milliseconds since 1970.

    After `until`, by `time.monotonic`, no rule is begun and nothing more is read: what was not done is done first by
    the next run. `progress` is told what is being done. Raises elastic.Unavailable when Elasticsearch does not take
    the alerts in time, and the client's own errors when it does not answer; whatever was written stands, and the next
    run goes on from the last checkpoint.
    """
    now = now if now is not None else int(clock.time() * 1000)
    return _Detection(Store(es, namespace), rules, now, until, progress).run()


def look_back(
    es: Elasticsearch,
    rules: Sequence[CompiledRule],
    employee: str,
    *,
    days: int = 90,
    hindsight: Hindsight = lambda _time: {},
    namespace: str = "innerwatch",
    now: int | None = None,
) -> Report:
    """Run `rules` over what one person did in the last days, by the events' own time, whatever was judged before.

    `hindsight` gives, for the time of an event, what of the person's employment is known only now. The judgement goes
    by it, so that a rule on leavers sees what somebody did before giving notice; what is stored stays. Raises as
    `detect` does. Checkpoints stay as they are, and alerts that exist are not raised again.
    """
    now = now if now is not None else int(clock.time() * 1000)
    return _LookBack(Store(es, namespace), rules, now, employee, now - days * DAY, hindsight).run()


@dataclass(slots=True)
class _Work:
    """A rule, and how far it has come."""

    rule: CompiledRule
    bases: list[CompiledRule]
    content: str
    at: int  # when its turn last came
    reached: dict[str, int]  # dataset → the newest `event.ingested` that it was judged on; empty: it is new
    floor: dict[str, int] = field(default_factory=dict)  # dataset → from where on its events are new to it
    new: list[Match] = field(default_factory=list)  # matches that wait for its turn

    def __post_init__(self) -> None:
        for base in self.bases if self.reached else ():
            # A dataset that it has not reached held nothing at its last run.
            self.floor[base.dataset] = self.reached.get(base.dataset, OVERLAP) - OVERLAP


class _Panel:
    """Rules that judge the same events, each read once."""

    def __init__(self, works: Sequence[_Work], rules: Mapping[str, CompiledRule]) -> None:
        self.bases = {base.id: base for work in works for base in work.bases}
        self.datasets = {base.dataset for base in self.bases.values()}
        self.rules = RuleSet(self.bases.values())
        self.users: dict[str, list[_Work]] = defaultdict(list)  # by the single rule
        wanted: dict[str, dict[str, None]] = defaultdict(dict)
        for work in works:
            for base in work.bases:
                self.users[base.id].append(work)
                wanted[base.id].update(dict.fromkeys(wanted_of(work.rule, rules, base.id)))
        self.wanted = {base: tuple(paths) for base, paths in wanted.items()}

    def since(self, dataset: str) -> int:
        """From where on a dataset's events are new to any of the rules."""
        return min(work.floor[dataset] for base in self._of(dataset) for work in self.users[base.id])

    def source(self, dataset: str) -> Source:
        """What the judgement of a dataset's events needs of them."""
        names: set[str] = set()
        for base in self._of(dataset):
            source = source_of(base, self.wanted[base.id])
            if isinstance(source, bool):
                return source
            names.update(source["includes"])
        return {"includes": sorted(names)}

    def judge(self, dataset: str, index: str, hit: Mapping[str, Any]) -> int:
        """Gives an event to the rules that it matches and is new to; how many matches are held for that."""
        held = 0
        for base in self.rules.matching(dataset, hit["_id"], hit["_source"]):
            users = [work for work in self.users[base] if hit["sort"][0] >= work.floor[dataset]]
            if users:
                match = match_of(self.bases[base], index, hit, self.wanted[base])
                held += 1
            for work in users:
                work.new.append(match)
        return held

    def _of(self, dataset: str) -> list[CompiledRule]:
        return [base for base in self.bases.values() if base.dataset == dataset]


class _Run:
    """What rules share in a run: the judgement of events, and the way from matches to alerts."""

    def __init__(self, store: Store, rules: Sequence[CompiledRule], now: int) -> None:
        self.store, self.now = store, now
        self.rules = {rule.id: rule for rule in rules}
        self.report = Report()
        self.predicates: dict[str, Predicate] = {}
        self.known_later: dict[str, str] = {}  # id of an event that matches only in hindsight → what is known now
        store.refresh_alerts()  # those of a run that broke off just now are to be found

    def work(self, checkpoints: Mapping[str, Mapping[str, Any]]) -> list[_Work]:
        """The rules that are run, those whose turn is longest ago first."""
        found = []
        for rule in self.rules.values():
            if not rule.alerts:
                continue
            bases = [self.rules[base] for base in windows.bases(rule, self.rules)]
            if why_not := why_not_run(rule, bases):
                self.report.skipped[rule.title] = why_not
                continue
            content = _content(rule, bases, self.rules)
            checkpoint = checkpoints.get(rule.id, {})
            # A rule that means something else now is a new question to all that is stored.
            known = checkpoint["reached"] if checkpoint.get("content") == content else []
            reached = {point["dataset"]: point["ingested"] for point in known}
            found.append(_Work(rule, bases, content, checkpoint.get("at", 0), reached))
        return sorted(found, key=lambda work: work.at)

    # --- candidates

    def _judgements(
        self, rule: CompiledRule, base: CompiledRule, filters: list[dict[str, Any]]
    ) -> Iterator[tuple[int, Match | None]]:
        """What a single rule's own query selects, in the order of `event.ingested`: when that was, and the match."""
        predicate = self.predicates.get(base.id)
        if predicate is None:
            if base.condition is None:
                raise ValueError(f"{base.id} has no condition")
            predicate = self.predicates[base.id] = compiled(base.condition)
        wanted = wanted_of(rule, self.rules, base.id)
        index = stream_name(base.dataset, self.store.namespace)
        for hit in self._candidates(base, index, wanted, filters):
            try:
                holds = self._holds(predicate, hit)
            except TooSlowError as error:
                raise in_event(error, hit["_id"]) from error
            yield hit["sort"][0], match_of(base, index, hit, wanted) if holds else None

    def _holds(self, predicate: Predicate, hit: Mapping[str, Any]) -> bool:
        return predicate(hit["_source"])

    def _candidates(
        self, base: CompiledRule, index: str, wanted: Sequence[str], filters: list[dict[str, Any]]
    ) -> Iterator[dict[str, Any]]:
        # The filters first: a segment that holds nothing for them is left without a look at the rule's own terms.
        query = {"bool": {"filter": [*filters, {"query_string": {"query": base.query}}]}}
        return self.store.hits(index, query, source_of(base, wanted), [{"event.ingested": "asc"}])

    # --- from matches to bursts

    def _alert(self, rule: CompiledRule, bases: Sequence[CompiledRule], new: list[Match], *, whole: bool) -> bool:
        """Alerts for what new events touch; `whole`: they are all there are, so that none need be read again.

        False where another run was at work on them too.
        """
        if rule.correlation is None:
            return self._write(rule, list(by_actor(rule, new)), QUIET)
        if whole:
            return self._write(rule, windows.judge(rule, self.rules, new), 0)
        alone = True
        for groups in _batches(self._touched(rule, new)):
            alone &= self._write(rule, self._judged(rule, bases, groups), 0)
        return alone

    def _touched(self, rule: CompiledRule, new: Iterable[Match]) -> dict[Key, list[Match]]:
        """The groups that gained events."""
        touched: dict[Key, list[Match]] = defaultdict(list)
        paths = _group_paths(rule)
        for match in new:
            for key in {key for choice in paths[match.rule] for key in windows.keys_of(match, choice)}:
                touched[key].append(match)
        return touched

    def _judged(
        self, rule: CompiledRule, bases: Sequence[CompiledRule], groups: Mapping[Key, list[Match]]
    ) -> list[Burst]:
        reach = windows.reach(rule, self.rules)
        new = {(match.stream, match.id) for matches in groups.values() for match in matches}
        found: list[Match] = []
        for base in bases:
            spans = []
            for key, matches in groups.items():
                first, last = min(match.time for match in matches), max(match.time for match in matches)
                span = {"gte": first - reach, "lte": last + reach, "format": "epoch_millis"}
                clauses = [{"range": {"@timestamp": span}}, *self._group_filter(rule, base, key)]
                spans.append({"bool": {"filter": clauses}})
            judged = self._judgements(rule, base, [{"bool": {"should": spans, "minimum_should_match": 1}}])
            found += (match for _, match in judged if match is not None)
        bursts = windows.judge(rule, self.rules, found, new)
        return [burst for burst in bursts if burst.key in groups]

    def _group_filter(self, rule: CompiledRule, base: CompiledRule, key: Key) -> list[dict[str, Any]]:
        """Narrows a query to a group, where the index can; the judgement does not depend on it."""
        choices = _group_paths(rule)[base.id]
        if len(choices) != 1 or _has_inner(rule, self.rules):
            return []
        (paths,) = choices
        filters = []
        for path, value in zip(paths, key, strict=True):
            query = _indexed(base.dataset, path)
            if query and value:
                term = {"term": {query: value}}
                oversized = {"exists": {"field": "innerwatch.oversized"}}  # the value may be one that is not indexed
                filters.append({"bool": {"should": [term, oversized], "minimum_should_match": 1}})
        return filters

    def _write(self, rule: CompiledRule, bursts: Sequence[Burst], gap: int) -> bool:
        done = write(self.store, rule, bursts, gap, self.now, self.known_later)
        self.report.raised += done.created
        self.report.grown += done.grown
        self.report.conflicts += done.conflicts
        if done.created:
            self.report.by_rule[rule.title] = self.report.by_rule.get(rule.title, 0) + done.created
        return not done.conflicts


class _Detection(_Run):
    """A run over what is new, from checkpoint to checkpoint."""

    def __init__(
        self, store: Store, rules: Sequence[CompiledRule], now: int, until: float | None, progress: Progress
    ) -> None:
        super().__init__(store, rules, now)
        self.until, self.progress = until, progress
        self.checkpoints = store.read_checkpoints([rule.id for rule in rules if rule.alerts])
        self.unsaved: dict[str, dict[str, Any]] = {}
        self.latest: dict[str, int] = {}  # dataset → the newest `event.ingested`
        self.left: set[str] = set()  # rules that were not run, or not to their end

    def run(self) -> Report:
        works = self.work(self.checkpoints)
        for dataset in sorted({base.dataset for work in works for base in work.bases}):
            latest = self.store.latest(stream_name(dataset, self.store.namespace), "event.ingested")
            if latest is not None:
                self.latest[dataset] = latest
        together, alone = _apart(works)
        # Neither waits for ever behind the other.
        self._together(together, self._half_time() if alone else self.until)
        for place, work in enumerate(alone):
            self.progress(f"asking all that is stored, rule {place + 1} of {len(alone)}: {work.rule.title}")
            if self._begin(work, self.until):
                with self._tried(work):
                    self._asked(work)
        self._flush()
        self.report.rules = len(works) - len(self.left)
        self.report.lag = max((self._lag(work) for work in works), default=0)
        return self.report

    def _half_time(self) -> float | None:
        return None if self.until is None else (clock.monotonic() + self.until) / 2

    def _lag(self, work: _Work) -> int:
        points = [
            min(self.latest[dataset], self.now) - work.reached.get(dataset, self.latest[dataset])
            for dataset in {base.dataset for base in work.bases} & self.latest.keys()
        ]
        return max(0, *points) if points else 0

    # --- turns

    def _begin(self, work: _Work, until: float | None) -> bool:
        """Whether there is time for a rule.

        Its checkpoint says first that it had its turn: were it what the run breaks off at, the others go before it
        next time.
        """
        if _over(until):
            self._leave(work, NO_TIME, self.report.postponed)
            return False
        work.at = self.now
        self._remember(work)
        self._flush()
        return True

    @contextmanager
    def _tried(self, work: _Work) -> Iterator[None]:
        """What is wrong with one rule does not keep the others from running. Its checkpoint stays."""
        try:
            yield
        except BadRequestError as error:  # a query that this cluster does not take
            self._leave(work, NOT_TAKEN.format(error), self.report.failed)
        except TooSlowError as error:
            self._leave(work, str(error), self.report.failed)
        except _OvertakenError:
            self._leave(work, OVERTAKEN, self.report.postponed)

    def _leave(self, work: _Work, why: str, among: list[str]) -> None:
        self.left.add(work.rule.id)
        self.report.skipped[work.rule.title] = why
        among.append(work.rule.title)

    def _remember(self, work: _Work) -> None:
        self.unsaved[work.rule.id] = {
            "content": work.content,
            "reached": [{"dataset": name, "ingested": point} for name, point in sorted(work.reached.items())],
            "title": work.rule.title,
            "at": work.at,
        }

    def _flush(self) -> None:
        if self.unsaved:
            self.store.save_checkpoints(self.unsaved)
            self.unsaved = {}

    def _advance(self, work: _Work, points: Mapping[str, int]) -> None:
        """A rule was judged on all that came up to these points."""
        for dataset in {base.dataset for base in work.bases} & points.keys():
            # Never ahead of the clock, were an event's ahead; nor back.
            work.reached[dataset] = max(min(points[dataset], self.now), work.reached.get(dataset, 0))
        self._remember(work)

    # --- what is new, read once for all rules

    def _together(self, works: list[_Work], until: float | None) -> None:
        panel = _Panel(works, self.rules)
        # Half of the time is for reading, or nothing would come of what was read.
        reading_until = None if until is None else (clock.monotonic() + until) / 2
        points: dict[str, int] = {}
        held = read = 0
        for dataset in sorted(panel.datasets & self.latest.keys()):
            index = stream_name(dataset, self.store.namespace)
            query = {"range": {"event.ingested": {"gte": panel.since(dataset), "format": "epoch_millis"}}}
            for hit in self.store.hits(index, query, panel.source(dataset), [{"event.ingested": "asc"}]):
                if read % PROGRESS == 0:
                    self.progress(f"reading what is new: {read:,} events")
                read += 1
                held += panel.judge(dataset, index, hit)
                over = _over(reading_until)
                if held >= CHUNK or over:
                    points[dataset] = hit["sort"][0]
                    self._settle(works, points, panel.rules.too_slow, until)
                    held = 0
                if over:
                    for work in works:
                        if work.rule.id not in self.left:
                            self._leave(work, NO_TIME, self.report.postponed)
                    return
            points[dataset] = self.latest[dataset]
        self._settle(works, points, panel.rules.too_slow, until)

    def _settle(
        self,
        works: Iterable[_Work],
        points: Mapping[str, int],
        too_slow: Mapping[str, TooSlowError],
        until: float | None,
    ) -> None:
        """Alerts for what the rules matched, and their checkpoints."""
        for place, work in enumerate(works):
            new, work.new = work.new, []
            ended = next((too_slow[base.id] for base in work.bases if base.id in too_slow), None)
            if ended is not None and work.rule.id not in self.left:
                self._leave(
                    work, str(ended), self.report.failed
                )  # its checkpoint stays: nothing is lost once it is mended
            if work.rule.id in self.left:
                continue
            if not new:
                work.at = self.now
                self._advance(work, points)
                continue
            self.progress(f"judging {len(new):,} matches of rule {place + 1}: {work.rule.title}")
            if self._begin(work, until):
                self.report.matched += len(new)
                with self._tried(work):
                    self._alert_all(work, new, whole=False)
                    self._advance(work, points)

    # --- a rule by its own query

    def _asked(self, work: _Work) -> None:
        """Judges all that a rule has not seen, chunk by chunk; every chunk is kept, were there no time for all."""
        datasets = {base.dataset for base in work.bases}
        whole = not work.reached
        chunk: list[Match] = []
        for ingested, match in heapq.merge(*(self._unseen(work, base) for base in work.bases), key=itemgetter(0)):
            if match is not None:
                self.report.matched += 1
                chunk.append(match)
            over = _over(self.until)
            if len(chunk) >= CHUNK or over:
                whole = False
                self._alert_all(work, chunk, whole=False)
                self._advance(work, dict.fromkeys(datasets, ingested))
                chunk = []
            if over:
                self._leave(work, NO_TIME, self.report.postponed)
                return
        if chunk:
            self._alert_all(work, chunk, whole=whole)
        self._advance(work, self.latest)

    def _unseen(self, work: _Work, base: CompiledRule) -> Iterator[tuple[int, Match | None]]:
        if base.dataset not in self.latest:
            return iter(())
        floor = work.floor.get(base.dataset)
        span = {"range": {"event.ingested": {"gte": floor, "format": "epoch_millis"}}}
        return self._judgements(work.rule, base, [] if floor is None else [span])

    def _alert_all(self, work: _Work, new: list[Match], *, whole: bool) -> None:
        if not self._alert(work.rule, work.bases, new, whole=whole):
            raise _OvertakenError


class _LookBack(_Run):
    """Asks for everything that one person did since an instant, and judges it with hindsight."""

    def __init__(
        self,
        store: Store,
        rules: Sequence[CompiledRule],
        now: int,
        employee: str,
        since: int,
        hindsight: Hindsight,
    ) -> None:
        super().__init__(store, rules, now)
        self.employee, self.hindsight = employee, hindsight
        self.span = {"gte": since, "lte": now, "format": "epoch_millis"}

    def run(self) -> Report:
        for work in self.work({}):
            self.known_later = {}
            try:
                judged = (found for base in work.bases for found in self._judgements(work.rule, base, []))
                found = [match for _, match in judged if match is not None]
                self.report.matched += len(found)
                if found:
                    self._alert(work.rule, work.bases, found, whole=True)
                self.report.rules += 1
            except BadRequestError as error:  # a query that this cluster does not take: the other rules go on
                self.report.skipped[work.rule.title] = NOT_TAKEN.format(error)
            except TooSlowError as error:
                self.report.skipped[work.rule.title] = str(error)
        return self.report

    def _candidates(
        self, base: CompiledRule, index: str, wanted: Sequence[str], filters: list[dict[str, Any]]
    ) -> Iterator[dict[str, Any]]:
        of_person: list[dict[str, Any]] = [
            {"term": {"employee.id": fold(self.employee)}},
            {"range": {"@timestamp": self.span}},
            *filters,
        ]
        if not any(test.field.startswith("employee.") or not test.field for test in tests(base.condition)):
            yield from super()._candidates(base, index, wanted, of_person)
            return
        # No index knows these fields as hindsight has them: all that the person did is judged.
        query = {"bool": {"filter": of_person}}
        yield from self.store.hits(index, query, source_of(base, wanted), [{"@timestamp": "asc"}])

    def _holds(self, predicate: Predicate, hit: Mapping[str, Any]) -> bool:
        document = hit["_source"]
        known = self.hindsight(instant(document["@timestamp"]))
        if not known:
            return predicate(document)
        held = predicate(document)
        document["employee"] = {**document.get("employee", {}), **known}
        holds = predicate(document)
        if holds and not held:
            self.known_later[hit["_id"]] = said(known)
        return holds


class _OvertakenError(Exception):
    """Another run wrote alerts of a rule at the same time."""


def _over(until: float | None) -> bool:
    return until is not None and clock.monotonic() >= until


def _apart(works: Sequence[_Work]) -> tuple[list[_Work], list[_Work]]:
    """The rules that are up to date, or nearly so; and those that are new, or far behind the others."""
    front: dict[str, int] = {}
    for work in works:
        for dataset, point in work.reached.items():
            front[dataset] = max(point, front.get(dataset, 0))
    together: list[_Work] = []
    alone: list[_Work] = []
    for work in works:
        ahead = {base.dataset for base in work.bases} & front.keys()
        near = work.reached and all(work.reached.get(name, 0) >= front[name] - BEHIND for name in ahead)
        (together if near else alone).append(work)
    return together, alone


def why_not_run(rule: CompiledRule, bases: Sequence[CompiledRule]) -> str:
    """Why the engine leaves a rule out; empty where it runs it. `bases`: the single rules at the end of its chain."""
    if any(base.dataset not in DATASETS for base in bases):
        return "its log source is none of ours"
    if "unsupported" in (rule.status, *(base.status for base in bases)):
        return "its status is unsupported"
    if rule.level == "informational":  # Sigma: no case or alerting should be triggered by such rules
        return "informational rules raise no alerts"
    return ""


def by_actor(rule: CompiledRule, matches: Iterable[Match]) -> Iterator[Burst]:
    """A single rule's bursts: one actor's matches, cut at quiet hours."""
    actors: dict[Key, list[Match]] = defaultdict(list)
    for match in matches:
        actors[_actor(match)].append(match)
    for key, found in actors.items():
        for evidence in windows.quiet(found, QUIET):
            identity = windows.burst_id(rule.id, key, evidence[0].time, evidence[0].id)
            yield Burst(rule.id, key, identity, float(len(evidence)), evidence, ())


def _actor(match: Match) -> Key:
    for path in ACTOR:
        found = match.fields.get(path, ())
        if found:
            return (f"{path}={fold(text(found[0]))}",)
    return ("",)


def _content(rule: CompiledRule, bases: Sequence[CompiledRule], rules: Mapping[str, CompiledRule]) -> str:
    """A hash of all that decides what the rule matches, the rules that it refers to included."""
    parts = [rule.content, *(base.content for base in bases)]
    if rule.correlation:
        parts += [_content(rules[s.rule], (), rules) for s in rule.correlation.sources if rules[s.rule].correlation]
    return "-".join(parts)


def fields_of(rule: CompiledRule, rules: Mapping[str, CompiledRule], base: str) -> tuple[str, ...]:
    """What a correlation and those inside it ask of a single rule's events."""
    found: dict[str, None] = {}
    for source in rule.correlation.sources if rule.correlation else ():
        for path in (*source.group_by.get(base, ()), *source.value.get(base, ())):
            found[path] = None
        for path in fields_of(rules[source.rule], rules, base):
            found[path] = None
    return tuple(found)


def _group_paths(rule: CompiledRule) -> dict[str, list[tuple[str, ...]]]:
    """The fields that a correlation groups each single rule's events by; several ways where it is used twice."""
    paths: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for source in rule.correlation.sources if rule.correlation else ():
        for base, fields in source.group_by.items():
            if fields not in paths[base]:
                paths[base].append(fields)
    return paths


def _has_inner(rule: CompiledRule, rules: Mapping[str, CompiledRule]) -> bool:
    return rule.correlation is not None and any(rules[s.rule].correlation for s in rule.correlation.sources)


def _indexed(dataset: str, path: str) -> str:
    """The field that a value can be asked of as it is; nothing where it would have to be written otherwise."""
    for row in DATASETS[dataset]:
        if row.name == path:
            return path if row.type in ("keyword", "ip", "long", "boolean") else ""
        if row.type == "flattened" and row.match and path.startswith(f"{row.name}."):
            return row.match + path[len(row.name) :]
    return ""


def source_of(base: CompiledRule, wanted: Sequence[str]) -> Source:
    """The parts of a document that the judgement needs; below a flattened field all of it, since keys may hold dots."""
    paths = {test.field for test in tests(base.condition)}
    paths |= {str(test.value) for test in tests(base.condition) if test.op == "fieldref"}
    if "" in paths:
        return True
    flattened = [name for row in DATASETS[base.dataset] if row.type == "flattened" for name in (row.name, row.match)]
    names = {"@timestamp", *wanted, *paths}
    return {"includes": sorted({next((r for r in flattened if name.startswith(f"{r}.")), name) for name in names})}


def wanted_of(rule: CompiledRule, rules: Mapping[str, CompiledRule], base: str) -> tuple[str, ...]:
    """What is kept of a single rule's matches."""
    return fields_of(rule, rules, base) if rule.correlation else ACTOR


def match_of(base: CompiledRule, index: str, hit: Mapping[str, Any], wanted: Sequence[str]) -> Match:
    document = hit["_source"]
    fields = {path: tuple(values(document, path)) for path in wanted}
    return Match(base.id, instant(document["@timestamp"]), hit["_id"], index, fields)


def _batches(groups: Mapping[Key, list[Match]]) -> Iterator[dict[Key, list[Match]]]:
    keys = sorted(groups)
    for start in range(0, len(keys), GROUPS):
        yield {key: groups[key] for key in keys[start : start + GROUPS]}


def instant(value: Any) -> int:
    return int(value) if isinstance(value, int | float) else instants.from_rfc3339(str(value))
