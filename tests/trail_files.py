"""A CloudTrail of the tests' own: log files and digest files as AWS delivers them, signed with a generated key.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-custom-validation.html
"""

import base64
import gzip
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from innerwatch import instants

BUCKET, ACCOUNT, REGION, NAME = "example-logs", "123456789012", "eu-central-1", "company"
MINUTE, HOUR = 60_000, 3_600_000


def new_key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


def time(instant: int) -> str:
    return instants.iso(instant)[:19] + "Z"


def stamp(instant: int, form: str = "minute") -> str:
    text = time(instant).replace("-", "").replace(":", "")
    return text if form == "second" else text[:13] + "Z"


@dataclass
class File:
    """An object as it is put into the bucket."""

    key: str
    body: bytes
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass
class CloudTrail:
    """Makes the files of one trail in one region, hour after hour."""

    key: RSAPrivateKey = field(default_factory=new_key)
    name: str = NAME
    previous: dict[str, Any] = field(default_factory=dict)  # what the next digest says of the last one
    made: int = 0

    @property
    def fingerprint(self) -> str:
        return hashlib.md5(self.public_key(), usedforsecurity=False).hexdigest()

    def public_key(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)

    def listed_keys(self) -> dict[str, Any]:
        """As `aws cloudtrail list-public-keys` prints them."""
        value = base64.b64encode(self.public_key()).decode()
        return {"PublicKeyList": [{"Value": value, "Fingerprint": self.fingerprint}]}

    def log_file(self, first: int, last: int, events: int = 10) -> File:
        """Events spread evenly from `first` to `last`, both included; delivered five minutes later."""
        self.made += 1
        step = (last - first) // max(events - 1, 1)
        records = [event(f"{self.made:04d}-{number:04d}", first + number * step) for number in range(events)]
        delivered = last + 5 * MINUTE
        folder = f"AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/{time(delivered)[:10].replace('-', '/')}"
        name = f"{ACCOUNT}_CloudTrail_{REGION}_{stamp(delivered)}_{self.made:016d}.json.gz"
        return File(f"{folder}/{name}", gzip.compress(json.dumps({"Records": records}).encode(), mtime=0))

    def digest(self, start: int, end: int, files: list[tuple[File, int, int]], **changes: Any) -> File:
        """The digest of what was delivered from `start` to `end`: files, each with its first and last event's time."""
        key = self.digest_key(end)
        content = {
            "awsAccountId": ACCOUNT,
            "digestStartTime": time(start),
            "digestEndTime": time(end),
            "digestS3Bucket": BUCKET,
            "digestS3Object": key,
            "digestPublicKeyFingerprint": self.fingerprint,
            "digestSignatureAlgorithm": "SHA256withRSA",
            "newestEventTime": time(max((last for _, _, last in files), default=end)),
            "oldestEventTime": time(min((first for _, first, _ in files), default=start)),
            "previousDigestS3Bucket": self.previous.get("bucket"),
            "previousDigestS3Object": self.previous.get("key"),
            "previousDigestHashValue": self.previous.get("sha256"),
            "previousDigestHashAlgorithm": "SHA-256" if self.previous else None,
            "previousDigestSignature": self.previous.get("signature"),
            "logFiles": [
                {
                    "s3Bucket": BUCKET,
                    "s3Object": file.key,
                    "hashValue": hashlib.sha256(gzip.decompress(file.body)).hexdigest(),
                    "hashAlgorithm": "SHA-256",
                    "newestEventTime": time(last),
                    "oldestEventTime": time(first),
                }
                for file, first, last in files
            ],
        } | changes
        made = self.signed(content)
        self.previous = {
            "bucket": BUCKET,
            "key": made.key,
            "sha256": hashlib.sha256(gzip.decompress(made.body)).hexdigest(),
            "signature": made.metadata["signature"],
        }
        return made

    def signed(self, content: dict[str, Any]) -> File:
        body = json.dumps(content).encode()
        previous = content["previousDigestSignature"] or "null"
        key = content["digestS3Object"]
        text = f"{content['digestEndTime']}\n{BUCKET}/{key}\n{hashlib.sha256(body).hexdigest()}\n{previous}"
        signature = self.key.sign(text.encode(), PKCS1v15(), SHA256()).hex()
        metadata = {"signature": signature, "signature-algorithm": "SHA256withRSA"}
        return File(key, gzip.compress(body, mtime=0), metadata)

    def digest_key(self, end: int) -> str:
        folder = f"AWSLogs/{ACCOUNT}/CloudTrail-Digest/{REGION}/{time(end)[:10].replace('-', '/')}"
        return f"{folder}/{ACCOUNT}_CloudTrail-Digest_{REGION}_{self.name}_{REGION}_{stamp(end, 'second')}.json.gz"


def event(number: str, instant: int) -> dict[str, Any]:
    return {
        "eventVersion": "1.11",
        "eventID": f"00000000-0000-4000-{number[:4]}-00000000{number[5:]}",
        "eventTime": time(instant),
        "eventSource": "s3.amazonaws.com",
        "eventName": "GetObject",
        "awsRegion": REGION,
        "sourceIPAddress": "192.0.2.7",
        "userAgent": "aws-cli/2.0",
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": "AROAEXAMPLE:ana.ruiz",
            "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/AWSReservedSSO_Support_0123456789abcdef/ana.ruiz",
            "accountId": ACCOUNT,
        },
        "eventType": "AwsApiCall",
        "recipientAccountId": ACCOUNT,
    }
