"""A small company whose people leave, and leave alerts: its logs through the real chain, as if they lay in S3."""

import time
from itertools import chain
from pathlib import Path

from elasticsearch import Elasticsearch

from innerwatch import pipeline
from innerwatch.customers import CustomerObjects
from innerwatch.pseudonyms import Keys
from innerwatch.values import SetAside
from innerwatch_cli import files, index_templates, options
from innerwatch_cli.commands import demo
from innerwatch_cli.simulate import simulate
from innerwatch_cli.simulate.customers import OBJECTS

PEOPLE, DAYS = 20, 14


def load(es: Elasticsearch, namespace: str, folder: Path, *, seed: int = 1, keys: Keys | None = None) -> None:
    """Logs, alerts and behaviour of a company that `folder` then holds as `innerwatch simulate` writes it.

    With `keys`, its people stand under pseudonyms.
    """
    if not folder.exists():
        simulate(seed=seed, people=PEOPLE, days=DAYS, out=folder)
    people = options.directory((folder / "hr" / "employees.csv", folder / "hr" / "owners.csv"))
    pseudonyms = options.pseudonyms(keys, people)
    cases = options.cases(sorted((folder / "cases").glob("*.csv")))
    customers = CustomerObjects([OBJECTS])
    index_templates.install(es)
    documents = chain.from_iterable(
        pipeline.enriched(
            pipeline.read(files.chunks(path), f"s3://example-logs/{path.relative_to(folder)}?versionId=v1"),
            people,
            namespace,
            customers,
            cases,
            pseudonyms,
        )
        for path in files.expand((folder / "cloudtrail", folder / "app"))
    )
    aside: list[SetAside] = []
    pipeline.index(documents, es, namespace, aside.extend, deadline=time.monotonic() + 120)
    assert not aside
    demo.find(es, namespace, options.people_in_documents(people, pseudonyms))
