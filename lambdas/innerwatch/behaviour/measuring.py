"""Measures people's days on Elasticsearch: events in, behaviour documents out, day after day.

A date is measured whole: everybody's events of that local day are read, judged by the documents of the days before, and
the documents of that day become what comes out. A run that breaks off is done again and comes to the same documents; a
date that gained late events is measured again. Later dates keep what was said on them: a score is what was known then.
"""

import time as clock
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from elasticsearch import Elasticsearch

from innerwatch.behaviour.collect import Collector, People
from innerwatch.behaviour.score import HISTORY, Scorer
from innerwatch.behaviour.store import Store
from innerwatch.directory.employment import DAY

SAVING = 300.0  # seconds for the documents of one date to be taken


@dataclass(slots=True)
class Report:
    """What a run did."""

    dates: int = 0
    events: int = 0  # of a person, read
    people: int = 0  # person-days
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0

    def __str__(self) -> str:
        return (
            f"{self.dates} days, {self.events:,} events, {self.people:,} person-days: {self.new:,} new documents, "
            f"{self.changed:,} changed, {self.unchanged:,} as they were, {self.removed:,} removed"
        )


def measure(
    es: Elasticsearch,
    people: People | None,
    namespace: str = "innerwatch",
    *,
    now: int | None = None,
    dates: Sequence[int] | None = None,
    tell: Callable[[int, int], None] = lambda _done, _all: None,
) -> Report:
    """Measures local days (counted from 1970), or for None those that gained events since the last run.

    `tell` is given how many dates are done, of how many. Raises elastic.Unavailable, and the client's own errors when
    Elasticsearch does not answer; the days written stand, and the next run goes on from the last checkpoint.
    """
    now = int(clock.time() * 1000) if now is None else now
    store, report = Store(es, namespace), Report()
    latest = store.latest()
    if latest is None:
        return report
    if dates is None:
        reached = store.reached()
        if reached is not None and reached.is_all(latest):
            return report
        dates, since_last = store.dates(people, reached.ingested if reached else None), True
    else:
        since_last = False
    if dates:
        _days(store, people, dates, now, report, tell)
        store.refresh()
    if since_last:
        store.reach(min(latest, now), now)  # never ahead of the clock, were an event's ahead
    return report


def _days(
    store: Store,
    people: People | None,
    dates: Sequence[int],
    now: int,
    report: Report,
    tell: Callable[[int, int], None],
) -> None:
    scorer = Scorer(store.namespace, store.history(dates[0] - HISTORY, dates[0]))
    alerts = store.alerts(dates[0] * DAY, now)
    collector, before, read = Collector(people), dates[0], 0
    for done, date in enumerate(dates):
        if before < date:
            scorer.learn(store.history(before, date))  # days between that gained nothing
            collector = Collector(people)
        before = date + 1
        offsets = store.offsets(people, date) or [0]
        # Where it is early, a date begins before the last one ends where it is late: what was read then is not again.
        first, last = date * DAY - offsets[-1], (date + 1) * DAY - offsets[0]
        for event in store.events(max(first, read), last):
            collector.add(event)
            report.events += 1
        read = last
        days = [day for day in collector.take(date + 1) if day.day == date]
        documents = scorer.judge(days, alerts)
        saved = store.save(date, documents, now, clock.monotonic() + SAVING)
        report.dates += 1
        report.people += len(days)
        report.new += saved.new
        report.changed += saved.changed
        report.unchanged += saved.unchanged
        report.removed += saved.removed
        tell(done + 1, len(dates))
