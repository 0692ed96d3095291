"""The fate of every item of a bulk request, against an HTTP server that answers as scripted."""

import json
import random
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from innerwatch import elastic
from innerwatch.values import Origin

Script = list[Callable[[list[str]], tuple[int, dict[str, Any]] | None]]


class Scripted(BaseHTTPRequestHandler):
    script: Script
    received: list[list[str]]

    def do_PUT(self) -> None:
        ids = [
            json.loads(line)["create"]["_id"]
            for line in self.rfile.read(int(self.headers["Content-Length"])).splitlines()[::2]
        ]
        self.received.append(ids)
        answer = self.script.pop(0)(ids)
        if answer is None:  # the answer is lost: the connection breaks after the request was read
            self.connection.close()
            return
        status, body = answer
        payload = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("X-Elastic-Product", "Elasticsearch")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    do_POST = do_PUT

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[tuple[str, type[Scripted]]]:
    handler = type("Handler", (Scripted,), {"script": [], "received": []})
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}", handler
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def answer(**statuses: int) -> Callable[[list[str]], tuple[int, dict[str, Any]]]:
    def items(ids: list[str]) -> tuple[int, dict[str, Any]]:
        results = []
        for name in ids:
            status = statuses.get(name, 201)
            error = {"error": {"type": "made_up", "reason": f"status {status}"}} if status >= 300 else {}
            results.append({"create": {"status": status, **error}})
        return 200, {"items": results}

    return items


def create(url: str, *ids: str, patience: float = 60.0) -> elastic.Outcome:
    items = [elastic.Document(name, "app.access", {"name": name}, Origin("file", 1)) for name in ids]
    ((_, lines),) = elastic.batches(items, "test")
    clock = [0.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds + 0.01

    es = elastic.client(url)
    try:
        return elastic.create(es, lines, deadline=patience, sleep=sleep, now=lambda: clock[0])
    finally:
        es.close()


def test_each_item_ends_as_its_status_says(server: tuple[str, type[Scripted]]) -> None:
    url, handler = server
    handler.script = [answer(b=409, c=400)]
    outcome = create(url, "a", "b", "c")
    assert (outcome.indexed, outcome.duplicate) == (1, 1)
    assert outcome.refused == [elastic.Refused(2, "made_up: status 400")]


def test_only_what_was_too_much_is_sent_again(server: tuple[str, type[Scripted]]) -> None:
    url, handler = server
    handler.script = [answer(b=429, c=503), answer(c=429), answer()]
    assert create(url, "a", "b", "c") == elastic.Outcome(["indexed"] * 3)
    assert handler.received == [["a", "b", "c"], ["b", "c"], ["c"]]


def test_a_whole_request_refused_for_load_is_sent_again(server: tuple[str, type[Scripted]]) -> None:
    url, handler = server
    handler.script = [lambda ids: (429, {}), lambda ids: (503, {}), answer()]
    assert create(url, "a").indexed == 1


@pytest.mark.parametrize("status", [413, 429])
def test_a_request_that_is_too_much_is_halved(server: tuple[str, type[Scripted]], status: int) -> None:
    url, handler = server

    def at_most_two(ids: list[str]) -> tuple[int, dict[str, Any]]:
        return (status, {}) if len(ids) > 2 else answer()(ids)

    handler.script = [at_most_two] * 6
    assert create(url, *"abcdefgh").indexed == 8
    assert [len(ids) for ids in handler.received] == [8, 4, 2, 2, 2, 2]


def test_one_document_that_is_too_large_is_refused_alone(server: tuple[str, type[Scripted]]) -> None:
    url, handler = server
    handler.script = [lambda ids: (413, {}) if "a" in ids else answer()(ids)] * 3
    outcome = create(url, "a", "b")
    assert outcome.indexed == 1
    assert [(place, reason[:8]) for place, reason in outcome.refused] == [(0, "HTTP 413")]


def test_pauses_grow_to_a_limit_and_are_never_in_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Full jitter: anything up to a limit that doubles. https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/"""
    limits: list[float] = []

    def uniform(low: float, high: float) -> float:
        assert low == 0
        limits.append(high)
        return high

    monkeypatch.setattr(random, "uniform", uniform)
    with pytest.raises(elastic.Unavailable):
        create("http://127.0.0.1:9", "a", patience=100.0)
    assert limits == [0.5, 1, 2, 4, 8, 16, 20, 20, 20, 20][: len(limits)]
    assert len(limits) > 7


def test_a_lost_answer_does_not_turn_our_own_work_into_duplicates(server: tuple[str, type[Scripted]]) -> None:
    url, handler = server
    handler.script = [lambda ids: None, answer(a=409, b=409)]
    assert create(url, "a", "b") == elastic.Outcome(["indexed"] * 2)


def test_time_that_runs_out_loses_nothing_silently(server: tuple[str, type[Scripted]]) -> None:
    url, handler = server
    handler.script = [answer(a=429)] * 100
    with pytest.raises(elastic.Unavailable, match=r"1 documents not taken after .* tries: 429"):
        create(url, "a")
    assert len(handler.received) > 2


def test_nobody_listening_is_unavailable() -> None:
    with pytest.raises(elastic.Unavailable):
        create("http://127.0.0.1:9", "a", patience=2.0)


def test_batches_stay_below_both_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elastic, "BATCH_BYTES", 1000)
    items = [elastic.Document(str(n), "app.access", {"text": "x" * 300}, Origin("file", n)) for n in range(10)]
    made = list(elastic.batches(items, "test"))
    assert [origin.position for origins, _ in made for origin in origins] == list(range(10))
    assert all(sum(map(len, lines[1::2])) <= 1000 and len(lines) == 2 * len(origins) for origins, lines in made)
