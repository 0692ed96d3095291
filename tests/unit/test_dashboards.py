"""The saved objects in infra/kibana: made from their sources, whole, and of fields that Innerwatch writes."""

import json
import re
from pathlib import Path

import pytest

from innerwatch.errors import UserError
from innerwatch_cli.kibana import dashboards as building
from tests import kibana_objects
from tests.kibana_objects import Panel

PANELS = list(kibana_objects.panels())
OBJECTS = {(one["type"], one["id"]): one for one in kibana_objects.objects()}


@pytest.fixture(scope="module")
def compiler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Needs a Python of 3.12 or newer, as `make dashboards` does: without one this fails, and says so."""
    return building.environment(tmp_path_factory.mktemp("kb-dashboard"))


def test_the_files_are_what_their_sources_make(compiler: Path) -> None:
    stale = [path.name for path, made in building.files(compiler).items() if path.read_text() != made]
    assert not stale, "run `make dashboards`"


def test_a_wrong_dashboard_is_one_clear_error(compiler: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dashboards").mkdir()
    (tmp_path / "dashboards" / "wrong.yml").write_text("dashboards: [{name: x, panels: [{title: y, esql: {type: z}}]}]")
    (tmp_path / "compile.py").write_text((building.FOLDER / "compile.py").read_text())
    monkeypatch.setattr(building, "FOLDER", tmp_path)
    with pytest.raises(UserError, match="the dashboards cannot be compiled"):
        building.compile_dashboards(compiler)


def test_every_panel_of_the_sources_is_there() -> None:
    sources = "".join(path.read_text() for path in sorted((building.FOLDER / "dashboards").glob("*.yml")))
    assert len(PANELS) == sources.count("esql:") > 40
    assert {panel.dashboard for panel in PANELS} == set(re.findall(r"- id: (\S+)", sources))


@pytest.mark.parametrize("panel", PANELS, ids=[f"{panel.dashboard}: {panel.title}" for panel in PANELS])
def test_panels_name_only_fields_of_the_table(panel: Panel) -> None:
    pattern = panel.query.partition("\n")[0]
    assert kibana_objects.fields(panel.query) <= kibana_objects.known(pattern)
    assert panel.time_field in kibana_objects.known(pattern)


def test_what_names_no_field_is_told_from_what_does() -> None:
    query = 'FROM logs-app.access-*\n| WHERE a.b == "c.d" | EVAL x = 100.0 * e.`first` | STATS MAX(@timestamp) BY ?_t'
    assert kibana_objects.fields(query) == {"a.b", "e.first", "@timestamp"}


def test_controls_searches_and_filters_name_only_fields_of_the_table() -> None:
    views = {name: one["attributes"]["title"] for (kind, name), one in OBJECTS.items() if kind == "index-pattern"}
    for (kind, _), one in OBJECTS.items():
        if kind == "dashboard":
            group = one["attributes"]["controlGroupInput"]
            controls = json.loads(group["panelsJSON"]).values()
            assert controls
            for control in controls:
                asked = control["explicitInput"]
                assert asked["fieldName"] in kibana_objects.known(views[asked["dataViewId"]])
        if kind == "search":
            (view,) = [reference["id"] for reference in one["references"] if reference["type"] == "index-pattern"]
            source = json.loads(one["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
            asked = {*one["attributes"]["columns"], *re.findall(r"[\w.]+(?=:)", source["query"]["query"])}
            assert asked <= kibana_objects.known(views[view])


def test_every_dashboard_is_filtered_to_our_datasets() -> None:
    """So says package-spec; and each panel's data streams pass the filter, or it would be empty."""
    for panel in PANELS:
        (query,) = panel.filters
        passed = {one["match_phrase"]["data_stream.dataset"] for one in query["bool"]["should"]}
        assert set(kibana_objects.datasets(panel.query.partition("\n")[0])) <= passed


def test_references_resolve_and_come_after_what_they_name() -> None:
    seen = set()
    for name, one in OBJECTS.items():
        for reference in one["references"]:
            assert (reference["type"], reference["id"]) in seen, f"{name} refers to {reference}"
        seen.add(name)
    controls = sum(
        len(json.loads(one["attributes"]["controlGroupInput"]["panelsJSON"]))
        for (kind, _), one in OBJECTS.items()
        if kind == "dashboard"
    )
    named = [reference for one in OBJECTS.values() for reference in one["references"]]
    assert sum(reference["name"].startswith("controlGroup_") for reference in named) == controls


def test_objects_are_ours_by_name_and_old_enough_for_both_kibanas() -> None:
    """What is newer than a Kibana is refused by it. 8.19 knows 8.8.0 for all types and 10.2.0 for dashboards."""
    newest = {"dashboard": (10, 2, 0), "search": (8, 0, 0), "index-pattern": (8, 0, 0), "tag": (8, 0, 0)}
    for (kind, name), one in OBJECTS.items():
        assert name.startswith("innerwatch-")
        assert one["coreMigrationVersion"] == "8.8.0"
        assert tuple(map(int, one["typeMigrationVersion"].split("."))) <= newest[kind]
        assert not {"created_at", "updated_at", "version", "managed"} & set(one)


def test_every_query_has_the_data_view_that_kibana_makes_of_it() -> None:
    """The id as in a dashboard that Kibana 9 exported: SHA-256 of `esql-` and the pattern."""
    alerts = "logs-innerwatch.alert-*", "3f4b509b"
    for dashboard in kibana_objects.dashboards():
        for panel in json.loads(dashboard["attributes"]["panelsJSON"]):
            if panel["type"] == "lens":
                state = panel["embeddableConfig"]["attributes"]["state"]
                (layer,) = state["datasourceStates"]["textBased"]["layers"].values()
                (view,) = state["adHocDataViews"].values()
                assert layer["index"] == view["id"]
                assert layer["query"]["esql"].startswith(f"FROM {view['title']}\n")
                assert (view["title"] == alerts[0]) == view["id"].startswith(alerts[1])


def test_no_panel_covers_another() -> None:
    for dashboard in kibana_objects.dashboards():
        taken: dict[tuple[int, int], str] = {}
        for panel in json.loads(dashboard["attributes"]["panelsJSON"]):
            grid = panel["gridData"]
            assert grid["x"] + grid["w"] <= 48
            for x in range(grid["x"], grid["x"] + grid["w"]):
                for y in range(grid["y"], grid["y"] + grid["h"]):
                    assert taken.setdefault((x, y), panel["panelIndex"]) == panel["panelIndex"]


def test_the_timeline_is_a_template_for_one_person() -> None:
    (template,) = map(json.loads, building.TIMELINE_TEMPLATE.read_text().splitlines())
    assert template["timelineType"] == "template"
    assert template["savedObjectId"] is None
    known = kibana_objects.known(",".join(template["indexNames"]))
    assert {column["id"] for column in template["columns"]} <= known
    (provider,) = template["dataProviders"]
    assert provider["type"] == "template"
    assert provider["queryMatch"]["field"] in known
    assert provider["queryMatch"]["value"] == "{employee.id}"
