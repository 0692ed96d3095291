"""Scope against the bare limit: reading the same documents, page after page, and doing nothing with them.

Both ask the same Elasticsearch for the same fields. INNERWATCH_BENCH_DOCUMENTS sets how many documents there are; all
of them are read.
"""

import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

from elasticsearch import Elasticsearch

from innerwatch import elastic, instants
from innerwatch.values import Origin
from innerwatch_cli.scope import Question, answer, writing
from innerwatch_cli.scope.question import query
from innerwatch_cli.scope.reading import PAGE
from innerwatch_cli.scope.tally import SOURCE
from tests.bench.tools import own_node

DOCUMENTS = int(os.environ.get("INNERWATCH_BENCH_DOCUMENTS", "300000"))
CUSTOMERS, PEOPLE, DAYS = 50_000, 20, 30
START = instants.from_rfc3339("2026-03-01T00:00:00Z")
DAY = 86_400_000
NAMESPACE = "benchscope"
FIELDS = (["name", "email"], ["name", "email", "phone"], ["name", "address", "birthday"], ["orders"])


def documents() -> Iterator[elastic.Document]:
    """Accesses of a support console, with all that enrichment stamps on them."""
    chance = Random(1)
    for number in range(DOCUMENTS):
        person = chance.randrange(PEOPLE)
        at = START + chance.randrange(DAYS * DAY)
        count = 1 if chance.random() < 0.95 else chance.randint(2, 20)
        customers = [f"C-{100_000 + chance.randrange(CUSTOMERS)}" for _ in range(count)]
        account = f"agent.{person}"
        document: dict[str, Any] = {
            "@timestamp": instants.iso(at),
            "ecs": {"version": "9.4.0"},
            "data_stream": {"type": "logs", "dataset": "app.access", "namespace": NAMESPACE},
            "event": {
                "kind": "event", "module": "app", "dataset": "app.access", "id": f"{number:020x}",
                "action": chance.choice(("view", "view", "search", "update", "send")),
                "category": ["database"], "type": ["access"], "outcome": "success",
                "ingested": instants.iso(at + 60_000),
            },
            "service": {"name": "support-console"},
            "user": {"id": account, "name": account, "email": f"{account}@example.com"},
            "source": {"address": "192.0.2.7", "ip": "192.0.2.7"},
            "user_agent": {"original": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0.0.0"},
            "access": {
                "customer": {"id": customers, "total": count}, "fields": chance.choice(FIELDS), "records": count,
                "case": {"id": f"CASE-{chance.randrange(90_000)}"}, "session": {"id": f"s-{number % 997}"},
                "justification": chance.choice(("justified", "justified", "unknown")),
                "justification_reason": "assigned",
            },
            "related": {"user": [account, f"{account}@example.com"], "ip": ["192.0.2.7"]},
            "employee": {
                "id": f"E{person}", "name": f"Agent {person}", "email": f"{account}@example.com",
                "role": "Support Agent", "department": "Customer Support", "team": "Support 1", "location": "Dublin",
                "manager": {"id": "E0"}, "type": "employee", "status": "active", "hired_at": "2024-01-01",
                "tenure_days": 700, "on_shift": True, "as_of": START,
                "resolution": {"method": "application", "confidence": "certain"},
            },
            "log": {"file": {"path": f"s3://example-logs/app/{at // 3_600_000}.ndjson.gz"}, "offset": number},
        }  # fmt: skip
        yield elastic.Document(f"support-console:{number:020x}", "app.access", document, Origin("", 0))


def bare(es: Elasticsearch, question: Question) -> int:
    """One page after the other on one view, decoded and dropped."""
    pit = es.open_point_in_time(index=question.index, keep_alive="5m", ignore_unavailable=True)["id"]
    request: dict[str, Any] = {
        "pit": {"id": pit, "keep_alive": "5m"},
        "query": query(question),
        "source": {"includes": list(SOURCE)},
        "sort": ["_shard_doc"],
        "size": PAGE,
        "track_total_hits": False,
    }
    read = 0
    while True:
        hits = es.search(**request)["hits"]["hits"]
        read += len(hits)
        if len(hits) < PAGE:
            es.close_point_in_time(id=pit)
            return read
        request["search_after"] = hits[-1]["sort"]


def seconds(run: Callable[[], int]) -> tuple[float, int]:
    began = time.perf_counter()
    count = run()
    return time.perf_counter() - began, count


def run() -> None:
    with tempfile.TemporaryDirectory() as home, own_node(Path(home) / "node") as es:
        measure(es, Path(home))


def measure(es: Elasticsearch, folder: Path) -> None:
    for _, lines in elastic.batches(documents(), NAMESPACE):
        elastic.create(es, lines, deadline=time.monotonic() + 60)
    question = Question(NAMESPACE, tuple(f"E{number}" for number in range(PEOPLE)), START, START + DAYS * DAY)
    es.indices.refresh(index=question.index, ignore_unavailable=True)

    def whole() -> int:
        found = answer(es, question, None)
        found.summary["made"] = {"by": "bench", "on": "here", "at": instants.iso(START)}
        writing.write(folder / "report", found.summary, found.customers())
        return int(found.summary["evidence"]["events"])

    bare(es, question)  # so that neither of the two is the first to read the files
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    limit, read = seconds(lambda: bare(es, question))
    ours, counted = seconds(whole)
    assert read == counted == DOCUMENTS, (read, counted)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"bare scan    {read / limit:>10,.0f} documents/s   ({limit:.1f} s)")
    print(
        f"scope        {counted / ours:>10,.0f} documents/s   ({ours:.1f} s: read, counted, hashed, all files written)"
    )
    print(f"             {read:,} documents, {CUSTOMERS:,} customers, peak {memory} MB ({before} MB before)")
    print(f"ratio        {ours / limit:>10.2f}")


if __name__ == "__main__":
    run()
