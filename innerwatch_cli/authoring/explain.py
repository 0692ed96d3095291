"""Why a case failed: which selection, on which field of which event, expected against found."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import msgspec
from sigma.conditions import ConditionAND, ConditionIdentifier, ConditionNOT, ConditionSelector
from sigma.rule import SigmaRule

from innerwatch import instants
from innerwatch.detection import windows
from innerwatch.detection.predicate import compiled, text, values
from innerwatch.detection.rules import All, AnyOf, CompiledRule, Condition, FieldTest, Not
from innerwatch.detection.windows import Burst
from innerwatch.fields import DATASETS
from innerwatch_cli.authoring.running import Outcome, Selected, Suite, matches
from innerwatch_cli.sigma import compiling, loading
from innerwatch_cli.sigma.conditions import condition
from innerwatch_cli.sigma.taxonomy import TAXONOMIES, pipeline

EVENTS_SHOWN = 3
VALUES_SHOWN = 5
LONGEST = 80  # characters of a value


class Why(NamedTuple):
    """One finding. `event` counts from 1 in the case's list; 0: it is about the case as a whole."""

    event: int
    rule: str  # the title of the rule on single events
    selection: str
    field: str
    expected: str
    found: str
    note: str = ""  # instead of field, expected and found
    matched: bool = False  # the selection holds, and should not


def note(text: str, rule: str = "", event: int = 0) -> Why:
    return Why(event, rule, "", "", "", "", text)


class Mismatch(NamedTuple):
    field: str
    expected: str
    found: str


def why(suite: Suite, outcome: Outcome) -> list[Why]:
    """What made a case fail, the events nearest to it first."""
    found = [note(AT_ODDS, suite.known[rule].title, _number(outcome, item.id)) for rule, item in outcome.at_odds]
    if outcome.matched and outcome.case.match:  # only not as often as it should
        return [*found, *(note(_alert(burst), suite.known[burst.rule].title) for burst in outcome.bursts)]
    for rule in suite.rules:
        if rule.correlation is not None:
            found += _correlation(rule, suite, outcome)
        elif outcome.case.match:
            found += missed(rule, outcome, suite.pipelines)
        else:
            found += hit(rule, outcome, suite.pipelines)
    return found or [note("the case's events belong to none of the rule's log sources")]


AT_ODDS = "the rule holds for this event, but its query did not select it: please report this as a bug of Innerwatch"


def missed(rule: CompiledRule, outcome: Outcome, pipelines: Sequence[Path] | None) -> list[Why]:
    """Why the nearest events did not match."""
    detection = Detection.of(rule, pipelines)
    near = [detection.why(item, _number(outcome, item.id), wanted=True) for item in outcome.found.get(rule.id, [])]
    near.sort(key=lambda reasons: len({reason.selection for reason in reasons}))
    return [reason for reasons in near[:EVENTS_SHOWN] for reason in reasons]


def hit(rule: CompiledRule, outcome: Outcome, pipelines: Sequence[Path] | None) -> list[Why]:
    """Why events matched that should not: what selected them, and what did not hold them off."""
    detection = Detection.of(rule, pipelines)
    matched = [item for item in outcome.found.get(rule.id, []) if item.selected and item.holds]
    reasons = (detection.why(item, _number(outcome, item.id), wanted=False) for item in matched[:EVENTS_SHOWN])
    return [reason for some in reasons for reason in some]


def _alert(burst: Burst) -> str:
    first, last = instants.iso(burst.first), instants.iso(burst.last)
    return f"an alert of {len({match.id for match in burst.evidence})} events from {first} to {last}"


def _correlation(rule: CompiledRule, suite: Suite, outcome: Outcome) -> list[Why]:
    found: list[Why] = []
    for base in windows.bases(rule, suite.known):
        items = outcome.found.get(base, [])
        numbers = [_number(outcome, item.id) for item in items if item.selected and item.holds]
        title = suite.known[base].title
        found.append(note(f"matched {len(numbers)} of {len(items)} events{_listed(numbers)}", title))
        if outcome.case.match and items and not numbers:
            found += missed(suite.known[base], outcome, suite.pipelines)
    return found + [note(text, rule.title) for text in _groups(rule, suite, outcome)]


