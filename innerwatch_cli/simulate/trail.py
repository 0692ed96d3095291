"""CloudTrail records, in the shape that AWS writes them, and the principals that they name.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/cloudtrail-logging-understanding-s3-entries.html
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from random import Random
from typing import Any

from innerwatch_cli.simulate.chance import BASE32, text, uuid4
from innerwatch_cli.simulate.company import ACCOUNT, Person
from innerwatch_cli.simulate.estate import GLOBAL, HOME, Estate
from innerwatch_cli.simulate.records import Record
from innerwatch_cli.simulate.worktime import HOUR, seconds

VERSION = "1.11"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls, from where and with what."""

    identity: dict[str, Any]  # userIdentity
    address: str
    agent: str
    employee_id: str = ""
    console: bool = False

    @property
    def is_service(self) -> bool:
        return self.address.endswith(".amazonaws.com")


def sso(
    rng: Random, estate: Estate, person: Person, permission_set: str, start: int, address: str, agent: str
) -> Principal:
    """A session that IAM Identity Center opened: the role is reserved for it, the session name is the person's."""
    role = estate.reserved_role(permission_set)
    path = f"aws-reserved/sso.amazonaws.com/{HOME}/"
    identity = _assumed(rng, estate, role, person.email, start, path=path)
    return Principal(identity, address, agent, person.id, agent.startswith("Mozilla/"))


def identity_center(rng: Random, estate: Estate, person: Person, address: str, agent: str) -> Principal:
    """The person before any role, at the access portal."""
    identity = {
        "type": "IdentityCenterUser",
        "accountId": ACCOUNT,
        "onBehalfOf": on_behalf_of(estate, person),
        "credentialId": uuid4(rng),
    }
    return Principal(identity, address, agent, person.id)


def on_behalf_of(estate: Estate, person: Person) -> dict[str, str]:
    return {
        "userId": person.identity_center_id,
        "identityStoreArn": f"arn:aws:identitystore::{ACCOUNT}:identitystore/{estate.store}",
    }


def role(
    rng: Random,
    estate: Estate,
    name: str,
    session: str,
    start: int,
    address: str,
    agent: str,
    *,
    source_identity: str = "",
    employee_id: str = "",
) -> Principal:
    """A session of a role that a person, a program or an instance assumed."""
    identity = _assumed(rng, estate, name, session, start)
    if source_identity:
        identity["sessionContext"]["sourceIdentity"] = source_identity
    return Principal(identity, address, agent, employee_id)


def iam_user(estate: Estate, name: str, access_key: str, address: str, agent: str, employee_id: str = "") -> Principal:
    identity = {
        "type": "IAMUser",
        "principalId": estate.user_id(name),
        "arn": f"arn:aws:iam::{ACCOUNT}:user/{name}",
        "accountId": ACCOUNT,
        "accessKeyId": access_key,
        "userName": name,
    }
    return Principal(identity, address, agent, employee_id)


def iam_console(
    rng: Random, estate: Estate, name: str, start: int, address: str, agent: str, employee_id: str
) -> Principal:
    """An IAM user's session in the console, with a second factor."""
    who = iam_user(estate, name, temporary_key(rng), address, agent, employee_id)
    who.identity["sessionContext"] = {"attributes": {"creationDate": seconds(start), "mfaAuthenticated": "true"}}
    return Principal(who.identity, address, agent, employee_id, console=True)


def service(name: str) -> Principal:
    """AWS itself."""
    host = f"{name}.amazonaws.com"
    return Principal({"type": "AWSService", "invokedBy": host}, host, host)


def web_identity(subject: str, address: str, agent: str) -> Principal:
    """A pipeline that shows a token of its own provider."""
    provider = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
    identity = {
        "type": "WebIdentityUser",
        "principalId": f"{provider}:sts.amazonaws.com:{subject}",
        "userName": subject,
        "identityProvider": provider,
    }
    return Principal(identity, address, agent)


def root(rng: Random, start: int, address: str, agent: str) -> Principal:
    identity = {
        "type": "Root",
        "principalId": ACCOUNT,
        "arn": f"arn:aws:iam::{ACCOUNT}:root",
        "accountId": ACCOUNT,
        "accessKeyId": temporary_key(rng),
        "sessionContext": {"attributes": {"creationDate": seconds(start), "mfaAuthenticated": "true"}},
    }
    return Principal(identity, address, agent, console=True)


