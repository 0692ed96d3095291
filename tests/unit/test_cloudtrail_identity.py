"""Who acted, as `userIdentity` tells: the evidence of every kind, and who is no person."""

import json
from typing import Any

import pytest

from innerwatch.identity import METHODS
from innerwatch.sources import cloudtrail
from innerwatch.values import Actor, Event, Origin

ACCOUNT = "123456789012"
STORE = f"arn:aws:identitystore::{ACCOUNT}:identitystore/d-9067642ac7"
USER = "544894e8-80c1-707f-60e3-3ba6510dfac1"


def actor(identity: dict[str, Any]) -> Actor:
    record = {"eventVersion": "1.11", "eventTime": "2026-03-31T09:15:00Z", "userIdentity": identity}
    result = cloudtrail.parse(json.dumps(record).encode(), Origin("s3://logs/object", 1))
    assert isinstance(result, Event)
    assert all(method in METHODS for method, _ in result.actor.evidence)
    return result.actor


def evidence(identity: dict[str, Any]) -> list[tuple[str, str]]:
    found = actor(identity)
    assert found.no_person == ""
    return [(item.method, item.identifier) for item in found.evidence]


def session(role: str, name: str, path: str = "", **changes: Any) -> dict[str, Any]:
    issuer = {"type": "Role", "arn": f"arn:aws:iam::{ACCOUNT}:role/{path}{role}", "userName": role}
    context = {"sessionIssuer": issuer, **changes.pop("sessionContext", {})}
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{name}"
    return {"type": "AssumedRole", "principalId": f"AROA:{name}", "arn": arn, "sessionContext": context, **changes}


SSO = "aws-reserved/sso.amazonaws.com/eu-central-1/"


def test_identity_center_names_the_user_and_the_store() -> None:
    behalf: dict[str, Any] = {"onBehalfOf": {"userId": USER.upper(), "identityStoreArn": STORE}}
    assert evidence({"type": "IdentityCenterUser", "accountId": ACCOUNT, **behalf}) == [
        ("identity_center", f"identity_center:d-9067642ac7/{USER}")
    ]
    assert evidence(session("Any", "chosen", **behalf))[0] == (
        "identity_center",
        f"identity_center:d-9067642ac7/{USER}",
    )
    assert evidence({"type": "IdentityCenterUser", "onBehalfOf": {"userId": USER}}) == [
        ("identity_center", f"identity_center:{USER}")
    ]


def test_an_older_sign_in_to_the_portal_has_the_user_as_its_principal() -> None:
    assert evidence({"type": "Unknown", "principalId": f"9067642ac7-{USER}", "userName": "Ana"}) == [
        ("identity_center", f"identity_center:9067642ac7-{USER}"),
        ("identity_center", "username:ana"),
    ]
    assert evidence({"type": "Unknown", "principalId": "somebody", "userName": "Ana"}) == []


@pytest.mark.parametrize("path", ["", SSO])
@pytest.mark.parametrize(
    ("name", "identifier"), [("Ana.Silva@Example.com", "email:ana.silva@example.com"), ("Ana", "username:ana")]
)
def test_the_session_name_of_a_permission_set_is_the_users_name(name: str, identifier: str, path: str) -> None:
    assert evidence(session("AWSReservedSSO_Support_0123456789abcdef", name, path)) == [("sso_session", identifier)]


def test_the_session_name_of_any_other_role_was_chosen() -> None:
    assert evidence(session("Deploy", "ana@example.com")) == [
        ("owner", f"role:arn:aws:iam::{ACCOUNT}:role/deploy"),
        ("session_name", "email:ana@example.com"),
    ]


def test_a_source_identity_stays_with_a_chain_of_roles() -> None:
    found = evidence(session("Second", "whatever", sessionContext={"sourceIdentity": "Ana"}))
    assert found[0] == ("source_identity", "username:ana")


