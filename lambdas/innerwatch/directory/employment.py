"""Employment at an instant: status, days, working hours. Pure, and cheap enough to ask for every event.

Days are the person's own: a last day ends at midnight where the person works, not in UTC.
"""

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from innerwatch.values import Employee

MINUTE = 60_000  # milliseconds
DAY = 24 * 60 * MINUTE
# Within it no zone's offset changes: since 2012 every zone has moved its clocks on a quarter of an hour.
QUARTER = 15 * MINUTE
EPOCH_DAY = date(1970, 1, 1).toordinal()
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# HR often knows a last day but not the day on which notice was given. An employee then counts as on notice for this
# long before the last day; the end of a contractor's or vendor's engagement is known from its start and says nothing.
NOTICE_DAYS = 30
ENGAGED = frozenset({"contractor", "vendor"})

STATUSES = ("pre_hire", "active", "leave", "notice", "terminated")


class Day(NamedTuple):
    """What holds for one person on one of their days."""

    status: str
    announced: bool  # whether notice had been given by then; before, nobody knew of the last day
    days_to_exit: int | None
    tenure_days: int | None


def day(employee: Employee, time: int) -> Day:
    """What holds on the person's own day of that instant."""
    return on_day(employee, local(employee, time) // DAY)


def status_at(employee: Employee, time: int) -> str:
    """pre_hire, active, leave, notice or terminated. A date, where HR gave one, says more than the feed's status."""
    return day(employee, time).status


def days_to_exit(employee: Employee, time: int) -> int | None:
    """Days until the last day, negative after it; None while none is known, and before notice was given."""
    return day(employee, time).days_to_exit


def tenure_days(employee: Employee, time: int) -> int | None:
    """Days since the first day; None before it, or where it is not known."""
    return day(employee, time).tenure_days


def on_shift(employee: Employee, time: int) -> bool | None:
    """Whether the instant is within the person's working hours; None where HR did not give them."""
    return working(employee, local(employee, time))


def working(employee: Employee, local: int) -> bool | None:
    """The same, asked by what `local` gives."""
    return _within(employee.shift, (local // MINUTE + EPOCH_MINUTE) % WEEK) if employee.shift else None


def local(employee: Employee, time: int) -> int:
    """What the person's own clocks show at an instant, as milliseconds since they showed 1 January 1970."""
    return time + _offset(employee.time_zone, time // QUARTER)


def starts_at(day: str, time_zone: str) -> int:
    """The instant at which an ISO day begins in a time zone."""
    return (datetime.combine(date.fromisoformat(day), datetime.min.time(), zone(time_zone)) - EPOCH) // timedelta(
        milliseconds=1
    )


def local_day(time: int, time_zone: str) -> str:
    """The ISO day that it is at an instant in a time zone."""
    return date.fromordinal((time + _offset(time_zone, time // QUARTER)) // DAY + EPOCH_DAY).isoformat()


@lru_cache(maxsize=1024)
def zone(name: str) -> tzinfo:
    """The IANA time zone of that name, UTC for none. Raises ValueError for a name that is none."""
    if not name:
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name[:80]!r} is no time zone") from error


@lru_cache(maxsize=65536)
def _offset(time_zone: str, quarter: int) -> int:
    """Milliseconds by which a zone's clocks are ahead of UTC."""
    offset = (EPOCH + timedelta(milliseconds=quarter * QUARTER)).astimezone(zone(time_zone)).utcoffset()
    return (offset or timedelta()) // timedelta(milliseconds=1)


@lru_cache(maxsize=65536)
def on_day(employee: Employee, day: int) -> Day:
    """What holds on one of the person's own days, counted from 1 January 1970."""
    hired, notice, last = map(_number, (employee.hired_at, employee.notice_at, employee.last_day))
    if hired is not None:  # dates before the first day are of an earlier employment: the person came back
        last = None if last is not None and last < hired else last
        notice = None if notice is not None and notice < hired else notice
    announced = _announced(employee, day, notice, last)
    return Day(
        status=_status(employee, day, hired, notice, last),
        announced=announced,
        days_to_exit=None if last is None or not announced else last - day,
        tenure_days=None if hired is None or day < hired else day - hired,
    )


def _announced(employee: Employee, day: int, notice: int | None, last: int | None) -> bool:
    if notice is not None:
        return day >= notice
    return last is None or employee.type in ENGAGED or day > last - NOTICE_DAYS


def _status(employee: Employee, day: int, hired: int | None, notice: int | None, last: int | None) -> str:
    if hired is not None and day < hired:
        return "pre_hire"
    if day > last if last is not None else employee.status == "terminated":
        return "terminated"
    if notice is not None and day >= notice:
        return "notice"
    if notice is None and last is not None and employee.type not in ENGAGED and day > last - NOTICE_DAYS:
        return "notice"
    # Where a date says when it begins, and it is not then, the feed's word is about another day.
    dated = {"pre_hire": hired, "notice": notice, "terminated": last}
    if dated.get(employee.status) is not None:
        return "active"
    return employee.status or "active"


def _number(day: str) -> int | None:
    """Days since 1970 of an ISO day."""
    return date.fromisoformat(day).toordinal() - EPOCH_DAY if day else None


DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WEEK = 7 * 24 * 60  # minutes
EPOCH_MINUTE = 3 * 24 * 60  # 1 January 1970 was a Thursday; weeks are counted from Monday
SPAN = re.compile(
    r"(?P<first>[a-z]{3})[a-z]*(?:\s*-\s*(?P<last>[a-z]{3})[a-z]*)?\s+"
    r"(?P<from>\d{1,2}:\d\d)\s*-\s*(?P<to>\d{1,2}:\d\d)",
    re.IGNORECASE,
)


@lru_cache(maxsize=4096)
def working_hours(shift: str) -> tuple[tuple[int, int], ...]:
    """`Mon-Fri 09:00-17:30; Sat 10:00-14:00` as minutes of the week, from Monday 00:00; an end may lie beyond the week.

    Hours that end before they begin run into the next day. Raises ValueError for anything else.
    """
    spans: list[tuple[int, int]] = []
    for part in filter(None, (part.strip() for part in shift.split(";"))):
        match = SPAN.fullmatch(part)
        if match is None:
            raise ValueError(f"shift {part[:80]!r} is not understood; expected for example Mon-Fri 09:00-17:30")
        first, last = _weekday(match["first"]), _weekday(match["last"] or match["first"])
        start, end = _minute(match["from"]), _minute(match["to"])
        length = end - start if end > start else end - start + 24 * 60
        for offset in range((last - first) % 7 + 1):
            begin = (first + offset) % 7 * 24 * 60 + start
            spans.append((begin, begin + length))
    return tuple(sorted(spans))


@lru_cache(maxsize=65536)
def _within(shift: str, minute: int) -> bool:
    hours = working_hours(shift)
    return any(start <= minute < end or start <= minute + WEEK < end for start, end in hours)


def _weekday(name: str) -> int:
    try:
        return DAYS.index(name.lower())
    except ValueError:
        raise ValueError(f"{name!r} is no day of the week; expected {', '.join(DAYS)}") from None


def _minute(clock: str) -> int:
    hour, minute = (int(part) for part in clock.split(":"))
    if minute > 59 or hour * 60 + minute > 24 * 60:
        raise ValueError(f"{clock!r} is no time of day")
    return hour * 60 + minute
