"""The failed store: records that were set aside, with their reason and origin, as NDJSON objects in S3."""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from innerwatch.values import SetAside

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PREFIX = "failed/"


def line(item: SetAside) -> dict[str, Any]:
    """One record as the failed store and the command write it. Bytes that are no UTF-8 are replaced."""
    return {
        "origin": {"uri": item.origin.uri, "position": item.origin.position},
        "reason": item.reason,
        "raw": item.raw.decode("utf-8", "replace"),
    }


class FailedStore:
    """Puts what was set aside under a name made from its content, so that doing it twice stores it once."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        self.s3, self.bucket = s3, bucket

    def keep(self, items: Sequence[SetAside]) -> None:
        body = b"".join(msgspec.json.encode(line(item)) + b"\n" for item in items)
        key = f"{PREFIX}{hashlib.sha256(body).hexdigest()}.ndjson"
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, ContentType="application/x-ndjson")
