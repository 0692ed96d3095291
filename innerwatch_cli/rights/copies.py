"""What a legal hold keeps: copies of a person's documents in indices that no lifecycle deletes.

| name                                   |                                                                   |
|----------------------------------------|-------------------------------------------------------------------|
| `innerwatch-hold-NAMESPACE-ID-DATASET` | the copies, under the ids that the documents have                 |
| `logs-DATASET-NAMESPACE.hold.ID`       | a hidden alias of it, for `--namespace NAMESPACE.hold.ID`         |

Index and alias are hidden, so that a pattern such as `logs-*` does not meet a document twice.
https://www.elastic.co/docs/reference/elasticsearch/rest-apis/api-conventions#multi-hidden
"""

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from elasticsearch import Elasticsearch

from innerwatch.elastic import Unavailable, stream_name
from innerwatch_cli import index_templates
from innerwatch_cli.rights.documents import EVERYTHING, Documents, Hit, any_of, held_for, mentions, own
from innerwatch_cli.rights.people import Person
from innerwatch_cli.rights.register import Copies, Hold


def keep(
    documents: Documents, person: Person, hold: Hold, done: Callable[[int], None] = lambda _: None
) -> dict[str, Copies]:
    """Copies what the streams hold of a person now; what was copied and is gone there since stays.

    A document that was stamped anew, or an alert that grew, takes its earlier copy's place. Returns what is kept by
    dataset. Doing it again, and after having been killed, is the same as doing it once.
    """
    es, kept = documents.es, {}
    documents.refresh()
    for dataset, index in hold.indices(documents.namespace).items():
        for hits in documents.pages(documents.streams[dataset], held_for(person)):
            _create(es, dataset, index, stream_name(dataset, hold.namespace(documents.namespace)))
            _write(es, index, hits)
            done(len(hits))
        es.indices.refresh(index=index, ignore_unavailable=True)
        kept[dataset] = counted(documents.pages(index, EVERYTHING))
    return kept


def counted(pages: Iterable[list[Hit]]) -> Copies:
    count, total = 0, 0
    for hits in pages:
        for hit in hits:
            count, total = count + 1, (total + _digest(hit)) % 2**256
    return Copies(count, f"{total:064x}")


def _digest(hit: Hit) -> int:
    text = msgspec.json.encode([hit["_id"], hit["_source"]], order="sorted")
    return int.from_bytes(hashlib.sha256(text).digest())


def _create(es: Elasticsearch, dataset: str, index: str, alias: str) -> None:
    """With the mappings of the data stream, without its lifecycle."""
    if es.indices.exists(index=index):
        return
    template = index_templates.templates()[index_templates.template_name(dataset)]["template"]
    settings = {"index": {**template["settings"]["index"], "hidden": True}}
    es.indices.create(
        index=index, settings=settings, mappings=template["mappings"], aliases={alias: {"is_hidden": True}}
    )


def _write(es: Elasticsearch, index: str, hits: Iterable[Hit]) -> None:
    operations: list[dict[str, Any]] = []
    for hit in hits:
        operations += [{"index": {"_index": index, "_id": hit["_id"]}}, hit["_source"]]
    answer = es.options(request_timeout=300).bulk(operations=operations)
    for item in answer["items"] if answer["errors"] else ():
        if error := item["index"].get("error"):
            raise Unavailable(f"a copy was not taken: {error.get('type')}: {error.get('reason')}")


def there(es: Elasticsearch, namespace: str, hold: Hold) -> dict[str, int]:
    """Dataset → copies that there are now."""
    return {
        dataset: int(es.count(index=index, ignore_unavailable=True)["count"])
        for dataset, index in hold.indices(namespace).items()
    }


def drop(es: Elasticsearch, namespace: str, hold: Hold) -> None:
    es.indices.delete(index=",".join(hold.indices(namespace).values()), ignore_unavailable=True)


def mentioned(es: Elasticsearch, pattern: str, person: Person) -> int:
    """Copies held for others that are of the person, or name them."""
    query = any_of([own(person), mentions(person)])
    return int(es.count(index=f"{pattern}*", query=query, expand_wildcards="all", ignore_unavailable=True)["count"])
