"""Which ids a data stream holds already: what is not answered is asked again, and never taken for an answer."""

from typing import Any

import pytest
from elastic_transport import ApiResponseMeta, ConnectionTimeout, HttpHeaders, NodeConfig
from elasticsearch import ApiError, Elasticsearch

from innerwatch import elastic
from innerwatch.values import Origin

META = ApiResponseMeta(429, "1.1", HttpHeaders(), 0.0, NodeConfig("http", "127.0.0.1", 9200))
BUSY = ApiError("busy", META, {})


class Scripted(Elasticsearch):
    """Answers searches as scripted, and notes what was asked."""

    def __init__(self, *script: Any) -> None:
        super().__init__("http://127.0.0.1:9")
        self.script: list[Any] = list(script)
        self.asked: list[tuple[str, list[str]]] = []

    def options(self, **_options: Any) -> Any:
        return self

    def search(self, **asked: Any) -> Any:
        self.asked.append((asked["index"], asked["query"]["ids"]["values"]))
        answer = self.script.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def hits(*ids: str, failed: int = 0) -> dict[str, Any]:
    return {"_shards": {"failed": failed}, "hits": {"hits": [{"_id": name} for name in ids]}}


def lines(*documents: tuple[str, str]) -> list[bytes]:
    items = [elastic.Document(name, dataset, {}, Origin("file", 1)) for dataset, name in documents]
    ((_, found),) = elastic.batches(items, "test")
    return found


def held(es: Elasticsearch, wanted: list[bytes], patience: float = 60.0) -> set[int]:
    clock = [0.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds + 0.01

    return elastic.held(es, wanted, deadline=patience, sleep=sleep, now=lambda: clock[0])


def test_places_are_found_stream_by_stream_and_also_twice() -> None:
    es = Scripted(hits("a"), hits("c"))
    wanted = lines(("app.access", "a"), ("app.access", "b"), ("aws.cloudtrail", "c"), ("app.access", "a"))
    assert held(es, wanted) == {0, 2, 3}
    assert es.asked == [("logs-app.access-test", ["a", "b"]), ("logs-aws.cloudtrail-test", ["c"])]


TROUBLE = {"429": BUSY, "timeout": ConnectionTimeout("slow"), "shards": hits("a", failed=1)}


@pytest.mark.parametrize("trouble", TROUBLE.values(), ids=TROUBLE)
def test_no_answer_is_asked_again(trouble: Any) -> None:
    assert held(Scripted(trouble, hits()), lines(("app.access", "a"))) == set()
    with pytest.raises(elastic.Unavailable):
        held(Scripted(*[trouble] * 100), lines(("app.access", "a")))
