"""Random numbers: one independent stream per purpose, so that adding one thing to the company reshuffles no other."""

import math
from collections.abc import Sequence
from random import Random
from typing import TypeVar

Item = TypeVar("Item")

LETTERS = "abcdefghijklmnopqrstuvwxyz"
BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
HEX = "0123456789abcdef"


class Streams:
    """`streams("support", "E1004", day)` is the same sequence whatever else was drawn before."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def __call__(self, *purpose: object) -> Random:
        return Random("/".join(map(str, (self.seed, *purpose))))


def poisson(rng: Random, mean: float) -> int:
    """How many of something that happens `mean` times on average (Knuth's method; the normal one where many)."""
    if mean > 30:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    limit, count, product = math.exp(-mean), 0, rng.random()
    while product > limit:
        count += 1
        product *= rng.random()
    return count


def uuid4(rng: Random) -> str:
    digits = f"{rng.getrandbits(128):032x}"
    return (
        f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{'89ab'[int(digits[16], 16) & 3]}{digits[17:20]}-{digits[20:]}"
    )


def text(rng: Random, alphabet: str, length: int) -> str:
    return "".join(rng.choices(alphabet, k=length))


def sample(rng: Random, items: Sequence[Item], count: int) -> list[Item]:
    """Up to `count` different items, in random order."""
    return rng.sample(items, min(count, len(items)))


def between(rng: Random, low: float, high: float, mean: float, spread: float) -> float:
    """A bell-shaped value that never leaves its bounds."""
    return min(high, max(low, rng.gauss(mean, spread)))
