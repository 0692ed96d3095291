"""A new rule and its first two cases: one event that must match, and one that differs in a single thing and must not.

The events are raw records of the log source, made to fit the selection; the person is an employee who fits it too.
"""

import copy
import json
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from ipaddress import ip_network
from typing import Any

import yaml

from innerwatch.errors import UserError
from innerwatch.fields import DATASETS
from innerwatch_cli.authoring.suggest import did_you_mean
from innerwatch_cli.sigma.taxonomy import LOGSOURCES, TAXONOMIES, UnknownFieldError

WORKING, NIGHT = "2026-03-10T10:15:00Z", "2026-03-10T23:40:00Z"  # a Tuesday
DAY = date(2026, 3, 10)
EMPLOYEE = {
    "employee_id": "E-1001",
    "name": "Ana Novak",
    "email": "ana.novak@example.com",
    "username": "ana.novak",
    "role": "Support Agent",
    "department": "Customer Support",
    "team": "Tier 1",
    "location": "Dublin",
    "type": "employee",
    "hired_at": "2022-05-02",
    "time_zone": "Europe/Dublin",
    "shift": "Mon-Fri 09:00-17:30",
}
ACCESS = {
    "schema": "innerwatch.access/1",
    "time": WORKING,
    "application": "support-console",
    "actor": {"id": "ana.novak", "email": "ana.novak@example.com"},
    "session": "s-1",
    "action": "view",
    "outcome": "success",
    "customers": ["C-000001"],
    "fields": ["name", "email"],
    "records": 1,
    "source": {
        "ip": "192.0.2.20",
        "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    },
}
SSO_ROLE = "AWSReservedSSO_PowerUser_1a2b3c4d5e6f7a8b"
CLOUDTRAIL = {
    "eventVersion": "1.11",
    "userIdentity": {
        "type": "AssumedRole",
        "principalId": "AROAEXAMPLESSO000001:ana.novak@example.com",
        "arn": f"arn:aws:sts::123456789012:assumed-role/{SSO_ROLE}/ana.novak@example.com",
        "accountId": "123456789012",
        "accessKeyId": "ASIAEXAMPLE000000001",
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": "AROAEXAMPLESSO000001",
                "arn": f"arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/eu-west-1/{SSO_ROLE}",
                "accountId": "123456789012",
                "userName": SSO_ROLE,
            },
            "attributes": {"creationDate": "2026-03-10T08:00:00Z", "mfaAuthenticated": "true"},
        },
    },
    "eventTime": WORKING,
    "eventSource": "s3.amazonaws.com",
    "eventName": "GetObject",
    "awsRegion": "eu-west-1",
    "sourceIPAddress": "192.0.2.20",
    "userAgent": "aws-cli/2.22.10 md/awscrt#0.23.4 ua/2.0 os/linux#6.8 md/arch#x86_64 lang/python#3.12.6",
    "requestParameters": None,
    "responseElements": None,
    "readOnly": True,
    "eventType": "AwsApiCall",
    "managementEvent": True,
    "recipientAccountId": "123456789012",
    "eventCategory": "Management",
}


@dataclass(frozen=True)
class Template:
    record: Mapping[str, Any]
    time: str  # key of the record's time
    id: str
    example: str  # a field and its value, to show
    # Fields of the document that are not what the record calls them → path in the record.
    paths: Mapping[str, str]


# Log source → what one of its records looks like.
TEMPLATES: dict[tuple[str, str], Template] = {
    ("app", "access"): Template(
        ACCESS,
        "time",
        "id",
        "event.action=export",
        {
            "event.action": "action",
            "event.outcome": "outcome",
            "source.ip": "source.ip",
            "source.address": "source.ip",
            "user_agent.original": "source.user_agent",
            "user.id": "actor.id",
            "user.name": "actor.name",
            "user.email": "actor.email",
        },
    ),
    ("aws", "cloudtrail"): Template(CLOUDTRAIL, "eventTime", "eventID", "eventName=DeleteTrail", {}),
}
# Comparison → what to add to its number for one that passes, and for one that just does not.
COMPARISONS = {"lt": (-1, 0), "lte": (0, 1), "gt": (1, 0), "gte": (0, -1)}
PLAIN = {"contains", "startswith", "endswith", "cased", "all"}


@dataclass(frozen=True)
class Match:
    """One `field|modifier=value` of the selection."""

    field: str
    modifiers: tuple[str, ...]
    values: tuple[Any, ...]

    @property
    def key(self) -> str:
        return "|".join((self.field, *self.modifiers))


@dataclass(frozen=True)
class NewRule:
    title: str
    product: str
    service: str
    matches: tuple[Match, ...]
    level: str
    tags: tuple[str, ...]
    author: str
    day: date

    @property
    def stem(self) -> str:
        return re.sub(r"[^a-z0-9]+", "_", self.title.lower()).strip("_") or "rule"


