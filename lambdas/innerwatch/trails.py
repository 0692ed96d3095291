"""What the keys of CloudTrail's objects say: whose they are, from which region, and when they were delivered.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/get-and-view-cloudtrail-log-files.html
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-validation-digest-file-structure.html
"""

import re
from datetime import UTC, datetime
from typing import NamedTuple

from innerwatch import instants

DIGEST_FOLDER = "CloudTrail-Digest"

KEY = re.compile(
    r"(?P<prefix>(?:.*/)?AWSLogs/(?:o-[a-z0-9]+/)?)(?P<account>\d{12})/"
    r"(?P<folder>CloudTrail(?:-[A-Za-z]+)?)/(?P<region>[a-z0-9-]+)/\d{4}/\d\d/\d\d/"
    r"\d{12}_CloudTrail(?:-[A-Za-z]+)?_(?P<rest>[^/]+)\.json\.gz",
    re.ASCII,
)
LOG_TIME = re.compile(r"_(\d{8}T\d{4})Z_[A-Za-z0-9]+$", re.ASCII)
DIGEST_TIME = re.compile(r"_(\d{8}T\d{6})Z(_backfill)?$", re.ASCII)


class Place(NamedTuple):
    """A CloudTrail object's place. `time` is a log file's minute of delivery, or a digest's end, in milliseconds."""

    prefix: str  # up to the account: `AWSLogs/`, with what the trail puts before it and an organization's id after it
    account: str
    region: str
    folder: str  # CloudTrail, CloudTrail-Insight, …, or CloudTrail-Digest
    time: int


def place(key: str) -> Place | None:
    """The place that a key names, or None for the key of something else."""
    match = KEY.fullmatch(key)
    if match is None:
        return None
    digest = match["folder"] == DIGEST_FOLDER
    stamp = (DIGEST_TIME if digest else LOG_TIME).search(match["rest"])
    if stamp is None:
        return None
    try:
        time = datetime.strptime(stamp[1], "%Y%m%dT%H%M%S" if digest else "%Y%m%dT%H%M").replace(tzinfo=UTC)
    except ValueError:  # digits, but no time
        return None
    return Place(match["prefix"], match["account"], match["region"], match["folder"], instants.of(time))
