"""What the case system has said of a case, and what that amounts to: when it was open, and who had it when.

A statement is what one feed said of one case; it is kept as it was said. A case is all its statements, laid over each
other in the order in which they were recorded, so that a feed that arrives late falls into its place.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from innerwatch.values import FOREVER

UNDATED = -1  # an instant that the feed does not give: the start of what holds now, the end of what is over by now


class Span(NamedTuple):
    start: int
    end: int = FOREVER  # not included


class Assignment(NamedTuple):
    """Who had a case: a person, written as the case system writes them, or a team, or a person of a team."""

    assignee: str  # lower case: an employee id, a mail address or a login name; empty: only the team is known
    team: str  # lower case
    start: int
    end: int = FOREVER  # not included


class Statement(NamedTuple):
    """What one feed said of one case. Ids are in lower case, as they are compared."""

    case_id: str
    recorded_at: int
    digest: str  # of the feed
    after: int  # when the feed before it was recorded: what is new here came about since then
    customers: tuple[str, ...] = ()
    spans: tuple[Span, ...] = ()
    assignments: tuple[Assignment, ...] = ()
    removed: bool = False  # a complete feed lacked it


@dataclass(frozen=True, slots=True)
class Case:
    id: str
    customers: frozenset[str]
    spans: tuple[Span, ...]  # in order, apart from each other; more than one if it was reopened
    assignments: tuple[Assignment, ...]  # in order of their start
    held: Mapping[str, tuple[Span, ...]]  # by assignee, when they had it while it was open

    @property
    def opened(self) -> int:
        return self.spans[0].start if self.spans else FOREVER


def in_order(statements: Iterable[Statement]) -> list[Statement]:
    return sorted(statements, key=lambda item: (item.recorded_at, item.digest))


def case(statements: Iterable[Statement]) -> Case | None:
    """The case that statements make; None for no statement."""
    known = in_order(statements)
    if not known:
        return None
    customers: set[str] = set()
    pieces: dict[int, list[Span]] = {}
    held: dict[tuple[str, str, int], int] = {}
    for said in known:
        customers.update(said.customers)
        for span in said.spans:
            _open(pieces.setdefault(span.start, []), span, said)
        _assign(held, said)
        if said.removed:
            _remove(pieces, held, said.recorded_at)
    spans = _joined(span for items in pieces.values() for span in items)
    assignments = sorted(Assignment(*key, end) for key, end in held.items() if key[2] < end)
    assignments.sort(key=lambda item: (item.start, item.end))
    return Case(known[0].case_id, frozenset(customers), spans, tuple(assignments), _while_open(spans, assignments))


def _while_open(spans: Iterable[Span], assignments: Iterable[Assignment]) -> dict[str, tuple[Span, ...]]:
    found: dict[str, tuple[Span, ...]] = {}
    for item in assignments:
        for span in spans if item.assignee else ():
            both = Span(max(item.start, span.start), min(item.end, span.end))
            if both.start < both.end:
                found[item.assignee] = (*found.get(item.assignee, ()), both)
    return found


def _open(pieces: list[Span], span: Span, said: Statement) -> None:
    """Takes what is said of one opening. A case that was closed and is open later was reopened since the last feed."""
    if span.end == UNDATED:
        known = pieces[-1].end if pieces else FOREVER
        span = span._replace(end=max(span.start, said.recorded_at) if known == FOREVER else known)
    if not pieces:
        pieces.append(span)
        return
    while len(pieces) > 1 and span.end <= pieces[-1].start:  # it was not reopened then
        pieces.pop()
    last = pieces[-1]
    if span.end > last.end:
        reopened = said.after if last.end < said.after < span.end else last.end  # else its closing is corrected
        pieces.append(Span(reopened, span.end))
    else:
        pieces[-1] = last._replace(end=span.end)


def _assign(held: dict[tuple[str, str, int], int], said: Statement) -> None:
    """Takes who has the case. What was without an end, and is not said again, ends when somebody else's begins."""
    if not said.assignments:
        return
    dated = {item[:3]: item.end for item in said.assignments if item.start != UNDATED}
    now = {(item.assignee, item.team) for item in said.assignments if item.start == UNDATED}
    first = not held
    for key in [key for key, end in held.items() if end == FOREVER and key not in dated and key[:2] not in now]:
        later = [start for _, _, start in dated if start > key[2]] + [said.recorded_at] * bool(now)
        if later:
            held[key] = min(later)
    held.update(dated)
    still = {key[:2] for key, end in held.items() if end == FOREVER}
    for assignee, team in sorted(now - still):
        held[assignee, team, 0 if first else said.after] = FOREVER


def _remove(pieces: dict[int, list[Span]], held: dict[tuple[str, str, int], int], at: int) -> None:
    for spans in pieces.values():
        if spans[-1].end == FOREVER and spans[-1].start < at:
            spans[-1] = spans[-1]._replace(end=at)
    for key, end in held.items():
        if end == FOREVER and key[2] < at:
            held[key] = at


def _joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    found: list[Span] = []
    for span in sorted(item for item in spans if item.start < item.end):
        if found and span.start <= found[-1].end:
            found[-1] = found[-1]._replace(end=max(found[-1].end, span.end))
        else:
            found.append(span)
    return tuple(found)
