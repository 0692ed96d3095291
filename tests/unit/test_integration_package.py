"""The package holds to package-spec (3.4) as far as its rules can be written down here.

The official validator is a Go module of Elastic's; these are its rules for an integration package as its
specification and its semantic checks state them, each test naming what it stands for.
https://github.com/elastic/package-spec/tree/main/spec/integration
"""

import json
import re
import tomllib
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from innerwatch.fields import DATASETS
from innerwatch_cli.index_templates import properties
from innerwatch_cli.kibana import package as building
from innerwatch_cli.kibana.dashboards import ROOT, SAVED_OBJECTS

VERSION = r"([0-9]+)\.([0-9]+)\.([0-9]+)(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z-]+)?"
# Each path of a package, as the specification's folders allow them.
PATHS = (
    r"manifest\.yml|changelog\.yml|LICENSE\.txt|NOTICE\.txt",
    r"docs/[^/]+\.md",
    r"img/[^/]+\.(svg|png)",
    r"data_stream/([a-z0-9]{2}|[a-z0-9][a-z0-9_]+[a-z0-9])/(manifest\.yml|fields/[a-z0-9][a-z0-9_-]+[a-z0-9]\.yml)",
    r"kibana/(dashboard|search|tag)/innerwatch-(?!.*-(ecs|ECS)\.json).+\.json",
    r"kibana/(index_pattern|security_rule)/[^/]+\.json",
)
FIELD = r"[\-*_\/@A-Za-z0-9]+(\.[\-*_\/@A-Za-z0-9]+)*"
FIELD_KEYS = {"name", "type", "description", "fields", "index", "doc_values", "ignore_above", "normalizer"}
FIELD_TYPES = {
    *("keyword", "constant_keyword", "long", "double", "date", "boolean", "ip", "flattened", "group"),
}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return building.build(tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="module")
def files(archive: Path) -> dict[str, bytes]:
    """Path in the package → content."""
    with zipfile.ZipFile(archive) as opened:
        top = f"{archive.stem}/"
        assert all(name.startswith(top) for name in opened.namelist())
        return {name.removeprefix(top): opened.read(name) for name in opened.namelist()}


@pytest.fixture(scope="module")
def manifest(files: dict[str, bytes]) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(files["manifest.yml"])
    return found


@pytest.fixture(scope="module")
def objects(files: dict[str, bytes]) -> dict[str, dict[str, Any]]:
    return {path: json.loads(content) for path, content in files.items() if path.startswith("kibana/")}


