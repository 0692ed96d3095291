"""`make dashboards`: the saved objects that Kibana imports, made from infra/kibana/dashboards/*.yml and what is here.

Dashboards are compiled by kb-dashboard-core, which needs Python 3.12, in an environment of its own. Data views, saved
searches, the tag and the Timeline template are ours. The same sources give the same bytes.

Versions: an object says by which version's rules it was written, and Kibana refuses what is newer than itself and
migrates what is older. These are old enough for 8.19 and 9.x.
https://www.elastic.co/docs/api/doc/kibana/operation/operation-post-saved-objects-import
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from innerwatch.errors import UserError
from innerwatch_cli.packaging import interpreter

Object = dict[str, Any]

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "infra" / "kibana"
SAVED_OBJECTS = FOLDER / "saved_objects.ndjson"
TIMELINE_TEMPLATE = FOLDER / "timeline_template.ndjson"
LOCK = FOLDER / "kb-dashboard.lock"
PYTHONS = ("3.13", "3.12", "3.14")
CORE = "8.8.0"  # version of what all types have in common
TAG = "innerwatch-tag"
VIEWS = {  # id → name, index pattern
    "innerwatch-activity": ("Innerwatch: activity", "logs-app.access-*,logs-aws.cloudtrail-*"),
    "innerwatch-alerts": ("Innerwatch: alerts", "logs-innerwatch.alert-*"),
    "innerwatch-behaviour": ("Innerwatch: behaviour and risk", "logs-innerwatch.behaviour-*"),
}
# Fields of a data view that Kibana takes from the document as it was written, in place of the index, which has texts in
# lower case: an S3 key is another one then. A runtime field without a script does that.
# https://www.elastic.co/docs/manage-data/data-store/mapping/define-runtime-fields-in-search-request
AS_WRITTEN = {"innerwatch-activity": ("log.file.path",)}
SEARCHES = {  # id → title, what it is for, data view, query in KQL, columns
    "innerwatch-alerts": (
        "[Innerwatch] Alerts",
        "Every alert, the latest first",
        "innerwatch-alerts",
        "",
        (
            *("rule.name", "rule.category", "employee.name", "employee.department", "employee.status"),
            *("innerwatch.alert.reason", "innerwatch.alert.evidence.count", "access.customer.id", "event.id"),
        ),
    ),
    "innerwatch-access": (
        "[Innerwatch] Access by person",
        "Who did what with which customer's data, event by event",
        "innerwatch-activity",
        "data_stream.dataset: app.access",
        (
            *("employee.name", "employee.role", "service.name", "event.action", "access.customer.id"),
            *("access.fields", "access.records", "access.case.id", "access.justification", "employee.on_shift"),
            *("log.file.path", "log.offset"),
        ),
    ),
    "innerwatch-unresolved": (
        "[Innerwatch] Unresolved actors",
        "Events of accounts that resolve to nobody in the HR feed, or are no person",
        "innerwatch-activity",
        "not employee.id: *",
        (
            *("data_stream.dataset", "user.name", "user.id", "employee.resolution.method"),
            *("employee.resolution.reason", "event.action", "source.address", "log.file.path", "log.offset"),
        ),
    ),
    "innerwatch-records": (
        "[Innerwatch] Raw records",
        "Every event with its raw record: the object (bucket, key, version) and the record or line in it",
        "innerwatch-activity",
        "",
        ("data_stream.dataset", "employee.name", "event.action", "event.id", "log.file.path", "log.offset"),
    ),
}
TIMELINE = (  # columns of the Timeline
    *("@timestamp", "data_stream.dataset", "event.action", "employee.name", "employee.role", "employee.status"),
    *("access.customer.id", "access.case.id", "service.name", "event.provider", "source.ip", "rule.name"),
    *("log.file.path", "log.offset"),
)


def compile_dashboards(python: Path) -> list[Object]:
    """The dashboards as kb-dashboard-core renders them. `python`: that of the environment that holds it."""
    command = [str(python), "-I", str(FOLDER / "compile.py"), str(FOLDER / "dashboards")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 our own arguments
    if done.returncode:
        raise UserError(f"the dashboards cannot be compiled: {done.stderr.strip()[-1000:]}")
    return [_dashboard(json.loads(line)) for line in done.stdout.splitlines()]


def environment(folder: Path) -> Path:
    """Makes a virtual environment with the compiler, from the lock, and gives its Python."""
    uv = [sys.executable, "-m", "uv", "--no-config", "--quiet"]
    steps = (
        [*uv, "venv", "--python", _python(), str(folder)],
        [
            *(*uv, "pip", "install", "--python", str(folder), "--require-hashes", "--no-deps"),
            *("--only-binary", ":all:", "-r", str(LOCK)),
        ],
    )
    for command in steps:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 our own arguments
        if done.returncode:
            raise UserError(f"kb-dashboard cannot be installed: {done.stderr.strip()[-500:]}")
    return folder / "bin" / "python"


def _python() -> str:
    if sys.version_info >= (3, 12):
        return sys.executable
    for version in PYTHONS:
        try:
            return interpreter(version)
        except UserError:
            continue
    raise UserError("no Python of 3.12 or newer can be run", "expected one on the PATH, which kb-dashboard needs")


def _dashboard(rendered: Object) -> Object:
    """The dashboard with our tag, and without who made it and when, which Kibana fills in."""
    attributes = rendered["attributes"]
    panels = [_panel(panel) for panel in json.loads(attributes["panelsJSON"])]
    return _object(
        "dashboard",
        rendered["id"],
        {**attributes, "panelsJSON": _json(panels)},
        [*rendered["references"], {"type": "tag", "id": TAG, "name": f"tag-ref-{TAG}"}],
        rendered["typeMigrationVersion"],
    )


def _panel(panel: Object) -> Object:
    """The panel with the data view that Kibana makes of an ES|QL query; kb-dashboard leaves it out.

    By it Kibana knows an ES|QL layer and the fields to filter by. Kibana's id for it is a hash of the pattern:
    `getESQLAdHocDataview` in its package @kbn/esql-utils.
    """
    if panel["type"] != "lens":
        return panel
    state = panel["embeddableConfig"]["attributes"]["state"]
    source = state["datasourceStates"]["textBased"]
    for layer in source["layers"].values():
        pattern = layer["query"]["esql"].partition("\n")[0].removeprefix("FROM ")
        identity = hashlib.sha256(f"esql-{pattern}".encode()).hexdigest()
        layer["index"] = identity
        source["indexPatternRefs"] = [{"id": identity, "title": pattern, "timeField": "@timestamp"}]
        state["adHocDataViews"][identity] = {
            "id": identity,
            "title": pattern,
            "name": pattern,
            "type": "esql",
            "timeFieldName": "@timestamp",
            "sourceFilters": [],
            "fieldFormats": {},
            "runtimeFieldMap": {},
            "allowNoIndex": False,
            "allowHidden": False,
        }
    return panel


def data_views() -> Iterator[Object]:
    for name, (title, pattern) in VIEWS.items():
        # `allowNoIndex`: the view may be there before the first document is.
        attributes = {"title": pattern, "name": title, "timeFieldName": "@timestamp", "allowNoIndex": True}
        if name in AS_WRITTEN:
            attributes["runtimeFieldMap"] = _json({field: {"type": "keyword"} for field in AS_WRITTEN[name]})
        yield _object("index-pattern", name, attributes, [], "8.0.0")


def searches() -> Iterator[Object]:
    for name, (title, description, view, query, columns) in SEARCHES.items():
        reference = "kibanaSavedObjectMeta.searchSourceJSON.index"
        source = {"query": {"query": query, "language": "kuery"}, "filter": [], "indexRefName": reference}
        attributes = {
            "title": title,
            "description": description,
            "columns": list(columns),
            "sort": [["@timestamp", "desc"]],
            "grid": {},
            "hideChart": False,
            "isTextBasedQuery": False,
            "timeRestore": False,
            "kibanaSavedObjectMeta": {"searchSourceJSON": _json(source)},
        }
        references = [
            {"type": "index-pattern", "id": view, "name": reference},
            {"type": "tag", "id": TAG, "name": f"tag-ref-{TAG}"},
        ]
        yield _object("search", name, attributes, references, "8.0.0")


def tag() -> Object:
    attributes = {"name": "Innerwatch", "description": "Insider threats", "color": "#0B64DD"}
    return _object("tag", TAG, attributes, [], "8.0.0")


def timeline_template() -> Object:
    """The Timeline that an analyst starts from an alert: all that this person did.

    Kibana takes it by its Timeline import, not by that of saved objects.
    https://www.elastic.co/docs/solutions/security/investigate/timeline-templates
    """
    return {
        "savedObjectId": None,
        "version": None,
        "title": "Innerwatch: one person",
        "description": "All that the person behind an alert did, with customers and cases",
        "timelineType": "template",
        "templateTimelineId": str(uuid.uuid5(uuid.NAMESPACE_URL, "innerwatch/kibana/timeline/person")),
        "templateTimelineVersion": 2,
        "status": "active",
        "columns": [{"columnHeaderType": "not-filtered", "id": name} for name in TIMELINE],
        "dataProviders": [
            {
                "id": "innerwatch-person",
                "name": "{employee.id}",
                "type": "template",
                "enabled": True,
                "excluded": False,
                "kqlQuery": "",
                "queryMatch": {"field": "employee.id", "value": "{employee.id}", "operator": ":"},
                "and": [],
            }
        ],
        "eventType": "all",
        "filters": [],
        "kqlMode": "filter",
        "kqlQuery": {"filterQuery": {"kuery": {"kind": "kuery", "expression": ""}, "serializedQuery": ""}},
        "indexNames": ["logs-app.access-*", "logs-aws.cloudtrail-*", "logs-innerwatch.alert-*"],
        "dataViewId": None,
        "sort": [{"columnId": "@timestamp", "columnType": "date", "sortDirection": "desc"}],
        "savedQueryId": None,
        "eventNotes": [],
        "globalNotes": [],
        "pinnedEventIds": [],
    }


def saved_objects(python: Path) -> list[Object]:
    """All that Kibana's import of saved objects takes; what others refer to comes first."""
    return [tag(), *data_views(), *searches(), *compile_dashboards(python)]


def ndjson(objects: Iterable[Object]) -> str:
    return "".join(f"{_json(one)}\n" for one in objects)


def files(python: Path) -> dict[Path, str]:
    """Path → content."""
    return {SAVED_OBJECTS: ndjson(saved_objects(python)), TIMELINE_TEMPLATE: ndjson([timeline_template()])}


def _object(kind: str, name: str, attributes: Object, references: list[Object], version: str) -> Object:
    return {
        "type": kind,
        "id": name,
        "attributes": attributes,
        "references": references,
        "coreMigrationVersion": CORE,
        "typeMigrationVersion": version,
    }


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="innerwatch-dashboards-") as name:
        for path, content in files(environment(Path(name))).items():
            path.write_text(content)
            print(f"{os.path.relpath(path)}: {content.count(chr(10))} objects")


if __name__ == "__main__":
    main()
