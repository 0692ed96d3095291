"""How documents, the ledger and the failed store name an S3 object: `s3://bucket/key?versionId=…`."""

from typing import NamedTuple

SCHEME, VERSION = "s3://", "?versionId="
NO_VERSION = "null"  # what S3 calls the version of an object that was put while the bucket had no versions


class ObjectName(NamedTuple):
    bucket: str
    key: str
    version: str = ""  # empty where the bucket keeps none

    @classmethod
    def of(cls, uri: str) -> "ObjectName":
        """Of a uri that begins with SCHEME."""
        bucket, _, rest = uri.removeprefix(SCHEME).partition("/")
        key, _, version = rest.partition(VERSION)
        return cls(bucket, key, version)

    @property
    def uri(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.key}" + (f"{VERSION}{self.version}" if self.version else "")


def uri(bucket: str, key: str, version: str = "") -> str:
    return ObjectName(bucket, key, version).uri


def version_id(said: str | None) -> str:
    """The version that S3 says an object has; empty for one without."""
    return "" if said is None or said == NO_VERSION else said
