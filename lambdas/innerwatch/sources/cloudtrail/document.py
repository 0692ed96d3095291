"""The document of one record: Elastic's fields, and what its integration drops."""

import re
from functools import lru_cache
from typing import Any

import msgspec

from innerwatch import reading, user_agents
from innerwatch.reading import UnfitError
from innerwatch.sources.cloudtrail import parameters
from innerwatch.sources.cloudtrail.categories import CATEGORIES, Category
from innerwatch.sources.cloudtrail.identity import HIDDEN, Caller, flag
from innerwatch.sources.cloudtrail.record import Record, read_tls

UNCATEGORISED = Category([], ["info"])
TLS_VERSION = re.compile(r"(\w+?)v([\d.]+)", re.ASCII)


def build(entry: Record, who: Caller, outcome: str, other: dict[str, Any]) -> dict[str, Any]:
    event, same = _call(
        entry.event_name,
        entry.event_source,
        outcome,
        entry.event_version,
        entry.event_category,
        entry.event_type,
        entry.recipient_account_id,
        entry.management_event,
        entry.read_only,
    )
    cloudtrail = {**same}
    if who.fields:
        cloudtrail["user_identity"] = who.fields
    if entry.request_id:
        cloudtrail["request_id"] = entry.request_id
    _seldom(entry, cloudtrail)
    found: dict[str, Any] = {
        "event": {**event, "id": entry.event_id} if entry.event_id else {**event},
        "aws": {"cloudtrail": cloudtrail},
        **_surroundings(who.account, who.user_name, entry.aws_region, entry.source_ip_address, entry.user_agent),
    }
    if entry.tls_details:
        tls, exact = _tls(bytes(entry.tls_details))
        if tls:
            found["tls"] = tls
        if exact:
            cloudtrail["tls_details"] = exact
    _free_parts(entry, who, other, cloudtrail)
    _users_and_groups(entry, who, cloudtrail["flattened"], found)
    return found


