"""The index templates of our data streams, made from the field table and kept in infra/elasticsearch for reading.

Strings are keywords with a lowercase normalizer, since Sigma compares without regard to case.
https://www.elastic.co/docs/manage-data/data-store/templates
"""

from typing import Any

from elasticsearch import Elasticsearch

from innerwatch.fields import DATASETS, Field
from innerwatch.oversized import LONGEST_KEYWORD

DEEPEST_OBJECT = 100  # levels of a flattened field; Elasticsearch refuses the document beyond

ANALYSIS = {"normalizer": {"lowercase": {"type": "custom", "filter": ["lowercase"]}}}
KEYWORD = {"type": "keyword", "normalizer": "lowercase", "ignore_above": LONGEST_KEYWORD}


def mapping(field: Field) -> dict[str, Any]:
    if field.name == "event.original":
        return {"type": "keyword", "index": False, "doc_values": False}
    if field.type == "keyword":
        return KEYWORD
    if field.type == "flattened":
        return {"type": "flattened", "ignore_above": LONGEST_KEYWORD, "depth_limit": DEEPEST_OBJECT}
    if field.type == "date":
        return {"type": "date", "format": "strict_date_optional_time||epoch_millis"}
    return {"type": field.type}


def properties(rows: tuple[Field, ...]) -> dict[str, Any]:
    """The fields as nested `properties`; the twin of a flattened field is one more flattened field."""
    tree: dict[str, Any] = {}
    twins = (Field(row.match, "flattened", "") for row in rows if row.match)
    for row in (*rows, *twins):
        *parents, name = row.name.split(".")
        level = tree
        for parent in parents:
            level = level.setdefault(parent, {}).setdefault("properties", {})
        level.setdefault(name, {}).update(mapping(row))
    return tree


def lifecycle_component(dataset: str) -> str:
    """The component template that names the lifecycle policy; `innerwatch push elasticsearch` makes it."""
    return f"logs-{dataset}-lifecycle"


def template_name(dataset: str) -> str:
    """Not `logs-DATASET`: so Fleet calls those of its integrations, Elastic's own for AWS among them."""
    return f"innerwatch-logs-{dataset}"


def templates() -> dict[str, dict[str, Any]]:
    """Template name → body of `PUT _index_template/NAME`."""
    return {
        template_name(dataset): {
            "index_patterns": [f"logs-{dataset}-*"],
            "data_stream": {},
            "composed_of": [lifecycle_component(dataset)],
            # Nothing is missing without it: documents are then kept for good, as on a cluster that has no ILM.
            "ignore_missing_component_templates": [lifecycle_component(dataset)],
            "priority": 600,  # above Elastic's own `logs` template, which has 100, and integrations', which have 200
            "template": {
                "settings": {"index": {"analysis": ANALYSIS, "number_of_shards": 1}},
                "mappings": {
                    "date_detection": False,
                    "dynamic_templates": [{"strings": {"match_mapping_type": "string", "mapping": KEYWORD}}],
                    "properties": properties(rows),
                },
            },
            "_meta": {"description": f"Innerwatch {dataset}: made from the field table, see docs/fields.md"},
        }
        for dataset, rows in DATASETS.items()
    }


def put(es: Elasticsearch, name: str, body: dict[str, Any]) -> None:
    es.indices.put_index_template(name=name, **{key.lstrip("_"): value for key, value in body.items()})


def install(es: Elasticsearch) -> None:
    for name, body in templates().items():
        put(es, name, body)
