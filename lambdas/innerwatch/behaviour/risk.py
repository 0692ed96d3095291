"""A person's risk: alerts and unusual behaviour summed up, older ones for less, and every point accounted for.

    points(t) = Σ own points · 2 ^ (-(t - its time) / half-life)
    norm = 100 · (1 - 2 ^ (-points / 50)),    ECS user.risk.calculated_score_norm

A score counts once: alerts of rules on behaviour documents say again what the scores behind them said, and are
left out.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from innerwatch import instants

DAY = 24 * 60 * 60_000
HALF_LIFE = 14 * DAY
REACH = 90 * DAY  # older ones have lost all but a hundredth
HALF = 50.0  # points that are a norm of 50
POINTS = {"informational": 0.0, "low": 2.0, "medium": 8.0, "high": 25.0, "critical": 60.0}  # of an alert, by level
UNUSUAL = 50.0  # the score from which on behaviour counts
MOST_OF_SCORE = 10.0  # points of a score of 100
SCORES_A_DAY = 3  # that count: measures go up together, and one cause is no dozen
SHOWN = 20  # contributions in a document
# ECS names the levels, not where they begin: those of Elastic's own entity risk scoring.
LEVELS = ((90.0, "Critical"), (70.0, "High"), (40.0, "Moderate"), (20.0, "Low"), (0.0, "Unknown"))


class Contribution(NamedTuple):
    """What counts towards a risk: an alert, or a measure's score of a day."""

    time: int
    kind: str  # "alert" or "score"
    id: str  # the alert's, or the behaviour document's
    name: str  # the rule's title, or the measure
    points: float  # when it was new


class Alert(NamedTuple):
    """As much of an alert as risk needs."""

    id: str
    time: int  # of its latest event
    rule: str  # title
    level: str
    dataset: str  # of the evidence; empty where it is of several
    employees: tuple[str, ...]


class Risk(NamedTuple):
    points: float
    norm: float
    level: str
    contributions: tuple[tuple[float, Contribution], ...]  # points at the time, and what they are for; the most first


def of_alert(alert: Alert) -> Contribution:
    return Contribution(alert.time, "alert", alert.id, alert.rule, POINTS.get(alert.level, 0.0))


def of_scores(time: int, document_id: str, scores: Mapping[str, float]) -> list[Contribution]:
    """What a day's scores are worth: the highest few, from UNUSUAL on."""
    highest = sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:SCORES_A_DAY]
    return [
        Contribution(time, "score", document_id, name, MOST_OF_SCORE * (score - UNUSUAL) / (100 - UNUSUAL))
        for name, score in highest
        if score >= UNUSUAL
    ]


def assess(contributions: Iterable[Contribution], time: int) -> Risk:
    """The risk at an instant; what comes later than it does not count."""
    worth = [
        (one.points * 2 ** (-(time - one.time) / HALF_LIFE), one)
        for one in contributions
        if time - REACH < one.time <= time and one.points > 0
    ]
    worth.sort(key=lambda item: (-item[0], item[1]))
    points = sum(value for value, _ in worth)
    norm = 100 * (1 - 2 ** (-points / HALF))
    level = next(name for limit, name in LEVELS if norm >= limit)
    return Risk(points, norm, level, tuple(worth))


def fields(risk: Risk) -> dict[str, Any]:
    """ECS `user.risk.*` (https://www.elastic.co/docs/reference/ecs/ecs-risk)."""
    return {
        "calculated_score": round(risk.points, 3),
        "calculated_score_norm": round(risk.norm, 3),
        "calculated_level": risk.level,
    }


def explained(risk: Risk) -> list[dict[str, Any]]:
    """`behaviour.risk.contributions`: the largest, and the sum of what is not listed."""
    listed = [
        {"time": instants.iso(one.time), "kind": one.kind, "id": one.id, "name": one.name, "points": round(value, 3)}
        for value, one in risk.contributions[:SHOWN]
    ]
    rest = risk.contributions[SHOWN:]
    if rest:
        listed.append(
            {"kind": "rest", "name": f"{len(rest)} smaller ones", "points": round(sum(v for v, _ in rest), 3)}
        )
    return listed
