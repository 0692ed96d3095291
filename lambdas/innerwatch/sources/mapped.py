"""Any JSON or CSV log, turned into the access contract by a mapping file instead of code (docs/access-log.md).

    name: support-desk
    format: json                      # or csv, with the columns' names in the first row
    recognise: {type: audit}          # what the first record must hold
    skip:                             # records that are no access at all
      - {path: request.path, matches: "^/health"}
    fields:
      time: {path: at, format: epoch_ms}
      application: {value: support-desk}
      actor.email: operator.mail      # the short form of {path: operator.mail}
      action: {path: verb, map: {GET: view, PUT: update}, default: other}
      customers: "tickets[].customer_id"

A path names a value: names with dots between, `[]` after a name for each item of a list. A name that itself holds dots
is found too.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from innerwatch import access_contract, csv_rows, instants, mapping_file
from innerwatch.mapping_file import Condition, MappingFile, Rule
from innerwatch.reading import UnfitError, first_object, json_object, set_aside
from innerwatch.values import Event, Origin, SetAside

LISTS = ("customers", "fields", "recipient")


@dataclass(frozen=True, slots=True)
class Mapping:
    """A source like any other, but made by a file; `parse` gives None for a record that the file says to skip."""

    file: MappingFile

    DATASET = access_contract.DATASET

    @property
    def SPLIT(self) -> str:  # noqa: N802 as modules of sources have it
        return "csv" if self.file.format == "csv" else "lines"

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a mapping file, YAML or JSON. Raises UserError with the place of the first thing that is wrong."""
        return cls(mapping_file.read(path))

    def recognise(self, record: bytes) -> bool:
        entry = first_object(record)
        return bool(entry) and all(holds(condition, entry) for condition in self.file.known_by)

    def has_columns(self, header: bytes) -> bool:
        """Whether a CSV log with this first row has what the mapping recognises it by."""
        if self.file.format != "csv":
            return False
        columns = set(csv_rows.columns(header))
        return all(condition.path in columns for condition in self.file.known_by)

    def parse(self, record: bytes, origin: Origin) -> Event | SetAside | None:
        try:
            entry = json_object(record)
            if any(holds(condition, entry) for condition in self.file.skip):
                return None
            return access_contract.event(self._contract(entry), origin)
        except UnfitError as why:
            return set_aside(record, origin, why)

    def _contract(self, entry: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for target, rule in self.file.fields.items():
            value = _value(entry, target, rule)
            above, _, name = target.rpartition(".")
            if value is not None:
                (made.setdefault(above, {}) if above else made)[name] = value
        return made


def holds(condition: Condition, entry: dict[str, Any]) -> bool:
    found = [plain(value) for value in values(entry, condition.path)]
    if condition.exists is not None and bool(found) != condition.exists:
        return False
    if condition.equals is not None and not any(value in condition.equals for value in found):
        return False
    return condition.matches is None or any(condition.matches.search(value) for value in found)


def values(entry: Any, path: str) -> list[Any]:
    """All values at a path; null counts as none."""
    found = _walk(entry, [(part.removesuffix("[]"), part.endswith("[]")) for part in path.split(".")])
    return [value for value in found if value is not None]


def _walk(value: Any, parts: list[tuple[str, bool]]) -> Iterator[Any]:
    if not parts:
        yield value
        return
    if not isinstance(value, dict):
        return
    # The longest name that is there: {"user.name": …} is found by user.name, like {"user": {"name": …}}.
    for count in range(len(parts), 0, -1):
        head = parts[:count]
        name = ".".join(part for part, _ in head)
        if name in value and not any(each for _, each in head[:-1]):
            inner, each = value[name], head[-1][1]
            for item in inner if each and isinstance(inner, list) else [inner]:
                yield from _walk(item, parts[count:])
            return


def plain(value: Any) -> str:
    """A value as mappings compare it: as JSON writes it, without quotes."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)


def _value(entry: dict[str, Any], target: str, rule: Rule) -> Any:
    if rule.value is not None:
        return rule.value
    found: list[Any] = values(entry, rule.path)
    if len(found) == 1 and isinstance(found[0], list):
        found = [item for item in found[0] if item is not None]
    if rule.extract is not None:
        matches = [rule.extract.search(plain(value)) for value in found]
        found = [
            match[1] if match.re.groups else match[0] for match in matches if match and match[match.re.groups and 1]
        ]
    if rule.split:
        found = [part.strip() for value in found for part in plain(value).split(rule.split) if part.strip()]
    if rule.map is not None:
        found = [rule.map.get(plain(value), value if rule.default is None else rule.default) for value in found]
    if not found:
        return rule.default
    if target in LISTS:
        return found
    if len(found) > 1:
        raise UnfitError(f"{rule.path} has {len(found)} values for {target}; expected one")
    return _instant(found[0], rule) if target == "time" else found[0]


def _instant(value: Any, rule: Rule) -> str:
    """The time as the contract has it."""
    text = plain(value)
    try:
        if rule.format == "rfc3339":
            return text
        if rule.format in ("epoch_s", "epoch_ms"):
            whole, _, fraction = text.partition(".")
            if not re.fullmatch(r"\d{1,15}", whole, re.ASCII) or not re.fullmatch(r"\d*", fraction, re.ASCII):
                raise ValueError("it is no number")
            milliseconds = int(whole) if rule.format == "epoch_ms" else int(whole) * 1000 + int(f"{fraction}000"[:3])
            return instants.iso(milliseconds)
        moment = datetime.strptime(text, rule.format)  # noqa: DTZ007 without an offset it is UTC, as documented
        return instants.iso(instants.of(moment if moment.tzinfo else moment.replace(tzinfo=UTC)))
    except (ValueError, OverflowError) as error:
        raise UnfitError(f"{rule.path} is {text[:80]!r}, no time of the format {rule.format}: {error}") from error
