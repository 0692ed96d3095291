"""Reads rule files: every YAML document with the place of each of its keys, for errors that point."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import yaml
from sigma.rule.base import SigmaRuleBase, SigmaYAMLLoader

from innerwatch.errors import UserError
from innerwatch_cli.sigma import yaml_mistakes

Key = str | int
R = TypeVar("R", bound=SigmaRuleBase)
SUFFIXES = (".yml", ".yaml")
LONGEST = 1_000_000  # bytes of a file; the longest of SigmaHQ's has a third of it
MOST_VALUES = 50_000  # of a rule, aliases written out
DEEPEST = 50  # levels
ANCHOR = re.compile(r"[-:,\[{]\s+&\w")  # `key: &name`


@dataclass(slots=True)
class Document:
    """One YAML document of a rule file."""

    path: Path
    data: dict[str, Any]
    node: yaml.MappingNode

    def value(self, *keys: str) -> yaml.Node:
        """The node at a path of keys, or as far along it as there is one."""
        node: yaml.Node = self.node
        for key in keys:
            found = next((value for name, value in entries(node) if name.value == key), None)
            if found is None:
                break
            node = found
        return node

    def place(self, *keys: Key, key: bool = False) -> tuple[int, int]:
        """Line and column, from 1, of what stands at `keys`, or of the nearest thing around it that there is.

        A short value is pointed at itself, a nested one at its key; with `key` it is always the key.
        """
        node: yaml.Node = self.node
        mark = node.start_mark
        for name in keys:
            found = _child(node, name)
            if found is None:
                break
            label, node = found
            short = isinstance(node, yaml.ScalarNode) and node.value != "" and not key
            mark = node.start_mark if short else label.start_mark
        return mark.line + 1, mark.column + 1

    def problem(self, what: str, expected: str, *keys: Key, key: bool = False) -> UserError:
        line, column = self.place(*keys, key=key)
        return UserError(what, expected, path=self.path, line=line, column=column)

    def error(self, what: str, expected: str = "", node: yaml.Node | None = None) -> UserError:
        mark = (node or self.node).start_mark
        return UserError(what, expected, path=self.path, line=mark.line + 1, column=mark.column + 1)


def _child(node: yaml.Node, name: Key) -> tuple[yaml.Node, yaml.Node] | None:
    """Key node and value node; an item of a list is its own key."""
    if isinstance(node, yaml.MappingNode):
        return next((pair for pair in node.value if pair[0].value == str(name)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(name, int) and name < len(node.value):
        return node.value[name], node.value[name]
    return None


class Parsed(NamedTuple, Generic[R]):
    """A rule as pySigma sees it, with the id that it goes by."""

    id: str
    document: Document
    rule: R


def entries(node: yaml.Node) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    """Key and value nodes of a mapping; nothing for another node."""
    if isinstance(node, yaml.MappingNode):
        yield from node.value


def files(paths: Iterable[Path | str]) -> list[Path]:
    """Rule files in the order of their names; folders are searched. Raises UserError for a path without rules."""
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES and file.is_file())
            if not inside:
                raise UserError("the folder holds no rule", "expected .yml files in it", path=path)
            found += inside
        elif path.exists():
            found.append(path)
        else:
            raise UserError("no such file or folder", "expected a Sigma rule or a folder of them", path=path)
    return list(dict.fromkeys(found))


def read(path: Path) -> Iterator[Document | UserError]:
    """The documents of a file, and an error in place of each that is none."""
    try:
        data = path.read_bytes()
        if len(data) > LONGEST:
            what = f"the file has {len(data):,} bytes"
            yield UserError(what, f"expected a rule, or several, in {LONGEST:,} at most", path=path)
            return
        text = data.decode("utf-8-sig")
    except OSError as error:
        yield UserError(f"cannot be read: {error.strerror}", "expected a text file in UTF-8", path=path)
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        yield UserError("this is no UTF-8 text", "expected the file saved as UTF-8", path=path, line=line)
    else:
        yield from parse(text, path)


def parse(text: str, path: Path) -> Iterator[Document | UserError]:
    loader = SigmaYAMLLoader(text)
    empty = True
    try:
        while loader.check_node() and (node := loader.get_node()) is not None:
            data, faults = _constructed(loader, node, path, text)
            yield from faults
            if isinstance(data, dict) and isinstance(node, yaml.MappingNode):
                yield Document(path, data, node)
            elif data is not None:
                what, expected = "this is no Sigma rule", "expected the keys title, id, logsource and detection"
                yield UserError(what, expected, path=path, line=node.start_mark.line + 1)
            empty = empty and data is None and not faults
        if empty:
            yield UserError("the file is empty", "expected a Sigma rule: title, id, logsource and detection", path=path)
    except yaml.MarkedYAMLError as error:
        yield yaml_mistakes.explain(path, text, error)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        yield UserError(f"not valid YAML: {error}", "expected a Sigma rule", path=path)
    finally:
        loader.dispose()


def _constructed(loader: SigmaYAMLLoader, node: yaml.Node, path: Path, text: str) -> tuple[Any, list[UserError]]:
    """A document's value, or the faults that keep it from having one: looked for only where there is a sign of them."""
    if too_much := yaml_mistakes.too_much(path, node, MOST_VALUES, DEEPEST):
        return None, [too_much]
    data, trouble = None, None
    try:
        data = loader.construct_document(node)
    except (yaml.YAMLError, ValueError) as error:
        trouble = error
    faults = list(yaml_mistakes.faults(path, node)) if trouble or ANCHOR.search(text) else []
    if trouble and not faults:
        raise trouble
    return (None if faults else data), faults
