"""What the web servers' logs share: how one HTTP request is written in ECS, and how their lines are read."""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from innerwatch import instants
from innerwatch.reading import UnfitError, caller, is_ip, present

DATASET = "app.access"


class Request(NamedTuple):
    """One request as a log has it. Empty and None: the log does not say."""

    time: int
    address: str = ""  # the client's
    port: int | None = None
    method: str = ""
    target: str = ""  # as the client sent it: a path with its query, or a whole URL
    protocol: str = ""  # HTTP/1.1
    status: int | None = None
    sent: int | None = None  # bytes of the response with its headers
    body: int | None = None  # bytes of the response's body
    received: int | None = None  # bytes of the request
    scheme: str = ""
    domain: str = ""
    referrer: str = ""
    user_agent: str = ""
    id: str = ""
    action: str = ""
    user: dict[str, Any] = {}  # noqa: RUF012 the empty default is never changed
    tls_protocol: str = ""
    tls_cipher: str = ""
    account: str = ""  # AWS account and region, for AWS's own logs
    region: str = ""
    aws: dict[str, Any] = {}  # noqa: RUF012 as above
    start: int | None = None
    end: int | None = None


def document(request: Request) -> dict[str, Any]:
    """The request in ECS, without what the log does not say."""
    source = caller(request.address)
    if request.port is not None:
        source["port"] = request.port
    version = request.protocol.partition("/")[2] if request.protocol.upper().startswith("HTTP/") else ""
    people = [request.user[name] for name in ("id", "name", "email") if name in request.user]
    cloud = present({"account": present({"id": request.account}), "region": request.region})
    return present(
        {
            "@timestamp": instants.iso(request.time),
            "event": present(
                {
                    "kind": "event",
                    "module": "app",
                    "dataset": DATASET,
                    "id": request.id,
                    "action": request.action,
                    "category": ["web"],
                    "type": ["access"],
                    "outcome": outcome(request.status),
                    "start": None if request.start is None else instants.iso(request.start),
                    "end": None if request.end is None else instants.iso(request.end),
                }
            ),
            "source": source,
            "url": url(request),
            "http": present(
                {
                    "request": present(
                        {
                            "method": request.method,
                            "referrer": request.referrer,
                            "bytes": request.received,
                            "id": request.id,
                        }
                    ),
                    "response": present(
                        {
                            "status_code": request.status,
                            "bytes": request.sent,
                            "body": {} if request.body is None else {"bytes": request.body},
                        }
                    ),
                    "version": version,
                }
            ),
            "network": present({"protocol": "http" if request.method else ""}),
            "tls": tls(request),
            "user_agent": present({"original": request.user_agent}),
            "user": request.user,
            "cloud": {"provider": "aws", **cloud} if request.aws or cloud else None,
            "aws": present(request.aws),
            "related": present(
                {
                    "user": list(dict.fromkeys(people)),
                    "ip": [source["ip"]] if "ip" in source else None,
                    "hosts": [request.domain] if request.domain else None,
                }
            ),
        }
    )


def outcome(status: int | None) -> str:
    """As Elastic's own web integrations do: what the server refused or failed to do is a failure."""
    if status is None or not 100 <= status <= 599:
        return "unknown"
    return "success" if status < 400 else "failure"


def url(request: Request) -> dict[str, Any]:
    scheme, domain, port, path, query = request.scheme, request.domain, None, request.target, ""
    try:
        if "://" in request.target:
            parts = urlsplit(request.target)
            scheme, domain = parts.scheme, parts.hostname or domain
            port, path, query = parts.port, parts.path, parts.query
        else:
            path, _, query = request.target.partition("?")
    except ValueError:  # whoever sent it wrote no URL: it stays in url.original
        path = ""
    return present(
        {
            "original": request.target,
            "scheme": scheme,
            "domain": domain,
            "port": port,
            "path": path if path.startswith("/") else "",
            "query": query,
        }
    )


