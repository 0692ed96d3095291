"""A person's documents in Elasticsearch: which they are, how many, and how they are deleted or rid of a mention.

Every document is one of these to a person, so that counts add up:

- *own*: stamped with the person, or with nobody and done with an account that is theirs alone. Erasing deletes them.
- *mentions*: somebody else's, that names the person (as manager, among the people of an alert, as the user that a call
  was about). Erasing takes the name out.
- *kept*: either, but of somebody who is under a legal hold. Erasing leaves them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from elasticsearch import ApiError, Elasticsearch

from innerwatch import instants
from innerwatch.elastic import Unavailable, stream_name
from innerwatch.fields import DATASETS
from innerwatch.values import dig
from innerwatch_cli.rights.people import Person

PAGE = 1000  # documents of a request
KEEP_ALIVE = "10m"
PATIENCE = 300  # seconds that a search over all of a stream may take

ACCOUNTS = ("user.id", "user.name", "user.email")
NAMED = ("related.user", "user.target.name", "user.target.id", "user.target.email", "user.changes.name")
PEOPLE = ("employee.manager.id", "innerwatch.alert.employee.id", "innerwatch.alert.group.values")
ALERT_PEOPLE = "innerwatch.alert.employee.id"
ERASED = "(erased)"
DROPPED = ("employee.manager.id", "related.user", ALERT_PEOPLE)  # elsewhere ERASED says that there was somebody
PLACES = ("log", "data_stream", "rule", "ecs", "innerwatch.alert.evidence")  # no text about people, and referred to
SHORTEST = 4  # characters of a name that is looked for inside other texts

Query = dict[str, Any]
Hit = dict[str, Any]

EVERYTHING: Query = {"match_all": {}}


class Tally(NamedTuple):
    """Documents of one kind in one data stream, with the times of the first and last (milliseconds; None for none)."""

    documents: int = 0
    first: int | None = None
    last: int | None = None


class Found(NamedTuple):
    own: Tally
    mentions: Tally
    kept: Tally


# --- which documents


def own(person: Person) -> Query:
    queries: list[Query] = [{"term": {"employee.id": person.document_id}}]
    if person.document_names:
        accounts = [{"terms": {field: list(person.document_names)}} for field in ACCOUNTS]
        queries.append({"bool": {"filter": [any_of(accounts)], "must_not": [{"exists": {"field": "employee.id"}}]}})
    return any_of(queries)


def held_for(person: Person) -> Query:
    """What a hold keeps: the person's own, and alerts that name them among others."""
    return any_of([own(person), {"term": {ALERT_PEOPLE: person.document_id}}])


def mentions(person: Person) -> Query:
    """Somebody else's documents that name the person in a field of its own."""
    texts = [person.document_id, *person.document_names]
    places: list[Query] = [{"term": {field: person.document_id}} for field in PEOPLE]
    places += [{"terms": {field: texts}} for field in NAMED]
    return {"bool": {"filter": [any_of(places)], "must_not": [own(person)]}}


def of_others(person: Person) -> Query:
    return {"bool": {"must_not": [own(person)]}}


def of_held(held: Sequence[str]) -> Query:
    """Documents of people who are under a legal hold, by their ids in documents."""
    return any_of([{"terms": {field: list(held)}} for field in ("employee.id", ALERT_PEOPLE)])


def but_of(query: Query, held: Sequence[str]) -> Query:
    return {"bool": {"filter": [query], "must_not": [of_held(held)]}} if held else query


def any_of(queries: Sequence[Query]) -> Query:
    return {"bool": {"should": list(queries), "minimum_should_match": 1}}


# --- where they are


