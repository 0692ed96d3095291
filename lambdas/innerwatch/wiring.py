"""What the functions that enrich have in common: how their settings become the parts of the pipeline."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import boto3

from innerwatch import elastic, pipeline
from innerwatch.customers import CustomerObjects
from innerwatch.directory import Directory, DynamoStore
from innerwatch.justification import Cases, DynamoCases
from innerwatch.settings import Settings
from innerwatch.values import Event, SetAside

if TYPE_CHECKING:
    from innerwatch.sources.mapped import Mapping

MAPPINGS = Path(__file__).parents[1] / "mappings"  # where `make package` puts mapping files, beside the handlers

Enriched = Callable[[Iterable[Event | SetAside]], Iterator[elastic.Item | SetAside]]


def enriched(settings: Settings, cases: Cases | None = None) -> Enriched:
    """Completes events, asking the directory and, where they are set, the cases and the customers' objects.

    `cases` take the place of those in the settings' table.
    """
    dynamodb = boto3.resource("dynamodb")
    if cases is None and settings.cases_table:
        cases = Cases(DynamoCases(dynamodb.Table(settings.cases_table)), settings.justification)
    return partial(
        pipeline.enriched,
        people=Directory(DynamoStore(dynamodb.Table(settings.directory_table))),
        namespace=settings.namespace,
        customers=CustomerObjects(settings.customer_objects) if settings.customer_objects else None,
        cases=cases,
    )


def mappings() -> list["Mapping"]:
    """The mapping files in the package, by name. Raises UserError for a wrong one."""
    paths = sorted(MAPPINGS.glob("*.yml"))
    if not paths:
        return []
    from innerwatch.sources.mapped import Mapping  # YAML is not loaded, at each cold start, by those who have none

    return [Mapping.load(path) for path in paths]
