"""Person-days out of documents: against a naive count, and merged in any order."""

import random
from heapq import merge
from operator import itemgetter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from innerwatch import instants
from innerwatch.behaviour.collect import Collector, PersonDay, collect, day_number, network, without_versions
from innerwatch.values import Employee, Fact

NOON = instants.from_rfc3339("2026-03-10T12:00:00Z")
HOUR = 3_600_000


def access(
    person: str = "E1",
    time: int = NOON,
    *,
    action: str = "view",
    customers: Any = ("C-1",),
    case: str = "",
    justification: str = "",
    on_shift: bool | None = True,
    outcome: str = "success",
    confidence: str = "certain",
    **more: Any,
) -> dict[str, Any]:
    shown: dict[str, Any] = {"records": len(customers), "customer": {"id": list(customers)}} if customers else {}
    if case:
        shown["case"] = {"id": case}
    if justification:
        shown["justification"] = justification
    employee: dict[str, Any] = {"id": person, "role": "Agent", "resolution": {"confidence": confidence}}
    if on_shift is not None:
        employee["on_shift"] = on_shift
    return {
        "@timestamp": instants.iso(time),
        "event": {"action": action, "outcome": outcome},
        "service": {"name": "console"},
        "source": {"ip": "198.51.100.10"},
        "access": {**shown, **more},
        "employee": employee,
    }


def trail(action: str = "GetObject", role: str = "", **more: Any) -> dict[str, Any]:
    document = access(customers=())
    del document["access"], document["service"]
    document["event"].update(action=action, provider="s3.amazonaws.com")
    cloudtrail: dict[str, Any] = {
        "read_only": action.startswith("Get"),
        "flattened": {
            "request_parameters": {"bucketName": "customers"},
            "additional_eventdata": {"bytesTransferredOut": 1000},
        },
        **more,
    }
    if role:
        cloudtrail["user_identity"] = {"session_context": {"session_issuer": {"user_name": role}}}
    document["aws"] = {"cloudtrail": cloudtrail}
    return document


def one(*documents: dict[str, Any]) -> PersonDay:
    (day,) = collect(documents)
    return day


class Manila:
    """A directory in which everybody works at night in Manila."""

    def state(self, employee_id: str, time: int) -> Fact | None:
        return Fact(Employee(employee_id, time_zone="Asia/Manila"), 0, time * 0)


def test_a_day_is_the_persons_own() -> None:
    night = instants.from_rfc3339("2026-03-10T22:00:00Z")
    (day,) = collect([access(time=night)], Manila())
    assert day.date == "2026-03-11"
    assert instants.iso(day.end) == "2026-03-11T16:00:00.000Z"
    assert one(access(time=night)).date == "2026-03-10"


def test_nobody_and_a_name_that_the_caller_chose_count_for_no_one() -> None:
    stranger = access()
    del stranger["employee"]["id"]
    assert collect([stranger, access(confidence="guessed")]) == []


def test_a_search_before_its_case_is_no_look_up_without_one() -> None:
    day = one(access(action="search"), access(case="K-1"), access(customers=("C-2",)))
    assert day.values["without_case"] == 1
    assert day.asked == ("C-2",)


def test_a_list_looks_nobody_up() -> None:
    assert one(access(customers=("C-1", "C-2"))).values["without_case"] == 0


def test_without_data_of_the_case_system_nothing_is_said_of_justification() -> None:
    assert "unjustified" not in one(access()).values
    day = one(access(justification="unjustified"), access(customers=("C-2",), justification="justified"))
    assert day.values["unjustified"] == 1
    assert "unjustified_share" not in day.values  # of two customers a share says nothing
    assert day.asked == ("C-1",)


def test_the_share_is_of_the_customers_judged() -> None:
    judged = [access(customers=(f"C-{n}",), justification="justified" if n else "unjustified") for n in range(10)]
    assert one(*judged).values["unjustified_share"] == 0.1


def test_shift_from_the_events() -> None:
    assert one(access(on_shift=True), access(on_shift=False)).kind == "shift"
    assert one(access(on_shift=False)).kind == "off"
    assert one(access(on_shift=None)).kind == ""
    assert "off_shift" not in one(access(on_shift=None)).values


