"""Robust statistics: how far a value lies above what is usual, where the usual holds outliers itself.

Median and median absolute deviation: Hampel, "The influence curve and its role in robust estimation", JASA 69 (1974);
the modified z-score 0.6745 (x - median) / MAD and its limit 3.5: Iglewicz & Hoaglin, "How to Detect and Handle
Outliers" (1993). What is done where the MAD says too little is in docs/behaviour.md.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

CONSISTENT = 1 / 0.6745  # makes a MAD the standard deviation of a normal distribution
LIMIT = 3.5  # Iglewicz & Hoaglin's: beyond it a value is an outlier
HIGH = 0.9  # the quantile that tells how high usual days go
NORMAL_HIGH = 1.2816  # where a normal distribution has that quantile, in standard deviations


class Baseline(NamedTuple):
    """What is usual: `high` is how high usual values go, `size` how many values it rests on."""

    median: float
    mad: float
    high: float
    size: int


class Without(Sequence[float]):
    """A sorted sequence with one of its items left out, without copying it."""

    def __init__(self, items: Sequence[float], place: int) -> None:
        self.items, self.place = items, place

    def __len__(self) -> int:
        return len(self.items) - 1

    def __getitem__(self, index: int) -> float:  # type: ignore[override]  # asked for single items only
        index = index if index >= 0 else index + len(self)
        return self.items[index if index < self.place else index + 1]


def baseline(ordered: Sequence[float]) -> Baseline:
    """Of values in order; at least one."""
    middle = median(ordered)
    return Baseline(middle, mad(ordered, middle), high(ordered), len(ordered))


def median(ordered: Sequence[float]) -> float:
    count = len(ordered)
    return (ordered[(count - 1) // 2] + ordered[count // 2]) / 2


def high(ordered: Sequence[float]) -> float:
    """The 90th percentile, but never beyond the second highest: one outlier among few must not hide the next."""
    return min(quantile(ordered, HIGH), ordered[-2]) if len(ordered) > 1 else ordered[0]


def quantile(ordered: Sequence[float], share: float) -> float:
    """Linear between the closest ranks."""
    place = (len(ordered) - 1) * share
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def mad(ordered: Sequence[float], middle: float) -> float:
    """The median absolute deviation from `middle`, in O(log² n): deviations to both sides are in order already."""
    count = len(ordered)
    below = bisect_left(ordered, middle)
    low = _deviation(ordered, middle, below, (count - 1) // 2)
    return low if count % 2 else (low + _deviation(ordered, middle, below, count // 2)) / 2


def _deviation(ordered: Sequence[float], middle: float, below: int, rank: int) -> float:
    """The deviation with `rank` (from 0) smaller ones. `below`: how many items are less than `middle`."""
    least, most = max(0, rank + 1 - (len(ordered) - below)), min(rank + 1, below)
    while least < most:  # how many of the rank + 1 smallest lie below the middle
        taken = (least + most) // 2
        if middle - ordered[below - 1 - taken] < ordered[below + rank - taken] - middle:
            least = taken + 1
        else:
            most = taken
    taken = least
    left = middle - ordered[below - taken] if taken else -math.inf
    right = ordered[below + rank - taken] - middle if taken <= rank else -math.inf
    return max(left, right)


def deviation(value: float, usual: Baseline, least: float) -> float:
    """The modified z-score, with the spread taken as the widest of four.

    The MAD; what the 90th percentile shows, since a MAD is 0 where most days have none; `least`; all of that widened
    by what a median of few values may be off (its variance is π/2n of the values').
    """
    spread = max(CONSISTENT * usual.mad, (usual.high - usual.median) / NORMAL_HIGH, least)
    return (value - usual.median) / (spread * math.sqrt(1 + math.pi / (2 * usual.size)))


def score(z: float) -> float:
    """0 to 100, comparable between measures: 50 at LIMIT; each LIMIT more halves what is missing to 100."""
    return 100 * (1 - 2 ** (-z / LIMIT)) if z > 0 else 0.0
