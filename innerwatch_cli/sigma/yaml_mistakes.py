"""What is wrong with a file's YAML, in an author's words, with line and column."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from innerwatch.errors import UserError


def faults(path: Path, node: yaml.Node, around: tuple[yaml.Node, ...] = ()) -> Iterator[UserError]:
    """What YAML's grammar allows and no rule may hold: keys twice, dates that do not exist, aliases of themselves."""
    if node in around:
        yield _fault(path, node, "this alias holds itself", "expected the value written out")
    elif isinstance(node, yaml.ScalarNode):
        try:
            yaml.SafeLoader("").construct_object(node)
        except ValueError as error:
            kind = node.tag.rsplit(":", 1)[-1]
            remedy = "expected YYYY-MM-DD, or quotes around it if it is text"
            yield _fault(path, node, f"{node.value!r} is no {kind} that exists: {error}", remedy)
    else:
        if isinstance(node, yaml.MappingNode):
            yield from _repeated(path, node)
        for item in node.value:
            yield from faults(path, item[1] if isinstance(item, tuple) else item, (*around, node))


def too_much(path: Path, node: yaml.Node, most: int, deepest: int) -> UserError | None:
    """Where it nests deeper, or holds more values once its aliases are written out, than any rule does."""
    inside: dict[int, int] = {}  # by node: the values in it, so that an alias is counted without being followed again
    stack: list[tuple[yaml.Node, int, bool]] = [(node, 1, False)]
    around: set[int] = set()
    while stack:
        here, level, counted = stack.pop()
        parts = [part for item in here.value for part in (item if isinstance(item, tuple) else (item,))]
        parts = [] if isinstance(here, yaml.ScalarNode) else parts
        if counted:
            around.discard(id(here))
            inside[id(here)] = 1 + sum(inside.get(id(part), 0) for part in parts)
            if inside[id(here)] > most:
                return _fault(path, here, f"this has more than {most:,} values", "expected fewer, or without aliases")
        elif id(here) not in inside and id(here) not in around:
            if level > deepest:
                return _fault(path, here, f"this is nested {deepest} levels deep", "expected maps of fields and values")
            around.add(id(here))
            stack.append((here, level, True))
            stack += [(part, level + 1, False) for part in parts]
    return None


def _repeated(path: Path, node: yaml.MappingNode) -> Iterator[UserError]:
    lines: dict[tuple[str, str], int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        line = key.start_mark.line + 1
        first = lines.setdefault((key.tag, key.value), line)
        if first != line:
            remedy = f"expected each key once: it stands in line {first} already, whose value would be lost"
            yield _fault(path, key, f"{key.value!r} stands here twice", remedy)


def _fault(path: Path, node: yaml.Node, what: str, expected: str) -> UserError:
    mark = node.start_mark
    return UserError(what, expected, path=path, line=mark.line + 1, column=mark.column + 1)


# What libyaml says → what the author did, and the remedy.
UNFINISHED = ("end of stream", "could not find expected ':'", "',' or ']'", "',' or '}'")
TAB = ("a tab is used for indentation", "expected spaces: YAML allows no tabs there")
REMEDIES: tuple[tuple[str, str, str], ...] = (
    ("found a tab character", *TAB),
    (
        "mapping values are not allowed",
        "a ': ' where a value goes on",
        "expected quotes around a value that holds ': ', or this key in the column of its neighbours",
    ),
    ("document start", "this line is indented less than the first", "expected keys of one level in one column"),
    ("did not find expected alphabetic", "a value begins with * or &", "expected quotes around it: '*value'"),
    ("undefined alias", "a value begins with *, which YAML takes for an alias", "expected quotes around it: '*value'"),
    (
        "could not find expected ':'",
        "a line without ': '",
        "expected 'key: value', or deeper indentation if it goes on",
    ),
    (
        "did not find expected key",
        "the indentation or the quotes do not fit",
        "expected keys of one level in one column",
    ),
    ("did not find expected '-' indicator", "the list ends within itself", "expected every '- ' in one column"),
    ("did not find expected ',' or ']'", "a list in [ ] does not end", "expected ] or a comma"),
    ("did not find expected ',' or '}'", "a mapping in { } does not end", "expected } or a comma"),
    ("unexpected end of stream", "quotes are opened and not closed", "expected the closing quote"),
    ("yaml.org,2002:merge", "a merge key <<", "expected the fields themselves: Sigma's YAML has no merge keys"),
    ("unhashable key", "a list or a mapping stands where a key should", "expected a name followed by a colon"),
)


def explain(path: Path, text: str, error: yaml.MarkedYAMLError) -> UserError:
    """What the author did, where, and the remedy."""
    mark = error.problem_mark or error.context_mark
    if any(part in (error.problem or "") for part in UNFINISHED):
        mark = error.context_mark or mark  # where it begins, not where libyaml gave up
    line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
    said = " ".join(part for part in (error.problem, error.context) if part)
    if "cannot start any token" in said and _character(text, mark) == "\t":
        what, expected = TAB
    elif "cannot start any token" in said:
        what = f"a value begins with {_character(text, mark)!r}, which YAML reserves"
        expected = "expected quotes around the value"
    else:
        known = (row for row in REMEDIES if row[0] in said)
        _, what, expected = next(known, ("", f"no valid YAML: {said}", "expected 'key: value' lines"))
    return UserError(what, expected, path=path, line=line, column=column)


def _character(text: str, mark: Any) -> str:
    lines = text.split("\n")
    line = lines[mark.line] if mark and mark.line < len(lines) else ""
    return line[mark.column] if mark and mark.column < len(line) else ""
