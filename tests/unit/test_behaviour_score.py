"""Scores and risk: who stands out, who only looks like it, and nothing that knows the future."""

import math
import random
import statistics
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from innerwatch.behaviour import risk
from innerwatch.behaviour.collect import PersonDay
from innerwatch.behaviour.measures import MEASURES, NAMES
from innerwatch.behaviour.score import Scorer, document_id, from_document, judge
from innerwatch.directory.employment import DAY

FIRST = 20_515  # Monday, 2 March 2026
Document = dict[str, Any]


def person_day(person: str, day: int, values: dict[str, float] | None = None, **more: Any) -> PersonDay:
    job = {"role": "Agent", "department": "Support", "team": "One", **more.pop("employee", {})}
    return PersonDay(
        employee={"id": person, **job},
        day=FIRST + day,
        end=(FIRST + day + 1) * DAY,
        kind=more.pop("kind", "shift"),
        values={"events": 50.0, "customers": 30.0, "off_shift": 0.0, **(values or {})},
        seen=more.pop("seen", {"services": ("console",), "actions": ("console:view",)}),
        **more,
    )


def company(
    days: int,
    change: Callable[[str, int, random.Random], dict[str, Any]] = lambda _person, _day, _rng: {},
    people: int = 9,
) -> list[Document]:
    """The documents of a team over working days; `change` is what of a person's day is not as usual."""
    found = []
    for day in (day for day in range(days) if day % 7 < 5):
        for number in range(people):
            rng = random.Random(1000 * day + number)
            person = f"E{number}"
            usual = {"customers": round(rng.gauss(30, 5)), "without_case": rng.choice((0, 0, 1)), "events": 50}
            changed = change(person, day, rng)
            values = {**usual, **changed.pop("values", {})}
            found.append(person_day(person, day, values, **changed))
    return list(judge(found))


def highest(documents: Iterable[Document], person: str, since: int = 0) -> float:
    scores = [d["behaviour"]["score"] for d in documents if d["employee"]["id"] == person and day_of(d) >= since]
    assert scores
    return float(max(scores))


def day_of(document: Document) -> int:
    return from_document(document).day - FIRST


def of(documents: Iterable[Document], person: str, day: int) -> Document:
    (found,) = [d for d in documents if d["employee"]["id"] == person and day_of(d) == day]
    return found


# --- who stands out


def test_twenty_customers_without_a_case_stand_out() -> None:
    documents = company(
        25, lambda person, day, _: {"values": {"without_case": 20}} if (person, day) == ("E3", 24) else {}
    )
    document = of(documents, "E3", 24)
    assert document["behaviour"]["without_case"]["score"] > 80
    assert document["behaviour"]["unusual"][0] == "without_case"
    assert document["behaviour"]["reason"].startswith("without_case 20 (usual: own 0, peers 0)")
    assert document["behaviour"]["without_case"]["own"]["days"] >= 15
    assert document["behaviour"]["without_case"]["peers"]["people"] == 8
    assert all(highest(documents, f"E{number}", 7) < 50 for number in range(9) if number != 3)


def test_two_who_share_customers_without_a_reason_stand_out() -> None:
    def change(person: str, day: int, rng: random.Random) -> dict[str, Any]:
        own = [f"C-{rng.randrange(5000)}"]
        shared = [f"S-{number}" for number in range(4)] if (person, day) in {("E1", 22), ("E2", 23)} else []
        return {"asked": tuple(own + shared)}

    documents = company(25, change)
    assert of(documents, "E2", 23)["behaviour"]["shared_customers"]["value"] == 4
    assert of(documents, "E2", 23)["behaviour"]["shared_customers"]["score"] > 50
    assert of(documents, "E1", 22)["behaviour"]["shared_customers"]["value"] == 0  # the other had not yet
    assert of(documents, "E3", 23)["behaviour"]["shared_customers"]["value"] == 0


def test_a_scheme_does_not_teach_its_own_baseline() -> None:
    documents = company(
        28, lambda person, day, _: {"values": {"without_case": 15}} if person == "E3" and day > 20 else {}
    )
    assert all(of(documents, "E3", day)["behaviour"]["without_case"]["score"] > 70 for day in range(21, 26))


