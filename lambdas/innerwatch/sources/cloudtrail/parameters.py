"""The free parts of a record (request parameters, response elements, …) in the three forms that a document has.

- as they are, without what is empty, as Elastic's integration has them;
- with lower-cased values, empty texts included: what rules ask;
- as one text, such as `{bucketName=logs, key=a/b}`: so Elastic's integration has them, which is how Java writes a map.
"""

from collections.abc import Callable
from functools import lru_cache
from operator import itemgetter, mul
from typing import Any

from innerwatch.folding import fold
from innerwatch.reading import UnfitError

DEEPEST = 90  # levels; Elasticsearch takes 100 of a flattened field, see innerwatch_cli/index_templates.py
POWERS: list[int] = [
    pow(31, exponent, 2**32) for exponent in range(511, -1, -1)
]  # of Java's hash codes, the last is 31 to the 0
LONG = 2**63  # of whole numbers, those from -LONG to below it are what Elasticsearch knows how to write


Forms = tuple[dict[str, Any], dict[str, Any], str]


def forms(value: dict[str, Any], depth: int = 1) -> Forms:
    """As it is, lower-cased, and as text. Raises UnfitError for what Elasticsearch would refuse."""
    if depth > DEEPEST:
        raise UnfitError(f"its parameters are nested more than {DEEPEST} levels deep, which Elasticsearch refuses")
    lowered: dict[str, Any] = {}
    for key, item in value.items():
        kind = item.__class__
        if kind is str and item and item.isascii():
            lowered[key] = item.lower()
        elif kind is int and -LONG <= item < LONG:
            lowered[key] = item
        else:
            return _mixed(value, depth)
    if not value:
        return value, lowered, ""
    template, in_order = _template(tuple(value))
    return value, lowered, template % in_order(value)


@lru_cache(maxsize=8192)
def _template(keys: tuple[str, ...]) -> tuple[str, Callable[[dict[str, Any]], Any]]:
    """The text of an object with these keys, and what gets the values to put into it."""
    ordered = order(keys)
    inside = ", ".join(f"{key.replace('%', '%%')}=%s" for key in ordered)
    return f"{{{inside}}}", itemgetter(*ordered)


def _mixed(value: dict[str, Any], depth: int) -> Forms:
    """The same of an object that holds more than plain texts and whole numbers."""
    kept: dict[str, Any] = {}
    lowered: dict[str, Any] = {}
    texts: list[str] = []
    for key in value if len(value) == 1 else order(tuple(value)):
        item = value[key]
        kind = item.__class__
        if kind is str:
            lowered[key] = item.lower() if item.isascii() else fold(item)
            if item:
                kept[key] = item
                texts.append(f"{key}={item}")
        elif kind is int and -LONG <= item < LONG:
            kept[key] = lowered[key] = item
            texts.append(f"{key}={item}")
        elif item is not None:
            part, lowered[key], text = _part(item, depth)
            if text:
                kept[key] = part
                texts.append(f"{key}={text}")
    return kept, lowered, f"{{{', '.join(texts)}}}" if texts else ""


def _part(item: Any, depth: int) -> tuple[Any, Any, str]:
    """The three forms of anything but null; the text is empty where nothing is left of it."""
    kind = item.__class__
    if kind is dict:
        return forms(item, depth + 1)
    if kind is list:
        return _list(item, depth + 1)
    if kind is str:
        return item, fold(item), item
    if kind is bool:
        return item, item, "true" if item else "false"
    text = java_double(item) if kind is float else str(item)
    if kind is int and not -LONG <= item < LONG:
        return text, text, text
    return item, item, text


def _list(items: list[Any], depth: int) -> tuple[list[Any], list[Any], str]:
    if depth > DEEPEST:
        raise UnfitError(f"its parameters are nested more than {DEEPEST} levels deep, which Elasticsearch refuses")
    parts = [_part(item, depth) for item in items if item is not None]
    left = [part for part in parts if part[2]]
    text = f"[{', '.join([part[2] for part in left])}]" if left else ""
    return [part[0] for part in left], [part[1] for part in parts], text


@lru_cache(maxsize=8192)
def order(keys: tuple[str, ...]) -> tuple[str, ...]:
    """Keys in the order in which a Java HashMap goes through them: by hash, in a table that grows with their number."""
    size = 16
    while len(keys) > size * 3 // 4:
        size *= 2
    return tuple(sorted(keys, key=lambda key: java_hash(key) & (size - 1)))


def java_hash(text: str) -> int:
    """The text's hash code, as HashMap spreads it.

    ARNs begin and end alike: of what stands before the first slash and after the last, the hash code is often known.
    https://docs.oracle.com/en/java/javase/21/docs/api/java.base/java/lang/String.html#hashCode()
    """
    if text.isascii() and len(text) < len(POWERS):
        first, last = text.find("/") + 1, text.rfind("/") + 1
        value = _known(text[:first]) * POWERS[first - len(text) - 1] if first else 0
        value += _sum(text[first:last]) * POWERS[last - len(text) - 1] + _known(text[last:])
    else:
        units = text.encode("utf-16-be")
        value = 0
        for high, low in zip(units[::2], units[1::2], strict=True):
            value = (value * 31 + (high << 8 | low)) & 0xFFFFFFFF
    value &= 0xFFFFFFFF
    return value ^ value >> 16


def _sum(text: str) -> int:
    """The hash code of an ASCII text, as far as it fits 32 bits or beyond."""
    return sum(map(mul, text.encode(), POWERS[len(POWERS) - len(text) :])) if text else 0


_known = lru_cache(maxsize=8192)(_sum)


def java_double(value: float) -> str:
    """https://docs.oracle.com/en/java/javase/21/docs/api/java.base/java/lang/Double.html#toString(double)"""
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value)
    mantissa, _, exponent = f"{value!r}".partition("e")
    if not exponent:
        mantissa, exponent = _scientific(mantissa)
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}E{int(exponent)}"


def _scientific(digits: str) -> tuple[str, str]:
    """A plain decimal fraction as its mantissa and exponent."""
    sign = "-" if digits.startswith("-") else ""
    whole, _, fraction = digits.lstrip("-").partition(".")
    if whole.strip("0"):
        significant, exponent = (whole + fraction).rstrip("0"), len(whole) - 1
    else:
        significant, exponent = fraction.lstrip("0"), -(len(fraction) - len(fraction.lstrip("0"))) - 1
    return f"{sign}{significant[0]}.{significant[1:] or '0'}", str(exponent)
