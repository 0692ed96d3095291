"""Logs that are ECS already, one JSON object a line, with nested or dotted names: taken as they are.

Elastic's logging libraries write it: https://www.elastic.co/docs/reference/ecs/logging/intro
What only Innerwatch may say of an event (`employee.*`, `data_stream.*`, …) is dropped, so that no log can forge it.
"""

from typing import Any

from innerwatch import ids, instants
from innerwatch.reading import LONG, UnfitError, account, first_object, json_object, set_aside
from innerwatch.values import Actor, Event, Evidence, Origin, SetAside, dig

DATASET = "app.access"
SPLIT = "lines"

OURS = ("employee", "data_stream", "ecs", "log", "innerwatch")
LEVELS = 20  # Elasticsearch's own limit: index.mapping.depth.limit


def recognise(record: bytes) -> bool:
    entry = first_object(record)
    ecs = entry.get("ecs")
    return "@timestamp" in entry and ("ecs.version" in entry or (isinstance(ecs, dict) and "version" in ecs))


def parse(record: bytes, origin: Origin) -> Event | SetAside:
    try:
        return _event(nested(json_object(record)), origin)
    except UnfitError as why:
        return set_aside(record, origin, why)


def _event(document: dict[str, Any], origin: Origin) -> Event:
    time = _time(document.get("@timestamp"))
    document = {name: value for name, value in document.items() if name not in OURS}
    document["@timestamp"] = instants.iso(time)
    event = document.setdefault("event", {})
    if not isinstance(event, dict):
        raise UnfitError("event is no object; expected event.action and the like below it")
    event.pop("ingested", None)
    event.setdefault("kind", "event")
    event.update(module="app", dataset=DATASET)
    own_id, service = dig(document, "event.id"), dig(document, "service.name")
    if isinstance(own_id, str) and own_id:
        identity = ids.of_record(service if isinstance(service, str) else "ecs", own_id)
    else:
        identity = ids.of_origin(origin)
    return Event(identity, DATASET, time, _actor(document), document, origin)


def _time(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < LONG:
        value = str(value)
    if not isinstance(value, str):
        raise UnfitError("@timestamp is missing; expected an RFC 3339 time, or milliseconds since 1970")
    try:
        if value.isascii() and value.isdigit():
            instants.iso(int(value))  # refuses what lies beyond the year 9999
            return int(value)
        return instants.from_rfc3339(value)
    except (ValueError, OverflowError) as error:
        raise UnfitError(f"@timestamp: {error}") from error


def _actor(document: dict[str, Any]) -> Actor:
    """An id is often the application's own, and says something only where there is nothing better."""
    names = [dig(document, "user.email"), dig(document, "user.name")]
    claims = [name for name in names if name] or [dig(document, "user.id")]
    return Actor(tuple(Evidence("remote_user", account(name)) for name in claims if isinstance(name, str) and name))


def nested(entry: dict[str, Any], level: int = 1) -> dict[str, Any]:
    """The same with every dotted name taken apart: {"a.b": 1, "a": {"c": 2}} is {"a": {"b": 1, "c": 2}}.

    Raises UnfitError where two values want the same place, or a name has an empty part.
    """
    if level > LEVELS:
        raise UnfitError(f"the record has more than {LEVELS} levels; expected fewer, as Elasticsearch does")
    found: dict[str, Any] = {}
    for name, value in entry.items():
        *above, last = name.split(".")
        if not last or not all(above):
            raise UnfitError(
                f"the field name {name[:80]!r} has an empty part; expected a name before and after each dot"
            )
        if level + len(above) > LEVELS:
            raise UnfitError(f"the record has more than {LEVELS} levels; expected fewer, as Elasticsearch does")
        place = found
        for part in above:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise UnfitError(f"{name[:80]} and a shorter name both have a value; expected one of them")
        _put(place, last, _inner(value, level + len(above)), name)
    return found


def _inner(value: Any, level: int) -> Any:
    if isinstance(value, dict):
        return nested(value, level + 1)
    if isinstance(value, list):
        return [_inner(item, level + 1) for item in value] if level < LEVELS else nested({}, LEVELS + 1)
    return value


def _put(place: dict[str, Any], name: str, value: Any, whole: str) -> None:
    if name not in place:
        place[name] = value
        return
    there = place[name]
    if not isinstance(there, dict) or not isinstance(value, dict):
        raise UnfitError(f"{whole[:80]} has two values; expected one")
    for inner, item in value.items():
        _put(there, inner, item, f"{whole}.{inner}")
