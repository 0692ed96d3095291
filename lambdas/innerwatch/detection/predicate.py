"""Judges one document by a compiled condition, precisely as docs/semantics.md says."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

import msgspec

from innerwatch.detection.regex import searcher
from innerwatch.detection.rules import All, Condition, FieldTest, Not
from innerwatch.folding import fold

Predicate = Callable[[Mapping[str, Any]], bool]
ValueTest = Callable[[Any], bool]

_encode = msgspec.json.Encoder().encode


@lru_cache(maxsize=4096)
def _cuts(path: str) -> tuple[tuple[str, str], ...]:
    """Every way to cut a path after a name: `a.b.c` is `a` and `b.c`, `a.b` and `c`, or the single name `a.b.c`."""
    names = path.split(".")
    return tuple((".".join(names[:end]), ".".join(names[end:])) for end in range(1, len(names) + 1))


def at(document: Any, path: str) -> Iterator[Any]:
    """What a document holds at a path: nulls, objects and whole lists included, once for every object on the way.

    A flattened field's own keys may hold dots, so every way to cut the path is tried.
    """
    if isinstance(document, dict):
        for name, rest in _cuts(path):
            if name in document:
                if rest:
                    yield from at(document[name], rest)
                else:
                    yield document[name]
    elif isinstance(document, list):
        for item in document:
            yield from at(item, path)


def scalars(value: Any) -> Iterator[Any]:
    """The single values of a field: of a list any; an object has none."""
    if isinstance(value, list):
        for item in value:
            yield from scalars(item)
    elif value is not None and not isinstance(value, Mapping):
        yield value


def texts(value: Any) -> Iterator[Any]:
    """Where a piece of text may stand: in any single value, in an object's JSON, in any value beneath it."""
    if isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, Mapping):
        if _holds_something(value):
            yield _encode(value).decode()
        for item in value.values():
            yield from texts(item)
    elif value is not None:
        yield value


def _looks_inside(test: FieldTest) -> bool:
    """Whether it asks for a piece of text, and so looks into objects."""
    pattern = str(test.value)
    return test.op in ("contains", "re") or (test.op == "like" and pattern.startswith(".*") and pattern.endswith(".*"))


def values(document: Mapping[str, Any], path: str) -> Iterator[Any]:
    """Every single value of a field."""
    for found in at(document, path):
        yield from scalars(found)


def text(value: Any) -> str:
    """A value as text: JSON's, as Elasticsearch indexes it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return msgspec.json.encode(value).decode()  # 5.0 stays 5.0, and 1e22 has no plus sign
    return str(value)


def number(value: Any) -> float | None:
    """A number, or text that is one; never a truth value."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value) if not value.lstrip("+-").isdigit() else int(value)
    return None


_NUMBER = re.compile(r"[+-]?\d{1,300}(\.\d+)?([eE][+-]?\d{1,2})?", re.ASCII)


def compiled(condition: Condition) -> Predicate:
    """A function of a document that says whether the condition holds."""
    if isinstance(condition, FieldTest):
        return _test(condition)
    if isinstance(condition, Not):
        inner = compiled(condition.of)
        return lambda document: not inner(document)
    parts = [compiled(item) for item in condition.of]
    if isinstance(condition, All):
        return lambda document: all(part(document) for part in parts)
    return lambda document: any(part(document) for part in parts)


def _test(test: FieldTest) -> Predicate:
    path = test.field
    if test.op == "exists":
        return lambda document: any(True for _ in at(document, path)) is bool(test.value)
    if test.op == "null":
        return lambda document: not any(_holds_something(found) for found in at(document, path))
    if test.op == "fieldref":
        return _field_reference(test)
    passes = _value_test(test)
    if not test.field:
        return lambda document: any(passes(value) for value in texts(document))
    pick = texts if _looks_inside(test) else scalars
    return lambda document: any(passes(value) for found in at(document, path) for value in pick(found))


def _holds_something(value: Any) -> bool:
    if isinstance(value, list):
        return any(_holds_something(item) for item in value)
    if isinstance(value, Mapping):
        return any(_holds_something(item) for item in value.values())
    return value is not None


