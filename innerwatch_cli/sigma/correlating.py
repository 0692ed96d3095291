"""Correlation rules: which rules they refer to, and the fields that they take from those rules' events.

https://github.com/SigmaHQ/sigma-specification/blob/main/specification/sigma-correlation-rules-specification.md
"""

from collections.abc import Iterator, Mapping
from typing import Any

from sigma.correlations import (
    CorrelationConditionAND,
    CorrelationConditionNOT,
    CorrelationConditionOR,
    SigmaCorrelationRule,
    SigmaExtendedCorrelationCondition,
    SigmaRuleReference,
)

from innerwatch.detection.rules import All, AnyOf, CompiledRule, Condition, Correlation, FieldTest, Not, Source
from innerwatch.errors import UserError
from innerwatch_cli.sigma import mistakes
from innerwatch_cli.sigma.loading import Document, Parsed
from innerwatch_cli.sigma.taxonomy import FOREIGN, Taxonomy

OPERATORS = ("gt", "gte", "lt", "lte", "eq", "neq")


def with_one_operator(rule: dict[str, Any]) -> dict[str, Any]:
    """A rule as pySigma takes it: of a range (`gt: 100`, `lte: 200`) it knows one end only. `_tests` reads both."""
    correlation = rule.get("correlation")
    condition = correlation.get("condition") if isinstance(correlation, dict) else None
    if not isinstance(condition, dict):
        return rule
    more = [name for name in condition if name in OPERATORS][1:]
    one = {name: value for name, value in condition.items() if name not in more}
    return {**rule, "correlation": {**rule["correlation"], "condition": one}}


class Correlations:
    """The correlations among `items` (by id), over `rules` that have compiled."""

    def __init__(
        self,
        items: Mapping[str, Parsed[SigmaCorrelationRule]],
        rules: Mapping[str, CompiledRule],
        taxonomies: Mapping[str, Taxonomy],
    ) -> None:
        self.items, self.rules, self.taxonomies = items, rules, taxonomies
        self.names: dict[str, list[str]] = {}
        named = [(rule.name, rule.id) for rule in rules.values()]
        named += [(item.rule.name or "", item.id) for item in items.values()]
        for name, identity in named:
            if name:
                self.names.setdefault(name, []).append(identity)
        self.done: dict[str, CompiledRule] = {}

    def compile(self, errors: list[UserError]) -> dict[str, CompiledRule]:
        """By id, those that others refer to first. What is wrong with the others goes to `errors`."""
        for item in self.items.values():
            try:
                self._one(item.id, ())
            except mistakes.EXPECTED as error:
                errors.append(mistakes.explain(item.document, error))
        return self.done

    def _one(self, identity: str, chain: tuple[str, ...]) -> CompiledRule:
        if identity in self.done:
            return self.done[identity]
        _, document, rule = self.items[identity]
        if identity in chain:
            what = "the correlation refers to itself" + (" through others" if len(chain) > 1 else "")
            raise document.error(what, "expected a chain that ends", document.value("correlation", "rules"))
        body = document.data["correlation"]
        references = self._references(document, rule)
        aliases: dict[str, dict[str, str]] = body.get("aliases") or {}
        group_by = tuple(rule.group_by or ())
        value = _value_fields(rule)
        sources = []
        for reference in references:
            target = self._target(document, reference)
            if target in self.items:
                self._one(target, (*chain, identity))
            sources.append(self._source(document, reference, target, group_by, value, aliases))
        compiled = CompiledRule(
            id=identity,
            title=rule.title,
            correlation=Correlation(
                type=rule.type.name.lower(),
                sources=tuple(sources),
                timespan=rule.timespan.seconds * 1000,
                group_by=group_by,
                tests=_tests(document, len(sources)),
                percentile=_percentile(document, rule),
                expression=_expression(rule),
            ),
        )
        _check(document, compiled.correlation)
        self.done[identity] = compiled
        return compiled

    def _references(self, document: Document, rule: SigmaCorrelationRule) -> list[str]:
        if rule.rules is not None:
            references = [reference.reference for reference in rule.rules]
        elif isinstance(rule.condition, SigmaExtendedCorrelationCondition):
            references = list(rule.condition.get_referenced_rules())
        else:
            references = []
        if not references:
            raise document.error(
                "the correlation names no rules", "expected ids or names", document.value("correlation", "rules")
            )
        return [str(reference) for reference in references]

    def _target(self, document: Document, reference: str) -> str:
        found = [reference] if reference in self.rules or reference in self.items else self.names.get(reference, [])
        node = document.value("correlation", "rules")
        if not found:
            what = f"the correlation refers to a rule {reference!r} that is not there or is wrong itself"
            raise document.error(what, "expected the id or name of a rule given along with it", node)
        if len(found) > 1:
            raise document.error(f"{len(found)} rules are named {reference!r}", "expected one; refer to it by id", node)
        return found[0]

    def _bases(self, identity: str) -> Iterator[str]:
        """The single rules at the end of the chain."""
        if identity in self.rules:
            yield identity
        else:
            correlation = self.done[identity].correlation
            for source in correlation.sources if correlation else ():
                yield from self._bases(source.rule)

    def _source(
        self,
        document: Document,
        reference: str,
        target: str,
        group_by: tuple[str, ...],
        value: tuple[str, ...],
        aliases: Mapping[str, Mapping[str, str]],
    ) -> Source:
        names = {reference, target} | {name for name, identities in self.names.items() if target in identities}

        def resolve(name: str, base: str) -> str:
            if name in aliases:
                field = next((field for rule, field in aliases[name].items() if rule in names), None)
                if field is None:
                    what = f"the alias {name!r} has no field for the rule {reference!r}"
                    raise document.error(what, "expected one", document.value("correlation", "aliases", name))
                name = str(field)
            dataset = self.rules[base].dataset
            return (self.taxonomies[dataset] if dataset else FOREIGN).path(name)

        bases = list(dict.fromkeys(self._bases(target)))
        return Source(
            rule=target,
            name=reference,
            group_by={base: tuple(resolve(name, base) for name in group_by) for base in bases},
            value={base: tuple(resolve(name, base) for name in value) for base in bases},
        )


