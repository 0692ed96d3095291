"""Access logs of nginx and Apache, in the combined or the common format, also after the virtual host.

https://nginx.org/en/docs/http/ngx_http_log_module.html, https://httpd.apache.org/docs/2.4/logs.html#combined
Both escape a quote inside a value, so no client can forge what stands outside its own value.
"""

import re

from innerwatch import ids, weblog
from innerwatch.reading import UnfitError, account, present, set_aside
from innerwatch.values import Actor, Event, Evidence, Origin, SetAside

DATASET = weblog.DATASET
SPLIT = "lines"

QUOTED = r'"((?:[^"\\]|\\.)*)"'
# A user's name may hold spaces and brackets, but no quote: the last [time] before the first quote is the time.
# Before them Apache's `vhost_combined` has the server's name and port, which no client's host has.
KNOWN = re.compile(
    r'(?:([^\s:]+):\d+ )?(\S+) (\S+) ([^"]+) \[([^\[\]"]+)\] '
    rf"{QUOTED} (\d{{3}}|-) (\d+|-)(?: {QUOTED} {QUOTED}(?: .*)?)?"
)
UNAUTHORISED = 401


def recognise(record: bytes) -> bool:
    return KNOWN.fullmatch(weblog.line(record)) is not None


def parse(record: bytes, origin: Origin) -> Event | SetAside:
    try:
        return _event(weblog.line(record), origin)
    except UnfitError as why:
        return set_aside(record, origin, why)


def _event(text: str, origin: Origin) -> Event:
    match = KNOWN.fullmatch(text)
    if match is None:
        raise UnfitError(
            'the line is in neither format; expected host ident user [time] "request" status bytes "referer" "agent"'
        )
    server, host, _, user, moment, line, status, sent, referrer, agent = (
        "" if part in (None, "-") else part for part in match.groups()
    )
    time = weblog.clf_time(moment)
    code = weblog.whole(status, "status")
    # The server logs the name also when the password was wrong: then it proves nothing, and may itself be a password.
    name = "" if code == UNAUTHORISED else user
    method, target, protocol = weblog.request_line(line)
    request = weblog.Request(
        time=time,
        address=host,
        domain=server,
        method=method,
        target=target,
        protocol=protocol,
        status=code,
        body=weblog.whole(sent, "bytes"),
        referrer=referrer,
        user_agent=agent,
        user=present({"name": name}),
    )
    return Event(ids.of_origin(origin), DATASET, time, _actor(name), weblog.document(request), origin)


def _actor(name: str) -> Actor:
    if not name:
        return Actor()
    return Actor((Evidence("remote_user", account(name)),))