@lru_cache(maxsize=8192)
def _call(
    name: str | None,
    source: str | None,
    outcome: str,
    version: str | None,
    category: str | None,
    type_: str | None,
    recipient: str | None,
    management: bool | str | None,
    read_only: bool | str | None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """ECS `event.*` and `aws.cloudtrail.*` as far as they are the same for every call of an API: to be copied."""
    ecs = CATEGORIES.get(name or "", UNCATEGORISED)
    event = {
        "kind": "event",
        "module": "aws",
        "dataset": "aws.cloudtrail",
        "action": name,
        "provider": source,
        "category": ecs.category,
        "type": ecs.type,
        "outcome": outcome,
    }
    cloudtrail = {
        "event_version": version,
        "event_category": category,
        "event_type": type_,
        "recipient_account_id": recipient,
        "management_event": _switch(management, "managementEvent"),
        "read_only": _switch(read_only, "readOnly"),
    }
    return reading.present(event), reading.present(cloudtrail)


@lru_cache(maxsize=8192)
def _surroundings(
    account: str, user_name: str, region: str | None, address: str | None, user_agent: str | None
) -> dict[str, Any]:
    """From where a call came and went, which is the same for many events: they share it, down to the last part."""
    cloud = {"provider": "aws", "account": {"id": account} if account else None, "region": region}
    found: dict[str, Any] = {"cloud": reading.present(cloud)}
    source = reading.caller(address or "")
    if source:
        found["source"] = source
    related = reading.present(
        {"ip": [source["ip"]] if "ip" in source else None, "user": [user_name] if user_name else None}
    )
    if related:
        found["related"] = related
    if user_agent:
        found["user_agent"] = user_agents.describe(user_agent)
    return found


def _seldom(entry: Record, cloudtrail: dict[str, Any]) -> None:
    """What only some records have."""
    if entry.error_code:
        cloudtrail["error_code"] = entry.error_code
    if entry.error_message:
        cloudtrail["error_message"] = entry.error_message
    if entry.api_version:
        cloudtrail["api_version"] = entry.api_version
    if entry.shared_event_id:
        cloudtrail["shared_event_id"] = entry.shared_event_id
    if entry.vpc_endpoint_id:
        cloudtrail["vpc_endpoint_id"] = entry.vpc_endpoint_id
    if entry.vpc_endpoint_account_id:
        cloudtrail["vpc_endpoint_account_id"] = entry.vpc_endpoint_account_id
    if entry.session_credential_from_console:
        cloudtrail["session_credential_from_console"] = flag(entry.session_credential_from_console)
    if entry.resources and (resources := _resources(entry.resources)):
        cloudtrail["resources"] = resources
    if entry.addendum or entry.status:
        addendum = reading.present(msgspec.structs.asdict(entry.addendum)) if entry.addendum else None
        cloudtrail.update(reading.present({"addendum": addendum, "status": entry.status}))


def _switch(value: bool | str | None, name: str) -> bool | None:
    if not value or value is True:
        return value if isinstance(value, bool) else None
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise UnfitError(f"{name} is {reading.shown(value)}; expected true or false")


def _resources(value: Any) -> list[dict[str, Any]]:
    """Each resource once, in the order in which Elastic's integration comes to list them."""
    found: dict[str, dict[str, Any]] = {}
    for place, item in enumerate(value if isinstance(value, list) else [value]):
        resource = _resource(item, place)
        if resource:
            key = f"{resource.get('arn', '')}_{resource.get('account_id', '')}_{resource.get('type', '')}"
            found[key] = resource
    return [found[key] for key in parameters.order(tuple(found))] if len(found) > 1 else list(found.values())


def _resource(item: Any, place: int) -> dict[str, Any]:
    if not isinstance(item, dict):
        item = {"ARN": item}  # so some exports write it
    found: dict[str, Any] = {}
    for name, part in item.items():
        whole = part if part.__class__ is str else reading.text(part, f"resources[{place}].{name}")
        if whole:
            found[RESOURCE.get(name, name)] = whole
    return found


RESOURCE = {"ARN": "arn", "accountId": "account_id"}


@lru_cache(maxsize=1024)
def _tls(raw: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """ECS `tls.*`, and the version as AWS writes it."""
    details = read_tls(raw)
    tls: dict[str, Any] = {}
    exact: dict[str, Any] = {}
    if details.tls_version:
        exact["tls_version"] = details.tls_version
        match = TLS_VERSION.fullmatch(details.tls_version)
        if match:
            tls["version_protocol"], tls["version"] = match[1].lower(), match[2]
    if details.cipher_suite:
        tls["cipher"] = details.cipher_suite
    if details.client_provided_host_header:
        tls["client"] = {"server_name": details.client_provided_host_header}
    return tls, exact


def _free_parts(entry: Record, who: Caller, other: dict[str, Any], cloudtrail: dict[str, Any]) -> None:
    """What has no fixed fields: `flattened` as it is, `match` lower-cased for rules, and some of it as text."""
    flattened: dict[str, Any] = {}
    match: dict[str, Any] = {}
    if entry.request_parameters:
        _forms("request_parameters", entry.request_parameters, flattened, match, cloudtrail)
    if entry.response_elements:
        _forms("response_elements", entry.response_elements, flattened, match, cloudtrail)
    if entry.additional_event_data:
        _forms("additional_eventdata", entry.additional_event_data, flattened, match, cloudtrail)
        if entry.event_name == "ConsoleLogin" and (
            details := _console_login(flattened.get("additional_eventdata", {}))
        ):
            cloudtrail["console_login"] = {"additional_eventdata": details}
    if entry.service_event_details:
        _forms("service_event_details", entry.service_event_details, flattened, match, cloudtrail)
    if entry.insight_details or entry.event_context or entry.edge_device_details:
        _rare_parts(entry, flattened, match)
    if who.web_attributes:
        _forms("web_id_federation_attributes", who.web_attributes, flattened, match, {})
    if other or who.other:
        _forms("other", {**other, "userIdentity": who.other} if who.other else other, flattened, match, {})
    cloudtrail["flattened"] = flattened
    if match:
        cloudtrail["match"] = match


def _rare_parts(entry: Record, flattened: dict[str, Any], match: dict[str, Any]) -> None:
    """Parts of which Elastic's integration has no text."""
    for name, value in (
        ("insight_details", entry.insight_details),
        ("event_context", entry.event_context),
        ("edge_device_details", entry.edge_device_details),
    ):
        if value:
            _forms(name, value, flattened, match, {})


AWS_NAMES = {
    "request_parameters": "requestParameters",
    "response_elements": "responseElements",
    "additional_eventdata": "additionalEventData",
    "service_event_details": "serviceEventDetails",
    "insight_details": "insightDetails",
    "event_context": "eventContext",
    "edge_device_details": "edgeDeviceDetails",
    "web_id_federation_attributes": "webIdFederationData.attributes",
}


def _forms(name: str, value: Any, flattened: dict[str, Any], match: dict[str, Any], texts: dict[str, Any]) -> None:
    if value.__class__ is not dict:
        if not isinstance(value, str):
            raise UnfitError(f"{AWS_NAMES.get(name, name)} is {reading.kind(value)}; expected an object")
        texts[name] = value  # what AWS hides, it may replace by a text
        return
    kept, lowered, text = parameters.forms(value)
    if kept:
        flattened[name] = kept
        texts[name] = text
    if lowered:
        match[name] = lowered


def _console_login(data: dict[str, Any]) -> dict[str, Any]:
    details: dict[str, Any] = {}
    if "MobileVersion" in data:
        details["mobile_version"] = data["MobileVersion"] != "No"
    if _text(data.get("LoginTo")):
        details["login_to"] = data["LoginTo"]
    if "MFAUsed" in data:
        details["mfa_used"] = data["MFAUsed"] != "No"
    return details


SUBJECTS = frozenset({"userName", "newUserName", "groupName", "user", "group"})


def _users_and_groups(entry: Record, who: Caller, flattened: dict[str, Any], document: dict[str, Any]) -> None:
    """Who called, and the user or group that the call was about."""
    if who.user:
        document["user"] = who.user
    request = flattened.get("request_parameters", NOTHING)
    response = flattened.get("response_elements", NOTHING)
    names: list[str] = []
    if entry.event_name == "UserAuthentication":  # at the access portal: the user's name is nowhere else
        name = _text(flattened.get("additional_eventdata", NOTHING).get("UserName"))
        if name and name != HIDDEN:
            names.append(name)
            document["user"] = {"name": name, **({"email": name} if "@" in name else {}), **who.user}
    if not (SUBJECTS.isdisjoint(request) and SUBJECTS.isdisjoint(response)):
        target = _named(_text(request.get("userName")), _text(_dig(response, "user", "userId")))
        renamed = _text(request.get("newUserName"))
        concerned = reading.present({"target": target, "changes": _named(renamed, "")})
        if concerned:
            document["user"] = {**document.get("user", NOTHING), **concerned}
        names += [name for name in (target.get("name"), renamed) if name]
        group = _named(_text(request.get("groupName")), _text(_dig(response, "group", "groupId")))
        if group:
            document["group"] = group
    if names:
        related = document.get("related", NOTHING)
        document["related"] = {**related, "user": list(dict.fromkeys([*related.get("user", ()), *names]))}


NOTHING: dict[str, Any] = {}


def _named(name: str, own_id: str) -> dict[str, str]:
    found = {"name": name} if name else {}
    if own_id:
        found["id"] = own_id
    return found


def _dig(value: dict[str, Any], first: str, second: str) -> Any:
    inner = value.get(first)
    return inner.get(second) if isinstance(inner, dict) else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
