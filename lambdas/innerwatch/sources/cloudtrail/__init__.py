"""AWS CloudTrail: management, data, Insights and network activity events as documents of Elastic's AWS integration.

Beside that integration's fields, a document keeps what it drops: Identity Center's `onBehalfOf`, `sourceIdentity`,
`inScopeOf`, web identities, and every field that AWS has added since, below `aws.cloudtrail.flattened.other`.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference.html
https://www.elastic.co/docs/reference/integrations/aws/cloudtrail
"""

import re

from innerwatch import ids, reading
from innerwatch.reading import UnfitError, set_aside
from innerwatch.sources.cloudtrail import document, limits, signin
from innerwatch.sources.cloudtrail.identity import NOBODY, caller
from innerwatch.sources.cloudtrail.record import read
from innerwatch.sources.cloudtrail.times import instant
from innerwatch.values import Event, Origin, SetAside

DATASET = "aws.cloudtrail"
SPLIT = "json"

DIGEST = re.compile(rb'"digestPublicKeyFingerprint"|"digestS3Object"|"digestSignatureAlgorithm"')


def recognise(record: bytes) -> bool:
    entry = {name.lower() for name in reading.first_object(record)}
    return "eventversion" in entry and ("eventsource" in entry or "eventtype" in entry)


def is_digest(record: bytes) -> bool:
    """Whether it is a digest file, which only proves that the log files are whole: nothing to index.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-validation-digest-file-structure.html
    """
    return DIGEST.search(record) is not None and "digestS3Object" in reading.first_object(record)


def parse(record: bytes, origin: Origin) -> Event | SetAside:
    try:
        entry, other = read(record)
        if not entry.event_time:
            raise UnfitError("the record has no eventTime; expected such as 2026-03-31T09:15:00Z")
        time, timestamp = _instant(entry.event_time)
        who = caller(bytes(entry.user_identity)) if entry.user_identity else NOBODY
        outcome = signin.outcome(entry)
        if outcome == "failure" and entry.event_source == signin.SERVICE:
            who = signin.without_mistyped_name(entry, other, who)
        found = document.build(entry, who, outcome, other)
        # Most records are short and have no backslash at all, which is seen faster than that the escape is not there.
        if b"\\" in record or len(record) > limits.LONGEST_PATH:
            limits.check(record, found)
    except UnfitError as why:
        return set_aside(record, origin, why)
    found["@timestamp"] = timestamp
    own_id = entry.event_id or ""
    if not own_id or len(own_id.encode()) > ids.MAX_BYTES:
        own_id = ids.of_content(origin, record)
    return Event(own_id, DATASET, time, who.actor, found, origin)


def _instant(text: str) -> tuple[int, str]:
    try:
        return instant(text)
    except ValueError as why:
        raise UnfitError(f"eventTime: {why}") from why
