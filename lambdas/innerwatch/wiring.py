"""What the functions that enrich have in common: how their settings become the parts of the pipeline."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from aws_lambda_powertools.utilities import parameters

from innerwatch import elastic, pipeline
from innerwatch.customers import CustomerObjects
from innerwatch.directory import Directory, DynamoStore
from innerwatch.justification import Cases, DynamoCases
from innerwatch.pseudonyms import Current, Keys
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
    directory = Directory(DynamoStore(dynamodb.Table(settings.directory_table)))
    if cases is None and settings.cases_table:
        cases = Cases(DynamoCases(dynamodb.Table(settings.cases_table)), settings.justification)
    return partial(
        pipeline.enriched,
        people=directory,
        namespace=settings.namespace,
        customers=CustomerObjects(settings.customer_objects) if settings.customer_objects else None,
        cases=cases,
        pseudonyms=pseudonyms(settings, directory),
    )


def pseudonyms(settings: Settings, directory: Directory) -> Current | None:
    """Of everybody in the directory, by the key in the settings' secret; None where no secret is set."""
    return pseudonyms_of(settings.pseudonym_secret, directory) if settings.pseudonym_secret else None


def pseudonyms_of(secret: str, directory: Directory) -> Current:
    """By the key that a secret holds, by its Secrets Manager id."""

    def keys() -> Keys:
        # Asked for again with each new feed: whom it brings has the key of then, in every function.
        return Keys.parse(str(parameters.get_secret(secret, force_fetch=True)), secret)

    return Current(directory, keys)


def mappings() -> list["Mapping"]:
    """The mapping files in the package, by name. Raises UserError for a wrong one."""
    paths = sorted(MAPPINGS.glob("*.yml"))
    if not paths:
        return []
    from innerwatch.sources.mapped import Mapping  # YAML is not loaded, at each cold start, by those who have none

    return [Mapping.load(path) for path in paths]
