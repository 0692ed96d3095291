"""Runs cases through the real chain: parser, identity, HR, a real Elasticsearch, compiled query, judgement.

All cases of a run share one throw-away index for each dataset, and each rule asks it once, for the documents of its
own cases; the windows of a correlation are then judged case by case.
"""

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from elasticsearch import Elasticsearch

from innerwatch import behaviour, elastic, pipeline
from innerwatch.behaviour.collect import collect
from innerwatch.behaviour.score import judge
from innerwatch.detection import windows
from innerwatch.detection.engine import by_actor, instant, wanted_of
from innerwatch.detection.predicate import compiled, values
from innerwatch.detection.regex import TooSlowError
from innerwatch.detection.rules import CompiledRule
from innerwatch.detection.windows import Burst, Match
from innerwatch.errors import UserError
from innerwatch.values import SetAside
from innerwatch_cli import index_templates
from innerwatch_cli.authoring.cases import Case, Cases

PATIENCE = 60.0  # seconds for the documents of a run to be taken
MOST = 10_000  # documents that one search gives: the cases of one rule hold fewer

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Suite:
    """A rule file with its cases: any of `rules` has to match. `known` holds them and all that they refer to.

    They were compiled with `pipelines`, the usual ones for None.
    """

    cases: Cases
    rules: tuple[CompiledRule, ...]
    known: Mapping[str, CompiledRule]
    pipelines: Sequence[Path] | None = None

    def bases(self) -> list[CompiledRule]:
        """The rules on single events that decide, each once."""
        found = dict.fromkeys(base for rule in self.rules for base in windows.bases(rule, self.known))
        return [self.known[base] for base in found]


class Selected(NamedTuple):
    """A document, and whether the index and the judgement of its source say that a rule on single events matches."""

    id: str
    document: dict[str, Any]
    selected: bool
    holds: bool


@dataclass
class Outcome:
    """What became of one case."""

    case: Case
    documents: list[tuple[str, dict[str, Any]]]  # id and document of its events, in the file's order
    found: dict[str, list[Selected]] = field(default_factory=dict)  # by base rule
    bursts: list[Burst] = field(default_factory=list)
    matched: bool = False

    @property
    def passed(self) -> bool:
        return self.matched == self.case.match and self.case.alerts in (None, len(self.bursts))

    @property
    def at_odds(self) -> list[tuple[str, Selected]]:
        """Documents that hold by a rule's meaning and that Elasticsearch did not select: the compiler is wrong."""
        return [
            (rule, item) for rule, items in self.found.items() for item in items if item.holds and not item.selected
        ]


def run(es: Elasticsearch, suites: Sequence[Suite]) -> list[list[Outcome]]:
    """The outcomes of each suite's cases, in order. Leaves nothing behind, whatever happens."""
    outcomes = [[_for_rules(suite, prepared(suite.cases, case)) for case in suite.cases.cases] for suite in suites]
    datasets = {base.dataset for suite in suites for base in suite.bases()}
    datasets |= {_dataset(document) for items in outcomes for item in items for _, document in item.documents}
    with scratch(es, sorted(filter(None, datasets))) as indices:
        index(es, indices, outcomes)
        answers = iter(_ask(es, indices, suites, outcomes))
        for suite, items in zip(suites, outcomes, strict=True):
            for base in suite.bases():
                selected = next(answers)
                for place, item in enumerate(items):
                    item.found[base.id] = _judged(base, item, f"{place}:", selected)
            for item in items:
                item.bursts = [burst for rule in suite.rules for burst in _bursts(rule, suite, item)]
                item.matched = bool(item.bursts)
    return outcomes


@contextmanager
def scratch(es: Elasticsearch, datasets: Sequence[str]) -> Iterator[dict[str, str]]:
    """Dataset → an ordinary index with the mappings of its data streams, removed at the end."""
    run_id = uuid.uuid4().hex[:12]
    indices = {dataset: f"innerwatch-cases-{run_id}-{dataset}" for dataset in datasets}
    templates = index_templates.templates()
    try:
        for dataset, name in indices.items():
            template = templates[index_templates.template_name(dataset)]["template"]
            settings = {"index": {**template["settings"]["index"], "number_of_replicas": 0, "refresh_interval": -1}}
            es.indices.create(index=name, mappings=template["mappings"], settings=settings)
        yield indices
    finally:
        if indices:
            es.indices.delete(index=list(indices.values()), ignore_unavailable=True)


def prepared(cases: Cases, case: Case) -> Outcome:
    """A case's documents, as they would be indexed."""
    items = pipeline.enriched(cases.parsed(case), cases.directory(), "cases", None, cases.case_directory())
    documents: dict[str, dict[str, Any]] = {}
    now = pipeline.timestamp(datetime.now(UTC))
    for item in items:
        if not isinstance(item, SetAside) and item.id not in documents:  # a second one would be a duplicate
            item.document["event"]["ingested"] = now
            documents[item.id] = item.document
    return Outcome(case, list(documents.items()))


