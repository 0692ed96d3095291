"""Where the evidence is: S3, CloudTrail's public keys, the ledger and Elasticsearch. Reads, and decides nothing."""

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from botocore.exceptions import BotoCoreError, ClientError
from elasticsearch import Elasticsearch

from innerwatch import elastic, instants, pipeline
from innerwatch.errors import UserError
from innerwatch.intake import decompress
from innerwatch.ledger import Ledger, Line
from innerwatch.splitting import Corrupt
from innerwatch.uris import uri, version_id
from innerwatch.values import Event
from innerwatch_cli.coverage import digests
from innerwatch_cli.coverage.judging import Evidence, Seen, fewer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CHUNK = 256 * 1024
LARGEST_DIGEST = 256 * 2**20  # bytes; one that lists a hundred thousand log files has 40 MB
PATIENCE = 300.0  # seconds to look up the ids of one object
THREADS = 16  # objects that are read at a time
GONE = ("NoSuchKey", "NoSuchVersion", "404")
DAY = 86_400_000


class Object(NamedTuple):
    """An object of a listing."""

    key: str
    modified: int


class Wanted(NamedTuple):
    """An object to gather evidence of; `signed` is the hash in a digest, if one lists the object."""

    key: str
    signed: str | None


class Bucket:
    """Objects of one bucket, page by page."""

    def __init__(self, s3: "S3Client", name: str) -> None:
        self.name, self._s3 = name, s3

    def objects(self, prefix: str) -> Iterator[Object]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        for page in pages:
            for item in page.get("Contents", ()):
                yield Object(item["Key"], instants.of(item["LastModified"]))

    def folders(self, prefix: str) -> Iterator[str]:
        """The prefixes one level below, each with its `/`."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix, Delimiter="/")
        for page in pages:
            for item in page.get("CommonPrefixes", ()):
                yield item["Prefix"]

    def seen(self, wanted: Wanted) -> Seen | None:
        """The object as it is now, its content hashed where a digest signs it; None if it is not there."""
        try:
            if wanted.signed is None:
                head = self._s3.head_object(Bucket=self.name, Key=wanted.key)
                return Seen(head["ETag"].strip('"'), version_id(head.get("VersionId")), "")
            answer = self._s3.get_object(Bucket=self.name, Key=wanted.key)
        except ClientError as error:
            if error.response["Error"]["Code"] in GONE:
                return None
            raise
        hashed = hashlib.sha256()
        body = answer["Body"]
        try:
            with body:
                for chunk in decompress(body.iter_chunks(CHUNK)):
                    hashed.update(chunk)
        except Corrupt:
            return Seen(answer["ETag"].strip('"'), version_id(answer.get("VersionId")), "damaged")
        return Seen(answer["ETag"].strip('"'), version_id(answer.get("VersionId")), hashed.hexdigest())

    def content(self, key: str, version: str = "") -> Iterator[bytes]:
        options: Any = {"VersionId": version} if version else {}
        body = self._s3.get_object(Bucket=self.name, Key=key, **options)["Body"]
        with body:
            yield from body.iter_chunks(CHUNK)

    def digest(self, key: str) -> tuple[bytes, Mapping[str, str]]:
        """A digest file's content, uncompressed, and the object's metadata. Raises InvalidError for what is damaged."""
        answer = self._s3.get_object(Bucket=self.name, Key=key)
        body, content = answer["Body"], bytearray()
        try:
            with body:
                for chunk in decompress(body.iter_chunks(CHUNK)):
                    content += chunk
                    if len(content) > LARGEST_DIGEST:
                        raise digests.InvalidError(f"it is larger than {LARGEST_DIGEST} bytes, as no digest file is")
        except Corrupt as error:
            raise digests.InvalidError(str(error)) from error
        return bytes(content), answer["Metadata"]


class PublicKeys:
    """CloudTrail's public keys by fingerprint: given ones, else those of the region, of about the time of the digest.

    https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_ListPublicKeys.html
    """

    def __init__(self, session: Any, given: Mapping[str, bytes] | None = None) -> None:
        self._session, self._given = session, given
        self._known: dict[str, bytes] = dict(given or {})
        self._asked: set[tuple[str, int]] = set()

    def of(self, content: bytes, regions: Iterable[str], time: int) -> Mapping[str, bytes]:
        """Keys to verify a digest file with that was made about `time`, for a trail that has to do with `regions`."""
        fingerprint = digests.fingerprint_of(content)
        for region in regions:
            day = time - time % DAY
            if self._given is not None or fingerprint in self._known or (region, day) in self._asked:
                continue
            self._asked.add((region, day))
            self._known |= digests.public_keys(list(self._answers(region, day)))
        return self._known

    def _answers(self, region: str, day: int) -> Iterator[Mapping[str, Any]]:
        client = self._session.client("cloudtrail", region_name=region)
        about = [datetime.fromtimestamp((day + offset) / 1000, UTC) for offset in (-DAY, 2 * DAY)]
        yield from client.get_paginator("list_public_keys").paginate(StartTime=about[0], EndTime=about[1])


def given_keys(paths: Sequence[Path]) -> dict[str, bytes] | None:
    """Keys out of files that hold what `aws cloudtrail list-public-keys` prints; None without any file."""
    if not paths:
        return None
    answers = []
    for path in paths:
        try:
            answer = msgspec.json.decode(path.read_bytes(), type=_Keys)
        except (OSError, msgspec.DecodeError, UnicodeError) as error:
            raise UserError(str(error), "expected what `aws cloudtrail list-public-keys` prints", path=path) from error
        answers.append(
            {"PublicKeyList": [{"Fingerprint": it.Fingerprint, "Value": it.Value} for it in answer.PublicKeyList]}
        )
    return digests.public_keys(answers)


class _Key(msgspec.Struct):
    Fingerprint: str
    Value: bytes  # base64 in JSON


class _Keys(msgspec.Struct):
    PublicKeyList: list[_Key]


@dataclass(frozen=True)
class Sources:
    """All places of evidence. Several objects are read at a time, in threads."""

    bucket: Bucket
    keys: PublicKeys
    ledger: Ledger
    es: Elasticsearch
    namespace: str
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(THREADS))

    def gather(self, wanted: Sequence[Wanted]) -> list[Evidence]:
        """The evidence of some objects, in their order. As many as fit into one search: a few hundred."""
        seen = list(self.pool.map(self.bucket.seen, wanted))
        lines = self._lines(wanted, seen)
        counts = self.documents([line.uri for line in lines if line is not None])
        others = list(self.pool.map(lambda want, line: self._others(want, line, counts), wanted, lines))
        return [
            Evidence(it, want.signed, line, other, documents, self._all_found(want.key, line, documents))
            for want, it, line, other in zip(wanted, seen, lines, others, strict=True)
            for documents in (counts.get(line.uri.lower(), 0) if line else 0,)
        ]

    def _lines(self, wanted: Sequence[Wanted], seen: Sequence[Seen | None]) -> list[Line | None]:
        """The ledger's line of the version that S3 has now: by its id, else by its ETag."""
        names = [
            [(uri(self.bucket.name, want.key), version) for version in (it.version, it.etag) if version] if it else []
            for want, it in zip(wanted, seen, strict=True)
        ]
        found = {(line.object, line.version): line for line in self.ledger.lines({n for some in names for n in some})}
        return [next((found[name] for name in some if name in found), None) for some in names]

    def _others(self, want: Wanted, line: Line | None, counts: Mapping[str, int]) -> list[Line]:
        """Lines of other versions: asked for only where they can matter, since each object costs a query."""
        plain = line is not None and line.closed and counts.get(line.uri.lower(), 0) == line.read
        if want.signed is not None and plain:
            return []
        return [it for it in self.ledger.versions(uri(self.bucket.name, want.key)) if it != line]

    def documents(self, uris: Sequence[str]) -> dict[str, int]:
        """How many documents name each uri, by the uri in lower case, as the index holds it."""
        if not uris:
            return {}
        answer = self.es.search(
            index=f"logs-*-{self.namespace}",
            size=0,
            query={"terms": {"log.file.path": list(uris)}},
            aggs={"objects": {"terms": {"field": "log.file.path", "size": len(uris)}}},
            ignore_unavailable=True,
        )
        if answer["_shards"]["failed"]:
            raise elastic.Unavailable("some shards did not answer")
        if "aggregations" not in answer:  # no index matches
            return {}
        return {bucket["key"]: bucket["doc_count"] for bucket in answer["aggregations"]["objects"]["buckets"]}

    def _all_found(self, key: str, line: Line | None, documents: int) -> bool | None:
        """Where duplicates may explain that documents are fewer: whether each record's id is there, by any object."""
        if line is None or not line.closed or not line.duplicate or not fewer(line, documents):
            return None
        deadline = time.monotonic() + PATIENCE
        version = line.version if line.uri.endswith(f"?versionId={line.version}") else ""
        events = (
            item for item in pipeline.read(self.bucket.content(key, version), line.uri) if isinstance(item, Event)
        )
        return all(
            len(elastic.held(self.es, lines, deadline=deadline)) == len(origins)
            for origins, lines in elastic.batches(events, self.namespace)
        )


@contextmanager
def errors(bucket: str) -> Iterator[None]:
    """Turns what can be wrong with AWS during the block into a UserError."""
    try:
        yield
    except ClientError as error:
        what = error.response["Error"]
        raise UserError(
            f"AWS refuses {error.operation_name} (bucket {bucket}): {what.get('Code')}: {what.get('Message', '')}",
            "give these credentials the right to read the bucket, the ledger's table and cloudtrail:ListPublicKeys",
        ) from error
    except BotoCoreError as error:
        raise UserError(
            f"AWS cannot be asked: {error}", "expected credentials and a region, as for the AWS CLI"
        ) from error
