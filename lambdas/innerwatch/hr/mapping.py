"""The small file that says how to read a company's own HR report: YAML or JSON, `hr-mapping.yml` beside the feeds.

format: table            # a name in hr.FORMATS; else recognised
full: true               # it names everybody, so that whoever is missing has left; false: only changes
columns:                 # our field → the report's heading, or a path in JSON; several are joined by a space
  employee_id: Worker ID
  name: [First Name, Last Name]
statuses: {Garden Leave: leave}
types: {Apprentice: employee}
date_format: "%d/%m/%Y"  # or a list of them
encoding: cp1252
delimiter: ";"
largest_removal: 0.2     # share of the people that a full feed may remove
as_of: "%Y-%m"           # the file's name, up to its first dot, says from when a snapshot holds: 2010-01.csv
"""

import json
from collections.abc import Callable, Sequence
from collections.abc import Mapping as MappingType
from dataclasses import dataclass, field
from typing import Any

from innerwatch.directory.employment import STATUSES
from innerwatch.errors import UserError

NAMES = ("hr-mapping.yml", "hr-mapping.yaml", "hr-mapping.json")
TYPES = ("employee", "contractor", "vendor")


@dataclass(frozen=True, slots=True)
class Mapping:
    format: str = ""
    full: bool | None = None
    columns: MappingType[str, tuple[str, ...]] = field(default_factory=dict)
    statuses: MappingType[str, str] = field(default_factory=dict)
    types: MappingType[str, str] = field(default_factory=dict)
    date_format: tuple[str, ...] = ()
    encoding: str = ""
    delimiter: str = ""
    largest_removal: float = 0.10
    as_of: str = ""


def parse(
    data: bytes, name: str, fields: tuple[str, ...], formats: tuple[str, ...], keys: Sequence[str] = ()
) -> Mapping:
    """Raises UserError with the place of the first thing that is wrong. `fields` are those a column can fill.

    `keys` are those that the file may have; all of them where none is given.
    """
    raw = _load(data, name)
    if not isinstance(raw, dict):
        raise UserError("is no mapping", "expected keys such as `columns:`", path=name)

    def wrong(what: str, expected: str) -> UserError:
        return UserError(what, expected, path=name, line=_line(data, what))

    readers: dict[str, Callable[[Any], Any]] = {
        "format": lambda value: _one_of(value, formats),
        "full": _boolean,
        "columns": lambda value: {_one_of(key, fields): _texts(item) for key, item in _mapping(value).items()},
        "statuses": lambda value: {_key(key): _one_of(item, STATUSES) for key, item in _mapping(value).items()},
        "types": lambda value: {_key(key): _one_of(item, TYPES) for key, item in _mapping(value).items()},
        "date_format": _texts,
        "encoding": _text,
        "delimiter": _character,
        "largest_removal": _share,
        "as_of": _text,
    }
    readers = {key: reader for key, reader in readers.items() if key in keys or not keys}
    found: dict[str, Any] = {}
    for key, value in raw.items():
        if key not in readers:
            raise wrong(f"{key!r} is not known", f"expected {', '.join(readers)}")
        try:
            found[key] = readers[key](value)
        except ValueError as error:
            raise wrong(f"{key!r}: {error}", "") from error
    return Mapping(**found)


def _load(data: bytes, name: str) -> Any:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"is not UTF-8: {error.reason}", "expected YAML or JSON", path=name) from error
    if text.lstrip().startswith("{"):
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            if name.endswith(".json"):
                raise UserError(
                    f"is no JSON: {error.msg}", "expected one object", path=name, line=error.lineno, column=error.colno
                ) from error
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = mark.line + 1 if mark else None
        raise UserError(f"is no YAML: {error.problem}", "expected a mapping file", path=name, line=line) from error
    except yaml.YAMLError as error:
        raise UserError(f"is no YAML: {error}", "expected a mapping file", path=name) from error


def _line(data: bytes, what: str) -> int | None:
    """The line of the key that a complaint begins with."""
    key = what.split("'")[1]
    for number, line in enumerate(data.decode("utf-8-sig").splitlines(), 1):
        if line.lstrip(" \"'{").startswith(key):
            return number
    return None


def _key(value: Any) -> str:
    return str(value).strip().lower()


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(_text(item) for item in (value if isinstance(value, list) else [value]))


def _one_of(value: Any, known: tuple[str, ...]) -> str:
    if value not in known:
        raise ValueError(f"{value!r} is not known; expected {', '.join(known)}")
    return str(value)


def _mapping(value: Any) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{value!r} is no mapping; expected names and values")
    return value


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false")
    return value


def _character(value: Any) -> str:
    if not isinstance(value, str) or len(value) != 1:
        raise ValueError(f"{value!r} is not one character")
    return value


def _share(value: Any) -> float:
    if isinstance(value, str) and value.endswith("%"):
        value = float(value[:-1]) / 100
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
        raise ValueError(f"{value!r} is no share; expected a number from 0 to 1")
    return float(value)
