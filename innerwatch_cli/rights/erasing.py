"""The erasure of a person: begun in the register, carried out, looked over again, certified."""

import platform
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
from elasticsearch import ApiError, AuthorizationException, Elasticsearch

from innerwatch import instants
from innerwatch.errors import UserError
from innerwatch_cli import cluster
from innerwatch_cli.rights import purging
from innerwatch_cli.rights.documents import but_of, mentions, of_others, own
from innerwatch_cli.rights.holdings import Finding, Holdings
from innerwatch_cli.rights.register import SCRYPT, Erasure, Register, Row, hashed, unreleased

SCHEMA = "innerwatch.erasure/1"
PASSES = 5  # over the documents, should new ones come meanwhile

# What no command of ours can reach, and what to do there. docs/privacy.md says the same at more length.
ELSEWHERE = (
    {
        "what": "raw log objects in the log buckets, and their noncurrent versions",
        "how": "S3 lifecycle rules, or delete object versions; a replay or a new reading brings documents back",
    },
    {
        "what": "HR and case feeds in the HR bucket, and their noncurrent versions",
        "how": "delete versions, and have the person taken out of the next feeds, or the directory learns them again",
    },
    {
        "what": "records set aside in the bucket of failed records",
        "how": "replay or delete them: docs/replay.md",
    },
    {
        "what": "snapshots of Elasticsearch, and DynamoDB's backups and point-in-time recovery",
        "how": "they end with their own retention (point-in-time recovery: 35 days); erase again after restoring one",
    },
    {
        "what": "alerts that Kibana's own rules raised (.alerts-security.alerts-SPACE)",
        "how": "delete them in Kibana, or by query with Kibana's privileges",
    },
    {
        "what": "reports and exports made before, and log lines of other systems",
        "how": "they are where you put them",
    },
)

IN_TEXTS = {
    "what": "names inside longer texts of other people's documents that name the person in no field of its own",
    "how": "erase again with --texts and the directory, which reads every document",
}


def now() -> str:
    return instants.iso(instants.of(datetime.now(UTC)))


def refuse_held(row: Row) -> None:
    """Raises UserError that names what holds the person."""
    if lines := unreleased(row.entry, now()[:10]):
        raise UserError(
            f"nothing is erased, the person is under a legal hold: {'; '.join(lines)}",
            "`innerwatch hold release ID` first, if it may end",
        )


def begin(holdings: Holdings, finding: Finding, by: str) -> tuple[Row, bool]:
    """Notes that an erasure has begun, after which no hold can be placed until it has ended; and whether one had."""
    row = holdings.register.read(holdings.person.document_id)
    refuse_held(row)
    before = row.entry.unfinished
    if before is None:
        erasure = Erasure(begun=now(), by=by, found=finding.as_json())
    else:
        erasure = msgspec.structs.replace(before, attempts=before.attempts + 1)
    return holdings.register.write(row, row.entry.with_erasure(erasure)), before is not None


def run(
    holdings: Holdings, *, texts: bool = False, done: Callable[[int], None] = lambda _: None
) -> tuple[dict[str, dict[str, int]], set[str]]:
    """Erases until nothing is found any more. Returns what was done by stream and table, and the indices concerned.

    With `texts`, every document of others is read for names inside its texts. Raises UserError where something is left
    at last. Documents come first and the directory last: what somebody was known by is looked up in it, should all
    this be cut off and begun again.
    """
    streams = {stream: {"deleted": 0, "redacted": 0} for stream in holdings.documents.streams.values()}
    indices: set[str] = set()
    for number in range(PASSES):
        held = holdings.held
        naming = of_others(holdings.person) if texts and not number else mentions(holdings.person)
        for stream, count in streams.items():
            for hits in holdings.documents.pages(stream, but_of(own(holdings.person), held), source=False):
                count["deleted"] += holdings.documents.delete(hits)
                indices.update(hit["_index"] for hit in hits)
                done(len(hits))
            for hits in holdings.documents.pages(stream, but_of(naming, held)):
                count["redacted"] += holdings.documents.redact(hits, holdings.person)
                indices.update(hit["_index"] for hit in hits)
                done(len(hits))
        found = holdings.documents.find(holdings.person, held)
        if not any(kinds.own.documents or kinds.mentions.documents for kinds in found.values()):
            break
    tables = {table.name: {"items": table.erase()} for table in reversed(holdings.tables)}
    if left := holdings.find().left:
        raise UserError(f"{left} documents or items of the person are still found: they keep coming", "run it again")
    return {**streams, **tables}, indices


