"""What speaks against one object, and against the time between digests. Pure."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from innerwatch.ledger import Line
from innerwatch_cli.coverage.digests import Digest, contradicts
from innerwatch_cli.coverage.minutes import Findings, Reason


class Seen(NamedTuple):
    """An object as S3 gives it now; `version` is empty in a bucket without versions."""

    etag: str
    version: str
    sha256: str  # of the content, uncompressed; empty where that was not asked for


class Evidence(NamedTuple):
    """All that is known of one object."""

    seen: Seen | None  # None: it is not in S3
    signed: str | None  # the hash that a digest lists, or None where none lists the object
    line: Line | None  # of the version that S3 gives now, or None where the ledger has none
    others: Sequence[Line]  # of other versions
    documents: int  # in Elasticsearch, with the object's uri
    all_found: bool | None  # whether each record's id is in Elasticsearch; None: not looked up


def objections(evidence: Evidence) -> Iterator[Reason]:
    """Why the object's events are not proven to be, all of them and nothing else, in Elasticsearch."""
    seen, line = evidence.seen, evidence.line
    if seen is None:
        read = any(it.closed and not it.superseded_by for it in evidence.others)
        yield Reason.GONE if read else Reason.MISSING
        return
    if evidence.signed is None:
        yield Reason.UNSIGNED
    elif seen.sha256 != evidence.signed:
        yield Reason.ALTERED
    if evidence.signed is None and any(it.superseded_by for it in evidence.others):
        yield Reason.OVERWRITTEN
    if line is None:
        yield Reason.NEVER_READ
    elif not line.closed:
        yield Reason.UNFINISHED
    elif not line.balanced:
        yield Reason.OUT_OF_BALANCE
    else:
        yield from _documents(evidence, line)


def _documents(evidence: Evidence, line: Line) -> Iterator[Reason]:
    if evidence.documents > line.read and not evidence.others:
        yield Reason.MORE_DOCUMENTS
    if evidence.documents >= line.read:  # also what was set aside has been brought back
        return
    if line.set_aside:
        yield Reason.SET_ASIDE
    if fewer(line, evidence.documents) and not evidence.all_found:
        yield Reason.FEWER_DOCUMENTS


def fewer(line: Line, documents: int) -> bool:
    """Whether documents lack. Ids must tell where records were duplicates: these may be documents of another object."""
    return documents < line.read - line.set_aside


class Chain:
    """The digests of one trail in the order of their time: which deliveries they cover, and where the chain breaks.

    An event may be delivered up to `lateness` milliseconds after it happened: so a gap speaks against that time before
    it, too. CloudTrail gives no upper bound.
    """

    def __init__(self, findings: Findings, lateness: int) -> None:
        self._findings, self._lateness = findings, lateness
        self._last: Digest | None = None
        self._invalid = ""  # a digest file since then that CloudTrail did not sign
        self.covered = findings.start  # up to when deliveries are known

    def invalid(self, uri: str) -> None:
        self._invalid = self._invalid or uri

    def add(self, digest: Digest) -> None:
        last = self._last
        if digest.start > self.covered:
            self._gap(digest.start, digest)
        elif last is not None and contradicts(last, digest):
            uri = f"s3://{last.link.bucket}/{last.link.key}"
            self._findings.add(Reason.CHAIN_BROKEN, last.start - self._lateness, last.end - 1, uri)
        self._last, self._invalid = digest, ""
        self.covered = max(self.covered, digest.end)

    def finish(self) -> None:
        """No digest comes any more."""
        end = self._findings.end + self._lateness
        if self.covered < end:
            self._gap(end, None)

    def _gap(self, end: int, following: Digest | None) -> None:
        example = self._invalid
        reason = Reason.DIGEST_ALTERED if example else Reason.NO_DIGEST
        if not example and following is not None and following.previous is not None:
            reason, example = Reason.DIGEST_MISSING, f"s3://{following.previous.bucket}/{following.previous.key}"
        self._findings.add(reason, self.covered - self._lateness, end - 1, example)
