"""What detection asks of Elasticsearch and writes to it: candidates, alerts, checkpoints. Every request ends."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from elasticsearch import ApiError, ConflictError, Elasticsearch

from innerwatch import elastic
from innerwatch.detection.alerts import DATASET
from innerwatch.elastic import Unavailable, stream_name
from innerwatch.values import Origin

Source = bool | Mapping[str, Any]  # what of the documents is read

KEEP_ALIVE = "15m"  # between two pages alerts may be written
PAGE = 1000  # documents a request
NOWHERE = Origin("", 0)  # alerts were read nowhere


class Stored(NamedTuple):
    """An alert as it is in Elasticsearch, with what an update must name so that no other writer's is lost."""

    id: str
    stream: str  # its backing index
    seq_no: int
    primary_term: int
    document: dict[str, Any]


class Store:
    def __init__(self, es: Elasticsearch, namespace: str) -> None:
        self.es = es
        self.namespace = namespace
        self.alerts = stream_name(DATASET, namespace)
        self.checkpoints = f"innerwatch-checkpoints-{namespace}"
        self._there: set[str] = set()

    def exists(self, index: str) -> bool:
        if index not in self._there and self.es.indices.exists(index=index):
            self._there.add(index)
        return index in self._there

    def hits(
        self, index: str, query: Mapping[str, Any], source: Source, sort: Sequence[Any], **options: Any
    ) -> Iterator[dict[str, Any]]:
        """Every hit of a query, page by page on one view of the index. None where the index does not exist yet."""
        if not self.exists(index):
            return
        request = {"query": query, "source": source, "sort": sort, "size": PAGE, "track_total_hits": False, **options}
        page = self.es.search(index=index, **request)["hits"]["hits"]
        if len(page) < PAGE:  # mostly: what is new fits on a page, and needs no view that outlives it
            yield from page
            return
        pit = self.es.open_point_in_time(index=index, keep_alive=KEEP_ALIVE)["id"]
        try:
            after: dict[str, Any] = {}
            while True:
                answer = self.es.search(pit={"id": pit, "keep_alive": KEEP_ALIVE}, **request, **after)
                pit = answer.get("pit_id", pit)
                page = answer["hits"]["hits"]
                yield from page
                if len(page) < PAGE:
                    return
                after = {"search_after": page[-1]["sort"]}
        finally:
            with suppress(ApiError):  # it ends by itself; what was read stands
                self.es.close_point_in_time(id=pit)

    def latest(self, index: str, field: str) -> int | None:
        """The greatest value of a date field, or None where there is none."""
        if not self.exists(index):
            return None
        answer = self.es.search(index=index, size=0, aggs={"latest": {"max": {"field": field}}})
        value = answer["aggregations"]["latest"]["value"]
        return None if value is None else int(value)

    def documents(
        self, index: str, ids: Sequence[str], times: tuple[int, int], source: Source
    ) -> Iterator[dict[str, Any]]:
        """Documents by id, as hits. `times` are the first's and the last's: no older index is searched for the ids."""
        span = {"range": {"@timestamp": {"gte": times[0], "lte": times[1], "format": "epoch_millis"}}}
        for start in range(0, len(ids), PAGE):
            query = {"bool": {"filter": [span, {"ids": {"values": list(ids[start : start + PAGE])}}]}}
            yield from self.es.search(index=index, query=query, source=source, size=PAGE)["hits"]["hits"]

    # --- alerts

    def raised(self, rule: str, first: int, last: int) -> Iterator[Stored]:
        """The alerts of a rule whose evidence reaches into a span of time."""
        query = {
            "bool": {
                "filter": [
                    {"term": {"rule.uuid": rule}},
                    {"range": {"innerwatch.alert.first": {"lte": last, "format": "epoch_millis"}}},
                    {"range": {"innerwatch.alert.last": {"gte": first, "format": "epoch_millis"}}},
                ]
            }
        }
        hits = self.hits(self.alerts, query, True, [{"@timestamp": "asc"}], seq_no_primary_term=True)
        for hit in hits:
            yield Stored(hit["_id"], hit["_index"], hit["_seq_no"], hit["_primary_term"], hit["_source"])

    def create_alerts(self, alerts: Iterable[tuple[str, dict[str, Any]]], deadline: float) -> elastic.Outcome:
        """By `time.monotonic`, `deadline` is when to give up. Raises elastic.Unavailable then."""
        items = [elastic.Document(identity, DATASET, document, NOWHERE) for identity, document in alerts]
        batches = elastic.batches(items, self.namespace)
        return elastic.Outcome(
            [fate for _, lines in batches for fate in elastic.create(self.es, lines, deadline=deadline).fates]
        )

    def grow_alert(self, alert: Stored, document: Mapping[str, Any]) -> bool:
        """False where another writer was faster: the next run reads the alert again."""
        try:
            self.es.index(
                index=alert.stream,
                id=alert.id,
                document=document,
                if_seq_no=alert.seq_no,
                if_primary_term=alert.primary_term,
            )
        except ConflictError:
            return False
        return True

    def refresh_alerts(self) -> None:
        self.es.indices.refresh(index=self.alerts, ignore_unavailable=True)

    # --- checkpoints

    def read_checkpoints(self, rules: Sequence[str]) -> dict[str, dict[str, Any]]:
        """The rules that have one, by id."""
        if not rules or not self.exists(self.checkpoints):
            return {}
        found = self.es.mget(index=self.checkpoints, ids=list(rules))["docs"]
        return {one["_id"]: one["_source"] for one in found if one.get("found")}

    def save_checkpoints(self, checkpoints: Mapping[str, Mapping[str, Any]]) -> None:
        """By the rules' ids, with one request: each costs a cluster as much as hundreds of documents."""
        operations: list[Mapping[str, Any]] = []
        for rule, content in checkpoints.items():
            operations += [{"index": {"_id": rule}}, content]
        answer = self.es.bulk(index=self.checkpoints, operations=operations)
        for item in answer["items"] if answer["errors"] else ():
            if error := item["index"].get("error"):
                raise Unavailable(f"a checkpoint was not taken: {error.get('reason')}")
