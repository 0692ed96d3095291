"""CloudTrail beyond its golden pairs: hostile records, ids, sign-ins, and what Elasticsearch is asked to index."""

import copy
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from innerwatch import sources
from innerwatch.fields import DATASETS
from innerwatch.sources import cloudtrail
from innerwatch.sources.cloudtrail import parameters
from innerwatch.values import Event, Evidence, Origin, SetAside, dig
from tests import ecs

GOLDEN = Path(__file__).parents[1] / "golden" / "aws.cloudtrail"
ORIGIN = Origin("s3://logs/object", 1)
RECORD: dict[str, Any] = {
    "eventVersion": "1.11",
    "eventTime": "2026-03-31T09:15:00Z",
    "eventSource": "s3.amazonaws.com",
    "eventName": "GetObject",
    "eventID": "event-1",
    "userIdentity": {"type": "IAMUser", "accountId": "123456789012", "userName": "Ana"},
}


def parsed(**changes: Any) -> Event:
    result = sources.parse(cloudtrail, json.dumps({**RECORD, **changes}).encode(), ORIGIN)
    assert isinstance(result, Event), result
    return result


def reason(record: bytes) -> str:
    result = cloudtrail.parse(record, ORIGIN)
    assert isinstance(result, SetAside)
    assert result.raw == record[: 64 * 1024]
    return result.reason


def golden_records() -> list[dict[str, Any]]:
    return [json.loads(line) for path in sorted(GOLDEN.glob("*.log")) for line in path.read_bytes().splitlines()]


def test_the_golden_pairs_have_every_type_of_identity_and_category_of_event() -> None:
    records = golden_records()
    types = {record["userIdentity"].get("type") for record in records if isinstance(record.get("userIdentity"), dict)}
    assert types >= {
        *("Root", "IAMUser", "AssumedRole", "Role", "FederatedUser", "Directory", "AWSAccount", "AWSService"),
        *("SAMLUser", "WebIdentityUser", "IdentityCenterUser", "Unknown"),
    }
    categories = {record.get("eventCategory") for record in records}
    assert categories >= {"Management", "Data", "NetworkActivity", "Insight"}


@pytest.mark.skipif(not ecs.ECS_FLAT.exists(), reason=f"needs {ecs.ECS_FLAT}: ECS, which is not part of the project")
def test_every_golden_document_holds_to_ecs() -> None:
    for record in golden_records():
        result = cloudtrail.parse(json.dumps(record).encode(), ORIGIN)
        if isinstance(result, Event):
            assert ecs.problems(result.document, "aws.cloudtrail") == []


def test_every_field_of_a_record_has_a_raw_name_in_the_table() -> None:
    """A rule for CloudTrail names fields as AWS does: each must lead to where the document has that very value."""
    raw = {row.raw for row in DATASETS["aws.cloudtrail"]}
    for struct, names in cloudtrail.record.FIELDS.items():
        prefix = {
            "Record": "",
            "UserIdentity": "userIdentity.",
            "SessionContext": "userIdentity.sessionContext.",
            "SessionIssuer": "userIdentity.sessionContext.sessionIssuer.",
            "SessionAttributes": "userIdentity.sessionContext.attributes.",
            "WebIdFederationData": "userIdentity.sessionContext.webIdFederationData.",
            "OnBehalfOf": "userIdentity.onBehalfOf.",
            "InScopeOf": "userIdentity.inScopeOf.",
            "InvokedByDelegate": "userIdentity.invokedByDelegate.",
            "TlsDetails": "tlsDetails.",
            "Addendum": "addendum.",
        }[struct.__name__]
        for name in {item.encode_name for item in msgspec.structs.fields(struct)} & set(names):
            full = f"{prefix}{name}"
            assert full in raw or any(other.startswith(f"{full}.") for other in raw), full


def test_what_a_rule_names_is_what_the_record_has() -> None:
    rows = [row for row in DATASETS["aws.cloudtrail"] if row.raw and row.type in ("keyword", "flattened", "boolean")]
    seen = set()
    for record in golden_records():
        result = cloudtrail.parse(json.dumps(record).encode(), ORIGIN)
        if isinstance(result, SetAside) or "eventVersion" not in record or record.get("errorMessage", "")[:2] == "No":
            continue
        for row in rows:
            value = dig(record, row.raw)
            if value in (None, "", {}) or row.raw.startswith("resources"):
                continue
            ours = dig(result.document, row.name)
            seen.add(row.raw)
            if row.type == "flattened":
                assert ours == parameters.forms(value)[0]
                assert dig(result.document, row.match) == lowered(value)
            else:
                assert ours == value or str(ours).lower() == str(value).lower(), row.raw
    assert seen >= {row.raw for row in rows} - {"status", "resources.ARN"} - {
        row.raw for row in rows if row.raw.startswith(("resources.", "userIdentity.sessionContext.assumedRoot"))
    }


