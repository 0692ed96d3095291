"""SCIM 2.0 users with the enterprise extension: a list response, one resource, or one a line.

https://www.rfc-editor.org/rfc/rfc7643#section-4 (attributes), https://www.rfc-editor.org/rfc/rfc7644#section-3.4.2
"""

from collections.abc import Iterator
from typing import Any

from innerwatch.hr import entries, people
from innerwatch.hr.mapping import Mapping
from innerwatch.values import BadRow, Change

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


def recognise(content: str, mapping: Mapping) -> bool:  # noqa: ARG001 as every format
    head = content[: entries.HEAD]
    return head[:1] in ("{", "[") and '"urn:ietf:params:scim:' in head


def names_everybody(content: str, found: people.Found) -> bool:
    """Only a list response that holds all of its results, in one page."""
    return entries.total(content) == len(found)


def read(content: str, name: str, mapping: Mapping) -> Iterator[Change | BadRow]:
    """An id is the enterprise extension's employeeNumber, else the externalId, else SCIM's own; managers likewise."""
    found = entries.listed(entries.load(content, name), "Resources")
    ids = {str(entry.get("id")): _employee_id(entry) for entry in found if isinstance(entry, dict)}
    for place, entry in enumerate(found, 1):
        kind = _kind(entry)
        if kind != USER:
            yield BadRow(place, f"the resource is {kind or 'of no kind'}; expected {USER}")
        else:
            values = _values(entry, ids)
            mapped = people.picked(people.flattened(entry), mapping.columns)
            yield people.change(place, {**values, **mapped}, mapping)


def _kind(entry: Any) -> str:
    schemas = entry.get("schemas") if isinstance(entry, dict) else None
    known = [item for item in schemas if isinstance(item, str)] if isinstance(schemas, list) else []
    return USER if USER in known else next(iter(known), "")


def _values(entry: dict[str, Any], ids: dict[str, str]) -> dict[str, str]:
    """What the resource says by our names. An attribute that it lacks is not stated: a server may leave it out."""
    extension = _mapping(entry.get(ENTERPRISE))
    username = _text(entry.get("userName"))
    manager = _text(_mapping(extension.get("manager")).get("value"))
    values = {
        "employee_id": _employee_id(entry),
        "name": _name(entry),
        "email": _primary(entry.get("emails")) or (username if "@" in username else ""),
        "username": username,
        "identity_center_user_id": _text(entry.get("id")),  # where IAM Identity Center is the server, it is that id
        "role": _text(entry.get("title")),
        "department": _text(extension.get("department")),
        "team": _text(extension.get("division")),
        "location": _text(_main(entry.get("addresses")).get("locality")),
        "time_zone": _text(entry.get("timezone")),
        "manager_id": ids.get(manager, manager),
        "type": _text(entry.get("userType")),
    }
    active = entry.get("active")
    if active is not None:
        values["status"] = "active" if str(active).lower() == "true" else "terminated"
    return {name: value for name, value in values.items() if value or name == "employee_id"}


def _employee_id(entry: dict[str, Any]) -> str:
    number = _text(_mapping(entry.get(ENTERPRISE)).get("employeeNumber"))
    return number or _text(entry.get("externalId")) or _text(entry.get("id"))


def _name(entry: dict[str, Any]) -> str:
    name = _mapping(entry.get("name"))
    parts = " ".join(part for part in (_text(name.get("givenName")), _text(name.get("familyName"))) if part)
    return _text(entry.get("displayName")) or _text(name.get("formatted")) or parts


def _primary(emails: Any) -> str:
    return _text(_main(emails).get("value"))


def _main(items: Any) -> dict[str, Any]:
    """Of several e-mails or addresses the primary one, else the one for work, else the first."""
    known = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    primary = [item for item in known if item.get("primary") is True]
    return next(iter(primary + [item for item in known if item.get("type") == "work"] + known), {})


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
