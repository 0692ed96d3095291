"""What was set aside and is replayed once mended: nothing lost, nothing doubled, however often and wherever stopped."""

import base64
import gzip
import json
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import click
import pytest
from elasticsearch import Elasticsearch

import enrich_logs
from innerwatch import kpl, replay, sources
from innerwatch.errors import UserError
from innerwatch.failed import FailedStore
from innerwatch.reading import UnfitError, set_aside
from innerwatch.sources import access as access_source
from innerwatch.values import RAW_KEPT, Event, Origin, SetAside
from innerwatch_cli.commands.replay import replay as command
from tests.chain import FAILED, LOGS, Chain, Timed, access, chain, ids, lines

pytestmark = pytest.mark.elasticsearch

NOT_UTF_8 = b'{"schema":"innerwatch.access/1","note":"\xff\xfe"}'


@pytest.fixture
def own(elasticsearch: Elasticsearch, namespace: str) -> Iterator[Chain]:
    with chain(elasticsearch, namespace) as found:
        yield found


@pytest.fixture
def mended(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """A parser that refuses every third record, until this is called."""
    parse = access_source.parse

    def broken(record: bytes, origin: Origin) -> Event | SetAside:
        number = int(json.loads(record)["id"].split("-")[1])
        return parse(record, origin) if number % 3 else set_aside(record, origin, UnfitError("a third is too much"))

    monkeypatch.setattr(access_source, "parse", broken)
    return lambda: monkeypatch.setattr(access_source, "parse", parse)


def test_a_mended_parser_reads_what_it_refused(own: Chain, mended: Callable[[], None]) -> None:
    own.put("a.ndjson", lines(*map(access, range(1, 10))))
    own.deliver()
    entries = own.entries()
    assert [entry.item.origin.position for entry in entries] == [3, 6, 9]
    assert {entry.item.dataset for entry in entries} == {"app.access"}
    assert [json.loads(entry.item.raw)["id"] for entry in entries] == ["r-3", "r-6", "r-9"]

    answer = own.replay()
    assert (answer["replayed"], answer["reasons"]) == (0, {"a third is too much": 3})
    assert own.entries() == entries

    mended()
    answer = own.replay()
    assert (answer["entries"], answer["replayed"], answer["indexed"], answer["more"]) == (3, 3, 3, False)
    own.nothing_lost_or_doubled(ids(*range(1, 10)))
    kept = own.replayed()
    assert [entry["origin"]["position"] for entry in kept] == [3, 6, 9]
    assert all(entry["replayed"] > entry["time"] for entry in kept)
    assert own.replay()["entries"] == 0


def test_what_a_mapping_refused_is_kept_as_it_was_logged(own: Chain) -> None:
    own.es.indices.put_index_template(
        name=f"test-{own.namespace}",
        index_patterns=[f"logs-app.access-{own.namespace}"],
        data_stream={},
        priority=900,
        template={"mappings": {"properties": {"event": {"properties": {"action": {"type": "long"}}}}}},
    )
    own.put("a.ndjson", lines(access(1), access(2)))
    own.deliver()
    own.nothing_lost_or_doubled([], "a.ndjson", aside=2)
    for number, entry in enumerate(own.entries(), 1):
        assert "document_parsing_exception" in entry.item.reason
        assert json.loads(entry.item.raw) == access(number)
        assert entry.item.dataset == "app.access"

    own.es.indices.delete_index_template(name=f"test-{own.namespace}")
    own.roll_over()
    assert own.replay(reason="document_parsing")["indexed"] == 2
    own.nothing_lost_or_doubled(ids(1, 2))


def test_stopped_at_any_write_and_done_again_it_ends_the_same(
    own: Chain, mended: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before each of its writes in turn, until one run comes through."""
    own.put("a.ndjson", lines(*map(access, range(1, 10))))
    own.deliver()
    mended()
    monkeypatch.setattr(replay, "AT_A_TIME", 2)
    put, settled, left = FailedStore._put, FailedStore.settle, [0]

    class Killed(BaseException):
        pass

    def killed_put(store: FailedStore, key: str, what: Any) -> None:
        if not left[0]:
            raise Killed
        left[0] -= 1
        put(store, key, what)

    def killed_settle(store: FailedStore, *what: Any) -> None:
        if not left[0]:
            raise Killed
        left[0] -= 1
        settled(store, *what)

    monkeypatch.setattr(FailedStore, "_put", killed_put)
    monkeypatch.setattr(FailedStore, "settle", killed_settle)
    kills = 0
    for writes in (0, 1, 0, 1, 2, 0, 1, 100):
        left[0] = writes
        try:
            own.replay()
        except Killed:
            kills += 1
    assert kills > 3
    own.nothing_lost_or_doubled(ids(*range(1, 10)))
    assert {entry["origin"]["position"] for entry in own.replayed()} == {3, 6, 9}


def test_what_an_older_index_holds_is_not_indexed_again(own: Chain, mended: Callable[[], None]) -> None:
    own.put("a.ndjson", lines(*map(access, range(1, 7))))
    own.deliver()
    mended()
    own.put("b.ndjson", lines(access(3)))  # the same record came by another way
    own.deliver()
    own.roll_over()
    own.es.indices.refresh(index=f"logs-*-{own.namespace}")  # what lies in the failed store lies longer than a second
    answer = own.replay()
    assert (answer["indexed"], answer["duplicate"], answer["replayed"]) == (1, 1, 2)
    own.nothing_lost_or_doubled(ids(*range(1, 7)))


def test_an_object_of_a_source_that_was_not_known_is_read_whole(own: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.delitem(sources.SOURCES, "innerwatch.access")
        own.put("a.ndjson.gz", gzip.compress(lines(*map(access, range(1, 51)), NOT_UTF_8, access(51))))
        own.deliver()
    (entry,) = own.entries()
    assert entry.item.rest
    answer = own.replay()
    assert (answer["replayed"], answer["indexed"]) == (1, 51)
    (entry,) = own.entries()  # what is wrong besides is set aside for itself
    assert (entry.item.origin.position, entry.item.raw) == (51, NOT_UTF_8)
    own.nothing_lost_or_doubled(ids(*range(1, 52)), aside=1)


@pytest.mark.parametrize("versions", [True, False])
def test_a_cut_object_is_replayed_once_it_was_put_whole(
    elasticsearch: Elasticsearch, namespace: str, versions: bool
) -> None:
    whole = gzip.compress(lines(*({**access(n), "action": random.Random(n).randbytes(9).hex()} for n in range(1, 400))))
    with chain(elasticsearch, namespace, versions=versions) as own:
        own.put("a.ndjson.gz", whole[: len(whole) // 2])
        own.deliver()
        read = sum(own.documents().values())
        assert 0 < read < 399
        (entry,) = own.entries()
        assert entry.item.rest
        answer = own.replay()
        assert (answer["entries"], answer["replayed"]) == (1, 0)

        own.put("a.ndjson.gz", whole)
        if versions:  # announced for itself
            own.deliver()
        answer = own.replay()
        assert (answer["replayed"], answer["trouble"]) == (1, [])
        own.deliver()
        own.nothing_lost_or_doubled(ids(*range(1, 400)))


def test_of_a_long_record_the_beginning_is_kept_and_all_is_replayed(own: Chain, mended: Callable[[], None]) -> None:
    long = {**access(3), "note": "x" * (RAW_KEPT + 1)}
    own.put("a.ndjson", lines(access(1), long, access(2)))
    own.deliver()
    (entry,) = own.entries()
    assert entry.item.raw == json.dumps(long).encode()[:RAW_KEPT]
    assert not entry.item.whole
    mended()
    assert own.replay()["indexed"] == 1
    own.nothing_lost_or_doubled(ids(1, 2, 3))


def test_an_object_that_was_replaced_or_is_gone_keeps_its_entry(own: Chain, mended: Callable[[], None]) -> None:
    long = {**access(3), "note": "x" * (RAW_KEPT + 1)}
    for key in ("gone", "replaced"):
        own.put(key, lines(long, access(1)))
        own.deliver()
    mended()
    before = own.entries()
    assert len(before) == 2
    own.aws.s3.delete_object(Bucket=LOGS, Key="gone")
    time.sleep(1.1)  # S3 tells the second in which an object was changed
    own.put("replaced", lines(access(6), access(7)))
    answer = own.replay()
    assert (answer["replayed"], len(answer["trouble"])) == (0, 2)
    assert own.entries() == before
    assert own.documents() == dict.fromkeys(ids(1), 1)


def test_what_streams_delivered_is_kept_whole_and_replayed(own: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    long = {**access(1), "note": "x" * (3 * RAW_KEPT)}
    digest = b'{"awsAccountId":"123456789012","digestStartTime":"2026-03-05T09:00:00Z","digestS3Object":"a.json.gz"}'

    def kinesis(data: bytes) -> dict[str, Any]:
        own_id = "shardId-000000000000:1"
        record = {"sequenceNumber": "1", "data": base64.b64encode(data).decode()}
        arn = "arn:aws:kinesis:us-east-1:123456789012:stream/access"
        return {"eventSource": "aws:kinesis", "eventID": own_id, "eventSourceARN": arn, "kinesis": record}

    payload = {
        "messageType": "DATA_MESSAGE",
        "owner": "123456789012",
        "logGroup": "console",
        "logStream": "i-1",
        "logEvents": [{"id": "e-1", "timestamp": 1, "message": json.dumps(access(4))}],
    }
    subscription = {"awslogs": {"data": base64.b64encode(gzip.compress(json.dumps(payload).encode())).decode()}}
    context = Timed("enrich_logs", 30)
    with monkeypatch.context() as patch:
        patch.delitem(sources.SOURCES, "innerwatch.access")
        enrich_logs.handler({"Records": [kinesis(lines(long, access(2), digest))]}, context)
        patch.setattr(kpl, "user_records", lambda data: _refuse())
        patch.setattr(enrich_logs, "cloudwatch_logs", lambda data: _refuse())
        enrich_logs.handler({"Records": [kinesis(lines(access(3)))]}, context)
        enrich_logs.handler(subscription, context)
    assert len(own.entries()) == 5
    answer = own.replay()
    assert (answer["replayed"], answer["indexed"]) == (4, 4)
    assert list(answer["reasons"]) == ["a CloudTrail digest: it holds signatures of log files, no events"]
    own.nothing_lost_or_doubled(ids(1, 2, 3, 4), aside=1)


def _refuse() -> Any:
    raise ValueError("not to be unpacked")


def test_only_what_is_meant_is_replayed_and_in_parts(own: Chain, mended: Callable[[], None]) -> None:
    for key in ("a/1", "a/2", "b/1"):
        number = {"a/1": 3, "a/2": 6, "b/1": 9}[key]
        own.put(key, lines(access(number), {"schema": "innerwatch.access/1", "id": f"r-{number + 1}"}, access(1)))
        own.deliver()
    mended()
    assert own.replay(since="2999-01-01")["entries"] == 0
    assert own.replay(reason="no such reason")["entries"] == 0
    answer = own.replay(origin=f"s3://{LOGS}/b/", reason="a third")
    assert (answer["replayed"], answer["more"]) == (1, False)
    answer, calls = own.replay(reason="a third", since="2026-01-01", limit=1), 1
    while answer["more"]:
        answer, calls = own.replay(reason="a third", limit=1, after=answer["after"]), calls + 1
    assert calls > 1
    own.nothing_lost_or_doubled(ids(1, 3, 6, 9), aside=3)
    assert {entry.item.reason.partition(";")[0] for entry in own.entries()} == {"time is missing"}


def test_a_foreign_object_among_the_failed_is_told_and_costs_no_other(own: Chain, mended: Callable[[], None]) -> None:
    own.put("a.ndjson", lines(access(3)))
    own.deliver()
    own.aws.s3.put_object(Bucket=FAILED, Key="failed/0", Body=b"not ours")
    mended()
    answer = own.replay()
    assert (answer["replayed"], len(answer["trouble"])) == (1, 1)
    assert answer["trouble"][0].startswith(f"s3://{FAILED}/failed/0:1: no entry of the failed store")


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"reasons": "x"}, "the event has 'reasons'; expected reason, origin, since, after, limit"),
        ({"limit": "10"}, "limit is '10'; expected a number"),
        ({"limit": 0}, "limit is 0; expected a number from 1"),
        ({"since": "yesterday"}, "since is 'yesterday'; expected 2026-03-01 or 2026-03-01T09:15:00Z"),
    ],
)
def test_a_wrong_event_is_refused_in_one_line(own: Chain, event: dict[str, Any], expected: str) -> None:
    with pytest.raises(UserError) as error:
        own.replay(**event)
    assert str(error.value) == expected


def run(own: Chain, *arguments: str) -> int:
    """The command's exit code."""
    node = next(iter(own.es.transport.node_pool.all())).base_url
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ELASTICSEARCH_URL", node)
        try:
            command.main([*arguments, "--namespace", own.namespace], standalone_mode=False)
        except SystemExit as end:
            return int(str(end.code))
    return 0


def test_the_command_lists_and_replays(
    own: Chain, mended: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    own.put("a.ndjson", lines(*map(access, range(1, 7))))
    own.deliver()
    mended()
    assert run(own, "--bucket", FAILED, "--dry-run") == 0
    assert capsys.readouterr().out == "       2  a third is too much\n"
    assert len(own.entries()) == 2
    assert run(own, "--bucket", FAILED, "--table", "directory", "--reason", "a third") == 0
    assert capsys.readouterr().out == "2 tried: 2 replayed (2 records indexed, 0 were there), 0 fail again\n"
    own.nothing_lost_or_doubled(ids(*range(1, 7)))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--bucket", "example-none", "--dry-run"), "the failed records in 'example-none' cannot be replayed"),
        (("--bucket", FAILED), "either --hr or --table must be given"),
        (("--bucket", FAILED, "--since", "soon"), "--since is 'soon'; expected 2026-03-01"),
        (("--bucket", FAILED, "--hr", "none.csv"), "none.csv"),
    ],
)
def test_what_a_user_gets_wrong_is_told_in_one_line(own: Chain, arguments: tuple[str, ...], expected: str) -> None:
    with pytest.raises((UserError, click.ClickException)) as error:
        run(own, *arguments)
    assert expected in str(error.value)