def _value_test(test: FieldTest) -> ValueTest:
    if test.part:
        return _part_test(test)
    if test.op in COMPARE:
        compare, limit = COMPARE[test.op], float(test.value or 0)
        return lambda value: (found := number(value)) is not None and compare(found, limit)
    if test.op == "number":
        return _number_test(test.value)
    if test.op == "boolean":
        wanted = "true" if test.value else "false"
        return lambda value: fold(text(value)) == wanted
    pattern = str(test.value)
    if test.op == "cidr":
        network = ip_network(pattern)
        return lambda value: isinstance(value, str) and _inside(value, network)
    if test.op == "re":
        found_in = searcher(pattern, test.flags)
        return lambda value: found_in(text(value))
    shape = _shape_test(test.op, pattern)
    if test.cased:
        return lambda value: shape(text(value))
    return lambda value: shape(fold(text(value)))


def _shape_test(op: str, pattern: str) -> Callable[[str], bool]:
    if op == "equals":
        return lambda value: value == pattern
    if op == "startswith":
        return lambda value: value.startswith(pattern)
    if op == "endswith":
        return lambda value: value.endswith(pattern)
    if op == "contains":
        return lambda value: pattern in value
    whole = _wildcards(pattern).fullmatch  # "like"
    return lambda value: whole(value) is not None


def _wildcards(pattern: str) -> re.Pattern[str]:
    """A pattern with `.*` for any text, so that each piece is taken where it first stands and never tried again.

    All pieces are of fixed length, so the first place leaves most for the others: nothing is missed, and no value can
    make it slow.
    """
    first, *inner = pattern.split(".*")
    last = f".*{inner.pop()}" if inner else ""
    return re.compile(f"{first}{''.join(f'(?>.*?{piece})' for piece in inner)}{last}", re.DOTALL)


COMPARE: dict[str, Callable[[float, float], bool]] = {
    "lt": lambda value, limit: value < limit,
    "lte": lambda value, limit: value <= limit,
    "gt": lambda value, limit: value > limit,
    "gte": lambda value, limit: value >= limit,
}


def _number_test(wanted: Any) -> ValueTest:
    wanted_text = text(wanted)

    def passes(value: Any) -> bool:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return bool(value == wanted)
        return text(value) == wanted_text

    return passes


def _part_test(test: FieldTest) -> ValueTest:
    limit = float(test.value or 0)

    def passes(value: Any) -> bool:
        when = _date(value)
        if when is None:
            return False
        part = _part(when, test.part)
        return COMPARE[test.op](part, limit) if test.op in COMPARE else part == limit

    return passes


def _part(when: datetime, part: str) -> int:
    return when.isocalendar().week if part == "week" else int(getattr(when, part))


def _date(value: Any) -> datetime | None:
    """ISO 8601 text with the clock that it was written by, or milliseconds since 1970 in UTC."""
    try:
        if isinstance(value, str):
            return datetime.fromisoformat(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None


def _inside(value: str, network: IPv4Network | IPv6Network) -> bool:
    address = _address(value)
    return address is not None and address.version == network.version and address in network


@lru_cache(maxsize=4096)
def _address(value: str) -> IPv4Address | IPv6Address | None:
    """An address, an IPv4 address mapped into IPv6 as the IPv4 address that it is."""
    try:
        address = ip_address(value)
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def _field_reference(test: FieldTest) -> Predicate:
    own, other = test.field, str(test.value)

    def holds(value: str, reference: str) -> bool:
        if test.flags == "startswith":
            return value.startswith(reference)
        if test.flags == "endswith":
            return value.endswith(reference)
        if test.flags == "contains":
            return reference in value
        return value == reference

    def passes(document: Mapping[str, Any]) -> bool:
        references = [fold(text(value)) for value in values(document, other)]
        if not references:
            return False
        return any(
            holds(value, reference)
            for value in (fold(text(found)) for found in values(document, own))
            for reference in references
        )

    return passes
