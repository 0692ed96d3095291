"""Whom a request is about, and what is left of a document that somebody is taken out of."""

import copy
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerwatch.directory import dynamo
from innerwatch.justification import store as cases
from innerwatch.pseudonyms import Identity
from innerwatch_cli.rights.documents import ERASED, redacted
from innerwatch_cli.rights.people import Person, person
from innerwatch_cli.rights.register import Entry, Hold, hashed, unreleased
from innerwatch_cli.rights.retention import policy, rollover_days

ANA = Person("E-17", "E-17", (), ("ana novak", "ana", "ana@example.com", "1234", "ana.novak"))


def test_a_name_that_somebody_else_has_too_is_not_taken_for_theirs() -> None:
    identities = [
        Identity("E-1", ("employee:E-1", "username:Ana", "name:Ana Novak", "email:ana@example.com"), 0),
        Identity("E-1", ("iam_user:123456789012:user/support/ana.novak", "username:shared"), 5),
        Identity("E-2", ("employee:E-2", "username:SHARED", "name:Ana Novak"), 0),
    ]
    found = person("E-1", lambda: identities)
    assert found == Person("E-1", "E-1", *[("ana", "ana.novak", "ana@example.com")] * 2)
    assert person("E-1") == Person("E-1", "E-1")


def test_documents_may_have_another_id_than_the_directory() -> None:
    identities = [Identity("E-1", ("employee:E-1", "username:ana"), 0)]
    found = person("E-1", lambda: identities, lambda text: f"p-{len(text)}{text[0].lower()}")
    assert found == Person("E-1", "p-3e", ("ana",), ("p-3a",))


def test_a_mention_is_taken_out_and_all_else_stays() -> None:
    document: dict[str, Any] = {
        "@timestamp": "2026-03-01T10:00:00.000Z",
        "event": {
            "original": '{"userName":"ana.novak","by":"cem","note":"E-17, and Ana Novak; not E-170, xana.novakx"}'
        },
        "employee": {"id": "E-2", "name": "Cem", "manager": {"id": "e-17"}},
        "related": {"user": ["cem", "ANA", "AROA1:ana.novak"], "ip": ["192.0.2.1"]},
        "user": {"name": "cem", "target": {"name": "ana"}},
        "log": {"file": {"path": "s3://logs/ana.novak/1.gz"}, "offset": 1234},
        "aws": {"arn": ["arn:aws:iam::123456789012:user/ana.novak", 7, None, True]},
        "innerwatch": {"alert": {"employee": {"id": ["E-17", "E-2"]}, "group": {"values": ["E-17", "C-1"]}}},
        "text": "1234 is a number, ana is short",
    }
    before = copy.deepcopy(document)
    found = redacted(document, ANA)
    assert document == before, "what was given is not changed"
    assert found == before | {
        "event": {
            "original": f'{{"userName":"{ERASED}","by":"cem","note":"{ERASED}, and {ERASED}; not E-170, xana.novakx"}}'
        },
        "employee": {"id": "E-2", "name": "Cem", "manager": {}},
        "related": {"user": ["cem", f"AROA1:{ERASED}"], "ip": ["192.0.2.1"]},
        "user": {"name": "cem", "target": {"name": ERASED}},
        "aws": {"arn": [f"arn:aws:iam::123456789012:user/{ERASED}", 7, None, True]},
        "innerwatch": {"alert": {"employee": {"id": ["E-2"]}, "group": {"values": [ERASED, "C-1"]}}},
    }
    assert redacted(found, ANA) == found


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12) | st.sampled_from(["ana", "E-17", "ana.novak"]),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(st.sampled_from(["user", "related", "employee", "manager", "id", "target", "x"]), children)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["user", "related", "employee", "event", "innerwatch"]), JSON))
def test_whatever_a_document_holds_taking_somebody_out_of_it_ends_and_is_done_once(document: dict[str, Any]) -> None:
    once = redacted(document, ANA)
    assert redacted(once, ANA) == once
    assert not re.search(r"(?<![\w-])ana\.novak(?![\w-])", str(once), re.IGNORECASE)


@pytest.mark.parametrize(
    ("item", "left"),
    [
        ({"pk": "employee#E-1", "sk": "0#0", "employee": {"id": "E-1"}}, None),
        ({"pk": "identifier#email:a@example.com", "sk": "employee#E-1"}, None),
        ({"pk": "identities", "sk": "E-1#abc", "employee": "E-1", "texts": ["name:A"]}, None),
        ({"pk": "leaving", "sk": "0#E-1", "employee": {"id": "E-1"}}, None),
        ({"pk": "identifier#k", "sk": "owners#0#k", "holders": [["E-1", 0, 9]]}, None),
        (
            {"pk": "identifier#k", "sk": "owners#0#k", "holders": [["E-1", 0, 9], ["E-2", 9, 10]]},
            {"pk": "identifier#k", "sk": "owners#0#k", "holders": [["E-2", 9, 10]]},
        ),
        (
            {"pk": "employee#E-2", "sk": "0#0", "employee": {"id": "E-2", "manager_id": "E-1", "name": "B"}},
            {"pk": "employee#E-2", "sk": "0#0", "employee": {"id": "E-2", "name": "B"}},
        ),
    ],
)
def test_an_item_of_the_directory_without_somebody(item: dict[str, Any], left: dict[str, Any] | None) -> None:
    assert dynamo.without(item, "E-1") == left
    assert dynamo.without(item, "E-3") is item
    assert dynamo.without(item, "E") is item


def test_a_case_was_somebodys_whoever_that_was() -> None:
    item = {"pk": "case#k", "sk": "0#a", "case": "k", "assignments": [["ana", "t", 0, 1], ["ben", "", 1, 2]]}
    assert cases.without(item, {"ana"})["assignments"] == [["(erased)", "t", 0, 1], ["ben", "", 1, 2]]
    assert cases.without(item, {"an", "t"}) is item
    feed = {"pk": "feeds", "sk": "version", "assignments": 1_772_323_200_000}  # a mark of that name
    assert cases.without(feed, {"ana"}) is feed


def test_a_hash_is_of_one_person_and_one_salt() -> None:
    salt = "00" * 16
    assert hashed("E-1", salt) == hashed("e-1", salt) != hashed("E-2", salt)
    assert hashed("E-1", salt) != hashed("E-1", "01" * 16)
    assert len(hashed("E-1", salt)) == 64


def test_who_is_refused_is_told_which_hold_and_whether_it_is_due_for_review() -> None:
    hold = Hold(id="h1", reason="Case 1", until="2026-05-01", by="counsel", placed="2026-01-01T00:00:00.000Z")
    ended = Hold(
        id="h0", reason="old", until="2026-05-01", by="x", placed="2025-01-01T00:00:00Z", released="2026-01-01"
    )
    entry = Entry(employee="E-1", holds=(ended, hold))
    assert unreleased(entry, "2026-04-30") == ["hold h1 of 2026-01-01 by counsel (Case 1), until 2026-05-01"]
    assert "due for review since 2026-05-01" in unreleased(entry, "2026-05-02")[0]
    assert not unreleased(Entry(holds=(ended,)), "2026-05-02")


def test_indices_are_rolled_over_the_sooner_the_shorter_data_is_kept() -> None:
    assert [rollover_days(days) for days in (1, 14, 15, 90, 91, 36_500)] == [1, 1, 7, 7, 30, 30]
    shipped = policy("app.access")
    assert policy("app.access", 400) == shipped
    assert policy("app.access", 30)["phases"]["hot"]["actions"]["rollover"] == {
        "max_age": "7d",
        "max_primary_shard_size": "50gb",
    }
