"""Which fields a Sigma rule may name, what they are called in our documents, and how those are indexed.

Everything comes from the field table (`innerwatch.fields`): for each dataset a rule may use the log's own names
(`raw`) or the document's (ECS and ours). A field that the table lacks is refused by name, since Elasticsearch would
take it without a word and never match.
"""

import difflib
from collections.abc import Mapping
from typing import NamedTuple

from sigma.processing.conditions import LogsourceCondition
from sigma.processing.pipeline import ProcessingItem, ProcessingPipeline
from sigma.processing.transformations import FieldFunctionTransformation

from innerwatch.fields import DATASETS, Field

# (product, service) of Sigma's logsource → dataset
LOGSOURCES: dict[tuple[str, str], str] = {
    ("aws", "cloudtrail"): "aws.cloudtrail",
    ("app", "access"): "app.access",
    ("innerwatch", "behaviour"): "innerwatch.behaviour",
    ("innerwatch", "directory"): "innerwatch.directory",
}


UNINDEXED = "event.original"  # kept in the source alone: see innerwatch_cli/index_templates.py


class UnknownFieldError(ValueError):
    """A rule names a field that its log source does not have."""

    def __init__(self, field: str, dataset: str, alike: list[str]) -> None:
        self.field = field
        self.remedy = f"did you mean {' or '.join(alike)}?" if alike else f"see docs/fields.md for those of {dataset}"
        super().__init__(f"{dataset} has no field {field!r}")


class Kind(NamedTuple):
    """How a field is indexed: what a query may ask of it."""

    type: str  # Elasticsearch's; `flattened` also for everything below a flattened field; `unindexed`: in no index
    query: str  # the path that queries ask: the lower-cased twin of a flattened field, else the field itself
    root: str = ""  # below a flattened field: the path of that field's twin
    listed: str = ""  # the name under which `innerwatch.oversized` lists it


class Taxonomy:
    """The fields of one dataset. Without rows: a log source that we do not have, whose fields are taken as they are."""

    def __init__(self, dataset: str, rows: tuple[Field, ...]) -> None:
        self.dataset = dataset
        self._rows = {row.name: row for row in rows}
        self._raw = {row.raw: row.name for row in reversed(rows) if row.raw}  # the first row of a raw name counts
        self._flattened = [row for row in rows if row.type == "flattened"]

    def path(self, name: str) -> str:
        """The document's path for a name that a rule uses. Raises UnknownFieldError."""
        if not self._rows:
            return name
        if name in self._raw:
            return self._raw[name]
        if name in self._rows:
            return name
        for row in self._flattened:
            for prefix in (row.raw, row.name):
                if prefix and name.startswith(f"{prefix}."):
                    return row.name + name[len(prefix) :]
        known = [*self._raw, *self._rows]
        by_lower = {other.lower(): other for other in known}
        alike = difflib.get_close_matches(name.lower(), by_lower, n=2, cutoff=0.7)
        raise UnknownFieldError(name, self.dataset, [by_lower[other] for other in alike])

    def kind(self, path: str) -> Kind:
        row = self._rows.get(path)
        if path == UNINDEXED:
            return Kind("unindexed", path)
        if row is not None:
            return Kind(row.type, row.match or row.name, listed=row.match or row.name)
        for row in self._flattened:
            if path.startswith(f"{row.name}."):
                twin = row.match or row.name
                return Kind("flattened", twin + path[len(row.name) :], root=twin, listed=twin)
        return Kind("keyword", path, listed=path)


TAXONOMIES: Mapping[str, Taxonomy] = {dataset: Taxonomy(dataset, rows) for dataset, rows in DATASETS.items()}
FOREIGN = Taxonomy("", ())


def pipeline(dataset: str, taxonomies: Mapping[str, Taxonomy] = TAXONOMIES) -> ProcessingPipeline:
    """The pySigma pipeline from a log source's own field names to our documents, made from the field table."""
    taxonomy = taxonomies[dataset]
    return ProcessingPipeline(
        name=f"Innerwatch {dataset}",
        priority=20,  # after pipelines that expand placeholders
        items=[
            ProcessingItem(
                # A function over every name, not a mapping: what lies below a flattened field cannot be listed.
                FieldFunctionTransformation({}, lambda field: taxonomy.path(field) if field else ""),
                rule_conditions=[
                    LogsourceCondition(product=product, service=service)
                    for (product, service), name in LOGSOURCES.items()
                    if name == dataset
                ],
                identifier=f"innerwatch_{dataset.replace('.', '_')}",
            )
        ],
    )
