"""The directory in DynamoDB: the same answers as in memory, nothing overwritten, and no harm from being killed."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from innerwatch.directory import Directory, DynamoStore, MemoryStore, apply_feed, create_table
from innerwatch.errors import UserError
from innerwatch.hr import read_feed
from innerwatch.pseudonyms.vocabulary import Vocabulary
from innerwatch.values import CLAIMED_TWICE, NOBODY, Feed, Owner

MARCH = 1_772_323_200_000  # 2026-03-01T00:00:00Z
DAY = 86_400_000

PEOPLE = b"""employee_id,name,email,iam_user,department,hired_at,notice_at,last_day
e-1,Ana,ana@example.com,123456789012:user/ana,Support,2020-01-06,,
e-2,Ben,ben@example.com,,Fraud,2024-05-01,,
e-3,Cem,cem@example.com,,Platform,2025-01-01,,
"""
MOVED = b"""employee_id,name,email,iam_user,department,hired_at,notice_at,last_day
e-1,Ana,ana@example.com,123456789012:user/ana,Fraud,2020-01-06,2026-03-05,2026-03-31
e-2,Ben,ben@example.org,,Fraud,2024-05-01,,
e-3,Cem,cem@example.com,,Platform,2025-01-01,,
"""
LATE = b"""employee_id,department,effective_date
e-3,Security,2026-03-03
e-4,Support,2026-03-20
"""
OWNERS = b"""identifier,employee_id,valid_from,valid_to
iam_user:123456789012:user/ops,e-1,,2026-03-10
iam_user:123456789012:user/ops,e-2,2026-03-10,
AKIAIOSFODNN7EXAMPLE,e-1,,
AKIAIOSFODNN7EXAMPLE,e-2,,
"""
RESIGNED = b"""EmailAddress,ResignationDate,LastWorkingDate
BEN@example.org,2026-03-08,2026-04-30
zoe@example.com,2026-03-08,
"""
FEEDS = [(PEOPLE, 0), (OWNERS, 1), (MOVED, 9), (LATE, 9), (RESIGNED, 12)]
IDENTIFIERS = [
    "email:ana@example.com",
    "email:ben@example.com",
    "email:ben@example.org",
    "email:zoe@example.com",
    "iam_user:123456789012:user/ana",
    "iam_user:123456789012:user/ops",
    "access_key:akiaiosfodnn7example",
    "employee:e-4",
    "username:nobody",
]


def feed(data: bytes, day: int) -> Feed:
    return read_feed(data, "s3://hr/feed.csv", MARCH + day * DAY)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamoStore]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        create_table("directory")
        yield DynamoStore(boto3.resource("dynamodb").Table("directory"))


def items() -> list[dict[str, Any]]:
    found = boto3.resource("dynamodb").Table("directory").scan()["Items"]
    return sorted((item for item in found if item["sk"] != "version"), key=lambda item: (item["pk"], item["sk"]))


def same_answers(one: Directory, other: Directory) -> None:
    here, there = Vocabulary(one.identities()), Vocabulary(other.identities())
    assert (here.everywhere, here.whole) == (there.everywhere, there.whole)
    assert (
        here.get("akiaiosfodnn7example") is None or here.everywhere["akiaiosfodnn7example"].recorded_at == MARCH + DAY
    )
    instants = [0, *(MARCH + day * DAY + 1 for day in range(-3, 35))]
    for time in instants:
        for number in range(1, 5):
            assert one.state(f"e-{number}", time) == other.state(f"e-{number}", time)
        for identifier in IDENTIFIERS:
            assert one.owner(identifier, time) == other.owner(identifier, time), (identifier, time)


def test_it_answers_as_the_one_in_memory_does(store: DynamoStore) -> None:
    memory = MemoryStore()
    for data, day in FEEDS:
        assert apply_feed(store, feed(data, day)) == apply_feed(memory, feed(data, day))
    same_answers(Directory(store), Directory(memory))
    directory = Directory(store)
    assert directory.owner("iam_user:123456789012:user/ops", MARCH + 9 * DAY - 1) == Owner("e-1")
    assert directory.owner("iam_user:123456789012:user/ops", MARCH + 9 * DAY) == Owner("e-2")
    assert directory.owner("access_key:AKIAIOSFODNN7EXAMPLE", MARCH) == Owner("", CLAIMED_TWICE)
    assert directory.owner("email:ben@example.com", MARCH + 8 * DAY) == Owner("e-2")
    assert directory.owner("email:ben@example.com", MARCH + 10 * DAY) == Owner("", NOBODY)


def test_the_same_feed_twice_adds_nothing(store: DynamoStore) -> None:
    for data, day in FEEDS:
        apply_feed(store, feed(data, day))
    before = items()
    for data, day in FEEDS:
        assert apply_feed(store, feed(data, day)).repeated
    assert items() == before


def test_the_same_content_as_a_new_feed_adds_no_fact(store: DynamoStore) -> None:
    apply_feed(store, feed(PEOPLE, 0))
    before = [item for item in items() if item["pk"] != "feeds"]
    report = apply_feed(store, feed(PEOPLE, 20))
    assert (report.unchanged, report.changed, report.new, report.left) == (3, 0, 0, 0)
    assert [item for item in items() if item["pk"] != "feeds"] == before


class KilledError(Exception):
    pass


@pytest.mark.parametrize("writes", range(5))
def test_killed_at_any_write_and_repeated_it_ends_the_same(
    store: DynamoStore, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    """`writes` requests go through before the function is killed."""
    monkeypatch.setattr("innerwatch.append_only.WRITERS", 1)
    apply_feed(store, feed(PEOPLE, 0))
    left = [writes]

    def kill(operation_name: str, **_: Any) -> None:
        if operation_name in ("BatchWriteItem", "PutItem", "TransactWriteItems"):
            if not left[0]:
                raise KilledError
            left[0] -= 1

    events = store._client.meta.events
    events.register("before-parameter-build.dynamodb", lambda model, **_: kill(model.name), unique_id="kill")
    moved = feed(MOVED, 9)
    with pytest.raises(KilledError):
        apply_feed(store, moved)
    assert not store.applied(moved)
    events.unregister("before-parameter-build.dynamodb", unique_id="kill")
    apply_feed(store, moved)
    assert store.applied(moved)
    memory = MemoryStore()
    apply_feed(memory, feed(PEOPLE, 0))
    apply_feed(memory, moved)
    assert [store.facts(f"e-{n}") for n in (1, 2, 3)] == [memory.facts(f"e-{n}") for n in (1, 2, 3)]
    same_answers(Directory(store), Directory(memory))


def test_nothing_is_overwritten(store: DynamoStore) -> None:
    """A fact with the key of another is refused by the table itself."""
    first = feed(PEOPLE, 0)
    apply_feed(store, first)
    facts = store.facts("e-1")
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        store.append(facts, [], feed(MOVED, 0))
    assert store.facts("e-1") == facts


def test_a_refused_feed_changes_nothing(store: DynamoStore) -> None:
    apply_feed(store, feed(PEOPLE, 0))
    before = items()
    with pytest.raises(UserError, match=r"lacks 1 of the 3 people who are employed, more than 10%"):
        apply_feed(store, feed(PEOPLE.rsplit(b"e-3", 1)[0], 9))
    assert items() == before


def test_a_warm_directory_sees_a_new_feed_once_its_answers_are_old(store: DynamoStore) -> None:
    clock = [0.0]
    directory = Directory(store, fresh=60, clock=lambda: clock[0])
    assert directory.owner("email:ana@example.com", MARCH).employee_id == ""
    apply_feed(store, feed(PEOPLE, 0))
    clock[0] = 59
    assert directory.owner("email:ana@example.com", MARCH).employee_id == ""
    clock[0] = 60
    assert directory.owner("email:ana@example.com", MARCH).employee_id == "e-1"


def test_one_query_gives_a_whole_history(store: DynamoStore) -> None:
    for data, day in FEEDS:
        apply_feed(store, feed(data, day))
    calls: list[str] = []
    events = store._client.meta.events
    events.register("before-parameter-build.dynamodb", lambda model, **_: calls.append(model.name), unique_id="count")
    directory = Directory(store)
    calls.clear()
    for day in range(30):
        directory.state("e-1", MARCH + day * DAY)
    assert calls == ["Query"]


def test_a_feed_of_many_people_is_compared_with_one_scan_and_the_same_result(store: DynamoStore) -> None:
    rows = "".join(f"e-{number},Person {number},p{number}@example.com\n" for number in range(450))
    many = ("employee_id,name,email\n" + rows).encode()
    report = apply_feed(store, feed(many, 0))
    assert (report.new, report.changed) == (450, 0)
    changed = many.replace(b"Person 7,", b"Person Seven,")
    report = apply_feed(store, feed(changed, 1))
    assert (report.new, report.changed, report.unchanged) == (0, 1, 449)
    assert [fact.employee.name for fact in store.facts("e-7")] == ["Person 7", "Person Seven"]


@pytest.mark.parametrize("name", ["x" * 5000, "\ud800", "\0", "", "é" * 1030])
def test_an_identifier_out_of_a_hostile_log_is_nobodys(store: DynamoStore, name: str) -> None:
    assert Directory(store).owner(f"username:{name}", MARCH) == Owner("", NOBODY)
