"""Server access logs of S3 buckets: https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html

AWS adds fields at the end of a line; more of them than we know is no error, and old lines have fewer.
"""

import re

from innerwatch import ids, principals, weblog
from innerwatch.reading import UnfitError, present, set_aside
from innerwatch.values import Event, Origin, SetAside

DATASET = weblog.DATASET
SPLIT = "lines"

KNOWN = re.compile(r"(?:[0-9a-f]{64}|-) \S+ \[\d\d/[A-Z][a-z]{2}/\d{4}:[^\]]+\] \S+ \S+ \S+ \S+\.\S+ ", re.ASCII)
FIELDS = [
    "bucket_owner",
    "bucket",
    "time",
    "remote_ip",
    "requester",
    "request_id",
    "operation",
    "key",
    "request_uri",
    "http_status",
    "error_code",
    "bytes_sent",
    "object_size",
    "total_time",
    "turn_around_time",
    "referrer",
    "user_agent",
    "version_id",
    "host_id",
    "signature_version",
    "cipher_suite",
    "authentication_type",
    "host_header",
    "tls_version",
    "access_point_arn",
    "acl_required",
    "source_region",
]
NEEDED = FIELDS.index("user_agent") + 1
KEPT = [
    "bucket",
    "bucket_owner",
    "key",
    "error_code",
    "version_id",
    "authentication_type",
    "signature_version",
    "access_point_arn",
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
    if KNOWN.match(text) is None or len(words) < NEEDED:
        raise UnfitError(
            f"the line has {len(words)} fields; expected an S3 server access log's, with at least {NEEDED}"
        )
    entry = {**dict.fromkeys(FIELDS, ""), **dict(zip(FIELDS, words, strict=False))}
    time = weblog.clf_time(entry["time"])
    method, target, protocol = weblog.request_line(entry["request_uri"])
    requester = entry["requester"]
    request = weblog.Request(
        time=time,
        address=entry["remote_ip"],
        method=method,
        target=target,
        protocol=protocol,
        status=weblog.whole(entry["http_status"], "HTTP status"),
        body=weblog.whole(entry["bytes_sent"], "bytes sent"),
        domain=entry["host_header"],
        referrer=entry["referrer"],
        user_agent=entry["user_agent"],
        id=entry["request_id"],
        action=entry["operation"],
        user=principals.user(requester),
        tls_protocol=entry["tls_version"],
        tls_cipher=entry["cipher_suite"],
        region=entry["source_region"],
        aws={
            "s3access": present(
                {
                    **{name: entry[name] for name in KEPT},
                    "requester": requester,
                    "object_size": weblog.whole(entry["object_size"], "object size"),
                }
            )
        },
    )
    # One request can have several lines (BATCH.DELETE.OBJECT), so its id does not make the document's.
    return Event(ids.of_origin(origin), DATASET, time, principals.actor(requester), weblog.document(request), origin)