def test_nobody_becomes_an_instance_by_the_name_of_a_session() -> None:
    chosen = session("Web", "i-0123456789abcdef0", sessionContext={"sourceIdentity": "Ana"})
    assert evidence(chosen)[0] == ("source_identity", "username:ana")
    delivered = session("Web", "i-0123456789abcdef0", sessionContext={"ec2RoleDelivery": "2.0"})
    assert actor(delivered).no_person == "instance i-0123456789abcdef0"


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        ({"type": "SAMLUser", "userName": "Ana@example.com"}, [("saml", "email:ana@example.com")]),
        ({"type": "SAMLUser", "userName": "Ana"}, [("saml", "username:ana")]),
        (
            {"type": "WebIdentityUser", "identityProvider": "accounts.google.com", "userName": "1089"},
            [("web_identity", "web_identity:accounts.google.com/1089")],
        ),
        ({"type": "WebIdentityUser", "userName": "ana@example.com"}, [("web_identity", "email:ana@example.com")]),
        ({"type": "Directory", "userName": "ana"}, [("remote_user", "username:ana")]),
        ({"type": "Unknown"}, []),
    ],
)
def test_who_an_identity_provider_vouches_for(identity: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert evidence(identity) == expected


def test_iam_users_are_known_by_name_with_and_without_its_path_and_by_a_lasting_key() -> None:
    user = {"type": "IAMUser", "arn": f"arn:aws:iam::{ACCOUNT}:user/eu/Ana", "accountId": ACCOUNT, "userName": "Ana"}
    names = [("iam_user", f"iam_user:{ACCOUNT}:user/eu/ana"), ("iam_user", f"iam_user:{ACCOUNT}:user/ana")]
    assert evidence({**user, "accessKeyId": "AKIAEXAMPLE"}) == [*names, ("access_key", "access_key:akiaexample")]
    assert evidence({**user, "accessKeyId": "ASIAEXAMPLE"}) == names
    assert evidence({"type": "IAMUser", "accountId": ACCOUNT, "userName": "Ana"}) == names[1:]


def test_a_federated_user_is_the_iam_user_who_made_the_session() -> None:
    issuer = {"type": "IAMUser", "arn": f"arn:aws:iam::{ACCOUNT}:user/Bo", "userName": "Bo"}
    federated = {"type": "FederatedUser", "arn": f"arn:aws:sts::{ACCOUNT}:federated-user/ana"}
    assert evidence({**federated, "sessionContext": {"sessionIssuer": issuer}}) == [
        ("iam_user", f"iam_user:{ACCOUNT}:user/bo"),
        ("session_name", "username:ana"),
    ]


POD = {"attributes": {"oidc.example.com/id/1:sub": "system:serviceaccount:shop:orders"}}


@pytest.mark.parametrize(
    ("identity", "reason"),
    [
        ({"type": "Root", "accountId": ACCOUNT, "arn": f"arn:aws:iam::{ACCOUNT}:root"}, f"root of account {ACCOUNT}"),
        ({"type": "AWSService", "invokedBy": "ec2.amazonaws.com"}, "AWS service ec2.amazonaws.com"),
        ({"accountId": ACCOUNT, "invokedBy": "AWS Internal"}, "AWS service AWS Internal"),
        ({"type": "AWSAccount", "accountId": "111122223333"}, "another account, 111122223333"),
        (session("Web", "i-0123456789abcdef0"), "instance i-0123456789abcdef0"),
        (session("Web", "mi-0123456789abcdef0"), "instance mi-0123456789abcdef0"),
        (
            session("AWSServiceRoleForRDS", "x", "aws-service-role/rds.amazonaws.com/"),
            "service-linked role AWSServiceRoleForRDS",
        ),
        (session("Config", "AWSConfig", invokedBy="config.amazonaws.com"), "AWS service config.amazonaws.com"),
        (session("Pod", "17", sessionContext={"webIdFederationData": POD}), "Kubernetes service account shop:orders"),
    ],
)
def test_who_is_no_person(identity: dict[str, Any], reason: str) -> None:
    assert actor(identity).no_person == reason


def test_a_record_without_a_caller_is_nobodys() -> None:
    result = cloudtrail.parse(b'{"eventTime":"2026-03-31T09:15:00Z","eventCategory":"Insight"}', Origin("x", 1))
    assert isinstance(result, Event)
    assert result.actor.no_person == "the record names no caller"


@pytest.mark.parametrize(
    "identity",
    [
        {"type": "IAMUser", "accountId": ACCOUNT, "userName": "Ana", "invokedBy": "signin.amazonaws.com"},
        session("AWSReservedSSO_Support_0123456789abcdef", "ana", SSO, invokedBy="cloudformation.amazonaws.com"),
        session("Deploy", "x", sessionContext={"sourceIdentity": "ana"}, invokedBy="cloudformation.amazonaws.com"),
        session("Deploy", "ana@example.com", invokedBy="cloudformation.amazonaws.com"),
    ],
)
def test_a_service_that_acts_with_a_persons_credentials_does_not_hide_the_person(identity: dict[str, Any]) -> None:
    assert evidence(identity)


def test_aws_own_word_for_a_hidden_name_is_nobodys_name() -> None:
    hidden = {"type": "IAMUser", "accountId": ACCOUNT, "userName": "HIDDEN_DUE_TO_SECURITY_REASONS"}
    assert evidence(hidden) == []


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_every_partition_is_known(partition: str) -> None:
    arn = f"arn:{partition}:sts::{ACCOUNT}:assumed-role/AWSReservedSSO_A_0123456789abcdef/ana"
    assert evidence({"type": "AssumedRole", "arn": arn}) == [("sso_session", "username:ana")]
