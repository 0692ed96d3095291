"""What Kibana's import takes, read back: objects, the queries of their panels, the fields that these name."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from innerwatch.fields import DATASETS
from innerwatch_cli.kibana.dashboards import SAVED_OBJECTS

Object = dict[str, Any]
STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"')
PATHS = re.compile(r"@timestamp|(?<![\w.?@])[a-z_]+(?:\.[a-z_]+)+(?![\w(])")


class Panel(NamedTuple):
    """A panel's query as Kibana sends it, and what its picture needs of the answer."""

    dashboard: str
    title: str
    query: str
    time_field: str
    columns: list[Object]
    filters: list[Object]  # queries of the dashboard's filters


def objects() -> list[Object]:
    return [json.loads(line) for line in SAVED_OBJECTS.read_text().splitlines()]


def dashboards() -> list[Object]:
    return [one for one in objects() if one["type"] == "dashboard"]


def panels() -> Iterator[Panel]:
    """Every panel that has a query. A Lens panel of another kind than ES|QL is an error: nothing would run it here."""
    for dashboard in dashboards():
        source = json.loads(dashboard["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
        for panel in json.loads(dashboard["attributes"]["panelsJSON"]):
            if panel["type"] == "visualization":
                assert panel["embeddableConfig"]["savedVis"]["type"] == "markdown"
                continue
            assert panel["type"] == "lens", panel["type"]
            attributes = panel["embeddableConfig"]["attributes"]
            states = attributes["state"]["datasourceStates"]
            (kind,) = states
            assert kind == "textBased", attributes["title"]
            (layer,) = states[kind]["layers"].values()
            assert layer["query"] == attributes["state"]["query"]
            yield Panel(
                dashboard["id"],
                attributes["title"],
                layer["query"]["esql"],
                layer["timeField"],
                layer["columns"],
                [one["query"] for one in source["filter"]],
            )


def fields(query: str) -> set[str]:
    """The fields that an ES|QL query names: whatever has a dot and is neither a data stream nor text."""
    head, _, rest = query.partition("\n")
    assert head.startswith("FROM logs-"), head
    return set(PATHS.findall(STRINGS.sub('""', rest).replace("`", "")))


def datasets(pattern: str) -> list[str]:
    """Datasets of a list of patterns such as `logs-app.access-*,logs-aws.cloudtrail-*`."""
    found = [re.fullmatch(r"logs-([a-z.]+)-\*", one) for one in pattern.removeprefix("FROM ").split(",")]
    assert all(found), pattern
    return [one[1] for one in found if one]


def known(pattern: str) -> set[str]:
    """Fields of the table that a pattern's data streams have between them."""
    return {row.name for dataset in datasets(pattern) for row in DATASETS[dataset]}
