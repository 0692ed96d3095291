"""What an AWS principal's ARN alone says about who acted: for logs that hold no more than that.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
"""

import re
from typing import Any

from innerwatch.reading import account
from innerwatch.values import Actor, Evidence

ARN = re.compile(r"arn:[\w-]+:(iam|sts)::(\d{12}):(.+)", re.ASCII)
INSTANCE = re.compile(r"m?i-[0-9a-f]{8,17}", re.ASCII)


def actor(arn: str) -> Actor:
    match = ARN.fullmatch(arn)
    if match is None:
        service = arn.removeprefix("svc:")
        return Actor(no_person=f"AWS service {service}") if service != arn or arn == "AmazonS3" else Actor()
    _, owner, resource = match.groups()
    kind, _, name = resource.partition("/")
    if resource == "root":
        return Actor(no_person=f"root of account {owner}")
    if kind == "user":
        return Actor((Evidence("iam_user", f"iam_user:{owner}:{resource}".lower()),))
    if kind in ("assumed-role", "federated-user") and name:
        role, _, session = name.rpartition("/")
        if INSTANCE.fullmatch(session):
            return Actor(no_person=f"instance {session}")
        method = "sso_session" if role.startswith("AWSReservedSSO_") else "session_name"
        return Actor((Evidence(method, account(session)),))
    return Actor()


def user(arn: str) -> dict[str, Any]:
    """ECS `user.*` of a principal: its id, and the name that its ARN ends in."""
    if not arn:
        return {}
    match = ARN.fullmatch(arn)
    return {"id": arn, "name": match[3].rpartition("/")[2]} if match else {"id": arn}
