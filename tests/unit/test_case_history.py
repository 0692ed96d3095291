"""Case histories against naive models: what feeds said, in any order, and what follows from it at every instant."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from innerwatch.justification import Policy, judgement, model
from innerwatch.justification.judgement import Person
from innerwatch.justification.model import UNDATED, Assignment, Span, Statement
from innerwatch.justification.policy import MINUTE
from innerwatch.values import FOREVER, Employee, Fact, Owner

HOUR = 60 * MINUTE
LAST = 40  # hours of a short calendar; instants are whole hours, but for the seconds at which feeds are recorded
PEOPLE = {"a": ("x", "m"), "b": ("x", "m"), "c": ("y", "n"), "m": ("", ""), "n": ("", "")}  # id: team, manager


class People:
    def owner(self, identifier: str, time: int) -> Owner:
        kind, _, value = identifier.partition(":")
        return Owner(value if kind == "employee" and value in PEOPLE else "")

    def state(self, employee_id: str, time: int) -> Fact | None:
        return Fact(Employee(employee_id, manager_id=PEOPLE[employee_id][1]), 0, 0)


POLICY = Policy(call_back_days=3 / 24, early_minutes=120, transfer_minutes=60, review_days=6 / 24, managers=1)
CALL_BACK, EARLY, TRANSFER, REVIEW = 3, 2, 1, 6  # the same in hours


@st.composite
def lives(draw: st.DrawFn) -> dict[str, Any]:
    """A case's life: hours at which it is opened and closed in turn, and who has it when, one after the other."""
    turns = sorted(draw(st.sets(st.integers(0, LAST), min_size=1, max_size=5)))
    spans = [(start, end) for start, end in zip(turns[::2], [*turns[1::2], None], strict=False)]
    changes = sorted(draw(st.sets(st.integers(turns[0], LAST), min_size=0, max_size=4)))
    held = []
    for start, end in zip(changes, [*changes[1:], None], strict=False):
        if who := draw(st.sampled_from(["a", "b", "c", ""])):
            held.append((who, draw(st.sampled_from(["", PEOPLE[who][0]])), start, end))
    return {"spans": spans, "held": held}


def known(life: dict[str, Any], now: int) -> dict[str, Any]:
    """What the case system could say of it at an hour: ends that are still to come are not known."""

    def until(end: int | None) -> int | None:
        return end if end is not None and end <= now else None

    return {
        "spans": [(start, until(end)) for start, end in life["spans"] if start <= now],
        "held": [(who, team, start, until(end)) for who, team, start, end in life["held"] if start <= now],
    }


def instant(hour: int | None) -> int:
    return FOREVER if hour is None else hour * HOUR


def whole(life: dict[str, Any], now: int, after: int = 0) -> Statement:
    """An export of the whole history, dated throughout."""
    said = known(life, now)
    return Statement(
        "k",
        now * HOUR + 1,
        str(now),
        after,
        ("c",) if said["spans"] else (),
        tuple(Span(instant(start), instant(end)) for start, end in said["spans"]),
        tuple(Assignment(who, team, instant(start), instant(end)) for who, team, start, end in said["held"]),
    )


def snapshot(life: dict[str, Any], now: int, after: int) -> Statement:
    """An export as most case systems give it: one row, with the first opening, the last closing, who has it now."""
    said = known(life, now)
    spans = (Span(instant(said["spans"][0][0]), instant(said["spans"][-1][1])),) if said["spans"] else ()
    held = tuple(Assignment(who, team, UNDATED) for who, team, _, end in said["held"] if end is None)
    return Statement("k", now * HOUR + 1, str(now), after, ("c",) if spans else (), spans, held)


hours = st.lists(st.integers(0, LAST), min_size=1, max_size=5, unique=True)


@settings(max_examples=250, deadline=None)
@given(lives(), hours, st.randoms())
def test_whole_exports_in_any_order_give_the_truth_as_of_the_last(
    life: dict[str, Any], at: list[int], rng: Any
) -> None:
    statements = [whole(life, now) for now in at]
    rng.shuffle(statements)
    case = model.case(statements)
    truth = known(life, max(at))
    assert case is not None
    assert [tuple(span) for span in case.spans] == [(instant(a), instant(b)) for a, b in truth["spans"]]
    assert {tuple(item) for item in case.assignments} == {
        (who, team, instant(start), instant(end)) for who, team, start, end in truth["held"] if start != end
    }


@settings(max_examples=250, deadline=None)
@given(lives(), hours)
def test_whoever_a_snapshot_named_while_the_case_was_open_was_justified_then(
    life: dict[str, Any], at: list[int]
) -> None:
    at.sort()
    before = [0, *(now * HOUR + 1 for now in at)]
    case = model.case(snapshot(life, now, after) for now, after in zip(at, before, strict=False))
    assert case is not None
    for now in at:
        said = known(life, now)
        if not said["spans"] or said["spans"][-1][1] is not None:
            continue
        for who, _, _, end in said["held"]:
            if end is None:
                person = Person(who, "", PEOPLE[who][0])
                verdict = judgement.by_case(case, person, now * HOUR + 1, People(), POLICY)
                assert verdict.justification == "justified", (now, who, case)


