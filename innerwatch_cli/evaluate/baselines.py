"""What one would try first: each gives a person's day a score from plain counts of that day and the days before.

A day is judged by its end, from earlier days alone. docs/evaluation.md says how their thresholds are chosen.
"""

import math
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from innerwatch_cli.evaluate.counting import DAY, MEASURES, Counting, Counts

LEARNING = 14  # days before the first score
ENOUGH = 10  # of a person's days, or a role's person-days
REFIT = 7  # days until an isolation forest learns anew
LATEST = 20_000  # person-days of a role that it learns from
QUANTILE = 0.99


class Score(NamedTuple):
    value: float
    person: str
    time: int  # the end of the day


def role_threshold(counted: Counting) -> Iterator[Score]:
    """How many times over the 99th percentile of the role's first two weeks the day's worst count is."""
    days = sorted(counted.days)
    known: dict[str, list[Counts]] = defaultdict(list)
    for day in days[:LEARNING]:
        for person, counts in counted.days[day].items():
            known[counted.roles[person, day]].append(counts)
    limits = {
        role: {name: _quantile([counts[name] for counts in found]) for name in MEASURES}
        for role, found in known.items()
        if len(found) >= ENOUGH
    }
    for day in days[LEARNING:]:
        for person, counts in counted.days[day].items():
            limit = limits.get(counted.roles[person, day])
            if limit:
                worst = max(counts[name] / max(limit[name], 1) for name in MEASURES)
                yield Score(worst, person, (day + 1) * DAY)


def _quantile(values: list[int]) -> float:
    return sorted(values)[min(len(values) - 1, int(QUANTILE * len(values)))]


def own_z_score(counted: Counting) -> Iterator[Score]:
    """How many standard deviations the day's worst count is above the person's own mean so far."""
    past: dict[str, dict[str, _Moments]] = defaultdict(lambda: {name: _Moments() for name in MEASURES})
    for number, day in enumerate(sorted(counted.days)):
        for person, counts in counted.days[day].items():
            before = past[person]
            if number >= LEARNING and before["events"].count >= ENOUGH:
                worst = max(before[name].z(counts[name]) for name in MEASURES)
                yield Score(worst, person, (day + 1) * DAY)
            for name in MEASURES:
                before[name].add(counts[name])


@dataclass(slots=True)
class _Moments:
    """Mean and variance of what was seen so far; of whole numbers, so that sums are exact."""

    count: int = 0
    total: int = 0
    squares: int = 0

    def add(self, value: int) -> None:
        self.count += 1
        self.total += value
        self.squares += value * value

    def z(self, value: int) -> float:
        variance = (self.count * self.squares - self.total * self.total) / self.count**2
        return (value - self.total / self.count) / (math.sqrt(variance) or 1.0)


def isolation_forest(counted: Counting) -> Iterator[Score]:
    """scikit-learn's IsolationForest over the logarithms of a role's counts, fitted anew each week on the days before.

    https://scikit-learn.org/stable/modules/generated/sklearn.ensemble.IsolationForest.html
    """
    import numpy as np
    from sklearn.ensemble import IsolationForest

    past: dict[str, deque[Any]] = defaultdict(lambda: deque(maxlen=LATEST))
    forests: dict[str, Any] = {}
    for number, day in enumerate(sorted(counted.days)):
        if number >= LEARNING and (number - LEARNING) % REFIT == 0:
            forests = {
                role: IsolationForest(random_state=0).fit(np.array(rows))
                for role, rows in past.items()
                if len(rows) >= ENOUGH * LEARNING
            }
        by_role: dict[str, list[tuple[str, Any]]] = defaultdict(list)
        for person, counts in counted.days[day].items():
            by_role[counted.roles[person, day]].append((person, np.log1p([counts[name] for name in MEASURES])))
        for role, rows in by_role.items():
            if role in forests:
                found = -forests[role].score_samples(np.array([row for _, row in rows]))
                for (person, _), value in zip(rows, found, strict=True):
                    yield Score(float(value), person, (day + 1) * DAY)
            past[role].extend(row for _, row in rows)


BASELINES: dict[str, Callable[[Counting], Iterable[Score]]] = {
    "static threshold per role": role_threshold,
    "own z-score": own_z_score,
    "isolation forest": isolation_forest,
}


def scores(counted: Counting, names: Iterable[str]) -> Mapping[str, list[Score]]:
    return {name: list(BASELINES[name](counted)) for name in names}
