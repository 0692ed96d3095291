"""Stamps a parsed event with the person, and with that person's job and employment as of the event's own time."""

from functools import lru_cache
from typing import Any, Protocol

from innerwatch import identity
from innerwatch.customers import CustomerObjects
from innerwatch.directory import employment
from innerwatch.fields import ECS_VERSION
from innerwatch.values import Event, Fact, Owner


class People(Protocol):
    """What enrichment asks of the employee directory."""

    def owner(self, identifier: str, time: int) -> Owner: ...

    def state(self, employee_id: str, time: int) -> Fact | None: ...


def employee_fields(fact: Fact, time: int) -> dict[str, Any]:
    """`employee.*` as of `time`, without what HR did not say. Shared between events: not to be changed in place."""
    employee = fact.employee
    return _fields(fact, employment.day(employee, time), employment.on_shift(employee, time))


@lru_cache(maxsize=16384)
def _fields(fact: Fact, day: employment.Day, on_shift: bool | None) -> dict[str, Any]:
    employee = fact.employee
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
        "notice_at": employee.notice_at,
        "last_day": employee.last_day,
        "days_to_exit": day.days_to_exit,
        "tenure_days": day.tenure_days,
        "on_shift": on_shift,
        "as_of": fact.recorded_at,
    }
    return {name: value for name, value in fields.items() if value is not None and value != ""}


def stamp(
    event: Event, people: People | None, namespace: str, customers: CustomerObjects | None = None
) -> dict[str, Any]:
    """The document to index: the event's own, with `employee.*`, its data stream and its place of origin.

    Without a directory (`people` is None) the resolution says only what the evidence is, since no HR feed was given.
    The result depends on nothing but the arguments: replaying an event gives the same document.
    """
    document = event.document
    document["employee"] = _employee(event, people)
    document["ecs"] = ECS
    document["data_stream"] = _data_stream(event.dataset, namespace)
    if customers is not None:
        customers.add(document)
    document["log"] = {"file": {"path": event.origin.uri}, "offset": event.origin.position}
    return document


ECS = {"version": ECS_VERSION}


@lru_cache(maxsize=64)
def _data_stream(dataset: str, namespace: str) -> dict[str, str]:
    return {"type": "logs", "dataset": dataset, "namespace": namespace}


def _employee(event: Event, people: People | None) -> dict[str, Any]:
    if people is None:
        return {"resolution": _unasked(event)}
    found = identity.resolve(event.actor, people, event.time)
    resolution = _resolution(found)
    fact = people.state(found.employee_id, event.time) if found.employee_id else None
    if fact is not None:
        return {**employee_fields(fact, event.time), "resolution": resolution}
    if found.person:
        return {"status": "unknown", "resolution": resolution}
    return {"resolution": resolution}


@lru_cache(maxsize=1024)
def _resolution(found: identity.Resolution) -> dict[str, str]:
    resolution = {"method": found.method, "confidence": found.confidence}
    return {**resolution, "reason": found.reason} if found.reason else resolution


def _unasked(event: Event) -> dict[str, Any]:
    if event.actor.no_person:
        return {"method": "none", "confidence": "none", "reason": event.actor.no_person}
    # `owner` is no claim of the log's, but a question to an owner map.
    methods = [item.method for item in identity.by_strength(event.actor.evidence) if item.method != "owner"]
    method = methods[0] if methods else "none"
    return {"method": method, "confidence": "none", "reason": "no HR feed was given"}
