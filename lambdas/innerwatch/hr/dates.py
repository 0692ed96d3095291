"""Dates in the forms that HR systems emit, as ISO days."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

NONE = frozenset({"", "-", "--", "n/a", "na", "null", "none", "nil", "0000-00-00", "00/00/0000", "0"})
# The year from which on systems mean "never", as 31 December 2099 or 9999: an end that far away is no end.
NEVER = 2099
EARLIEST = 1900

EXCEL_EPOCH = date(1899, 12, 30)  # serial 1 is 1 January 1900, with Excel's 29 February of that year counted in
# https://support.microsoft.com/en-us/office/date-systems-in-excel-e7fe7167-48a9-4b96-bb53-5612a800b487

CLOCK = r"(?:[T ]\s*\d{1,2}:\d\d(?::\d\d(?:[.,]\d{1,9})?)?\s*(?:[AaPp]\.?[Mm]\.?)?)?"
OFFSET = r"(?:\s*(?:[Zz]|UTC|GMT|[+-]\d\d:?\d\d))?"
ISO = re.compile(rf"(\d{{4}})[-/.](\d{{1,2}})[-/.](\d{{1,2}}){CLOCK}{OFFSET}", re.ASCII)
COMPACT = re.compile(rf"(\d{{4}})(\d\d)(\d\d)(?:T\d{{4,6}})?{OFFSET}", re.ASCII)
YEAR_LAST = re.compile(rf"(\d{{1,2}})([-/.])(\d{{1,2}})\2(\d{{4}}){CLOCK}{OFFSET}", re.ASCII)
DAY_NAME = r"(?:[A-Za-z]{3,9},?\s+)?"
NAMED_DAY_FIRST = re.compile(
    rf"{DAY_NAME}(\d{{1,2}})[-\s.]+([A-Za-z]{{3,9}})[-\s.,]+(\d{{4}}){CLOCK}{OFFSET}", re.ASCII
)
NAMED_MONTH_FIRST = re.compile(rf"{DAY_NAME}([A-Za-z]{{3,9}})\.?\s+(\d{{1,2}}),?\s+(\d{{4}}){CLOCK}{OFFSET}", re.ASCII)
MICROSOFT_JSON = re.compile(r"/Date\((-?\d{1,14})(?:[+-]\d{4})?\)/", re.ASCII)
DIGITS = re.compile(r"-?\d{4,13}(?:\.\d+)?", re.ASCII)
INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?\s*([Zz]|[+-]\d\d:?\d\d)", re.ASCII)

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def day(text: str, formats: Sequence[str] = ()) -> str:
    """The ISO day of a date in any usual form, as it is written: an offset does not move it. Empty for no date.

    `formats` are strptime formats, tried first. Raises ValueError for what is no date, and for one such as 03/02/2026
    that can be two.
    """
    text = text.strip()
    if text.lower() in NONE:
        return ""
    for form in formats:
        try:
            return _plausible(datetime.strptime(text, form).date(), text)  # noqa: DTZ007 a day has no zone
        except ValueError:
            continue
    found = _found(text)
    if found is None:
        expected = " or ".join(formats) if formats else "a date such as 2026-03-31"
        raise ValueError(f"{text[:60]!r} is no date; expected {expected}")
    return _plausible(found, text)


def when(text: str, formats: Sequence[str] = ()) -> str | int | None:
    """An effective date: an instant in milliseconds where a time of day and an offset are given, else an ISO day."""
    match = INSTANT.fullmatch(text.strip())
    if match is None or match[2] == "00:00:00":  # a day that passed through a system which knows only instants
        return day(text, formats) or None
    fraction = (match[3] or "")[:6].ljust(6, "0")
    try:
        instant = datetime.fromisoformat(f"{match[1]}T{match[2]}.{fraction}{match[4].upper()}")
    except ValueError as error:
        raise ValueError(f"{text[:60]!r} is no time that exists: {error}") from error
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def _found(text: str) -> date | None:
    if match := ISO.fullmatch(text) or COMPACT.fullmatch(text):
        return _date(match[1], match[2], match[3], text)
    if match := YEAR_LAST.fullmatch(text):
        return _year_last(match, text)
    if match := NAMED_DAY_FIRST.fullmatch(text):
        return _date(match[3], _month(match[2], text), match[1], text)
    if match := NAMED_MONTH_FIRST.fullmatch(text):
        return _date(match[3], _month(match[1], text), match[2], text)
    if match := MICROSOFT_JSON.fullmatch(text):
        return _since_1970(int(match[1]) / 1000)
    return _number(float(text)) if DIGITS.fullmatch(text) else None


def _year_last(match: re.Match[str], text: str) -> date:
    first, separator, second, year = match.groups()
    if separator == "." or int(first) > 12:  # with dots the day comes first wherever such dates are written
        return _date(year, second, first, text)
    if int(second) > 12 or first == second:
        return _date(year, first, second, text)
    raise ValueError(
        f"{text[:60]!r} can be {_date(year, first, second, text)} or {_date(year, second, first, text)}; "
        "expected `date_format` in the mapping to say which, for example '%d/%m/%Y'"
    )


def _number(value: float) -> date | None:
    """Excel's serial days, or seconds or milliseconds since 1970: their sizes do not overlap for plausible dates."""
    if 10_000 <= value < 100_000:
        return EXCEL_EPOCH + timedelta(days=int(value))
    if 10**8 <= value < 10**10:
        return _since_1970(value)
    return _since_1970(value / 1000) if 10**11 <= value < 10**13 else None


def _since_1970(seconds: float) -> date:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).date()


def _month(name: str, text: str) -> int:
    try:
        return MONTHS.index(name[:3].lower()) + 1
    except ValueError:
        raise ValueError(f"{text[:60]!r} is no date; {name!r} is no month") from None


def _date(year: str, month: str | int, day_of_month: str, text: str) -> date:
    try:
        return date(int(year), int(month), int(day_of_month))
    except ValueError as error:
        raise ValueError(f"{text[:60]!r} is no date that exists: {error}") from error


def _plausible(found: date, text: str) -> str:
    if found.year >= NEVER:
        return ""
    if found.year < EARLIEST:
        raise ValueError(f"{text[:60]!r} is before {EARLIEST}; expected a date in living memory")
    return found.isoformat()
