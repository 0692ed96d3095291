"""CloudTrail's digest files: what they list, whether CloudTrail signed them, and whether each follows the last. Pure.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-validation-digest-file-structure.html
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-custom-validation.html
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from innerwatch import instants

ALGORITHM = "SHA256withRSA"


class InvalidError(ValueError):
    """The file is no digest that CloudTrail signed: its text says why."""


class LogFile(NamedTuple):
    """A log file as a digest lists it; the hash is of its content, uncompressed."""

    bucket: str
    key: str
    sha256: str
    times: tuple[int, int] | None  # first and last event, in milliseconds


class _LogFile(msgspec.Struct, rename="camel"):
    s3_bucket: str
    s3_object: str
    hash_value: str
    oldest_event_time: str | None = None
    newest_event_time: str | None = None


class _Content(msgspec.Struct, rename="camel"):
    digest_start_time: str
    digest_end_time: str
    digest_s3_bucket: str
    digest_s3_object: str
    digest_public_key_fingerprint: str
    previous_digest_s3_bucket: str | None = None
    previous_digest_s3_object: str | None = None
    previous_digest_hash_value: str | None = None
    previous_digest_signature: str | None = None
    log_files: tuple[_LogFile, ...] = ()


class Link(NamedTuple):
    """A digest file as the next one must name it; `signature` in hexadecimal, `sha256` of the content, uncompressed."""

    bucket: str
    key: str
    sha256: str
    signature: str


class Digest(NamedTuple):
    """A digest file that CloudTrail signed: it lists what was delivered from `start` to `end` (milliseconds)."""

    start: int
    end: int
    link: Link
    previous: Link | None  # None: the first of its chain
    log_files: tuple[LogFile, ...]


def read(
    bucket: str, key: str, content: bytes, metadata: Mapping[str, str], public_keys: Mapping[str, bytes]
) -> Digest:
    """The digest in `content`, uncompressed, found at bucket and key.

    `metadata` is the object's, its names without `x-amz-meta-`; `public_keys` are CloudTrail's, in DER, by fingerprint.
    Raises InvalidError for what CloudTrail did not sign so.
    """
    try:
        found = msgspec.json.decode(content, type=_Content)
        start, end = instants.from_rfc3339(found.digest_start_time), instants.from_rfc3339(found.digest_end_time)
        log_files = tuple(_listed(it) for it in found.log_files)
    except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
        raise InvalidError(f"it is no digest file: {error}") from error
    if (found.digest_s3_bucket, found.digest_s3_object) != (bucket, key):
        raise InvalidError(f"it was moved here from s3://{found.digest_s3_bucket}/{found.digest_s3_object}")
    fingerprint = found.digest_public_key_fingerprint
    if fingerprint not in public_keys:
        raise InvalidError(f"CloudTrail has no public key with its fingerprint {fingerprint}")
    if metadata.get("signature-algorithm", ALGORITHM) != ALGORITHM or not metadata.get("signature"):
        raise InvalidError(f"it has no {ALGORITHM} signature in its metadata")
    link = Link(bucket, key, hashlib.sha256(content).hexdigest(), metadata["signature"].lower())
    signed = f"{found.digest_end_time}\n{bucket}/{key}\n{link.sha256}\n{found.previous_digest_signature or 'null'}"
    _verify(public_keys[fingerprint], link.signature, signed.encode())
    previous = None
    if found.previous_digest_s3_bucket and found.previous_digest_s3_object:
        previous = Link(
            found.previous_digest_s3_bucket,
            found.previous_digest_s3_object,
            (found.previous_digest_hash_value or "").lower(),
            (found.previous_digest_signature or "").lower(),
        )
    return Digest(start, end, link, previous, log_files)


def _listed(it: _LogFile) -> LogFile:
    times = None
    if it.oldest_event_time and it.newest_event_time:
        times = instants.from_rfc3339(it.oldest_event_time), instants.from_rfc3339(it.newest_event_time)
    return LogFile(it.s3_bucket, it.s3_object, it.hash_value.lower(), times)


def fingerprint_of(content: bytes) -> str:
    """The fingerprint of the key that a digest says it was signed with; empty where it says none."""
    try:
        return msgspec.json.decode(content, type=_Content).digest_public_key_fingerprint
    except (ValueError, RecursionError):
        return ""


def said_to_list(content: bytes) -> dict[str, str]:
    """Key → SHA-256 as a digest lists it, whoever wrote it; nothing, where it is no digest."""
    try:
        return {it.s3_object: it.hash_value.lower() for it in msgspec.json.decode(content, type=_Content).log_files}
    except (ValueError, RecursionError):
        return {}


def _verify(public_key: bytes, signature: str, signed: bytes) -> None:
    """RSASSA-PKCS1-v1_5 with SHA-256; CloudTrail's public keys are PKCS #1 in DER."""
    try:
        key = load_der_public_key(public_key)
        if not isinstance(key, RSAPublicKey):
            raise InvalidError("its public key is no RSA key")
        key.verify(bytes.fromhex(signature), signed, PKCS1v15(), SHA256())
    except InvalidSignature as error:
        raise InvalidError("its signature is not CloudTrail's") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidError(f"its signature cannot be verified: {error}") from error


def contradicts(earlier: Digest, later: Digest) -> bool:
    """Whether the later digest names another one before it, or this one with another hash or signature.

    The first of a new chain names none.
    """
    return later.previous is not None and later.previous != earlier.link


def public_keys(answers: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
    """Keys by fingerprint out of answers of CloudTrail's ListPublicKeys."""
    return {key["Fingerprint"]: key["Value"] for answer in answers for key in answer["PublicKeyList"]}
