"""Turns what is wrong with a rule into one line: the place in the file, what is wrong, what was expected."""

import difflib
import re
from collections.abc import Iterator
from typing import Any

import yaml
from sigma import exceptions as sigma_errors
from sigma.modifiers import modifier_mapping
from sigma.rule import SigmaDetectionItem

from innerwatch.detection.windows import TYPES
from innerwatch.errors import UserError
from innerwatch_cli.sigma.conditions import NotSupportedError
from innerwatch_cli.sigma.loading import Document, entries
from innerwatch_cli.sigma.taxonomy import UnknownFieldError

# What pySigma raises for a wrong rule: its own errors and, for a value of a type that it did not expect, Python's.
EXPECTED = (
    sigma_errors.SigmaError,
    NotSupportedError,
    UnknownFieldError,
    UserError,
    ArithmeticError,
    AttributeError,
    LookupError,
    NotImplementedError,
    RecursionError,
    TypeError,
    ValueError,
)

# pySigma's error → where in the rule, and what to do
PLACES: dict[type[Exception], tuple[tuple[str, ...], str]] = {
    sigma_errors.SigmaTitleError: (("title",), "expected a title of at most 256 characters"),
    sigma_errors.SigmaIdentifierError: (("id",), "expected a UUID; `uuidgen` makes one"),
    sigma_errors.SigmaStatusError: (("status",), "expected stable, test, experimental, deprecated or unsupported"),
    sigma_errors.SigmaLevelError: (("level",), "expected informational, low, medium, high or critical"),
    sigma_errors.SigmaDateError: (("date",), "expected a date as 2026-03-31"),
    sigma_errors.SigmaModifiedError: (("modified",), "expected a date as 2026-03-31"),
    sigma_errors.SigmaTagError: (("tags",), "expected tags as attack.t1530"),
    sigma_errors.SigmaReferencesError: (("references",), "expected a list of addresses"),
    sigma_errors.SigmaFalsePositivesError: (("falsepositives",), "expected a list of sentences"),
    sigma_errors.SigmaLogsourceError: (("logsource",), "expected product and service, for example aws and cloudtrail"),
    sigma_errors.SigmaConditionError: (("detection", "condition"), ""),
    sigma_errors.SigmaDetectionError: (("detection",), "expected search identifiers and a condition"),
    sigma_errors.SigmaTimespanError: (("correlation", "timespan"), "expected a number and s, m, h or d, as 90m"),
    sigma_errors.SigmaCorrelationTypeError: (
        ("correlation", "type"),
        f"expected {', '.join(TYPES[:-1])} or {TYPES[-1]}",
    ),
    sigma_errors.SigmaCorrelationConditionError: (("correlation", "condition"), "expected for example `gte: 10`"),
    sigma_errors.SigmaCorrelationRuleError: (("correlation",), ""),
    sigma_errors.SigmaFilterError: (("filter",), ""),
}


ALIASES = {"utf16le": "wide"}  # names in the specification that pySigma does not have


def check_shape(document: Document) -> None:
    """Refuses what pySigma would trip over. Raises UserError."""
    data = document.data
    for key in ("detection", "correlation", "filter"):
        if key in data and not isinstance(data[key], dict):
            node = document.value(key)
            raise document.error(f"`{key}` is not a map", "expected keys and values below it", node)
    if not any(key in data for key in ("detection", "correlation", "filter", "action")):
        raise document.error("the rule has neither `detection` nor `correlation`", "expected one of them")
    title = data.get("title")
    if "action" not in data and (not isinstance(title, str) or not title.strip()):
        raise document.error("the rule has no title", "expected `title:` with a sentence", document.value("title"))
    for key in ("detection", "filter", "correlation"):
        _check_names(document, key)
    if "detection" in data and not isinstance(data.get("logsource"), dict):
        raise document.error(
            "the rule has no log source", "expected `logsource:` with product and service", document.value("logsource")
        )


