"""The look-back at people of whom HR has just said that they leave: once for each notice, whatever breaks off."""

import time as clock
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from elasticsearch import Elasticsearch

from innerwatch.detection.engine import DAY, look_back
from innerwatch.detection.hindsight import leaving
from innerwatch.detection.rules import CompiledRule
from innerwatch.detection.store import Store
from innerwatch.values import Fact

DAYS = 90  # how far the rules look back
STILL_NEWS = 30 * DAY  # a notice that the directory took longer ago than this is looked back at no more


@dataclass(slots=True)
class Report:
    people: int = 0  # looked back at
    waiting: int = 0  # for whom there was no time
    raised: int = 0  # alerts


def look_backs(
    es: Elasticsearch,
    rules: Sequence[CompiledRule],
    notices: Iterable[tuple[str, Fact]],
    *,
    namespace: str,
    until: float,
    now: int,
) -> Report:
    """Looks back at whoever's notice (its key in the directory, and what is true since) was not looked back at before.

    `now` in milliseconds; none is begun after `until` (by time.monotonic). Raises as `engine.look_back`; those before
    it are then done.
    """
    store, report = Store(es, namespace), Report()
    facts = {f"look-back#{key}": fact for key, fact in notices}
    done = store.read_checkpoints(list(facts))
    for key, fact in facts.items():
        if key in done:
            continue
        if clock.monotonic() >= until:
            report.waiting += 1
            continue
        hindsight = leaving(fact)
        found = look_back(es, rules, fact.employee.id, days=DAYS, hindsight=hindsight, namespace=namespace, now=now)
        store.save_checkpoints({key: {"content": "", "reached": [], "title": "look-back at a leaver", "at": now}})
        report.people += 1
        report.raised += found.raised
    return report
