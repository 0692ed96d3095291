"""Elasticsearch: the client, and bulk `create` with the fate of every single item.

Item results are read as the bulk API means them
(https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk): 201 is indexed; 409 on `create` is a
duplicate, done already; 429 and 5xx are worth another try; any other 4xx is the document's own fault.
"""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec
from elastic_transport import ConnectionError as TransportConnectionError
from elastic_transport import ConnectionTimeout
from elasticsearch import ApiError, Elasticsearch

from innerwatch.values import Origin

REQUEST_TIMEOUT = 30  # seconds; a query that a node cannot answer must not hang a function
BATCH_DOCUMENTS = 1000
BATCH_BYTES = 4 * 1024 * 1024  # well below http.max_content_length, and small enough to retry cheaply
MAX_RESULT_WINDOW = 10_000  # hits of one search, Elasticsearch's default limit
FIRST_PAUSE = 0.5  # seconds before the first retry; doubled each time, with full jitter
LONGEST_PAUSE = 20.0

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Unavailable(Exception):
    """Elasticsearch did not take everything in the time given. Nothing is lost: whoever called tries again later."""


class Item(Protocol):
    """What is indexed: an Event that the enricher has completed, or a Document."""

    @property
    def id(self) -> str: ...

    @property
    def dataset(self) -> str: ...

    @property
    def document(self) -> dict[str, Any]: ...

    @property
    def origin(self) -> Origin: ...

    @property
    def time(self) -> int | None: ...

    @property
    def raw(self) -> bytes: ...


class Document(NamedTuple):
    """What is indexed and was no event."""

    id: str
    dataset: str
    document: dict[str, Any]
    origin: Origin
    time: int | None = None
    raw: bytes = b""


class Refused(NamedTuple):
    """A document that Elasticsearch will never take as it is, with the reason it gave."""

    place: int  # of the item in the batch, from 0
    reason: str


class Outcome(NamedTuple):
    """How each document of a request ended, in their order: INDEXED, DUPLICATE, or why it was refused."""

    fates: list[str]

    @property
    def indexed(self) -> int:
        return self.fates.count(INDEXED)

    @property
    def duplicate(self) -> int:
        return self.fates.count(DUPLICATE)

    @property
    def refused(self) -> list[Refused]:
        return [Refused(place, fate) for place, fate in enumerate(self.fates) if fate not in (INDEXED, DUPLICATE)]


INDEXED, DUPLICATE = "indexed", "duplicate"
AGAIN = "again"


def client(url: str, api_key: str | None = None, **options: Any) -> Elasticsearch:
    """A client whose every request ends. TLS certificates are verified; retries are left to the caller, who counts."""
    return Elasticsearch(
        url, api_key=api_key or None, request_timeout=REQUEST_TIMEOUT, max_retries=0, retry_on_timeout=False, **options
    )


def stream_name(dataset: str, namespace: str) -> str:
    return f"logs-{dataset}-{namespace}"


def batches(items: Iterable[Item], namespace: str) -> Iterator[tuple[list[Origin], list[bytes]]]:
    """Where items came from, with their two bulk lines each, cut so that no request grows too large.

    The documents themselves are let go: a thousand of them, held, keep the garbage collector busy for longer than it
    takes to encode them.
    """
    origins: list[Origin] = []
    lines: list[bytes] = []
    size = 0
    for item in items:
        action = _encode({"create": {"_index": stream_name(item.dataset, namespace), "_id": item.id}})
        source = _encode(item.document)
        if origins and (len(origins) >= BATCH_DOCUMENTS or size + len(source) > BATCH_BYTES):
            yield origins, lines
            origins, lines, size = [], [], 0
        origins.append(item.origin)
        lines += (action, source)
        size += len(action) + len(source)
    if origins:
        yield origins, lines