def test_what_a_job_seldom_sees() -> None:
    def change(person: str, day: int, _: random.Random) -> dict[str, Any]:
        seen = {"name": 30, "iban": 12} if (person, day) == ("E3", 24) else {"name": 30}
        return {"fields": seen}

    documents = company(25, change)
    assert of(documents, "E3", 24)["behaviour"]["rare_fields"] == {
        **of(documents, "E3", 24)["behaviour"]["rare_fields"],
        "value": 12.0,
    }
    assert of(documents, "E3", 24)["behaviour"]["rare_fields"]["score"] > 50
    assert "rare_fields" not in of(documents, "E3", 0)["behaviour"]  # nobody knows yet what is seldom


# --- who only looks like it


def test_a_supervisor_does_not_stand_out() -> None:
    """Opens many of the team's cases every day, none of them assigned to the supervisor."""
    lead = {"employee": {"role": "Supervisor"}}
    documents = company(
        28, lambda person, _, rng: {**lead, "values": {"unjustified": 18 + rng.randrange(8)}} if person == "E0" else {}
    )
    assert highest(documents, "E0") < 50


def test_a_busy_day_does_not_stand_out() -> None:
    """The whole desk looks up twice the customers, some without a case."""
    busy = {"values": {"customers": 70, "without_case": 6, "events": 130}}
    documents = company(25, lambda _person, day, _rng: {"values": dict(busy["values"])} if day == 21 else {})
    assert max(d["behaviour"]["score"] for d in documents if day_of(d) == 21) < 50


def test_a_migration_does_not_stand_out() -> None:
    """Thousands of objects in a role for work in bulk are counted apart; what is left of the day is a usual one."""
    documents = company(25, lambda person, day, _: {"bulk_role_events": 6000} if (person, day) == ("E3", 21) else {})
    assert of(documents, "E3", 21)["behaviour"]["bulk_role_events"] == 6000
    assert highest(documents, "E3", 21) < 50


def test_a_night_on_call_does_not_stand_out() -> None:
    """Some twenty events at night, in hours in which the person had never worked."""
    night = {"values": {"off_shift": 22, "events": 70}, "seen": {"services": ("console",), "hours": ("23", "00")}}
    documents = company(25, lambda person, day, _: dict(night) if (person, day) == ("E3", 22) else {})
    assert 0 < highest(documents, "E3", 22) < 50


def test_a_new_hire_does_not_stand_out() -> None:
    """Sees more without a case than colleagues, and uses everything for the first time."""
    found = []
    for day in (day for day in range(28) if day % 7 < 5):
        found += [person_day(f"E{number}", day, {"without_case": 0}) for number in range(8)]
        if day >= 14:
            values = {"without_case": 3.0, "customers": 40.0}
            found.append(person_day("E8", day, values, employee={"tenure_days": day - 14}))
    documents = list(judge(found))
    assert highest(documents, "E8") < 50
    basis = of(documents, "E8", 14)["behaviour"]["day"]["basis"]
    assert "cold start" in basis
    assert "new hire" in basis


def test_another_job_is_judged_by_its_own_days_and_people() -> None:
    """From the desk to the analysts: other systems and other numbers from one day to the next."""
    found = []
    for day in (day for day in range(35) if day % 7 < 5):
        for number in range(14):
            analyst = number >= 7 or (number == 0 and day >= 21)
            job = {"role": "Analyst", "department": "Data", "team": "A"} if analyst else {}
            values = {"customers": 300.0, "records": 9000.0} if analyst else {"customers": 30.0, "records": 60.0}
            used = (
                {"services": ("warehouse",), "actions": ("warehouse:query",)} if analyst else {"services": ("console",)}
            )
            found.append(person_day(f"E{number}", day, values, employee=job, seen=used))
    documents = list(judge(found))
    assert highest(documents, "E0", 21) < 50
    assert "new job or team" in of(documents, "E0", 21)["behaviour"]["day"]["basis"]
    assert of(documents, "E0", 21)["behaviour"]["new_services"]["value"] == 0  # what the job uses is no news
    assert of(documents, "E0", 32)["behaviour"]["records"]["own"]["median"] == 9000