def _check(document: Document, correlation: Correlation | None) -> None:
    """Refuses what the specification gives no meaning to. Raises UserError."""
    if correlation is None:
        return
    node = document.value("correlation", "condition")
    sources = len(correlation.sources)
    expression = correlation.expression
    if correlation.type == "temporal_ordered":
        in_order = all(test in (("gte", float(sources)), ("eq", float(sources))) for test in correlation.tests)
        plain = expression is None or isinstance(expression, FieldTest) or _all_seen(expression)
        if not in_order or not plain:
            what = "temporal_ordered needs all of its rules: an order of some, or of what is absent, has no meaning"
            raise document.error(what, "leave `condition` out, or join the rules with `and`", node)
    if expression is not None and not _needs_something(expression):
        what = "the condition can be fulfilled by absences alone, and those have no event to alert on"
        raise document.error(what, "expected a rule without `not` in every alternative", node)
    if correlation.type.startswith("value_") and not all(source.value for source in correlation.sources):
        raise document.error(f"{correlation.type} needs a field", "expected `field:` in the condition", node)
    numeric = correlation.type.startswith("value_") and correlation.type != "value_count"
    if numeric and any(len(paths) > 1 for source in correlation.sources for paths in source.value.values()):
        raise document.error(f"{correlation.type} takes one field", "expected one name in `field:`", node)


def _all_seen(expression: Condition) -> bool:
    return isinstance(expression, All) and all(isinstance(part, FieldTest) for part in expression.of)


def _needs_something(expression: Condition) -> bool:
    """Whether it is false where nothing was seen."""
    if isinstance(expression, FieldTest):
        return True
    if isinstance(expression, Not):
        return not _needs_something(expression.of)
    parts = [_needs_something(part) for part in expression.of]
    return any(parts) if isinstance(expression, All) else all(parts)


def _value_fields(rule: SigmaCorrelationRule) -> tuple[str, ...]:
    field = getattr(rule.condition, "fieldref", None)
    return () if field is None else tuple(map(str, field)) if isinstance(field, list) else (str(field),)


def _tests(document: Document, sources: int) -> tuple[tuple[str, float], ...]:
    """The comparisons of a condition, from the rule's own text: pySigma cuts fractions off."""
    condition = document.data["correlation"].get("condition")
    if isinstance(condition, str):
        return ()
    if condition is None:  # temporal: all of the rules
        return (("gte", float(sources)),)
    found: list[tuple[str, float]] = []
    for operator in OPERATORS:
        if operator in condition:
            limit = condition[operator]
            if isinstance(limit, bool) or not isinstance(limit, int | float):
                node = document.value("correlation", "condition", operator)
                raise document.error(f"{limit!r} is no number", "expected one, as `gte: 10`", node)
            found.append((operator, float(limit)))
    return tuple(found)


def _percentile(document: Document, rule: SigmaCorrelationRule) -> float:
    condition: Any = document.data["correlation"].get("condition")
    if rule.type.name != "VALUE_PERCENTILE":
        return 50.0
    percentile = condition.get("percentile") if isinstance(condition, dict) else None
    if isinstance(percentile, bool) or not isinstance(percentile, int | float) or not 0 <= percentile <= 100:
        node = document.value("correlation", "condition")
        raise document.error("value_percentile needs a percentile", "expected `percentile:` from 0 to 100", node)
    return float(percentile)


def _expression(rule: SigmaCorrelationRule) -> Condition | None:
    if not isinstance(rule.condition, SigmaExtendedCorrelationCondition):
        return None
    return _expression_of(rule.condition.parsed)


def _expression_of(tree: Any) -> Condition:
    match tree:
        case SigmaRuleReference():
            return FieldTest(tree.reference, "seen")
        case CorrelationConditionNOT():
            return Not(_expression_of(tree.args[0]))
        case CorrelationConditionAND():
            return All(tuple(_expression_of(arg) for arg in tree.args))
        case CorrelationConditionOR():
            return AnyOf(tuple(_expression_of(arg) for arg in tree.args))
    raise TypeError(f"no meaning is known for {type(tree).__name__} in a correlation's condition")
