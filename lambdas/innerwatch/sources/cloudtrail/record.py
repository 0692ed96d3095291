"""A CloudTrail record as it is written: its fields, and those of the objects in it.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html

A record that has just these fields, of just these types, is read at full speed. Any other is read by `_lenient`: a
field that AWS added since is kept in `other`, names of another case (as Athena exports them) are known, and only a
value that cannot be what its field holds makes the record unfit.
"""

import json
from typing import Any, TypeVar, get_type_hints

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType, field

from innerwatch.reading import UnfitError, kind, text

Text = str | None
Flag = bool | str | None
Anything = Any  # an object, read further by whoever needs it


class SessionIssuer(Struct, rename="camel", forbid_unknown_fields=True):
    type: Text = None
    principal_id: Text = None
    arn: Text = None
    account_id: Text = None
    user_name: Text = None


class WebIdFederationData(Struct, rename="camel", forbid_unknown_fields=True):
    federated_provider: Text = None
    attributes: Anything = None


class SessionAttributes(Struct, rename="camel", forbid_unknown_fields=True):
    creation_date: Text = None
    mfa_authenticated: Flag = None


class SessionContext(Struct, rename="camel", forbid_unknown_fields=True):
    session_issuer: SessionIssuer | None = None
    web_id_federation_data: WebIdFederationData | None = None
    attributes: SessionAttributes | None = None
    source_identity: Text = None
    ec2_role_delivery: Text = None
    assumed_root: Flag = None


class OnBehalfOf(Struct, rename="camel", forbid_unknown_fields=True):
    user_id: Text = None
    identity_store_arn: Text = None


class InScopeOf(Struct, rename="camel", forbid_unknown_fields=True):
    source_arn: Text = None
    source_account: Text = None
    issuer_type: Text = None
    credentials_issued_to: Text = None


class InvokedByDelegate(Struct, rename="camel", forbid_unknown_fields=True):
    account_id: Text = None


class UserIdentity(Struct, rename="camel", forbid_unknown_fields=True):
    type: Text = None
    principal_id: Text = None
    arn: Text = None
    account_id: Text = None
    access_key_id: Text = None
    user_name: Text = None
    session_context: SessionContext | None = None
    invoked_by: Text = None
    identity_provider: Text = None
    credential_id: Text = None
    on_behalf_of: OnBehalfOf | None = None
    in_scope_of: InScopeOf | None = None
    invoked_by_delegate: InvokedByDelegate | None = None


class TlsDetails(Struct, rename="camel", forbid_unknown_fields=True):
    tls_version: Text = None
    cipher_suite: Text = None
    client_provided_host_header: Text = None


class Addendum(Struct, rename="camel", forbid_unknown_fields=True):
    reason: Text = None
    updated_fields: Text = None
    original_request_id: Text = field(default=None, name="originalRequestID")
    original_event_id: Text = field(default=None, name="originalEventID")