def parse_matches(texts: Sequence[str], product: str, service: str) -> tuple[Match, ...]:
    """`field|modifier=value` texts; the same field twice means any of the values. Raises UserError."""
    values: dict[str, list[Any]] = {}
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign or not key.strip():
            example = TEMPLATES[product, service].example
            raise UserError(f"{text!r} is no field and value", f"expected field=value, such as {example}")
        values.setdefault(key.strip(), []).append(value.strip())
    return tuple(_match(key, some, LOGSOURCES[product, service]) for key, some in values.items())


def _match(key: str, texts: list[str], dataset: str) -> Match:
    from sigma.modifiers import modifier_mapping

    field, *modifiers = key.split("|")
    try:
        kind = TAXONOMIES[dataset].kind(TAXONOMIES[dataset].path(field)).type
    except UnknownFieldError as error:
        raise UserError(str(error), error.remedy) from error
    for modifier in modifiers:
        if modifier not in modifier_mapping:
            remedy = did_you_mean(modifier, modifier_mapping, f"expected one of {', '.join(sorted(modifier_mapping))}")
            raise UserError(f"Sigma has no modifier {modifier!r}", remedy)
    return Match(field, tuple(modifiers), tuple(_value(text, kind, modifiers) for text in texts))


def _value(text: str, kind: str, modifiers: Sequence[str]) -> Any:
    """As YAML would hold it for the field: numbers and truth values without quotes, null for no value."""
    if text == "null":
        return None
    if "exists" in modifiers or kind == "boolean":
        if text.lower() not in ("true", "false"):
            raise UserError(f"{text!r} is no truth value", "expected true or false")
        return text.lower() == "true"
    if set(modifiers) & set(COMPARISONS) or kind == "long":
        try:
            return int(text)
        except ValueError as error:
            raise UserError(f"{text!r} is no whole number", "expected one, such as 50") from error
    return text


# --- the rule


class _Indented(yaml.SafeDumper):
    """Lists stand deeper than their key, as in the rules of SigmaHQ."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 yaml's signature
        super().increase_indent(flow, indentless=False)


def rule_text(rule: NewRule) -> str:
    content: dict[str, Any] = {
        "title": rule.title,
        "id": str(uuid.uuid4()),
        "status": "experimental",
        "description": f"{rule.title}. Say here what the person does, and why that matters.",
        "author": rule.author,
        "date": rule.day,
        "tags": list(rule.tags),
        "logsource": {"product": rule.product, "service": rule.service},
        "detection": {
            "selection": {
                match.key: match.values[0] if len(match.values) == 1 else list(match.values) for match in rule.matches
            },
            "condition": "selection",
        },
        "falsepositives": ["Unknown"],
        "level": rule.level,
    }
    content = {name: value for name, value in content.items() if value}
    text: str = yaml.dump(content, Dumper=_Indented, sort_keys=False, allow_unicode=True, width=120)
    return text


# --- the cases


def cases_text(rule: NewRule) -> str:
    """The two cases. Where no fitting value can be made up, a field is left as it is: the author must help there."""
    template = TEMPLATES[rule.product, rule.service]
    record, employee = copy.deepcopy(dict(template.record)), dict(EMPLOYEE)
    fitted = [match for match in rule.matches if _fit(record, employee, match, rule, wanted=True)]
    other_record, other_employee = copy.deepcopy(record), dict(employee)
    changed = next((m for m in reversed(fitted) if _fit(other_record, other_employee, m, rule, wanted=False)), None)
    employees = [employee]
    if other_employee != employee:  # a colleague, then: two people can't be one
        employees.append({**other_employee, **COLLEAGUE})
        _rename(other_record, "ana.novak", "ben.okafor")
    miss = f"the same but for {changed.key}" if changed else "nearly the same"
    cases = {
        "employees": employees,
        "cases": [
            {"name": "all of it", "match": True, "events": [_named(record, template, 1)]},
            {"name": miss, "match": False, "events": [_named(other_record, template, 2)]},
        ],
    }
    return json.dumps(cases, indent=2, ensure_ascii=False) + "\n"


COLLEAGUE = {
    "employee_id": "E-1002",
    "name": "Ben Okafor",
    "email": "ben.okafor@example.com",
    "username": "ben.okafor",
}


def _named(record: dict[str, Any], template: Template, number: int) -> dict[str, Any]:
    first, *rest = record.items()
    return dict([first, (template.id, str(uuid.uuid4()) if template.id == "eventID" else f"ev-{number}"), *rest])


def _fit(record: dict[str, Any], employee: dict[str, str], match: Match, rule: NewRule, *, wanted: bool) -> bool:
    """Changes the record or the person so that a field matches, or just misses; False where that is not known."""
    template = TEMPLATES[rule.product, rule.service]
    dataset = LOGSOURCES[rule.product, rule.service]
    path = TAXONOMIES[dataset].path(match.field)
    if path.startswith("employee."):
        return _fit_person(record, employee, path, match, template, wanted=wanted)
    place = _place(match.field, path, dataset, template)
    if not place:
        return False
    found = hits(match) if wanted else misses(match)
    if found is UNKNOWN:
        return False
    _put(record, place, found)
    return True


def _place(field: str, path: str, dataset: str, template: Template) -> str:
    """Where the record has a field: under the log's own name for it."""
    if path in template.paths:
        return template.paths[path]
    for row in DATASETS[dataset]:
        if row.raw and (row.name == path or (row.type == "flattened" and path.startswith(f"{row.name}."))):
            return row.raw + path[len(row.name) :]
    return field if field in template.record else ""


