"""What a rule says about itself: title, id, status, level, tags and the rest of its head.

https://sigmahq.io/sigma-specification/specification/sigma-rules-specification.html
"""

import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

from innerwatch.errors import UserError
from innerwatch_cli.attack import attack
from innerwatch_cli.authoring.suggest import did_you_mean, one_of
from innerwatch_cli.sigma.loading import Document

STATUSES = ("stable", "test", "experimental", "deprecated", "unsupported")
LEVELS = ("informational", "low", "medium", "high", "critical")
TAG_NAMESPACES = ("attack", "car", "cve", "d3fend", "detection", "emerging-threats", "stp", "threat-hunting", "tlp")
LONGEST_TITLE = 256
TAG = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)+")
DATE = re.compile(r"\d{4}[-/]\d\d?[-/]\d\d?", re.ASCII)
TACTIC_SPLIT = {"defense-evasion": "attack.stealth or attack.defense-impairment"}  # by ATT&CK 19

Wrong = tuple[str, str] | None  # what is wrong, what was expected


def _text(value: Any) -> Wrong:
    return None if isinstance(value, str) and value.strip() else (f"is {kind(value)}", "expected text")


def _texts(value: Any) -> Wrong:
    if isinstance(value, list) and all(isinstance(item, str) and item for item in value):
        return None
    return f"is {kind(value)}", "expected a list of texts, each on a line of its own after '- '"


def _title(value: Any) -> Wrong:
    if isinstance(value, str) and len(value) > LONGEST_TITLE:
        return f"has {len(value)} characters", f"expected at most {LONGEST_TITLE}"
    return _text(value)


def _id(value: Any) -> Wrong:
    try:
        UUID(value if isinstance(value, str) else "")
    except ValueError:
        return f"{shown(value)} is no UUID", "expected one such as the output of `uuidgen`"
    return None


def _date(value: Any) -> Wrong:
    # YAML has read a well-formed date as one; what is still text may be in SigmaHQ's old form.
    if not isinstance(value, str) or DATE.fullmatch(value):
        return (
            None if isinstance(value, str) or hasattr(value, "year") else (f"is {kind(value)}", "expected YYYY-MM-DD")
        )
    return f"{shown(value)} is no date", "expected YYYY-MM-DD"


def _choice(known: tuple[str, ...]) -> Callable[[Any], Wrong]:
    def check(value: Any) -> Wrong:
        if value in known:
            return None
        return f"{shown(value)} is not known", did_you_mean(str(value), known, one_of(known))

    return check


CHECKS: dict[str, Callable[[Any], Wrong]] = {
    "title": _title,
    "id": _id,
    "name": _text,
    "status": _choice(STATUSES),
    "level": _choice(LEVELS),
    "description": _text,
    "license": _text,
    "author": _text,
    "taxonomy": _text,
    "date": _date,
    "modified": _date,
    "references": _texts,
    "fields": _texts,
    "falsepositives": _texts,
    "scope": _texts,
    "tags": _texts,
}
OTHER_KEYS = ("related", "logsource", "detection", "correlation", "filter", "generate", "action")


def check(document: Document) -> Iterator[UserError]:
    rule = document.data
    for key in ("title", "id"):
        if rule.get(key) is None:
            yield document.problem(f"the rule has no {key}", f"expected {key}: {EXAMPLES[key]}")
    for key, value in rule.items():
        if key in CHECKS and value is not None:
            if wrong := CHECKS[key](value):
                what, expected = wrong
                yield document.problem(f"{key} {what}", expected, key)
        elif key not in CHECKS and key not in OTHER_KEYS:
            # Sigma allows keys of one's own; only what looks like a slip is one.
            remedy = did_you_mean(str(key), (*CHECKS, *OTHER_KEYS))
            if remedy:
                yield document.problem(f"Sigma has no key {key!r}", remedy, str(key), key=True)
    if isinstance(rule.get("tags"), list):
        yield from tags(document, rule["tags"])


EXAMPLES = {
    "title": "Customer data exported by a leaver",
    "id": "followed by a UUID, such as the output of `uuidgen`",
}


def tags(document: Document, names: list[Any]) -> Iterator[UserError]:
    table = attack()
    tactics: list[str] = []
    techniques: list[tuple[int, str]] = []
    for place, name in enumerate(names):
        if not isinstance(name, str):
            continue
        if name in names[:place]:
            yield document.problem(f"the tag {name} stands here twice", "expected each tag once", "tags", place)
        elif problem := tag(name):
            yield document.problem(*problem, "tags", place)
        elif name.startswith("attack.") and name.removeprefix("attack.") in table.tactics:
            tactics.append(name.removeprefix("attack."))
        elif name.removeprefix("attack.").upper() in table.techniques:
            techniques.append((place, name.removeprefix("attack.").upper()))
    for place, technique in techniques:
        known = table.techniques[technique]
        if tactics and not set(known.tactics) & set(tactics):
            remedy = " or ".join(f"attack.{tactic}" for tactic in known.tactics)
            what = f"{technique} ({known.name}) belongs to none of the tactics that the rule is tagged with"
            yield document.problem(what, f"expected {remedy} among the tags", "tags", place)


def tag(name: str) -> Wrong:
    if not TAG.fullmatch(name):
        return f"{name!r} is no tag", "expected lower case, in the form namespace.name, such as attack.t1530"
    namespace, rest = name.split(".", 1)
    if namespace not in TAG_NAMESPACES:
        remedy = did_you_mean(namespace, TAG_NAMESPACES)
        return (f"no tags are known in the namespace {namespace!r}", remedy) if remedy else None
    return attack_tag(rest) if namespace == "attack" else None


def attack_tag(name: str) -> Wrong:
    table, technique = attack(), name.upper()
    if name in table.tactics or technique in table.techniques or re.fullmatch(r"[gs]\d{4}", name, re.ASCII):
        return None
    if technique in table.withdrawn:
        other = table.withdrawn[technique]
        remedy = (
            f"expected attack.{other.lower()} ({table.techniques[other].name})" if other else "expected another one"
        )
        return f"ATT&CK {table.version} has withdrawn {technique}", remedy
    if name in TACTIC_SPLIT:
        return f"ATT&CK {table.version} has no tactic {name}", f"expected {TACTIC_SPLIT[name]}"
    known = [f"attack.{other.lower()}" for other in (*table.tactics, *table.techniques)]
    remedy = did_you_mean(
        f"attack.{name.replace('_', '-')}", known, "expected a tactic or technique of https://attack.mitre.org"
    )
    return f"ATT&CK {table.version} has no {name!r}", remedy


def kind(value: Any) -> str:
    """A YAML value's type, in words."""
    if value is None or value == "":
        return "empty"
    if isinstance(value, bool):
        return "a truth value"
    if isinstance(value, list):
        return "a list of something else" if value and not all(isinstance(item, str) for item in value) else "a list"
    return {str: "text", int: "a number", float: "a number", dict: "a mapping"}.get(type(value), "a date")


def shown(value: Any) -> str:
    return repr(value) if isinstance(value, str | int | float | bool) else kind(value)