def test_exports_and_what_is_sent() -> None:
    export = access(action="export", customers=("C-1", "C-2"), bytes=500)
    day = one(export, access(action="send", bytes=100), access(action="send", case="K", customers=("C-9",)))
    assert (day.values["exports"], day.values["records_exported"], day.values["bytes_exported"]) == (1, 2, 600)
    assert day.values["sent_without_case"] == 1


def test_a_refused_access_shows_nothing_and_is_denied() -> None:
    day = one(access(outcome="failure"), access(action="login", outcome="failure"))
    assert (day.values["customers"], day.values["denied"], day.values["events"]) == (0, 1, 2)


def test_objects_and_bytes_of_s3() -> None:
    day = one(trail(), trail(), trail("PutObject"))
    assert (day.values["objects_read"], day.values["bytes_read"], day.values["changes"]) == (2, 2000, 1)
    assert day.values["buckets"] == 1


def test_a_mistake_is_no_denial() -> None:
    missing, denied = trail(error_code="NoSuchKey"), trail(error_code="AccessDenied")
    for document in (missing, denied):
        document["event"]["outcome"] = "failure"
    assert one(missing, denied).values["denied"] == 1


def test_approved_work_in_bulk_counts_apart() -> None:
    day = one(trail(role="Migration-Runner"), trail(role="Developer"))
    assert (day.values["objects_read"], day.bulk_role_events) == (1, 1)


def test_networks_and_versions() -> None:
    assert network("198.51.100.77") == "198.51.100.0/24"
    assert network("2001:db8:1:2::5") == "2001:db8:1::/48"
    assert network("console.example.com") == "console.example.com"
    assert without_versions("aws-cli/2.31.18 os/linux#6.8.0") == without_versions("aws-cli/2.32.0 os/linux#6.9.1")


EVENTS = st.builds(
    lambda person, hours, action, customers, case, on_shift, outcome: access(
        person, NOON + hours * HOUR, action=action, customers=customers, case=case, on_shift=on_shift, outcome=outcome
    ),
    st.sampled_from(("E1", "E2")),
    st.integers(0, 60),
    st.sampled_from(("view", "export", "send")),
    st.lists(st.sampled_from(("C-1", "C-2", "C-3")), unique=True, max_size=3),
    st.sampled_from(("", "K-1")),
    st.sampled_from((True, False, None)),
    st.sampled_from(("success", "failure")),
)


@settings(max_examples=60)
@given(st.lists(EVENTS, max_size=40), st.integers(0, 40), st.randoms())
def test_parts_in_any_order_add_up(events: list[dict[str, Any]], cut: int, order: random.Random) -> None:
    shuffled = list(events)
    order.shuffle(shuffled)
    collector = Collector()
    for event in shuffled[:cut]:
        collector.add(event)
    early = list(collector.parts())
    assert len(collector) == 0
    for event in shuffled[cut:]:
        collector.add(event)
    assert list(collector.finished(merge(early, collector.parts(), key=itemgetter(0)))) == collect(events)


@settings(max_examples=60)
@given(st.lists(EVENTS, max_size=40), st.integers(0, 3))
def test_days_that_are_complete_can_be_taken_while_others_go_on(events: list[dict[str, Any]], days: int) -> None:
    collector, late = Collector(), []
    limit = day_number(events[0]["@timestamp"][:10]) + days if events else 0
    for event in events:
        if day_number(event["@timestamp"][:10]) < limit:
            collector.add(event)
        else:
            late.append(event)
    for event in late[: len(late) // 2]:
        collector.add(event)
    taken = collector.take(limit)
    for event in late[len(late) // 2 :]:
        collector.add(event)
    assert [*taken, *collector.take()] == collect(events)


@settings(max_examples=60)
@given(st.lists(EVENTS, max_size=40))
def test_as_a_naive_count_has_it(events: list[dict[str, Any]]) -> None:
    for day in collect(events):
        mine = [e for e in events if e["employee"]["id"] == day.id and e["@timestamp"][:10] == day.date]
        good = [e for e in mine if e["event"]["outcome"] == "success"]
        assert day.values["events"] == len(mine)
        assert day.values["denied"] == len(mine) - len(good)
        shown = {c for e in good for c in e["access"].get("customer", {"id": ()})["id"]}
        assert day.values["customers"] == len(shown)
        assert day.values["exports"] == sum(e["event"]["action"] == "export" for e in good)
        assert day.values["records"] == sum(e["access"].get("records", 0) for e in good)
