"""The case directory, and what it says of an access: justified, unjustified or unknown, and why."""

import time as clocks
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from innerwatch.append_only import create_table
from innerwatch.justification import judgement, model
from innerwatch.justification.judgement import UNJUSTIFIED, WORST_FIRST, People, Person, Verdict
from innerwatch.justification.model import Case
from innerwatch.justification.policy import Policy
from innerwatch.justification.store import CaseFeed, CaseStore, DynamoCases, MemoryCases
from innerwatch.justification.sync import CaseReport, apply_feed

__all__ = [
    "CaseFeed",
    "CaseReport",
    "CaseStore",
    "Cases",
    "DynamoCases",
    "MemoryCases",
    "Policy",
    "apply_feed",
    "create_table",
    "in_memory",
]

FRESH = 60.0  # seconds until the store is asked whether a new feed has arrived
MOST = 100_000  # cases, and as many customers, kept in a warm function
# Of an event with more customers than this it is not counted how many had no reason, only whether one had none: each
# customer that is not known yet is a query.
COUNTED = 1000


class Cases:
    """Answers from a store, and keeps the answers until a new feed arrives."""

    def __init__(
        self,
        store: CaseStore,
        policy: Policy | None = None,
        fresh: float = FRESH,
        clock: Callable[[], float] = clocks.monotonic,
    ) -> None:
        self.policy = policy or Policy()
        self._store, self._fresh, self._clock = store, fresh, clock
        self._cases: dict[str, Case | None] = {}
        self._customers: dict[str, tuple[Case, ...]] = {}
        self._version, self._asked = store.version(), clock()
        self._until = _until(store)

    def until(self) -> int:
        """Up to which instant the case data are complete: when the latest feed of each kind was recorded."""
        if self._clock() - self._asked >= self._fresh:
            self._renew()
        return self._until

    def case(self, case_id: str) -> Case | None:
        if case_id not in self._cases:
            if len(self._cases) >= MOST:
                self._cases.clear()
            self._cases[case_id] = model.case(self._store.statements(case_id))
        return self._cases[case_id]

    def of_customer(self, customer: str) -> tuple[Case, ...]:
        known = self._customers.get(customer)
        if known is None:
            if len(self._customers) >= MOST:
                self._customers.clear()
            known = self._customers[customer] = _by_case(self._store.of_customer(customer))
        return known

    def stamp(self, document: dict[str, Any], time: int, people: People | None) -> None:
        """Sets what is judged of an access document; without a customer there is nothing to judge.

        Of several customers each is judged, and the worst counts: `access.unjustified.*` says how many and which.
        """
        access = document.get("access")
        if not access or "customer" not in access:
            return
        customers = _texts(access["customer"].get("id"))
        if not customers:
            return
        named = [case_id.lower() for case_id in _texts(access["case"].get("id"))] if "case" in access else ()
        person = _person(document["employee"])
        if len(customers) == 1:
            verdict = judgement.judge(customers[0].lower(), named, person, time, self, people, self.policy)
            unjustified = customers if verdict.justification == UNJUSTIFIED else None
        else:
            verdict, unjustified = self._several(customers, named, person, time, people)
        access["justification"], access["justification_reason"] = verdict
        if "unjustified" in access:
            del access["unjustified"]
        if unjustified:
            access["unjustified"] = {"customer": {"id": unjustified, "total": len(unjustified)}}

    def _several(
        self, customers: list[str], named: Sequence[str], person: Person, time: int, people: People | None
    ) -> tuple[Verdict, list[str]]:
        """The worst verdict, with the reason that most customers have, and the customers without a justification."""
        verdicts: Counter[Verdict] = Counter()
        unjustified = []
        for customer in customers:
            verdict = judgement.judge(customer.lower(), named, person, time, self, people, self.policy)
            verdicts[verdict] += 1
            if verdict.justification == UNJUSTIFIED:
                if len(customers) > COUNTED:
                    return verdict, []
                unjustified.append(customer)
        worst = next(kind for kind in WORST_FIRST if any(verdict.justification == kind for verdict in verdicts))
        return next(item for item, _ in verdicts.most_common() if item.justification == worst), unjustified

    def _renew(self) -> None:
        self._asked = self._clock()
        version = self._store.version()
        if version != self._version:
            self._version, self._until = version, _until(self._store)
            self._cases.clear()
            self._customers.clear()


def in_memory(
    feeds: Iterable[CaseFeed],
    policy: Policy | None = None,
    tell: Callable[[CaseFeed, CaseReport], None] = lambda _feed, _report: None,
) -> Cases:
    """The case directory that feeds make, oldest first: each counts as recorded after the one before.

    `tell` is given each feed with what it did.
    """
    store, latest = MemoryCases(), -1
    for feed in feeds:
        latest = max(feed.recorded_at, latest + 1)
        tell(feed, apply_feed(store, replace(feed, recorded_at=latest)))
    return Cases(store, policy)


def _until(store: CaseStore) -> int:
    return min(store.marks().values(), default=0)


def _by_case(statements: Iterable[model.Statement]) -> tuple[Case, ...]:
    found: dict[str, list[model.Statement]] = {}
    for item in statements:
        found.setdefault(item.case_id, []).append(item)
    cases = (model.case(items) for items in found.values())
    return tuple(sorted((case for case in cases if case), key=lambda case: case.opened))


def _person(employee: dict[str, Any]) -> Person:
    get = employee.get
    if "id" in employee:
        return Person(employee["id"], get("email", ""), get("team", ""), get("role", ""))
    return Person(is_person=employee["resolution"]["method"] != "none")


def _texts(value: Any) -> list[str]:
    """A field's texts, whether it holds one or a list."""
    if isinstance(value, str):
        return [value] if value else []
    if not isinstance(value, list):
        return []
    if len(value) == 1 and isinstance(value[0], str):
        return value
    return [item for item in value if isinstance(item, str)]
