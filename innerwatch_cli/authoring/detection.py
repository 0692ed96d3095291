"""A single rule's log source and detection: selections, fields, modifiers, and the condition over them."""

import re
from collections.abc import Iterator
from typing import Any

from sigma.conditions import SigmaCondition
from sigma.exceptions import SigmaError
from sigma.modifiers import SigmaRegularExpressionModifier, modifier_mapping
from sigma.rule import SigmaDetectionItem
from sigma.rule.detection import EmptySigmaDetections
from sigma.types import SigmaRegularExpression

from innerwatch.detection.regex import REMEDY
from innerwatch.errors import UserError
from innerwatch_cli.authoring.header import kind, shown
from innerwatch_cli.authoring.runaway import runs_away
from innerwatch_cli.authoring.suggest import did_you_mean, one_of
from innerwatch_cli.sigma.conditions import flags
from innerwatch_cli.sigma.loading import Document, Key
from innerwatch_cli.sigma.taxonomy import LOGSOURCES, TAXONOMIES, Taxonomy, UnknownFieldError

REGEX_FLAGS = {"i", "ignorecase", "m", "multiline", "s", "dotall"}
LOGSOURCE_KEYS = ("product", "service", "category", "definition")
WORD = re.compile(r"[\w*.-]+")
RESERVED = frozenset({"and", "or", "not", "of", "them", "all", "any", "1"})


def check(document: Document) -> Iterator[UserError]:
    rule = document.data
    if "logsource" not in rule:
        yield document.problem("the rule has no logsource", f"expected logsource: with {SOURCES_TEXT}")
    else:
        yield from logsource(document, rule["logsource"])
    if "detection" not in rule:
        yield document.problem("the rule has no detection", "expected detection: with selections and a condition")
    elif not isinstance(rule["detection"], dict):
        what = f"detection is {kind(rule['detection'])}"
        yield document.problem(what, "expected selections and a condition", "detection")
    else:
        yield from detection(document, rule["detection"])


SOURCES_TEXT = "; ".join(f"product: {product}, service: {service}" for product, service in LOGSOURCES)


def logsource(document: Document, value: Any) -> Iterator[UserError]:
    if not isinstance(value, dict):
        yield document.problem(f"logsource is {kind(value)}", f"expected {SOURCES_TEXT}", "logsource")
        return
    for key in value:
        if key not in LOGSOURCE_KEYS:
            remedy = did_you_mean(str(key), LOGSOURCE_KEYS, one_of(LOGSOURCE_KEYS))
            yield document.problem(f"logsource has no key {key!r}", remedy, "logsource", str(key), key=True)
            return
        if not isinstance(value[key], str):
            what = f"{key} is {kind(value[key])}"
            yield document.problem(what, f"expected {SOURCES_TEXT}", "logsource", key)
            return
    product, service = value.get("product"), value.get("service")
    if (product, service) in LOGSOURCES:
        return
    products = dict.fromkeys(name for name, _ in LOGSOURCES)
    services = [name for other, name in LOGSOURCES if other == product]
    if not services:
        remedy = did_you_mean(str(product), products, f"expected {SOURCES_TEXT}")
        what = f"Innerwatch has no logs of product {shown(product)}" if product else "logsource has no product"
        yield document.problem(what, remedy, "logsource", "product")
    else:
        remedy = did_you_mean(str(service), services, one_of(services))
        what = f"product {product} has no service {shown(service)}" if service else "logsource has no service"
        yield document.problem(what, remedy, "logsource", "service")


def detection(document: Document, value: dict[str, Any]) -> Iterator[UserError]:
    source = document.data.get("logsource")
    source = source if isinstance(source, dict) else {}
    dataset = LOGSOURCES.get((str(source.get("product")), str(source.get("service"))), "")
    taxonomy = TAXONOMIES.get(dataset)
    selections = {name: content for name, content in value.items() if name != "condition"}
    if not selections:
        remedy = "expected at least one, such as selection: with fields and values"
        yield document.problem("the detection has no selection", remedy, "detection")
    for name, content in selections.items():
        yield from selection(document, content, taxonomy, "detection", str(name))
    if value.get("condition") in (None, "", []):
        yield document.problem("the detection has no condition", "expected condition: selection", "detection")
        return
    conditions = value["condition"] if isinstance(value["condition"], list) else [value["condition"]]
    wrong = [problem for text in conditions for problem in condition(document, text, list(map(str, selections)))]
    yield from wrong
    used = " ".join(map(str, conditions))
    for name in () if wrong else selections:
        if not _mentions(used, str(name)):
            remedy = f"expected it there, such as '{used} and not {name}', or the selection removed"
            yield document.problem(f"the condition does not mention {name!r}", remedy, "detection", str(name), key=True)


def _mentions(text: str, name: str) -> bool:
    words = WORD.findall(text)
    if "them" in words:
        return True
    return any(re.fullmatch(re.escape(word).replace(r"\*", ".*"), name) for word in words)


