"""Sign-ins. The user name of one that failed may be a password, typed into the wrong box: it is stored nowhere.

AWS itself writes HIDDEN_DUE_TO_SECURITY_REASONS where the user does not exist; so do we, whatever stands there.
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-aws-console-sign-in-events.html
"""

from typing import Any

import msgspec

from innerwatch.sources.cloudtrail.identity import HIDDEN, Caller, described
from innerwatch.sources.cloudtrail.record import Record, UserIdentity, read_identity
from innerwatch.values import Actor, Evidence

SERVICE = "signin.amazonaws.com"
NO_SUCH_USER = "no username found"
NAME_KEYS = {"username", "user_name"}


def outcome(entry: Record) -> str:
    """ECS `event.outcome`: an error is a failure, and sign-ins tell by themselves."""
    if entry.event_name == "ConsoleLogin" or entry.event_source == SERVICE:
        for part in (entry.response_elements, entry.service_event_details):
            answer = part.get(entry.event_name) if isinstance(part, dict) else None
            if answer:
                known = answer.lower() if isinstance(answer, str) else ""
                return known if known in ("success", "failure") else "unknown"
    return "failure" if entry.error_code or entry.error_message else "success"


def without_mistyped_name(entry: Record, other: dict[str, Any], who: Caller) -> Caller:
    """The caller of a failed sign-in, without the name that was typed where no such user is known.

    `entry` and `other` then lack the name too.
    """
    identity, beside = read_identity(bytes(entry.user_identity)) if entry.user_identity else (UserIdentity(), {})
    message = entry.error_message or ""
    exists = bool(identity.principal_id or identity.arn or identity.on_behalf_of)
    if exists and NO_SUCH_USER not in message.lower():
        return who._replace(actor=_unproved(who.actor))
    parts = (
        entry.request_parameters,
        entry.response_elements,
        entry.additional_event_data,
        entry.service_event_details,
    )
    names = (identity.user_name, *(name for part in parts for name in _names(part)))
    typed = {name for name in names if name and name != HIDDEN}
    other.update(_hidden(other, typed))
    entry.error_message = _hidden(entry.error_message, typed)
    entry.request_parameters, entry.response_elements, entry.additional_event_data, entry.service_event_details = (
        _hidden(part, typed) for part in parts
    )
    bare = msgspec.structs.replace(
        identity,
        user_name=HIDDEN if identity.user_name else None,
        arn=_hidden(identity.arn, typed),
        principal_id=_hidden(identity.principal_id, typed),
    )
    caller = described(bare, _hidden(beside, typed))
    if caller.actor.no_person or caller.actor.evidence:
        return caller
    return caller._replace(actor=Actor(no_person="a failed sign-in with the name of no user"))


def _unproved(actor: Actor) -> Actor:
    """Whoever fails to sign in has proved nothing: the account is only the one that they claimed."""
    claimed = tuple(Evidence("remote_user", item.identifier) for item in actor.evidence)
    return Actor(claimed, no_person=actor.no_person)


def _names(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [item for name, item in value.items() if name.lower() in NAME_KEYS and isinstance(item, str)]
        return own + [name for item in value.values() for name in _names(item)]
    return [name for item in value for name in _names(item)] if isinstance(value, list) else []


def _hidden(value: Any, typed: set[str]) -> Any:
    """The value with no text in it that holds any of the names."""
    if isinstance(value, str):
        return HIDDEN if any(name in value for name in typed) else value
    if isinstance(value, dict):
        return {name: _hidden(item, typed) for name, item in value.items()}
    if isinstance(value, list):
        return [_hidden(item, typed) for item in value]
    return value