def create(
    es: Elasticsearch,
    lines: Sequence[bytes],
    *,
    deadline: float,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.monotonic,
    retrying: Callable[[], None] = lambda: None,
) -> Outcome:
    """Bulk-create documents, trying again what Elasticsearch was too busy for until `deadline` (by `now`).

    `lines` alternate action and source. Raises Unavailable when time is up with documents still not taken. An item
    whose answer was lost is sent again and then comes back as a duplicate: it is counted as indexed the once.
    A request that was too much as a whole is halved; one document that is too much by itself is refused.
    `retrying` is called before every request that sends documents again.
    """
    pending = list(range(len(lines) // 2))
    at_once = len(pending)
    sent_before: set[int] = set()  # their answer was lost: a later 409 on these may be our own work
    fates = [""] * len(pending)
    trouble, attempt = "", 0
    while pending:
        if attempt:
            _pause(
                attempt, deadline, sleep, now, f"{len(pending)} documents not taken after {attempt} tries: {trouble}"
            )
            retrying()
        sent, later = pending[:at_once], pending[at_once:]
        body = b"\n".join(line for place in sent for line in lines[2 * place : 2 * place + 2]) + b"\n"
        results, trouble = _send(es, body, max(1.0, min(REQUEST_TIMEOUT, deadline - now())))
        if trouble == TOO_LARGE and len(sent) == 1:
            fates[sent[0]] = f"{TOO_LARGE}: Elasticsearch takes no request of {len(body)} bytes"
            pending = later
            continue
        if trouble in (TOO_MUCH, TOO_LARGE):
            at_once = max(1, len(sent) // 2)
        elif trouble:
            sent_before.update(sent)
        again: list[int] = [] if results else sent
        for place, result in zip(sent, results, strict=bool(results)):
            fates[place] = _fate(result, place in sent_before)
            if fates[place] == AGAIN:
                again.append(place)
                trouble = f"{result['status']} {result.get('error', {}).get('type', '')}"
        attempt = attempt + 1 if again else 0
        pending = again + later
    return Outcome(fates)


def held(
    es: Elasticsearch,
    lines: Sequence[bytes],
    *,
    deadline: float,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.monotonic,
) -> set[int]:
    """The places of those documents, in bulk `lines`, whose ids their data streams hold already, in any backing index.

    `create` itself finds an id in the index that is written to now, and no older one. Searching sees what was refreshed
    (within a second), so it suits work that was left lying, not work that another function does at this moment.
    Asks again until `deadline` (by `now`) where Elasticsearch does not answer, then raises Unavailable.
    """
    places: dict[str, dict[str, list[int]]] = {}  # data stream → id → places
    for place, line in enumerate(lines[::2]):
        action = _decode(line)["create"]
        places.setdefault(action["_index"], {}).setdefault(action["_id"], []).append(place)
    found: set[int] = set()
    for stream, ids in places.items():
        attempt = 0
        while True:
            try:
                known = _known(es, stream, list(ids), max(1.0, min(REQUEST_TIMEOUT, deadline - now())))
                break
            except Unavailable as error:
                attempt += 1
                _pause(attempt, deadline, sleep, now, str(error))
        for name in known:
            found.update(ids[name])
    return found


def _known(es: Elasticsearch, stream: str, ids: Sequence[str], timeout: float) -> set[str]:
    """Which of the ids a data stream holds. Raises Unavailable where not all of it answers."""
    try:
        answer = es.options(request_timeout=timeout).search(
            index=stream,
            query={"ids": {"values": ids}},
            size=MAX_RESULT_WINDOW,  # there may be more hits than ids: what was doubled by other means
            source=False,
            ignore_unavailable=True,
            filter_path="hits.hits._id,_shards.failed",
        )
    except (TransportConnectionError, ConnectionTimeout) as error:
        raise Unavailable(f"no answer to a search for ids: {error}") from error
    except ApiError as error:
        if error.status_code not in (408, 429) and error.status_code < 500:
            raise
        raise Unavailable(f"HTTP {error.status_code} to a search for ids") from error
    if answer["_shards"]["failed"]:
        raise Unavailable("some shards did not answer a search for ids")
    return {hit["_id"] for hit in answer.get("hits", {}).get("hits", ())}


LOST = "the connection broke before an answer came"
TOO_MUCH, TOO_LARGE = "HTTP 429", "HTTP 413"


def _pause(
    attempt: int, deadline: float, sleep: Callable[[float], None], now: Callable[[], float], otherwise: str
) -> None:
    """Waits before the next try, longer each time and never in step with others; raises when time is up."""
    pause = random.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (attempt - 1)))  # noqa: S311 no secret
    if now() + pause >= deadline:
        raise Unavailable(otherwise)
    sleep(pause)


def _send(es: Elasticsearch, body: bytes, timeout: float) -> tuple[list[dict[str, Any]], str]:
    """The `create` result of every item; or none, and why the whole request is to be tried again."""
    ready_made: Any = [body]  # the client takes NDJSON as bytes, its type hints know only dicts
    try:
        answer = es.options(request_timeout=timeout).bulk(
            operations=ready_made, filter_path="items.*.status,items.*.error.type,items.*.error.reason"
        )
    except (TransportConnectionError, ConnectionTimeout):
        return [], LOST
    except ApiError as error:
        if error.status_code not in (408, 413, 429) and error.status_code < 500:
            raise
        return [], f"HTTP {error.status_code}"
    return [item["create"] for item in answer["items"]], ""


def _fate(result: dict[str, Any], sent_before: bool) -> str:
    status, error = result["status"], result.get("error", {})
    if status < 300 or (status == 409 and sent_before):
        return INDEXED
    if status == 409:
        return DUPLICATE
    return AGAIN if status == 429 or status >= 500 else f"{error.get('type', status)}: {error.get('reason', '')}"
