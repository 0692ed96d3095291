"""`innerwatch measure` on a store, against the bare limit: reading the same documents, page after page, for nothing.

INNERWATCH_BENCH_PEOPLE=10000 INNERWATCH_BENCH_DAYS=32 is the size of docs/behaviour.md, some five million events.
INNERWATCH_BENCH_FOLDER keeps the store, and a later run with the same folder measures what it holds.

The store holds a simulated company many times over, each time with other ids of people and customers, other teams and
networks, and without some of what each person did on each day. Of these documents only what measuring searches is
indexed, which fills the store faster and leaves reading as it is; behaviour documents are indexed as ever.
"""

import multiprocessing
import os
import re
import resource
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import msgspec
from elasticsearch import Elasticsearch

from innerwatch import elastic, instants, pipeline
from innerwatch.behaviour.measures import MEASURES
from innerwatch.behaviour.measuring import measure
from innerwatch.behaviour.store import COLLECTED, LOGS, PAGE, PERSON
from innerwatch.directory.employment import DAY
from innerwatch.values import Event
from innerwatch_cli import files, options
from innerwatch_cli.simulate import simulate
from tests.bench.tools import own_node

PEOPLE = int(os.environ.get("INNERWATCH_BENCH_PEOPLE", "100"))
DAYS = int(os.environ.get("INNERWATCH_BENCH_DAYS", "14"))
FOLDER = os.environ.get("INNERWATCH_BENCH_FOLDER", "")
SIMULATED = 100  # people
KEPT = (0.6, 1.0)  # share of a person's day that a copy has
START = instants.from_rfc3339("2026-03-02T00:00:00Z")
NAMESPACE = "bench"
STREAMS = [elastic.stream_name(name, NAMESPACE) for name in LOGS]
ALL = ",".join(STREAMS)
BULK = 2000
DATE, WORD = {"type": "date"}, {"type": "keyword", "normalizer": "lowercase"}
INDEXED = {
    "@timestamp": DATE,
    "event": {"properties": {"ingested": DATE}},
    "employee": {"properties": {"id": WORD}},
}


# --- a store full of enriched documents


class Source(NamedTuple):
    stream: str
    id: str
    whose: tuple[str, str]  # day and person
    document: bytes


