"""How long each dataset is kept, in days: what is shipped, what is asked for, and what a cluster does.

Elasticsearch deletes a whole backing index, `days` after it was rolled over, so that a document is kept for at least so
long, and longer by the time that its index was written to. docs/privacy.md has the reasons of the defaults.
https://www.elastic.co/docs/manage-data/lifecycle/index-lifecycle-management/index-lifecycle
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from elasticsearch import ApiError, Elasticsearch

from innerwatch.errors import UserError
from innerwatch.fields import DATASETS
from innerwatch.values import dig
from innerwatch_cli.paths import ELASTICSEARCH

MOST_DAYS = 36_500
# The age at which a backing index is rolled over, by how long data is kept: Elastic's own for data stream lifecycles.
# https://www.elastic.co/docs/reference/elasticsearch/configuration-reference/data-stream-lifecycle-settings
ROLLOVER = ((14, 1), (90, 7), (MOST_DAYS, 30))
EXPECTED = f"expected DATASET=DAYSd, such as app.access=400d; datasets are {', '.join(DATASETS)}"


def asked(texts: Sequence[str]) -> dict[str, int]:
    """Dataset → days, of texts such as `app.access=400d,innerwatch.alert=1100d`. Raises UserError."""
    found: dict[str, int] = {}
    for text in ",".join(texts).split(",") if texts else ():
        match = re.fullmatch(r"([a-z.]+)=([0-9]{1,6})d", text.strip())
        if match is None or match[1] not in DATASETS or not 1 <= int(match[2]) <= MOST_DAYS:
            raise UserError(f"--retain {text.strip()!r} is no retention", EXPECTED)
        if found.setdefault(match[1], int(match[2])) != int(match[2]):
            raise UserError(f"--retain names {match[1]} twice", EXPECTED)
    return found


def rollover_days(days: int) -> int:
    return next(age for longest, age in ROLLOVER if days <= longest)


def policy_name(dataset: str) -> str:
    return f"logs-{dataset}"


def policy(dataset: str, days: int | None = None) -> dict[str, Any]:
    """The lifecycle policy that is shipped, or the same with other days."""
    body: dict[str, Any] = json.loads((ELASTICSEARCH / "lifecycle" / f"{policy_name(dataset)}.json").read_text())
    if days is not None:
        body["phases"]["hot"]["actions"]["rollover"]["max_age"] = f"{rollover_days(days)}d"
        body["phases"]["delete"]["min_age"] = f"{days}d"
    return body


def days_of(body: Any) -> int | None:
    """The days after which a policy deletes; None where it does not, or says it in another unit."""
    match = re.fullmatch(r"(\d+)d", str(dig(body, "phases.delete.min_age")))
    return int(match[1]) if match and dig(body, "phases.delete.actions.delete") is not None else None


def days(es: Elasticsearch) -> dict[str, int]:
    """Dataset → days, by the policies that the cluster has."""
    try:
        policies = es.ilm.get_lifecycle()
    except ApiError as error:
        if error.status_code not in (400, 403, 405, 410):  # no such endpoint, or not for us
            raise
        return {}
    found = {dataset: days_of((policies.get(policy_name(dataset)) or {}).get("policy")) for dataset in DATASETS}
    return {dataset: kept for dataset, kept in found.items() if kept is not None}