def lowered(value: Any) -> Any:
    """Independently of the code under test: values in lower case, names as they are, null left out."""
    if isinstance(value, dict):
        return {name: lowered(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [lowered(item) for item in value if item is not None]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**63:
        return str(value)
    return value.lower() if isinstance(value, str) else value


def test_all_that_is_dropped_is_empty_and_matching_keeps_empty_texts() -> None:
    document = parsed(requestParameters={"A": "", "b": None, "c": [], "d": {"e": [None, ""]}, "F": "X"}).document
    ours = document["aws"]["cloudtrail"]
    assert ours["flattened"]["request_parameters"] == {"F": "X"}
    assert ours["match"]["request_parameters"] == {"A": "", "c": [], "d": {"e": [""]}, "F": "x"}
    assert ours["request_parameters"] == "{F=X}"
    assert "request_parameters" not in parsed(requestParameters={"a": ""}).document["aws"]["cloudtrail"]


def test_matching_lowers_every_character_by_itself() -> None:
    document = parsed(requestParameters={"Key": "ÀÉ İ ΣΣ ß Ǆ"}).document
    assert document["aws"]["cloudtrail"]["match"]["request_parameters"] == {"Key": "àé i σσ ß ǆ"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": True, "a": None, "n": 5}, "{b=true, n=5}"),
        ({"list": [1, "x", {"y": [2.5]}, []]}, "{list=[1, x, {y=[2.5]}]}"),
        # In a table of 32, "11" (1568) comes first, "0" (48) at place 16, and "10" (1567) last.
        (
            {str(n): n for n in range(14)},
            "{11=11, 12=12, 13=13, 0=0, 1=1, 2=2, 3=3, 4=4, 5=5, 6=6, 7=7, 8=8, 9=9, 10=10}",
        ),
        ({"f": 1e7, "g": 1e-4}, "{f=1.0E7, g=1.0E-4}"),
        ({"big": 10**30}, "{big=1000000000000000000000000000000}"),
    ],
)
def test_parameters_as_text_are_what_java_writes(value: dict[str, Any], text: str) -> None:
    assert parameters.forms(value)[2] == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (1.5, "1.5"),
        (0.001, "0.001"),
        (0.00099, "9.9E-4"),
        (9999999.5, "9999999.5"),
        (12345678.9, "1.23456789E7"),
        (-1e16, "-1.0E16"),
        (1.5e300, "1.5E300"),
        (2.5e-300, "2.5E-300"),
    ],
)
def test_fractions_are_written_as_java_does(value: float, text: str) -> None:
    assert parameters.java_double(value) == text


def test_hash_codes_are_javas() -> None:
    assert [parameters.java_hash(text) for text in ("", "a", "hello")] == [0, 97, 99162322 ^ (99162322 >> 16)]


def test_a_record_without_an_id_gets_one_that_does_not_change() -> None:
    without = {name: value for name, value in RECORD.items() if name != "eventID"}
    record = json.dumps(without).encode()
    first, second, elsewhere = (
        cloudtrail.parse(record, origin)
        for origin in (ORIGIN, Origin("s3://logs/object", 1), Origin("s3://logs/object", 2))
    )
    assert isinstance(first, Event)
    assert isinstance(second, Event)
    assert isinstance(elsewhere, Event)
    assert first.id == second.id != elsewhere.id
    assert "id" not in first.document["event"]
    assert len(parsed(eventID="é" * 300).id) == 40


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("2026-03-31T09:15:00Z", 1774948500000),
        ("2026-03-31T11:15:00.1239+02:00", 1774948500123),
        ("2026-03-31 09:15:00.000000000", 1774948500000),
    ],
)
def test_times_are_utc(text: str, milliseconds: int) -> None:
    event = parsed(eventTime=text)
    assert event.time == milliseconds
    assert event.document["@timestamp"].startswith("2026-03-31T09:15:00.")


