"""Names of people who don't exist."""

import unicodedata
from pathlib import Path
from random import Random

# Given names and family names, in two paragraphs.
FIRST, LAST = (part.split() for part in Path(__file__).with_name("names.txt").read_text(encoding="utf-8").split("\n\n"))


def distinct(rng: Random, count: int) -> list[str]:
    """Full names, each once; a second family name where there are more people than pairs."""
    pairs = [f"{first} {last}" for first in FIRST for last in LAST]
    rng.shuffle(pairs)
    if count > len(pairs):
        longer = [f"{pair} {last}" for pair, last in zip(pairs, reversed(LAST * len(FIRST)), strict=False)]
        pairs += [name for name in longer if name.split()[1] != name.split()[2]]
    return pairs[:count]


def plain(name: str) -> str:
    """ASCII lower case, as logins and mail addresses have it: `Ciarán` is `ciaran`."""
    letters = unicodedata.normalize("NFKD", name.replace("ı", "i").replace("ł", "l"))
    return "".join(letter for letter in letters.lower() if letter.isascii() and letter.isalnum())