def _for_rules(suite: Suite, outcome: Outcome) -> Outcome:
    """With the behaviour documents that come of the events, where rules ask for those; what no rule asks for left out.

    They are made as `innerwatch measure` makes them. What is usual takes weeks of events, none of which matters itself.
    """
    wanted = {base.dataset for base in suite.bases()}
    if behaviour.DATASET not in wanted:
        return outcome
    days = collect((document for _, document in outcome.documents), suite.cases.directory())
    kept = [(identity, document) for identity, document in outcome.documents if _dataset(document) in wanted]
    for document in judge(days, "cases"):
        document["event"]["ingested"] = document["@timestamp"]
        kept.append((document["event"]["id"], document))
    return replace(outcome, documents=kept)


def _dataset(document: Mapping[str, Any]) -> str:
    return str(document["data_stream"]["dataset"])


def index(es: Elasticsearch, indices: Mapping[str, str], outcomes: Sequence[Sequence[Outcome]]) -> None:
    lines: list[bytes] = []
    owners: list[str] = []
    for suite, items in enumerate(outcomes):
        for place, item in enumerate(items):
            for identity, document in item.documents:
                action = {"_index": indices[_dataset(document)], "_id": f"{suite}:{place}:{identity}"}
                lines += (_encode({"create": action}), _encode(document))
                owners.append(item.case.name)
    for start in range(0, len(lines), 2 * elastic.BATCH_DOCUMENTS):
        part = lines[start : start + 2 * elastic.BATCH_DOCUMENTS]
        try:
            outcome = elastic.create(es, part, deadline=time.monotonic() + PATIENCE)
        except elastic.Unavailable as error:
            raise UserError(f"Elasticsearch does not take the cases' events: {error}", "is it overloaded?") from error
        if outcome.refused:
            place, reason = outcome.refused[0]
            raise UserError(f"Elasticsearch refuses an event of the case {owners[start // 2 + place]!r}: {reason}")
    if indices:
        es.indices.refresh(index=list(indices.values()))


def _ask(
    es: Elasticsearch,
    indices: Mapping[str, str],
    suites: Sequence[Suite],
    outcomes: Sequence[Sequence[Outcome]],
) -> Iterator[dict[str, dict[str, Any]]]:
    """For every suite and base rule: the documents that its query selects, by `case:id`."""
    searches: list[dict[str, Any]] = []
    for number, (suite, items) in enumerate(zip(suites, outcomes, strict=True)):
        for base in suite.bases():
            own = [
                f"{number}:{place}:{identity}"
                for place, item in enumerate(items)
                for identity, document in item.documents
                if _dataset(document) == base.dataset
            ]
            query = {"bool": {"filter": [{"query_string": {"query": base.query}}, {"ids": {"values": own}}]}}
            searches += ({"index": indices[base.dataset]}, {"query": query, "size": MOST, "track_total_hits": False})
    if not searches:
        return
    for answer in es.msearch(searches=searches)["responses"]:
        if "error" in answer:
            raise UserError(f"Elasticsearch refuses a query: {answer['error'].get('reason', answer['error'])}")
        yield {hit["_id"].partition(":")[2]: hit["_source"] for hit in answer["hits"]["hits"]}


def _judged(base: CompiledRule, item: Outcome, prefix: str, selected: Mapping[str, dict[str, Any]]) -> list[Selected]:
    if base.condition is None:
        return []
    holds = compiled(base.condition)
    found = []
    for identity, document in item.documents:
        if _dataset(document) == base.dataset:
            source = selected.get(prefix + identity)
            try:
                held = holds(source or document)
            except TooSlowError as error:
                raise UserError(error.what, error.expected, path=base.path) from error
            found.append(Selected(identity, document, source is not None, held))
    return found


def _bursts(rule: CompiledRule, suite: Suite, item: Outcome) -> list[Burst]:
    found = matches(rule, suite, item)
    return list(by_actor(rule, found)) if rule.correlation is None else windows.judge(rule, suite.known, found)


def matches(rule: CompiledRule, suite: Suite, item: Outcome) -> list[Match]:
    """What the rules on single events matched, with the values that alerts are grouped by, or counted."""
    found = []
    for base in windows.bases(rule, suite.known):
        paths = wanted_of(rule, suite.known, base)
        for selected in item.found[base]:
            if selected.selected and selected.holds:
                fields = {path: tuple(values(selected.document, path)) for path in paths}
                found.append(
                    Match(
                        base, instant(selected.document["@timestamp"]), selected.id, suite.known[base].dataset, fields
                    )
                )
    return found