def fill(es: Elasticsearch, folder: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        company = Path(name) / "company"
        simulate(seed=1, people=SIMULATED, days=DAYS, out=company)
        sources = list(enriched(company))
        header, *rows = (company / "hr" / "employees.csv").read_text("utf-8").splitlines()
    copies = range(PEOPLE // SIMULATED)
    employees = [re.sub(r"\bE1(?=\d{4}\b)", f"E{100 + copy}", row) for copy in copies for row in rows]
    (folder / "employees.csv").write_text("\n".join((header, *employees)), "utf-8")
    es.indices.put_index_template(
        name="innerwatch-bench",
        index_patterns=STREAMS,
        priority=1000,
        data_stream={},
        template={
            "settings": {
                "number_of_replicas": 0,
                "refresh_interval": -1,
                "translog.durability": "async",
                "analysis": {"normalizer": {"lowercase": {"type": "custom", "filter": ["lowercase"]}}},
            },
            "mappings": {"dynamic": False, "properties": INDEXED},
        },
    )

    def send(lines: list[bytes]) -> None:
        outcome = elastic.create(es, lines, deadline=time.monotonic() + 300)
        assert not outcome.refused, outcome.refused[0]

    with ThreadPoolExecutor(1) as sender:  # one request under way, while the next is made
        under_way = sender.submit(send, [])
        for copy in copies:
            lines = (line for pair in copied(sources, copy) for line in pair)
            while some := list(islice(lines, 2 * BULK)):
                under_way.result()
                under_way = sender.submit(send, some)
        under_way.result()
    es.indices.refresh(index=ALL)


def enriched(company: Path) -> Iterator[Source]:
    """A company's events of a person, as they are indexed."""
    people = options.directory([company / "hr" / name for name in ("employees.csv", "owners.csv")])
    cases = options.cases([company / "cases" / name for name in ("cases.csv", "assignments.csv")])
    for path in files.expand([company / "cloudtrail", company / "app"]):
        records = pipeline.read(files.chunks(path), files.uri(path))
        for item in pipeline.enriched(records, people, NAMESPACE, cases=cases):
            assert isinstance(item, Event), item
            if "id" in item.document["employee"]:
                item.document["event"]["ingested"] = instants.iso(item.time + 300_000)
                whose = item.document["@timestamp"][:10], item.document["employee"]["id"]
                stream = elastic.stream_name(item.dataset, NAMESPACE)
                yield Source(stream, item.id, whose, msgspec.json.encode(item.document))


def copied(sources: list[Source], copy: int) -> Iterator[tuple[bytes, bytes]]:
    chance, shares = Random(copy), dict[tuple[str, str], float]()
    for source in sources:
        share = shares.get(source.whose)
        if share is None:
            share = shares[source.whose] = chance.uniform(*KEPT)
        if chance.random() < share:
            yield (
                b'{"create":{"_index":"%s","_id":"%s-%d"}}' % (source.stream.encode(), source.id.encode(), copy),
                source.document.replace(b'"E1', b'"E%d' % (100 + copy))
                .replace(b'"C-', b'"C-%d-' % copy)
                .replace(b'"team":"', b'"team":"%d ' % copy)
                .replace(b'"2001:db8:', b'"2001:db8:%x:' % (copy + 1)),
            )


# --- measuring


def bare(es: Elasticsearch) -> int:
    """One page after the other of what measuring asks for, decoded and dropped."""
    pit = es.open_point_in_time(index=ALL, keep_alive="5m")["id"]
    request: dict[str, Any] = {
        "pit": {"id": pit, "keep_alive": "5m"},
        "query": {"bool": {"filter": [PERSON]}},
        "source": {"includes": list(COLLECTED)},
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


def timed(what: str, url: str, folder: Path) -> tuple[int, float, str]:
    """How many events, in how many seconds, and what to say of it."""
    es = elastic.client(url)
    began, own, node = time.perf_counter(), time.process_time(), of_node(es)
    if what == "fill":
        fill(es, folder)
        count, said = 0, ""
    elif what == "bare":
        count = bare(es)
        said = f"{count:,} documents"
    else:
        people = options.directory([folder / "employees.csv"])
        report = measure(es, people, NAMESPACE, dates=[START // DAY + DAYS - 3] if what == "again" else None)
        count, said = report.events, str(report)
    took, own, node = time.perf_counter() - began, time.process_time() - own, of_node(es) - node
    return count, took, f"{took:7.1f} s (processor {own:.1f} s, the node's {node:.1f} s), {peak():,} MB: {said}"


def peak() -> int:
    """The most memory that the process had, in MB. Linux's `ru_maxrss` is no less than that of the process's parent."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status.read_text())[0]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def of_node(es: Elasticsearch) -> float:
    """Seconds of processor time that the node has taken: together with one's own, whatever else the machine does."""
    (node,) = es.nodes.stats(metric="process")["nodes"].values()
    return float(node["process"]["cpu"]["total_in_millis"]) / 1000


def alone(what: str, url: str, folder: Path) -> tuple[int, float, str]:
    """In a process of its own, whose memory and time are then all its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(timed, what, url, folder).result()


def run() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(FOLDER or name)
        folder.mkdir(parents=True, exist_ok=True)
        with own_node(folder / "node") as es:
            url = str(es.transport.node_pool.get().base_url)
            filled = folder / f"filled-{PEOPLE}-{DAYS}"
            if not filled.exists():
                alone("fill", url, folder)
                filled.touch()
            alone("bare", url, folder)  # so that neither of the two is the first to read the files
            read, limit, said = alone("bare", url, folder)
            print(f"bare scan     {said}", flush=True)
            counted, ours, said = alone("first", url, folder)
            print(f"all days      {said}", flush=True)
            assert counted == read, (counted, read)
            _, _, said = alone("again", url, folder)
            print(f"one day again {said}")
            print(f"ratio         {ours / limit:.2f} of all days to the bare scan; {len(MEASURES)} measures")


if __name__ == "__main__":
    run()
