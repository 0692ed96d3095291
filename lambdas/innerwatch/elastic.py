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
FIRST_PAUSE = 0.5  # seconds before the first retry; doubled each time, with full jitter
LONGEST_PAUSE = 20.0

_encode = msgspec.json.Encoder().encode


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


class Document(NamedTuple):
    """What is indexed and was no event."""

    id: str
    dataset: str
    document: dict[str, Any]
    origin: Origin


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
) -> Outcome:
    """Bulk-create documents, trying again what Elasticsearch was too busy for until `deadline` (by `now`).

    `lines` alternate action and source. Raises Unavailable when time is up with documents still not taken. An item
    whose answer was lost is sent again and then comes back as a duplicate: it is counted as indexed the once.
    """
    pending = list(range(len(lines) // 2))
    sent_before: set[int] = set()  # their answer was lost: a later 409 on these may be our own work
    fates = [""] * len(pending)
    trouble, attempt = "", 0
    while pending:
        if attempt:
            _pause(
                attempt, deadline, sleep, now, f"{len(pending)} documents not taken after {attempt} tries: {trouble}"
            )
        attempt += 1
        body = b"\n".join(line for place in pending for line in lines[2 * place : 2 * place + 2]) + b"\n"
        results, trouble = _send(es, body, max(1.0, min(REQUEST_TIMEOUT, deadline - now())))
        if trouble == LOST:
            sent_before.update(pending)
        again: list[int] = [] if results else pending
        for place, result in zip(pending, results, strict=bool(results)):
            fates[place] = _fate(result, place in sent_before)
            if fates[place] == AGAIN:
                again.append(place)
                trouble = f"{result['status']} {result.get('error', {}).get('type', '')}"
        pending = again
    return Outcome(fates)


LOST = "the connection broke before an answer came"


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
        if error.status_code not in (408, 429) and error.status_code < 500:
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
