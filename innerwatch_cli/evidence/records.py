"""Raw records, read once more from the object, version and position that their documents name."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError

from innerwatch import pipeline
from innerwatch.customers import CustomerObjects
from innerwatch.errors import UserError
from innerwatch.intake import decompress
from innerwatch.sources.mapped import Mapping as LogMapping
from innerwatch.splitting import Corrupt
from innerwatch.uris import SCHEME, ObjectName
from innerwatch.values import Event, Origin, SetAside
from innerwatch_cli import files
from innerwatch_cli.coverage.evidence import CHUNK, errors

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# What S3 answers for a version that was deleted; 405 is a delete marker's.
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
GONE = {
    "NoSuchKey": "the object is not in the bucket any more",
    "NoSuchVersion": "this version of the object is not in the bucket any more",
    "MethodNotAllowed": "the object was deleted",
}


class Wanted(NamedTuple):
    """Records of one place: by position, and by the ids of the events that are sought there."""

    uri: str
    positions: frozenset[int]
    ids: frozenset[str]


class Reading(NamedTuple):
    """An object or file as it is now. `records` are those that were wanted, by position.

    `sha256` is of its bytes, `content_sha256` of its content, uncompressed, as digest files have it.
    """

    gone: str = ""  # why it could not be read
    kept: bool = True  # whether it was ever anywhere that keeps it: not so for a stream
    damage: str = ""  # why its content ends before its end
    copy: bool = False  # read from a copy, or a file, in place of the bucket
    etag: str = ""
    sha256: str = ""
    content_sha256: str = ""
    records: Mapping[int, Event | SetAside] = {}
    moved: Mapping[str, int] = {}  # event's id → the position at which it is found
    customers: bool = False  # whether these records' customers were found in the names of their objects


class Reader:
    """Reads places again: objects of S3, or of folders that hold a copy of the buckets, and local files."""

    def __init__(
        self,
        s3: "S3Client | None",
        copies: Sequence[Path] = (),
        mappings: Sequence[LogMapping] = (),
        customers: CustomerObjects | None = None,
    ) -> None:
        self._s3, self._copies, self._mappings, self._customers = s3, copies, mappings, customers

    def read(self, wanted: Wanted) -> Reading:
        """Raises UserError where AWS refuses, or cannot be asked."""
        if not wanted.uri:
            return Reading(gone="it has no raw record", kept=False)
        if Origin(wanted.uri, 1).of_stream:
            return Reading(gone="a log stream delivered it, which keeps nothing to read again", kept=False)
        if not wanted.uri.startswith(SCHEME):
            return self._file(Path(wanted.uri), wanted)
        stored = ObjectName.of(wanted.uri)
        if self._copies:
            path = next((it for folder in self._copies if (it := copied(folder, stored.key))), None)
            return self._file(path, wanted) if path else Reading(gone="no copy of it is in the folders given")
        return self._object(stored, wanted)

    def _file(self, path: Path, wanted: Wanted) -> Reading:
        if not is_file(path):
            return Reading(gone="there is no such file here", copy=True)
        return self._records(files.chunks(path), wanted)._replace(copy=True)

    def _object(self, stored: ObjectName, wanted: Wanted) -> Reading:
        assert self._s3 is not None, "objects of S3 are asked for with a client"  # noqa: S101 the caller's contract
        with errors(stored.bucket), ExitStack() as stack:
            try:
                version: Any = {"VersionId": stored.version} if stored.version else {}
                answer = self._s3.get_object(Bucket=stored.bucket, Key=stored.key, **version)
            except ClientError as error:
                code = error.response["Error"]["Code"]
                if code not in GONE:
                    raise
                return Reading(gone=GONE[code])
            body = answer["Body"]
            stack.enter_context(body)
            read = self._records(body.iter_chunks(CHUNK), wanted)
            return read._replace(etag=answer["ETag"].strip('"'))

    def _records(self, chunks: Iterator[bytes], wanted: Wanted) -> Reading:
        stored, content = hashlib.sha256(), hashlib.sha256()
        damage: list[str] = []

        def uncompressed() -> Iterator[bytes]:
            try:
                for block in decompress(_hashed(chunks, stored)):
                    content.update(block)
                    yield block
            except Corrupt as why:
                damage.append(str(why))
                raise

        blocks = uncompressed()
        records: dict[int, Event | SetAside] = {}
        moved: dict[str, int] = {}
        for item in pipeline.read(blocks, wanted.uri, mappings=self._mappings):
            if item.origin.position in wanted.positions:
                records[item.origin.position] = item
            if isinstance(item, Event):
                if item.id in wanted.ids:
                    moved.setdefault(item.id, item.origin.position)
                if self._customers is not None and item.origin.position in wanted.positions:
                    self._customers.add(item.document)
        for _ in blocks:  # what no record was found in counts for the hashes, too
            pass
        return Reading(
            damage=" ".join(damage),
            sha256=stored.hexdigest(),
            content_sha256="" if damage else content.hexdigest(),
            records=records,
            moved=moved,
            customers=self._customers is not None,
        )


def _hashed(chunks: Iterator[bytes], digest: Any) -> Iterator[bytes]:
    for chunk in chunks:
        digest.update(chunk)
        yield chunk


def copied(folder: Path, key: str) -> Path | None:
    """The copy of an object in a folder that mirrors its bucket. A key comes from a log: it must not lead elsewhere."""
    path = folder / key
    return path if is_file(path) and path.resolve().is_relative_to(folder.resolve()) else None


def is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # no file can have such a name
        return False


def checked(folders: Sequence[Path]) -> Sequence[Path]:
    for folder in folders:
        if not folder.is_dir():
            raise UserError(
                "is no folder", "expected a copy of the log bucket, such as `aws s3 sync` makes", path=folder
            )
    return folders