def temporary_key(rng: Random) -> str:
    return "ASIA" + text(rng, BASE32, 16)


def _assumed(rng: Random, estate: Estate, name: str, session: str, start: int, *, path: str = "") -> dict[str, Any]:
    return {
        "type": "AssumedRole",
        "principalId": f"{estate.role_id(name)}:{session}",
        "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/{session}",
        "accountId": ACCOUNT,
        "accessKeyId": temporary_key(rng),
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": estate.role_id(name),
                "arn": f"arn:aws:iam::{ACCOUNT}:role/{path}{name}",
                "accountId": ACCOUNT,
                "userName": name,
            },
            "attributes": {"creationDate": seconds(start), "mfaAuthenticated": "false"},
        },
    }


def call(
    rng: Random,
    time: int,
    who: Principal,
    source: str,
    name: str,
    *,
    region: str = HOME,
    read_only: bool = True,
    request: Any = None,
    response: Any = None,
    additional: dict[str, Any] | None = None,
    resources: list[dict[str, str]] | None = None,
    error: tuple[str, str] | None = None,
    kind: str = "AwsApiCall",
    host: str = "",
    customers: tuple[str, ...] = (),
    data: bool = False,
    alike: str = "",
) -> Record:
    """One record; `source` is the service's name before `.amazonaws.com`."""
    identity = uuid4(rng)
    body: dict[str, Any] = {
        "eventVersion": VERSION,
        "userIdentity": who.identity,
        "eventTime": seconds(time),
        "eventSource": f"{source}.amazonaws.com",
        "eventName": name,
        "awsRegion": region,
        "sourceIPAddress": who.address,
        "userAgent": who.agent,
    }
    if error:
        code, body["errorMessage"] = error
        if code:
            body["errorCode"] = code
    body["requestParameters"] = request
    body["responseElements"] = None if error and kind == "AwsApiCall" else response
    if additional:
        body["additionalEventData"] = additional
    body["requestID"] = text(rng, BASE32, 16) if source == "s3" else uuid4(rng)
    body["eventID"] = identity
    body["readOnly"] = read_only
    if resources:
        body["resources"] = resources
    body["eventType"] = kind
    body["managementEvent"] = not data
    body["recipientAccountId"] = ACCOUNT
    if who.is_service:
        body["sharedEventID"] = uuid4(rng)
    body["eventCategory"] = "Data" if data else "Management"
    if not who.is_service:
        body["tlsDetails"] = {
            "tlsVersion": "TLSv1.3",
            "cipherSuite": "TLS_AES_128_GCM_SHA256",
            "clientProvidedHostHeader": host or f"{source}.{region}.amazonaws.com",
        }
    if who.console and kind == "AwsApiCall":
        body["sessionCredentialFromConsole"] = "true"
    shown = () if error else customers
    return Record(time, f"cloudtrail/{region}", identity, body, who.employee_id, shown, alike)


def s3_object(
    rng: Random,
    time: int,
    who: Principal,
    name: str,
    bucket: str,
    key: str = "",
    *,
    size: int = 0,
    region: str = HOME,
    error: tuple[str, str] | None = None,
    alike: str = "",
) -> Record:
    """A data event: GetObject, PutObject, HeadObject, or ListObjects where `key` is the prefix."""
    host = f"{bucket}.s3.{region}.amazonaws.com"
    listing = name == "ListObjects"
    request: dict[str, Any] = {"bucketName": bucket, "Host": host}
    if listing:
        request |= {"list-type": "2", "prefix": key, "encoding-type": "url"}
    else:
        request["key"] = key
    writing = name == "PutObject"
    additional = {
        "SignatureVersion": "SigV4",
        "CipherSuite": "TLS_AES_128_GCM_SHA256",
        "bytesTransferredIn": size if writing else 0,
        "SSEApplied": "Default_SSE_S3",
        "AuthenticationMethod": "AuthHeader",
        "x-amz-id-2": text(rng, BASE32, 40),
        "bytesTransferredOut": 0 if writing or error else size,
    }
    resources = [{"accountId": ACCOUNT, "type": "AWS::S3::Bucket", "ARN": f"arn:aws:s3:::{bucket}"}]
    target = {"ARNPrefix" if listing else "ARN": f"arn:aws:s3:::{bucket}/{key}", "type": "AWS::S3::Object"}
    return call(
        rng,
        time,
        who,
        "s3",
        name,
        region=region,
        read_only=not writing,
        request=request,
        additional=additional,
        resources=[target, *resources],
        error=error,
        host=host,
        customers=() if listing or writing else customers_of(key),
        data=True,
        alike=alike,
    )


