"""Bad nights, none of which may lose or double anything: a real Elasticsearch behind a proxy that makes the trouble."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from elasticsearch import Elasticsearch

import enrich_logs
from innerwatch import elastic
from innerwatch.failed import FailedStore
from innerwatch.ledger import Ledger
from tests.chain import LOGS, Chain, Timed, access, chain, ids, lines
from tests.faulty_proxy import Call, FaultyProxy, Reply, proxied

pytestmark = pytest.mark.elasticsearch

OBJECTS, RECORDS = 12, 40
KEYS = [f"console/{place}.ndjson" for place in range(OBJECTS)]
ALL = ids(*range(OBJECTS * RECORDS))


@pytest.fixture
def proxy(elasticsearch: Elasticsearch) -> Iterator[FaultyProxy]:
    with proxied(next(iter(elasticsearch.transport.node_pool.all())).base_url) as found:
        yield found


@pytest.fixture
def own(
    elasticsearch: Elasticsearch, namespace: str, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Chain]:
    """Functions that reach Elasticsearch by the proxy only, in small requests, and wait a tenth of the time."""
    monkeypatch.setattr(elastic, "BATCH_DOCUMENTS", 25)
    monkeypatch.setattr(elastic, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(elastic, "LONGEST_PAUSE", 2.0)
    with chain(elasticsearch, namespace, proxy.url) as found:
        yield found


def put_all(own: Chain) -> None:
    for place, key in enumerate(KEYS):
        own.put(key, lines(*(access(n) for n in range(place * RECORDS, (place + 1) * RECORDS))))


def test_elasticsearch_stops_for_a_while_and_comes_back(own: Chain, proxy: FaultyProxy) -> None:
    put_all(own)
    outages = 0

    def after_three(call: Call) -> Reply | None:
        nonlocal outages
        if call.bulk == 3:  # in mid-batch
            outages += 1
            threading.Thread(target=outage).start()
            return None
        return call.forward()

    def outage() -> None:
        proxy.stop()
        time.sleep(6)
        proxy.start()

    proxy.fault = after_three
    back = own.deliver(seconds=2)
    assert outages == 1
    assert back > 0, "no message outlived the outage in the queue"
    own.nothing_lost_or_doubled(ALL, *KEYS)


def test_elasticsearch_is_too_busy_for_every_second_request(own: Chain, proxy: FaultyProxy) -> None:
    put_all(own)
    refused = []

    def busy(call: Call) -> Reply | None:
        if call.bulk % 2:
            refused.append(time.monotonic())
            return Reply(429, b'{"error":{"type":"es_rejected_execution_exception","reason":"full"},"status":429}')
        return call.forward()

    proxy.fault = busy
    own.deliver()
    assert len(refused) > 5
    own.nothing_lost_or_doubled(ALL, *KEYS)


def test_single_documents_are_refused_for_a_time(own: Chain, proxy: FaultyProxy) -> None:
    """Every third document is turned away twice with 429, then taken; the others must not be sent again."""
    put_all(own)
    sent: Counter[str] = Counter()

    def choosy(call: Call) -> Reply | None:
        if not call.bulk:
            return call.forward()
        halves = call.body.splitlines()
        pairs = list(zip(halves[::2], halves[1::2], strict=True))
        names = [json.loads(action)["create"]["_id"] for action, _ in pairs]
        sent.update(names)
        late = [int(name.split("-")[1]) % 3 == 0 and sent[name] <= 2 for name in names]
        taken = b"".join(b"%s\n%s\n" % pair for pair, is_late in zip(pairs, late, strict=True) if not is_late)
        results = iter(json.loads(call.forward(taken).body)["items"]) if taken else iter(())
        refusal = {"create": {"status": 429, "error": {"type": "es_rejected_execution_exception", "reason": "full"}}}
        items = [refusal if is_late else next(results) for is_late in late]
        return Reply(200, json.dumps({"items": items}).encode())

    proxy.fault = choosy
    assert own.deliver() == 0
    assert sent == {name: 1 if int(name.split("-")[1]) % 3 else 3 for name in ALL}
    own.nothing_lost_or_doubled(ALL, *KEYS)
    assert sum(own.line(key).indexed for key in KEYS) == len(ALL)


@pytest.mark.parametrize("instead", [None, Reply(504)], ids=["the connection breaks", "a gateway gives up"])
def test_the_answer_is_lost_after_the_work_was_done(own: Chain, proxy: FaultyProxy, instead: Reply | None) -> None:
    put_all(own)

    def lost(call: Call) -> Reply | None:
        reply = call.forward()
        return instead if call.bulk % 2 else reply

    proxy.fault = lost
    assert own.deliver() == 0
    own.nothing_lost_or_doubled(ALL, *KEYS)
    assert sum(own.line(key).indexed for key in KEYS) == len(ALL), "our own work was taken for somebody else's"


def test_elasticsearch_hangs(own: Chain, proxy: FaultyProxy) -> None:
    """It takes requests and never answers: the function ends in its time, and the messages come again."""
    put_all(own)
    hanging = threading.Event()

    def hang(call: Call) -> Reply | None:
        hanging.wait(20)
        return call.forward()

    proxy.fault = hang
    event = own.event()
    start = time.monotonic()
    answer = enrich_logs.handler(event, Timed("enrich_logs", 2))
    assert time.monotonic() - start < 6
    announcing = sum("ObjectCreated" in record["body"] for record in event["Records"])  # the first is S3's test event
    assert own.acknowledge(event, answer) == announcing > 0
    hanging.set()
    proxy.fault = lambda call: call.forward()
    own.deliver()
    own.nothing_lost_or_doubled(ALL, *KEYS)


def test_the_same_message_ten_times(own: Chain, proxy: FaultyProxy) -> None:
    put_all(own)
    sent = 0

    def counted(call: Call) -> Reply | None:
        nonlocal sent
        sent += len(call.body.splitlines()) // 2 if call.bulk else 0
        return call.forward()

    proxy.fault = counted
    announced = own.event()["Records"] + own.event()["Records"]
    for body in {record["body"] for record in announced}:
        for _ in range(9):
            own.aws.sqs.send_message(QueueUrl=own.aws.queues[LOGS], MessageBody=body)
    own.deliver(tries=40)
    own.nothing_lost_or_doubled(ALL, *KEYS)
    assert sent == len(ALL), "an object was read again"


def test_dead_letters_are_redriven_after_the_index_was_rolled_over(own: Chain, proxy: FaultyProxy) -> None:
    """What was indexed before the message died is in an older backing index, where `create` does not look."""
    queue = own.aws.queues[LOGS]
    dead = own.aws.sqs.create_queue(QueueName="dead")["QueueUrl"]
    arn = own.aws.sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "2"})
    own.aws.sqs.set_queue_attributes(QueueUrl=queue, Attributes={"RedrivePolicy": policy})
    put_all(own)
    proxy.fault = lambda call: call.forward() if call.bulk < 6 or call.bulk == 9 else Reply(503)
    while (event := own.event())["Records"]:
        own.acknowledge(event, enrich_logs.handler(event, Timed("enrich_logs", 1)))
    before = own.documents()
    assert 0 < len(before) < len(ALL)
    proxy.fault = lambda call: call.forward()
    own.roll_over()
    own.aws.sqs.set_queue_attributes(QueueUrl=queue, Attributes={"RedrivePolicy": ""})
    redriven = 0
    while letters := own.aws.sqs.receive_message(QueueUrl=dead, MaxNumberOfMessages=10).get("Messages", []):
        for letter in letters:
            own.aws.sqs.send_message(QueueUrl=queue, MessageBody=letter["Body"])
            own.aws.sqs.delete_message(QueueUrl=dead, ReceiptHandle=letter["ReceiptHandle"])
            redriven += 1
    assert redriven
    own.deliver()
    own.nothing_lost_or_doubled(ALL, *KEYS)
    assert sum(own.line(key).duplicate for key in KEYS) > 0


REFUSED = ClientError({"Error": {"Code": "SlowDown", "Message": "Reduce your request rate."}}, "PutObject")


@pytest.mark.parametrize(
    ("kind", "method"), [(FailedStore, "keep"), (Ledger, "open"), (Ledger, "close")], ids=["keep", "open", "close"]
)
def test_aws_itself_fails_now_and_then(
    own: Chain, monkeypatch: pytest.MonkeyPatch, kind: type[Any], method: str
) -> None:
    done, calls = getattr(kind, method), 0

    def fails(self: Any, *what: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls % 3 == 1:
            raise REFUSED
        return done(self, *what, **more)

    monkeypatch.setattr(kind, method, fails)
    keys = [f"mixed/{place}" for place in range(6)]
    for place, key in enumerate(keys):
        own.put(key, lines(access(2 * place), b"no JSON", access(2 * place + 1)))
    back = own.deliver()
    assert back > 0
    kept = {entry.item.origin for entry in own.entries()}
    assert len(kept) == len(keys)
    assert own.documents() == Counter(ids(*range(12)))
    assert all(own.line(key).closed and own.line(key).balanced for key in keys)
