"""Access logs of Application Load Balancers.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html
AWS adds fields at the end of a line; more of them than we know is no error.
"""

import re

from innerwatch import ids, weblog
from innerwatch.reading import UnfitError, present, set_aside
from innerwatch.values import Actor, Event, Origin, SetAside

DATASET = weblog.DATASET
SPLIT = "lines"

KNOWN = re.compile(r"(?:https?|h2|grpcs|wss?) \d{4}-\d\d-\d\dT\S+Z app/\S+ \S+ \S+ ")
FIELDS = [
    "type",
    "time",
    "elb",
    "client",
    "target",
    "request_time",
    "target_time",
    "response_time",
    "elb_status",
    "target_status",
    "received",
    "sent",
    "request",
    "user_agent",
    "cipher",
    "protocol",
    "target_group",
    "trace_id",
    "domain",
    "certificate",
    "rule",
    "created",
    "actions",
    "redirect",
    "error",
]


def recognise(record: bytes) -> bool:
    return KNOWN.match(weblog.line(record[:4096])) is not None


def parse(record: bytes, origin: Origin) -> Event | SetAside:
    try:
        return _event(weblog.line(record), origin)
    except UnfitError as why:
        return set_aside(record, origin, why)


def _event(text: str, origin: Origin) -> Event:
    words = weblog.tokens(text)
    if KNOWN.match(text) is None or len(words) < len(FIELDS):
        raise UnfitError(
            f"the line has {len(words)} fields; expected an Application Load Balancer's, with at least {len(FIELDS)}"
        )
    entry = dict(zip(FIELDS, words, strict=False))
    # When the answer went out: the only time that every line has.
    time = weblog.rfc3339(entry["time"])
    address, port = weblog.host_port(entry["client"])
    target, target_port = weblog.host_port(entry["target"])
    method, location, protocol = weblog.request_line(entry["request"])
    arn = entry["target_group"].split(":")
    request = weblog.Request(
        time=time,
        address=address,
        port=port,
        method=method,
        target=location,
        protocol=protocol,
        status=weblog.whole(entry["elb_status"], "elb_status_code"),
        sent=weblog.whole(entry["sent"], "sent_bytes"),
        received=weblog.whole(entry["received"], "received_bytes"),
        domain=entry["domain"],
        user_agent=entry["user_agent"],
        tls_protocol=entry["protocol"],
        tls_cipher=entry["cipher"],
        region=arn[3] if len(arn) > 4 else "",
        account=arn[4] if len(arn) > 4 else "",
        start=weblog.rfc3339(entry["created"]) if entry["created"] else None,
        end=time,
        aws={
            "elb": present(
                {
                    "name": entry["elb"],
                    "type": entry["type"],
                    "trace_id": entry["trace_id"],
                    "action_executed": entry["actions"],
                    "backend": present({"ip": target, "port": target_port}),
                    "target_group": present({"arn": entry["target_group"]}),
                    "error": present({"reason": entry["error"]}),
                }
            )
        },
    )
    # A load balancer sees requests, not people.
    return Event(ids.of_origin(origin), DATASET, time, Actor(), weblog.document(request), origin)