def _listed(numbers: Sequence[int]) -> str:
    if not numbers:
        return ""
    shown = ", ".join(map(str, numbers[:10]))
    return f" ({shown}{', …' if len(numbers) > 10 else ''})"


def _groups(rule: CompiledRule, suite: Suite, outcome: Outcome) -> Iterator[str]:
    """The highest measure that any window of each group reached, against the condition."""
    correlation = rule.correlation
    if correlation is None:
        return
    # The same windows, whatever they measure.
    kind = "temporal" if correlation.type == "temporal_ordered" else correlation.type
    anything = msgspec.structs.replace(correlation, type=kind, tests=(("gte", float("-inf")),), expression=None)
    relaxed = msgspec.structs.replace(rule, correlation=anything)
    peaks: dict[tuple[str, ...], float] = {}
    for burst in windows.judge(relaxed, suite.known, matches(rule, suite, outcome)):
        peaks[burst.key] = max(burst.peak, peaks.get(burst.key, burst.peak))
    wanted = " and ".join(f"{operator} {limit:g}" for operator, limit in correlation.tests)
    condition_text = f"; the condition is {wanted}" if wanted else ""
    order = ", in the order of its rules" if correlation.type == "temporal_ordered" else ""
    for key, peak in sorted(peaks.items(), key=lambda item: -item[1])[:EVENTS_SHOWN]:
        group = ", ".join(f"{name} {value}" for name, value in zip(correlation.group_by, key, strict=False))
        within = _duration(correlation.timespan)
        yield f"{group or 'everybody'}: {kind} is {peak:g} at most within {within}{condition_text}{order}"
    if not peaks:
        yield f"no event that matched has a value in each of {', '.join(correlation.group_by)}"


def _duration(milliseconds: int) -> str:
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000)):
        if milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds // 1000}s"


def _number(outcome: Outcome, identity: str) -> int:
    return 1 + next(place for place, (other, _) in enumerate(outcome.documents) if other == identity)


# --- selections


@dataclass(frozen=True)
class Detection:
    """A rule's selections, each as a condition of its own, and how the rule puts them together."""

    rule: CompiledRule
    selections: Mapping[str, Condition]
    trees: Sequence[Any]  # of pySigma's ConditionItem, over names of selections
    parsed: SigmaRule

    @classmethod
    def of(cls, rule: CompiledRule, pipelines: Sequence[Path] | None = None) -> Self:
        """From the rule's file, as it is now."""
        documents = (item for item in loading.read(Path(rule.path)) if isinstance(item, loading.Document))
        parsed = compiling.parse(next(item for item in documents if _is(item, rule)))
        if not isinstance(parsed, SigmaRule):
            raise TypeError(f"{rule.title!r} is no rule on single events")
        for transform in (*compiling.read_pipelines(pipelines), pipeline(rule.dataset)):
            transform.apply(parsed)
        selections = {
            name: condition(detection.postprocess(parsed.detection), TAXONOMIES[rule.dataset])
            for name, detection in parsed.detection.detections.items()
        }
        return cls(
            rule, selections, [one.parse(postprocess=False) for one in parsed.detection.parsed_condition], parsed
        )

    def why(self, item: Selected, number: int, *, wanted: bool) -> list[Why]:
        """The selections, and their fields, that make the rule come out otherwise than wanted for a document."""
        blamed = dict(pair for tree in self.trees for pair in self._blamed(tree, item.document, wanted=wanted))
        return [
            Why(number, self.rule.title, name, named(self.rule.dataset, field), expected, found, matched=not sense)
            for name, sense in blamed.items()
            for field, expected, found in mismatches(self.selections[name], item.document, wanted=sense)
        ]

    def _holds(self, tree: Any, document: Mapping[str, Any]) -> bool:
        if isinstance(tree, ConditionIdentifier):
            return compiled(self.selections[tree.identifier])(document)
        found = [self._holds(part, document) for part in self._parts(tree)]
        if isinstance(tree, ConditionNOT):
            return not found[0]
        return all(found) if self._is_and(tree) else any(found)

    def _blamed(self, tree: Any, document: Mapping[str, Any], *, wanted: bool) -> Iterator[tuple[str, bool]]:
        """Names of selections, and whether each would have to hold."""
        if self._holds(tree, document) is wanted:
            return
        if isinstance(tree, ConditionIdentifier):
            yield tree.identifier, wanted
        else:
            for part in self._parts(tree):
                yield from self._blamed(part, document, wanted=wanted is not isinstance(tree, ConditionNOT))

    def _parts(self, tree: Any) -> Sequence[Any]:
        if isinstance(tree, ConditionSelector):
            return tree.resolve_referenced_detections(self.parsed.detection)
        return list(tree.args)

    def _is_and(self, tree: Any) -> bool:
        return (
            tree.cond_class is ConditionAND if isinstance(tree, ConditionSelector) else isinstance(tree, ConditionAND)
        )


