"""Events of a case that stand for many: the same record, day after day and person after person.

    {"repeat": {"days": ["2026-03-02", "2026-03-20"], "times": 12, "people": ["ana.novak", "ben.okafor"]},
     "event": {"id": "{person}-{day}-{n}", "time": "{day}T10:{n}:00Z", …}}

`days` is one day, or the first and the last, of which Saturdays and Sundays are left out; `times` a day, once if left
out; `people` may be left out. In the record's texts `{day}` stands for the day, `{n}` for 00, 01, … within it, and
`{person}` for the person. What comes out are raw records like all others: what is usual for somebody takes weeks of
them, and no rule on behaviour can be tried without.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

KEYS = frozenset({"repeat", "event"})
OPTIONS = frozenset({"days", "times", "people"})
MOST = 20_000  # records of one event
EXPECTED = 'expected "repeat": {"days": ["2026-03-02", "2026-03-20"], "times": 3, "people": ["ana.novak"]}'


def repeats(event: Any) -> bool:
    return isinstance(event, dict) and "repeat" in event and event.keys() <= KEYS


def problem(event: dict[str, Any]) -> str:
    """What is wrong with how an event repeats; empty for nothing."""
    repeat = event["repeat"]
    if not isinstance(event.get("event"), dict | str):
        return "there is no event to repeat"
    if not isinstance(repeat, dict) or not repeat.keys() <= OPTIONS:
        return "repeat has another key than days, times and people"
    try:
        days = _days(repeat.get("days"))
    except (TypeError, ValueError):
        return "days is no list of one or two days in order"
    times, people = repeat.get("times", 1), repeat.get("people", [""])
    if not isinstance(times, int) or isinstance(times, bool) or times < 1:
        return "times is no number from 1 on"
    if not isinstance(people, list) or not people or not all(isinstance(person, str) for person in people):
        return "people is no list of texts"
    if not days:
        return "days holds no day from Monday to Friday"
    if len(days) * times * len(people) > MOST:
        return f"the event stands for more than {MOST} records"
    return ""


def expanded(event: Any) -> Iterator[Any]:
    """The records that an event stands for: itself, unless it repeats."""
    if not repeats(event):
        yield event
        return
    repeat = event["repeat"]
    for day in _days(repeat["days"]):
        for person in repeat.get("people", [""]):
            for number in range(repeat.get("times", 1)):
                names = {"{day}": day.isoformat(), "{n}": f"{number:02d}", "{person}": person}
                yield _filled(event["event"], names)


def _days(span: Any) -> list[date]:
    first, *rest = map(date.fromisoformat, span)
    if not rest:
        return [first]
    (last,) = rest
    if last < first:
        raise ValueError(span)
    days = (first + timedelta(days=number) for number in range((last - first).days + 1))
    return [day for day in days if day.weekday() < 5]


def _filled(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, str):
        for name, text in names.items():
            value = value.replace(name, text)
        return value
    if isinstance(value, list):
        return [_filled(item, names) for item in value]
    if isinstance(value, dict):
        return {name: _filled(item, names) for name, item in value.items()}
    return value
