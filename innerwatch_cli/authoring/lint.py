"""What pySigma's validators find: rules that compile, and probably do not say what their author means."""

from collections.abc import Iterator, Sequence
from typing import Any

from sigma.exceptions import SigmaError
from sigma.rule import SigmaRule
from sigma.validators.base import SigmaValidationIssue
from sigma.validators.core.condition import AllOfThemConditionValidator, ThemConditionWithSingleDetectionValidator
from sigma.validators.core.metadata import DuplicateReferencesValidator
from sigma.validators.core.modifiers import AllWithoutContainsModifierIssue, InvalidModifierCombinationsValidator
from sigma.validators.core.values import (
    ControlCharacterValidator,
    DoubleWildcardValidator,
    WildcardsInsteadOfModifiersValidator,
)

from innerwatch.errors import UserError
from innerwatch_cli.sigma.loading import Document, Key

# Left out: ids, titles, tags, fields and unused selections, which are checked with their line; file names and Windows
# log sources, which are SigmaHQ's own customs; numbers as text, since account ids are that; an escaped wildcard, since
# IAM policies hold literal ones; and ATT&CK and D3FEND tags, for which pySigma downloads data.
VALIDATORS = (
    AllOfThemConditionValidator,
    ThemConditionWithSingleDetectionValidator,
    DuplicateReferencesValidator,
    InvalidModifierCombinationsValidator,
    ControlCharacterValidator,
    DoubleWildcardValidator,
    WildcardsInsteadOfModifiersValidator,
)

# Issue → the place of what it is about, and the remedy.
PLACES: dict[str, tuple[tuple[Key, ...], str]] = {
    "AllOfThemConditionIssue": (("detection", "condition"), "expected all of selection_*"),
    "ThemConditionWithSingleDetectionIssue": (("detection", "condition"), "expected the selection's own name"),
    "DuplicateReferencesIssue": (("references",), "expected each reference once"),
    "Base64OffsetWithoutContainsModifierIssue": ((), "expected base64offset|contains"),
    "WindowsDashCombinedWithAllModifierIssue": ((), "expected one of the two modifiers"),
    "ModifierAppliedMultipleIssue": ((), "expected each modifier once"),
    "ControlCharacterIssue": ((), "expected printable text; perhaps a backslash in double quotes"),
    "DoubleWildcardIssue": ((), "expected one *"),
    "WildcardsInsteadOfContainsModifierIssue": ((), "expected the modifier contains, and no * in the values"),
    "WildcardInsteadOfStartswithIssue": ((), "expected the modifier startswith, and no * in the values"),
    "WildcardInsteadOfEndswithIssue": ((), "expected the modifier endswith, and no * in the values"),
}


def check(documents: Sequence[Document]) -> Iterator[UserError]:
    for document in documents:
        if "detection" not in document.data:
            continue
        try:
            rule = SigmaRule.from_dict(document.data)
        except SigmaError as error:
            yield document.problem(str(error), "expected a rule that pySigma reads")
            continue
        yield from of_rule(document, rule)


def of_rule(document: Document, rule: SigmaRule) -> Iterator[UserError]:
    for of_type in VALIDATORS:
        validator = of_type()
        for issue in [*validator.validate(rule), *validator.finalize()]:
            if isinstance(issue, AllWithoutContainsModifierIssue):
                continue  # pySigma says that it matches nothing; on a field with several values it does
            keys, remedy = PLACES.get(type(issue).__name__, ((), "see https://sigmahq.io"))
            what = issue.description[0].lower() + issue.description[1:].rstrip(".")
            yield document.problem(what, remedy, *(keys or _item(document, issue)), key=True)


def _item(document: Document, issue: SigmaValidationIssue) -> tuple[Key, ...]:
    """Where the field, or the text, that an issue is about stands."""
    item: Any = getattr(issue, "detection_item", None)
    text = str(getattr(issue, "string", "")).strip("*")
    for name, content in document.data["detection"].items():
        for keys, field, value in _fields(content, ("detection", str(name))) if name != "condition" else ():
            if item is not None and field.split("|")[0] == (item.field or ""):
                return keys
            if text and any(isinstance(one, str) and text in one for one in _listed(value)):
                return keys
    return ("detection",)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _fields(content: Any, keys: tuple[Key, ...]) -> Iterator[tuple[tuple[Key, ...], str, Any]]:
    if isinstance(content, dict):
        for key, value in content.items():
            yield (*keys, str(key)), str(key), value
    elif isinstance(content, list):
        for place, item in enumerate(content):
            yield from _fields(item, (*keys, place))
