"""Scope against the bare limit: reading the same documents, page after page, and doing nothing with them.

The limit is what everybody would write: a point in time, `search_after`, 5,000 documents a page, the same fields,
decoded by Elasticsearch's own client. Scope is the command itself, with all of its files; each has its own process.

INNERWATCH_BENCH_DOCUMENTS sets how many documents there are; all of them are read. INNERWATCH_BENCH_HOME names a folder
in which the node is kept, and found the next time: to write 5,000,000 takes several times as long as to read them.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import msgspec
from elasticsearch import Elasticsearch

from innerwatch import elastic, instants
from innerwatch.values import Origin
from innerwatch_cli import cluster
from innerwatch_cli.scope import Question
from innerwatch_cli.scope.documents import SOURCE
from innerwatch_cli.scope.question import query
from tests.bench.tools import own_node

DOCUMENTS = int(os.environ.get("INNERWATCH_BENCH_DOCUMENTS", "300000"))
CUSTOMERS, PEOPLE, DAYS = 50_000, 20, 30
START = instants.from_rfc3339("2026-03-01T00:00:00Z")
DAY = 86_400_000
NAMESPACE = "benchscope"
PAGE = 5000  # documents
WARM = 300_000  # documents that are read first, so that neither of the two meets a server that has just started
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


def bare(es: Elasticsearch, most: int) -> None:
    """One page after the other on one view, decoded and dropped."""
    question = asked()
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
    while read < most:
        hits = es.search(**request)["hits"]["hits"]
        assert hits
        read += len(hits)
        request["search_after"] = hits[-1]["sort"]
    es.close_point_in_time(id=pit)


class Cost(NamedTuple):
    seconds: float
    processor: float  # seconds, of the process that reads
    server: float  # the same of Elasticsearch
    memory: int  # MB, the most that the process held


def node_processor(es: Elasticsearch) -> float:
    (node,) = es.nodes.stats(metric="process")["nodes"].values()
    return float(node["process"]["cpu"]["total_in_millis"]) / 1000


def spent(es: Elasticsearch, *arguments: str) -> Cost:
    """Runs Python with some arguments to its end."""
    server, began = node_processor(es), time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, arguments
    seconds = time.perf_counter() - began
    return Cost(seconds, usage.ru_utime + usage.ru_stime, node_processor(es) - server, usage.ru_maxrss // 1024)


def asked() -> Question:
    return Question(NAMESPACE, tuple(f"E{number}" for number in range(PEOPLE)), START, START + DAYS * DAY)


def run() -> None:
    with ExitStack() as stack:
        kept = os.environ.get("INNERWATCH_BENCH_HOME")
        home = Path(kept or stack.enter_context(tempfile.TemporaryDirectory())).absolute()
        es = stack.enter_context(own_node(home / "node"))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        measure(es, folder)


def fill(es: Elasticsearch) -> None:
    index = f"logs-app.access-{NAMESPACE}"
    if not es.indices.exists(index=index) or es.count(index=index)["count"] != DOCUMENTS:
        for _, lines in elastic.batches(documents(), NAMESPACE):
            elastic.create(es, lines, deadline=time.monotonic() + 600)
        es.indices.refresh(index=index)
    assert es.count(index=index)["count"] == DOCUMENTS


def measure(es: Elasticsearch, folder: Path) -> None:
    fill(es)
    question = asked()
    people = [word for person in question.people for word in ("--employee", person)]
    times = ("--from", instants.iso(question.start), "--to", instants.iso(question.end))
    bare(es, min(DOCUMENTS, WARM))
    limit = spent(es, "-m", "tests.bench.scope", BARE)
    options = (*people, *times, "--namespace", NAMESPACE, "--out", str(folder / "report"))
    ours = spent(es, "-m", "innerwatch_cli.main", "scope", *options)
    summary = msgspec.json.decode((folder / "report" / "summary.json").read_bytes())
    assert summary["evidence"]["events"] == DOCUMENTS
    print(f"{DOCUMENTS:,} documents, {summary['customers']['count']:,} customers")
    for name, cost in (("bare scan", limit), ("scope", ours)):
        print(
            f"{name:<10} {DOCUMENTS / cost.seconds:>8,.0f} documents/s   {cost.seconds:.1f} s; processor "
            f"{cost.processor:.1f} s and Elasticsearch's {cost.server:.1f} s; {cost.memory} MB"
        )
    in_processor = (ours.processor + ours.server) / (limit.processor + limit.server)
    print(f"{'ratio':<10} {ours.seconds / limit.seconds:>8.2f} in time, {in_processor:.2f} in processor time")


BARE = "bare"

if __name__ == "__main__":
    if BARE in sys.argv:
        bare(cluster.connect(), DOCUMENTS)
    else:
        run()
