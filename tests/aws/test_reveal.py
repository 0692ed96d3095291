"""The function `reveal` on moto: who may learn whose pseudonym it is, and what is on record of it."""

import io
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

import pytest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from moto.core import set_initial_no_auth_action_count

import reveal
from innerwatch.audit import Broken, Entry, Who, first_fault
from innerwatch.audit.chain import digest, sealed
from innerwatch.errors import UserError
from innerwatch.reveal import Terms
from innerwatch.reveal.caller import Unproven, proven
from innerwatch.settings import Settings
from innerwatch_cli.local_aws import ACCOUNT, REGION
from tests import revealing
from tests.metrics import documented, emitted, logged
from tests.revealing import FUNCTION, HR, REASON, Function, Office, with_its_own_chain

HOUR = 3_600_000


class Clock:
    def __init__(self) -> None:
        self.now = time.time_ns() // 1_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def company() -> Iterator[Office]:
    with revealing.company() as found:
        yield found


@pytest.fixture
def desk(company: Office, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Office:
    return with_its_own_chain(company, monkeypatch, clock=clock)


def intact(desk: Office) -> bool:
    return first_fault(desk.trail.lines(), desk.trail.witnesses()) is None


# --- the way it is meant


def test_two_people_together_reveal_and_all_of_it_is_on_record(desk: Office) -> None:
    pseudonym = desk.pseudonyms.of("E-3")
    number = desk.request(case="CASE-9")
    approved = desk.invoke("ben", action="approve", request=number)
    assert (approved["state"], approved["request"]) == ("approved", number)
    told = desk.invoke("ana", action="fetch", request=number)
    assert told["people"] == [
        {
            "pseudonym": pseudonym,
            "stands_for": "e-3",
            "id": "E-3",
            "name": "Carla Meyer",
            "email": "carla.meyer@example.com",
        }
    ]
    records = [line.record for line in desk.lines()]
    assert [(record.action, record.who.employee, record.request) for record in records] == [
        ("requested", "E-1", 0),
        ("approved", "E-2", number),
        ("revealed", "E-1", number),
    ]
    assert (records[0].reason, records[0].case, records[0].pseudonyms) == (REASON, "CASE-9", (pseudonym,))
    assert records[1].who.arn == f"arn:aws:iam::{ACCOUNT}:user/privacy/ben"
    assert told["record"] == desk.lines()[-1].hash
    assert "Carla" not in "".join(line.text for line in desk.lines())
    assert intact(desk)


def test_every_kind_of_identifier_is_turned_back(desk: Office) -> None:
    texts = ["E-3", "carla.meyer", "carla.meyer@example.com"]
    number = desk.request(pseudonyms=[desk.pseudonyms.of(text) for text in texts])
    desk.invoke("ben by sso", action="approve", request=number)
    people = desk.invoke("ana", action="fetch", request=number)["people"]
    assert {person["stands_for"] for person in people} <= {text.lower() for text in texts}
    assert {person["id"] for person in people} == {"E-3"}
    assert len(people) == len({desk.pseudonyms.of(text) for text in texts})


def test_each_fetch_is_on_record(desk: Office) -> None:
    number = desk.approved()
    for _ in range(3):
        assert desk.invoke("ana", action="fetch", request=number)["people"]
    assert [action for action, _ in desk.actions()] == ["requested", "approved", *["revealed"] * 3]


# --- who may not


@pytest.mark.parametrize(
    ("who", "why"),
    [
        ("ana", "none of those who may approve"),
        ("carla", "none of those who may approve"),
        ("ana as privacy officer", "a second person must approve"),
        ("dan", "HR says of this employee: terminated"),
        ("nobody", "nobody in the directory has this identifier"),
        ("ben chosen", "chosen by whoever took the role"),
    ],
)
def test_who_may_not_approve_does_not_and_nothing_is_told(desk: Office, who: str, why: str) -> None:
    number = desk.request()
    assert why in desk.invoke(who, action="approve", request=number)["denied"]
    answer = desk.invoke("ana", action="fetch", request=number)
    assert answer == {"denied": "fetch: the request is waiting"}
    assert [action for action, _ in desk.actions()] == ["requested", "denied", "denied"]


@pytest.mark.parametrize("who", ["ben", "eva", "carla", "ana as privacy officer"])
def test_only_who_asked_is_told(desk: Office, who: str) -> None:
    number = desk.approved()
    answer = desk.invoke(who, action="fetch", request=number)
    if who == "ana as privacy officer":  # the same person
        assert answer["people"]
    else:
        assert answer == {"denied": "fetch: only who asked is told"}


def test_whoever_is_no_active_employee_cannot_even_ask(desk: Office) -> None:
    ask: Any = {"action": "request", "pseudonyms": [desk.pseudonyms.of("E-3")], "reason": REASON}
    for who in ("dan", "nobody", "ben chosen"):
        assert "denied" in desk.invoke(who, **ask)
    assert desk.actions() == [("denied", "")] * 3


def test_nobody_learns_whether_a_pseudonym_is_their_own(desk: Office) -> None:
    """Asking about oneself looks like asking about anybody; that two others are needed fits requester and approver."""
    own, approvers = desk.request(about="E-1"), desk.request(about="E-2")
    about_requester = desk.invoke("ben", action="approve", request=own)
    about_approver = desk.invoke("ben", action="approve", request=approvers)
    assert about_requester == about_approver
    assert "needs two other people" in about_approver["denied"]
    assert desk.invoke("eva", action="approve", request=approvers)["state"] == "approved"
    assert "needs two other people" in desk.invoke("eva", action="approve", request=own)["denied"]


def test_without_approvers_nobody_may_approve(company: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = with_its_own_chain(company, monkeypatch, terms=Terms(approvers=()))
    number = desk.request()
    said = desk.invoke("ben", action="approve", request=number)["denied"]
    assert said == "approve: nobody may approve: the stack's parameter RevealApprovers is empty"


def test_a_pseudonym_of_nobody_is_told_at_once(desk: Office) -> None:
    answer = desk.invoke("ana", action="request", pseudonyms=["p-aaaaaaaaaaaaaaaa"], reason=REASON)
    assert answer == {"denied": "request: p-aaaaaaaaaaaaaaaa stands for nobody in the directory"}


# --- how long


def test_a_request_waits_three_days(desk: Office, clock: Clock) -> None:
    number = desk.request()
    clock.now += 72 * HOUR - 1
    assert desk.invoke("ben", action="list")["requests"][0]["state"] == "waiting"
    clock.now += 1
    assert desk.invoke("ben", action="approve", request=number) == {"denied": "approve: the request is expired"}
    clock.now += 72 * HOUR
    assert "no such request" in desk.invoke("ben", action="approve", request=number)["denied"]


def test_an_approval_expires(desk: Office, clock: Clock) -> None:
    number = desk.approved()
    clock.now += 8 * HOUR - 1
    assert desk.invoke("ana", action="fetch", request=number)["people"]
    clock.now += 1
    assert desk.invoke("ana", action="fetch", request=number) == {"denied": "fetch: the request is expired"}
    assert desk.invoke("ben", action="approve", request=number) == {"denied": "approve: the request is expired"}
    clock.now += 80 * HOUR
    assert "no such request" in desk.invoke("ana", action="fetch", request=number)["denied"]
    assert intact(desk)


def test_how_long_an_approval_holds_is_the_companys_choice(
    company: Office, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    terms = company.desk.terms._replace(lasts=HOUR)
    desk = with_its_own_chain(company, monkeypatch, clock=clock, terms=terms)
    number = desk.approved()
    clock.now += HOUR
    assert desk.invoke("ana", action="fetch", request=number) == {"denied": "fetch: the request is expired"}


def test_a_refusal_ends_it_whether_approved_or_not(desk: Office) -> None:
    waiting, approved = desk.request(), desk.approved()
    assert "neither who asked" in desk.invoke("carla", action="refuse", request=waiting)["denied"]
    assert desk.invoke("eva", action="refuse", request=waiting)["state"] == "refused"
    assert desk.invoke("ben", action="approve", request=waiting) == {"denied": "approve: the request is refused"}
    assert desk.invoke("ana", action="refuse", request=approved)["state"] == "refused"
    assert desk.invoke("ana", action="fetch", request=approved) == {"denied": "fetch: the request is refused"}
    assert desk.invoke("ana", action="refuse", request=approved) == {"denied": "refuse: the request is refused"}


# --- who calls, as AWS says it


@set_initial_no_auth_action_count(0)
def signed_by(ask: dict[str, Any], proof: dict[str, str]) -> str:
    """The ARN that STS answers to a proof; else its error code. moto verifies signatures here, as AWS does."""
    try:
        return proven(ask, proof, FUNCTION, REGION).arn
    except Unproven as error:
        return str(error)


def test_sts_vouches_for_a_good_signature_only(desk: Office) -> None:
    ask = {"action": "fetch", "request": 1}
    proof = desk.proof("ana", ask)
    assert signed_by(ask, proof) == f"arn:aws:iam::{ACCOUNT}:user/ana"
    assert signed_by({**ask, "request": 2}, proof) == "SignatureDoesNotMatch"
    elsewhere = desk.proof("ana", ask, FUNCTION.replace("innerwatch-reveal", "test-reveal"))
    assert signed_by(ask, elsewhere) == "SignatureDoesNotMatch"
    known = desk.people["ana"].access_key
    desk.people["mallory"] = Credentials(known, "a guess")
    assert signed_by(ask, desk.proof("mallory", ask)) == "SignatureDoesNotMatch"
    sso = desk.proof("ben by sso", ask)
    assert signed_by(ask, sso).endswith("/ben.okafor@example.com")


@pytest.mark.parametrize(
    "wrong",
    [
        {"signature": "AWS4-HMAC-SHA256 Credential=x"},
        {"date": "20260101T000000Z\r\nX-Evil: 1"},
        {"token": "two words"},
        {"url": "https://sts.example.com/"},
        {"date": 7},
    ],
)
def test_what_is_no_signature_goes_to_nobody(
    desk: Office, wrong: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = {"action": "list"}
    proof: dict[str, Any] = {**desk.proof("ana", ask), **wrong}
    monkeypatch.setattr("innerwatch.reveal.caller._sts", lambda _region: pytest.fail("STS was asked"))
    answer = desk.send(ask, proof)
    assert answer["denied"].startswith("list: AWS does not vouch for the caller: ")
    assert desk.actions() == [("denied", "")]


@pytest.mark.parametrize("left_out", ["x-innerwatch-ask", "host", "x-amz-date"])
def test_a_signature_must_cover_what_is_asked(desk: Office, left_out: str) -> None:
    ask = {"action": "list"}
    proof = desk.proof("ana", ask)
    names = proof["signature"].replace(f"{left_out};", "").replace(f";{left_out},", ",")
    assert names != proof["signature"]
    answer = desk.send(ask, {**proof, "signature": names})
    assert "signature is not well-formed" in answer["denied"]


def test_no_call_counts_twice(desk: Office) -> None:
    number = desk.approved()
    ask = {"action": "fetch", "request": number}
    proof = desk.proof("ana", ask)
    assert desk.send(ask, proof)["people"]
    assert desk.send(ask, proof) == {"denied": "fetch: this very call was made before"}


def test_whoever_may_invoke_the_function_cannot_say_who_they_are(desk: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with an event of API Gateway or a function URL, which names its caller: that is not even read."""
    claimed = {"requestContext": {"authorizer": {"iam": {"userArn": f"arn:aws:iam::{ACCOUNT}:user/privacy/ben"}}}}
    event = {"ask": {"action": "approve", "request": desk.request()}, "proof": {}, **claimed}
    assert "error" in reveal.handler(event, Function())
    del event["requestContext"]
    assert "does not vouch" in reveal.handler(event, Function())["denied"]


def test_a_caller_of_another_account_is_nobody_here(desk: Office) -> None:
    """There, anybody may be called ana.ruiz@example.com, and the role whatever they like."""
    own = desk.desk._replace(account="999999999999")
    ask = {"action": "list", "nonce": "1"}
    caller = proven(ask, desk.proof("ben by sso", ask), FUNCTION, REGION)
    answer, entry, _ = own.ask(reveal.asked({"ask": ask, "proof": {}}), caller)
    assert answer == {"denied": f"list: callers of account {ACCOUNT} are not known here"}
    assert entry
    assert entry.who.arn == caller.arn


# --- the record comes first


class Fails:
    """A client of which one operation fails."""

    def __init__(self, client: Any, operation: str) -> None:
        self.client, self.operation = client, operation

    def __getattr__(self, name: str) -> Any:
        if name == self.operation:
            raise ClientError({"Error": {"Code": "InternalServerError", "Message": ""}}, name)
        return getattr(self.client, name)


@pytest.mark.parametrize("which", ["table", "bucket"])
def test_what_cannot_be_recorded_is_not_told(desk: Office, which: str, monkeypatch: pytest.MonkeyPatch) -> None:
    number = desk.approved()
    if which == "table":
        monkeypatch.setattr(desk.trail, "_dynamodb", Fails(desk.trail._dynamodb, "put_item"))
    else:
        monkeypatch.setattr(desk.trail, "_s3", Fails(desk.trail._s3, "put_object"))
    with pytest.raises(ClientError, match="InternalServerError"):
        desk.invoke("ana", action="fetch", request=number)


def test_a_record_that_was_not_witnessed_has_no_effect(desk: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """The function was stopped between the two, and whoever called got no answer."""
    number = desk.request()
    with monkeypatch.context() as patch:
        patch.setattr(desk.trail, "_s3", Fails(desk.trail._s3, "put_object"))
        with pytest.raises(ClientError):
            desk.invoke("ben", action="approve", request=number)
    assert (len(desk.lines()), set(desk.trail.witnesses())) == (2, {1})
    assert intact(desk), "it is the last, and may be on its way"
    assert desk.invoke("ana", action="fetch", request=number) == {"denied": "fetch: the request is waiting"}
    fault = first_fault(desk.trail.lines(), desk.trail.witnesses())
    assert str(fault).startswith("record 2 was never witnessed")
    assert first_fault(desk.trail.lines(), desk.trail.witnesses(), accepted=[2]) is None
    desk.invoke("ben", action="approve", request=number)
    assert desk.invoke("ana", action="fetch", request=number)["people"]


def test_a_refusal_that_was_not_witnessed_is_believed(desk: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    number = desk.approved()
    with monkeypatch.context() as patch:
        patch.setattr(desk.trail, "_s3", Fails(desk.trail._s3, "put_object"))
        with pytest.raises(ClientError):
            desk.invoke("eva", action="refuse", request=number)
    assert desk.invoke("ana", action="fetch", request=number) == {"denied": "fetch: the request is refused"}


@pytest.mark.parametrize("others", [0, 2])
def test_an_approval_that_somebody_else_wrote_into_the_table_reveals_nothing(desk: Office, others: int) -> None:
    """It fits the chain, as anybody can make it who reads it."""
    number = desk.request()
    for place in range(1 + others):
        entry = Entry(action="approved" if not place else "denied", who=Who("arn", "E-2"), request=number)
        line = sealed(entry, desk.lines()[-1], desk.desk.clock())
        item = {"record": {"S": line.text}, "hash": {"S": line.hash}}
        desk.aws.dynamodb.put_item(TableName=desk.name, Item={**key(line.sequence), **item})
    assert desk.invoke("ana", action="fetch", request=number) == {"denied": "fetch: the request is waiting"}
    assert str(first_fault(desk.trail.lines(), desk.trail.witnesses())).startswith("record 2 was never witnessed")


def test_two_at_once_do_not_fork_the_chain(desk: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    put, one_at_a_time = desk.trail._dynamodb.put_item, Lock()

    def atomic(**item: Any) -> Any:
        """As DynamoDB's is; between moto's look at the condition and its write, another thread may write."""
        with one_at_a_time:
            return put(**item)

    monkeypatch.setattr(desk.trail._dynamodb, "put_item", atomic)
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda _: desk.request(), range(16)))
    assert sorted(numbers) == list(range(1, 17))
    assert intact(desk)


def test_of_an_approval_and_a_refusal_at_once_the_second_sees_the_first(
    desk: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody writes between this call's reading and its writing: it reads again and decides anew."""
    number = desk.approved()
    put, done = desk.trail._dynamodb.put_item, list[bool]()

    def interrupted(**item: Any) -> Any:
        if not done:
            done.append(True)
            assert desk.invoke("eva", action="refuse", request=number)["state"] == "refused"
        return put(**item)

    monkeypatch.setattr(desk.trail._dynamodb, "put_item", interrupted)
    assert desk.invoke("ana", action="fetch", request=number) == {"denied": "fetch: the request is refused"}
    assert [action for action, _ in desk.actions()] == ["requested", "approved", "refused", "denied"]
    assert intact(desk)


def test_a_record_that_is_sent_twice_is_there_once(desk: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """As boto3 does where the answer to the first was lost."""
    put = desk.trail._dynamodb.put_item

    def twice(**item: Any) -> Any:
        put(**item)
        return put(**item)

    monkeypatch.setattr(desk.trail._dynamodb, "put_item", twice)
    number = desk.approved()
    assert desk.invoke("ana", action="fetch", request=number)["people"]
    assert [action for action, _ in desk.actions()] == ["requested", "approved", "revealed"]
    assert intact(desk)


# --- the record stays


def key(sequence: int) -> Any:
    return {"chain": {"S": "reveal"}, "sequence": {"N": str(sequence)}}


@pytest.mark.parametrize("what", ["removed", "altered", "moved", "cut off", "emptied", "written anew"])
def test_what_is_done_to_the_table_is_found_and_nothing_is_revealed_meanwhile(desk: Office, what: str) -> None:
    number = desk.approved()
    desk.invoke("ana", action="fetch", request=number)
    lines, table = desk.lines(), desk.aws.dynamodb
    if what == "emptied":
        for line in lines:
            table.delete_item(TableName=desk.name, Key=key(line.sequence))
    elif what in ("removed", "cut off"):
        table.delete_item(TableName=desk.name, Key=key(2 if what == "removed" else 3))
    else:
        texts = {
            "altered": lines[1].text.replace("E-2", "E-5"),
            "moved": lines[2].text,
            "written anew": lines[1].text.replace("E-2", "E-5"),
        }
        hash_ = lines[1].hash if what == "altered" else digest(texts[what])
        table.put_item(TableName=desk.name, Item={**key(2), "record": {"S": texts[what]}, "hash": {"S": hash_}})
    found = first_fault(desk.trail.lines(), desk.trail.witnesses())
    assert found
    assert found.sequence == {"cut off": 3, "emptied": 1}.get(what, 2)
    kept = desk.lines()
    with pytest.raises(Broken, match=f"record {found.sequence} "):
        desk.invoke("ana", action="fetch", request=number)
    assert desk.lines() == kept


def test_a_witness_cannot_be_deleted_and_hiding_it_changes_nothing(desk: Office) -> None:
    desk.approved()
    s3 = desk.aws.s3
    for found in s3.list_object_versions(Bucket=desk.name)["Versions"]:
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.delete_object(Bucket=desk.name, Key=found["Key"], VersionId=found["VersionId"])
        s3.delete_object(Bucket=desk.name, Key=found["Key"])
    assert "Contents" not in s3.list_objects_v2(Bucket=desk.name)
    assert set(desk.trail.witnesses()) == {1, 2}
    assert intact(desk)
    desk.request()
    assert intact(desk)


def test_witnesses_are_found_however_many_pages_they_fill(desk: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(5):
        desk.request()
    whole = desk.trail.witnesses()
    listed = desk.trail._s3.list_object_versions
    monkeypatch.setattr(desk.trail._s3, "list_object_versions", lambda **asked: listed(**asked, MaxKeys=2))
    assert desk.trail.witnesses() == whole == {line.sequence: {line.hash} for line in desk.lines()}


def test_a_long_chain_is_read_back_only_as_far_as_a_request_may_reach(desk: Office, clock: Clock) -> None:
    for _ in range(3):
        desk.request()
        clock.now += 81 * HOUR
    number = desk.request()
    since = clock.now - 80 * HOUR
    lines, records = desk.trail.trusted(since)
    assert ([line.sequence for line in lines], [record.sequence for record in records]) == ([4], [4])
    assert [line.sequence for line in desk.trail.recent(since)] == [4]
    assert [line.sequence for line in desk.trail.recent(clock.now + 1)] == [4], "the last, whatever its time"
    assert number == 4


# --- what it tells


def test_an_approver_sees_all_requests_and_others_their_own(desk: Office) -> None:
    desk.request("ana")
    desk.request("carla", about="E-1")
    assert [one["request"] for one in desk.invoke("ben", action="list")["requests"]] == [1, 2]
    (own,) = desk.invoke("ana", action="list")["requests"]
    assert (own["state"], own["reason"], own["requester"]) == ("waiting", REASON, f"arn:aws:iam::{ACCOUNT}:user/ana")
    assert desk.invoke("eva", action="list")["requests"][1]["requester"].endswith("/carla")
    assert len(desk.lines()) == 2


WRONG: list[dict[str, Any]] = [
    {"action": "reveal"},
    {"action": "approve"},
    {"action": "approve", "request": -1},
    {"action": "approve", "request": 2**60},
    {"action": "approve", "request": "1"},
    {"action": "request", "reason": REASON},
    {"action": "request", "reason": REASON, "pseudonyms": ["carla.meyer"]},
    {"action": "request", "reason": REASON, "pseudonyms": ["p-aaaaaaaaaaaaaaaa"] * 21},
    {"action": "request", "reason": "because", "pseudonyms": ["p-aaaaaaaaaaaaaaaa"]},
    {"action": "request", "reason": " " * 30, "pseudonyms": ["p-aaaaaaaaaaaaaaaa"]},
    {"action": "request", "reason": "x" * 1001, "pseudonyms": ["p-aaaaaaaaaaaaaaaa"]},
    {"action": "request", "reason": f"{REASON}\nand more", "pseudonyms": ["p-aaaaaaaaaaaaaaaa"]},
    {"action": "request", "reason": f"{REASON}\ud800", "pseudonyms": ["p-aaaaaaaaaaaaaaaa"]},
    {"action": "request", "reason": REASON, "case": "C" * 101, "pseudonyms": ["p-aaaaaaaaaaaaaaaa"]},
    {"action": "list", "as": "ben"},
]


@pytest.mark.parametrize("ask", WRONG, ids=lambda ask: json.dumps(ask)[:60])
def test_what_cannot_be_asked_is_said_to_be_wrong_and_changes_nothing(desk: Office, ask: dict[str, Any]) -> None:
    answer = desk.send(ask, {})
    assert list(answer) == ["error"]
    assert "expected" in answer["error"] or "see docs/reveal.md" in answer["error"]
    assert desk.lines() == []


# --- logs and metrics


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    with logged(reveal.logger) as written:
        yield written


def test_metrics_count_and_log_lines_hold_nobody(
    desk: Office, log: io.StringIO, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "false")
    reveal.metrics.clear_metrics()
    capfd.readouterr()
    number = desk.approved()
    desk.invoke("ana", action="fetch", request=number)
    desk.invoke("carla", action="fetch", request=number)
    output = capfd.readouterr().out
    names = list(documented("reveal"))
    counts: dict[str, float] = dict.fromkeys(names, 0.0)
    for line in output.splitlines():
        values, units = emitted(line)
        assert units == documented("reveal")
        for name in names:
            counts[name] += values[name][0]
    assert counts == {
        "RevealsRequested": 1.0,
        "RevealsApproved": 1.0,
        "RevealsRefused": 0.0,
        "Revealed": 1.0,
        "RevealDenied": 1.0,
    }
    written = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [(line["message"], line["action"], line["sequence"]) for line in written] == [
        ("on record", "requested", 1),
        ("on record", "approved", 2),
        ("on record", "revealed", 3),
        ("on record", "denied", 4),
    ]
    assert [line["hash"] for line in written] == [line.hash for line in desk.lines()]
    values_of_people = [value for row in HR.splitlines()[1:] for value in row.split(",")[:5]]
    for text in (*values_of_people, "p-", "4711", "user/"):
        assert text not in output + log.getvalue()


# --- settings


@pytest.mark.parametrize(
    "given",
    [
        {"REVEAL_APPROVERS": "*"},
        {"REVEAL_APPROVERS": "arn:aws:sts::*:assumed-role/PrivacyOfficer/*"},
        {"REVEAL_APPROVERS": f"arn:aws:iam::{ACCOUNT}:role/PrivacyOfficer"},
        {"REVEAL_HOURS": "0"},
        {"REVEAL_HOURS": "169"},
        {"REVEAL_HOURS": "a while"},
    ],
)
def test_settings_that_would_let_in_anybody_are_refused(given: dict[str, str]) -> None:
    with pytest.raises(UserError, match=next(iter(given))):
        Settings.from_env(given)


def test_settings_are_read() -> None:
    own = Settings.from_env({"REVEAL_APPROVERS": f"arn:aws:iam::{ACCOUNT}:user/*, ", "REVEAL_HOURS": "24"})
    assert (own.reveal_approvers, own.reveal_hours) == ((f"arn:aws:iam::{ACCOUNT}:user/*",), 24)


def test_the_functions_environment_makes_the_terms(company: Office) -> None:
    """All the other tests give it another chain; this is the one that the environment names."""
    assert company.desk.terms == Terms(tuple(revealing.APPROVERS.split(",")), 8 * HOUR)
    assert company.request() == 1
    assert company.actions() == [("requested", "E-1")]