def tls(request: Request) -> dict[str, Any]:
    """ECS splits TLSv1.2 into the protocol and its version."""
    match = TLS.fullmatch(request.tls_protocol)
    return present(
        {
            "cipher": request.tls_cipher,
            "version": match[2] if match else "",
            "version_protocol": match[1].lower() if match else "",
        }
    )


TLS = re.compile(r"(TLS|SSL)v(\d(?:\.\d)?)", re.IGNORECASE | re.ASCII)

# --- Lines -----------------------------------------------------------------------------------------------------------

# Each alternative stops at its own delimiter, so that no line takes time squared to its length.
TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"(?=\s|$)|\[([^\[\]]*)\](?=\s|$)|(\S+)')


def line(record: bytes) -> str:
    """A line's text. Bytes that are no UTF-8 stay visible as \\xhh, as the servers themselves write them."""
    return record.decode("utf-8", "backslashreplace").rstrip("\r\n")


def tokens(text: str) -> list[str]:
    """The words of a line: "in quotes", [in brackets] or bare. `-`, the logs' word for nothing, is the empty text."""
    found = [quoted or bracketed or bare for quoted, bracketed, bare in TOKEN.findall(text)]
    return ["" if word == "-" else word for word in found]


def request_line(text: str) -> tuple[str, str, str]:
    """Method, target and protocol of `GET /path HTTP/1.1`. A target may hold spaces; what is none is all target."""
    method, _, rest = text.partition(" ")
    target, _, protocol = rest.rpartition(" ")
    if protocol.upper().startswith("HTTP/") and method.isalpha():
        return method, target, protocol
    if METHOD_AND_TARGET.fullmatch(text):  # HTTP/0.9 has no protocol
        return method, rest, ""
    return "", text, ""


METHOD_AND_TARGET = re.compile(r"[A-Z]+ \S+")

CLF_TIME = re.compile(r"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)", re.ASCII)
MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1
    )
}


def clf_time(text: str) -> int:
    """Milliseconds of a Common Log Format time, 10/Oct/2000:13:55:36 -0700; English months whatever the locale."""
    match = CLF_TIME.fullmatch(text)
    if match is None or match[2] not in MONTHS:
        raise UnfitError(f"the time is {text[:80]!r}; expected one such as 10/Oct/2000:13:55:36 -0700")
    day, _, year, hour, minute, second, sign, hours, minutes = match.groups()
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    try:
        zone = timezone(-offset if sign == "-" else offset) if offset else UTC
        return instants.of(
            datetime(int(year), MONTHS[match[2]], int(day), int(hour), int(minute), int(second), tzinfo=zone)
        )
    except ValueError as error:
        raise UnfitError(f"the time {text!r} does not exist: {error}; expected a real one") from error


def rfc3339(text: str) -> int:
    try:
        return instants.from_rfc3339(text)
    except ValueError as error:
        raise UnfitError(f"the time {error}") from error


def milliseconds(text: str, name: str, per_second: int = 1000) -> int:
    """An instant that is written as a number of milliseconds, or of seconds, since 1970."""
    value = whole(text, name)
    if value is None or value // per_second >= YEAR_10000:
        raise UnfitError(f"{name} is {text[:80]!r}; expected the time as a number since 1970")
    return value * 1000 // per_second


YEAR_10000 = 253_402_300_800  # seconds; no document can hold it


def whole(text: str, name: str) -> int | None:
    """A count of a log's line; the empty text is None."""
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise UnfitError(f"{name} is {text[:80]!r}; expected a whole number or -")
    return int(text)


def host_port(text: str) -> tuple[str, int | None]:
    """Address and port of 192.0.2.1:443, [2001:db8::1]:443 or 2001:db8::1; of anything else the text as it is."""
    if not text or is_ip(text):
        return text, None
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if is_ip(host) and port.isascii() and port.isdigit() and int(port) < 65536:
        return host, int(port)
    return text, None
