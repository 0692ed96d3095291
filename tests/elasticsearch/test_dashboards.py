"""Every panel's query, as it stands in the compiled saved objects, run over a demo company's data as Kibana runs it.

Kibana sends an ES|QL panel's query with `?_tstart` and `?_tend` as parameters, and the chosen time and the dashboard's
filters as a `filter` beside it.
https://www.elastic.co/docs/reference/query-languages/esql/esql-rest
"""

import json
import time
import uuid
from itertools import chain
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from innerwatch import instants, pipeline
from innerwatch.behaviour.measuring import measure
from innerwatch.detection.engine import detect
from innerwatch.values import SetAside
from innerwatch_cli import files, index_templates, options
from innerwatch_cli.paths import RULES
from innerwatch_cli.sigma import compile_rules
from innerwatch_cli.simulate import simulate
from tests import kibana_objects
from tests.kibana_objects import Panel

pytestmark = [
    pytest.mark.elasticsearch,
    pytest.mark.filterwarnings("ignore:No limit defined:elasticsearch.exceptions.ElasticsearchWarning"),
]

PANELS = list(kibana_objects.panels())
SOMETIMES = {"bytes"}  # columns that no document of this company fills: nobody says how much was sent
NUMBERS = {"long", "integer", "double", "unsigned_long"}


class Company:
    """The demo's documents in the node, and how Kibana would ask for them."""

    def __init__(self, es: Elasticsearch, namespace: str) -> None:
        self.es, self.namespace = es, namespace
        every = es.search(
            index=f"logs-*-{namespace}",
            size=0,
            aggs={
                "first": {"min": {"field": "@timestamp"}},
                "last": {"max": {"field": "@timestamp"}},
                "ingested": {"max": {"field": "event.ingested"}},
            },
        )["aggregations"]
        self.first = every["first"]["value_as_string"]
        self.last = instants.iso(int(max(every["last"]["value"], every["ingested"]["value"])))

    def ask(self, panel: Panel, *filters: dict[str, Any]) -> dict[str, Any]:
        query = panel.query.replace("-*", f"-{self.namespace}")
        time = {"range": {panel.time_field: {"gte": self.first, "lte": self.last}}}
        parameters = [{"_tstart": self.first}, {"_tend": self.last}] if "?_tstart" in query else None
        found: dict[str, Any] = self.es.esql.query(
            query=query, params=parameters, filter={"bool": {"filter": [time, *panel.filters, *filters]}}
        ).body
        return found


@pytest.fixture(scope="module")
def company(elasticsearch: Elasticsearch, tmp_path_factory: pytest.TempPathFactory) -> Company:
    """What `innerwatch demo` finds in a small company in which people leave, and leave alerts."""
    logs, namespace = tmp_path_factory.mktemp("company"), f"test{uuid.uuid4().hex[:12]}"
    simulate(seed=1, people=20, days=14, out=logs)
    people = options.directory((logs / "hr" / "employees.csv",))
    cases = options.cases(sorted((logs / "cases").glob("*.csv")))
    index_templates.install(elasticsearch)
    documents = chain.from_iterable(
        pipeline.enriched(pipeline.read(files.chunks(path), files.uri(path)), people, namespace, cases=cases)
        for path in files.expand((logs / "cloudtrail", logs / "app"))
    )
    aside: list[SetAside] = []
    pipeline.index(documents, elasticsearch, namespace, aside.extend, deadline=time.monotonic() + 120)
    assert not aside
    elasticsearch.indices.refresh(index=f"logs-*-{namespace}")
    detect(elasticsearch, compile_rules([RULES]), namespace=namespace)
    elasticsearch.indices.refresh(index=f"logs-*-{namespace}")
    measure(elasticsearch, people, namespace)
    elasticsearch.indices.refresh(index=f"logs-*-{namespace}")
    return Company(elasticsearch, namespace)


@pytest.mark.parametrize("panel", PANELS, ids=[f"{panel.dashboard}: {panel.title}" for panel in PANELS])
def test_panels_have_rows_with_the_columns_that_their_pictures_need(panel: Panel, company: Company) -> None:
    answer = company.ask(panel)
    rows = answer["values"]
    assert rows
    types = {column["name"]: column["type"] for column in answer["columns"]}
    for column in panel.columns:
        name, meta = column["fieldName"], column.get("meta", {}).get("type")
        assert name in types
        assert (types[name] in NUMBERS) == (meta == "number"), f"{name} is of type {types[name]}"
        assert (types[name] == "date") == (meta == "date"), f"{name} is of type {types[name]}"
        values = [row[[one["name"] for one in answer["columns"]].index(name)] for row in rows]
        if name not in SOMETIMES:
            assert any(value is not None for value in values), f"{name} is always empty"


