"""A document beside its raw record: what counts as a difference, what pseudonyms hide, and where a copy may be read."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerwatch import pipeline
from innerwatch.ledger import Line
from innerwatch.pseudonyms import Identity, Keys, Pseudonyms
from innerwatch.values import Actor, Event, Origin, SetAside
from innerwatch_cli.evidence.documents import Behind, distinct
from innerwatch_cli.evidence.judging import Outcome, but_for_pseudonyms, compare, judged
from innerwatch_cli.evidence.records import Reader, Reading, Wanted, copied
from innerwatch_cli.evidence.signatures import Follows, Signed
from tests import trail_files
from tests.chain import access

URI = "s3://example-logs/a.gz?versionId=v1"
PSEUDONYM = "p-abcdefghij234567"


def record(**document: Any) -> Event:
    return Event("e-1", "app.access", 0, Actor(), {"user": {"name": "ana.ruiz"}, **document}, Origin(URI, 1), b"{}")


def behind(identity: str = "e-1", **document: Any) -> Behind:
    place = {"log": {"file": {"path": URI}, "offset": 1}}
    return Behind(identity, "", "logs", {"user": {"name": "ana.ruiz"}, **place, **document})


def different(event: Behind, said: Event, *, customers: bool = True) -> tuple[str, ...]:
    return compare(event, said, customers=customers).different


def test_what_enrichment_adds_is_no_difference() -> None:
    added: dict[str, Any] = {
        "employee": {"id": "E-17"},
        "ecs": {"version": "8.11"},
        "data_stream": {"dataset": "app.access"},
        "event": {"ingested": "2026-04-01T00:00:00Z", "action": "view"},
        "access": {"justification": "unjustified", "unjustified": {"customer": {"id": ["C-1"]}}},
    }
    assert different(behind(**added), record(event={"action": "view"}, access={})) == ()


@pytest.mark.parametrize(
    ("document", "said", "paths"),
    [
        ({"event": {"action": "view"}}, {"event": {"action": "export"}}, ("event.action",)),
        ({"event": {"action": "view"}}, {}, ("event",)),
        ({}, {"event": {"action": "view"}}, ("event",)),
        ({"access": {"records": 2}}, {"access": {"records": 2.0}}, ()),
        ({"related": {"ip": ["192.0.2.1", "192.0.2.2"]}}, {"related": {"ip": ["192.0.2.1"]}}, ("related.ip",)),
        (
            {"access": {"customer": {"id": ["C-1", "C-2"]}}},
            {"access": {"customer": {"id": ["C-1"]}}},
            ("access.customer.id",),
        ),
        ({"host": {"name": "a"}}, {"host": "a"}, ("host",)),
        ({}, {"event": {"original": "…"}}, ("event",)),
        ({"event": {"action": "view"}}, {"event": {"action": "view", "original": "…"}}, ()),
    ],
)
def test_every_other_value_has_to_be_the_records(document: Any, said: Any, paths: tuple[str, ...]) -> None:
    assert different(behind(**document), record(**said)) == paths


def test_another_events_id_is_a_difference() -> None:
    assert different(behind("e-2"), record()) == ("_id",)


def test_customers_of_s3_objects_count_where_they_are_looked_for() -> None:
    said, event = record(), behind(access={"customer": {"id": ["C-1"], "total": 1}})
    said.dataset = "aws.cloudtrail"
    assert different(event, said, customers=False) == ()
    assert different(event, said, customers=True) == ("access",)


def test_pseudonyms_stand_for_anything_and_the_rest_is_compared() -> None:
    hidden = {
        "user": {"name": PSEUDONYM},
        "message": f"Login of {PSEUDONYM} from 192.0.2.1",
        "a": {f"k-{PSEUDONYM}": 1},
    }
    said = record(message="Login of Ana from 192.0.2.1", a={"k-ana": 1})
    found = compare(behind(f"console:{PSEUDONYM}-7", **hidden), said, customers=True)
    assert found.different == ("_id",)
    said.id = "console:ana.ruiz-7"
    found = compare(behind(f"console:{PSEUDONYM}-7", **hidden), said, customers=True)
    assert found.different == ()
    assert set(found.pseudonyms) == {"_id", "user.name", "message", f"a.k-{PSEUDONYM}"}
    said.document["message"] = "Login of Ana from 192.0.2.2"
    assert compare(behind(f"console:{PSEUDONYM}-7", **hidden), said, customers=True).different == ("message",)


APP = json.dumps(
    access(1)
    | {
        "id": "r-ana.ruiz-7",
        "actor": {"id": "ana.ruiz", "email": "ana.ruiz@example.com"},
        "source": {"ip": "192.0.2.7"},
    }
)
TRAIL = json.dumps(trail_files.event("0001-0001", 1_775_000_000_000))


@pytest.mark.parametrize("raw", [APP, TRAIL], ids=["application", "CloudTrail"])
def test_a_document_with_pseudonyms_is_still_its_records(raw: str) -> None:
    """As the functions index it: stamped, then hidden."""
    hidden, said = (next(pipeline.read_records([(Origin(URI, 1), raw.encode())])) for _ in range(2))
    assert isinstance(hidden, Event)
    assert isinstance(said, Event)
    keys = Keys.parse(json.dumps({"key": "k" * 64}), "example")
    pseudonyms = Pseudonyms(keys, [Identity("E-17", ("username:ana.ruiz", "email:ana.ruiz@example.com"), 0)])
    (item,) = pipeline.enriched([hidden], None, "innerwatch", pseudonyms=lambda: pseudonyms)
    assert isinstance(item, Event)
    assert "ana.ruiz" not in json.dumps(item.document) + item.id
    event = Behind(item.id, "", "logs", item.document)
    found = compare(event, said, customers=True)
    assert found.different == ()
    assert "user.id" in found.pseudonyms
    assert ("_id" in found.pseudonyms) == (raw is APP)
    item.document["source"]["ip"] = "192.0.2.99"
    assert compare(event, said, customers=True).different == ("source.ip",)


@given(st.lists(st.text(max_size=5), min_size=2, max_size=6), st.text(min_size=1, max_size=5))
def test_whatever_a_pseudonym_replaces_is_recognised(parts: list[str], name: str) -> None:
    said = name.join(parts)
    assert but_for_pseudonyms(PSEUDONYM.join(parts), said)
    assert not but_for_pseudonyms(said, said) or PSEUDONYM in said.casefold()


def test_a_pseudonym_stands_for_something_in_its_place() -> None:
    assert not but_for_pseudonyms(f"a{PSEUDONYM}b", "ab")
    assert not but_for_pseudonyms(f"a{PSEUDONYM}b", "axc")
    assert not but_for_pseudonyms(f"{PSEUDONYM}/{PSEUDONYM}", "x/")
    assert not but_for_pseudonyms(f"{PSEUDONYM}/{PSEUDONYM}", "/x")
    assert not but_for_pseudonyms("plain", "other")


def outcome(
    reading: Reading, signed: Signed | str = "nobody signs it", line: Line | None = None
) -> tuple[Outcome, str]:
    found = judged(behind(), reading, signed, line, ledger=line is not None)
    return found.outcome, found.why


READ = Reading(etag="e", sha256="1", content_sha256="2", records={1: record()})
GOOD = Signed("s3://example-logs/digest", "2", before=Follows.YES, after=Follows.YES)


def test_the_best_that_can_be_said_is_the_least_that_is_proven() -> None:
    assert outcome(READ, GOOD)[0] is Outcome.PROVEN
    assert outcome(READ) == (Outcome.UNSIGNED, "nobody signs it")
    assert outcome(READ, GOOD._replace(listed="3"))[0] is Outcome.DIFFERS
    assert outcome(READ, GOOD._replace(problem="forged"))[0] is Outcome.DIFFERS
    assert outcome(READ, GOOD._replace(before=Follows.BROKEN))[0] is Outcome.DIFFERS
    assert outcome(READ, GOOD._replace(before=Follows.MISSING, after=Follows.NONE_YET))[0] is Outcome.PROVEN
    assert outcome(READ, GOOD, Line("o", "v", URI, etag="other"))[0] is Outcome.DIFFERS
    assert outcome(Reading(gone="it was deleted")) == (Outcome.GONE, "it was deleted")


def test_a_record_that_is_none_differs_and_says_where_the_event_is() -> None:
    aside = READ._replace(records={1: SetAside(Origin(URI, 1), "it is no JSON")}, moved={"e-1": 4})
    assert outcome(aside, GOOD) == (Outcome.DIFFERS, "record 1 cannot be read: it is no JSON")
    none = READ._replace(records={}, moved={"e-1": 4})
    assert outcome(none, GOOD) == (Outcome.DIFFERS, "there is no event at record 1; the event is record 4 now")


def test_a_key_leads_to_no_file_outside_the_copy(tmp_path: Path) -> None:
    inside, outside = tmp_path / "copy", tmp_path / "secret.ndjson"
    inside.mkdir()
    outside.write_text("{}")
    (inside / "a.ndjson").write_text("{}")
    (inside / "link.ndjson").symlink_to(outside)
    assert copied(inside, "a.ndjson") == inside / "a.ndjson"
    for key in ("../secret.ndjson", str(outside), "link.ndjson", "none", "", "a\0b", "x" * 5000):
        assert copied(inside, key) is None


def test_a_local_file_that_is_gone_or_has_a_name_no_file_can_have() -> None:
    for uri in ("/nowhere/a.log", "a\0b", "x" * 5000):
        assert Reader(None).read(Wanted(uri, frozenset({1}), frozenset())).gone == "there is no such file here"


def test_an_event_behind_two_alerts_is_looked_at_once() -> None:
    one, two = Behind("e-1", "first", "logs", {}), Behind("e-1", "second", "logs", {})
    other = Behind("e-2", "first", "logs", {})
    assert distinct([one, other, two]) == [one, other]