def _put(record: dict[str, Any], path: str, value: Any) -> None:
    *parents, name = path.split(".")
    for parent in parents:
        if not isinstance(record.get(parent), dict):
            record[parent] = {}
        record = record[parent]
    if value is None:
        record.pop(name, None)
    else:
        record[name] = value


def _fit_person(
    record: dict[str, Any],
    employee: dict[str, str],
    path: str,
    match: Match,
    template: Template,
    *,
    wanted: bool,
) -> bool:
    column = path.removeprefix("employee.").replace("manager.id", "manager_id")
    found = hits(match) if wanted else misses(match)
    if found is UNKNOWN:
        return False
    if column in PEOPLE:
        return PEOPLE[column](record, employee, found, template)
    if column not in (*EMPLOYEE, "manager_id") or column in ("employee_id", "email", "username"):
        return False
    employee[column] = "" if found is None else str(found)
    return True


def _rename(record: dict[str, Any], old: str, new: str) -> None:
    text = json.dumps(record).replace(old, new)
    record.clear()
    record.update(json.loads(text))


def _status(record: dict[str, Any], employee: dict[str, str], found: Any, template: Template) -> bool:  # noqa: ARG001
    """As HR would say it: by dates, where the status follows from them."""
    for column in ("notice_at", "last_day", "status"):
        employee.pop(column, None)
    employee["hired_at"] = EMPLOYEE["hired_at"]
    _rename(record, "nobody.known", "ana.novak")
    if found == "notice":
        employee |= {"notice_at": _day(-14), "last_day": _day(14)}
    elif found == "terminated":
        employee["last_day"] = _day(-14)
    elif found == "pre_hire":
        employee["hired_at"] = _day(14)
    elif found == "leave":
        employee["status"] = "leave"
    elif found == "unknown":
        _rename(record, "ana.novak", "nobody.known")
    return found in STATUSES


def _on_shift(record: dict[str, Any], employee: dict[str, str], found: Any, template: Template) -> bool:  # noqa: ARG001
    record[template.time] = WORKING if found else NIGHT
    return isinstance(found, bool)


def _days_to_exit(record: dict[str, Any], employee: dict[str, str], found: Any, template: Template) -> bool:  # noqa: ARG001
    if not isinstance(found, int):
        employee.pop("last_day", None)
        return found is None
    employee["last_day"] = _day(found)
    return True


def _tenure_days(record: dict[str, Any], employee: dict[str, str], found: Any, template: Template) -> bool:  # noqa: ARG001
    employee["hired_at"] = _day(-found) if isinstance(found, int) else ""
    return True


# What follows from dates and hours is made by these; the rest of a person's fields are columns of the feed.
PEOPLE: dict[str, Callable[[dict[str, Any], dict[str, str], Any, Template], bool]] = {
    "status": _status,
    "on_shift": _on_shift,
    "days_to_exit": _days_to_exit,
    "tenure_days": _tenure_days,
}


def _day(offset: int) -> str:
    return (DAY + timedelta(days=offset)).isoformat()


# --- values


OTHER = "other"
STATUSES = ("active", "notice", "terminated", "pre_hire", "leave", "unknown", OTHER)  # another one is active
UNKNOWN = object()


def hits(match: Match) -> Any:
    """A value that matches; None: no value; UNKNOWN: nobody can say."""
    value = match.values[0]
    modifiers = set(match.modifiers)
    if "exists" in modifiers:
        return OTHER if value else None
    if value is None or isinstance(value, bool):
        return value
    for name in modifiers & set(COMPARISONS):
        return value + COMPARISONS[name][0]
    if "cidr" in modifiers:
        return str(next(ip_network(value).hosts(), UNKNOWN))
    if "neq" in modifiers:
        return OTHER
    if modifiers - PLAIN or not isinstance(value, str):
        return value if isinstance(value, int) else UNKNOWN
    text = " ".join(match.values) if "all" in modifiers else value
    text = text.replace("*", "x").replace("?", "x")
    before = "x" if modifiers & {"contains", "endswith"} and "all" not in modifiers else ""
    after = "x" if modifiers & {"contains", "startswith"} and "all" not in modifiers else ""
    return before + text + after


def misses(match: Match) -> Any:
    """A value that just does not match."""
    value = match.values[0]
    modifiers = set(match.modifiers)
    if "exists" in modifiers:
        return None if value else OTHER
    if value is None:
        return OTHER
    if isinstance(value, bool):
        return not value
    for name in modifiers & set(COMPARISONS):
        return value + COMPARISONS[name][1]
    if "cidr" in modifiers:
        return "198.51.100.77" if not str(value).startswith("198.51.100.") else "203.0.113.77"
    if "neq" in modifiers:
        return value
    if isinstance(value, int):
        return max(one for one in match.values if isinstance(one, int)) + 1
    return OTHER if not modifiers - PLAIN else UNKNOWN
