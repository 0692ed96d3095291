"""The digest file in which CloudTrail signed a log file, and whether the digests beside it agree with it.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-validation-digest-file-structure.html
"""

from collections.abc import Iterator, Set
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from botocore.exceptions import ClientError

from innerwatch import trails
from innerwatch.uris import uri
from innerwatch_cli.coverage import digests, of_digest
from innerwatch_cli.coverage.digests import Digest, InvalidError
from innerwatch_cli.coverage.evidence import GONE, Bucket, PublicKeys, errors

DAY = 86_400_000
# How long after its delivery a log file's digest may end: it is the hour's own or the next one's, backfills are later.
LATEST = DAY


class Follows(StrEnum):
    """How a digest file beside another fits it."""

    YES = "yes"
    FIRST = "no digest comes before it: it begins its chain"
    ELSEWHERE = "the digest before it is in another bucket, and was not looked at"
    NONE_YET = "there is no later digest yet"
    MISSING = "the digest beside it is not in the bucket"
    UNSIGNED = "the digest beside it is not as CloudTrail signed it"
    BROKEN = "the digest beside it names another hash or signature"


class Signed(NamedTuple):
    """The digest file that lists an object: by which hash, and what is wrong with the digest itself, if anything."""

    digest: str  # its uri
    listed: str  # SHA-256 of the object's content, uncompressed
    problem: str = ""  # why the digest proves nothing
    start: int = 0
    end: int = 0
    sha256: str = ""  # of the digest
    signature: str = ""
    fingerprint: str = ""  # of CloudTrail's public key
    before: Follows = Follows.MISSING
    after: Follows = Follows.NONE_YET


class Read(NamedTuple):
    """A digest file, read. Without `digest`, CloudTrail did not sign it so, and `problem` says why."""

    digest: Digest | None  # without the log files that it lists
    listed: dict[str, str]  # those that were wanted: key → SHA-256
    fingerprint: str
    problem: str = ""


class Named(NamedTuple):
    """A digest file by its key."""

    end: int  # of the time that it covers, in milliseconds
    key: str
    trail: tuple[str, str, bool]


class Trails:
    """The digest files of one bucket; each is read once. `wanted` are the keys that will be asked about."""

    def __init__(self, bucket: Bucket, keys: PublicKeys, wanted: Set[str]) -> None:
        self._bucket, self._keys, self._wanted = bucket, keys, wanted
        self._days: dict[str, list[Named]] = {}
        self._read: dict[str, Read | None] = {}

    def signed(self, key: str) -> Signed | str:
        """The digest file that lists an object; else why there is none. Raises UserError where AWS refuses."""
        place = trails.place(key)
        if place is None or place.folder == trails.DIGEST_FOLDER:
            return "only CloudTrail signs its log files"
        with errors(self._bucket.name):
            return self._signed(key, place)

    def _signed(self, key: str, place: trails.Place) -> Signed | str:
        folder = f"{place.prefix}{place.account}/{trails.DIGEST_FOLDER}/{place.region}/"
        near = sorted(
            it
            for day in (place.time, place.time + DAY)
            for it in self._of_day(folder, day, place.region)
            if place.time <= it.end
        )
        forged: Signed | None = None
        for named in near:
            if named.end > place.time + LATEST:
                break
            read = self._of(named)
            if read is None or key not in read.listed:
                continue
            where, listed = uri(self._bucket.name, named.key), read.listed[key]
            if read.digest is None:
                forged = forged or Signed(where, listed, read.problem, fingerprint=read.fingerprint)
                continue
            return Signed(
                where,
                listed,
                start=read.digest.start,
                end=read.digest.end,
                sha256=read.digest.link.sha256,
                signature=read.digest.link.signature,
                fingerprint=read.fingerprint,
                before=self._before(read.digest, named),
                after=self._after(read.digest, named, near),
            )
        if forged is not None:
            return forged
        wrong = next((it for it in near if (read := self._read.get(it.key)) and read.problem), None)
        if wrong is not None:
            return (
                f"no digest file that CloudTrail signed lists it; {uri(self._bucket.name, wrong.key)} it did not sign"
            )
        return "no digest file lists it" if near else "there is no digest file of its time"

    def _of_day(self, folder: str, time: int, region: str) -> list[Named]:
        prefix = f"{folder}{datetime.fromtimestamp(time / 1000, UTC):%Y/%m/%d}/"
        if prefix not in self._days:
            self._days[prefix] = [
                Named(place.time, it.key, of_digest(it.key, region))
                for it in self._bucket.objects(prefix)
                if (place := trails.place(it.key))
            ]
        return self._days[prefix]

    def _of(self, named: Named) -> Read | None:
        """A digest file; None where it is not in the bucket."""
        if named.key not in self._read:
            self._read[named.key] = self._get(named)
        return self._read[named.key]

    def _get(self, named: Named) -> Read | None:
        try:
            content, metadata = self._bucket.digest(named.key)
        except InvalidError as error:
            return Read(None, {}, "", str(error))
        except ClientError as error:
            if error.response["Error"]["Code"] in GONE:
                return None
            raise
        place = trails.place(named.key)
        regions = [it for it in (place.region if place else "", named.trail[1]) if it]
        fingerprint = digests.fingerprint_of(content)
        listed = {key: said for key, said in digests.said_to_list(content).items() if key in self._wanted}
        try:
            keys = self._keys.of(content, regions, named.end)
            digest = digests.read(self._bucket.name, named.key, content, metadata, keys)
        except InvalidError as error:
            return Read(None, listed, fingerprint, str(error))
        return Read(digest._replace(log_files=()), listed, fingerprint)

    def _before(self, digest: Digest, named: Named) -> Follows:
        previous = digest.previous
        if previous is None:
            return Follows.FIRST
        if previous.bucket != self._bucket.name:
            return Follows.ELSEWHERE
        place = trails.place(previous.key)
        read = self._of(Named(place.time if place else digest.start, previous.key, named.trail))
        if read is None:
            return Follows.MISSING
        if read.digest is None:
            return Follows.UNSIGNED
        return Follows.BROKEN if digests.contradicts(read.digest, digest) else Follows.YES

    def _after(self, digest: Digest, named: Named, near: list[Named]) -> Follows:
        for it in near:
            if it.end <= named.end or it.trail != named.trail:
                continue
            read = self._of(it)
            if read is None or read.digest is None:
                return Follows.UNSIGNED
            if read.digest.start > digest.end:
                return Follows.MISSING
            return Follows.BROKEN if digests.contradicts(digest, read.digest) else Follows.YES
        return Follows.NONE_YET


def notes(signed: Signed) -> Iterator[str]:
    """What is to be said of the digests beside it, where they do not simply follow."""
    for when, found in (("before", signed.before), ("after", signed.after)):
        if found in (Follows.FIRST, Follows.ELSEWHERE, Follows.NONE_YET):
            yield found.value
        elif found is not Follows.YES:
            yield found.value.replace("beside", when)