def test_absence_and_few_days_a_week_are_said() -> None:
    days = [0, 7, 14, 21, 28, 35]
    documents = list(judge([person_day("E0", day) for day in days] + [person_day("E0", 55)]))
    assert "back after 20 days" in documents[-1]["behaviour"]["day"]["basis"]
    assert "works few days a week" in documents[-1]["behaviour"]["day"]["basis"]


def test_too_few_peers_are_widened_to_the_role_and_then_to_their_usual_days() -> None:
    found = [
        person_day(f"E{number}", day, employee={"team": f"T{number}"})
        for day in range(12) for number in range(8) if day < 11 or number == 0
    ]  # fmt: skip
    documents = list(judge(found))
    assert of(documents, "E0", 10)["behaviour"]["customers"]["peers"]["group"] == "role, department; that day"
    alone = of(documents, "E0", 11)["behaviour"]["customers"]["peers"]
    assert (alone["group"], alone["people"]) == ("role, department; their usual days", 7)


# --- the contract


VALUES = st.dictionaries(st.sampled_from(("customers", "without_case", "exports", "bytes_read")), st.integers(0, 10**6))
DAYS = st.dictionaries(st.tuples(st.integers(0, 20), st.integers(0, 7)), VALUES, max_size=120)


@settings(max_examples=25, deadline=None)
@given(DAYS)
def test_as_plain_statistics_have_it(drawn: dict[tuple[int, int], dict[str, int]]) -> None:
    """Own days and peers, each without what does not count, by the plainest code."""
    days = [person_day(f"E{who}", day, dict(drawn[day, who])) for day, who in sorted(drawn)]
    for document in judge(days):
        today, person = day_of(document), document["employee"]["id"]
        for measure in MEASURES:
            part = document["behaviour"].get(measure.name)
            if (
                part is None
                or not part["value"]
                or measure.name not in ("customers", "without_case", "exports", "bytes_read")
            ):
                continue
            shown = {
                (from_document(other).day - FIRST, other["employee"]["id"]): other
                for other in judge([day for day in days if day.day - FIRST <= today])
            }
            own = [
                o["behaviour"][measure.name]["value"]
                for (day, who), o in sorted(shown.items(), key=lambda item: item[0][0])
                if who == person and day < today and measure.name in o["behaviour"]
                and not (o["behaviour"][measure.name].get("score", 0) >= 50 and day > today - 14)
            ]  # fmt: skip
            peers = [
                d.values[measure.name]
                for d in days
                if d.day - FIRST == today and d.id != person and measure.name in d.values
            ]
            assert ("own" in part) == (len(own) >= 5)
            assert ("peers" in part and part["peers"]["group"].endswith("that day")) == (len(peers) >= 5)
            log = measure.scale == "log"
            for who, values in (("own", own), ("peers", peers)):
                if who in part and (who == "own" or part[who]["group"].endswith("that day")):
                    compared = [math.log(value + measure.floor) if log else value for value in values]
                    middle = statistics.median(compared)
                    expected = math.exp(middle) - measure.floor if log else middle
                    assert part[who]["median"] == pytest.approx(expected, rel=1e-3, abs=0.01)
                    mad = statistics.median(abs(value - middle) for value in compared)
                    assert part[who]["mad"] == pytest.approx(mad, rel=1e-5, abs=1e-5)


def test_the_future_changes_nothing() -> None:
    def change(person: str, day: int, rng: random.Random) -> dict[str, Any]:
        return {"values": {"without_case": rng.randrange(12)}, "asked": (f"C-{rng.randrange(30)}",)}

    short, long = company(18, change), company(30, change)
    assert short == long[: len(short)]