def leaves(definitions: list[dict[str, Any]], above: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for one in definitions:
        name = f"{above}{one['name']}"
        yield name, one
        yield from leaves(one.get("fields", []), f"{name}.")


def streams(files: dict[str, bytes]) -> dict[str, tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Dataset → its manifest and field definitions."""
    found = {}
    for path in files:
        if re.fullmatch(r"data_stream/[^/]+/manifest\.yml", path):
            stream = yaml.safe_load(files[path])
            fields = yaml.safe_load(files[path.replace("manifest.yml", "fields/fields.yml")])
            found[stream["dataset"]] = (stream, fields)
    return found


def test_the_same_sources_give_the_same_bytes(archive: Path, tmp_path: Path) -> None:
    assert building.build(tmp_path).read_bytes() == archive.read_bytes()


def test_every_file_has_a_place_in_the_specification(files: dict[str, bytes]) -> None:
    assert [path for path in files if not any(re.fullmatch(pattern, path) for pattern in PATHS)] == []
    assert {"manifest.yml", "changelog.yml", "docs/README.md"} <= set(files)
    assert all(len(content) < 3 * 2**20 for content in files.values())


def test_manifest(manifest: dict[str, Any], archive: Path) -> None:
    assert {"format_version", "name", "title", "description", "version", "type", "owner"} <= set(manifest)
    assert set(manifest) <= {
        *("format_version", "name", "title", "description", "version", "type", "owner"),
        *("source", "categories", "conditions", "icons", "screenshots", "policy_templates", "elasticsearch", "agent"),
    }
    assert manifest["type"] == "integration"
    assert re.fullmatch(r"[a-z0-9_]+", manifest["name"])
    assert re.fullmatch(VERSION, manifest["version"])
    assert manifest["version"] == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert archive.name == f"{manifest['name']}-{manifest['version']}.zip"
    assert re.fullmatch(r"3\.\d+\.\d+", manifest["format_version"])
    assert manifest["owner"] == {"github": "innerwatch", "type": "community"}
    assert manifest["source"]["license"] in ("Apache-2.0", "Elastic-2.0")
    assert set(manifest["categories"]) <= {"security", "aws", "advanced_analytics_ueba"}


def test_a_version_below_1_has_no_prerelease_tag(manifest: dict[str, Any]) -> None:
    """ValidatePrerelease."""
    assert not (manifest["version"].startswith("0.") and "-" in manifest["version"])


def test_it_installs_on_the_kibanas_that_we_write_for(manifest: dict[str, Any]) -> None:
    """ValidateMinimumKibanaVersion: no version in it may be below what its assets need."""
    versions = manifest["conditions"]["kibana"]["version"].split(" || ")
    assert versions == ["^8.19.0", "^9.0.0"]


def test_rules_ask_for_the_security_solution(manifest: dict[str, Any], objects: dict[str, dict[str, Any]]) -> None:
    """ValidateCapabilitiesRequired."""
    assert any(path.startswith("kibana/security_rule/") for path in objects)
    assert "security" in manifest["conditions"]["elastic"]["capabilities"]


def test_changelog(files: dict[str, bytes], manifest: dict[str, Any]) -> None:
    """ValidateVersionIntegrity, ValidateChangelogLinks."""
    entries = yaml.safe_load(files["changelog.yml"])
    assert entries[0]["version"] == manifest["version"]
    for entry in entries:
        assert set(entry) == {"version", "changes"}
        for change in entry["changes"]:
            assert set(change) == {"description", "type", "link"}
            assert change["type"] in ("breaking-change", "bugfix", "enhancement", "deprecation")
            assert change["link"].startswith("https://")


def test_images_are_there_and_are_images(files: dict[str, bytes], manifest: dict[str, Any]) -> None:
    named = {icon["src"].removeprefix("/") for icon in manifest["icons"]}
    assert named == {path for path in files if path.startswith("img/")}
    for path in named:
        assert ET.fromstring(files[path]).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 our own file


def test_data_streams_are_those_of_the_field_table(files: dict[str, bytes]) -> None:
    found = streams(files)
    assert set(found) == set(DATASETS)
    for dataset, (stream, _) in found.items():
        assert set(stream) == {"title", "type", "dataset", "elasticsearch"}
        assert stream["type"] == "logs"
        assert stream["title"]
        (template,) = stream["elasticsearch"].values()
        assert set(template) == {"mappings"}
        assert set(template["mappings"]) <= {"date_detection", "dynamic", "dynamic_templates", "subobjects"}, dataset
        for dynamic in template["mappings"]["dynamic_templates"]:
            assert len(dynamic) == 1
            for one in dynamic.values():
                assert set(one) == {"match_mapping_type", "mapping"}
                assert set(one["mapping"]) <= {"type", "scaling_factor", "ignore_above", "index"}


@pytest.mark.parametrize("dataset", DATASETS)
def test_fields(dataset: str, files: dict[str, bytes]) -> None:
    """The schema of a fields file; ValidateUniqueFields, ValidateFieldsLimits, ValidateRequiredFields."""
    found = list(leaves(streams(files)[dataset][1]))
    names = [name for name, _ in found]
    assert len(names) == len(set(names)) <= building.MOST_FIELDS
    for name, one in found:
        assert re.fullmatch(FIELD, one["name"]), name
        assert set(one) <= FIELD_KEYS, name
        assert one["type"] in FIELD_TYPES, name
        assert ("fields" in one) == (one["type"] == "group"), name
        assert ("description" in one) == (one["type"] != "group"), name
    by_name = dict(found)
    assert by_name["@timestamp"]["type"] == "date"
    for constant in ("data_stream.type", "data_stream.dataset", "data_stream.namespace"):
        assert by_name[constant]["type"] == "constant_keyword"
    assert not any("external" in one for _, one in found), "a built package has whole definitions"


@pytest.mark.parametrize("dataset", DATASETS)
def test_fields_are_mapped_as_our_own_index_template_maps_them(dataset: str, files: dict[str, bytes]) -> None:
    def mapped(tree: dict[str, Any], above: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
        for name, one in tree.items():
            if "properties" in one:
                yield from mapped(one["properties"], f"{above}{name}.")
            else:
                yield f"{above}{name}", one

    ours = dict(mapped(properties(DATASETS[dataset])))
    theirs = {name: one for name, one in leaves(streams(files)[dataset][1]) if one["type"] != "group"}
    assert set(theirs) == set(ours)
    for name, one in ours.items():
        if name.startswith("data_stream."):
            continue
        for key in ("type", "normalizer", "index", "doc_values"):
            assert theirs[name].get(key) == one.get(key), f"{key} of {name}"


def test_objects_are_named_as_their_files(objects: dict[str, dict[str, Any]]) -> None:
    """ValidateKibanaObjectIDs."""
    for path, one in objects.items():
        assert one["id"] == Path(path).stem
        if one["type"] == "security-rule":
            assert one["id"] == f"{one['attributes']['rule_id']}_{one['attributes']['version']}"
        else:
            assert one["id"].startswith("innerwatch-")


def test_every_saved_object_is_in_its_folder(objects: dict[str, dict[str, Any]]) -> None:
    wanted = [json.loads(line) for line in SAVED_OBJECTS.read_text().splitlines()]
    assert [one for path, one in objects.items() if "/security_rule/" not in path] == sorted(
        wanted, key=lambda one: (one["type"].replace("-", "_"), one["id"])
    )


def test_references_resolve(objects: dict[str, dict[str, Any]]) -> None:
    """ValidateKibanaNoDanglingObjectIDs, and data views too."""
    there = {(one["type"], one["id"]) for one in objects.values()}
    referred = {
        (reference["type"], reference["id"]) for one in objects.values() for reference in one.get("references", [])
    }
    assert referred <= there
    assert {kind for kind, _ in referred} == {"index-pattern", "tag"}


def test_dashboards_hold_their_panels_by_value_and_none_is_legacy(objects: dict[str, dict[str, Any]]) -> None:
    """ValidateVisualizationsUsedByValue, ValidateKibanaNoLegacyVisualizations, ValidateKibanaFilterPresent."""
    dashboards = [one for path, one in objects.items() if path.startswith("kibana/dashboard/")]
    assert len(dashboards) == 4
    for one in dashboards:
        assert not {reference["type"] for reference in one["references"]} & {"visualization", "lens", "map", "search"}
        for panel in json.loads(one["attributes"]["panelsJSON"]):
            assert panel["type"] in ("lens", "visualization")
            if panel["type"] == "visualization":
                assert panel["embeddableConfig"]["savedVis"]["type"] in ("markdown", "vega", "input_control_vis")
        source = json.loads(one["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
        assert source["filter"]


def test_tags_have_names_of_their_own(objects: dict[str, dict[str, Any]]) -> None:
    """ValidateKibanaTagDuplicates."""
    names = [one["attributes"]["name"] for path, one in objects.items() if path.startswith("kibana/tag/")]
    assert len(names) == len(set(names)) == 1


def test_rules_are_off_until_somebody_installs_them(objects: dict[str, dict[str, Any]]) -> None:
    rules = [one["attributes"] for path, one in objects.items() if path.startswith("kibana/security_rule/")]
    assert len(rules) > 20
    for rule in rules:
        assert "enabled" not in rule
        assert {"rule_id", "version", "name", "description", "severity", "risk_score", "type", "query"} <= set(rule)
    assert len({rule["name"] for rule in rules}) == len(rules)