def purge(holdings: Holdings, indices: set[str], whole: bool) -> dict[str, Any]:
    """Has what was deleted dropped from the disk; `whole`: an earlier attempt may have deleted anywhere."""
    es = holdings.documents.es
    try:
        if whole:
            streams = ",".join(holdings.documents.streams.values())
            indices = indices | set(es.indices.get(index=streams, ignore_unavailable=True))
        left = purging.purge(es, indices)
        purging.flush_and_merge(es, holdings.register.index)  # an earlier hold had the id in it
    except ApiError as error:  # not allowed, or not to be had; that does not undo what was deleted
        return {"indices": len(indices), "left": sorted(indices), "reason": cluster.reason(error)}
    reason = {"reason": "a copy of the index still needs its history; merge it later"} if left else {}
    return {"indices": len(indices), "left": left, **reason}


def warning(es: Elasticsearch, namespace: str) -> str:
    """For whoever brings documents back from raw logs; empty where nobody was erased, or one may not know."""
    try:
        entries = [row.entry for row in Register(es, namespace).rows()]
    except AuthorizationException:
        return ""
    erased = [entry.erasures[-1].begun[:10] for entry in entries if entry.erasures]
    if not erased:
        return ""
    people = "1 person was" if len(erased) == 1 else f"{len(erased)} people were"
    return f"{people} erased, the last on {max(erased)}: what raw logs hold of them comes back; erase them again then"


def purge_again(holdings: Holdings, row: Row) -> dict[str, Any]:
    """For the last erasure, where that did not come to it."""
    erasure = row.entry.erasures[-1]
    purged = purge(holdings, set(erasure.on_disk), whole=False)
    changed = msgspec.structs.replace(erasure, on_disk=tuple(purged["left"]))
    holdings.register.write(row, row.entry.with_erasure(changed))
    return purged


def finish(
    holdings: Holdings, row: Row, done: dict[str, dict[str, int]], purged: dict[str, Any], by: str, *, texts: bool
) -> dict[str, Any]:
    """The certificate. It holds no id: who knows the id can compute the hash and compare."""
    erasure = row.entry.unfinished
    if erasure is None:
        raise RuntimeError("an erasure ends that has not begun")
    left = holdings.find()
    finished = msgspec.structs.replace(erasure, finished=now(), on_disk=tuple(purged["left"]))
    salt = holdings.register.salt()
    entry = row.entry.with_erasure(finished)
    holdings.register.write(row, msgspec.structs.replace(entry, employee=""))
    return {
        "schema": SCHEMA,
        "employee": {
            "hash": hashed(holdings.person.document_id, salt),
            "salt": salt,
            "algorithm": "scrypt of the id as documents had it, in lower case, 32 bytes",
            "parameters": SCRYPT,
        },
        "namespace": holdings.documents.namespace,
        "begun": erasure.begun,
        "finished": finished.finished,
        "attempts": finished.attempts,
        "by": by,
        "on": platform.node(),
        "found_when_begun": erasure.found,
        "done_in_last_attempt": done,
        "dropped_from_disk": purged,
        "found_at_the_end": left.as_json(),
        "looked_in": [table.name for table in holdings.tables],
        "not_given": [name for name in ("directory", "cases") if name not in {table.name for table in holdings.tables}],
        "not_erased": list(ELSEWHERE) if texts else [IN_TEXTS, *ELSEWHERE],
    }
