"""All that people are called, and how a text that a log holds is searched for it.

A text falls into atoms, runs of letters and digits; what somebody is called is looked for from each atom on, the
longest first. So `ana.novak` is found in `arn:aws:sts::…:assumed-role/Support/ana.novak`, in `ana.novak@example.net`,
in `backup-ana.novak-2026` and in `user=ana.novak%40example.com`, and is not found in `diana.novak`.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import quote, quote_plus

from innerwatch.pseudonyms.identity import Identity, values

ATOM = re.compile(r"[^\W_]+")
SHORT = 4  # characters; what is shorter counts only as a word of its own
JOINED = re.compile(r"[\w.+-]")  # what makes one word of two
# Names of accounts that are nobody's name, and parts of many other names.
GENERIC = frozenset(
    {
        *("access", "admin", "administrator", "api", "app", "application", "audit", "backup", "batch"),
        *("billing", "bot", "build", "ci", "console", "customer", "customers", "data", "deploy", "dev"),
        *("developer", "development", "email", "event", "events", "example", "guest", "help", "helpdesk"),
        *("hr", "info", "internal", "it", "job", "login", "lambda", "logs", "mail", "manager"),
        *("monitoring", "name", "office", "ops", "phone", "production", "read", "root", "sales"),
        *("security", "server", "service", "session", "staging", "support", "sys", "system", "task"),
        *("team", "temp", "test", "tester", "user", "users", "view", "web", "write"),
    }
)


class Word(NamedTuple):
    """One text that somebody is called by."""

    said: str  # in its plain form, in lower case: what its pseudonym is made of
    recorded_at: int | None  # when the directory first heard of it; None: never
    short: bool  # counts only as a word of its own


class Found(NamedTuple):
    start: int
    end: int
    word: Word


class Vocabulary:
    """`everywhere` is what is found within texts; `whole` what is too short or too common for that."""

    def __init__(self, identities: Iterable[Identity]) -> None:
        self.everywhere: dict[str, Word] = {}
        self.whole: dict[str, Word] = {}
        self._longest: dict[str, int] = {}  # first atom → atoms of the longest text that begins with it
        derived: list[tuple[str, str, int | None]] = []
        for identity in identities:
            for kind, value in values(identity):
                derived += self._take(kind, value, identity.recorded_at)
        for form, said, recorded_at in derived:  # what somebody is called goes before how another may be written
            if form not in self.everywhere:
                self._add(form, said, recorded_at)

    def _take(self, kind: str, value: str, recorded_at: int | None) -> Iterator[tuple[str, str, int | None]]:
        """Adds a text, and gives the other forms that logs write it in."""
        if kind == "role":
            return  # a program's, whoever answers for it
        for part in (value, value.partition("@")[0]) if "@" in value else (value,):
            text = core(lower(unicodedata.normalize("NFC", part)))
            if not text or (kind == "name" and text.isascii() and text.isalpha()):
                continue  # a name of one word many share; `employee.name` is replaced whatever it holds
            if text in GENERIC or text.isdecimal():
                known = self.whole.get(text)
                if known is None or earlier(recorded_at, known.recorded_at):
                    self.whole[text] = Word(text, recorded_at, short=True)
                continue
            self._add(text, text, recorded_at)
            for form in forms(text, kind) - {text}:
                yield form, text, recorded_at

    def _add(self, form: str, said: str, recorded_at: int | None) -> None:
        known = self.everywhere.get(form)
        if known is not None and not earlier(recorded_at, known.recorded_at):
            return
        self.everywhere[form] = Word(said, recorded_at, len(form) < SHORT)
        atoms = ATOM.findall(form)
        if len(atoms) > self._longest.get(atoms[0], 0):
            self._longest[atoms[0]] = len(atoms)

    def get(self, text: str) -> Word | None:
        """Of a whole text in lower case, without what is around its first and last letter or digit."""
        return self.everywhere.get(text) or self.whole.get(text)

    @property
    def said(self) -> set[str]:
        return {word.said for words in (self.everywhere, self.whole) for word in words.values()}

    def leave_out(self, other: "Vocabulary") -> None:
        """Everything that the other knows."""
        for text in [text for text in self.everywhere if other.get(text)]:
            del self.everywhere[text]

    def find(self, text: str) -> Iterator[Found]:
        """What people are called within a text in lower case, from left to right, none over another."""
        if self._longest.keys().isdisjoint(ATOM.findall(text)):  # so of nearly all texts, and far cheaper to see
            return
        spans = [match.span() for match in ATOM.finditer(text)]
        place, count = 0, len(spans)
        longest, words = self._longest, self.everywhere
        while place < count:
            start, end = spans[place]
            most = longest.get(text[start:end])
            place += 1
            if most is None:
                continue
            for last in range(min(place - 2 + most, count - 1), place - 2, -1):
                end = spans[last][1]
                word = words.get(text[start:end])
                if word is not None and not (word.short and _joined(text, start, end)):
                    yield Found(start, end, word)
                    place = last + 1
                    break


def earlier(one: int | None, other: int | None) -> bool:
    return one is not None and (other is None or one < other)


def _joined(text: str, start: int, end: int) -> bool:
    return bool((start and JOINED.match(text, start - 1)) or JOINED.match(text, end))


def lower(text: str) -> str:
    """In lower case, letter for letter: `İ` would become two."""
    found = text.lower()
    return found if len(found) == len(text) else "".join(low if len(low := it.lower()) == 1 else it for it in text)


def core(text: str) -> str:
    """From the first letter or digit to the last."""
    spans = [match.span() for match in ATOM.finditer(text)]
    return text[spans[0][0] : spans[-1][1]] if spans else ""


def forms(text: str, kind: str) -> set[str]:
    """How logs write it: as it is, with accents apart or left out, escaped as in JSON and in URLs; names both ways."""
    plain = {text}
    if kind == "name" and len(parts := text.split()) > 1:
        plain |= {f"{parts[-1]}, {' '.join(parts[:-1])}", f"{parts[-1]} {' '.join(parts[:-1])}"}
        plain |= {separator.join(parts) for separator in "._-"}
    found = set(plain)
    for one in plain:
        if not one.isascii():
            apart = unicodedata.normalize("NFD", one)
            bare = "".join(it for it in apart if not unicodedata.combining(it))
            found |= {apart, bare, json.dumps(one)[1:-1].lower(), json.dumps(bare)[1:-1].lower()}
    found |= {lower(quoted) for one in list(found) for quoted in (quote(one), quote_plus(one))}
    return {form for it in found if (form := core(it))}
