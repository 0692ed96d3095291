"""Runs compiled rules over what was indexed since the last run, and writes alerts: each burst once, growing.

For every rule: candidates whose `event.ingested` is new are read page by page and judged on their source. A single
rule's matches become one alert for each actor and each stretch of time without a quiet hour. A correlation asks which
groups gained events, reads those groups' events around them, and judges their windows by the events' own time, so an
event that came late counts as if it had come in time. The checkpoint is written last: a run that breaks off is done
again, and finds its own alerts.
"""

import time as clock
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from elasticsearch import BadRequestError, Elasticsearch

from innerwatch import instants
from innerwatch.detection import alerts, windows
from innerwatch.detection.alerts import CONTEXT, Evidence
from innerwatch.detection.predicate import Predicate, compiled, text, values
from innerwatch.detection.regex import TooSlowError
from innerwatch.detection.rules import CompiledRule, tests
from innerwatch.detection.store import Source, Store, Stored
from innerwatch.detection.windows import Burst, Key, Match
from innerwatch.elastic import Unavailable, stream_name
from innerwatch.fields import DATASETS
from innerwatch.folding import fold

# Read again: a document is seen some time after its `event.ingested`, since bulk requests are tried again for as long
# as the function that sends them may run, which is 15 minutes at most in AWS Lambda.
OVERLAP = 20 * 60_000
QUIET = 60 * 60_000  # a single rule's alert ends where its actor was quiet for longer
CHUNK = 50_000  # new matches held at a time
GROUPS = 100  # groups read with one query
BULK_TIME = 120.0  # seconds to get alerts taken
ACTOR = ("employee.id", "user.id", "user.name", "source.address")  # the first that an event has is whose alert it is


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

    def __str__(self) -> str:
        plural = "" if self.raised == 1 else "s"
        text = f"{self.rules} rules, {self.matched:,} matches: {self.raised:,} new alert{plural}, {self.grown:,} grown"
        return text + "".join(f"\nnot run: {title}: {why}" for title, why in self.skipped.items())


def detect(
    es: Elasticsearch, rules: Sequence[CompiledRule], *, namespace: str = "innerwatch", now: int | None = None
) -> Report:
    """Run `rules` over the data streams of a namespace. `now` is in milliseconds since 1970.

    Raises elastic.Unavailable when Elasticsearch does not take the alerts in time, and the client's own errors when
    it does not answer; whatever was written stands, and the next run goes on from the last checkpoint.
    """
    run = _Run(Store(es, namespace), rules, namespace, now if now is not None else int(clock.time() * 1000))
    for rule in rules:
        if rule.alerts:
            run.rule(rule)
    return run.report


