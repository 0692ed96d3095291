"""Documents with pseudonyms, and a command without their key, or the other way round: refused before harm is done."""

from typing import Any

from elasticsearch import Elasticsearch

from innerwatch.errors import UserError
from innerwatch.pseudonyms import Keys
from innerwatch.pseudonyms.keys import is_pseudonym
from innerwatch_cli import cluster

EXPECTED_KEY = "expected --pseudonyms with the key that they were made with"


def check(es: Elasticsearch, namespace: str, keys: Keys | None) -> None:
    """That people stand in a namespace as they would from now on: all under pseudonyms, or none. UserError if not."""
    newest: dict[str, Any] = {"size": 1, "sort": [{"event.ingested": "desc"}], "source": {"includes": ["employee.id"]}}
    with cluster.errors(es):
        hits = es.search(
            index=f"logs-aws.cloudtrail-{namespace},logs-app.access-{namespace}",
            query={"exists": {"field": "employee.id"}},
            ignore_unavailable=True,
            **newest,
        )["hits"]["hits"]
    if not hits:
        return
    person = str(hits[0]["_source"]["employee"]["id"])
    hidden = is_pseudonym(person)
    if hidden and keys is None:
        raise UserError(f"people in the namespace {namespace!r} stand under pseudonyms", EXPECTED_KEY)
    if keys is not None and not hidden:
        raise UserError(
            f"people in the namespace {namespace!r} stand under their names",
            "expected another --namespace for documents with pseudonyms",
        )
