"""The employee behind a caller, as found for the events of CloudTrail."""

from typing import Protocol

from innerwatch import identity
from innerwatch.directory.employment import status_at
from innerwatch.identity import Owners
from innerwatch.reveal.caller import Caller
from innerwatch.sources.cloudtrail.identity import described
from innerwatch.sources.cloudtrail.record import UserIdentity
from innerwatch.values import Fact

TRUSTED = frozenset({"certain", "asserted"})  # a session name that anybody may choose is not enough
TYPES = {"assumed-role": "AssumedRole", "user": "IAMUser", "federated-user": "FederatedUser"}


class People(Owners, Protocol):
    """What is asked of the employee directory."""

    def state(self, employee_id: str, time: int) -> Fact | None: ...


class NoPerson(Exception):
    """The caller is not one active employee for sure; the text says why, of the caller only."""


def employee(caller: Caller, account: str, people: People, now: int) -> str:
    """HR's id of the active employee who calls. Raises NoPerson.

    Only callers of the function's own `account` count: in an account of their own, anybody is called anything.
    """
    if caller.account != account:
        raise NoPerson(f"callers of account {caller.account} are not known here")
    kind = caller.arn.rpartition(":")[2].partition("/")[0]
    said = UserIdentity(
        type=TYPES.get(kind, "Root"), arn=caller.arn, account_id=caller.account, principal_id=caller.user_id
    )
    found = identity.resolve(described(said, {}).actor, people, now)
    if not found.employee_id:
        raise NoPerson(found.reason)
    if found.confidence not in TRUSTED:
        raise NoPerson("the session's name was chosen by whoever took the role, and proves nobody")
    fact = people.state(found.employee_id, now)
    status = status_at(fact.employee, now) if fact else "unknown"
    if status != "active":
        raise NoPerson(f"HR says of this employee: {status}")
    return found.employee_id