@pytest.mark.parametrize("text", ["", "yesterday", "2026-02-30T00:00:00Z", "20260331T091500Z", "2026-03-31", 5, {}])
def test_a_record_without_a_time_is_set_aside(text: Any) -> None:
    assert "eventTime" in reason(json.dumps({**RECORD, "eventTime": text}).encode())


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (b"", "no JSON"),
        (b"null", "null; expected an object"),
        (b"[]", "a list; expected an object"),
        (b'{"eventTime":"2026-03-31T09:15:00Z"', "no JSON"),
        (b'{"eventTime":"2026-03-31T09:15:00Z","userAgent":"\xff"}', "no JSON"),
        (b'{"eventTime":"2026-03-31T09:15:00Z","userAgent":"\x00"}', "no JSON"),
        (b'{"eventTime":"2026-03-31T09:15:00Z","userAgent":"\\ud83d"}', "half a character"),
        (b'{"eventTime":"2026-03-31T09:15:00Z","requestParameters":{"\\udc00":1}}', "half a character"),
        (
            b'{"eventTime":"2026-03-31T09:15:00Z","requestParameters":%b}' % (b'{"a":' * 999 + b"1" + b"}" * 999),
            "nested",
        ),
        (
            b'{"eventTime":"2026-03-31T09:15:00Z","requestParameters":%b}' % (b'{"a":' * 91 + b"1" + b"}" * 91),
            "90 levels",
        ),
        (b'{"eventTime":"2026-03-31T09:15:00Z","userIdentity":%b}' % (b"[" * 99999 + b"]" * 99999), "nested"),
        (b'{"eventTime":"2026-03-31T09:15:00Z","requestParameters":{"a\\u0000":1}}', "NUL"),
        (b'{"eventTime":"2026-03-31T09:15:00Z","requestParameters":{"%b":{"b":1}}}' % (b"a" * 9000), "8000 bytes"),
        (b'{"eventTime":"2026-03-31T09:15:00Z","requestParameters":{"a":1e999}}', "out of range"),
        (b'{"eventTime":"2026-03-31T09:15:00Z","requestParameters":{"a":%b}}' % (b"9" * 9000), "out of range"),
        (b'{"eventTime":"2026-03-31T09:15:00Z","readOnly":"perhaps"}', "readOnly is 'perhaps'; expected true or false"),
    ],
)
def test_hostile_records_are_set_aside_with_a_reason(record: bytes, expected: str) -> None:
    assert expected in reason(record)


def test_of_a_duplicated_name_the_last_counts() -> None:
    record = b'{"eventTime":"2026-03-31T09:15:00Z","eventName":"A","eventName":"B","requestParameters":{"a":1,"a":2}}'
    result = cloudtrail.parse(record, ORIGIN)
    assert isinstance(result, Event)
    assert result.document["event"]["action"] == "B"
    assert result.document["aws"]["cloudtrail"]["flattened"]["request_parameters"] == {"a": 2}


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(deeper for name, item in inner for deeper in paths(item, (*path, name)))]


PLACES = [(place, path) for place, record in enumerate(golden_records()) for path in paths(record) if path]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=1500, deadline=None)
@given(st.sampled_from(PLACES), ANYTHING)
def test_wrong_types_in_any_field_give_an_event_or_a_reason(place: tuple[int, tuple[Any, ...]], value: Any) -> None:
    record = copy.deepcopy(golden_records()[place[0]])
    *parents, last = place[1]
    level: Any = record
    for name in parents:
        level = level[name]
    level[last] = value
    result = cloudtrail.parse(json.dumps(record).encode(), ORIGIN)
    if isinstance(result, SetAside):
        assert result.reason
    else:
        msgspec.json.encode(result.document)
        if ecs.ECS_FLAT.exists():
            assert ecs.problems(result.document, "aws.cloudtrail") == []


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_make_it_raise(data: bytes) -> None:
    assert isinstance(cloudtrail.parse(data, ORIGIN), SetAside)
    assert cloudtrail.recognise(data) is cloudtrail.is_digest(data) is False


