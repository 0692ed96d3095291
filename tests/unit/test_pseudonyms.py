"""Pseudonyms: who is hidden, in every form and field, and what stays as it is."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerwatch import instants
from innerwatch.directory import in_memory
from innerwatch.errors import UserError
from innerwatch.fields import DATASETS
from innerwatch.pseudonyms import Current, HiddenPeople, Identity, Keys, Pseudonyms, hidden_notices
from innerwatch.pseudonyms.hiding import ACCOUNTS, FLATTENED, KEPT
from innerwatch.pseudonyms.vocabulary import Vocabulary, lower
from innerwatch.values import Actor, Change, Event, Evidence, Feed, Origin

KEY = "k" * 64
ANA = Identity(
    "E-1001",
    (
        *("employee:E-1001", "name:Ana Núñez", "email:ana.nunez@example.com", "username:ananunez"),
        *(
            "identity_center:d-1234567890/9067a1b2-0000-4000-8000-00000000000a",
            "iam_user:123456789012:user/ops/a.nunez",
        ),
        *("access_key:akiaiosfodnn7example", "username:anu"),
    ),
    0,
)
BEN = Identity("1042", ("employee:1042", "name:Ben Okafor", "email:ben@example.com", "username:support"), 0)
NAMED = "p-[a-z2-7]{16}"


def keys(text: str = json.dumps({"key": KEY})) -> Keys:
    return Keys.parse(text, "the test's")


@pytest.fixture
def hidden() -> Pseudonyms:
    return Pseudonyms(keys(), [ANA, BEN])


# --- within texts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("E-1001", NAMED),
        ("e-1001 and E-1001.", f"{NAMED} and {NAMED}."),
        ("Ana Núñez", NAMED),
        ("ANA NÚÑEZ", NAMED),
        ("Núñez, Ana", NAMED),
        ("Ana Nunez", NAMED),
        ("Ana Nu\u0301n\u0303ez", NAMED),
        ("ana.nunez@example.com", f"{NAMED}@example.com"),
        ("ana.nunez@elsewhere.example", f"{NAMED}@elsewhere.example"),
        ("mailto:ana.nunez%40example.com?x=1", f"mailto:{NAMED}@example.com\\?x=1"),
        ("arn:aws:sts::1:assumed-role/Support/ananunez", f"arn:aws:sts::1:assumed-role/Support/{NAMED}"),
        ("AROAEXAMPLE:ana.nunez@example.com", f"AROAEXAMPLE:{NAMED}@example.com"),
        ("arn:aws:iam::123456789012:user/ops/a.nunez", f"arn:aws:iam::123456789012:user/ops/{NAMED}"),
        ("{userName=ananunez, path=/}", f"{{userName={NAMED}, path=/}}"),
        ("backup-ananunez-2026", f"backup-{NAMED}-2026"),
        ("host ANANUNEZ_LAPTOP", f"host {NAMED}_LAPTOP"),
        ("9067A1B2-0000-4000-8000-00000000000A", NAMED),
        ("AKIAIOSFODNN7EXAMPLE", NAMED),
        ('{\\"name\\":\\"Ana N\\u00fa\\u00f1ez\\"}', f'{{\\\\"name\\\\":\\\\"{NAMED}\\\\"}}'),
        ("q=ana+n%C3%BA%C3%B1ez", f"q={NAMED}"),
        ("anu", NAMED),
        ("/home/anu/x", f"/home/{NAMED}/x"),
        # and what is nobody's
        ("diananunez", "diananunez"),
        ("manu-anu-x", "manu-anu-x"),
        ("ana", "ana"),
        ("support-console", "support-console"),
        ("1042 objects", "1042 objects"),
        ("AKIAIOSFODNN7EXAMPLF", "AKIAIOSFODNN7EXAMPLF"),
        ("", ""),
    ],
)  # fmt: skip
def test_people_are_found_in_texts_however_logs_write_them(hidden: Pseudonyms, text: str, expected: str) -> None:
    assert re.fullmatch(expected, hidden.scrub(text)), hidden.scrub(text)


def test_each_of_a_persons_names_has_a_pseudonym_of_its_own_and_a_name_one_whatever_its_form(
    hidden: Pseudonyms,
) -> None:
    texts = ("e-1001", "ana núñez", "ananunez", "a.nunez", "akiaiosfodnn7example", "ana.nunez")
    assert len({hidden.of(text) for text in texts}) == len(texts)
    assert hidden.of("Ana Núñez") == hidden.of("ANA NUNEZ") == hidden.scrub("Núñez, Ana")
    assert hidden.of("ana.nunez@example.com") == f"{hidden.of('ana.nunez')}@example.com"


@given(
    st.lists(
        st.sampled_from(["ana.nunez", "ananunez", "E-1001", "Ben Okafor", "-", " ", "/", "x", "é", "İ", "_", "@", "9"])
    )
)
def test_nothing_that_stands_apart_is_left_and_doing_it_again_changes_nothing(parts: list[str]) -> None:
    hidden = Pseudonyms(keys(), [ANA, BEN])
    once = hidden.scrub("".join(parts))
    assert hidden.scrub(once) == once
    for said in ("ana.nunez", "ananunez", "e-1001", "ben okafor"):
        assert not re.search(rf"(?<![^\W_]){re.escape(said)}(?![^\W_])", lower(once))


@given(st.text(), st.text())
def test_two_texts_are_alike_afterwards_exactly_if_they_were_before(one: str, other: str) -> None:
    hidden = Pseudonyms(keys(), [Identity(one, (f"username:{one}",), 0), Identity(other, (f"username:{other}",), 0)])
    assert (hidden.scrub(one) == hidden.scrub(other)) == (one == other) or one.lower() == other.lower()


# --- documents


def document_of(path: str, value: Any) -> dict[str, Any]:
    document: dict[str, Any] = {"employee": {"resolution": {"method": "none"}}}
    *above, name = path.split(".")
    place = document
    for part in above:
        place = place.setdefault(part, {})
    place[name] = value
    return document


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from texts(name)
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)


# Texts of documents that hold no employee: a new one must be put here knowingly, and into KEPT.
HOLD_NOBODY = (
    *("@timestamp", "ecs.", "data_stream.", "cloud.", "tls.", "rule.", "threat.", "source.ip", "related.ip"),
    *("event.kind", "event.module", "event.dataset", "event.action", "event.category", "event.type"),
    *("event.outcome", "event.provider", "event.ingested", "event.created", "event.start", "event.end"),
    *("employee.role", "employee.department", "employee.team", "employee.location", "employee.type"),
    *("employee.status", "employee.hired_at", "employee.notice_at", "employee.last_day", "employee.as_of"),
    *("employee.resolution.method", "employee.resolution.confidence", "access.customer.", "access.unjustified."),
    *("access.fields", "access.justification", "access.case.", "service.name", "innerwatch.oversized"),
    *("aws.cloudtrail.event_version", "aws.cloudtrail.event_category", "aws.cloudtrail.event_type"),
    *("aws.cloudtrail.recipient_account_id", "aws.cloudtrail.api_version", "aws.cloudtrail.tls_details."),
    *("aws.cloudtrail.error_code", "aws.cloudtrail.user_identity.type", "user_agent.name", "user_agent.version"),
    *("user_agent.os.", "user_agent.device."),
)
FIELDS = sorted(
    {
        name
        for dataset in ("aws.cloudtrail", "app.access")
        for row in DATASETS[dataset]
        if row.type in ("keyword", "flattened", "text", "wildcard")
        for name in (row.name, row.match)
        if name and not name.startswith(HOLD_NOBODY)
    }
)


@pytest.mark.parametrize("field", FIELDS)
def test_no_field_lets_anybody_through(hidden: Pseudonyms, field: str) -> None:
    said = ["E-1001", "Ana Núñez", "ana.nunez@example.com", "x/ananunez", "a.nunez", "Ben Okafor"]
    deep = {"ananunez": said} if field in FLATTENED else {"deep": said}
    for value in (said, " ".join(said), [deep]):
        document = document_of(field, value)
        hidden.hide(document)
        left = " ".join(texts(document)).lower()
        assert re.search(NAMED, left)
        for one in ("e-1001", "núñez", "nunez", "ananunez", "okafor"):
            assert one not in left, field


@pytest.mark.parametrize("field", sorted(ACCOUNTS))
def test_a_number_or_a_common_word_is_hidden_where_only_an_account_can_stand(hidden: Pseudonyms, field: str) -> None:
    for said in ("1042", "support", "Support"):
        document = document_of(field, [said, "1043"])
        hidden.hide(document)
        left = list(texts(document))
        assert said not in left
        assert "1043" in left


def test_what_is_kept_stays_as_it_is(hidden: Pseudonyms) -> None:
    for path in KEPT:
        document = document_of(path, "Ana Núñez")
        hidden.hide(document)
        assert "Ana Núñez" in list(texts(document)), path


def test_the_person_is_hidden_and_the_job_is_not(hidden: Pseudonyms) -> None:
    employee = {
        "id": "E-1001",
        "name": "Ana Núñez",
        "email": "ana.nunez@example.com",
        "role": "Support Agent",
        "manager": {"id": "E-9"},
        "tenure_days": 12,
    }
    document: dict[str, Any] = {"employee": employee}
    hidden.hide(document)
    found = document["employee"]
    assert found["id"] == found["name"] == hidden.of("E-1001")
    assert found["email"] == hidden.of("ana.nunez@example.com")
    assert found["manager"]["id"] == hidden.of("E-9")
    assert (found["role"], found["tenure_days"]) == ("Support Agent", 12)
    assert employee["id"] == "E-1001"  # documents share their parts
    again = json.loads(json.dumps(document))
    hidden.hide(again)
    assert again == document


def event(document: dict[str, Any], *evidence: Evidence, identity: str = "console:view-zoe.q-1") -> Event:
    return Event(identity, "app.access", 0, Actor(evidence), document, Origin("log", 1))


def test_somebody_whom_hr_does_not_know_is_hidden_too_and_in_the_documents_id(hidden: Pseudonyms) -> None:
    found = event(
        {"employee": {"status": "unknown"}, "user": {"name": "zoe.q"}, "message": "zoe.q@example.net asked"},
        Evidence("application", "username:zoe.q"),
    )
    hidden.event(found)
    assert found.document["user"]["name"] == hidden.of("zoe.q")
    assert re.fullmatch(rf"{NAMED}@example.net asked", found.document["message"])
    assert re.fullmatch(rf"console:view-{NAMED}-1", found.id)


@pytest.mark.parametrize(
    "evidence",
    [Evidence("session_name", "username:gluejobrunner-17"), Evidence("access_key", "access_key:akiaz3z3z3z3z3z3z3z3")],
)
def test_programs_and_keys_that_nobody_is_known_to_have_stay(hidden: Pseudonyms, evidence: Evidence) -> None:
    said = evidence.identifier.partition(":")[2]
    found = event({"employee": {"resolution": {"method": "session_name"}}, "user": {"name": said}}, evidence)
    hidden.event(found)
    assert found.document["user"]["name"] == said


def test_a_document_id_that_is_a_uuid_is_not_touched(hidden: Pseudonyms) -> None:
    identity = "9067a1b2-0000-4000-8000-00000000000a"
    found = event({"employee": {}}, identity=identity)
    hidden.event(found)
    assert found.id == identity


# --- the key


def test_another_key_gives_other_pseudonyms(hidden: Pseudonyms) -> None:
    other = Pseudonyms(keys(json.dumps({"key": "o" * 64})), [ANA])
    assert other.of("E-1001") != hidden.of("E-1001")


def test_pseudonyms_are_what_rfc_2104_and_4648_say(hidden: Pseudonyms) -> None:
    # printf e-1001 | openssl dgst -sha256 -hmac kkkk… -binary | head -c 10 | base32 | tr A-Z a-z
    assert hidden.of("E-1001") == "p-ftutrtgzmb2br6es"


def test_after_a_change_of_the_key_everybody_known_keeps_theirs(hidden: Pseudonyms) -> None:
    noon = instants.from_rfc3339("2027-01-01T12:00:00Z")
    rotated = keys().rotated(noon)
    again = Keys.parse(rotated.text(), "the test's")
    late = Identity("E-2002", ("employee:E-2002", "username:late", "email:ana.nunez@example.org"), noon)
    before, after = Pseudonyms(keys(), [ANA, late]), Pseudonyms(again, [ANA, late])
    for said in ("E-1001", "ana núñez", "ananunez", "ana.nunez@example.com", "ana.nunez@example.org"):
        assert after.of(said) == before.of(said)
    assert after.of("late") != before.of("late")
    assert after.of("E-2002") != before.of("E-2002")
    twice = Pseudonyms(again.rotated(noon + 1), [ANA, late])
    assert (twice.of("late"), twice.of("E-1001")) == (after.of("late"), after.of("E-1001"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{"key": "short"}',
        '{"key": 1}',
        json.dumps({"key": KEY, "earlier": [{"key": KEY}]}),
        json.dumps({"key": KEY, "earlier": [{"key": KEY, "until": "yesterday"}]}),
        json.dumps({"key": KEY, "earlier": [{"key": "x", "until": "2027-01-01T00:00:00Z"}]}),
        json.dumps(
            {
                "key": KEY,
                "earlier": [
                    {"key": KEY, "until": "2027-01-02T00:00:00Z"},
                    {"key": KEY, "until": "2027-01-01T00:00:00Z"},
                ],
            }
        ),
    ],
)
def test_a_key_that_is_none_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(UserError) as refused:
        keys(text)
    assert KEY not in str(refused.value)
    assert "the test's" in str(refused.value)


# --- back again


def test_a_pseudonym_is_traced_back_to_what_it_stands_for(hidden: Pseudonyms) -> None:
    found = hidden.revealed(hidden.of("ananunez"))
    assert found is not None
    assert (found.text, found.employee_ids) == ("ananunez", ("E-1001",))
    assert hidden.revealed("p-aaaaaaaaaaaaaaaa") is None
    assert hidden.revealed("E-1001") is None


def test_a_name_that_two_have_is_both(hidden: Pseudonyms) -> None:
    two = Pseudonyms(keys(), [ANA, Identity("E-7", ("employee:E-7", "name:Ana Núñez"), 5)])
    found = two.revealed(hidden.of("Ana Núñez"))
    assert found is not None
    assert found.employee_ids == ("E-1001", "E-7")


# --- with the directory


def feed(*rows: Change, at: int = 0) -> Feed:
    return Feed("hr", "csv", at, False, rows, (), f"digest{at}")


def row(person: str, name: str, line: int = 2) -> Change:
    return Change(line, person, {"name": name, "email": f"{name}@example.com", "hired_at": "2020-01-01"})


def test_whoever_a_new_feed_brings_is_hidden_from_then_on() -> None:
    directory = in_memory([feed(row("E-1", "ana"))])
    current = Current(directory, keys)
    first = current()
    assert current() is first
    assert not first.knows("E-2")
    assert first.knows("E-1")
    assert Vocabulary(directory.identities()).get("ana@example.com")


def test_the_directory_is_asked_with_pseudonyms_by_those_who_measure() -> None:
    directory = in_memory([feed(row("E-1", "ana"))])
    current = Current(directory, keys)
    people = HiddenPeople(directory, current())
    fact = people.state(current().of("E-1"), 10**12)
    assert fact is not None
    assert fact.employee.id == "E-1"
    assert people.state("E-1", 10**12) is None
    ((key, notice),) = hidden_notices([("00000000000005#E-1", fact)], current())
    assert key == f"00000000000005#{current().of('E-1')}"
    assert notice.employee.id == current().of("E-1")
