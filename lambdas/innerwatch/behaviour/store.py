"""What measuring asks of Elasticsearch and writes to it. Every request ends."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec
from elasticsearch import ApiError, Elasticsearch, NotFoundError

from innerwatch import elastic, instants
from innerwatch.behaviour import DATASET
from innerwatch.behaviour.collect import HOUR, People, PersonDay, date
from innerwatch.behaviour.measures import NAMES
from innerwatch.behaviour.risk import REACH, Alert
from innerwatch.behaviour.score import from_document
from innerwatch.detection import alerts
from innerwatch.detection.engine import OVERLAP
from innerwatch.directory import employment
from innerwatch.directory.employment import DAY
from innerwatch.elastic import Unavailable, stream_name
from innerwatch.values import Origin

LOGS = ("aws.cloudtrail", "app.access")
PAGE = 5000  # documents a request: measured, larger ones are no faster
BUCKETS = 10_000  # people of one answer: no search hands out more hits
WRITES = 500  # documents of a bulk request that puts some in the place of others
KEEP_ALIVE = "5m"
CHECKPOINT = "behaviour"
NOWHERE = Origin("", 0)
# All that `collect` looks at. Filtering the source is quicker than asking for doc values (docs/behaviour.md).
COLLECTED = (
    *("@timestamp", "employee", "event.action", "event.outcome", "event.provider", "service.name", "source.ip"),
    *("user_agent.original", "host.name", "access", "http.response.body.bytes", "error.code", "aws.s3access.bucket"),
    *("aws.cloudtrail.read_only", "aws.cloudtrail.error_code"),
    "aws.cloudtrail.flattened.request_parameters.bucketName",
    "aws.cloudtrail.flattened.additional_eventdata.bytesTransferredOut",
    "aws.cloudtrail.user_identity.session_context.session_issuer.user_name",
)
# All that later days need of a behaviour document.
REMEMBERED = (
    *("employee", "event.end", "behaviour.date", "behaviour.day.kind", "behaviour.seen", "behaviour.shown"),
    *("behaviour.asked", *(f"behaviour.{name}.{part}" for name in NAMES for part in ("value", "score"))),
)


class Stored(NamedTuple):
    """A behaviour document as it is in Elasticsearch, and where."""

    backing: str  # index of the data stream
    seq_no: int
    primary_term: int
    digest: bytes  # of what it says


class Reached(NamedTuple):
    ingested: int  # the greatest `event.ingested` that there was
    at: int  # when the run began

    def is_all(self, latest: int) -> bool:
        """Whether nothing came since, and nothing can still have been on its way then."""
        return latest == self.ingested and self.at - self.ingested > OVERLAP


Change = tuple[str, Stored, dict[str, Any] | None]  # id, what is stored, and what comes in its place


class Saved(NamedTuple):
    """How the documents of a date ended."""

    new: int
    changed: int
    unchanged: int
    removed: int


class Store:
    def __init__(self, es: Elasticsearch, namespace: str) -> None:
        self.es, self.namespace = es, namespace
        self.stream = stream_name(DATASET, namespace)
        self.logs = ",".join(stream_name(name, namespace) for name in LOGS)
        self.checkpoints = f"innerwatch-checkpoints-{namespace}"
        self._ids: dict[str, str] = {}  # people's ids as documents write them, by what an aggregation makes of them

    # --- what people did

    def events(self, first: int, last: int) -> Iterator[dict[str, Any]]:
        """What `collect` needs of every event of a person from one instant to before another, in no order."""
        query = {"bool": {"filter": [PERSON, _between("@timestamp", first, last)]}}
        for page in self._pages(self.logs, query, COLLECTED):
            for hit in page:
                yield hit["_source"]

    def latest(self) -> int | None:
        """The greatest `event.ingested` of all events."""
        self._refresh(self.logs)
        answer = self._search(self.logs, size=0, aggs={"latest": {"max": {"field": "event.ingested"}}})
        value = answer.get("aggregations", {}).get("latest", {}).get("value")
        return None if value is None else int(value)

    def dates(self, people: People | None, since: int | None) -> list[int]:
        """The local days that gained events since then (by `event.ingested`), in order; of all there are for None."""
        filters = [PERSON]
        if since is not None:
            filters.append({"range": {"event.ingested": {"gte": since - OVERLAP, "format": "epoch_millis"}}})
        histogram = {"field": "@timestamp", "fixed_interval": "1d", "min_doc_count": 1}
        query = {"bool": {"filter": filters}}
        answer = self._search(self.logs, size=0, query=query, aggs={"days": {"date_histogram": histogram}})
        utc_days = [int(bucket["key"]) for bucket in answer.get("aggregations", {}).get("days", {}).get("buckets", ())]
        if people is None:
            return [start // DAY for start in utc_days]
        # A person's events of a UTC day lie on two local days at most: those of the first and of the last of them.
        ends = {"first": {"min": {"field": "@timestamp"}}, "last": {"max": {"field": "@timestamp"}}}
        found = set()
        for start in utc_days:
            of_day = {"bool": {"filter": [*filters, _between("@timestamp", start, start + DAY)]}}
            for person, bucket in self._persons(of_day, ends):
                times = [int(bucket[end]["value"]) for end in ends]
                found |= {(time + ahead(people, person, time)) // DAY for time in times}
        return sorted(found)

    def offsets(self, people: People | None, day: int) -> list[int]:
        """By how much the clocks of those who did something around a local day are ahead of UTC, in milliseconds."""
        if people is None:
            return [0]
        query = {"bool": {"filter": [PERSON, _between("@timestamp", day * DAY - EAST, (day + 1) * DAY + WEST)]}}
        # On a day of a change of clocks there are two.
        instants_of_day = (day * DAY - EAST, day * DAY + DAY // 2, (day + 1) * DAY + WEST)
        return sorted({ahead(people, person, at) for person, _ in self._persons(query) for at in instants_of_day})

    def _persons(
        self, query: Mapping[str, Any], aggs: Mapping[str, Any] | None = None
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Whoever a query's events are of, with what is asked of each person's events."""
        composite: dict[str, Any] = {"size": BUCKETS, "sources": [{"person": {"terms": {"field": "employee.id"}}}]}
        while True:
            wanted = {"found": {"composite": composite, "aggs": aggs or {}}}
            found = self._search(self.logs, size=0, query=query, aggs=wanted).get("aggregations", {}).get("found", {})
            buckets = {str(bucket["key"]["person"]): bucket for bucket in found.get("buckets", ())}
            self._learn_ids(key for key in buckets if key not in self._ids)
            for key, bucket in buckets.items():
                yield self._ids.get(key, key), bucket
            if "after_key" not in found:
                return
            composite["after"] = found["after_key"]

    def _learn_ids(self, keys: Iterable[str]) -> None:
        """How documents write people's ids: an aggregation knows them lower-cased, and the directory does not."""
        if unknown := list(keys):
            hits = self._search(
                self.logs,
                query={"terms": {"employee.id": unknown}},
                collapse={"field": "employee.id"},
                source=["employee.id"],
                sort=["_doc"],
                size=len(unknown),
            )["hits"]["hits"]
            self._ids |= {hit["fields"]["employee.id"][0]: hit["_source"]["employee"]["id"] for hit in hits}

    # --- what was measured before

    def history(self, first: int, last: int) -> Iterator[PersonDay]:
        """The person-days measured of local days from `first` to before `last`, in order of the days."""
        self._refresh(self.stream)
        dates = [{"behaviour.date": {"order": "asc", "unmapped_type": "keyword"}}]
        query = {"range": {"behaviour.date": {"gte": date(first), "lt": date(last)}}}
        for page in self._pages(self.stream, query, REMEMBERED, dates):
            for hit in page:
                yield from_document(hit["_source"])

    def stored(self, day: int) -> dict[str, Stored]:
        """The documents of a local day, by id."""
        found = {}
        for page in self._pages(self.stream, {"term": {"behaviour.date": date(day)}}, (), seq_no_primary_term=True):
            for hit in page:
                found[hit["_id"]] = Stored(hit["_index"], hit["_seq_no"], hit["_primary_term"], digest(hit["_source"]))
        return found

    def save(self, day: int, documents: Iterable[dict[str, Any]], now: int, deadline: float) -> Saved:
        """Makes the documents of a local day these: adds, puts in the place of others, removes whom nothing is left of.

        One that says what is stored already stays untouched, so that no rule judges it again. Raises Unavailable where
        Elasticsearch does not take them in time, or another run wrote the same; doing it all again is then right.
        """
        stored, count = self.stored(day), Counter[str]()
        changed: list[Change] = []
        new = self._new(documents, stored, changed, count, instants.iso(now))
        with ThreadPoolExecutor(1) as sender:  # some are taken while the next are judged
            under_way = sender.submit(self._create, [], deadline)
            for _, lines in elastic.batches(new, self.namespace):
                under_way.result()
                under_way = sender.submit(self._create, lines, deadline)
            under_way.result()
        # What is left of the stored: all events of that person and day were resolved to somebody else.
        count["removed"] = len(stored)
        self._replace([*changed, *((identity, before, None) for identity, before in stored.items())])
        return Saved(count["new"], count["changed"], count["unchanged"], count["removed"])

    def _create(self, lines: Sequence[bytes], deadline: float) -> None:
        outcome = elastic.create(self.es, lines, deadline=deadline)
        if outcome.refused:
            raise Unavailable(f"a behaviour document was refused: {outcome.refused[0].reason}")
        if outcome.duplicate:
            raise Unavailable("another run measured the same day")

    def _new(
        self,
        documents: Iterable[dict[str, Any]],
        stored: dict[str, Stored],
        changed: list[Change],
        count: Counter[str],
        ingested: str,
    ) -> Iterator[elastic.Document]:
        """The documents that are not stored yet. Takes all out of `stored`, and replaces what has changed."""
        for document in documents:
            document["event"]["ingested"] = ingested
            document["@timestamp"] = min(document["@timestamp"], ingested)
            identity = document["event"]["id"]
            before = stored.pop(identity, None)
            if before is None:
                count["new"] += 1
                yield elastic.Document(identity, DATASET, document, NOWHERE)
            elif before.digest == digest(document):
                count["unchanged"] += 1
            else:
                count["changed"] += 1
                changed.append((identity, before, document))
                if len(changed) >= WRITES:
                    self._replace(changed)
                    changed.clear()

    def _replace(self, actions: Sequence[Change]) -> None:
        """Puts documents in the place of others, or nothing, where nobody else has written since they were read."""
        for start in range(0, len(actions), WRITES):
            operations: list[dict[str, Any]] = []
            for identity, before, document in actions[start : start + WRITES]:
                place = {
                    "_index": before.backing,
                    "_id": identity,
                    "if_seq_no": before.seq_no,
                    "if_primary_term": before.primary_term,
                }
                operations += [{"delete": place}] if document is None else [{"index": place}, document]
            answer = self.es.bulk(operations=operations)
            for item in answer["items"] if answer["errors"] else ():
                (result,) = item.values()
                if result["status"] >= 300:
                    raise Unavailable(f"a behaviour document was not replaced: {result.get('error')}")

    # --- alerts and checkpoints

    def alerts(self, first: int, last: int) -> list[Alert]:
        """The alerts that counted towards somebody's risk at some time between."""
        stream = stream_name(alerts.DATASET, self.namespace)
        wanted = ("@timestamp", "rule.name", "innerwatch.alert.dataset", "innerwatch.alert.employee.id")
        found = []
        query = {"bool": {"filter": [_between("@timestamp", first - REACH, last)]}}
        for page in self._pages(stream, query, (*wanted, "rule.category")):
            for hit in page:
                source, own = hit["_source"], hit["_source"]["innerwatch"]["alert"]
                found.append(
                    Alert(
                        id=hit["_id"],
                        time=instants.from_rfc3339(source["@timestamp"]),
                        rule=source["rule"]["name"],
                        level=source["rule"]["category"],
                        dataset=own.get("dataset") or "",
                        employees=tuple((own.get("employee") or {}).get("id") or ()),
                    )
                )
        return found

    def reached(self) -> Reached | None:
        """How far the last run came."""
        try:
            found = self.es.get(index=self.checkpoints, id=CHECKPOINT)
        except NotFoundError:
            return None
        return Reached(int(found["_source"]["ingested"]), int(found["_source"]["at"]))

    def reach(self, ingested: int, now: int) -> None:
        self.es.index(index=self.checkpoints, id=CHECKPOINT, document={"ingested": ingested, "at": now})

    # --- requests

    def _pages(
        self,
        index: str,
        query: Mapping[str, Any],
        wanted: Sequence[str],
        sort: Sequence[Mapping[str, Any]] = (),
        **options: Any,
    ) -> Iterator[list[dict[str, Any]]]:
        """Every hit of a query on one view of the indices; the next page is asked for while one is worked on."""
        try:
            pit = self.es.open_point_in_time(index=index, keep_alive=KEEP_ALIVE, ignore_unavailable=True)["id"]
        except NotFoundError:
            return
        request: dict[str, Any] = {
            "query": query,
            "source": {"includes": list(wanted)} if wanted else True,
            "sort": [*sort, "_shard_doc"],
            "size": PAGE,
            "track_total_hits": False,
            "pit": {"id": pit, "keep_alive": KEEP_ALIVE},
            **options,
        }
        try:
            with ThreadPoolExecutor(1) as ahead_of_us:
                page = self.es.search(**request)["hits"]["hits"]
                while len(page) == PAGE:
                    following = ahead_of_us.submit(self.es.search, **request, search_after=page[-1]["sort"])
                    yield page
                    page = following.result()["hits"]["hits"]
                yield page
        finally:
            with suppress(ApiError):  # it ends by itself; what was read stands
                self.es.close_point_in_time(id=pit)

    def _search(self, index: str, **request: Any) -> Mapping[str, Any]:
        answer = self.es.search(index=index, ignore_unavailable=True, track_total_hits=False, **request)
        body: dict[str, Any] = answer.body
        return body

    def refresh(self) -> None:
        """So that the next run, and the rules, find what was written."""
        self._refresh(self.stream)

    def _refresh(self, index: str) -> None:
        self.es.indices.refresh(index=index, ignore_unavailable=True)


PERSON: dict[str, Any] = {"exists": {"field": "employee.id"}}
# Local days begin at most so much before UTC's, and end so much after.
EAST, WEST = 14 * HOUR, 12 * HOUR


def ahead(people: People | None, person: str, time: int) -> int:
    """Milliseconds by which a person's clocks are ahead of UTC at an instant."""
    fact = people.state(person, time) if people is not None else None
    return employment.local(fact.employee, time) - time if fact is not None else 0


def _between(field: str, first: int, last: int) -> dict[str, Any]:
    return {"range": {field: {"gte": first, "lt": last, "format": "epoch_millis"}}}


def digest(document: Mapping[str, Any]) -> bytes:
    """Of what a document says, but for when it was written."""
    event = {name: value for name, value in document["event"].items() if name != "ingested"}
    said = {name: value for name, value in document.items() if name != "@timestamp"} | {"event": event}
    return hashlib.sha256(_encode(said)).digest()


_encode = msgspec.json.Encoder(order="sorted").encode
