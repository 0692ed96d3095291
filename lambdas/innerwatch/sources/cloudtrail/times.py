"""Times of a record: always UTC, whether it says so or not."""

import re
from functools import lru_cache

from innerwatch import instants

# As AWS writes it, 2026-03-31T09:15:00Z; and as exports of data bases have it, without the letters.
KNOWN = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)
# The two halves of a time as AWS writes it. The second is looked up, and the first is the same for many events.
HOUR = re.compile(r"\d{4}-\d\d-\d\dT\d\d:", re.ASCII)
WITHIN_HOUR = {
    f"{minute:02d}:{second:02d}Z": (minute * 60 + second) * 1000 for minute in range(60) for second in range(60)
}


def instant(text: str) -> tuple[int, str]:
    """Milliseconds, and as documents hold it. Raises ValueError."""
    within = WITHIN_HOUR.get(text[14:])
    if within is not None and (hour := _hour(text[:14])) is not None:
        return hour + within, text[:19] + ".000Z"
    match = KNOWN.fullmatch(text)
    milliseconds = instants.from_rfc3339(text if match is None or match[1] else f"{text}Z")
    return milliseconds, instants.iso(milliseconds)


@lru_cache(maxsize=4096)
def _hour(text: str) -> int | None:
    """Milliseconds of the first half of a time; None where AWS does not write it so."""
    return instants.from_rfc3339(f"{text}00:00Z") if HOUR.fullmatch(text) else None