class Documents:
    """The data streams of a namespace."""

    def __init__(self, es: Elasticsearch, namespace: str) -> None:
        self.es, self.namespace = es, namespace
        self.streams = {dataset: stream_name(dataset, namespace) for dataset in DATASETS}

    def find(self, person: Person, held: Sequence[str] = ()) -> dict[str, Found]:
        """Data stream → what it holds of a person; `held` are others, under a legal hold."""
        self.refresh()
        kinds = {"own": but_of(own(person), held), "mentions": but_of(mentions(person), held)}
        if held:
            kinds["kept"] = {"bool": {"filter": [any_of([own(person), mentions(person)]), of_held(held)]}}
        return {stream: self._found(stream, kinds) for stream in self.streams.values()}

    def _found(self, stream: str, kinds: Mapping[str, Query]) -> Found:
        answer = whole(
            self.es.options(request_timeout=PATIENCE)
            .search(
                index=stream,
                size=0,
                aggs={name: {"filter": query, "aggs": TIMES} for name, query in kinds.items()},
                **LENIENT,
            )
            .body
        )
        tallies = {name: _tally(dig(answer, f"aggregations.{name}") or {}) for name in kinds}
        return Found(tallies["own"], tallies["mentions"], tallies.get("kept", Tally()))

    def pages(self, index: str, query: Query, source: bool | Sequence[str] = True) -> Iterator[list[Hit]]:
        """The hits of a query, a page at a time, on one view of the index; none where the index is not there."""
        pit = self.es.open_point_in_time(index=index, keep_alive=KEEP_ALIVE, ignore_unavailable=True)["id"]
        request: dict[str, Any] = {"query": query, "sort": ["_shard_doc"], "size": PAGE, "track_total_hits": False}
        request |= {"source": source, "seq_no_primary_term": True, "allow_partial_search_results": False}
        try:
            while True:
                answer = whole(
                    self.es.options(request_timeout=PATIENCE)
                    .search(pit={"id": pit, "keep_alive": KEEP_ALIVE}, **request)
                    .body
                )
                pit = answer.get("pit_id", pit)
                if not (hits := answer["hits"]["hits"]):
                    return
                yield hits
                request["search_after"] = hits[-1]["sort"]
        finally:
            with suppress(ApiError):  # it ends by itself
                self.es.close_point_in_time(id=pit)

    def refresh(self) -> None:
        self.es.indices.refresh(index=",".join(self.streams.values()), ignore_unavailable=True)

    # --- erasing

    def delete(self, hits: Iterable[Hit]) -> int:
        """Deletes documents from their backing indices. One that is gone already counts as nothing."""
        operations = [{"delete": {"_index": hit["_index"], "_id": hit["_id"]}} for hit in hits]
        return self._bulk(operations).count("deleted")

    def redact(self, hits: Iterable[Hit], person: Person) -> int:
        """Puts documents back without the person, as far as they name them.

        One that somebody changes meanwhile is left to the next pass.
        """
        operations: list[dict[str, Any]] = []
        for hit in hits:
            place = {"_index": hit["_index"], "_id": hit["_id"]}
            same = {"if_seq_no": hit["_seq_no"], "if_primary_term": hit["_primary_term"]}
            document = redacted(hit["_source"], person)
            operations += [{"index": place | same}, document] if document != hit["_source"] else []
        return self._bulk(operations).count("updated")

    def _bulk(self, operations: Sequence[Mapping[str, Any]]) -> list[str]:
        """What became of each item; a version conflict and a missing document are no failure."""
        if not operations:
            return []
        answer = self.es.options(request_timeout=PATIENCE).bulk(operations=operations)
        results = [result for item in answer["items"] for result in item.values()]
        for result in results:
            if result["status"] >= 300 and result["status"] not in (404, 409):
                raise Unavailable(f"Elasticsearch did not take it: {result['error'].get('type')}")
        return [str(result.get("result", "conflict")) for result in results]


TIMES = {name: {name: {"field": "@timestamp"}} for name in ("min", "max")}
LENIENT: dict[str, Any] = {"ignore_unavailable": True, "allow_no_indices": True, "allow_partial_search_results": False}


def whole(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """A count that some shards did not contribute to would be wrong, and nobody could see it."""
    if answer.get("timed_out") or (answer.get("_shards") or {}).get("failed"):
        raise Unavailable("some shards did not answer")
    return answer


def _tally(answer: Mapping[str, Any]) -> Tally:
    first, last = dig(answer, "min.value"), dig(answer, "max.value")
    return Tally(
        int(answer.get("doc_count", 0)),
        None if first is None else int(first),
        None if last is None else int(last),
    )


def times(tally: Tally) -> dict[str, Any]:
    """For JSON."""
    found: dict[str, Any] = {"documents": tally.documents}
    if tally.first is not None and tally.last is not None:
        found |= {"first": instants.iso(tally.first), "last": instants.iso(tally.last)}
    return found


# --- somebody else's document, without a person


def redacted(document: Mapping[str, Any], person: Person) -> dict[str, Any]:
    """The document with the person's id and names taken out of the fields that hold them, and out of longer texts.

    Texts such as `event.original` and ARNs are searched for names of at least four characters that hold a letter: a
    shorter one, or a number, would hit what is not meant.
    """
    texts = {text.lower() for text in (person.document_id, *person.document_names)}
    found = dict(document)
    for path in (*PEOPLE, *NAMED):
        _take_out(found, path, texts)
    scrubbed: dict[str, Any] = _scrubbed(found, "", _pattern(texts))
    return scrubbed


def _pattern(texts: Iterable[str]) -> re.Pattern[str] | None:
    """Longest first, so that a mail address goes as a whole."""
    long = sorted((text for text in texts if len(text) >= SHORTEST and re.search(r"[^\W\d_]", text)), key=len)
    if not long:
        return None
    return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, reversed(long)))})(?![\w-])", re.IGNORECASE)


def _scrubbed(value: Any, path: str, pattern: re.Pattern[str] | None) -> Any:
    if pattern is None or path in PLACES:
        return value
    if isinstance(value, str):
        return pattern.sub(ERASED, value)
    if isinstance(value, list):
        return [_scrubbed(item, path, pattern) for item in value]
    if isinstance(value, Mapping):
        return {name: _scrubbed(item, f"{path}.{name}".lstrip("."), pattern) for name, item in value.items()}
    return value


def _take_out(document: dict[str, Any], path: str, texts: set[str]) -> None:
    """From a value or list at a dotted path. The way there is copied: the document may be shared."""
    *parents, name = path.split(".")
    level = document
    for parent in parents:
        if not isinstance(level.get(parent), Mapping):
            return
        level[parent] = dict(level[parent])
        level = level[parent]
    if name not in level:
        return
    value = level[name]
    items = value if isinstance(value, list) else [value]
    left = [ERASED if str(item).lower() in texts else item for item in items]
    if path in DROPPED:
        left = [item for item in left if item != ERASED]
    if left == items:
        return
    if not left:
        del level[name]
    else:
        level[name] = left if isinstance(value, list) else left[0]
