"""Times of a record: always UTC, whether it says so or not."""

import re
from functools import lru_cache

from innerwatch import instants

# As AWS writes it, 2026-03-31T09:15:00Z; and as exports of data bases have it, without the letters.
KNOWN = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)
HOURS = {f"{hour:02d}": hour * 3_600_000 for hour in range(24)}
MINUTES = {f"{minute:02d}": minute * 60_000 for minute in range(60)}
SECONDS = {f"{second:02d}": second * 1000 for second in range(60)}


def instant(text: str) -> tuple[int, str]:
    """Milliseconds, and as documents hold it. Raises ValueError."""
    if len(text) == 20 and text[10] == "T" and text[13] == text[16] == ":" and text[19] == "Z":
        try:
            since_midnight = HOURS[text[11:13]] + MINUTES[text[14:16]] + SECONDS[text[17:19]]
        except KeyError:
            pass  # the reason why it is no time is told below
        else:
            return _midnight(text[:10]) + since_midnight, f"{text[:19]}.000Z"
    match = KNOWN.fullmatch(text)
    milliseconds = instants.from_rfc3339(text if match is None or match[1] else f"{text}Z")
    return milliseconds, instants.iso(milliseconds)


@lru_cache(maxsize=1024)
def _midnight(day: str) -> int:
    """All but this is quick to read, and the events of an object share few days."""
    return instants.from_rfc3339(f"{day}T00:00:00Z")
