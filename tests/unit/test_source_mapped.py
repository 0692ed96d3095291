"""Mapping files: every mistake in one is named with its line, and what it finds in a record."""

from pathlib import Path
from typing import Any

import pytest

from innerwatch.errors import UserError
from innerwatch.sources.mapped import Mapping, values
from innerwatch.values import Event, Origin, SetAside

GOOD = """\
name: desk
recognise: {type: audit}
fields:
  time: at
  application: {value: desk}
  action: verb
  actor.id: who
"""


def load(tmp_path: Path, text: str) -> Mapping:
    path = tmp_path / "desk.yml"
    path.write_text(text)
    return Mapping.load(path)


def test_the_smallest_mapping_works(tmp_path: Path) -> None:
    mapping = load(tmp_path, GOOD)
    record = b'{"type": "audit", "at": "2026-03-31T07:15:00Z", "verb": "view", "who": 7}'
    assert mapping.recognise(record)
    result = mapping.parse(record, Origin("f", 1))
    assert isinstance(result, Event)
    assert result.document["user"]["id"] == "7"


def test_json_is_a_mapping_too(tmp_path: Path) -> None:
    text = (
        '{"name": "d", "recognise": {"a": "*"}, "fields": {"time": "t", "application": {"value": "d"}, "action": "v",\n'
    )
    mapping = load(tmp_path, text + ' "actor.email": "m"}}')
    assert mapping.file.name == "d"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1: the mapping is no mapping"),
        ("- a\n", "1: the mapping is no mapping"),
        ("name: [\n", "2: is no YAML"),
        ("name: desk\n", "1: recognise is missing"),
        (GOOD + "fields: {}\n", "8: the mapping has 'fields' twice"),
        (GOOD + "extra: 1\n", "8: the mapping has no 'extra'; expected name, format, recognise, skip, fields"),
        (GOOD.replace("{type: audit}", "{}"), "2: recognise is empty"),
        (GOOD.replace("actor.id", "actor.uid"), "7: fields has no 'actor.uid'; expected time,"),
        (GOOD.replace("actor.id", "case"), "4: fields names no actor"),
        (GOOD.replace("  time: at\n", ""), "4: fields has no time"),
        (GOOD.replace("{value: desk}", "{value: desk, path: x}"), "5: application has both a path and a value"),
        (GOOD.replace("{value: desk}", "{}"), "5: application has both a path and a value, or neither"),
        (
            GOOD.replace("{value: desk}", "{value: desk, map: {a: b}}"),
            "5: application is a constant with more beside it",
        ),
        (GOOD.replace("{value: desk}", "{valve: desk}"), "5: application has no 'valve'; expected path, value,"),
        (GOOD.replace("verb", "{path: verb, extract: '('}"), "6: extract of action is no regular expression"),
        (GOOD.replace("verb", "{path: a..b}"), "6: path of action is 'a..b'"),
        (GOOD.replace("verb", "{path: verb, format: epoch_s}"), "6: action has a format"),
        (GOOD.replace("at\n", "{path: at, format: iso}\n"), "4: format is 'iso'; expected rfc3339, epoch_s, epoch_ms"),
        (GOOD.replace("verb", "[verb]"), "6: action is no mapping"),
        (GOOD.replace("verb", "{path: verb, map: {a: [1]}}"), "6: map of action is no text"),
        (GOOD + "format: xml\n", "8: format is 'xml'; expected json or csv"),
        (GOOD + "skip: {path: a}\n", "8: skip is no list"),
        (GOOD + "skip:\n  - {path: a}\n", "9: a condition of skip is incomplete"),
        (GOOD + "skip:\n  - {path: a, equals: 1, exists: true}\n", "9: a condition of skip is incomplete"),
        (GOOD + "skip:\n  - {path: a, exists: maybe}\n", "9: exists is 'maybe'; expected true or false"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(UserError) as error:
        load(tmp_path, text)
    assert str(error.value).startswith(f"{tmp_path / 'desk.yml'}:{expected}")


def test_no_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read: No such file"):
        Mapping.load(tmp_path / "none.yml")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a", [1]),
        ("b.c", [2]),
        ("dotted.name", [3]),
        ("b.dotted.name", [4]),
        ("rows[].id", ["x", "y"]),
        ("rows[].tags[]", ["p", "q", "r"]),
        ("rows", [[{"id": "x", "tags": ["p", "q"]}, {"id": "y", "tags": "r"}, {}]]),
        ("a.b", []),
        ("rows.id", []),
        ("none", []),
        ("null", []),
    ],
)
def test_a_path_finds_its_values(path: str, expected: list[Any]) -> None:
    entry = {
        "a": 1,
        "b": {"c": 2, "dotted.name": 4},
        "dotted.name": 3,
        "rows": [{"id": "x", "tags": ["p", "q"]}, {"id": "y", "tags": "r"}, {}],
        "null": None,
    }
    assert values(entry, path) == expected


@pytest.mark.parametrize(
    ("format", "value", "expected"),
    [
        ("epoch_ms", "1774941300123", 1774941300123),
        ("epoch_s", "1774941300.5", 1774941300500),
        ("epoch_s", "1774941300", 1774941300000),
        ('"%d/%m/%Y %H:%M:%S %z"', '"31/03/2026 09:15:00 +0200"', 1774941300000),
        ('"%Y-%m-%d %H:%M:%S"', '"2026-03-31 07:15:00"', 1774941300000),
    ],
)
def test_times_in_other_formats(tmp_path: Path, format: str, value: str, expected: int) -> None:
    mapping = load(tmp_path, GOOD.replace("time: at", f"time: {{path: at, format: {format}}}"))
    result = mapping.parse(f'{{"at": {value}, "verb": "view", "who": "ana"}}'.encode(), Origin("f", 1))
    assert isinstance(result, Event)
    assert result.time == expected


@pytest.mark.parametrize("value", ['"x"', "-1", "1e400", "true", "[]", '"9999999999999999"', "999999999999999"])
def test_no_time_is_set_aside(tmp_path: Path, value: str) -> None:
    mapping = load(tmp_path, GOOD.replace("time: at", "time: {path: at, format: epoch_ms}"))
    result = mapping.parse(f'{{"at": {value}, "verb": "view", "who": "ana"}}'.encode(), Origin("f", 1))
    assert isinstance(result, SetAside)
