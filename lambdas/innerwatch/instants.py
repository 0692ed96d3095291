"""Instants as logs write them, and as documents do. Everywhere between, they are milliseconds since 1970 in UTC."""

import re
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
FIRST, LAST = -62_135_596_800_000, 253_402_300_799_999  # the years 1 to 9999, in milliseconds

# RFC 3339 section 5.6; `fromisoformat` alone would take much else. A leap second (:60) it refuses.
RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def from_rfc3339(text: str) -> int:
    """Milliseconds of an RFC 3339 time, finer digits cut off. Raises ValueError for anything else."""
    if RFC3339.fullmatch(text) is None:
        raise ValueError(f"{text[:80]!r} is no RFC 3339 time with its offset, such as 2026-03-31T09:15:00.000Z")
    try:
        return of(datetime.fromisoformat(text.upper()))
    except ValueError as error:
        raise ValueError(f"{text[:80]!r} is no time that exists: {error}") from error


def from_day_or_time(text: str) -> int:
    """The same of a day too, such as 2026-03-31: its first instant in UTC. What people ask with."""
    return from_rfc3339(f"{text}T00:00:00Z" if len(text) == len("2026-03-31") else text)


def of(instant: datetime) -> int:
    """Milliseconds of an instant with its offset, finer digits cut off. Raises ValueError outside years 1 to 9999."""
    milliseconds = (instant - EPOCH) // MILLISECOND
    if not FIRST <= milliseconds <= LAST:  # its offset took it there
        raise ValueError("it is not in the years 1 to 9999")
    return milliseconds


def iso(milliseconds: int) -> str:
    """As documents hold it: 2026-03-31T09:15:00.000Z."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{(EPOCH + timedelta(seconds=seconds)).isoformat()[:19]}.{rest:03d}Z"