def selection(document: Document, content: Any, taxonomy: Taxonomy | None, *keys: Key) -> Iterator[UserError]:
    name = next(key for key in reversed(keys) if isinstance(key, str))
    if content is None or content in ({}, [], ""):
        remedy = "expected fields and values, such as eventName: DeleteTrail"
        yield document.problem(f"the selection {name!r} is empty", remedy, *keys, key=True)
    elif isinstance(content, dict):
        for field, values in content.items():
            yield from item(document, str(field), values, taxonomy, *keys, str(field))
    elif isinstance(content, list):
        for place, part in enumerate(content):
            if isinstance(part, dict | list) or part is None:
                yield from selection(document, part, taxonomy, *keys, place)


def item(document: Document, key: str, values: Any, taxonomy: Taxonomy | None, *keys: Key) -> Iterator[UserError]:
    field, *modifiers = key.split("|")
    if taxonomy is not None and field:
        try:
            taxonomy.path(field)
        except UnknownFieldError as error:
            yield document.problem(str(error), error.remedy, *keys, key=True)
    unknown = [modifier for modifier in modifiers if modifier not in modifier_mapping]
    for modifier in unknown:
        remedy = did_you_mean(modifier, modifier_mapping, f"expected one of {', '.join(sorted(modifier_mapping))}")
        yield document.problem(f"Sigma has no modifier {modifier!r}", remedy, *keys, key=True)
    if values == []:
        yield document.problem(f"{field or key} has an empty list of values", "expected at least one value", *keys)
    if isinstance(values, dict):
        what = f"{field or key} holds a mapping"
        yield document.problem(what, "expected a value or a list of values, and dots in a nested field's name", *keys)
    elif not unknown and values != []:
        yield from one_by_one(document, key, values, *keys)


def one_by_one(document: Document, key: str, values: Any, *keys: Key) -> Iterator[UserError]:
    """pySigma's own judgement of every value, so that the one at fault is pointed at."""
    several = isinstance(values, list)
    for place, value in enumerate(values if several else [values]):
        where = (*keys, place) if several else keys
        if isinstance(value, dict | list):
            what = f"the list of {key} holds {kind(value)}"
            yield document.problem(what, "expected values only; several mappings make a list of their own", *where)
            continue
        try:
            found = SigmaDetectionItem.from_mapping(key, value)
        except (SigmaError, TypeError, AttributeError) as error:
            # pySigma meets values of a type that a modifier does not take with either of the last two.
            yield document.problem(*_of_value(key, value, error), *where)
            continue
        for pattern in found.value:
            if isinstance(pattern, SigmaRegularExpression) and runs_away(str(pattern.regexp), flags(pattern)):
                what = f"a short value can keep {shown(value)} busy for hours"
                yield document.problem(what, REMEDY, *where)


def _of_value(key: str, value: Any, error: Exception) -> tuple[str, str]:
    modifiers = key.split("|")[1:]
    if "cidr" in modifiers:
        return f"{shown(value)} is no network", "expected one such as 192.0.2.0/24, without bits set beyond its length"
    if any(modifier_mapping[name] is SigmaRegularExpressionModifier for name in modifiers):
        what = str(error.__cause__ or error).split(" in ")[0]
        return f"{shown(value)} is no regular expression: {what}", "expected one that Python's `re` takes"
    if set(modifiers) & {"lt", "lte", "gt", "gte"}:
        return f"{'|'.join(modifiers)} compares numbers, and {shown(value)} is none", "expected a number without quotes"
    if "exists" in modifiers:
        return f"exists takes no {shown(value)}", "expected true or false"
    if set(modifiers) & REGEX_FLAGS and "re" not in modifiers:
        return f"{key} has a flag of regular expressions, and none", "expected re before it, as in field|re|i"
    return f"{key} does not take {shown(value)}: {error}", "expected a value that all its modifiers take"


def condition(document: Document, text: Any, selections: list[str]) -> Iterator[UserError]:
    if not isinstance(text, str):
        yield document.problem(
            f"a condition is {kind(text)}", "expected text such as selection and not filter", *CONDITION
        )
        return
    if "|" in text:
        remedy = "expected a correlation rule instead: Sigma has given up '| count()' in conditions"
        yield document.problem("the condition holds '|'", remedy, *CONDITION)
        return
    missing = [word for word in WORD.findall(text) if not _known(word, selections)]
    for word in missing if selections else ():
        remedy = did_you_mean(word, [*selections, "and", "or", "not"], one_of(selections))
        yield document.problem(f"the condition names {word!r}, which is no selection", remedy, *CONDITION)
    if missing:
        return
    if text.count("(") != text.count(")"):
        yield document.problem("the parentheses do not pair", "expected as many ( as )", *CONDITION)
        return
    try:
        SigmaCondition(text, EmptySigmaDetections()).parse(postprocess=False)
    except RecursionError:
        remedy = "expected `1 of selection_*` or a list of conditions"
        yield document.problem("the condition is nested too deeply", remedy, *CONDITION)
    except SigmaError as error:
        at = re.search(r"at char (\d+)", str(error))
        rest = text[int(at.group(1)) :].strip() if at else ""
        what = f"the condition cannot be read from {rest!r} on" if rest else "the condition ends too early"
        remedy = "expected selections joined by and, or, not, with parentheses, or 1 of name*, all of name*"
        yield document.problem(what, remedy, *CONDITION)


CONDITION = ("detection", "condition")


def _known(word: str, selections: list[str]) -> bool:
    if word in RESERVED:
        return True
    pattern = re.escape(word).replace(r"\*", ".*")
    return any(re.fullmatch(pattern, name) for name in selections)
