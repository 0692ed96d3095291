"""From bursts to alerts in Elasticsearch: each burst once, growing."""

import time as clock
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from innerwatch import instants
from innerwatch.behaviour import DATASET as BEHAVIOUR
from innerwatch.detection import alerts, windows
from innerwatch.detection.alerts import CONTEXT, Evidence
from innerwatch.detection.rules import CompiledRule
from innerwatch.detection.store import Store, Stored
from innerwatch.detection.windows import Burst, Match
from innerwatch.elastic import Unavailable, stream_name

BULK_TIME = 120.0  # seconds to get alerts taken
# A behaviour document is of a later time when its day is measured again; a day has 25 hours where clocks are set back.
MOVES = 25 * 60 * 60_000


class Raised:
    """What became of bursts."""

    __slots__ = ("conflicts", "created", "grown")

    def __init__(self) -> None:
        self.created = self.grown = 0
        self.conflicts = 0  # alerts that another run wrote at the same time: what they lack is left to the next run


def write(
    store: Store,
    rule: CompiledRule,
    bursts: Sequence[Burst],
    gap: int,
    now: int,
    known_later: Mapping[str, str],
) -> Raised:
    """Raise an alert for each burst, or let the alert grow that it belongs to: one within `gap` milliseconds, or with
    an event of it.

    `known_later`: ids of the events that match only by what was not known at their time → what that is.
    Raises elastic.Unavailable when Elasticsearch does not take the alerts in time.
    """
    if not bursts:
        return Raised()
    stored: dict[str, list[Stored]] = defaultdict(list)
    behaviour = stream_name(BEHAVIOUR, store.namespace)
    moves = MOVES if any(match.stream == behaviour for burst in bursts for match in burst.evidence) else 0
    reach = gap + moves
    span = min(burst.first for burst in bursts) - reach, max(burst.last for burst in bursts) + reach
    for alert in store.raised(rule.id, *span):
        stored[alert.document["innerwatch"]["alert"]["group"]["key"]].append(alert)
    fresh: list[tuple[Burst, list[Stored], list[Match]]] = []
    for burst in bursts:
        near = [alert for alert in stored[alerts.group_hash(burst.key)] if _belongs(alert, burst, gap)]
        known = {identity for alert in near for identity in alert.document["innerwatch"]["alert"]["evidence"]["id"]}
        matches = distinct(match for match in burst.evidence if match.id not in known)
        if matches:
            fresh.append((burst, near, matches))
    contexts = _contexts(store, [match for _, _, matches in fresh for match in matches])
    created: dict[str, dict[str, Any]] = {}
    grown: dict[str, tuple[Stored, dict[str, Any]]] = {}
    for burst, near, matches in fresh:
        evidence = [
            Evidence(
                match.id,
                match.stream,
                match.time,
                contexts.get((match.stream, match.id), {}),
                known_later.get(match.id, ""),
            )
            for match in matches
        ]
        for alert in near:
            room = alerts.MOST_EVIDENCE - alert.document["innerwatch"]["alert"]["evidence"]["count"]
            more, evidence = evidence[: max(room, 0)], evidence[max(room, 0) :]
            if more:
                grown[alert.id] = alert, alerts.grown(alert.document, rule, more, now)
        for start in range(0, len(evidence), alerts.MOST_EVIDENCE):
            part = evidence[start : start + alerts.MOST_EVIDENCE]
            identity = windows.burst_id(rule.id, burst.key, part[0].time, part[0].id)
            created[identity] = alerts.raised(rule, identity, burst.key, names(rule), part, store.namespace, now)
    return _save(store, rule, created, grown)


def _save(
    store: Store,
    rule: CompiledRule,
    created: Mapping[str, dict[str, Any]],
    grown: Mapping[str, tuple[Stored, dict[str, Any]]],
) -> Raised:
    done = Raised()
    if created:
        outcome = store.create_alerts(created.items(), deadline=clock.monotonic() + BULK_TIME)
        if outcome.refused:
            kind = outcome.refused[0].reason.partition(":")[0]  # what follows may quote somebody's data
            raise Unavailable(f"Elasticsearch refused an alert of {rule.title!r}: {kind}")
        done.created, done.conflicts = outcome.indexed, outcome.duplicate
    for alert, document in grown.values():
        if store.grow_alert(alert, document):
            done.grown += 1
        else:
            done.conflicts += 1
    if created or grown:
        store.refresh_alerts()
    return done


def _contexts(store: Store, matches: Sequence[Match]) -> dict[tuple[str, str], dict[str, Any]]:
    """(Data stream, id) → what alerts tell of an event."""
    by_stream: dict[str, list[Match]] = defaultdict(list)
    for match in distinct(matches):
        by_stream[match.stream].append(match)
    return {
        (stream, hit["_id"]): hit["_source"]
        for stream, some in by_stream.items()
        for hit in store.documents(
            stream, [match.id for match in some], (some[0].time, some[-1].time), {"includes": list(CONTEXT)}
        )
    }


def distinct(matches: Iterable[Match]) -> list[Match]:
    """Each event once, whichever rules it matched, in order of time."""
    found = {(match.time, match.id, match.stream): match for match in matches}
    return [found[order] for order in sorted(found)]


def names(rule: CompiledRule) -> tuple[str, ...]:
    """What an alert's group is made of."""
    return rule.correlation.group_by if rule.correlation else ("actor",)


def _belongs(alert: Stored, burst: Burst, gap: int) -> bool:
    own = alert.document["innerwatch"]["alert"]
    first, last = instants.from_rfc3339(own["first"]), instants.from_rfc3339(own["last"])
    if first <= burst.last + gap and last >= burst.first - gap:
        return True
    held = set(own["evidence"]["id"])
    return any(match.id in held for match in burst.evidence)
