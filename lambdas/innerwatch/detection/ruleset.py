"""Many single rules judged on one document, each as `predicate` does, without the work of each for itself.

A rule that can only match certain actions is asked about those alone, and what several rules ask of a document, such as
whether it names a case, is answered once.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from innerwatch.detection.predicate import Predicate, compiled, text, values
from innerwatch.detection.regex import TooSlowError
from innerwatch.detection.rules import All, AnyOf, CompiledRule, Condition, FieldTest, Not
from innerwatch.folding import fold

ACTION = "event.action"

Answers = dict[int, bool]  # of one document: number of a question → its answer
Question = Callable[[Mapping[str, Any], Answers], bool]


class RuleSet:
    """Single rules, each with a condition. `too_slow` gets those that were given up, by id, with the reason."""

    def __init__(self, rules: Iterable[CompiledRule]) -> None:
        self.too_slow: dict[str, TooSlowError] = {}
        self._always: dict[str, list[tuple[str, Question]]] = defaultdict(list)  # by dataset
        self._by_action: dict[tuple[str, str], list[tuple[str, Question]]] = defaultdict(list)
        known: dict[Condition, Question] = {}
        for rule in rules:
            if rule.condition is None:
                raise ValueError(f"{rule.id} has no condition")
            asked = rule.id, question(rule.condition, known)
            needed = needs(rule.condition, ACTION)
            if needed is None:
                self._always[rule.dataset].append(asked)
            for action in needed or ():
                self._by_action[rule.dataset, action].append(asked)

    def matching(self, dataset: str, identity: str, document: Mapping[str, Any]) -> Iterator[str]:
        """Ids of the rules that match a document."""
        candidates = [*self._always.get(dataset, ())]
        for action in {fold(text(value)) for value in values(document, ACTION)}:
            candidates += self._by_action.get((dataset, action), ())
        answers: Answers = {}
        for rule, holds in candidates:
            if rule in self.too_slow:
                continue
            try:
                if holds(document, answers):
                    yield rule
            except TooSlowError as error:
                self.too_slow[rule] = in_event(error, identity)


def in_event(error: TooSlowError, identity: str) -> TooSlowError:
    return TooSlowError(f"{error.what}, in event {identity}", error.expected)


def question(condition: Condition, known: dict[Condition, Question]) -> Question:
    """The predicate's judgement of a condition, each test made at most once of a document; `known` are those so far."""
    if isinstance(condition, FieldTest):
        if condition not in known:
            known[condition] = _asked_once(compiled(condition), len(known))
        return known[condition]
    if isinstance(condition, Not):
        inner = question(condition.of, known)
        return lambda document, answers: not inner(document, answers)
    parts = [question(part, known) for part in condition.of]
    stop = not isinstance(condition, All)

    def ask(document: Mapping[str, Any], answers: Answers) -> bool:
        for part in parts:
            if part(document, answers) is stop:
                return stop
        return not stop

    return ask


def _asked_once(holds: Predicate, number: int) -> Question:
    def ask(document: Mapping[str, Any], answers: Answers) -> bool:
        answer = answers.get(number)
        if answer is None:
            answer = answers[number] = holds(document)
        return answer

    return ask


def needs(condition: Condition, field: str) -> frozenset[str] | None:
    """Of which values (folded) a field must have one for the condition to hold; None where it need not."""
    if isinstance(condition, FieldTest):
        exact = condition.field == field and condition.op == "equals" and not (condition.cased or condition.part)
        return frozenset({str(condition.value)}) if exact else None
    if isinstance(condition, All):
        return min((found for part in condition.of if (found := needs(part, field)) is not None), key=len, default=None)
    if isinstance(condition, AnyOf):
        parts = [needs(part, field) for part in condition.of]
        known = [part for part in parts if part is not None]
        return frozenset().union(*known) if len(known) == len(parts) else None
    return None
