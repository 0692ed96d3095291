"""Digest files signed as AWS signs them: what was altered, removed, exchanged or forged is seen."""

import gzip
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from innerwatch import instants, trails
from innerwatch.ledger import Line
from innerwatch_cli.coverage import of_digest
from innerwatch_cli.coverage.digests import Digest, InvalidError, read
from innerwatch_cli.coverage.evidence import PublicKeys
from innerwatch_cli.coverage.judging import Chain, Evidence, Seen, objections
from innerwatch_cli.coverage.minutes import MEANING, Count, Findings, Interval, Reason, State, intervals
from tests.trail_files import BUCKET, HOUR, MINUTE, CloudTrail, File, new_key

NINE = instants.from_rfc3339("2026-03-31T09:00:00Z")
KEY = new_key()


@pytest.fixture
def trail() -> CloudTrail:
    return CloudTrail(KEY)


def hours(trail: CloudTrail, count: int = 4, start: int = NINE) -> list[File]:
    """Digest files, one an hour, each with one log file of that hour."""
    found = []
    for number in range(count):
        first = start + number * HOUR
        file = trail.log_file(first + 10 * MINUTE, first + 20 * MINUTE)
        found.append(trail.digest(first, first + HOUR, [(file, first + 10 * MINUTE, first + 20 * MINUTE)]))
    return found


def taken(trail: CloudTrail, file: File, **changes: Any) -> Digest:
    found = {
        "key": file.key,
        "content": gzip.decompress(file.body),
        "metadata": file.metadata,
        "public_keys": {trail.fingerprint: trail.public_key()},
    }
    return read(BUCKET, **(found | changes))


# --- One digest file -------------------------------------------------------------------------------------------------


def test_a_signed_digest_tells_what_was_delivered(trail: CloudTrail) -> None:
    first, second = (taken(trail, file) for file in hours(trail, 2))
    assert (first.start, first.end, first.previous) == (NINE, NINE + HOUR, None)
    assert second.previous == first.link
    (listed,) = second.log_files
    assert listed.key.startswith("AWSLogs/123456789012/CloudTrail/eu-central-1/2026/03/31/")
    assert listed.times == (NINE + 70 * MINUTE, NINE + 80 * MINUTE)


def altered(content: bytes) -> bytes:
    return content.replace(b'"logFiles": [{', b'"logFiles": [], "was": [{')


