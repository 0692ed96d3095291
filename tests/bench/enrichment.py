"""Enrichment of one CloudTrail object against the bare limit: gunzip + decode + encode + gzip of the same file.

Both use the same libraries (isal, msgspec), one core, the same bytes in turn, so that a busy machine slows both.
"""

import gzip
import json
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
from isal import igzip, isal_zlib

from innerwatch import pipeline
from innerwatch.pseudonyms import Keys
from innerwatch.values import SetAside
from innerwatch_cli import options
from innerwatch_cli.simulate import simulate
from tests.bench.tools import seconds

GZIP = 31  # zlib's wbits for a gzip header
EVENTS = 10_000
ROUNDS = 9


def cloudtrail_object(company: Path) -> bytes:
    """One gzipped object with the first EVENTS events of a simulated company."""
    records: list[object] = []
    for path in sorted((company / "cloudtrail").rglob("*.json.gz")):
        records += json.loads(gzip.decompress(path.read_bytes()))["Records"]
        if len(records) >= EVENTS:
            break
    assert len(records) >= EVENTS, f"only {len(records)} events in the simulated company"
    return igzip.compress(msgspec.json.encode({"Records": records[:EVENTS]}), compresslevel=1)


def bare(data: bytes) -> int:
    records = msgspec.json.decode(isal_zlib.decompress(data, wbits=GZIP))["Records"]
    encode = msgspec.json.Encoder().encode
    return len(igzip.compress(b"\n".join([encode(record) for record in records]), compresslevel=1))


def enriched(data: bytes, feeds: list[Path], keys: Keys | None = None) -> Callable[[], int]:
    people = options.directory(feeds)
    pseudonyms = options.pseudonyms(keys, people)
    encode = msgspec.json.Encoder().encode

    def run() -> int:
        lines = []
        for item in pipeline.enriched(
            pipeline.read([data], "bench.json.gz"), people, "innerwatch", pseudonyms=pseudonyms
        ):
            assert not isinstance(item, SetAside), item.reason
            lines.append(encode(item.document))
        return len(igzip.compress(b"\n".join(lines), compresslevel=1))

    return run


def run() -> None:
    with tempfile.TemporaryDirectory() as folder:
        company = Path(folder) / "company"
        simulate(seed=1, people=60, days=30, out=company)
        data = cloudtrail_object(company)
        feeds = [company / "hr" / "employees.csv", company / "hr" / "owners.csv"]
        enrich, hide = enriched(data, feeds), enriched(data, feeds, Keys.new())
        rounds = [(seconds(lambda: bare(data)), seconds(enrich), seconds(hide)) for _ in range(ROUNDS + 1)][1:]
    limit, ours, hiding = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratio = statistics.median(a / b for a, b, _ in rounds)
    cost = statistics.median(b / c for _, b, c in rounds)
    print(f"bare limit   {EVENTS / limit:>10,.0f} events/s a core   (gunzip + decode + encode + gzip)")
    print(f"enrichment   {EVENTS / ours:>10,.0f} events/s a core   (the same, with identity and HR as of the event)")
    print(f"ratio        {ratio:>10.2f}")
    print(f"pseudonyms   {EVENTS / hiding:>10,.0f} events/s a core   (the same, with people hidden)")
    print(f"ratio        {cost:>10.2f}   (to enrichment without)")