class Walk:
    """The reason of one person's access, found by walking through a life from hour to hour."""

    def __init__(self, life: dict[str, Any], who: str) -> None:
        self.life, self.who, self.team = life, who, PEOPLE[who][0]
        self.openings = [start for start, _ in life["spans"]]
        self.held = [item for item in life["held"] if item[2] != item[3]]

    def is_open(self, hour: int) -> bool:
        return any(start <= hour and (end is None or hour < end) for start, end in self.life["spans"])

    def holding(self, hour: int) -> list[tuple[str, str]]:
        return [(w, t) for w, t, start, end in self.held if start <= hour and (end is None or hour < end)]

    def last_holding(self, hour: int) -> list[tuple[str, str]]:
        return next((found for back in range(hour, -1, -1) if (found := self.holding(back))), [])

    def tie(self, holders: list[tuple[str, str]]) -> str:
        if any(w == self.who for w, _ in holders):
            return "assigned"
        if any(PEOPLE[w][1] == self.who for w, _ in holders):
            return "supervisor"
        return "team" if self.team and any(t == self.team for _, t in holders) else ""

    def reason(self, now: int) -> str:
        if self.is_open(now):
            return self.tie(self.holding(now)) or self.untied(now)
        ahead = next((hour for hour in range(now + 1, now + EARLY + 1) if self.is_open(hour)), None)
        was_open = any(start < now for start in self.openings)
        if ahead is not None and self.tie(self.soon(ahead, was_open=was_open)):
            return "reopened" if was_open else "before_opening"
        return self.closed(now) if was_open else "case_not_open_yet"

    def untied(self, now: int) -> str:
        starting = [(w, t) for w, t, start, _ in self.held if now < start <= now + TRANSFER]
        ending = [(w, t) for w, t, _, end in self.held if end is not None and now - TRANSFER < end <= now]
        if self.tie(starting + ending):
            return "transferred"
        again = any(start <= now for start in self.openings[1:])
        holders = self.last_holding(now) if again else self.holding(now)
        if again and not self.holding(now) and self.tie(holders):
            return "reopened"
        return "assigned_to_others" if holders else "not_assigned"

    def soon(self, ahead: int, *, was_open: bool) -> list[tuple[str, str]]:
        taken = [(w, t) for w, t, start, _ in self.held if ahead <= start <= ahead + TRANSFER]
        return taken + (self.last_holding(ahead) if was_open else self.holding(ahead))

    def closed(self, now: int) -> str:
        closed = next(hour for hour in range(now, -1, -1) if self.is_open(hour - 1))
        holders = self.last_holding(closed - 1)
        if self.tie(holders) == "supervisor" and now - closed < REVIEW:
            return "supervisor"
        if now - closed >= CALL_BACK:
            return "case_closed"
        return ("call_back" if self.tie(holders) else "case_closed") if holders else "not_assigned"


@settings(max_examples=250, deadline=None)
@given(lives())
def test_the_judgement_is_what_walking_through_the_hours_gives(life: dict[str, Any]) -> None:
    case = model.case([whole(life, LAST + 1)])
    assert case is not None
    for who, (team, _) in PEOPLE.items():
        for now in range(LAST + 1):
            verdict = judgement.by_case(case, Person(who, "", team), now * HOUR, People(), POLICY)
            assert verdict.reason == Walk(life, who).reason(now), (who, now)


def test_what_a_full_feed_lacks_is_over() -> None:
    said = Statement("k", 10, "1", 0, ("c",), (Span(5),), (Assignment("a", "", 5),))
    case = model.case([said, Statement("k", 20, "2", 10, removed=True)])
    assert case is not None
    assert (case.spans, case.assignments) == ((Span(5, 20),), (Assignment("a", "", 5, 20),))


def test_closed_without_a_time_is_closed_when_it_was_first_said() -> None:
    said = [
        Statement("k", at, str(at), at - 1, ("c",), (Span(5, end),)) for at, end in ((10, FOREVER), (20, -1), (30, -1))
    ]
    case = model.case(said)
    assert case is not None
    assert case.spans == (Span(5, 20),)


def test_between_two_snapshots_either_may_have_had_it_and_it_may_have_been_reopened() -> None:
    ends = {10: FOREVER, 20: 15, 30: FOREVER, 40: 35}  # when each was recorded, and the closing that it gives
    who = {10: "a", 20: "a", 30: "b", 40: "b"}
    case = model.case(
        Statement("k", at, str(at), at - 10, ("c",), (Span(5, end),), (Assignment(who[at], "", UNDATED),))
        for at, end in ends.items()
    )
    assert case is not None
    assert case.spans == (Span(5, 15), Span(20, 35))
    assert case.assignments == (Assignment("a", "", 0, 30), Assignment("b", "", 20))


def test_a_closing_is_corrected_and_a_reopening_taken_back() -> None:
    def spans(*said: tuple[int, int]) -> tuple[Span, ...]:
        case = model.case(Statement("k", at, str(at), at - 10, ("c",), (Span(5, end),)) for at, end in said)
        assert case is not None
        return case.spans

    assert spans((20, 15), (30, 12)) == (Span(5, 12),)
    assert spans((20, 15), (30, 18)) == (Span(5, 18),)  # before the feed that said otherwise
    assert spans((20, 15), (40, FOREVER), (50, 15)) == (Span(5, 15),)
    assert spans((20, 15), (40, FOREVER), (50, 25)) == (Span(5, 25),)
