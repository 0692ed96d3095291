"""Whose an account is: identifiers as the directory compares them, and the one person who holds one at an instant."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from innerwatch.directory import employment, history
from innerwatch.values import CLAIMED_TWICE, NOBODY, Employee, Fact, Holder, Owner, Ownership

# Kinds of account whose identifier begins with the place that it belongs to, which HR may leave out: the store of an
# Identity Center user, the AWS account of an IAM user. Left out on either side, the rest decides.
PLACED = re.compile(r"(identity_center):(?:[^/]+/)?([^/]+)|(iam_user):(?:\d{12}:)?(user/.+)")


class Claims(NamedTuple):
    """Who may hold an identifier: people of whom some fact ever named it, and what the owner maps said of it."""

    employee_ids: Sequence[str]
    ownerships: Sequence[Ownership]


class Reader(Protocol):
    """What can be asked of a directory's store."""

    def facts(self, employee_id: str) -> Sequence[Fact]:
        """One person's whole history, by valid_from and then recorded_at."""
        ...

    def claims(self, identifier: str) -> Claims: ...


def index_key(identifier: str) -> str:
    """What an identifier is found by, without the place that may be missing."""
    match = PLACED.fullmatch(identifier)
    return f"{match[1] or match[3]}:{match[2] or match[4]}" if match else identifier


def same(one: str, other: str) -> bool:
    """Whether two identifiers can mean one account."""
    if one == other:
        return True
    key = index_key(one)
    return key == index_key(other) and key in (one, other)


def holds(employee: Employee, identifier: str) -> bool:
    return identifier == own(employee.id) or any(same(held, identifier) for held in employee.identifiers)


def own(employee_id: str) -> str:
    """The identifier that the HR id itself is."""
    return f"employee:{employee_id.lower()}"


def owner(reader: Reader, claims: Claims, identifier: str, time: int) -> Owner:
    """The employee who holds an identifier at an instant.

    Of two people who claim it, one known by nothing but a mail address yields to one with an HR id, and one who is no
    longer employed to one who is. Else nobody holds it: two people are never merged.
    """
    found: dict[str, Fact] = {}
    for employee_id in claims.employee_ids:
        fact = history.state(reader.facts(employee_id), time)
        if fact is not None and holds(fact.employee, identifier):
            found[employee_id] = fact
    for employee_id in mapped(claims.ownerships, identifier, time):
        fact = history.state(reader.facts(employee_id), time)
        if fact is not None:
            found[employee_id] = fact
    if len(found) > 1:
        found = {key: fact for key, fact in found.items() if not mail_only(key)} or found
    if len(found) > 1:
        found = _employed(found, time) or found
    if not found:
        return Owner("", NOBODY)
    return Owner(next(iter(found))) if len(found) == 1 else Owner("", CLAIMED_TWICE)


def mapped(ownerships: Iterable[Ownership], identifier: str, time: int) -> set[str]:
    """Whom the owner maps name, each spelling of the identifier by its latest statement."""
    latest: dict[str, Ownership] = {}
    for item in ownerships:
        known = latest.get(item.identifier)
        if same(item.identifier, identifier) and (known is None or item.recorded_at >= known.recorded_at):
            latest[item.identifier] = item
    return {holder.employee_id for item in latest.values() for holder in item.holders if covers(holder, time)}


def covers(holder: Holder, time: int) -> bool:
    return holder.start <= time < holder.end


def mail_only(employee_id: str) -> bool:
    """Whether a person is known from feeds that name people by nothing but their mail address."""
    return "@" in employee_id


def _employed(found: dict[str, Fact], time: int) -> dict[str, Fact]:
    return {key: fact for key, fact in found.items() if employment.status_at(fact.employee, time) != "terminated"}
