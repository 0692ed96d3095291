"""The events behind an alert, or events by their own ids, as Elasticsearch holds them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from elasticsearch import Elasticsearch

from innerwatch import elastic
from innerwatch.detection import alerts
from innerwatch.errors import UserError
from innerwatch.values import dig

PAGE = 500  # documents asked for at a time


@dataclass(frozen=True, slots=True)
class Behind:
    """One event that is asked about. `document` is empty where Elasticsearch has it no longer."""

    id: str
    alert: str  # the alert that it stands behind; empty where the event itself was asked about
    index: str
    document: dict[str, Any]

    @property
    def uri(self) -> str:
        """Where its raw record is, as `log.file.path` has it; empty where it has none."""
        return str(dig(self.document, "log.file.path") or "")

    @property
    def position(self) -> int:
        """The n-th record or line there, from 1."""
        return int(dig(self.document, "log.offset") or 0)


def find(es: Elasticsearch, namespace: str, identity: str) -> list[Behind]:
    """The events behind an alert, or the event of an id: a document's own, else the log's (`event.id`).

    Raises UserError where nothing has that id.
    """
    should = [{"ids": {"values": [identity]}}, {"term": {"event.id": identity}}]
    index = f"logs-*-{namespace}"
    hits = _search(es, index, {"bool": {"should": should, "minimum_should_match": 1}}, PAGE)
    found = [hit for hit in hits if hit["_id"] == identity] or hits
    if not found:
        raise UserError(
            f"neither an alert nor an event of namespace {namespace!r} has the id {identity!r}",
            "expected an `event.id`; `innerwatch view` lists alerts",
        )
    return [event for hit in found for event in _behind(es, index, hit)]


def _behind(es: Elasticsearch, index: str, hit: dict[str, Any]) -> Iterator[Behind]:
    document = hit["_source"]
    if dig(document, "data_stream.dataset") != alerts.DATASET:
        yield Behind(hit["_id"], "", hit["_index"], document)
        return
    ids: list[str] = dig(document, "innerwatch.alert.evidence.id") or []
    for start in range(0, len(ids), PAGE):
        some = ids[start : start + PAGE]
        # One that is in two backing indices was indexed twice: both are looked at.
        found: dict[str, list[dict[str, Any]]] = {}
        for it in _search(es, index, {"ids": {"values": some}}, 2 * PAGE):
            found.setdefault(it["_id"], []).append(it)
        for name in some:
            for it in found.get(name, [{"_index": "", "_source": {}}]):
                yield Behind(name, hit["_id"], it["_index"], it["_source"])


def _search(es: Elasticsearch, index: str, query: dict[str, Any], size: int) -> list[dict[str, Any]]:
    answer = es.search(index=index, query=query, size=size, ignore_unavailable=True, allow_no_indices=True)
    if answer["_shards"]["failed"]:  # what did not answer must not read as gone
        raise elastic.Unavailable("some shards did not answer")
    return list(answer["hits"]["hits"])


def distinct(events: Sequence[Behind]) -> list[Behind]:
    """Each document once, behind whichever alert it came first."""
    found: dict[tuple[str, str], Behind] = {}
    for event in events:
        found.setdefault((event.index, event.id), event)
    return list(found.values())
