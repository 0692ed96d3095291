"""What an entry of the access contract `innerwatch.access/1` means in ECS: for every source that ends in the contract.

docs/access-log.md is the contract, for the people who write applications.
"""

from typing import Any

from innerwatch import ids, instants
from innerwatch.reading import (
    UnfitError,
    account,
    caller,
    mapping,
    number,
    present,
    text,
    texts,
)
from innerwatch.values import Actor, Event, Evidence, Origin

DATASET = "app.access"
SCHEMA = "innerwatch.access/1"

# Action → ECS category and type, as ECS allows them to be paired
# (https://www.elastic.co/docs/reference/ecs/ecs-allowed-values-event-category).
READ = (["database"], ["access"])
WRITE = (["database"], ["change"])
ACTIONS: dict[str, tuple[list[str], list[str]]] = {
    "view": READ,
    "read": READ,
    "search": READ,
    "list": READ,
    "query": READ,
    "export": READ,
    "download": READ,
    "print": READ,
    "copy": READ,
    "create": WRITE,
    "update": WRITE,
    "delete": WRITE,
    "send": (["email"], ["info"]),
    "login": (["authentication"], ["start"]),
    "logout": (["authentication"], ["end"]),
    "grant": (["iam"], ["change"]),
    "revoke": (["iam"], ["change"]),
}
OTHER = (["web"], ["info"])
OUTCOMES = ("success", "failure", "unknown")

# Actor types that are no person. Everything else is one: a person who is overlooked is worse than a service that
# turns up as nobody.
NO_PERSON = {
    "service": "the application's service account",
    "system": "the application itself",
    "customer": "a customer of the application",
}


def event(entry: dict[str, Any], origin: Origin) -> Event:
    """The event of one entry, its `schema` aside. Raises UnfitError with the reason where it breaks the contract."""
    time = _time(entry.get("time"))
    action = text(entry.get("action"), "action")
    if not action:
        raise UnfitError("action is missing; expected what was done, such as view, search or export")
    application = text(entry.get("application"), "application")
    if not application:
        raise UnfitError("application is missing; expected the application's name")
    outcome = text(entry.get("outcome"), "outcome") or "unknown"
    if outcome not in OUTCOMES:
        raise UnfitError(f"outcome is {outcome[:80]!r}; expected success, failure or unknown")
    who = mapping(entry.get("actor"), "actor")
    user = present({name: text(who.get(name), f"actor.{name}") for name in ("id", "name", "email")})
    if "id" in user:
        user.setdefault("name", user["id"])  # what rules and dashboards look at
    # Whoever failed to log in is not known to be who they say.
    actor = _actor(who, user, authenticated=(action.lower(), outcome) != ("login", "failure"))
    place = mapping(entry.get("source"), "source")
    source = caller(text(place.get("ip"), "source.ip"))
    customers = texts(entry.get("customers"), "customers")
    recipients = texts(entry.get("recipient"), "recipient")
    own_id = text(entry.get("id"), "id")
    category, kind = ACTIONS.get(action.lower(), OTHER)
    document = present(
        {
            "@timestamp": instants.iso(time),
            "event": present(
                {
                    "kind": "event",
                    "module": "app",
                    "dataset": DATASET,
                    "id": own_id,
                    "action": action,
                    "category": list(category),
                    "type": list(kind),
                    "outcome": outcome,
                }
            ),
            "service": {"name": application},
            "user": user,
            "source": source,
            "host": present({"name": text(entry.get("host"), "host")}),
            "user_agent": present({"original": text(place.get("user_agent"), "source.user_agent")}),
            "email": {"to": {"address": recipients}} if recipients else None,
            "access": present(
                {
                    "customer": {"id": customers, "total": len(customers)} if customers else None,
                    "fields": texts(entry.get("fields"), "fields"),
                    "records": number(entry.get("records"), "records"),
                    "bytes": number(entry.get("bytes"), "bytes"),
                    "case": present({"id": text(entry.get("case"), "case")}),
                    "session": present({"id": text(entry.get("session"), "session")}),
                }
            ),
            "related": present(
                {
                    "user": list(dict.fromkeys(user[name] for name in ("id", "name", "email") if name in user)),
                    "ip": [source["ip"]] if "ip" in source else None,
                }
            ),
        }
    )
    identity = ids.of_record(application, own_id) if own_id else ids.of_origin(origin)
    return Event(identity, DATASET, time, actor, document, origin)


def _time(value: Any) -> int:
    if value is None:
        raise UnfitError("time is missing; expected an RFC 3339 time with its offset, such as 2026-03-31T09:15:00.000Z")
    if not isinstance(value, str):
        raise UnfitError("time is no text; expected an RFC 3339 time with its offset, such as 2026-03-31T09:15:00.000Z")
    try:
        return instants.from_rfc3339(value)
    except ValueError as error:
        raise UnfitError(f"time: {error}") from error


def _actor(who: dict[str, Any], user: dict[str, Any], *, authenticated: bool) -> Actor:
    employee_id = text(who.get("employee_id"), "actor.employee_id")
    if not employee_id and not user.keys() & {"id", "email"}:
        raise UnfitError("actor names nobody; expected an object with id, email or employee_id")
    kind = text(who.get("type"), "actor.type").lower()
    if kind in NO_PERSON:
        return Actor(no_person=NO_PERSON[kind])
    method = "application" if authenticated else "remote_user"
    identifiers = [f"employee:{employee_id.lower()}"] if employee_id else []
    identifiers += [account(user[name]) for name in ("email", "id") if name in user]
    return Actor(tuple(Evidence(method, identifier) for identifier in dict.fromkeys(identifiers)))