def failed_sign_in(**changes: Any) -> dict[str, Any]:
    return {
        **RECORD,
        "eventSource": "signin.amazonaws.com",
        "eventName": "ConsoleLogin",
        "eventType": "AwsConsoleSignIn",
        "userIdentity": {"type": "IAMUser", "accountId": "123456789012", "accessKeyId": "", "userName": "hunter2!"},
        "errorMessage": "No username found in supplied account",
        "responseElements": {"ConsoleLogin": "Failure"},
        "additionalEventData": {"MFAUsed": "No"},
        **changes,
    }


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"errorMessage": "Failed authentication"},
        {"errorMessage": "No username found in supplied account: hunter2!"},
        {"requestParameters": {"username": "hunter2!", "deep": [{"text": "by hunter2! today"}]}},
        {"responseElements": {"ConsoleLogin": "Failure", "name": "hunter2!"}},
        {"userIdentity": {"type": "Unknown", "userName": "hunter2!", "arn": "arn:aws:iam::123456789012:user/hunter2!"}},
        {"eventName": "UserAuthentication", "errorCode": "Failure", "additionalEventData": {"UserName": "hunter2!"}},
        {"unknownField": {"typed": "hunter2!"}},
        {
            "eventName": "CredentialVerification",
            "errorMessage": None,
            "userIdentity": {"type": "Unknown", "userName": "hunter2!"},
            "responseElements": None,
            "serviceEventDetails": {"CredentialVerification": "Failure"},
        },
    ],
)
def test_a_name_that_may_be_a_password_is_stored_nowhere(changes: dict[str, Any]) -> None:
    event = cloudtrail.parse(json.dumps(failed_sign_in(**changes)).encode(), ORIGIN)
    assert isinstance(event, Event)
    assert b"hunter2" not in msgspec.json.encode(event.document)
    assert event.actor.no_person == "a failed sign-in with the name of no user"
    assert event.document["event"]["outcome"] == "failure"


def test_the_name_of_a_user_who_exists_is_kept() -> None:
    identity = {
        "type": "IAMUser",
        "principalId": "AIDA",
        "arn": "arn:aws:iam::123456789012:user/Ana",
        "userName": "Ana",
    }
    event = cloudtrail.parse(
        json.dumps(failed_sign_in(userIdentity=identity, errorMessage="Failed authentication")).encode(), ORIGIN
    )
    assert isinstance(event, Event)
    assert event.document["user"]["name"] == "Ana"
    # but that it was this user is not proved
    assert event.actor.evidence == (Evidence("remote_user", "iam_user:123456789012:user/ana"),)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (b'{"eventVersion":"1.08","eventSource":"s3.amazonaws.com"}', True),
        (b'{"eventVersion":"1.07","eventType":"AwsCloudTrailInsight"}', True),
        (b'{"eventversion":"1.08","eventsource":"s3.amazonaws.com"}', True),
        (b'{"eventSource":"s3.amazonaws.com"}', False),
        (b'{"Records":[]}', False),
        (b"[", False),
    ],
)
def test_a_record_is_recognised_by_itself(record: bytes, expected: bool) -> None:
    assert cloudtrail.recognise(record) is expected


def test_digest_files_are_recognised() -> None:
    digest = b'{"awsAccountId":"123456789012","digestStartTime":"2026-03-31T09:00:00Z","digestS3Bucket":"logs",\
"digestS3Object":"AWSLogs/x.json.gz","digestPublicKeyFingerprint":"31e8b5433410dfb61a9dc45cc65b22ff","logFiles":[]}'
    assert cloudtrail.is_digest(digest)
    assert not cloudtrail.is_digest(json.dumps({**RECORD, "requestParameters": {"digestS3Object": "x"}}).encode())


def test_values_too_long_to_be_indexed_are_named() -> None:
    long = {"short": "x", "deep": [{"text": "€" * 8192}]}
    event = parsed(
        requestParameters=long, errorMessage="e" * 8192, responseElements={"a": "b" * 8191}, userAgent="u" * 9000
    )
    assert sorted(event.document["innerwatch"]["oversized"]) == [
        "aws.cloudtrail.error_message",
        "aws.cloudtrail.match.request_parameters",
        "aws.cloudtrail.request_parameters",
        "aws.cloudtrail.response_elements",
        "user_agent.original",
    ]
    assert dig(event.document, "aws.cloudtrail.flattened.request_parameters") == long
    assert "innerwatch" not in parsed(requestParameters={"a": "b" * 8000, "c": "d" * 100}).document
    # 4096 characters outside the basic plane are 8192 of Java's.
    assert "innerwatch" in parsed(requestParameters={"a": "😀" * 4096}).document
