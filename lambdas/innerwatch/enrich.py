"""Stamps a parsed event with the person, and with that person's job and employment as of the event's own time."""

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
    """`employee.*` as of `time`, without what HR did not say."""
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
        "status": employment.status_at(employee, time),
        "hired_at": employee.hired_at,
        "notice_at": employee.notice_at,
        "last_day": employee.last_day,
        "days_to_exit": employment.days_to_exit(employee, time),
        "tenure_days": employment.tenure_days(employee, time),
        "on_shift": employment.on_shift(employee, time),
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
    document["ecs"] = {"version": ECS_VERSION}
    document["data_stream"] = {"type": "logs", "dataset": event.dataset, "namespace": namespace}
    if customers is not None:
        customers.add(document)
    document["log"] = {"file": {"path": event.origin.uri}, "offset": event.origin.position}
    return document


def _employee(event: Event, people: People | None) -> dict[str, Any]:
    if people is None:
        return {"resolution": _unasked(event)}
    found = identity.resolve(event.actor, people, event.time)
    resolution = {"method": found.method, "confidence": found.confidence}
    if found.reason:
        resolution["reason"] = found.reason
    fact = people.state(found.employee_id, event.time) if found.employee_id else None
    if fact is not None:
        return {**employee_fields(fact, event.time), "resolution": resolution}
    if found.person:
        return {"status": "unknown", "resolution": resolution}
    return {"resolution": resolution}


def _unasked(event: Event) -> dict[str, Any]:
    if event.actor.no_person:
        return {"method": "none", "confidence": "none", "reason": event.actor.no_person}
    # `owner` is no claim of the log's, but a question to an owner map.
    methods = [item.method for item in identity.by_strength(event.actor.evidence) if item.method != "owner"]
    method = methods[0] if methods else "none"
    return {"method": method, "confidence": "none", "reason": "no HR feed was given"}
