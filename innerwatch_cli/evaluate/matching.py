"""The detection rules over documents in memory: the engine's own judgements, without a store between.

Not every rule sees every event: a rule that can only match certain actions is asked about those alone. And what
several rules ask of an event, such as whether it names a case, is answered once.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from innerwatch.behaviour import DATASET as BEHAVIOUR
from innerwatch.detection import windows
from innerwatch.detection.alerts import MOST_EVIDENCE
from innerwatch.detection.engine import ACTOR, by_actor, fields_of, why_not_run
from innerwatch.detection.predicate import text, values
from innerwatch.detection.rules import CompiledRule, Condition
from innerwatch.detection.ruleset import ACTION, Answers, Question, needs, question
from innerwatch.detection.windows import Match
from innerwatch.folding import fold
from innerwatch.values import Event

PERSON = "employee.id"


class Alert(NamedTuple):
    """An alert as the engine raises it, with what evaluation asks of it."""

    rule: CompiledRule
    id: str
    evidence: tuple[Match, ...]  # in order of time
    ends: tuple[int, ...]  # the instants at which the rule fired: it knows nothing that came later

    @property
    def people(self) -> list[str]:
        """Employee ids that the evidence names."""
        return sorted({text(value) for match in self.evidence for value in match.fields.get(PERSON, ())})


class _Candidate(NamedTuple):
    id: str
    holds: Question
    wanted: tuple[str, ...]


class Matcher:
    """Takes documents in any order, each once; gives the alerts of all of them at the end."""

    def __init__(self, rules: Sequence[CompiledRule]) -> None:
        self.rules = {rule.id: rule for rule in rules}
        self.run = [rule for rule in rules if rule.alerts and not why_not_run(rule, self._bases(rule))]
        self.matches: dict[str, list[Match]] = defaultdict(list)
        self._anything: dict[str, list[_Candidate]] = defaultdict(list)  # by dataset
        self._by_action: dict[tuple[str, str], list[_Candidate]] = defaultdict(list)
        wanted: dict[str, dict[str, None]] = {}
        questions: dict[Condition, Question] = {}
        for rule in self.run:
            for base in self._bases(rule):
                paths = fields_of(rule, self.rules, base.id) if rule.correlation else ACTOR
                wanted.setdefault(base.id, {PERSON: None}).update(dict.fromkeys(paths))
        for base_id, asked in wanted.items():
            base = self.rules[base_id]
            if base.condition is None:
                raise ValueError(f"{base.id} has no condition")
            candidate = _Candidate(base.id, question(base.condition, questions), tuple(asked))
            needed = needs(base.condition, ACTION)
            if needed is None:
                self._anything[base.dataset].append(candidate)
            for action in needed or ():
                self._by_action[base.dataset, action].append(candidate)

    def add(self, event: Event) -> None:
        self.see(event.id, event.dataset, event.time, event.document)

    def see(self, identity: str, dataset: str, time: int, document: Mapping[str, Any]) -> None:
        candidates = [*self._anything.get(dataset, ())]
        for action in {fold(text(value)) for value in values(document, ACTION)}:
            candidates += self._by_action.get((dataset, action), ())
        answers: Answers = {}
        for candidate in candidates:
            if candidate.holds(document, answers):
                fields = {path: tuple(values(document, path)) for path in candidate.wanted}
                self.matches[candidate.id].append(Match(candidate.id, time, identity, dataset, fields))

    def alerts(self, *, on_behaviour: bool) -> Iterator[Alert]:
        """What the engine would have written after all these events: of rules on behaviour documents, or of others."""
        for rule in self.run:
            if any(base.dataset == BEHAVIOUR for base in self._bases(rule)) is not on_behaviour:
                continue
            found = [match for base in self._bases(rule) for match in self.matches.get(base.id, ())]
            if rule.correlation:
                for burst in windows.judge(rule, self.rules, found):
                    yield from _alerts(rule, burst.key, _distinct(burst.evidence), burst.ends)
            else:
                for burst in by_actor(rule, found):
                    evidence = _distinct(burst.evidence)
                    yield from _alerts(rule, burst.key, evidence, tuple(match.time for match in evidence))

    def _bases(self, rule: CompiledRule) -> list[CompiledRule]:
        return [self.rules[base] for base in windows.bases(rule, self.rules)]


def _alerts(rule: CompiledRule, key: windows.Key, evidence: Sequence[Match], ends: Sequence[int]) -> Iterator[Alert]:
    """A burst's alerts: several where it has more evidence than one alert holds."""
    for start in range(0, len(evidence), MOST_EVIDENCE):
        part = tuple(evidence[start : start + MOST_EVIDENCE])
        within = tuple(end for end in ends if end >= part[0].time) or (part[-1].time,)
        yield Alert(rule, windows.burst_id(rule.id, key, part[0].time, part[0].id), part, within)


def _distinct(matches: Sequence[Match]) -> list[Match]:
    """Each event once, whichever rules it matched."""
    found = {(match.time, match.id, match.stream): match for match in matches}
    return [found[order] for order in sorted(found)]
