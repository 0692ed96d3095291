"""Access logs of API Gateway: JSON with the names that AWS's own examples give the $context variables, and CLF.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-variables-for-access-logging.html
Whoever sets up the log chooses its format: any other one is a matter for a mapping (docs/access-log.md).
"""

import re

from innerwatch import ids, principals, weblog
from innerwatch.reading import UnfitError, account, first_object, json_object, present, scalars, set_aside
from innerwatch.values import Actor, Event, Evidence, Origin, SetAside

DATASET = weblog.DATASET
SPLIT = "lines"

# ip caller user [time] "request" status bytes request-id: the id at the end is what no other server's log has.
CLF = re.compile(
    r'(\S+) (\S+) ([^"]+) \[([^\[\]"]+)\] "((?:[^"\\]|\\.)*)" (\d{3}|-) (\d+|-) ([0-9A-Za-z_=+/-]{8,64})', re.ASCII
)
NAMES = ("ip", "caller", "user", "requestTime", "request", "status", "responseLength", "requestId")


def recognise(record: bytes) -> bool:
    entry = first_object(record)
    if entry:
        return (
            "requestId" in entry
            and ("requestTime" in entry or "requestTimeEpoch" in entry)
            and ("httpMethod" in entry or "routeKey" in entry)
        )
    return CLF.fullmatch(weblog.line(record)) is not None


def parse(record: bytes, origin: Origin) -> Event | SetAside:
    try:
        return _event(_entry(record), origin)
    except UnfitError as why:
        return set_aside(record, origin, why)


def _entry(record: bytes) -> dict[str, str]:
    """Variable → value, without those that are `-`, which is how API Gateway writes what it does not know."""
    if record.lstrip().startswith(b"{"):
        found = scalars(json_object(record))
    else:
        match = CLF.fullmatch(weblog.line(record))
        if match is None:
            raise UnfitError('the line is no CLF; expected ip caller user [time] "request" status bytes request-id')
        found = dict(zip(NAMES, match.groups(), strict=True))
        found["httpMethod"], found["path"], found["protocol"] = weblog.request_line(found["request"])
    return {name: value for name, value in found.items() if value not in ("-", "")}


def _event(entry: dict[str, str], origin: Origin) -> Event:
    time = _time(entry)
    method, path = entry.get("httpMethod", ""), entry.get("path", entry.get("resourcePath", ""))
    route = entry.get("routeKey", "")  # "GET /customers/{id}" of an HTTP API, "$connect" of a WebSocket API
    if not method and not path:
        method, path, _ = weblog.request_line(route)
        path = "" if not method else path
    arn = entry.get("userArn", "")
    user = present(
        {
            "id": arn or entry.get("user", entry.get("caller", entry.get("principalId", entry.get("sub", "")))),
            "name": entry.get("username", principals.user(arn).get("name", "")),
            "email": entry.get("email", ""),
        }
    )
    request = weblog.Request(
        time=time,
        address=entry.get("ip", entry.get("sourceIp", "")),
        method=method,
        target=path,
        protocol=entry.get("protocol", ""),
        status=weblog.whole(entry.get("status", ""), "status"),
        body=weblog.whole(entry.get("responseLength", ""), "responseLength"),
        domain=entry.get("domainName", ""),
        user_agent=entry.get("userAgent", ""),
        id=entry.get("requestId", ""),
        action=route or (f"{method} {entry['resourcePath']}" if method and "resourcePath" in entry else ""),
        user=user,
        account=entry.get("accountId", ""),
        aws={
            "apigateway": present(
                {
                    "api_id": entry.get("apiId", ""),
                    "stage": entry.get("stage", ""),
                    "resource_path": entry.get("resourcePath", ""),
                    "extended_request_id": entry.get("extendedRequestId", ""),
                }
            )
        },
    )
    # The client can choose the request's id (x-amzn-requestid), and so must not choose the document's: a repeated id
    # would pass for a duplicate.
    return Event(ids.of_origin(origin), DATASET, time, _actor(entry, arn), weblog.document(request), origin)


def _time(entry: dict[str, str]) -> int:
    if "requestTimeEpoch" in entry:
        return weblog.milliseconds(entry["requestTimeEpoch"], "requestTimeEpoch")
    if "requestTime" in entry:
        return weblog.clf_time(entry["requestTime"])
    raise UnfitError("the record has no time; expected requestTime or requestTimeEpoch")


def _actor(entry: dict[str, str], arn: str) -> Actor:
    """IAM authorisation names a principal; an authoriser names whom it let in, by what the log calls the claims."""
    if arn:
        return principals.actor(arn)
    claims = (entry.get("email"), entry.get("username", entry.get("principalId")))
    return Actor(tuple(Evidence("remote_user", account(name)) for name in dict.fromkeys(claims) if name))
