"""`detect` with a hundred rules on a small store and on one thirty times as large, with the same new events.

The stores hold a simulated company's documents: the large one the same company for longer. Both on one node of the
bench's own, in turn. DETECTION_STORES=100000,3000000 DETECTION_NEW=10000 are the sizes of docs/detection.md; indexing
them takes half an hour.
"""

import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
from elasticsearch import Elasticsearch

from innerwatch import elastic, instants, pipeline
from innerwatch.detection.engine import OVERLAP, detect
from innerwatch.detection.rules import CompiledRule
from innerwatch.values import SetAside
from innerwatch_cli import files, options
from innerwatch_cli.paths import RULES
from innerwatch_cli.sigma import compile_rules
from innerwatch_cli.simulate import simulate
from tests.bench.tools import own_node

STORES = [int(size) for size in os.environ.get("DETECTION_STORES", "5000,150000").split(",")]
NEW = int(os.environ.get("DETECTION_NEW", "1000"))
ROUNDS = 5
RULE_COUNT = 100
PEOPLE, DAYS = 60, 28
PERIOD = DAYS * 24 * 60 * 60_000
HOUR = 60 * 60_000
NOW = 1_900_000_000_000
BULK = 2000

Source = tuple[str, str, int, bytes]  # dataset, id, time, document


def company(folder: Path) -> list[Source]:
    """A company's documents, in order of time."""
    simulate(seed=7, people=PEOPLE, days=DAYS, out=folder)
    people = options.directory([folder / "hr" / "employees.csv", folder / "hr" / "owners.csv"])
    cases = options.cases([folder / "cases" / "cases.csv", folder / "cases" / "assignments.csv"])
    found = []
    for path in files.expand([folder / "cloudtrail", folder / "app"]):
        events = pipeline.read(files.chunks(path), files.uri(path))
        for item in pipeline.enriched(events, people, "bench", cases=cases):
            assert not isinstance(item, SetAside), item.reason
            moment = instants.from_rfc3339(item.document["@timestamp"])
            found.append((item.dataset, item.id, moment, msgspec.json.encode(item.document)))
    return sorted(found, key=lambda source: source[2])


def before(sources: Sequence[Source]) -> Iterator[tuple[Source, int]]:
    """The company's past without an end, the latest first: a document, and how many periods ago."""
    return ((source, -period) for period in itertools.count() for source in reversed(sources))


def after(sources: Sequence[Source]) -> Iterator[tuple[Source, int]]:
    return ((source, period) for period in itertools.count(2) for source in sources)


def bulk_lines(
    sources: Iterable[tuple[Source, int]], namespace: str, ingested: int | None = None
) -> Iterator[tuple[bytes, bytes]]:
    for (dataset, identity, moment, encoded), periods in sources:
        document = msgspec.json.decode(encoded)
        document["@timestamp"] = instants.iso(moment + periods * PERIOD)
        document["event"]["ingested"] = instants.iso(ingested or moment + periods * PERIOD)
        document["event"]["id"] = f"{identity}{periods:+d}"
        document["data_stream"]["namespace"] = namespace
        action = {"create": {"_index": elastic.stream_name(dataset, namespace), "_id": document["event"]["id"]}}
        yield msgspec.json.encode(action), msgspec.json.encode(document)


def index(es: Elasticsearch, lines: Iterator[tuple[bytes, bytes]], namespace: str) -> None:
    def send(some: list[tuple[bytes, bytes]]) -> None:
        outcome = elastic.create(es, [line for pair in some for line in pair], deadline=time.monotonic() + 300)
        assert outcome.indexed == len(some), outcome.refused[:1]

    with ThreadPoolExecutor(2) as pool:
        while some := [part for _ in range(4) if (part := list(itertools.islice(lines, BULK)))]:
            list(pool.map(send, some))
    es.indices.refresh(index=f"logs-*-{namespace}")


def hundred() -> list[CompiledRule]:
    """Our rules, some of them twice."""
    rules = compile_rules([RULES])
    raising = [rule for rule in rules if rule.alerts]
    more = [
        msgspec.structs.replace(rule, id=f"{rule.id[:-4]}ffff", title=f"{rule.title} (again)")
        for rule in raising[: RULE_COUNT - len(raising)]
    ]
    return [*rules, *more]


def run() -> None:
    with tempfile.TemporaryDirectory() as name, own_node(Path(name) / "node") as es:
        sources = company(Path(name) / "company")
        rules = hundred()
        stores = {size: f"bench{size}" for size in STORES}
        for size, namespace in stores.items():
            index(es, bulk_lines(((source, 1) for source in _one_of_each(sources)), namespace, NOW), namespace)
            detect(es, rules, namespace=namespace, now=NOW)  # so that the rules have checkpoints
            index(es, bulk_lines(itertools.islice(before(sources), size), namespace), namespace)
        took: dict[int, list[float]] = {size: [] for size in stores}
        matched = 0
        for turn in range(ROUNDS):
            new = list(itertools.islice(after(sources), turn * NEW, (turn + 1) * NEW))
            now = NOW + (turn + 1) * HOUR + OVERLAP
            for namespace in stores.values():
                index(es, bulk_lines(new, namespace, now), namespace)
            for size in sorted(stores, reverse=bool(turn % 2)):
                began = time.perf_counter()
                report = detect(es, rules, namespace=stores[size], now=now)
                took[size].append(time.perf_counter() - began)
                assert report.rules >= RULE_COUNT
            matched += report.matched
        print(
            f"{RULE_COUNT} rules, {NEW:,} new events a run, {matched / ROUNDS:,.0f} matches a run; median of {ROUNDS}"
        )
        medians = {size: statistics.median(times) for size, times in took.items()}
        for size, median in medians.items():
            print(f"on {size:>9,} documents {median:>7.2f} s")
        print(f"ratio {medians[max(stores)] / medians[min(stores)]:.2f} (limit 1.3)")


def _one_of_each(sources: Sequence[Source]) -> list[Source]:
    return list({source[0]: source for source in sources}.values())


if __name__ == "__main__":
    run()
