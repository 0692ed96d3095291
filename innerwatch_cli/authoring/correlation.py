"""A correlation rule: its type, the rules it refers to, timespan, grouping and condition.

https://github.com/SigmaHQ/sigma-specification/blob/main/specification/sigma-correlation-rules-specification.md
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from innerwatch.errors import UserError
from innerwatch_cli.authoring.header import kind, shown
from innerwatch_cli.authoring.suggest import did_you_mean, one_of
from innerwatch_cli.sigma.loading import Document

VALUE_TYPES = ("value_count", "value_sum", "value_avg", "value_percentile", "value_median")
ORDER_TYPES = ("temporal", "temporal_ordered")
TYPES = ("event_count", *VALUE_TYPES, *ORDER_TYPES)
KEYS = ("type", "rules", "group-by", "timespan", "condition", "aliases", "generate")
OPERATORS = ("gt", "gte", "lt", "lte", "eq", "neq")
CONDITION_KEYS = (*OPERATORS, "field", "percentile")
TIMESPAN = re.compile(r"[1-9][0-9]*[smhdwMy]", re.ASCII)


def check(document: Document) -> Iterator[UserError]:
    body = document.data["correlation"]
    if not isinstance(body, dict):
        yield document.problem(f"correlation is {kind(body)}", f"expected the keys {', '.join(KEYS)}", "correlation")
        return
    for key in body:
        if key not in KEYS:
            remedy = did_you_mean(str(key), KEYS, one_of(KEYS))
            yield document.problem(f"correlation has no key {key!r}", remedy, "correlation", str(key), key=True)
    of_type = body.get("type")
    if of_type not in TYPES:
        what = f"there is no correlation type {shown(of_type)}" if of_type else "the correlation has no type"
        yield document.problem(what, did_you_mean(str(of_type), TYPES, one_of(TYPES)), "correlation", "type")
    timespan = body.get("timespan")
    if not isinstance(timespan, str) or not TIMESPAN.fullmatch(timespan):
        what = f"{shown(timespan)} is no timespan" if timespan else "the correlation has no timespan"
        remedy = "expected a number and a unit, such as 15m, 1h or 7d"
        yield document.problem(what, remedy, "correlation", "timespan")
    yield from rules(document, body)
    yield from grouping(document, body)
    yield from condition(document, body, str(of_type))


def references(rule: Mapping[str, Any]) -> list[str]:
    """The ids and names that a correlation refers to, as far as they can be read."""
    body = rule.get("correlation")
    found = body.get("rules") if isinstance(body, dict) else None
    return [item for item in (found if isinstance(found, list) else [found]) if isinstance(item, str)]


def rules(document: Document, body: dict[str, Any]) -> Iterator[UserError]:
    named = body.get("rules")
    if named in (None, "", []):
        if not isinstance(body.get("condition"), str):
            remedy = "expected rules: with the ids or names of other rules"
            yield document.problem("the correlation refers to no rule", remedy, "correlation", "rules")
    elif not isinstance(named, str | list) or (isinstance(named, list) and not all(isinstance(n, str) for n in named)):
        what = f"rules is {kind(named)}"
        yield document.problem(what, "expected a list of rule ids or names", "correlation", "rules")


def grouping(document: Document, body: dict[str, Any]) -> Iterator[UserError]:
    group_by = body.get("group-by")
    if group_by in (None, "", []):
        what = "the correlation has no group-by: it would mix everybody's events"
        remedy = "expected group-by: with a field such as employee.id"
        yield document.problem(what, remedy, "correlation", "group-by")
    elif not isinstance(group_by, str | list) or any(not isinstance(name, str) for name in group_by):
        what = f"group-by is {kind(group_by)}"
        yield document.problem(what, "expected a field's name or a list of them", "correlation", "group-by")
    aliases = body.get("aliases")
    if aliases is not None and not (isinstance(aliases, dict) and all(isinstance(v, dict) for v in aliases.values())):
        remedy = "expected alias: and below it a field for each rule, rule: field"
        yield document.problem("aliases cannot be read", remedy, "correlation", "aliases")


def condition(document: Document, body: dict[str, Any], of_type: str) -> Iterator[UserError]:
    value = body.get("condition")
    ordered = of_type in ORDER_TYPES
    if value is None:
        if not ordered:
            yield document.problem("the correlation has no condition", "expected condition: with gte: 10, say", *AT)
    elif isinstance(value, str):
        if not ordered:
            remedy = "expected an operator and a number, such as gte: 10"
            yield document.problem(f"a condition of {of_type} is no text", remedy, *AT)
    elif not isinstance(value, dict):
        yield document.problem(f"the condition is {kind(value)}", "expected gte: 10, say", *AT)
    else:
        yield from comparison(document, value)
        if of_type in VALUE_TYPES and not value.get("field"):
            remedy = "expected field: with the name of the field whose values are taken"
            yield document.problem(f"the condition of {of_type} has no field", remedy, *AT)


AT = ("correlation", "condition")


def comparison(document: Document, value: dict[str, Any]) -> Iterator[UserError]:
    for key in value:
        if key not in CONDITION_KEYS:
            remedy = did_you_mean(str(key), CONDITION_KEYS, one_of(CONDITION_KEYS))
            yield document.problem(f"a correlation's condition has no key {key!r}", remedy, *AT, str(key), key=True)
    used = [key for key in OPERATORS if key in value]
    if not used and set(value) <= set(CONDITION_KEYS):
        yield document.problem("the condition compares with nothing", f"{one_of(OPERATORS)}, and a number", *AT)
    for key in used:
        if isinstance(value[key], bool) or not isinstance(value[key], int | float):
            yield document.problem(f"{key} has no number: {shown(value[key])}", "expected one, such as 10", *AT, key)


def chain_problems(documents: Sequence[Document], known: Mapping[str, Document]) -> Iterator[UserError]:
    """References that lead nowhere, or back to where they began. `known`: documents by id and by name."""
    for document in documents:
        for place, reference in enumerate(references(document.data)):
            several = isinstance(document.data["correlation"]["rules"], list)
            at = ("correlation", "rules", place) if several else ("correlation", "rules")
            if reference not in known:
                names = [name for name in known if not _is_id(name)]
                remedy = did_you_mean(reference, names, "expected the id or name of a rule in the same folder")
                yield document.problem(f"there is no rule {reference!r}", remedy, *at)
            elif (way := _way_back(document, reference, known)) is not None:
                what = "the correlation refers to itself" + (f" by way of {' → '.join(way)}" if way else "")
                yield document.problem(what, "expected a chain that ends in rules on single events", *at)


def _is_id(name: str) -> bool:
    return re.fullmatch(r"[0-9a-fA-F-]{36}", name) is not None


def _way_back(start: Document, reference: str, known: Mapping[str, Document]) -> list[str] | None:
    """The titles between a correlation's reference and the correlation itself, or None where it leads elsewhere."""
    seen: set[int] = set()
    stack: list[tuple[Document, list[str]]] = [(known[reference], [])]
    while stack:
        document, way = stack.pop()
        if document is start:
            return way
        if id(document) in seen:
            continue
        seen.add(id(document))
        title = repr(document.data.get("title", "?"))
        stack += [(known[name], [*way, title]) for name in references(document.data) if name in known]
    return None
