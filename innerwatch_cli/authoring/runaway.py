"""Regular expressions that run away: found by trying each on values made to be hard for it.

Each repeat without a limit gets what it repeats, many times over, and then something that fits nowhere: where the same
text can be shared out in many ways, as in `(a+)+$`, all of them are tried in vain.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import islice, product
from re import _parser  # type: ignore[attr-defined]  # private, but `re` shows nowhere else what it has read
from typing import Any

from innerwatch.detection.regex import TooSlowError, searcher

TIMES = 50  # of a repeat: exponential in it is far beyond SECONDS
SECONDS = 0.1  # of processor time
MANY = 16  # a limit that is none
MOST = 8  # texts that are made of one part
MISFIT = "\0"
PREFERRED = "a1A _-./:,;=@\"'\\\n"  # where a set may be any of these, it is the first: so that sets overlap
CATEGORIES = {"DIGIT": r"\d", "SPACE": r"\s", "WORD": r"\w", "NOT_DIGIT": r"\D", "NOT_SPACE": r"\S", "NOT_WORD": r"\W"}


def runs_away(pattern: str, flags: str) -> bool:
    """Whether a value of a few dozen characters keeps the expression busy. Raises re.error for what is none."""
    found = searcher(pattern, flags, SECONDS)
    try:
        for value in hard_values(pattern):
            found(value)
    except TooSlowError:
        return True
    return False


def hard_values(pattern: str) -> Iterator[str]:
    yield from _hard(_parser.parse(pattern).data, "")


def _hard(parts: Sequence[Any], before: str) -> Iterator[str]:
    for part in parts:
        name, argument = str(part[0]), part[1]
        if name in ("MAX_REPEAT", "MIN_REPEAT"):
            _, most, inner = argument
            if most >= MANY:
                yield from (before + text * TIMES + MISFIT for text in _texts(inner) if text)
            yield from _hard(inner, before)
        elif name == "SUBPATTERN":
            yield from _hard(argument[-1], before)
        elif name == "BRANCH":
            for choice in argument[1]:
                yield from _hard(choice, before)
        before += next(iter(_of(part)), "")


def _texts(parts: Sequence[Any]) -> list[str]:
    """Some texts that match."""
    return ["".join(chosen) for chosen in islice(product(*map(_of, parts)), MOST)]


def _of(part: Any) -> list[str]:
    name, argument = str(part[0]), part[1]
    match name:
        case "LITERAL":
            return [chr(argument)]
        case "NOT_LITERAL" | "ANY":
            return [next(one for one in PREFERRED if _fits(part, one))]
        case "IN":
            return _members(part)
        case "BRANCH":
            return [text for choice in argument[1] for text in _texts(choice)][:MOST]
        case "SUBPATTERN":
            return _texts(argument[-1])
        case "ATOMIC_GROUP":
            return _texts(argument)
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            least, _, inner = argument
            return [text * max(1, min(least, TIMES)) for text in _texts(inner)]
    return [""]  # anchors, assertions, references: taken for empty


def _members(part: Any) -> list[str]:
    """One that many sets have, and one that the set names itself."""
    codes = (argument for name, argument in part[1] if str(name) in ("LITERAL", "RANGE"))
    named = [chr(code if isinstance(code, int) else code[0]) for code in codes]
    common = [one for one in PREFERRED if _fits(part, one)]
    return [*common[:1], *(one for one in named[:1] if _fits(part, one))] or [""]


def _fits(part: Any, one: str) -> bool:
    """Whether a part that stands for one character takes this one."""
    name, argument = str(part[0]), part[1]
    match name:
        case "ANY":
            return one != "\n"
        case "LITERAL":
            return int(argument) == ord(one)
        case "NOT_LITERAL":
            return int(argument) != ord(one)
        case "RANGE":
            return int(argument[0]) <= ord(one) <= int(argument[1])
        case "CATEGORY":
            return re.match(CATEGORIES[str(argument).removeprefix("CATEGORY_")], one) is not None
        case "IN":
            negated = bool(argument) and str(argument[0][0]) == "NEGATE"
            return any(_fits(item, one) for item in argument[negated:]) is not negated
    return False
