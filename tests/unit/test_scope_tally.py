"""What of an access counts for which customer, how surely, and how it is hashed."""

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerwatch_cli.scope.documents import Hit
from innerwatch_cli.scope.question import Question
from innerwatch_cli.scope.tally import Tally
from innerwatch_cli.scope.writing import json_line

DAY = "2026-03-05"


def question(**changes: Any) -> Question:
    asked: dict[str, Any] = {"namespace": "test", "people": ("E1", "E2"), "start": 0, "end": 1}
    return Question(**asked | changes)


def hit(
    number: int,
    customers: Any = ("C-1",),
    employee: str | None = "E1",
    confidence: str = "certain",
    outcome: str | None = "success",
    time: str = f"{DAY}T09:00:00.000Z",
    **access: Any,
) -> dict[str, Any]:
    who: dict[str, Any] = {"resolution": {"method": "application", "confidence": confidence}}
    if employee:
        who |= {"id": employee, "as_of": 7}
    else:
        who |= {"status": "unknown"}
    named = {"customer": {"id": list(customers)}} if customers else {}
    document = {
        "@timestamp": time,
        "data_stream": {"dataset": "app.access"},
        "service": {"name": "console"},
        "user": {"name": "someone"},
        "event": {"action": "view", "ingested": f"{DAY}T10:00:00.000Z"} | ({"outcome": outcome} if outcome else {}),
        "employee": who,
        "access": {"fields": ["email"]} | named | access,
    }
    return {"_id": f"event-{number}", "_source": document}


def as_read(*hits: dict[str, Any]) -> list[Hit]:
    """Hits as a page has them."""
    return msgspec.convert(hits, list[Hit])


def tallied(*hits: dict[str, Any], **changes: Any) -> Tally:
    tally = Tally(question(**changes))
    tally.add(as_read(*hits))
    return tally


def strengths(tally: Tally) -> dict[str, str]:
    return {seen.id: seen.strength for seen in tally.seen()}


@pytest.mark.parametrize(
    ("changes", "strength"),
    [
        ({}, "certain"),
        ({"employee": "e1"}, "certain"),
        ({"confidence": "asserted"}, "probable"),
        ({"confidence": "guessed"}, "probable"),
        ({"outcome": "unknown"}, "probable"),
        ({"outcome": None}, "probable"),
        ({"employee": None, "confidence": "none"}, "possible"),
        ({"employee": "E9", "confidence": "guessed"}, "possible"),
    ],
)
def test_how_sure_an_access_is(changes: dict[str, Any], strength: str) -> None:
    assert strengths(tallied(hit(1, **changes))) == {"C-1": strength}


def test_a_customer_is_as_sure_as_the_surest_access_and_possible_ones_then_add_nothing() -> None:
    earlier = f"{DAY}T08:00:00.000Z"
    tally = tallied(hit(1), hit(2, employee=None, time=earlier), hit(3, confidence="asserted", fields=["phone"]))
    (seen,) = tally.seen()
    assert (seen.strength, seen.accesses, seen.first) == ("certain", 2, seen.last)
    assert seen.fields == {"email": 1, "phone": 1}
    assert seen.people == {"E1": 2}


def test_ids_that_differ_in_case_are_one_customer_however_the_events_come() -> None:
    hits = [hit(1, ["c-1"]), hit(2, ["C-1"])]
    assert strengths(tallied(*hits)) == strengths(tallied(*reversed(hits))) == {"C-1": "certain"}


def test_where_the_fields_are_asked_for_and_not_logged_the_access_is_possible() -> None:
    assert strengths(tallied(hit(1, fields=[]), hit(2, ["C-2"]), fields=("email",))) == {
        "C-2": "certain",
        "C-1": "possible",
    }


def test_each_customer_of_an_unjustified_access_is_judged_for_themselves() -> None:
    judged: dict[str, Any] = {"justification": "unjustified", "unjustified": {"customer": {"id": ["C-1"], "total": 1}}}
    tally = tallied(hit(1, ["C-1", "C-2"], **judged), hit(2, ["C-3"], justification="justified"), hit(3, ["C-4"]))
    assert {seen.id: list(seen.counted("justification")) for seen in tally.seen()} == {
        "C-1": ["unjustified"],
        "C-2": ["unknown"],
        "C-3": ["justified"],
        "C-4": [""],
    }


def test_accesses_without_customers_are_counted_by_their_records() -> None:
    tally = tallied(hit(1, (), records=500), hit(2, (), records=0), hit(3, ()), hit(4, (), records=20))
    (quantity,) = tally.silences.values()
    assert (quantity.events, quantity.records, quantity.uncounted) == (3, 520, 1)
    harmless = tallied(hit(1, (), records=500), harmless=("Console",))
    assert (harmless.harmless, len(harmless.silences)) == (1, 0)


HOSTILE = ["=1+1", "</script><script>alert(1)</script>", "\u202eC-1", "a\nb", "\ud800", "x" * 9000, "'; --", "İ"]


@given(st.lists(st.text(min_size=1) | st.sampled_from(HOSTILE), min_size=1, max_size=8), st.randoms())
def test_any_ids_in_any_order_give_the_same_customers_and_hash(ids: list[str], chance: random.Random) -> None:
    hits = [hit(number, [identity]) for number, identity in enumerate(ids)]
    first = tallied(*hits)
    chance.shuffle(hits)
    second = tallied(*hits)
    assert first.evidence() == second.evidence()
    lines = [json_line(seen) for seen in first.seen()]
    assert lines == [json_line(seen) for seen in second.seen()]
    assert len(lines) == len({identity.lower() for identity in ids})
    assert all(line.isascii() and line.count(b"\n") == 1 for line in lines)


@pytest.mark.parametrize(
    "change",
    [
        {"customers": ["C-2"]},
        {"employee": "E2"},
        {"confidence": "asserted"},
        {"outcome": "unknown"},
        {"fields": ["phone"]},
        {"records": 3},
        {"justification": "unjustified"},
        {"time": f"{DAY}T09:00:00.001Z"},
        {"number": 9},
    ],
)
def test_whatever_the_numbers_rest_on_changes_the_hash(change: dict[str, Any]) -> None:
    before = tallied(hit(1), hit(2)).evidence()
    after = tallied(hit(**{"number": 1} | change), hit(2)).evidence()
    assert before["sha256"] != after["sha256"]
    assert before["days"][DAY]["sha256"] != after["days"][DAY]["sha256"]


def test_the_hash_is_the_documented_one_and_does_not_follow_the_slices() -> None:
    """Written out, so that a change of the definition is seen: old reports could not be verified any more."""
    hits = [hit(number, time=f"2026-03-0{day}T09:00:0{number}.000Z") for day in (5, 6) for number in range(4)]
    whole, sliced = Tally(question()), Tally(question())
    whole.add(as_read(*hits[:4]))
    whole.add(as_read(*hits[4:]))
    for start in range(0, 8, 2):
        sliced.add(as_read(*hits[start : start + 2]))
    assert whole.evidence() == sliced.evidence()
    assert whole.evidence()["days"][DAY]["events"] == 4
    assert whole.evidence()["sha256"] == "c06c869e8ff2e382c2a489741dd13bd7a2f195f744b56f08433c5be0d6ba9a8b"
