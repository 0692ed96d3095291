"""What the log sources share to read one record: JSON objects, texts, addresses, and the reason when one is unfit."""

import ipaddress
import re
from typing import Any

import msgspec

from innerwatch.values import RAW_KEPT, Origin, SetAside

DIGITS = re.compile(r"\d{1,19}", re.ASCII)
LONG = 2**63  # Elasticsearch's `long` is below it


class UnfitError(ValueError):
    """The record is no event of this source: what is wrong, and what was expected."""


def set_aside(record: bytes, origin: Origin, why: Exception) -> SetAside:
    return SetAside(origin, str(why), record[:RAW_KEPT])


def json_object(record: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(record)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnfitError(f"the record is no JSON: {error}; expected one JSON object") from error
    except RecursionError as error:
        raise UnfitError("the record is nested too deeply; expected one JSON object of a few levels") from error
    if not isinstance(value, dict):
        raise UnfitError("the record is JSON, but no object; expected one JSON object")
    return value


def first_object(record: bytes) -> dict[str, Any]:
    """The JSON object that a file begins with, empty where it does not: for recognising a source."""
    try:
        return json_object(record)
    except UnfitError:
        return {}


def text(value: Any, name: str) -> str:
    """A text; a number counts as one, since ids are often written so. Absent (null) is the empty text."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise UnfitError(f"{name} is {kind(value)}; expected a text or a number")


def scalars(entry: dict[str, Any]) -> dict[str, str]:
    """The texts and numbers of an object, as texts; what is nested in it is left out."""
    return {
        name: str(value)
        for name, value in entry.items()
        if isinstance(value, str | int | float) and not isinstance(value, bool)
    }


def texts(value: Any, name: str) -> list[str]:
    """A list of texts, without repetitions; a single one counts as a list, absent (null) and "" as an empty one."""
    if not isinstance(value, list):
        value = [value]
    found = dict.fromkeys(text(item, f"{name}[{place}]") for place, item in enumerate(value))
    found.pop("", None)
    return list(found)


def number(value: Any, name: str) -> int | None:
    """A whole number from 0, also where it is written as a text or a decimal fraction of 0; absent (null) is None."""
    if value is None or value == "":
        return None
    whole = value
    if (isinstance(value, str) and DIGITS.fullmatch(value)) or (isinstance(value, float) and value.is_integer()):
        whole = int(value)
    if not isinstance(whole, int) or isinstance(whole, bool) or not 0 <= whole < LONG:
        raise UnfitError(f"{name} is {shown(value)}; expected a whole number from 0")
    return whole


def mapping(value: Any, name: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UnfitError(f"{name} is {kind(value)}; expected an object")
    return value


def kind(value: Any) -> str:
    """A JSON value's type, in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    return {str: "a text", int: "a number", float: "a number", list: "a list", dict: "an object"}[type(value)]


def shown(value: Any) -> str:
    """A value in a reason: short texts and numbers as they are, of others only the type."""
    return repr(value) if isinstance(value, str | int | float) and len(repr(value)) <= 80 else kind(value)


def is_ip(value: str) -> bool:
    """Whether Elasticsearch takes it as an `ip`: a zone such as %eth0 it does not."""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return "%" not in value


def caller(address: str) -> dict[str, Any]:
    """ECS `source.*` of an address or a host's name."""
    if not address:
        return {}
    return {"address": address, "ip": address} if is_ip(address) else {"address": address}


def account(name: str) -> str:
    """A login name as the employee directory identifies it: many are mail addresses."""
    return f"{'email' if '@' in name else 'username'}:{name.lower()}"


def present(values: dict[str, Any]) -> dict[str, Any]:
    """Without what the log did not say."""
    return {name: value for name, value in values.items() if value or value == 0}