class _Run:
    def __init__(self, store: Store, rules: Sequence[CompiledRule], namespace: str, now: int) -> None:
        self.store, self.namespace, self.now = store, namespace, now
        self.rules = {rule.id: rule for rule in rules}
        self.report = Report()
        self.predicates: dict[str, Predicate] = {}
        self.latest: dict[str, int | None] = {}
        self.checkpoints = store.read_checkpoints([rule.id for rule in rules if rule.alerts])

    def rule(self, rule: CompiledRule) -> None:
        bases = [self.rules[base] for base in windows.bases(rule, self.rules)]
        why_not = why_not_run(rule, bases)
        if why_not:
            self.report.skipped[rule.title] = why_not
            return
        try:
            self._run(rule, bases)
            self.report.rules += 1
        except BadRequestError as error:  # a query that this cluster does not take: the other rules go on
            self.report.skipped[rule.title] = f"Elasticsearch does not take its query: {error}"
        except TooSlowError as error:  # its checkpoint stays, so that nothing is lost once it is mended
            self.report.skipped[rule.title] = str(error)

    def _run(self, rule: CompiledRule, bases: Sequence[CompiledRule]) -> None:
        content = _content(rule, bases, self.rules)
        checkpoint = self.checkpoints.get(rule.id)
        # A rule that means something else now is a new question to all that is stored.
        known = checkpoint["reached"] if checkpoint and checkpoint["content"] == content else []
        since = {point["dataset"]: point["ingested"] for point in known}
        reached = [(base.dataset, self._latest(base.dataset)) for base in bases]
        chunk: list[Match] = []
        whole = not since
        for base in bases:
            for match in self._new(rule, base, since.get(base.dataset)):
                chunk.append(match)
                if len(chunk) >= CHUNK:
                    whole = False
                    self._alert(rule, bases, chunk, whole=False)
                    chunk = []
        if chunk:
            self._alert(rule, bases, chunk, whole=whole)
        # Never ahead of the clock, were an event's ahead.
        points = {dataset: min(latest, self.now) for dataset, latest in reached if latest is not None}
        if points:
            self.store.save_checkpoint(
                rule.id,
                {
                    "content": content,
                    "reached": [{"dataset": dataset, "ingested": point} for dataset, point in points.items()],
                    "title": rule.title,
                    "at": self.now,
                },
            )

    def _latest(self, dataset: str) -> int | None:
        if dataset not in self.latest:
            self.latest[dataset] = self.store.latest(stream_name(dataset, self.namespace), "event.ingested")
        return self.latest[dataset]

    # --- candidates

    def _new(self, rule: CompiledRule, base: CompiledRule, since: int | None) -> Iterator[Match]:
        """What a single rule matches among the events that came since the checkpoint."""
        filters: list[dict[str, Any]] = []
        if since is not None:
            filters.append({"range": {"event.ingested": {"gte": since - OVERLAP, "format": "epoch_millis"}}})
        for match in self._matches(rule, base, filters):
            self.report.matched += 1
            yield match

    def _matches(self, rule: CompiledRule, base: CompiledRule, filters: list[dict[str, Any]]) -> Iterator[Match]:
        predicate = self.predicates.get(base.id)
        if predicate is None:
            if base.condition is None:
                raise ValueError(f"{base.id} has no condition")
            predicate = self.predicates[base.id] = compiled(base.condition)
        wanted = fields_of(rule, self.rules, base.id) if rule.correlation else ACTOR
        query = {"bool": {"filter": [{"query_string": {"query": base.query}}, *filters]}}
        index = stream_name(base.dataset, self.namespace)
        for hit in self.store.hits(index, query, source_of(base, wanted), [{"event.ingested": "asc"}]):
            document = hit["_source"]
            try:
                holds = predicate(document)
            except TooSlowError as error:
                raise TooSlowError(f"{error.what}, in event {hit['_id']}", error.expected) from error
            if holds:
                fields = {path: tuple(values(document, path)) for path in wanted}
                yield Match(base.id, instant(document["@timestamp"]), hit["_id"], index, fields)

    # --- from matches to bursts

    def _alert(self, rule: CompiledRule, bases: Sequence[CompiledRule], new: list[Match], *, whole: bool) -> None:
        """Alerts for what new events touch; `whole`: they are all there are, so that none need be read again."""
        if rule.correlation is None:
            self._write(rule, list(by_actor(rule, new)), QUIET)
        elif whole:
            self._write(rule, windows.judge(rule, self.rules, new), 0)
        else:
            for groups in _batches(self._touched(rule, new)):
                self._write(rule, self._judged(rule, bases, groups), 0)

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
            found += self._matches(rule, base, [{"bool": {"should": spans, "minimum_should_match": 1}}])
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

    # --- alerts

    def _write(self, rule: CompiledRule, bursts: Sequence[Burst], gap: int) -> None:
        """Raise an alert for each burst, or let the alert grow that it belongs to."""
        if not bursts:
            return
        stored: dict[str, list[Stored]] = defaultdict(list)
        span = min(burst.first for burst in bursts) - gap, max(burst.last for burst in bursts) + gap
        for alert in self.store.raised(rule.id, *span):
            stored[alert.document["innerwatch"]["alert"]["group"]["key"]].append(alert)
        fresh: list[tuple[Burst, list[Stored], list[Match]]] = []
        for burst in bursts:
            near = [alert for alert in stored[alerts.group_hash(burst.key)] if _overlap(alert, burst, gap)]
            known = {identity for alert in near for identity in alert.document["innerwatch"]["alert"]["evidence"]["id"]}
            matches = _distinct(match for match in burst.evidence if match.id not in known)
            if matches:
                fresh.append((burst, near, matches))
        contexts = self._contexts(match for _, _, matches in fresh for match in matches)
        created: dict[str, dict[str, Any]] = {}
        grown: dict[str, tuple[Stored, dict[str, Any]]] = {}
        for burst, near, matches in fresh:
            evidence = [
                Evidence(match.id, match.stream, match.time, contexts.get((match.stream, match.id), {}))
                for match in matches
            ]
            for alert in near:
                room = alerts.MOST_EVIDENCE - alert.document["innerwatch"]["alert"]["evidence"]["count"]
                more, evidence = evidence[: max(room, 0)], evidence[max(room, 0) :]
                if more:
                    grown[alert.id] = alert, alerts.grown(alert.document, rule, more, self.now)
            for start in range(0, len(evidence), alerts.MOST_EVIDENCE):
                part = evidence[start : start + alerts.MOST_EVIDENCE]
                identity = windows.burst_id(rule.id, burst.key, part[0].time, part[0].id)
                created[identity] = alerts.raised(
                    rule, identity, burst.key, _names(rule), part, self.namespace, self.now
                )
        self._save(rule, created, grown)

    def _save(
        self,
        rule: CompiledRule,
        created: Mapping[str, dict[str, Any]],
        grown: Mapping[str, tuple[Stored, dict[str, Any]]],
    ) -> None:
        if created:
            outcome = self.store.create_alerts(created.items(), deadline=clock.monotonic() + BULK_TIME)
            if outcome.refused:
                raise Unavailable(f"Elasticsearch refused an alert of {rule.title!r}: {outcome.refused[0].reason}")
            self.report.raised += outcome.indexed
            self.report.conflicts += outcome.duplicate
            self.report.by_rule[rule.title] = self.report.by_rule.get(rule.title, 0) + outcome.indexed
        for alert, document in grown.values():
            if self.store.grow_alert(alert, document):
                self.report.grown += 1
            else:
                self.report.conflicts += 1
        if created or grown:
            self.store.refresh_alerts()

    def _contexts(self, matches: Iterable[Match]) -> dict[tuple[str, str], dict[str, Any]]:
        """(Data stream, id) → what alerts tell of an event."""
        by_stream: dict[str, list[str]] = defaultdict(list)
        for match in _distinct(matches):
            by_stream[match.stream].append(match.id)
        return {
            (stream, hit["_id"]): hit["_source"]
            for stream, ids in by_stream.items()
            for hit in self.store.documents(stream, ids, {"includes": list(CONTEXT)})
        }