def _check_names(document: Document, section: str) -> None:
    """Refuses the names that pySigma's grammar takes apart: to it `not_begun` is `not _begun`."""
    content = document.data.get(section, {})
    words = re.findall(r"[\w-]+", str(content.get("condition", "")))
    names = content if section != "correlation" else content.get("rules") or ()
    for name in words:
        if name.startswith("not") and name != "not" and name in names:
            what = f"pySigma would read {name!r} as 'not {name.removeprefix('not')}'"
            raise document.problem(what, "expected a name that does not begin with not", section, "condition")


def explain(document: Document, error: Exception) -> UserError:
    """The error as one line that points into the file."""
    if isinstance(error, UserError):
        return error
    if isinstance(error, RecursionError):
        what, expected = "the condition is nested too deeply", "expected `1 of selection_*` or a list of conditions"
        return document.error(what, expected, document.value("detection", "condition"))
    if isinstance(error, UnknownFieldError):
        return document.error(str(error), error.remedy, _key_of(document, error.field))
    what = str(error.args[0]) if error.args else type(error).__name__
    item = _first_wrong_item(document)
    if item is not None:
        node, problem = item
        return document.error(problem, _remedy(problem), node)
    for kind in type(error).__mro__:
        if kind in PLACES:
            keys, expected = PLACES[kind]
            expected = expected or _remedy(what, document)
            return document.error(what, expected, document.value(*keys))
    if isinstance(error, NotSupportedError):
        return document.error(f"refused: {what}", error.expected, document.value("detection"))
    return document.error(f"not a valid Sigma rule: {what}", "see https://sigmahq.io/docs/basics/rules.html")


def _remedy(what: str, document: Document | None = None) -> str:
    unknown = re.search(r"Unknown modifier '(.*)'", what)
    if unknown:
        if unknown[1] in ALIASES:
            return f"pySigma calls it {ALIASES[unknown[1]]}"
        alike = difflib.get_close_matches(unknown[1], modifier_mapping, n=1)
        return f"did you mean {alike[0]}?" if alike else f"expected one of {', '.join(sorted(modifier_mapping))}"
    if document is not None and isinstance(document.data.get("detection"), dict):
        names = ", ".join(name for name in map(str, document.data["detection"]) if name != "condition")
        return f"expected search identifiers of this rule ({names}) joined by and, or, not, `1 of …`, `all of …`"
    return ""


def _items(node: yaml.Node) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    """Every `field|modifier: value` in a search identifier."""
    if isinstance(node, yaml.SequenceNode):
        for part in node.value:
            yield from _items(part)
    yield from entries(node)


def _detection_items(document: Document) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    for section in ("detection", "filter"):
        for name, node in entries(document.value(section)) if section in document.data else ():
            if name.value not in ("condition", "rules"):
                yield from _items(node)


def _first_wrong_item(document: Document) -> tuple[yaml.Node, str] | None:
    """The first `field|modifier: value` that pySigma refuses by itself."""
    for key, value in _detection_items(document):
        try:
            SigmaDetectionItem.from_mapping(str(key.value), _plain(value))
        except EXPECTED as error:
            return key, str(error.args[0]) if error.args else type(error).__name__
    return None


def _key_of(document: Document, field: str) -> yaml.Node | None:
    for key, _ in _detection_items(document):
        if str(key.value).split("|")[0] == field:
            return key
    for name in ("group-by", "condition", "aliases"):
        for node in _scalars(document.value("correlation", name) if "correlation" in document.data else document.node):
            if node.value == field:
                return node
    return None


def _scalars(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.ScalarNode):
        yield node
    elif isinstance(node, yaml.SequenceNode):
        for part in node.value:
            yield from _scalars(part)
    for _, value in entries(node):
        yield from _scalars(value)


def _plain(node: yaml.Node) -> Any:
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_document(node)
    finally:
        loader.dispose()


def empty_value(detection: Any) -> str:
    """The first field of a detection whose value is an empty list, or nothing."""
    if isinstance(detection, dict):
        for key, value in detection.items():
            if value == [] or value == {}:
                return str(key)
            if found := empty_value(value):
                return found
    elif isinstance(detection, list):
        for value in detection:
            if found := empty_value(value):
                return found
    return ""
