"""Stamps a parsed event with the person, and with that person's job and employment as of the event's own time."""

from functools import lru_cache
from typing import Any, Protocol

from innerwatch import identity
from innerwatch.customers import CustomerObjects
from innerwatch.directory import employment
from innerwatch.fields import ECS_VERSION
from innerwatch.values import Actor, Event, Fact, Owner


class People(Protocol):
    """What enrichment asks of the employee directory."""

    def owner(self, identifier: str, time: int) -> Owner: ...

    def state(self, employee_id: str, time: int) -> Fact | None: ...


class Cases(Protocol):
    """What enrichment asks of the case directory."""

    def stamp(self, document: dict[str, Any], time: int, people: People | None) -> None:
        """Sets `access.justification` and why."""
        ...


def employee_fields(fact: Fact, time: int) -> dict[str, Any]:
    """`employee.*` as of `time`, without what HR did not say."""
    local = employment.local(fact.employee, time)
    return _fields(fact, local // employment.DAY, employment.working(fact.employee, local))


def _fields(fact: Fact, own_day: int, on_shift: bool | None) -> dict[str, Any]:
    employee = fact.employee
    day = employment.on_day(employee, own_day)
    fields: dict[str, Any] = {
        "id": employee.id,
        "name": employee.name,
        "email": employee.email,
        "role": employee.role,
        "department": employee.department,
        "team": employee.team,
        "location": employee.location,
        "manager": {"id": employee.manager_id} if employee.manager_id else None,
        "type": employee.type,
        "status": day.status,
        "hired_at": employee.hired_at,
        "notice_at": employee.notice_at if day.announced else "",
        "last_day": employee.last_day if day.announced else "",
        "days_to_exit": day.days_to_exit,
        "tenure_days": day.tenure_days,
        "on_shift": on_shift,
        "as_of": fact.recorded_at,
    }
    return {name: value for name, value in fields.items() if value is not None and value != ""}


def stamp(
    event: Event,
    people: People | None,
    namespace: str,
    customers: CustomerObjects | None = None,
    cases: Cases | None = None,
) -> dict[str, Any]:
    """The document to index: the event's own, with `employee.*`, its data stream and its place of origin.

    `people` is None where no HR feed was given, `cases` where no case data are: accesses are then not judged.
    The result depends on nothing but the arguments: replaying an event gives the same document.
    """
    document = event.document
    document["employee"] = _unasked(event.actor) if people is None else _asked(event.actor, people, event.time)
    document["ecs"] = ECS
    document["data_stream"] = _data_stream(event.dataset, namespace)
    if customers is not None:
        customers.add(document)
    if cases is not None and event.dataset == JUDGED:
        cases.stamp(document, event.time, people)
    document["log"] = {"file": {"path": event.origin.uri}, "offset": event.origin.position}
    return document


ECS = {"version": ECS_VERSION}
JUDGED = "app.access"  # the dataset whose events are accesses to customers' data


@lru_cache(maxsize=64)
def _data_stream(dataset: str, namespace: str) -> dict[str, str]:
    return {"type": "logs", "dataset": dataset, "namespace": namespace}


# What the following give is shared between events, since making it for each takes longest: not to be changed in place.


def _asked(actor: Actor, people: People, time: int) -> dict[str, Any]:
    found = identity.resolve(actor, people, time)
    fact = people.state(found.employee_id, time) if found.employee_id else None
    if fact is None:
        return _nobody(found)
    local = employment.local(fact.employee, time)
    return _somebody(fact, local // employment.DAY, employment.working(fact.employee, local), found)


@lru_cache(maxsize=16384)
def _somebody(fact: Fact, day: int, on_shift: bool | None, found: identity.Resolution) -> dict[str, Any]:
    return {**_fields(fact, day, on_shift), "resolution": _resolution(found)}


@lru_cache(maxsize=1024)
def _nobody(found: identity.Resolution) -> dict[str, Any]:
    return (
        {"status": "unknown", "resolution": _resolution(found)} if found.person else {"resolution": _resolution(found)}
    )


def _resolution(found: identity.Resolution) -> dict[str, str]:
    resolution = {"method": found.method, "confidence": found.confidence}
    return {**resolution, "reason": found.reason} if found.reason else resolution


@lru_cache(maxsize=4096)
def _unasked(actor: Actor) -> dict[str, Any]:
    """Without a directory the resolution says only what the evidence is."""
    if actor.no_person:
        return {"resolution": {"method": "none", "confidence": "none", "reason": actor.no_person}}
    # `owner` is no claim of the log's, but a question to an owner map.
    methods = [item.method for item in identity.by_strength(actor.evidence) if item.method != "owner"]
    method = methods[0] if methods else "none"
    return {"resolution": {"method": method, "confidence": "none", "reason": "no HR feed was given"}}
