"""Asks Elasticsearch: a question's events, page by page on one view, and what the bounds need. Whole or not at all."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import msgspec
from elasticsearch import ApiError, Elasticsearch
from elasticsearch.serializer import JsonSerializer

from innerwatch import instants
from innerwatch.elastic import Unavailable, stream_name
from innerwatch.errors import UserError
from innerwatch.fields import DATASETS
from innerwatch.values import dig
from innerwatch_cli.scope.documents import SOURCE, Hit
from innerwatch_cli.scope.question import Query, Question, attempts, programs, query, within

# Documents that are asked for at once, put in order together, and so held: as many as Elasticsearch gives in one answer
# (index.max_result_window). A second page of the same time would have it find the first one's documents again.
SLICE = 10_000
AHEAD = 2  # slices that are asked for while one is worked on
KEEP_ALIVE = "10m"
BUCKETS = 10_000
PATIENCE = 300  # seconds that one aggregation over all documents may take
SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000


class Span(NamedTuple):
    """Milliseconds, `end` not included, within one UTC day; `events` of the question are in it."""

    start: int
    end: int
    events: int


class Reader:
    def __init__(self, es: Elasticsearch, question: Question) -> None:
        self.es, self.question = es, question
        self.query = query(question)

    # --- the events

    @contextmanager
    def view(self) -> Iterator["View"]:
        """One state of the documents, whatever is written meanwhile."""
        pit = self.es.open_point_in_time(index=self.question.index, keep_alive=KEEP_ALIVE, ignore_unavailable=True)
        try:
            yield View(self, pit["id"])
        finally:
            with suppress(ApiError):  # it ends by itself; what was read stands
                self.es.close_point_in_time(id=pit["id"])

    # --- what else is asked

    def search(self, index: str, **request: Any) -> Mapping[str, Any]:
        answer = self.es.options(request_timeout=PATIENCE).search(
            index=index, ignore_unavailable=True, allow_partial_search_results=False, **request
        )
        return whole(answer.body)

    def count(self, asked: Query) -> int:
        answer = self.search(self.question.index, size=0, track_total_hits=True, query=asked)
        return int(answer["hits"]["total"]["value"])

    def anything(self) -> int:
        """Documents of the time, whatever they are."""
        return self.count(within(self.question))

    def known(self, person: str) -> bool:
        """Whether any document at all is of this person."""
        index = ",".join(stream_name(dataset, self.question.namespace) for dataset in DATASETS)  # a hold's are hidden
        return bool(self.search(index, size=1, source=False, query={"term": {"employee.id": person}})["hits"]["hits"])

    def profiles(self) -> dict[str, dict[str, Any]]:
        """HR id in lower case → `employee.*` at the latest event of the time."""
        if not self.question.people:
            return {}
        mine = {"bool": {"filter": [within(self.question), {"terms": {"employee.id": list(self.question.people)}}]}}
        answer = self.search(
            self.question.index,
            query=mine,
            size=len(self.question.people),
            collapse={"field": "employee.id"},
            sort=[{"@timestamp": "desc"}],
            source={"includes": ["employee"]},
        )
        found = (hit["_source"]["employee"] for hit in answer["hits"]["hits"])
        return {str(employee["id"]).lower(): employee for employee in found}

    def attempts(self) -> int:
        return self.count(attempts(self.question))

    def programs(self) -> dict[str, int]:
        """Events of services and instances that name customers, and about how many customers."""
        customers = {"cardinality": {"field": "access.customer.id", "precision_threshold": 40_000}}
        answer = self.search(
            self.question.index,
            size=0,
            track_total_hits=True,
            query=programs(self.question),
            aggs={"customers": customers},
        )
        about = dig(answer, "aggregations.customers.value") or 0
        return {"events": int(answer["hits"]["total"]["value"]), "customers_about": int(about)}

    def systems(self) -> dict[str, dict[str, Any]]:
        """Each system that ever logged: the UTC days of the time on which it did, and its events of the time."""
        inside = {
            "filter": within(self.question),
            "aggs": {"days": {"date_histogram": {"field": "@timestamp", "fixed_interval": "1d", "min_doc_count": 1}}},
        }
        applications = {"terms": {"field": "service.name", "size": 1000}, "aggs": {"inside": inside}}
        trails = {
            "filter": {"term": {"data_stream.dataset": "aws.cloudtrail"}},
            "aggs": {"regions": {"terms": {"field": "cloud.region", "size": 100}, "aggs": {"inside": inside}}},
        }
        answer = self.search(self.question.index, size=0, aggs={"applications": applications, "trails": trails})
        found = answer.get("aggregations") or {}
        named = [(one["key"], one) for one in (dig(found, "applications.buckets") or ())]
        named += [(f"CloudTrail {one['key']}", one) for one in (dig(found, "trails.regions.buckets") or ())]
        return {
            str(name): {
                "events": one["inside"]["doc_count"],
                "days": [bucket["key"] for bucket in one["inside"]["days"]["buckets"]],
            }
            for name, one in sorted(named)
        }

    def people_of_case(self) -> tuple[list[str], int, int]:
        """Who has worked in the name of a case: HR ids, and the first and last time."""
        asked = {"term": {"access.case.id": self.question.case}}
        people = {"terms": {"field": "employee.id", "size": BUCKETS}, "aggs": {"one": ONE}}
        times = {name: {name: {"field": "@timestamp"}} for name in ("min", "max")}
        answer = self.search(self.question.index, size=0, query=asked, aggs={"people": people, **times})
        found = answer.get("aggregations") or {}
        ids = [dig(it, "one.hits.hits")[0]["_source"]["employee"]["id"] for it in dig(found, "people.buckets") or ()]
        first, last = dig(found, "min.value"), dig(found, "max.value")
        return sorted(map(str, ids)), int(first or 0), int(last or 0)

    def alert(self, identity: str) -> dict[str, Any] | None:
        index = stream_name("innerwatch.alert", self.question.namespace)
        hits = self.search(index, size=1, query={"ids": {"values": [identity]}})["hits"]["hits"]
        return dict(hits[0]["_source"]) if hits else None

    def busiest(self) -> int:
        """The most customers, each access anew, that any one person saw in any one minute of the time.

        Records that were shown without saying whose count as customers, so that this can only be too much.
        """
        pace = {"date_histogram": {"field": "@timestamp", "fixed_interval": "1m"}}
        sources = [{"minute": pace}, {"person": {"terms": {"field": "employee.id"}}}]
        named = {"value_count": {"field": "access.customer.id"}}
        counted = {
            "filter": {"bool": {"must_not": {"exists": {"field": "access.customer.id"}}}},
            "aggs": {"sum": {"sum": {"field": "access.records"}}},
        }
        shown = [{"exists": {"field": name}} for name in ("access.customer.id", "access.records")]
        asked = {
            "bool": {
                "filter": [within(self.question), {"bool": {"should": shown}}],
                "must_not": {"term": {"event.outcome": "failure"}},
            }
        }
        most = 0
        after: dict[str, Any] = {}
        while True:
            composite = {"size": BUCKETS, "sources": sources, **after}
            aggs = {"found": {"composite": composite, "aggs": {"named": named, "counted": counted}}}
            found = dig(self.search(self.question.index, size=0, query=asked, aggs=aggs), "aggregations.found") or {}
            for bucket in found.get("buckets", ()):
                most = max(most, int(bucket["named"]["value"]) + int(bucket["counted"]["sum"]["value"] or 0))
            if "after_key" not in found:
                return most
            after = {"after": found["after_key"]}

    def ingested_after(self, instant: int) -> int:
        """Events of the question that were written or stamped anew since."""
        since = {"range": {"event.ingested": {"gt": instants.iso(instant)}}}
        return self.count({"bool": {"filter": [self.query, since]}})


ONE = {"top_hits": {"size": 1, "_source": ["employee.id"]}}


class Hits(msgspec.Struct, frozen=True):
    hits: list[Hit] = []


class Shards(msgspec.Struct, frozen=True):
    failed: int = 0


class Page(msgspec.Struct, rename={"shards": "_shards"}):
    """What a search of a point in time answers."""

    pit_id: str = ""
    timed_out: bool = False
    shards: Shards = Shards()
    hits: Hits = Hits()
    aggregations: dict[str, Any] = {}


class Pages(JsonSerializer):
    """For `Elasticsearch(serializer=…)`: decodes pages into what is read of them, all else as the client does.

    A view works with any client. With this one, a page costs a fifth of the time.
    """

    def json_loads(self, data: bytes) -> Any:
        if data.startswith(b'{"pit_id":'):
            with suppress(msgspec.DecodeError):  # such as half a surrogate pair, which the client's own decoder takes
                return _page(data)
        return super().json_loads(data)


_page = msgspec.json.Decoder(Page).decode


def converted(answer: Mapping[str, Any]) -> Page:
    try:
        return msgspec.convert(answer, Page)
    except msgspec.ValidationError as error:
        raise UserError(
            f"a document is not such as Innerwatch writes: {error}", "expected only its own in its data streams"
        ) from error


class View:
    """Reads the question's events."""

    def __init__(self, reader: Reader, pit: str) -> None:
        self.reader, self.pit = reader, pit
        self.question = reader.question

    def spans(self) -> list[Span]:
        """The time in pieces that hold at most SLICE events each, as far as a second can be; none without events."""
        return list(self._cut(self.question.start, self.question.end, (DAY, HOUR, MINUTE, SECOND)))

    def _cut(self, start: int, end: int, steps: Sequence[int]) -> Iterator[Span]:
        step, finer = steps[0], steps[1:]
        waiting: Span | None = None
        for at, events in self._counts(start, end, step):
            piece = Span(max(at, start), min(at + step, end), events)
            if waiting and (waiting.events + events > SLICE or waiting.start // DAY != piece.start // DAY):
                yield waiting
                waiting = None
            if events > SLICE and finer:
                yield from self._cut(piece.start, piece.end, finer)
            else:
                waiting = Span(waiting.start, piece.end, waiting.events + events) if waiting else piece
        if waiting:
            yield waiting

    def _counts(self, start: int, end: int, step: int) -> Iterator[tuple[int, int]]:
        histogram = {"field": "@timestamp", "fixed_interval": f"{step // SECOND}s", "min_doc_count": 1}
        page = self._search(
            size=0, query=between(self.reader.query, start, end), aggs={"counts": {"date_histogram": histogram}}
        )
        for bucket in dig(page.aggregations, "counts.buckets") or ():
            yield int(bucket["key"]), int(bucket["doc_count"])

    def slices(self, spans: Sequence[Span]) -> Iterator[list[Hit]]:
        """The hits of each span, in the spans' order; the next ones are asked for while one is worked on."""
        waiting: deque[Future[list[Hit]]] = deque()
        with ThreadPoolExecutor(AHEAD) as workers:
            for span in spans:
                waiting.append(workers.submit(self._hits, span))
                if len(waiting) > AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def _hits(self, span: Span) -> list[Hit]:
        request: dict[str, Any] = {
            "query": between(self.reader.query, span.start, span.end),
            "source": {"includes": list(SOURCE)},
            "sort": ["_shard_doc"],
            "size": SLICE,
        }
        found: list[Hit] = []
        while True:
            hits = self._search(**request).hits.hits
            found += hits
            if len(hits) < SLICE:
                return found
            request["search_after"] = hits[-1].sort

    def _search(self, **request: Any) -> Page:
        answer = self.reader.es.options(request_timeout=PATIENCE).search(
            pit={"id": self.pit, "keep_alive": KEEP_ALIVE},
            track_total_hits=False,
            allow_partial_search_results=False,
            **request,
        )
        page = answer.body if isinstance(answer.body, Page) else converted(answer.body)
        if page.timed_out or page.shards.failed:
            raise Unavailable(PARTIAL)
        self.pit = page.pit_id or self.pit
        return page


def between(asked: Query, start: int, end: int) -> Query:
    times = {"gte": start, "lt": end, "format": "epoch_millis"}
    return {"bool": {"filter": [asked, {"range": {"@timestamp": times}}]}}


def whole(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """A number that some shards did not contribute to would be wrong, and nobody could see it."""
    if answer.get("timed_out") or (answer.get("_shards") or {}).get("failed"):
        raise Unavailable(PARTIAL)
    return answer


PARTIAL = "some shards did not answer"
