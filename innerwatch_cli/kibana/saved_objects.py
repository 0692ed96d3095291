"""Dashboards, data views, searches and the Timeline template: what of ours is not, or no longer, in Kibana.

Kibana rewrites saved objects when it takes them in and at each upgrade, so that what is there cannot be compared with
what we sent. Instead each of our objects refers to our tag under a name that holds a hash of what we sent. Kibana keeps
a reference as it is until somebody saves the object in its editor; so an object whose hash is gone was edited there.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from innerwatch.errors import UserError
from innerwatch_cli.kibana import spaces
from innerwatch_cli.paths import KIBANA

Object = dict[str, Any]
Key = tuple[str, str]  # type and id

OBJECTS = KIBANA / "saved_objects.ndjson"
TIMELINES = KIBANA / "timeline_template.ndjson"
TAG = "innerwatch-tag"  # its id in our file
MARK = "innerwatch-"  # and a hash: the name of the reference to the tag


class Change(NamedTuple):
    object: Object
    why: str  # "new", "changed", "edited in Kibana"

    @property
    def title(self) -> str:
        return f"{self.object['type']} {title(self.object)!r}"


def title(item: Object) -> str:
    attributes = item["attributes"]
    return str(attributes.get("name") or attributes.get("title") or item["id"])


def key(item: Object) -> Key:
    return item["type"], item["id"]


def read(path: Path) -> list[Object]:
    """The objects of an NDJSON file; of one that is not there, none."""
    if not path.exists():
        return []
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip():
            try:
                found.append(json.loads(line))
            except ValueError:
                raise UserError("is no JSON", "expected a saved object a line", path=path, line=number) from None
    return found


def prepared(objects: Sequence[Object], space: str) -> list[Object]:
    """Our saved objects as they go to a space, each with its mark."""
    return [_marked(item, spaces.identity(TAG, space)) for item in in_space(objects, space)]


def in_space(objects: Sequence[Object], space: str) -> list[Object]:
    """The objects under the ids that they have in a space, wherever they name each other."""
    if space == spaces.DEFAULT:
        return list(objects)
    ids = sorted({item["id"] for item in objects}, key=len, reverse=True)
    whole = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, ids))})(?![\w-])")
    moved: list[Object] = json.loads(whole.sub(lambda found: spaces.identity(found[0], space), json.dumps(objects)))
    return moved


def mark(item: Object) -> str:
    """The hash in an object's reference to our tag; empty where it has none."""
    for reference in item.get("references", ()):
        if reference["type"] == "tag" and reference["name"].startswith(MARK):
            return str(reference["name"])
    return ""


def _marked(item: Object, tag: str) -> Object:
    if item["type"] == "tag":
        return item
    others = [one for one in item["references"] if (one["type"], one["id"]) != ("tag", tag)]
    content = json.dumps([item["attributes"], others], sort_keys=True).encode()
    name = MARK + hashlib.sha256(content).hexdigest()[:12]
    return {**item, "references": [*others, {"type": "tag", "id": tag, "name": name}]}


def plan(wanted: Iterable[Object], installed: Mapping[Key, Object]) -> list[Change]:
    """What is to be written, and what is not since somebody edited it; the rest is as we sent it."""
    changes = []
    for item in wanted:
        there = installed.get(key(item))
        if there is None:
            changes.append(Change(item, "new"))
        elif item["type"] == "tag" or mark(there) == mark(item):
            continue
        else:
            changes.append(Change(item, "changed" if mark(there) else "edited in Kibana"))
    return changes
