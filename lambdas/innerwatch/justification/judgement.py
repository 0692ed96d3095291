"""Whether somebody had a reason to look at a customer: pure, and as of the instant at which they looked.

The terms are those of docs/justification.md. The benefit of the doubt goes to the person: of several cases the one that
justifies counts, and where the case data cannot tell, the answer is `unknown`.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from innerwatch.justification.model import Assignment, Case, Span
from innerwatch.justification.policy import Policy
from innerwatch.values import Fact, Owner

JUSTIFIED, UNJUSTIFIED, UNKNOWN = "justified", "unjustified", "unknown"
WORST_FIRST = (UNJUSTIFIED, UNKNOWN, JUSTIFIED)


class Verdict(NamedTuple):
    justification: str
    reason: str


# Why an access was justified: by the case that the log names, or (`…_unnamed`) by another one of the same customer.
ASSIGNED = Verdict(JUSTIFIED, "assigned")
TEAM = Verdict(JUSTIFIED, "team")
SUPERVISOR = Verdict(JUSTIFIED, "supervisor")
TRANSFERRED = Verdict(JUSTIFIED, "transferred")
REOPENED = Verdict(JUSTIFIED, "reopened")
CALL_BACK = Verdict(JUSTIFIED, "call_back")
BEFORE_OPENING = Verdict(JUSTIFIED, "before_opening")
BY_CASE = (ASSIGNED, TEAM, SUPERVISOR, TRANSFERRED, REOPENED, CALL_BACK, BEFORE_OPENING)
UNNAMED = {verdict: verdict._replace(reason=f"{verdict.reason}_unnamed") for verdict in BY_CASE}
ROLE = Verdict(JUSTIFIED, "role_without_cases")

NO_SUCH_CASE = Verdict(UNJUSTIFIED, "no_such_case")
OTHER_CUSTOMER = Verdict(UNJUSTIFIED, "other_customer")
OTHERS = Verdict(UNJUSTIFIED, "assigned_to_others")
CLOSED = Verdict(UNJUSTIFIED, "case_closed")
NOT_OPEN_YET = Verdict(UNJUSTIFIED, "case_not_open_yet")
NO_CASE = Verdict(UNJUSTIFIED, "no_case")

NO_DATA = Verdict(UNKNOWN, "no_case_data")
PENDING = Verdict(UNKNOWN, "case_data_pending")
NOT_ASSIGNED = Verdict(UNKNOWN, "not_assigned")
NOBODY = Verdict(UNKNOWN, "person_unknown")
NO_PERSON = Verdict(UNKNOWN, "no_person")

VERDICTS = (
    *BY_CASE,
    *UNNAMED.values(),
    ROLE,
    NO_SUCH_CASE,
    OTHER_CUSTOMER,
    OTHERS,
    CLOSED,
    NOT_OPEN_YET,
    NO_CASE,
    NO_DATA,
    PENDING,
    NOT_ASSIGNED,
    NOBODY,
    NO_PERSON,
)
"""The closed list of all that a judgement can be."""


class Person(NamedTuple):
    """Who acted, as of that moment. Without an id nobody is known: `is_person` says whether somebody should be."""

    id: str = ""
    email: str = ""
    team: str = ""
    role: str = ""
    is_person: bool = True


class People(Protocol):
    """What is asked of the employee directory: who an assignee is, and who their manager was."""

    def owner(self, identifier: str, time: int) -> Owner: ...

    def state(self, employee_id: str, time: int) -> Fact | None: ...


class Cases(Protocol):
    """What is asked of the case directory; ids in lower case."""

    def until(self) -> int:
        """Up to which instant the case data are complete; 0 where there are none."""
        ...

    def case(self, case_id: str) -> Case | None: ...

    def of_customer(self, customer: str) -> Sequence[Case]: ...


def judge(
    customer: str, named: Sequence[str], person: Person, time: int, cases: Cases, people: People | None, policy: Policy
) -> Verdict:
    """Of one access to one customer; `named` are the cases that the log gives as the reason. All in lower case."""
    if not person.is_person:
        return NO_PERSON
    if not named and policy.roles_without_cases and person.role.lower() in policy.roles_without_cases:
        return ROLE
    until = cases.until()
    if not until:
        return NO_DATA
    verdict = _by_named(customer, named, person, time, cases, people, policy) if named else NO_CASE
    if verdict.justification == JUSTIFIED:
        return verdict
    for case in cases.of_customer(customer):
        if (other := by_case(case, person, time, people, policy)).justification == JUSTIFIED:
            return UNNAMED[other]
        if other is NOT_ASSIGNED and verdict is NO_CASE:
            verdict = other
    if verdict.justification == UNJUSTIFIED and time > until:
        return PENDING
    return verdict if person.id or verdict in (NO_SUCH_CASE, OTHER_CUSTOMER) else NOBODY


def _by_named(
    customer: str, named: Sequence[str], person: Person, time: int, cases: Cases, people: People | None, policy: Policy
) -> Verdict:
    """The best that a named case gives: justified, else unknown, else the first reason why not."""
    found = NO_CASE
    for place, case_id in enumerate(named):
        case = cases.case(case_id)
        if case is None:
            verdict = NO_SUCH_CASE
        elif not case.spans:  # only who has it is known by now
            verdict = PENDING
        elif customer not in case.customers:
            verdict = OTHER_CUSTOMER
        else:
            verdict = by_case(case, person, time, people, policy)
        if verdict.justification == JUSTIFIED:
            return verdict
        if not place or (verdict.justification == UNKNOWN and found.justification == UNJUSTIFIED):
            found = verdict
    return found


def by_case(case: Case, person: Person, time: int, people: People | None, policy: Policy) -> Verdict:
    """Whether a case justified that this person looked at its customer."""
    for start, end in case.held.get(person.id.lower(), ()):  # what nearly every access is, and so the quick way
        if start <= time < end:
            return ASSIGNED
    before = after = None  # the spans around an instant at which the case was not open
    for place, span in enumerate(case.spans):
        if span.end <= time:
            before = span
        elif span.start <= time:
            return _while_open(case, place, person, time, people, policy)
        else:
            after = span
            break
    if after is not None and after.start - time <= policy.early:
        soon = [item for item in case.assignments if after.start <= item.start <= after.start + policy.transfer]
        soon += _holders(case, after.start, carried=before is not None)
        if _tie(person, soon, time, people, policy) is not None:
            return BEFORE_OPENING if before is None else REOPENED
    return NOT_OPEN_YET if before is None else _after_closing(case, before, person, time, people, policy)


def _after_closing(case: Case, span: Span, person: Person, time: int, people: People | None, policy: Policy) -> Verdict:
    """Within the grace for call-backs those who had the case when it was closed; for longer, who supervises them."""
    since = time - span.end
    if since >= max(policy.call_back, policy.review):
        return CLOSED
    holders = _holders(case, span.end - 1, carried=True)
    tie = _tie(person, holders, time, people, policy)
    if tie is SUPERVISOR and since < policy.review:
        return SUPERVISOR
    if since >= policy.call_back:
        return CLOSED
    if not holders:
        return NOT_ASSIGNED
    return CLOSED if tie is None else CALL_BACK


def _while_open(case: Case, place: int, person: Person, time: int, people: People | None, policy: Policy) -> Verdict:
    """`place`: which of its spans the case is in; after the first it was reopened."""
    holders = _holders(case, time, carried=False)
    tie = _tie(person, holders, time, people, policy)
    if tie is not None:
        return tie
    near = [
        item
        for item in case.assignments
        if time < item.start <= time + policy.transfer or time - policy.transfer < item.end <= time
    ]
    if near and _tie(person, near, time, people, policy) is not None:
        return TRANSFERRED
    if not holders and place:  # reopened, and nobody has taken it yet: those who had it
        holders = _holders(case, time, carried=True)
        if _tie(person, holders, time, people, policy) is not None:
            return REOPENED
    return OTHERS if holders else NOT_ASSIGNED


def _holders(case: Case, time: int, *, carried: bool) -> list[Assignment]:
    """Who had the case at an instant; `carried`: where nobody did, who had it last."""
    found = [item for item in case.assignments if item.start <= time < item.end]
    if found or not carried:
        return found
    last = max((item.end for item in case.assignments if item.end <= time), default=0)
    return [item for item in case.assignments if item.end == last]


def _tie(
    person: Person, holders: Sequence[Assignment], time: int, people: People | None, policy: Policy
) -> Verdict | None:
    """What binds a person to those who have a case, the strongest first; None for nothing."""
    if not holders or not person.id:
        return None
    own = (person.id.lower(), person.email.lower())
    for item in holders:
        if item.assignee in own and item.assignee:
            return ASSIGNED
    known = [employee for item in holders if item.assignee and (employee := _employee(item.assignee, time, people))]
    if person.id in known:
        return ASSIGNED
    if people and any(_manages(person.id, employee, time, people, policy.managers) for employee in known):
        return SUPERVISOR
    if person.team and person.team.lower() in {item.team for item in holders}:
        return TEAM
    return None


def _manages(manager: str, employee: str, time: int, people: People, levels: int) -> bool:
    above = employee
    for _ in range(levels):
        fact = people.state(above, time)
        above = fact.employee.manager_id if fact else ""
        if not above or above == manager:
            break
    return above == manager


def _employee(assignee: str, time: int, people: People | None) -> str:
    """The employee id of an assignee who is written as an id, a mail address or a login name."""
    if people is None:
        return ""
    for kind in ("email",) if "@" in assignee else ("employee", "username"):
        if found := people.owner(f"{kind}:{assignee}", time).employee_id:
            return found
    return ""
