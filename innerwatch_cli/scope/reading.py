"""Asks Elasticsearch: a question's events, page by page on one view, and what the bounds need. Whole or not at all."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from elasticsearch import ApiError, Elasticsearch

from innerwatch import instants
from innerwatch.elastic import Unavailable, stream_name
from innerwatch.values import dig
from innerwatch_cli.scope.question import Query, Question, attempts, programs, query, within
from innerwatch_cli.scope.tally import SOURCE

PAGE = 5000  # documents a request: measured for behaviour, larger ones are no faster
SLICE = 50_000  # documents that are put in order together, and so held at once
KEEP_ALIVE = "10m"
BUCKETS = 10_000
PATIENCE = 300  # seconds that one aggregation over all documents may take
SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000

Hit = Mapping[str, Any]


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
        index = f"logs-*-{self.question.namespace}"
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
        answer = self._search(
            size=0, query=between(self.reader.query, start, end), aggs={"counts": {"date_histogram": histogram}}
        )
        for bucket in dig(answer, "aggregations.counts.buckets") or ():
            yield int(bucket["key"]), int(bucket["doc_count"])

    def slices(self, spans: Sequence[Span], done: Callable[[int], None] = lambda _: None) -> Iterator[list[Hit]]:
        """The hits of each span; the next page is asked for while one is worked on."""
        held: list[Hit] = []
        with ThreadPoolExecutor(1) as ahead:
            pages = self._pages(spans)
            following = ahead.submit(next, pages, None)
            while (page := following.result()) is not None:
                following = ahead.submit(next, pages, None)
                hits, is_last = page
                held += hits
                if is_last:
                    yield held
                    held = []
                done(len(hits))

    def _pages(self, spans: Sequence[Span]) -> Iterator[tuple[list[Hit], bool]]:
        """Pages, and whether one is its span's last."""
        for span in spans:
            request: dict[str, Any] = {
                "query": between(self.reader.query, span.start, span.end),
                "source": {"includes": list(SOURCE)},
                "sort": ["_shard_doc"],
                "size": PAGE,
            }
            while True:
                hits = self._search(**request)["hits"]["hits"]
                yield hits, len(hits) < PAGE
                if len(hits) < PAGE:
                    break
                request["search_after"] = hits[-1]["sort"]

    def _search(self, **request: Any) -> Mapping[str, Any]:
        answer = self.reader.es.options(request_timeout=PATIENCE).search(
            pit={"id": self.pit, "keep_alive": KEEP_ALIVE},
            track_total_hits=False,
            allow_partial_search_results=False,
            **request,
        )
        self.pit = answer.get("pit_id", self.pit)
        return whole(answer.body)


def between(asked: Query, start: int, end: int) -> Query:
    times = {"gte": start, "lt": end, "format": "epoch_millis"}
    return {"bool": {"filter": [asked, {"range": {"@timestamp": times}}]}}


def whole(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """A number that some shards did not contribute to would be wrong, and nobody could see it."""
    if answer.get("timed_out") or (answer.get("_shards") or {}).get("failed"):
        raise Unavailable("some shards did not answer")
    return answer
