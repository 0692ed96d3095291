"""Did you mean …?"""

import difflib
from collections.abc import Iterable


def alike(word: str, known: Iterable[str], count: int = 2) -> list[str]:
    """The known words that `word` may be a slip of, best first, whatever their case."""
    by_fold = {other.casefold(): other for other in known}
    found = difflib.get_close_matches(word.casefold(), by_fold, n=count, cutoff=0.7)
    return [by_fold[other] for other in found]


def did_you_mean(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """The remedy in an error's text, `otherwise` where nothing is alike."""
    found = alike(word, known)
    return f"did you mean {' or '.join(found)}?" if found else otherwise


def one_of(known: Iterable[str]) -> str:
    names = list(known)
    return f"expected {', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else f"expected {names[0]}"