def test_from_documents_as_from_memory() -> None:
    """History read back from the documents gives the same as going on: what the store holds is all that is needed."""

    def day(number: int, at: int) -> PersonDay:
        rng = random.Random(100 * at + number)
        return person_day(
            f"E{number}", at, {"without_case": float(rng.randrange(9)), "bytes_read": rng.random() * 1e8},
            asked=(f"C-{rng.randrange(30)}",), fields={"name": 30, "iban": rng.randrange(2)},
            seen={"services": ("console", f"s{rng.randrange(9)}"), "hours": (f"{rng.randrange(24):02d}",)},
        )  # fmt: skip

    scorer = Scorer()
    documents: list[Document] = []
    for at in range(45):
        documents += scorer.judge([day(number, at) for number in range(8)])
    for start in (1, 7, 31, 44):
        past = [from_document(document) for document in documents if day_of(document) < start]
        again = list(Scorer(history=past).judge([day(number, start) for number in range(8)]))
        assert again == [document for document in documents if day_of(document) == start]


def test_ids_are_of_person_and_date() -> None:
    assert document_id("E1", FIRST) == document_id("E1", FIRST)
    assert len({document_id("E1", FIRST), document_id("E2", FIRST), document_id("E1", FIRST + 1)}) == 3


def test_days_of_two_dates_are_refused() -> None:
    with pytest.raises(ValueError, match="one date"):
        list(Scorer().judge([person_day("E0", 0), person_day("E0", 1)]))


def test_every_measure_has_a_name_of_its_own() -> None:
    assert len(set(NAMES)) == len(MEASURES)


# --- risk

NOON = 1_772_000_000_000


def alert(level: str, age_days: float = 0, dataset: str = "app.access", person: str = "E0") -> risk.Alert:
    return risk.Alert(
        f"a-{level}-{age_days}", NOON - int(age_days * risk.DAY), f"Rule {level}", level, dataset, (person,)
    )


def test_risk_fades_by_half_in_the_half_life() -> None:
    new = risk.assess([risk.of_alert(alert("high"))], NOON)
    old = risk.assess([risk.of_alert(alert("high", 14))], NOON)
    assert new.points == 25
    assert old.points == pytest.approx(12.5)
    assert risk.assess([risk.of_alert(alert("high", 91))], NOON).points == 0


def test_risk_is_the_sum_of_what_it_lists() -> None:
    contributions = [risk.of_alert(alert("low", age)) for age in range(40)]
    found = risk.assess(contributions, NOON)
    explained = risk.explained(found)
    assert sum(item["points"] for item in explained) == pytest.approx(found.points, abs=0.01)
    assert explained[-1]["kind"] == "rest"
    assert explained[0] == {**explained[0], "kind": "alert", "name": "Rule low", "points": 2.0}


def test_what_comes_later_is_no_risk_yet() -> None:
    assert risk.assess([risk.of_alert(alert("critical", -1))], NOON).points == 0


def test_alerts_on_behaviour_do_not_count_twice() -> None:
    days = [person_day("E0", day) for day in range(3)]
    end = days[-1].end
    both = [
        risk.Alert("a", end - 1000, "One", "high", "app.access", ("E0",)),
        risk.Alert("b", end - 1000, "Two", "high", "innerwatch.behaviour", ("E0",)),
    ]
    last = list(judge(days, alerts=both))[-1]
    assert last["user"]["risk"]["calculated_score"] == pytest.approx(25, abs=0.01)
    assert [item["id"] for item in last["behaviour"]["risk"]["contributions"]] == ["a"]


def test_unusual_days_add_up_to_a_risk() -> None:
    documents = company(
        28, lambda person, day, _: {"values": {"without_case": 25}} if person == "E3" and day > 20 else {}
    )
    norms = [of(documents, "E3", day)["user"]["risk"]["calculated_score_norm"] for day in range(21, 26)]
    assert norms == sorted(norms)
    assert norms[-1] > 30
    contributions = of(documents, "E3", 25)["behaviour"]["risk"]["contributions"]
    assert {item["name"] for item in contributions} >= {"without_case"}
    assert of(documents, "E4", 25)["user"]["risk"]["calculated_score_norm"] < 15
