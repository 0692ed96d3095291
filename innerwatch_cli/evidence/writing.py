"""What is proven, for machines: plain values for JSON, whole enough that another person can check them."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

from innerwatch import instants
from innerwatch.values import dig
from innerwatch_cli.evidence.documents import Behind
from innerwatch_cli.evidence.judging import MEANING, Judged, Outcome
from innerwatch_cli.evidence.signatures import Signed
from innerwatch_cli.report.text import console, place


def summary(found: Sequence[tuple[Behind, Judged]]) -> dict[str, int]:
    """Outcome → how many events have it; only those that some event has."""
    counts = Counter(judged.outcome for _, judged in found)
    return {outcome.value: counts[outcome] for outcome in Outcome if counts[outcome]}


def as_dict(event: Behind, judged: Judged) -> dict[str, Any]:
    reading, line = judged.reading, judged.line
    return {
        "id": event.id,
        "alert": event.alert,
        "outcome": judged.outcome.value,
        "meaning": MEANING[judged.outcome],
        "why": judged.why,
        "notes": list(judged.notes),
        "document": {
            "index": event.index,
            "time": dig(event.document, "@timestamp"),
            "different": list(judged.compared.different) if judged.compared else None,
            "pseudonyms": list(judged.compared.pseudonyms) if judged.compared else None,
        },
        "where": where(event),
        "record": record(judged.raw) if judged.raw else None,
        "object": {
            "copy": reading.copy,
            "etag": reading.etag,
            "sha256": reading.sha256,
            "content_sha256": reading.content_sha256,
        }
        if not reading.gone
        else None,
        "digest": digest(judged.signed) if judged.signed else None,
        "ledger": {
            "state": line.state,
            "etag": line.etag,
            "version": line.version,
            "closed_at": instants.iso(line.closed_at) if line.closed_at else None,
            **{name: getattr(line, name) for name in ("read", "indexed", "duplicate", "set_aside")},
        }
        if line
        else None,
    }


def where(event: Behind) -> dict[str, Any] | None:
    found = place(event.document)
    if found is None:
        return None
    return {"uri": event.uri, **found._asdict(), "console": console(found)}


def record(raw: bytes) -> dict[str, Any]:
    """The record as it was read: its text where it is UTF-8, else its bytes in hexadecimal."""
    try:
        content = {"text": raw.decode()}
    except UnicodeDecodeError:
        content = {"hex": raw.hex()}
    return {"sha256": hashlib.sha256(raw).hexdigest(), **content}


def digest(signed: Signed) -> dict[str, Any]:
    return {
        "uri": signed.digest,
        "lists_sha256": signed.listed,
        "problem": signed.problem,
        "start": instants.iso(signed.start) if signed.start else None,
        "end": instants.iso(signed.end) if signed.end else None,
        "sha256": signed.sha256,
        "signature": signed.signature,
        "public_key_fingerprint": signed.fingerprint,
        "before": signed.before.value if not signed.problem else None,
        "after": signed.after.value if not signed.problem else None,
    }
