"""The rules of revealing, pure: from what is asked, by whom, and what was recorded so far, what is recorded next.

Nobody learns from an answer that a pseudonym is their own: that a request names its requester or approver is found only
when somebody is about to approve it, and said in words that fit both.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Literal, NamedTuple

import msgspec

from innerwatch.audit import Entry, Record, Who
from innerwatch.errors import UserError

HOUR = 3_600_000  # milliseconds
WAITS = 72 * HOUR  # for an approval
SHORTEST_REASON, LONGEST_REASON = 20, 1000  # characters
MOST_PSEUDONYMS = 20  # in one request
LONGEST_CASE = 100

Whose = Callable[[str], Sequence[str]]  # pseudonym → HR ids of whoever it stands for; none where it stands for nobody


class Ask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    action: Literal["request", "approve", "refuse", "fetch", "list"]
    pseudonyms: tuple[str, ...] = ()
    reason: str = ""
    case: str = ""
    request: Annotated[int, msgspec.Meta(ge=0, le=2**53)] = 0
    nonce: str = ""  # makes the signatures of two calls differ

    def check(self) -> None:
        """Raises UserError for an ask that nobody could be granted."""
        if self.action == "request":
            if not 1 <= len(self.pseudonyms) <= MOST_PSEUDONYMS:
                raise UserError(f"{len(self.pseudonyms)} pseudonyms are asked for", f"expected 1 to {MOST_PSEUDONYMS}")
            for text in self.pseudonyms:
                if not re.fullmatch(r"p-[a-z2-7]{16}(@[\w.-]{1,253})?", text, re.ASCII):
                    raise UserError(f"{text[:80]!r} is no pseudonym", "expected p- and 16 letters and digits")
            if not SHORTEST_REASON <= len(self.reason.strip()) <= LONGEST_REASON or not self.reason.isprintable():
                raise UserError(
                    "that is no reason",
                    f"expected {SHORTEST_REASON} to {LONGEST_REASON} characters in one line, for whoever must approve",
                )
            if len(self.case) > LONGEST_CASE or not self.case.isprintable():
                raise UserError("that is no case's number", f"expected at most {LONGEST_CASE} characters in one line")
        elif self.action != "list" and self.request < 1:
            raise UserError("no request is named", "expected the number that it was given")


class Terms(NamedTuple):
    """What the company has set."""

    approvers: tuple[str, ...]  # patterns of ARNs with * and ?
    lasts: int = 8 * HOUR  # milliseconds for which an approval holds


class Request(NamedTuple):
    """A request as the records tell of it."""

    number: int
    pseudonyms: tuple[str, ...]
    reason: str
    case: str
    requester: Who
    requested_at: int
    approver: Who | None = None
    approved_at: int = 0
    refused: bool = False

    def ends(self, terms: Terms) -> int:
        return self.approved_at + terms.lasts if self.approver else self.requested_at + WAITS

    def state(self, now: int, terms: Terms) -> str:
        """waiting, approved, refused or expired."""
        if self.refused:
            return "refused"
        if now >= self.ends(terms):
            return "expired"
        return "approved" if self.approver else "waiting"


def requests(records: Iterable[Record]) -> dict[int, Request]:
    found: dict[int, Request] = {}
    for record in records:
        if record.action == "requested":
            found[record.sequence] = Request(
                record.sequence, record.pseudonyms, record.reason, record.case, record.who, record.at
            )
        elif record.action == "approved" and record.request in found:
            found[record.request] = found[record.request]._replace(approver=record.who, approved_at=record.at)
        elif record.action == "refused" and record.request in found:
            found[record.request] = found[record.request]._replace(refused=True)
    return found


def is_approver(who: Who, terms: Terms) -> bool:
    return any(_matches(pattern, who.arn) for pattern in terms.approvers)


def decide(ask: Ask, who: Who, call: str, records: Sequence[Record], now: int, terms: Terms, whose: Whose) -> Entry:
    """What is recorded of an ask by an employee: that it was done, or why it was denied. Not for `list`.

    `records` are all that a request which has not expired may rest on, oldest first.
    """
    if call in {record.call for record in records}:
        return denied(ask, who, call, "this very call was made before")
    found = requests(records).get(ask.request)
    if ask.action == "request":
        return _requested(ask, who, call, whose)
    if found is None:
        return denied(ask, who, call, "there is no such request, or it has long expired")
    state = found.state(now, terms)
    if ask.action == "fetch":
        why = _not_fetched(found, state, who)
        action = "revealed"
    elif ask.action == "approve":
        why = _not_approved(found, state, who, terms, whose)
        action = "approved"
    else:
        why = _not_refused(found, state, who, terms)
        action = "refused"
    if why:
        return denied(ask, who, call, why, found.pseudonyms)
    return Entry(action=action, who=who, request=found.number, pseudonyms=found.pseudonyms, call=call)


def denied(ask: Ask, who: Who, call: str, why: str, pseudonyms: tuple[str, ...] = ()) -> Entry:
    return Entry(
        action="denied",
        who=who,
        request=ask.request,
        pseudonyms=pseudonyms or ask.pseudonyms,
        why=f"{ask.action}: {why}",
        call=call,
    )


def _requested(ask: Ask, who: Who, call: str, whose: Whose) -> Entry:
    for pseudonym in ask.pseudonyms:
        if not whose(pseudonym):
            return denied(ask, who, call, f"{pseudonym} stands for nobody in the directory")
    pseudonyms = tuple(dict.fromkeys(ask.pseudonyms))
    reason = ask.reason.strip()
    return Entry(action="requested", who=who, pseudonyms=pseudonyms, reason=reason, case=ask.case.strip(), call=call)


def _not_approved(found: Request, state: str, who: Who, terms: Terms, whose: Whose) -> str:
    if not terms.approvers:
        return "nobody may approve: the stack's parameter RevealApprovers is empty"
    if not is_approver(who, terms):
        return "the caller is none of those who may approve"
    if found.requester.employee == who.employee:
        return "a second person must approve"
    if state != "waiting":
        return f"the request is {state}"
    if {found.requester.employee, who.employee} & {one for item in found.pseudonyms for one in whose(item)}:
        return "this request needs two other people: one of the two is among those whom it asks for"
    return ""


def _not_refused(found: Request, state: str, who: Who, terms: Terms) -> str:
    if found.requester.employee != who.employee and not is_approver(who, terms):
        return "the caller is neither who asked nor one of those who may approve"
    return "" if state in ("waiting", "approved") else f"the request is {state}"


def _not_fetched(found: Request, state: str, who: Who) -> str:
    if found.requester.employee != who.employee:
        return "only who asked is told"
    return "" if state == "approved" else f"the request is {state}"


def _matches(pattern: str, arn: str) -> bool:
    text = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(text, arn, re.DOTALL) is not None
