"""What `userIdentity` says: the fields of the document, and who acted.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
"""

import re
from functools import lru_cache
from typing import Any, NamedTuple

from innerwatch.principals import INSTANCE
from innerwatch.reading import account, present
from innerwatch.sources.cloudtrail.record import (
    SessionAttributes,
    SessionContext,
    SessionIssuer,
    UserIdentity,
    WebIdFederationData,
    read_identity,
)
from innerwatch.sources.cloudtrail.times import instant
from innerwatch.values import Actor, Evidence

HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"  # what AWS writes where a name may be a mistyped password

ARN = re.compile(r"arn:[\w-]+:(?:iam|sts)::(\d*):([\w-]+)/(.+)", re.ASCII | re.DOTALL)
# The id of a user of an identity store, with the store's own id before it in stores of before 2022.
# https://docs.aws.amazon.com/singlesignon/latest/IdentityStoreAPIReference/API_User.html
STORE_USER = re.compile(r"(?:[0-9a-f]{10}-)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
# https://docs.aws.amazon.com/eks/latest/userguide/iam-roles-for-service-accounts.html
SERVICE_ACCOUNT = "system:serviceaccount:"


class Caller(NamedTuple):
    """One `userIdentity`, read. Shared by all events that have it: to be read, not changed."""

    fields: dict[str, Any]  # aws.cloudtrail.user_identity
    web_attributes: Any
    user: dict[str, str]  # ECS user.*
    account: str
    user_name: str
    actor: Actor
    other: dict[str, Any]


@lru_cache(maxsize=2048)
def caller(raw: bytes) -> Caller:
    """Many events of an object have the same `userIdentity`, to the byte. Raises UnfitError."""
    identity, other = read_identity(raw)
    return described(identity, other)


NOBODY = Caller({}, None, {}, "", "", Actor(no_person="the record names no caller"), {})


def described(identity: UserIdentity, other: dict[str, Any]) -> Caller:
    session = identity.session_context or SessionContext()
    web = session.web_id_federation_data or WebIdFederationData()
    actor = _actor(identity, session, web)
    issuer = session.session_issuer or SessionIssuer()
    mail = next((item.identifier for item in actor.evidence if item.identifier.startswith("email:")), "")
    return Caller(
        _fields(identity, session, issuer, web),
        web.attributes,
        present(
            {
                "id": identity.principal_id,
                "name": identity.user_name or issuer.user_name,
                "email": mail.removeprefix("email:"),
            }
        ),
        identity.account_id or "",
        identity.user_name or "",
        actor,
        other,
    )


def _fields(
    identity: UserIdentity, session: SessionContext, issuer: SessionIssuer, web: WebIdFederationData
) -> dict[str, Any]:
    attributes = session.attributes or SessionAttributes()
    behalf, scope, delegate = identity.on_behalf_of, identity.in_scope_of, identity.invoked_by_delegate
    return present(
        {
            "type": identity.type,
            "arn": identity.arn,
            "access_key_id": identity.access_key_id,
            "user_name": identity.user_name,
            "invoked_by": identity.invoked_by,
            "identity_provider": identity.identity_provider,
            "credential_id": identity.credential_id,
            "on_behalf_of": present({"user_id": behalf.user_id, "identity_store_arn": behalf.identity_store_arn})
            if behalf
            else None,
            "in_scope_of": present(
                {
                    "source_arn": scope.source_arn,
                    "source_account": scope.source_account,
                    "issuer_type": scope.issuer_type,
                    "credentials_issued_to": scope.credentials_issued_to,
                }
            )
            if scope
            else None,
            "invoked_by_delegate": present({"account_id": delegate.account_id}) if delegate else None,
            "session_context": present(
                {
                    "mfa_authenticated": flag(attributes.mfa_authenticated),
                    "creation_date": _iso(attributes.creation_date),
                    "source_identity": session.source_identity,
                    "ec2_role_delivery": session.ec2_role_delivery,
                    "assumed_root": flag(session.assumed_root),
                    "session_issuer": present(
                        {
                            "type": issuer.type,
                            "principal_id": issuer.principal_id,
                            "arn": issuer.arn,
                            "account_id": issuer.account_id,
                            "user_name": issuer.user_name,
                        }
                    ),
                    "web_id_federation_data": present({"federated_provider": web.federated_provider}),
                }
            ),
        }
    )


def flag(value: bool | str | None) -> str | None:
    """As AWS writes it, which is a text."""
    return str(value).lower() if isinstance(value, bool) else value


def _iso(text: str | None) -> str | None:
    try:
        return instant(text)[1] if text else None
    except ValueError:  # Elastic's integration leaves it out too
        return None


def _actor(identity: UserIdentity, session: SessionContext, web: WebIdFederationData) -> Actor:
    """Evidence of every kind that is there, and the reason why it was no person."""
    kind = identity.type
    if kind == "Root":
        return Actor(no_person=f"root of account {identity.account_id or 'unknown'}")
    if kind == "AWSService":
        return Actor(no_person=f"AWS service {identity.invoked_by or 'unknown'}")
    if kind == "AWSAccount":
        return Actor(no_person=f"another account, {identity.account_id or identity.principal_id or 'unknown'}")
    evidence = [*_identity_center(identity), *_source_identity(session)]
    if kind == "SAMLUser":
        evidence += _named("saml", identity.user_name)
    elif kind == "WebIdentityUser":
        evidence += _web(identity.identity_provider, identity.user_name)
    elif kind == "Directory":
        evidence += _named("remote_user", identity.user_name)
    elif kind == "IdentityCenterUser":
        evidence += _named("identity_center", identity.user_name)
    evidence += _users(identity, session)
    role, name = _role_session(identity, session)
    if role or kind == "Role":
        return _of_role(identity, session, web, tuple(evidence), role, name)
    if identity.invoked_by and not evidence:
        return Actor(no_person=f"AWS service {identity.invoked_by}")
    return Actor(tuple(dict.fromkeys(evidence)))


def _identity_center(identity: UserIdentity) -> list[Evidence]:
    behalf = identity.on_behalf_of
    if behalf and behalf.user_id:
        store = (behalf.identity_store_arn or "").rpartition("/")[2]
        return [_evidence("identity_center", f"{store}/{behalf.user_id}" if store else behalf.user_id)]
    # Sign-ins through the access portal were written so before `onBehalfOf` was there.
    # https://docs.aws.amazon.com/singlesignon/latest/userguide/understanding-sign-in-events.html
    if identity.type in ("IdentityCenterUser", "Unknown") and STORE_USER.fullmatch(identity.principal_id or ""):
        named = _named("identity_center", identity.user_name)
        return [_evidence("identity_center", identity.principal_id or ""), *named]
    return []


def _source_identity(session: SessionContext) -> list[Evidence]:
    return _named("source_identity", session.source_identity)


def _users(identity: UserIdentity, session: SessionContext) -> list[Evidence]:
    """IAM users: the one who called, or the one who issued the session, as for a federated user."""
    issuer = session.session_issuer
    found: list[Evidence] = []
    for arn in (identity.arn, issuer.arn if issuer else None):
        match = ARN.fullmatch(arn or "")
        if match and match[2] == "user":
            # A user's name is unique in its account whatever path is before it, and either may stand in an owner map.
            names = dict.fromkeys((match[3], match[3].rpartition("/")[2]))
            found += [_evidence("iam_user", f"{match[1]}:user/{name}") for name in names]
    if identity.type == "IAMUser" and not found and identity.user_name and identity.account_id:
        found.append(_evidence("iam_user", f"{identity.account_id}:user/{identity.user_name}"))
    key = identity.access_key_id or ""
    if key.startswith("AKIA"):  # of others there is a new one for every session
        found.append(_evidence("access_key", key))
    return [item for item in found if HIDDEN.lower() not in item.identifier]


def _role_session(identity: UserIdentity, session: SessionContext) -> tuple[str, str]:
    """Role and name of a session: of an assumed role, or of a federated user, whose name is chosen too."""
    match = ARN.fullmatch(identity.arn or "")
    if match and match[2] == "assumed-role":
        role, _, name = match[3].rpartition("/")
        issuer = session.session_issuer
        return (issuer.arn if issuer and issuer.arn else "") or role, name
    if match and match[2] == "federated-user":
        return match[2], match[3]
    if identity.type == "AssumedRole" and session.session_issuer and session.session_issuer.arn:
        return session.session_issuer.arn, (identity.principal_id or "").partition(":")[2]
    return "", ""


def _of_role(
    identity: UserIdentity,
    session: SessionContext,
    web: WebIdFederationData,
    evidence: tuple[Evidence, ...],
    role: str,
    name: str,
) -> Actor:
    """Who uses a role. `role` is its ARN or, where only the session's is known, its name."""
    title = role.rpartition("/")[2]
    subjects = _subjects(web)
    if "/aws-service-role/" in role or title.startswith("AWSServiceRoleFor"):
        return Actor(no_person=f"service-linked role {title}")
    # Whoever takes a role may call the session after an instance: what was not chosen outweighs that.
    if session.ec2_role_delivery or (INSTANCE.fullmatch(name) and not evidence):
        return Actor(no_person=f"instance {name}")
    account_of_pod = next((item for item in subjects if item.startswith(SERVICE_ACCOUNT)), "")
    if account_of_pod:
        return Actor(no_person=f"Kubernetes service account {account_of_pod.removeprefix(SERVICE_ACCOUNT)}")
    found = list(evidence)
    for subject in subjects:
        found += _web(web.federated_provider, subject)
    issuer = session.session_issuer
    arn = (issuer.arn if issuer else None) or (identity.arn if identity.type == "Role" else None)
    owner = [_evidence("owner", arn, "role")] if arn and ":role/" in arn else []
    if title.startswith("AWSReservedSSO_") or "/aws-reserved/sso.amazonaws.com/" in role:
        found += _named("sso_session", name)
    elif identity.invoked_by and "@" not in name and not found:
        # The service itself took the role: its name for the session says nothing.
        return Actor(tuple(owner), no_person=f"AWS service {identity.invoked_by}")
    else:
        found += [*owner, *_named("session_name", name)]
    return Actor(tuple(dict.fromkeys(found)))


def _subjects(web: WebIdFederationData) -> list[str]:
    """Whom the web identity provider named: attributes such as `accounts.google.com:sub`."""
    attributes = web.attributes if isinstance(web.attributes, dict) else {}
    return [item for name, item in attributes.items() if name.endswith(":sub") and isinstance(item, str)]


def _web(provider: str | None, subject: str | None) -> list[Evidence]:
    if not subject:
        return []
    if "@" in subject:
        return _named("web_identity", subject)
    return [_evidence("web_identity", f"{provider or 'unknown'}/{subject}")]


def _named(method: str, name: str | None) -> list[Evidence]:
    return [Evidence(method, account(name))] if name and name != HIDDEN else []


def _evidence(method: str, value: str, namespace: str = "") -> Evidence:
    return Evidence(method, f"{namespace or method}:{value}".lower())
