"""Takes what is asked, by whoever AWS says it is, and answers: never before it is on record."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from innerwatch import instants
from innerwatch.audit import Entry, Line, Record, Trail, Who
from innerwatch.pseudonyms import Pseudonyms
from innerwatch.reveal import decisions
from innerwatch.reveal.caller import Caller
from innerwatch.reveal.decisions import WAITS, Ask, Request, Terms, decide, denied
from innerwatch.reveal.people import NoPerson, People, employee

TRIES = 20  # while others write at the same time

Answer = dict[str, Any]


class Desk(NamedTuple):
    trail: Trail
    people: People
    pseudonyms: Callable[[], Pseudonyms]
    terms: Terms
    account: str
    clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000

    def ask(self, ask: Ask, caller: Caller) -> tuple[Answer, Entry | None, Line | None]:
        """The answer, and what was recorded of it before. Raises Broken where that was tampered with."""
        try:
            who = Who(caller.arn, employee(caller, self.account, self.people, self.clock()))
        except NoPerson as error:
            return self.turned_away(ask, caller.arn, str(error), caller.call)
        if ask.action == "list":
            return {"requests": self._listed(who)}, None, None
        entry, line = self._record(
            lambda records, now: decide(ask, who, caller.call, records, now, self.terms, self._whose)
        )
        return self._answer(entry, line), entry, line

    def turned_away(self, ask: Ask, arn: str, why: str, call: str = "") -> tuple[Answer, Entry, Line]:
        """Somebody who is no employee, or for whom AWS does not vouch: that is recorded, too."""
        entry, line = self._record(lambda _records, _now: denied(ask, Who(arn), call, why))
        return {"denied": entry.why}, entry, line

    def _record(self, next_entry: Callable[[list[Record], int], Entry]) -> tuple[Entry, Line]:
        for _ in range(TRIES):
            now = self.clock()
            lines, records = self.trail.trusted(now - WAITS - self.terms.lasts)
            head = lines[-1] if lines else None
            entry = next_entry(records, max(now, head.record.at if head else 0))
            if line := self.trail.append(entry, head, now):
                return entry, line
        raise TimeoutError(f"no record could be added in {TRIES} tries: others write all the time")

    def _answer(self, entry: Entry, line: Line) -> Answer:
        if entry.action == "denied":
            return {"denied": entry.why}
        at = line.record.at
        answer: Answer = {"request": entry.request or line.sequence, "state": entry.action, "record": line.hash}
        if entry.action == "requested":
            answer |= {"state": "waiting", "expires": instants.iso(at + WAITS)}
        elif entry.action == "approved":
            answer["expires"] = instants.iso(at + self.terms.lasts)
        elif entry.action == "revealed":
            answer["people"] = [person for item in entry.pseudonyms for person in self._told(item, at)]
        return answer

    def _told(self, pseudonym: str, now: int) -> list[dict[str, str]]:
        found = self.pseudonyms().revealed(pseudonym)
        told = []
        for employee_id in found.employee_ids if found else ():
            fact = self.people.state(employee_id, now)
            said = {"pseudonym": pseudonym, "stands_for": found.text if found else "", "id": employee_id}
            told.append(said | ({"name": fact.employee.name, "email": fact.employee.email} if fact else {}))
        return told

    def _whose(self, pseudonym: str) -> tuple[str, ...]:
        found = self.pseudonyms().revealed(pseudonym)
        return found.employee_ids if found else ()

    def _listed(self, who: Who) -> list[dict[str, Any]]:
        """Requests that are open, or ended lately: an approver sees all, anybody else their own."""
        now = self.clock()
        _, records = self.trail.trusted(now - WAITS - self.terms.lasts)
        all_of_them = decisions.is_approver(who, self.terms)
        found = decisions.requests(records).values()
        return [self._shown(one, now) for one in found if all_of_them or one.requester.employee == who.employee]

    def _shown(self, request: Request, now: int) -> dict[str, Any]:
        return {
            "request": request.number,
            "state": request.state(now, self.terms),
            "pseudonyms": list(request.pseudonyms),
            "reason": request.reason,
            "case": request.case,
            "requester": request.requester.arn,
            "expires": instants.iso(request.ends(self.terms)),
        }
