"""Who calls, as AWS itself says it: the caller signs a request to STS, and the function has STS answer it.

What an event says of its caller, anybody may write who may invoke the function. A signature by somebody's credentials
only they can make, and it covers a hash of what is asked and of which function: it serves for nothing else. STS refuses
it after some minutes. Vault and EKS know their callers in the same way.
https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import json
import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import botocore.session
from botocore import UNSIGNED
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from botocore.credentials import Credentials

BODY = b"Action=GetCallerIdentity&Version=2011-06-15"
CONTENT_TYPE = "application/x-www-form-urlencoded; charset=utf-8"
BOUND = "X-Innerwatch-Ask"  # the header that ties a signature to what is asked
REFUSED = frozenset({401, 403})  # what STS answers to a signature that is not good, or not any more
UNSIGNED_CONFIG = Config(
    signature_version=UNSIGNED, connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 3}
)

# The function sends these to STS and nothing else of the caller's: no URL, no body, no other header.
SIGNATURE = re.compile(
    r"AWS4-HMAC-SHA256 Credential=[A-Z0-9]{16,128}/\d{8}/[a-z0-9-]+/sts/aws4_request, "
    r"SignedHeaders=content-type;host;x-amz-date;(x-amz-security-token;)?x-innerwatch-ask, Signature=[0-9a-f]{64}",
    re.ASCII,
)
DATE = re.compile(r"\d{8}T\d{6}Z", re.ASCII)
TOKEN = re.compile(r"[\x21-\x7e]{0,8192}", re.ASCII)


class Unproven(Exception):
    """AWS does not vouch for the caller."""


class Caller(NamedTuple):
    arn: str  # arn:aws:sts::123456789012:assumed-role/ROLE/SESSION, arn:aws:iam::123456789012:user/NAME, …
    user_id: str  # AROA…:SESSION, AIDA…
    account: str
    call: str  # hash of the signature: another one for every call


def prove(ask: Mapping[str, Any], function: str, credentials: "Credentials", region: str) -> dict[str, str]:
    """What a caller adds to `ask` so that the function (its ARN) knows who they are; holds no secret key."""
    request = AWSRequest("POST", f"{_sts(region).meta.endpoint_url.rstrip('/')}/", data=BODY)
    request.headers["Content-Type"] = CONTENT_TYPE
    request.headers[BOUND] = bound(ask, function)
    frozen = credentials.get_frozen_credentials()
    SigV4Auth(frozen, "sts", region).add_auth(request)
    return {
        "signature": request.headers["Authorization"],
        "date": request.headers["X-Amz-Date"],
        "token": frozen.token or "",
    }


def proven(ask: Mapping[str, Any], proof: Any, function: str, region: str) -> Caller:
    """Who signed. Raises Unproven where AWS does not say so, and botocore's errors where STS cannot be asked."""
    signature, date, token = _parts(proof)

    def sign(request: Any, **_: Any) -> None:
        request.headers["Authorization"] = signature
        request.headers["X-Amz-Date"] = date
        request.headers["Content-Type"] = CONTENT_TYPE
        request.headers[BOUND] = bound(ask, function)
        if token:
            request.headers["X-Amz-Security-Token"] = token

    sts = _sts(region)
    sts.meta.events.register("request-created.sts.GetCallerIdentity", sign)
    try:
        said = sts.get_caller_identity()
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] in REFUSED:
            raise Unproven(error.response["Error"]["Code"]) from error
        raise
    return Caller(said["Arn"], said["UserId"], said["Account"], hashlib.sha256(signature.encode()).hexdigest())


def bound(ask: Mapping[str, Any], function: str) -> str:
    """The hash of what is asked of which function (its ARN, without a version)."""
    text = json.dumps([":".join(function.split(":")[:7]), ask], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _parts(proof: Any) -> tuple[str, str, str]:
    kinds = {"signature": SIGNATURE, "date": DATE, "token": TOKEN}
    if not isinstance(proof, dict) or proof.keys() != kinds.keys():
        raise Unproven("no proof")
    for name, kind in kinds.items():
        if not isinstance(proof[name], str) or not kind.fullmatch(proof[name]):
            raise Unproven(f"the proof's {name} is not well-formed")
    return proof["signature"], proof["date"], proof["token"]


def _sts(region: str) -> Any:
    """A client of the region's own STS that adds no signature itself."""
    return _session().create_client("sts", region_name=region, config=UNSIGNED_CONFIG)


@cache
def _session() -> botocore.session.Session:
    """Keeps what a client is made from: each call has a client of its own, to which its signature belongs."""
    session = botocore.session.get_session()
    session.set_config_variable("sts_regional_endpoints", "regional")
    return session
