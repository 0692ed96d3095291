"""After a document is deleted, its text is on the disk until Elasticsearch has merged it away. This asks for that.

A shard keeps what was deleted for as long as a copy of it could need the history to catch up: until its retention
leases have moved on, by default within half a minute. Only then does a merge drop it, and of its own accord only where
at least a tenth of a segment is deleted.
https://www.elastic.co/docs/reference/elasticsearch/index-settings/history-retention
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from elasticsearch import Elasticsearch

from innerwatch.values import dig

PAUSE = 2.0  # seconds between two looks at the leases
PATIENCE = 180.0  # seconds until they should have moved on
LONGEST_MERGE = 3600  # seconds
ALLOWED = "index.merge.policy.expunge_deletes_allowed"


def purge(
    es: Elasticsearch,
    indices: Collection[str],
    sleep: Callable[[float], None] = time.sleep,
) -> list[str]:
    """Has the deleted documents of backing indices dropped from the disk. Returns the indices where it did not come to
    that in time: another copy still needs the history, such as a cluster that follows this one."""
    waiting = {index: reached(es, index) for index in sorted(indices) if es.indices.exists(index=index)}
    deadline = time.monotonic() + PATIENCE
    while waiting:
        for index in [index for index, marks in waiting.items() if passed(es, index, marks)]:
            merge(es, index)
            del waiting[index]
        if not waiting or time.monotonic() >= deadline:
            break
        sleep(PAUSE)
    return sorted(waiting)


def reached(es: Elasticsearch, index: str) -> dict[str, int]:
    """Shard → the number of its last operation."""
    found: dict[str, int] = {}
    for shard, copy in _copies(es, index):
        found[shard] = max(found.get(shard, -1), int(dig(copy, "seq_no.max_seq_no")))
    return found


def passed(es: Elasticsearch, index: str, marks: Mapping[str, int]) -> bool:
    """Whether no copy of any shard still keeps the operations up to these."""
    return all(
        int(lease["retaining_seq_no"]) > marks.get(shard, -1)
        for shard, copy in _copies(es, index)
        for lease in dig(copy, "retention_leases.leases") or ()
    )


def _copies(es: Elasticsearch, index: str) -> Iterator[tuple[str, Any]]:
    shards = es.indices.stats(index=index, level="shards", metric="docs").body["indices"][index]["shards"]
    for shard, copies in shards.items():
        for copy in copies:
            yield shard, copy


def merge(es: Elasticsearch, index: str) -> None:
    """Every segment with something deleted, however little."""
    patient = es.options(request_timeout=LONGEST_MERGE)
    before = es.indices.get_settings(index=index, name=ALLOWED).body.get(index, {})
    patient.indices.put_settings(index=index, settings={ALLOWED: 0})
    try:
        flush_and_merge(es, index)
    finally:
        patient.indices.put_settings(index=index, settings={ALLOWED: dig(before, f"settings.{ALLOWED}")})


def flush_and_merge(es: Elasticsearch, index: str) -> None:
    """The same for an index whose settings are not ours to change: segments of which a tenth is deleted."""
    patient = es.options(request_timeout=LONGEST_MERGE)
    patient.indices.flush(index=index, force=True, wait_if_ongoing=True)
    patient.indices.forcemerge(index=index, only_expunge_deletes=True, flush=True)