@pytest.mark.parametrize(
    ("what", "changes", "why"),
    [
        ("its content", {"content": altered}, "signature is not CloudTrail's"),
        ("its end", {"content": lambda it: it.replace(b"T10:00:00Z", b"T11:00:00Z")}, "moved|signature"),
        ("its place", {"key": lambda it: it.replace("2026/03/31", "2026/04/01")}, "it was moved here"),
        ("its signature", {"metadata": lambda it: {**it, "signature": "ab" * 256}}, "signature is not CloudTrail's"),
        ("a signature that is none", {"metadata": lambda it: {**it, "signature": "x"}}, "cannot be verified"),
        ("no signature", {"metadata": lambda _: {}}, "no SHA256withRSA signature"),
        ("another algorithm", {"metadata": lambda it: {**it, "signature-algorithm": "none"}}, "no SHA256withRSA"),
        ("no key", {"public_keys": lambda _: {}}, "no public key with its fingerprint"),
        ("no digest", {"content": lambda _: b"[" * 100_000}, "no digest file"),
        ("bytes", {"content": lambda _: b"\xff"}, "no digest file"),
        ("a key that is none", {"public_keys": lambda it: dict.fromkeys(it, b"?")}, "cannot be verified"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else "",
)
def test_what_cloudtrail_did_not_sign_is_refused(
    trail: CloudTrail, what: str, changes: dict[str, Any], why: str
) -> None:
    (file,) = hours(trail, 1)
    asked: dict[str, Any] = {
        "key": file.key,
        "content": gzip.decompress(file.body),
        "metadata": file.metadata,
        "public_keys": {trail.fingerprint: trail.public_key()},
    }
    with pytest.raises(InvalidError, match=why):
        taken(trail, file, **{name: change(asked[name]) for name, change in changes.items()})


def test_a_digest_signed_with_another_key_is_refused(trail: CloudTrail) -> None:
    forger = CloudTrail()
    (file,) = hours(forger, 1)
    content = gzip.decompress(file.body).replace(forger.fingerprint.encode(), trail.fingerprint.encode())
    forged = forger.signed(json.loads(content))  # it claims CloudTrail's key
    with pytest.raises(InvalidError, match="not CloudTrail's"):
        taken(trail, forged)


# --- The chain -------------------------------------------------------------------------------------------------------


def chained(digests: Sequence[Digest | str], end: int, lateness: int = 0) -> list[tuple[Any, ...]]:
    """What a chain finds between nine o'clock and `end`: reason, and hours from nine."""
    findings = Findings(NINE, end)
    chain = Chain(findings, lateness)
    for digest in digests:
        if isinstance(digest, str):
            chain.invalid(digest)
        else:
            chain.add(digest)
    chain.finish()
    return sorted((count.reason, (start - NINE) / HOUR, (stop - NINE) / HOUR) for start, stop, count in findings)


def test_a_whole_chain_has_nothing_against_it(trail: CloudTrail) -> None:
    assert chained([taken(trail, file) for file in hours(trail)], NINE + 4 * HOUR) == []


def test_a_removed_digest_leaves_its_hour_unproven(trail: CloudTrail) -> None:
    found = [taken(trail, file) for file in hours(trail)]
    assert chained(found[:1] + found[2:], NINE + 4 * HOUR) == [(Reason.DIGEST_MISSING, 1, 2)]


def test_an_altered_digest_leaves_its_hour_unproven(trail: CloudTrail) -> None:
    found: list[Digest | str] = [taken(trail, file) for file in hours(trail)]
    found[2] = "s3://…: its signature is not CloudTrail's"
    assert chained(found, NINE + 4 * HOUR) == [(Reason.DIGEST_ALTERED, 2, 3)]


def test_late_events_of_the_time_before_a_gap_are_unproven_too(trail: CloudTrail) -> None:
    found = [taken(trail, file) for file in hours(trail)]
    assert chained(found[:2] + found[3:], NINE + 4 * HOUR, lateness=HOUR // 2) == [
        (Reason.DIGEST_MISSING, 1.5, 3),
        (Reason.NO_DIGEST, 3.5, 4),
    ]


def test_a_chain_in_another_order_is_broken(trail: CloudTrail) -> None:
    """Whoever held the key could sign digests that leave one out; the hash of the next tells."""
    first, second, *_ = hours(trail, 2)
    other = CloudTrail(KEY)
    other.digest(NINE, NINE + HOUR, [])  # the same hour, as if nothing had been delivered
    exchanged = other.digest(NINE + HOUR, NINE + 2 * HOUR, [])
    assert first.key != second.key
    assert chained([taken(trail, first), taken(other, exchanged)], NINE + 2 * HOUR) == [(Reason.CHAIN_BROKEN, 0, 1)]


def test_a_new_chain_leaves_the_time_between_without_digest(trail: CloudTrail) -> None:
    before = [taken(trail, file) for file in hours(trail, 1)]
    trail.previous = {}
    after = [taken(trail, file) for file in hours(trail, 1, NINE + 3 * HOUR)]
    assert chained(before + after, NINE + 5 * HOUR) == [(Reason.NO_DIGEST, 1, 3), (Reason.NO_DIGEST, 4, 5)]


def test_a_key_names_the_trail() -> None:
    trail = CloudTrail(KEY, name="a_b-c.d")
    assert of_digest(trail.digest_key(NINE), "eu-central-1") == ("a_b-c.d", "eu-central-1", False)
    backfill = trail.digest_key(NINE).replace(".json.gz", "_backfill.json.gz")
    assert of_digest(backfill, "eu-central-1") == ("a_b-c.d", "eu-central-1", True)
    place = trails.place(backfill)
    assert place is not None
    assert place.time == NINE


def test_keys_are_asked_of_cloudtrail_once_a_day_and_region(trail: CloudTrail) -> None:
    asked: list[str] = []

    def client(_service: str, region_name: str) -> Any:
        asked.append(region_name)
        made = boto3.client("cloudtrail", region_name=region_name, aws_access_key_id="x", aws_secret_access_key="x")
        stub = Stubber(made)
        day = datetime(2026, 3, 31, tzinfo=UTC)
        times = {"StartTime": day.replace(day=30), "EndTime": day.replace(month=4, day=2)}
        listed = {"Fingerprint": trail.fingerprint, "Value": trail.public_key()} if region_name == "us-east-1" else None
        stub.add_response("list_public_keys", {"PublicKeyList": [], "NextToken": "more"}, times)
        stub.add_response(
            "list_public_keys", {"PublicKeyList": [listed] if listed else []}, {**times, "NextToken": "more"}
        )
        stub.activate()
        return made

    keys = PublicKeys(SimpleNamespace(client=client))
    for file in hours(trail, 3):
        found = keys.of(gzip.decompress(file.body), ("eu-central-1", "us-east-1"), NINE)
        assert found == {trail.fingerprint: trail.public_key()}
    assert asked == ["eu-central-1", "us-east-1"], "the region's own keys, then those of the trail's home"


# --- Objects ---------------------------------------------------------------------------------------------------------

SEEN = Seen("e", "v", "hash")
LINE = Line("s3://b/k", "v", "s3://b/k?versionId=v", "closed", read=10, indexed=10)
OTHER = Line("s3://b/k", "v0", "s3://b/k?versionId=v0", "closed", read=10, indexed=10)


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        (Evidence(SEEN, "hash", LINE, (), 10, None), []),
        (Evidence(None, "hash", None, (), 0, None), [Reason.MISSING]),
        (Evidence(None, "hash", None, (OTHER,), 0, None), [Reason.GONE]),
        (Evidence(SEEN, "else", LINE, (), 10, None), [Reason.ALTERED]),
        (Evidence(SEEN, "hash", None, (), 0, None), [Reason.NEVER_READ]),
        (Evidence(SEEN, "else", None, (OTHER,), 0, None), [Reason.ALTERED, Reason.NEVER_READ]),
        (Evidence(SEEN, "hash", Line("s3://b/k", "v", "u"), (), 0, None), [Reason.UNFINISHED]),
        (
            Evidence(SEEN, "hash", Line("o", "v", "u", "closed", read=3, indexed=2), (), 3, None),
            [Reason.OUT_OF_BALANCE],
        ),
        (Evidence(SEEN, "hash", LINE, (), 9, None), [Reason.FEWER_DOCUMENTS]),
        (Evidence(SEEN, "hash", LINE, (), 11, None), [Reason.MORE_DOCUMENTS]),
        (
            Evidence(SEEN, "hash", Line("o", "v", "u", "closed", read=10, indexed=9, set_aside=1), (), 9, None),
            [Reason.SET_ASIDE],
        ),
        (Evidence(SEEN, "hash", Line("o", "v", "u", "closed", read=10, indexed=9, set_aside=1), (), 10, None), []),
        (
            Evidence(SEEN, "hash", Line("o", "v", "u", "closed", read=10, indexed=4, duplicate=6), (), 4, True),
            [],  # the six are another object's documents
        ),
        (
            Evidence(SEEN, "hash", Line("o", "v", "u", "closed", read=10, indexed=4, duplicate=6), (), 9, False),
            [Reason.FEWER_DOCUMENTS],
        ),
        (Evidence(SEEN, None, LINE, (), 10, None), [Reason.UNSIGNED]),
        (
            Evidence(SEEN, None, LINE, (Line("o", "e0", "u", "closed", superseded_by="v"),), 10, None),
            [Reason.UNSIGNED, Reason.OVERWRITTEN],
        ),
    ],
)
def test_what_speaks_against_an_object(evidence: Evidence, expected: list[Reason]) -> None:
    assert list(objections(evidence)) == expected