def test_a_person_chosen_above_is_the_only_one_below(company: Company) -> None:
    """The control's filter, as Kibana makes it of the chosen HR id, narrows every panel of the Person dashboard."""
    pattern = f"FROM logs-app.access-{company.namespace},logs-innerwatch.alert-{company.namespace}"
    both = "STATS logs = COUNT_DISTINCT(data_stream.dataset) BY employee.id | WHERE logs == 2 | SORT employee.id"
    ((_, chosen), *_) = company.es.esql.query(query=f"{pattern} | {both}")["values"]
    control = {"match_phrase": {"employee.id": chosen}}
    for panel in PANELS:
        if panel.dashboard == "innerwatch-person":
            answer = company.ask(panel, control)
            assert answer["values"], panel.title
            names = [column["name"] for column in answer["columns"]]
            if "employee.id" in names:
                assert {row[names.index("employee.id")] for row in answer["values"]} == {chosen}


def test_controls_offer_choices(company: Company) -> None:
    views = {
        one["id"]: one["attributes"]["title"] for one in kibana_objects.objects() if one["type"] == "index-pattern"
    }
    for dashboard in kibana_objects.dashboards():
        for control in json.loads(dashboard["attributes"]["controlGroupInput"]["panelsJSON"]).values():
            asked = control["explicitInput"]
            found = company.es.search(
                index=views[asked["dataViewId"]].replace("-*", f"-{company.namespace}"),
                size=0,
                aggs={"choices": {"terms": {"field": asked["fieldName"]}}},
            )
            assert found["aggregations"]["choices"]["buckets"], asked["fieldName"]


def test_a_raw_records_address_is_shown_as_it_is_written(company: Company) -> None:
    """As Discover asks: by `fields`, with the runtime fields. The index alone would give it in lower case."""
    (view,) = [one for one in kibana_objects.objects() if one["id"] == "innerwatch-activity"]
    index = view["attributes"]["title"].replace("-*", f"-{company.namespace}")
    runtime = json.loads(view["attributes"]["runtimeFieldMap"])
    trail = {"term": {"data_stream.dataset": "aws.cloudtrail"}}  # whose objects lie below AWSLogs/
    asked = {"index": index, "fields": ["log.file.path"], "size": 100, "sort": ["_doc"], "query": trail}
    shown = company.es.search(**asked, runtime_mappings=runtime)["hits"]["hits"]
    assert len(shown) == 100
    for hit in shown:
        assert hit["fields"]["log.file.path"] == [hit["_source"]["log"]["file"]["path"]]
    written = shown[0]["fields"]["log.file.path"][0]
    assert company.es.search(**asked)["hits"]["hits"][0]["fields"]["log.file.path"] == [written.lower()] != [written]
    chosen = {"match_phrase": {"log.file.path": written}}  # what *Filter for value* makes of it
    found = company.es.search(**asked | {"query": chosen}, runtime_mappings=runtime)["hits"]["hits"]
    assert found
    assert {hit["_source"]["log"]["file"]["path"] for hit in found} == {written}


def test_saved_searches_find_events(company: Company) -> None:
    views = {
        one["id"]: one["attributes"]["title"] for one in kibana_objects.objects() if one["type"] == "index-pattern"
    }
    for search in kibana_objects.objects():
        if search["type"] != "search":
            continue
        (view,) = [one["id"] for one in search["references"] if one["type"] == "index-pattern"]
        kql = json.loads(search["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])["query"]["query"]
        pattern = views[view].replace("-*", f"-{company.namespace}")
        where = f"| WHERE KQL({json.dumps(kql)})" if kql else ""
        (count,) = company.es.esql.query(query=f"FROM {pattern} {where} | STATS COUNT(*)")["values"][0]
        (every,) = company.es.esql.query(query=f"FROM {pattern} | STATS COUNT(*)")["values"][0]
        assert count > 0
        assert (count < every) == bool(kql), "the query chooses among the events"