def _is(document: loading.Document, rule: CompiledRule) -> bool:
    return str(document.data.get("id", "")).lower() == rule.id or document.data.get("title") == rule.title


# --- conditions


def mismatches(condition: Condition, document: Mapping[str, Any], *, wanted: bool) -> Iterator[Mismatch]:
    """The tests that make a condition come out otherwise than wanted; none where it comes out so."""
    if compiled(condition)(document) is wanted:
        return
    if isinstance(condition, FieldTest):
        yield Mismatch(condition.field, phrase(condition, wanted=wanted), found(condition, document))
    elif isinstance(condition, Not):
        yield from mismatches(condition.of, document, wanted=not wanted)
    else:
        tests = [part for part in condition.of if isinstance(part, FieldTest)]
        together = isinstance(condition, AnyOf) if wanted else isinstance(condition, All)
        if together and len(tests) == len(condition.of) and len({test.field for test in tests}) == 1:
            yield Mismatch(tests[0].field, one_of(tests, wanted=wanted), found(tests[0], document))
        else:
            for part in condition.of:
                yield from mismatches(part, document, wanted=wanted)


def one_of(tests: Sequence[FieldTest], *, wanted: bool) -> str:
    shown = [phrase(test, wanted=True) for test in tests[:VALUES_SHOWN]]
    more = f" or {len(tests) - VALUES_SHOWN} more" if len(tests) > VALUES_SHOWN else ""
    return ("" if wanted else "not ") + " or ".join(shown) + more


SIGNS = {"lt": "<", "lte": "≤", "gt": ">", "gte": "≥"}
WORDS = {"startswith": "starts with", "endswith": "ends with", "contains": "contains", "like": "is like", "cidr": "in"}


def phrase(test: FieldTest, *, wanted: bool) -> str:
    """What a test asks for, in words."""
    if test.op in ("exists", "null"):
        present = (test.op == "exists") == bool(test.value if test.op == "exists" else True)
        return ("a value" if test.op == "exists" else "a value that is not null") if present is wanted else "no value"
    if test.op in SIGNS:
        said = f"{SIGNS[test.op]} {test.value}"
    elif test.op == "re":
        said = f"matches /{test.value}/{test.flags}"
    elif test.op == "fieldref":
        said = f"{WORDS.get(test.flags, 'equal to')} the field {test.value}"
    elif test.op in WORDS:
        said = f"{WORDS[test.op]} {shown(test.value)}"
    else:
        said = shown(test.value)
    said = f"{test.part} {said}" if test.part else said
    said = f"{said} in this very case" if test.cased else said
    return said if wanted else f"not {said}"


def found(test: FieldTest, document: Mapping[str, Any]) -> str:
    """What the document has in a test's field."""
    if not test.field:
        return "no such text in any field" if not compiled(test)(document) else "the text in one of its fields"
    there = list(values(document, test.field))
    more = f" and {len(there) - VALUES_SHOWN} more" if len(there) > VALUES_SHOWN else ""
    return ", ".join(shown(value) for value in there[:VALUES_SHOWN]) + more if there else "nothing"


def shown(value: Any) -> str:
    said = text(value)
    said = said if len(said) <= LONGEST else f"{said[:LONGEST]}…"
    return f'"{said}"' if isinstance(value, str) else said


def named(dataset: str, path: str) -> str:
    """A field as the log calls it, with the document's name for it."""
    for row in DATASETS.get(dataset, ()):
        if row.name == path and row.raw:
            return f"{row.raw} ({path})" if row.raw != path else path
        for flattened in filter(None, (row.match, row.name) if row.type == "flattened" else ()):
            if path.startswith(f"{flattened}.") and row.raw:
                return row.raw + path[len(flattened) :]
    return path or "any field"
