"""CloudFront's standard logs, as W3C extended log files or as JSON.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/standard-logs-reference.html
A W3C record is its file's `#Fields:` line and then its own, as the `w3c` splitter cuts it: the order is the file's.
Cookies are left out, since they let whoever reads them take over the session.
"""

from urllib.parse import unquote

from innerwatch import ids, weblog
from innerwatch.reading import UnfitError, first_object, json_object, present, scalars, set_aside
from innerwatch.values import Actor, Event, Origin, SetAside

DATASET = weblog.DATASET
SPLIT = "w3c"

HEADER = "#Fields:"
# Every CloudFront log has one of these, and no other log in this format does.
OWN = ("x-edge-location", "x-edge-request-id", "x-edge-result-type")


def recognise(record: bytes) -> bool:
    if record.startswith(HEADER.encode()):
        return any(name in weblog.line(record[:4096]).partition("\n")[0].split() for name in OWN)
    return any(name in first_object(record) for name in OWN)


def parse(record: bytes, origin: Origin) -> Event | SetAside:
    try:
        return _event(_entry(record), origin)
    except UnfitError as why:
        return set_aside(record, origin, why)


def _entry(record: bytes) -> dict[str, str]:
    """Field → value, without those that are `-`."""
    if record.lstrip().startswith(b"{"):
        found = scalars(json_object(record))
    else:
        header, _, line = weblog.line(record).partition("\n")
        if not header.startswith(HEADER):
            raise UnfitError("the line comes without the file's #Fields: line; expected both")
        names, words = header.removeprefix(HEADER).split(), line.split("\t")
        if len(names) != len(words):
            raise UnfitError(f"the line has {len(words)} fields, its #Fields: line {len(names)}; expected as many")
        found = dict(zip(names, words, strict=True))
    return {name: value for name, value in found.items() if value not in ("-", "")}


def _event(entry: dict[str, str], origin: Origin) -> Event:
    time = _time(entry)
    domain = entry.get("x-host-header", entry.get("cs(Host)", ""))
    path, query = entry.get("cs-uri-stem", ""), entry.get("cs-uri-query", "")
    port = entry.get("c-port", "")
    request = weblog.Request(
        time=time,
        address=entry.get("c-ip", ""),
        port=weblog.whole(port, "c-port"),
        method=entry.get("cs-method", ""),
        target=f"{path}?{query}" if query else path,
        protocol=entry.get("cs-protocol-version", ""),
        # 000: the client went away before the answer.
        status=weblog.whole(entry.get("sc-status", ""), "sc-status") or None,
        sent=weblog.whole(entry.get("sc-bytes", ""), "sc-bytes"),
        received=weblog.whole(entry.get("cs-bytes", ""), "cs-bytes"),
        scheme=entry.get("cs-protocol", ""),
        domain=domain,
        referrer=unquote(entry.get("cs(Referer)", "")),
        user_agent=unquote(entry.get("cs(User-Agent)", "")),
        id=entry.get("x-edge-request-id", ""),
        tls_protocol=entry.get("ssl-protocol", ""),
        tls_cipher=entry.get("ssl-cipher", ""),
        aws={
            "cloudfront": present(
                {
                    "domain": entry.get("cs(Host)", ""),
                    "edge_location": entry.get("x-edge-location", ""),
                    "edge_result_type": entry.get("x-edge-result-type", ""),
                    "content_type": entry.get("sc-content-type", ""),
                    "forwarded_for": entry.get("x-forwarded-for", ""),
                }
            )
        },
    )
    return Event(ids.of_origin(origin), DATASET, time, Actor(), weblog.document(request), origin)


def _time(entry: dict[str, str]) -> int:
    exact = entry.get("timestamp(ms)", "")
    if exact:
        return weblog.milliseconds(exact, "timestamp(ms)")
    if "date" in entry and "time" in entry:
        return weblog.rfc3339(f"{entry['date']}T{entry['time']}Z")
    seconds = entry.get("timestamp", "")
    if seconds:
        return weblog.milliseconds(seconds, "timestamp", per_second=1)
    raise UnfitError("the record has no time; expected date and time, timestamp(ms) or timestamp")
