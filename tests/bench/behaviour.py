"""Measuring behaviour against the bare limit: decoding the same documents, as they come from Elasticsearch.

Both on one core, in turn. What Elasticsearch itself needs to hand the documents out comes on top for both: that is
`behaviour_store`.
"""

import json
import resource
import statistics
import tempfile
from pathlib import Path

from innerwatch import pipeline
from innerwatch.behaviour.collect import Collector
from innerwatch.behaviour.measures import MEASURES
from innerwatch.behaviour.score import Scorer
from innerwatch.behaviour.store import COLLECTED
from innerwatch.values import SetAside, dig
from innerwatch_cli import files, options
from innerwatch_cli.simulate import simulate
from tests.bench import behaviour_store
from tests.bench.tools import seconds

PAGE = 5000  # documents decoded at a time, as a page of a search
ROUNDS = 5


def documents(company: Path) -> list[str]:
    """Pages of a simulated company's documents, cut to what measuring asks for."""
    people = options.directory([company / "hr" / "employees.csv", company / "hr" / "owners.csv"])
    found = []
    for path in files.expand([company / "cloudtrail", company / "app"]):
        for item in pipeline.enriched(pipeline.read(files.chunks(path), files.uri(path)), people, "innerwatch"):
            assert not isinstance(item, SetAside), item.reason
            if "id" in item.document["employee"]:
                found.append(cut(item.document))
    return [json.dumps(found[start : start + PAGE]) for start in range(0, len(found), PAGE)]


def cut(document: dict[str, object]) -> dict[str, object]:
    kept: dict[str, object] = {}
    for path in COLLECTED:
        value = dig(document, path)
        if value is not None:
            *above, name = path.split(".")
            place = kept
            for part in above:
                place = place.setdefault(part, {})  # type: ignore[assignment]  # of nested dicts
            place[name] = value
    return kept


def bare(pages: list[str]) -> None:
    for page in pages:
        json.loads(page)


def measured(pages: list[str]) -> int:
    collector, scorer, count = Collector(), Scorer(), 0
    for page in pages:
        for document in json.loads(page):
            collector.add(document)
    days = collector.take()
    for date in sorted({day.day for day in days}):
        count += sum(1 for _ in scorer.judge([day for day in days if day.day == date]))
    return count


def run() -> None:
    with tempfile.TemporaryDirectory() as folder:
        company = Path(folder) / "company"
        simulate(seed=1, people=120, days=21, out=company)
        pages = documents(company)
    events, person_days = sum(len(json.loads(page)) for page in pages), measured(pages)
    pairs = [(seconds(lambda: bare(pages)), seconds(lambda: measured(pages))) for _ in range(ROUNDS)]
    limit, ours = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"bare limit   {events / limit:>10,.0f} events/s a core   (decode)")
    print(f"behaviour    {events / ours:>10,.0f} events/s a core   (decode, {len(MEASURES)} measures, baselines, risk)")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"             {events:,} events, {person_days:,} person-days, peak {memory} MB, the simulation included")
    print(f"ratio        {ours / limit:>10.2f}")
    behaviour_store.run()
