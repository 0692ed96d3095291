"""Lambda: records that were set aside go through the pipeline again, once what was wrong with them is mended.

Invoked by hand (docs/replay.md) with `{"reason": "…", "origin": "s3://…", "since": "2026-03-01", "limit": 1000}`, each
of which may be left out. The answer says what was done; `"more": true` asks for another call with the answer's `after`
in the event. Any call may be repeated, or stopped at any time.
"""

import time
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from innerwatch import clients, replay, wiring
from innerwatch.errors import UserError
from innerwatch.failed import FailedStore
from innerwatch.settings import Settings

RESERVE = 10.0  # seconds kept to answer before the function is stopped
REASONS_TOLD = 20

logger = Logger(service="replay_failed")


@cache
def parts() -> replay.Replay:
    """What a warm function keeps between invocations."""
    own = Settings.from_env(needs=("ELASTICSEARCH_URL", "DIRECTORY_TABLE", "FAILED_BUCKET"))
    s3 = boto3.client("s3")
    return replay.Replay(
        FailedStore(s3, own.failed_bucket),
        s3,
        clients.elasticsearch(own),
        clients.checker(own),
        own.namespace,
        wiring.enriched(own),
        wiring.mappings(),
    )


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    selection, after, limit = asked(event)
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - RESERVE
    report = parts().run(selection, after=after, limit=limit, deadline=deadline)
    counts = {name: getattr(report, name) for name in ("entries", "replayed", "indexed", "duplicate", "more")}
    logger.info("replayed", extra={**counts, "trouble": len(report.trouble)})
    return {
        **counts,
        "after": report.after,
        "reasons": dict(report.reasons.most_common(REASONS_TOLD)),
        "trouble": report.trouble[:REASONS_TOLD],
    }


def asked(event: dict[str, Any]) -> tuple[replay.Selection, str, int]:
    """What an event asks for. Raises UserError for what it should not hold."""
    expected = {"reason": str, "origin": str, "since": str, "after": str, "limit": int}
    for name, value in event.items():
        if name not in expected:
            raise UserError(f"the event has {name!r}", f"expected {', '.join(expected)}")
        if type(value) is not expected[name]:
            raise UserError(f"{name} is {value!r}", f"expected {'a text' if expected[name] is str else 'a number'}")
    limit = event.get("limit", replay.NO_END)
    if limit < 1:
        raise UserError(f"limit is {limit}", "expected a number from 1")
    since = replay.instant(event["since"], "since") if "since" in event else 0
    return replay.Selection(event.get("reason", ""), event.get("origin", ""), since), event.get("after", ""), limit