# --- Minutes ---------------------------------------------------------------------------------------------------------


def test_minutes_are_cut_where_the_reasons_change() -> None:
    findings = Findings(NINE, NINE + HOUR)
    findings.add(Reason.NEVER_READ, NINE + 10 * MINUTE + 1, NINE + 12 * MINUTE, "a")
    findings.add(Reason.NEVER_READ, NINE + 11 * MINUTE, NINE + 12 * MINUTE, "b")
    findings.add(Reason.NO_DIGEST, NINE + 50 * MINUTE, NINE + 2 * HOUR, "")
    findings.add(Reason.MISSING, NINE - HOUR, NINE - 1, "before")
    found = intervals(findings.start, findings.end, findings)
    assert [((it.start - NINE) // MINUTE, (it.end - NINE) // MINUTE, it.state) for it in found] == [
        (0, 10, State.PROVEN),
        (10, 13, State.INCOMPLETE),
        (13, 50, State.PROVEN),
        (50, 60, State.UNPROVEN),
    ]
    assert found[1].reasons == (Count(Reason.NEVER_READ, 2, "a"),)


def test_without_findings_all_is_proven() -> None:
    assert intervals(0, MINUTE, ()) == (Interval(0, MINUTE, State.PROVEN),)


def test_findings_take_no_more_room_for_more_objects() -> None:
    findings = Findings(NINE, NINE + HOUR)
    for number in range(10_000):
        findings.add(Reason.NEVER_READ, NINE + number % 5, NINE + 100, str(number))
    assert [count for _, _, count in findings] == [Count(Reason.NEVER_READ, 10_000, "0")]


def test_every_reason_has_a_meaning() -> None:
    assert set(MEANING) == set(Reason)