def customers_of(key: str) -> tuple[str, ...]:
    """`customers/C-100231/profile.json` shows one."""
    folder, _, rest = key.partition("/")
    return (rest.partition("/")[0],) if folder == "customers" and rest.startswith("C-") else ()


def fault(rng: Random, who: Principal, action: str, resource: str) -> tuple[str, str]:
    """Why a call of ordinary work fails: mostly for want of rights."""
    kind = rng.random()
    if kind < 0.72:
        return denied(who, action, resource)
    if kind < 0.88:
        return "ThrottlingException", "Rate exceeded"
    return "ResourceNotFoundException", "The requested resource was not found"


def denied(who: Principal, action: str, resource: str) -> tuple[str, str]:
    """Error code and message as most services word them."""
    arn = who.identity.get("arn", "")
    why = f"because no identity-based policy allows the {action} action"
    return "AccessDenied", f"User: {arn} is not authorized to perform: {action} on resource: {resource} {why}"


def console_login(rng: Random, time: int, who: Principal, *, mfa: bool = False, failed: bool = False) -> Record:
    """A sign-in to the console; Identity Center checks second factors itself, so its sessions say No."""
    by_role = who.identity["type"] == "AssumedRole"
    if not by_role:  # nothing but who it is: there is no session yet
        identity = {key: value for key, value in who.identity.items() if key not in ("accessKeyId", "sessionContext")}
        who = replace(who, identity=identity)
    return call(
        rng,
        time,
        who,
        "signin",
        "ConsoleLogin",
        region=HOME if by_role else GLOBAL,
        read_only=False,
        response={"ConsoleLogin": "Failure" if failed else "Success"},
        additional={
            "LoginTo": "https://console.aws.amazon.com/console/home",
            "MobileVersion": "No",
            "MFAUsed": "Yes" if mfa else "No",
        },
        error=("", "Failed authentication") if failed else None,
        kind="AwsConsoleSignIn",
        host="signin.aws.amazon.com",
    )


def assume(rng: Random, time: int, who: Principal, target: Principal, *, alike: str = "") -> Record:
    """The call by which `who` gets the session of another role, `target`: its answer names that session's key."""
    session = target.identity["sessionContext"]
    arn = session["sessionIssuer"]["arn"]
    name = target.identity["arn"].rpartition("/")[2]
    request: dict[str, Any] = {"roleArn": arn, "roleSessionName": name, "durationSeconds": 3600}
    response: dict[str, Any] = {
        "credentials": {
            "accessKeyId": target.identity["accessKeyId"],
            "sessionToken": "IQoJb3JpZ2luX2Vj" + text(rng, BASE32, 48),
            "expiration": expiration(time + HOUR),
        },
        "assumedRoleUser": {"assumedRoleId": target.identity["principalId"], "arn": target.identity["arn"]},
    }
    if "sourceIdentity" in session:
        request["sourceIdentity"] = response["sourceIdentity"] = session["sourceIdentity"]
    return call(
        rng,
        time,
        who,
        "sts",
        "AssumeRole",
        request=request,
        response=response,
        resources=[{"accountId": ACCOUNT, "type": "AWS::IAM::Role", "ARN": arn}],
        alike=alike,
    )


def expiration(time: int) -> str:
    """As STS writes it: Mar 31, 2026, 9:15:00 AM."""
    moment = datetime.fromtimestamp(time / 1000, UTC)
    return f"{moment:%b} {moment.day}, {moment.year}, {(moment.hour + 11) % 12 + 1}:{moment:%M:%S %p}"
