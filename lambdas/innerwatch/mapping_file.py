"""A mapping file (docs/access-log.md) as it is written: read, and every mistake in it named with its line."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from innerwatch.errors import UserError

TARGETS = (
    "time",
    "id",
    "application",
    "actor.id",
    "actor.email",
    "actor.name",
    "actor.employee_id",
    "actor.type",
    "session",
    "action",
    "outcome",
    "customers",
    "fields",
    "records",
    "case",
    "host",
    "source.ip",
    "source.user_agent",
    "recipient",
    "bytes",
)
FORMATS = ("rfc3339", "epoch_s", "epoch_ms")
RULE_KEYS = ("path", "value", "map", "default", "extract", "split", "format")
CONDITION_KEYS = ("path", "equals", "matches", "exists")
TOP_KEYS = ("name", "format", "recognise", "skip", "fields")
LOGS = ("json", "csv")


class Rule(NamedTuple):
    """Where one target gets its value. What is empty or None is not asked for."""

    path: str = ""
    value: str | None = None  # a constant, instead of a path
    map: dict[str, Any] | None = None
    default: str | None = None
    extract: re.Pattern[str] | None = None  # its first group, or all of the match
    split: str = ""  # cuts a text into a list
    format: str = "rfc3339"


class Condition(NamedTuple):
    path: str
    equals: tuple[str, ...] | None = None
    matches: re.Pattern[str] | None = None
    exists: bool | None = None


class MappingFile(NamedTuple):
    name: str
    known_by: tuple[Condition, ...]  # all must hold for the first record of a log
    skip: tuple[Condition, ...]  # a record for which any holds is no access
    fields: dict[str, Rule]  # by target
    format: str = "json"  # one of LOGS


def read(path: Path) -> MappingFile:
    """Raises UserError with the place of the first thing that is wrong."""
    return _checked(_File(path))


class _File:
    """The nodes of the file, read with complaints that name the line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.root = yaml.compose(path.read_text("utf-8"), Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            line = mark.line + 1 if mark else None
            raise UserError(f"is no YAML: {error.problem}", "expected a mapping file", path=path, line=line) from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise UserError(f"is no YAML: {error}", "expected a mapping file", path=path) from error
        except OSError as error:
            raise UserError(f"cannot be read: {error.strerror}", "expected a mapping file", path=path) from error

    def wrong(self, node: yaml.Node | None, what: str, expected: str) -> UserError:
        line = node.start_mark.line + 1 if node is not None else 1
        return UserError(what, expected, path=self.path, line=line)

    def entries(self, node: yaml.Node | None, what: str, allowed: tuple[str, ...] = ()) -> dict[str, yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            raise self.wrong(node, f"{what} is no mapping", "expected names with values")
        found: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = self.text(key, f"a name in {what}")
            if allowed and name not in allowed:
                raise self.wrong(key, f"{what} has no {name!r}", f"expected {', '.join(allowed)}")
            if name in found:
                raise self.wrong(key, f"{what} has {name!r} twice", "expected it once")
            found[name] = value
        return found

    def items(self, node: yaml.Node, what: str) -> list[yaml.Node]:
        if not isinstance(node, yaml.SequenceNode):
            raise self.wrong(node, f"{what} is no list", "expected a list")
        return list(node.value)

    def text(self, node: yaml.Node, what: str) -> str:
        if not isinstance(node, yaml.ScalarNode) or node.tag == "tag:yaml.org,2002:null":
            raise self.wrong(node, f"{what} is no text", "expected a text, a number, true or false")
        return node.value.lower() if node.tag == "tag:yaml.org,2002:bool" else str(node.value)

    def path_text(self, node: yaml.Node, what: str) -> str:
        path = self.text(node, what)
        if not all(part.removesuffix("[]") for part in path.split(".")):
            raise self.wrong(
                node, f"{what} is {path!r}", "expected names with dots between, such as user.name or rows[].id"
            )
        return path

    def pattern(self, node: yaml.Node, what: str) -> re.Pattern[str]:
        try:
            return re.compile(self.text(node, what))
        except re.error as error:
            raise self.wrong(node, f"{what} is no regular expression: {error}", "expected Python's syntax") from error


def _checked(file: _File) -> MappingFile:
    top = file.entries(file.root, "the mapping", TOP_KEYS)
    for name in ("name", "recognise", "fields"):
        if name not in top:
            raise file.wrong(file.root, f"{name} is missing", "expected name, recognise and fields")
    known_by = tuple(
        Condition(file.path_text(key, "a path in recognise"), **_wanted(file, value))
        for key, value in _pairs(file, top["recognise"])
    )
    if not known_by:
        raise file.wrong(top["recognise"], "recognise is empty", "expected what tells this log's records from others'")
    skip = tuple(_condition(file, node) for node in file.items(top["skip"], "skip")) if "skip" in top else ()
    nodes = file.entries(top["fields"], "fields", TARGETS)
    for name in ("time", "application", "action"):
        if name not in nodes:
            raise file.wrong(top["fields"], f"fields has no {name}", "expected time, application, action and an actor")
    if not {"actor.id", "actor.email", "actor.employee_id"} & set(nodes):
        raise file.wrong(top["fields"], "fields names no actor", "expected actor.id, actor.email or actor.employee_id")
    fields = {target: _rule(file, target, node) for target, node in nodes.items()}
    return MappingFile(file.text(top["name"], "name"), known_by, skip, fields, _log_format(file, top.get("format")))


def _log_format(file: _File, node: yaml.Node | None) -> str:
    text = file.text(node, "format") if node else LOGS[0]
    if text not in LOGS:
        raise file.wrong(node, f"format is {text!r}", f"expected {' or '.join(LOGS)}")
    return text


def _pairs(file: _File, node: yaml.Node) -> list[tuple[yaml.Node, yaml.Node]]:
    file.entries(node, "recognise")
    return list(node.value)


def _wanted(file: _File, node: yaml.Node) -> dict[str, Any]:
    """`"*"` asks that the path has a value, a text that it has this one, a list that it has one of them."""
    if isinstance(node, yaml.SequenceNode):
        return {"equals": tuple(file.text(item, "a value in recognise") for item in node.value)}
    text = file.text(node, "a value in recognise")
    return {"exists": True} if text == "*" else {"equals": (text,)}


def _condition(file: _File, node: yaml.Node) -> Condition:
    entries = file.entries(node, "a condition of skip", CONDITION_KEYS)
    if "path" not in entries or len(entries) != 2:
        raise file.wrong(node, "a condition of skip is incomplete", "expected path and one of equals, matches, exists")
    path = file.path_text(entries["path"], "path")
    if "matches" in entries:
        return Condition(path, matches=file.pattern(entries["matches"], "matches"))
    if "exists" in entries:
        wanted = file.text(entries["exists"], "exists")
        if wanted not in ("true", "false"):
            raise file.wrong(entries["exists"], f"exists is {wanted!r}", "expected true or false")
        return Condition(path, exists=wanted == "true")
    equals = entries["equals"]
    if isinstance(equals, yaml.SequenceNode):
        return Condition(path, equals=tuple(file.text(item, "a value of equals") for item in equals.value))
    return Condition(path, equals=(file.text(equals, "equals"),))


def _rule(file: _File, target: str, node: yaml.Node) -> Rule:
    if isinstance(node, yaml.ScalarNode):
        return Rule(path=file.path_text(node, target))
    entries = file.entries(node, target, RULE_KEYS)
    if ("path" in entries) == ("value" in entries):
        raise file.wrong(node, f"{target} has both a path and a value, or neither", "expected one of them")
    if "value" in entries and len(entries) > 1:
        raise file.wrong(node, f"{target} is a constant with more beside it", "expected value alone")
    if "format" in entries and target != "time":
        raise file.wrong(entries["format"], f"{target} has a format", "expected one only for time")
    readers: dict[str, Callable[[yaml.Node], Any]] = {
        "path": lambda node: file.path_text(node, f"path of {target}"),
        "value": lambda node: file.text(node, f"value of {target}"),
        "default": lambda node: file.text(node, f"default of {target}"),
        "split": lambda node: file.text(node, f"split of {target}"),
        "format": lambda node: _format(file, node),
        "extract": lambda node: file.pattern(node, f"extract of {target}"),
        "map": lambda node: {
            key: file.text(value, f"map of {target}") for key, value in file.entries(node, f"map of {target}").items()
        },
    }
    return Rule(**{name: readers[name](value) for name, value in entries.items()})


def _format(file: _File, node: yaml.Node) -> str:
    text = file.text(node, "format")
    if text not in FORMATS and "%" not in text:
        raise file.wrong(
            node, f"format is {text!r}", f"expected {', '.join(FORMATS)}, or one such as %d/%m/%Y %H:%M:%S %z"
        )
    return text
