"""`make package`: what Kibana holds of Innerwatch as an integration package, for Kibana's Integrations page.

The form is package-spec's, of a built package: whole field definitions, saved objects as Kibana exports them.
https://github.com/elastic/package-spec/tree/main/spec/integration
"""

import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click
import yaml

from innerwatch.errors import UserError
from innerwatch.fields import DATASETS, Field
from innerwatch_cli.index_templates import KEYWORD, mapping
from innerwatch_cli.kibana.dashboards import FOLDER, ROOT, SAVED_OBJECTS
from innerwatch_cli.kibana.files import compiled
from innerwatch_cli.packaging import pack
from innerwatch_cli.paths import RULES

Files = dict[str, bytes]  # path in the package → content

NAME = "innerwatch"
NAMESPACE = "innerwatch"  # of the data streams that the rules read
FORMAT = "3.4.0"  # the newest that Kibana 8.19 is told of
KIBANA = "^8.19.0 || ^9.0.0"
MOST_FIELDS = 2048  # of a data stream, says package-spec
TITLES = {
    "aws.cloudtrail": "AWS CloudTrail, with the Person Behind Each Call",
    "app.access": "Application Access",
    "innerwatch.alert": "Innerwatch Alerts",
    "innerwatch.behaviour": "Innerwatch Behaviour, a Document per Person and Day",
}
# Where Kibana's Fleet looks for saved objects of a type.
PLACES = {"dashboard": "dashboard", "search": "search", "index-pattern": "index_pattern", "tag": "tag"}
# Our own index templates have plain keywords here; package-spec wants what Fleet fills in by itself.
CONSTANT = ("data_stream.type", "data_stream.dataset", "data_stream.namespace")


def build(folder: Path) -> Path:
    """Makes `innerwatch-<version>.zip` in a folder. Raises UserError where a rule runs nowhere."""
    version = _version()
    archive = folder / f"{NAME}-{version}.zip"
    folder.mkdir(parents=True, exist_ok=True)
    pack({f"{NAME}-{version}/{path}": content for path, content in files(version).items()}, archive)
    return archive


def files(version: str) -> Files:
    found = {
        "manifest.yml": _yaml(manifest(version)),
        "changelog.yml": _yaml(changelog(version)),
        "LICENSE.txt": (ROOT / "LICENSE").read_bytes(),
        "docs/README.md": (FOLDER / "package" / "README.md").read_bytes(),
        f"img/{NAME}.svg": (FOLDER / "package" / "icon.svg").read_bytes(),
    }
    for dataset, rows in DATASETS.items():
        place = f"data_stream/{dataset.replace('.', '_')}"
        found[f"{place}/manifest.yml"] = _yaml(data_stream(dataset))
        found[f"{place}/fields/fields.yml"] = _yaml(definitions(rows))
    for line in SAVED_OBJECTS.read_text().splitlines():
        item = json.loads(line)
        found[f"kibana/{PLACES[item['type']]}/{item['id']}.json"] = _json(item)
    for rule in security_rules():
        found[f"kibana/security_rule/{rule['id']}.json"] = _json(rule)
    return found


def manifest(version: str) -> dict[str, Any]:
    return {
        "format_version": FORMAT,
        "name": NAME,
        "title": "Innerwatch",
        "version": version,
        "description": (
            "Detect insider threats in AWS CloudTrail and application access logs that Innerwatch has enriched with "
            "each person's job and employment."
        ),
        "type": "integration",
        "categories": ["security", "aws", "advanced_analytics_ueba"],
        "source": {"license": "Apache-2.0"},
        "conditions": {
            "kibana": {"version": KIBANA},
            "elastic": {"subscription": "basic", "capabilities": ["security"]},
        },
        "icons": [{"src": f"/img/{NAME}.svg", "title": "Innerwatch", "size": "32x32", "type": "image/svg+xml"}],
        "owner": {"github": NAME, "type": "community"},
    }


def changelog(version: str) -> list[dict[str, Any]]:
    change = {
        "description": "What changed is in Innerwatch's own changelog, for this version.",
        "type": "enhancement",
        "link": "https://example.com/innerwatch/CHANGELOG.md",
    }
    return [{"version": version, "changes": [change]}]


def data_stream(dataset: str) -> dict[str, Any]:
    """A data stream's manifest. It has no streams: no Elastic Agent collects anything for it."""
    strings = {"match_mapping_type": "string", "mapping": {"type": "keyword", "ignore_above": KEYWORD["ignore_above"]}}
    return {
        "title": TITLES[dataset],
        "type": "logs",
        "dataset": dataset,
        "elasticsearch": {
            "index_template": {"mappings": {"date_detection": False, "dynamic_templates": [{"strings": strings}]}}
        },
    }


def definitions(rows: Iterable[Field]) -> list[dict[str, Any]]:
    """The fields, nested in groups as package-spec has them; the twin of a flattened field is one more."""
    tree: dict[str, Any] = {}
    rows = tuple(rows)
    twins = (Field(row.match, "flattened", f"`{row.name}` in lower case, for matching") for row in rows if row.match)
    for row in (*rows, *twins):
        *parents, name = row.name.split(".")
        level = tree
        for parent in parents:
            level = level.setdefault(parent, {})
        level[name] = row
    return _groups(tree)


def _groups(tree: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"name": name, "type": "group", "fields": _groups(below)}
        if isinstance(below, dict)
        else {"name": name, **_definition(below)}
        for name, below in tree.items()
    ]


def _definition(row: Field) -> dict[str, Any]:
    if row.name in CONSTANT:
        return {"type": "constant_keyword", "description": row.note}
    made = {key: value for key, value in mapping(row).items() if key not in ("format", "depth_limit")}
    return {**made, "description": row.note}


def security_rules() -> list[dict[str, Any]]:
    """Our Kibana rules as Kibana keeps rules to choose from: one object a version, enabled by who installs it."""
    found = compiled([RULES], None, NAMESPACE)
    if found.refused:
        raise found.refused[0]
    return [
        {
            "id": f"{rule['rule_id']}_{rule['version']}",
            "type": "security-rule",
            "attributes": {key: value for key, value in rule.items() if key != "enabled"},
        }
        for rule in found.rules
    ]


def _version() -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return str(project["version"])


def _yaml(value: Any) -> bytes:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120).encode()


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


@click.command()
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("dist"))
def main(out: Path) -> None:
    """Makes the integration package for Kibana."""
    try:
        archive = build(out)
    except UserError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{archive}: {archive.stat().st_size / 2**10:.0f} KB for Kibana {KIBANA}")


if __name__ == "__main__":
    main()