class Record(Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    event_time: Text = None
    event_version: Text = None
    user_identity: Raw | UnsetType = UNSET  # decoded by `identity`, which knows most of them already
    event_source: Text = None
    event_name: Text = None
    aws_region: Text = None
    source_ip_address: Text = field(default=None, name="sourceIPAddress")
    user_agent: Text = None
    error_code: Text = None
    error_message: Text = None
    request_parameters: Anything = None
    response_elements: Anything = None
    additional_event_data: Anything = None
    request_id: Text = field(default=None, name="requestID")
    event_id: Text = field(default=None, name="eventID")
    event_type: Text = None
    api_version: Text = None
    management_event: Flag = None
    read_only: Flag = None
    resources: Anything = None
    recipient_account_id: Text = None
    service_event_details: Anything = None
    shared_event_id: Text = field(default=None, name="sharedEventID")
    vpc_endpoint_id: Text = None
    vpc_endpoint_account_id: Text = None
    event_category: Text = None
    addendum: Addendum | None = None
    session_credential_from_console: Flag = None
    event_context: Anything = None
    edge_device_details: Anything = None
    tls_details: Raw | UnsetType = UNSET
    insight_details: Anything = None
    status: Text = None  # not AWS's, but rules ask for it


S = TypeVar("S", bound=Struct)
LONE_SURROGATE = "a text of the record holds half a character (a lone surrogate); expected Unicode text"


def read(record: bytes) -> tuple[Record, dict[str, Any]]:
    """The record, and what it has beside our fields. Raises UnfitError."""
    try:
        return RECORD.decode(record), {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _lenient(Record, _object(record), "")


def read_identity(raw: bytes) -> tuple[UserIdentity, dict[str, Any]]:
    try:
        return IDENTITY.decode(raw), {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _lenient(UserIdentity, _object(raw, "userIdentity"), "userIdentity.")


def read_tls(raw: bytes) -> TlsDetails:
    try:
        return TLS.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _lenient(TlsDetails, _object(raw, "tlsDetails"), "tlsDetails.")[0]


RECORD = msgspec.json.Decoder(Record)
IDENTITY = msgspec.json.Decoder(UserIdentity)
TLS = msgspec.json.Decoder(TlsDetails)


def _lenient(struct: type[S], value: dict[str, Any], path: str) -> tuple[S, dict[str, Any]]:
    """As far as its fields hold what they may: they are found in any case, and fields that we don't know are kept."""
    known = FIELDS[struct]
    arguments: dict[str, Any] = {}
    other: dict[str, Any] = {}
    for name in sorted(value, key=lambda name: name not in known):  # as AWS spells it comes first
        item = value[name]
        attribute, type_ = known.get(name) or known.get(name.lower()) or ("", None)
        if not attribute or attribute in arguments:
            other[name] = item
        elif item is not None:
            arguments[attribute], rest = _fitting(type_, item, f"{path}{name}")
            if rest:
                other[name] = rest
    return struct(**arguments), other


def _fitting(type_: Any, item: Any, path: str) -> tuple[Any, dict[str, Any]]:
    if type_ == Text:
        return text(item, path), {}
    if type_ == Flag:
        return (item if isinstance(item, bool) else text(item, path)), {}
    if type_ == Raw | UnsetType:
        return Raw(msgspec.json.encode(item)), {}
    if type_ is Any:
        return item, {}
    if not isinstance(item, dict):
        raise UnfitError(f"{path} is {kind(item)}; expected an object")
    return _lenient(type_.__args__[0], item, f"{path}.")


def _object(record: bytes, name: str = "the record") -> dict[str, Any]:
    try:
        value = msgspec.json.decode(record)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        if _half_a_character(record):
            raise UnfitError(LONE_SURROGATE) from error
        raise UnfitError(f"{name} is no JSON: {error}; expected one JSON object") from error
    except RecursionError as error:
        raise UnfitError(f"{name} is nested too deeply; expected one JSON object of a few levels") from error
    if not isinstance(value, dict):
        raise UnfitError(f"{name} is {kind(value)}; expected an object")
    return value


def _half_a_character(record: bytes) -> bool:
    """Whether it is JSON but for escapes such as \\ud800, which stand for half a character of UTF-16."""
    try:
        json.dumps(json.loads(record), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    except (ValueError, RecursionError):
        return False
    return False


def _fields(struct: type[Struct]) -> dict[str, tuple[str, Any]]:
    """Name as AWS writes it, and in lower case → attribute and type."""
    hints = get_type_hints(struct)
    found: dict[str, tuple[str, Any]] = {}
    for item in msgspec.structs.fields(struct):
        found[item.encode_name] = found[item.encode_name.lower()] = (item.name, hints[item.name])
    return found


FIELDS: dict[type[Struct], dict[str, tuple[str, Any]]] = {
    struct: _fields(struct)
    for struct in (
        Record,
        UserIdentity,
        SessionContext,
        SessionIssuer,
        SessionAttributes,
        WebIdFederationData,
        OnBehalfOf,
        InScopeOf,
        InvokedByDelegate,
        TlsDetails,
        Addendum,
    )
}
