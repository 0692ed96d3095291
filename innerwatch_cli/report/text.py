"""How values read on a page: times, numbers, what an event was done to, and where its raw record lies."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from markupsafe import Markup, escape

from innerwatch.uris import SCHEME, ObjectName
from innerwatch.values import dig
from innerwatch_cli.report.findings import as_list

SUBJECT_LENGTH = 160  # characters
SHORT = 120  # characters of an id or a name before it is cut
# Control characters, and those that turn the direction of what follows: a name must not rearrange the line it is in.
# https://www.unicode.org/reports/tr9/#Explicit_Directional_Embeddings
TURNING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")


def visible(value: Any) -> Any:
    """Text with every such character written out; jinja2's `finalize`, so that it holds for all templates."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return TURNING.sub(lambda found: f"\\u{ord(found[0]):04x}", value)
    return value


def safe(value: Any) -> Markup:
    """For markup that is put together by hand, as SVG is."""
    return escape(visible(str(value)))


def _instant(value: Any) -> datetime | None:
    try:
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value / 1000, UTC)
        return datetime.fromisoformat(str(value))
    except (ValueError, OverflowError, OSError):
        return None


def when(value: Any) -> str:
    """`2026-03-02T09:14:03.221Z` as people read it; times are UTC throughout."""
    instant = _instant(value)
    return f"{instant:%a %d %b %Y, %H:%M}" if instant else str(value)


def day(value: Any) -> str:
    instant = _instant(value)
    return f"{instant:%d %b %Y}" if instant else str(value)


def thousands(value: float) -> str:
    return f"{value:,}"


def number(value: float) -> str:
    """A measure's value: whole where it is, else with two digits that count."""
    if abs(value) >= 100 or value == int(value):
        return f"{round(value):,}"
    return f"{value:.2g}"


def plural(count: int, one: str, several: str = "") -> str:
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def plain(term: Any) -> str:
    """`role_without_cases` as words."""
    return str(term).replace("_", " ")


def short(value: Any, length: int = SHORT) -> str:
    text = str(value)
    return text if len(text) <= length else f"{text[:length]}… ({len(text):,} characters)"


def subject(event: Mapping[str, Any]) -> str:
    """What an event was done to, in a few words: customers, or the resource that the request names."""
    customers = as_list(dig(event, "access.customer.id"))
    if customers:
        shown = ", ".join(map(short, customers[:3]))
        shown += f" and {len(customers) - 3:,} more" if len(customers) > 3 else ""
        recipient = as_list(dig(event, "email.to.address"))
        return shown + (f" → {', '.join(map(short, recipient[:3]))}" if recipient else "")
    if unusual := dig(event, "behaviour.reason"):
        return short(unusual, 400)
    parameters = dig(event, "aws.cloudtrail.flattened.request_parameters")
    if isinstance(parameters, dict):
        named = [f"{key}: {value}" for key, value in parameters.items() if isinstance(value, str)]
        return ", ".join(named)[:SUBJECT_LENGTH]
    return short(dig(event, "service.name") or dig(event, "event.provider") or "")


class Place(NamedTuple):
    """Where the raw record of an event is: an object of a bucket, or whatever else it was read from."""

    container: str  # the bucket, or the kind of place
    name: str  # the object's key, or the path
    version: str
    position: int | None  # the n-th record or line, from 1


def place(event: Mapping[str, Any]) -> Place | None:
    """None for what was read nowhere: a behaviour document is computed."""
    uri = dig(event, "log.file.path")
    if not uri:
        return None
    position = dig(event, "log.offset")
    if str(uri).startswith(SCHEME):
        return Place(*ObjectName.of(str(uri)), position)
    return Place("", str(uri), "", position)


CONSOLE = "https://s3.console.aws.amazon.com/s3/object/"
# What a bucket can be called, but for the names that AWS keeps for examples and nobody can have.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
BUCKET = re.compile(r"(?!amzn-s3-demo-)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def console(where: Place) -> str:
    """The object's page in AWS's console; empty for what is in no bucket.

    The form is what the console itself shows in its address; AWS documents none. It finds the bucket's region itself.
    """
    if not BUCKET.fullmatch(where.container):
        return ""
    query = {"prefix": where.name} | ({"versionId": where.version} if where.version else {})
    return f"{CONSOLE}{where.container}?{urlencode(query, quote_via=quote, safe='/', errors='replace')}"