def _distinct(matches: Iterable[Match]) -> list[Match]:
    """Each event once, whichever rules it matched, in order of time."""
    found = {(match.time, match.id, match.stream): match for match in matches}
    return [found[order] for order in sorted(found)]


def why_not_run(rule: CompiledRule, bases: Sequence[CompiledRule]) -> str:
    """Why the engine leaves a rule out; empty where it runs it. `bases`: the single rules at the end of its chain."""
    if any(base.dataset not in DATASETS for base in bases):
        return "its log source is none of ours"
    if "unsupported" in (rule.status, *(base.status for base in bases)):
        return "its status is unsupported"
    if rule.level == "informational":  # Sigma: no case or alerting should be triggered by such rules
        return "informational rules raise no alerts"
    return ""


def _overlap(alert: Stored, burst: Burst, gap: int) -> bool:
    span = alert.document["innerwatch"]["alert"]
    return instant(span["first"]) <= burst.last + gap and instant(span["last"]) >= burst.first - gap


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


def _names(rule: CompiledRule) -> tuple[str, ...]:
    return rule.correlation.group_by if rule.correlation else ("actor",)


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


def _batches(groups: Mapping[Key, list[Match]]) -> Iterator[dict[Key, list[Match]]]:
    keys = sorted(groups)
    for start in range(0, len(keys), GROUPS):
        yield {key: groups[key] for key in keys[start : start + GROUPS]}


def instant(value: Any) -> int:
    return int(value) if isinstance(value, int | float) else instants.from_rfc3339(str(value))
