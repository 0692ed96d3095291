"""Replaces, in whole documents, everything that a person is called by a pseudonym; pure.

Every text of a document is searched but for those that `KEPT` names: what they may hold is fixed, or is no employee's.
What one person is called by, id, login name, session name, is each replaced by a pseudonym of its own, the same
wherever it stands: two values of a log are alike afterwards exactly if they were before, so that rules, groups, counts
and scope find what they would have found.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, lru_cache, partial
from types import MappingProxyType
from typing import Any, NamedTuple

from innerwatch.fields import DATASETS
from innerwatch.identity import METHODS
from innerwatch.pseudonyms.identity import Identity
from innerwatch.pseudonyms.keys import Keys, is_pseudonym
from innerwatch.pseudonyms.vocabulary import Vocabulary, Word, core, lower
from innerwatch.values import Actor, Event, Evidence

# Texts that hold no employee's name by what they are: terms of ECS and AWS, HR's words for jobs, customers and cases.
KEPT = frozenset(
    {
        *("@timestamp", "ecs", "data_stream", "cloud", "tls", "rule", "threat", "source.ip", "related.ip"),
        *("event.kind", "event.module", "event.dataset", "event.action", "event.category", "event.type"),
        *("event.outcome", "event.provider", "event.ingested", "event.created", "event.start", "event.end"),
        *("employee.role", "employee.department", "employee.team", "employee.location", "employee.type"),
        *("employee.status", "employee.hired_at", "employee.notice_at", "employee.last_day", "employee.as_of"),
        *("employee.resolution.method", "employee.resolution.confidence"),
        *("access.customer", "access.unjustified", "access.fields", "access.justification"),
        *("access.justification_reason", "access.case", "service.name", "innerwatch.oversized"),
        *("aws.cloudtrail.event_version", "aws.cloudtrail.event_category", "aws.cloudtrail.event_type"),
        *("aws.cloudtrail.recipient_account_id", "aws.cloudtrail.api_version", "aws.cloudtrail.tls_details"),
        *("aws.cloudtrail.error_code", "aws.cloudtrail.user_identity.type"),
        *("user_agent.name", "user_agent.version", "user_agent.os", "user_agent.device"),
    }
)
# Texts that are nothing but an account: here a number, too, or a common word, is somebody's if the directory says so.
ACCOUNTS = frozenset(
    {
        *("user.id", "user.name", "user.email", "user.target.id", "user.target.name", "user.changes.name"),
        *("related.user", "email.to.address", "aws.cloudtrail.user_identity.user_name"),
        *("aws.s3access.requester", "innerwatch.alert.employee.id"),
    }
)
FLATTENED = frozenset(
    name for rows in DATASETS.values() for row in rows if row.type == "flattened" for name in (row.name, row.match)
)
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

REMEMBERED = 50_000  # texts, with what became of them
LONGEST_REMEMBERED = 256  # characters: what is longer seldom comes twice

Hide = Callable[[str], str]


class Revealed(NamedTuple):
    text: str  # what the pseudonym stands for, in lower case
    employee_ids: tuple[str, ...]  # whose it is or was; several for a name that two have, or a login name given anew


class Pseudonyms:
    """What identities are replaced by. Everything that the directory ever knew anybody by is replaced."""

    def __init__(self, keys: Keys, identities: Iterable[Identity]) -> None:
        self._keys = keys
        self._identities = tuple(identities)
        self._vocabulary = Vocabulary(self._identities)
        self._made: dict[Word, str] = {}
        self._texts: dict[str, str] = {}
        self._accounts: dict[str, str] = {}
        self._walk = Walk(self._text, self._account, self._texts)
        self._strangers = lru_cache(maxsize=1024)(self._stranger)

    # --- texts

    def of(self, text: str) -> str:
        """The pseudonym of an id, a name or an account, known or not, as documents have it."""
        if is_pseudonym(text):
            return text
        low = lower(text)
        inner = core(low)
        word = self._vocabulary.get(inner) or Word(inner, None, short=False)
        return low.replace(inner, self._of(word), 1) if inner else text

    def knows(self, text: str) -> bool:
        """Whether the directory ever knew somebody by this."""
        return self._vocabulary.get(core(lower(text))) is not None

    def scrub(self, text: str) -> str:
        """A text with everything replaced in it that anybody is called."""
        return _replaced(text, self._vocabulary, self._of)

    def _text(self, text: str) -> str:
        found = self._texts.get(text)
        if found is None:
            found = self.scrub(text)
            if len(text) <= LONGEST_REMEMBERED:
                if len(self._texts) >= REMEMBERED:
                    self._texts.clear()
                self._texts[text] = found
        return found

    def _account(self, text: str) -> str:
        found = self._accounts.get(text)
        if found is None:
            if len(self._accounts) >= REMEMBERED:
                self._accounts.clear()
            known = self._vocabulary.whole.get(core(lower(text)))
            found = self._accounts[text] = self.of(text) if known else self._text(text)
        return found

    def _of(self, word: Word) -> str:
        found = self._made.get(word)
        if found is None:
            found = self._made[word] = self._make(word)
        return found

    def _make(self, word: Word) -> str:
        local, at, domain = word.said.rpartition("@")
        if not at:
            return self._keys.pseudonym(word.said, word.recorded_at)
        # An address is its local part's pseudonym at the same domain, which rules go by.
        inner = core(local)
        return f"{self._of(self._vocabulary.get(inner) or Word(inner, word.recorded_at, short=False))}@{domain}"

    def revealed(self, pseudonym: str) -> Revealed | None:
        """What a pseudonym stands for; None for one that nobody in the directory has."""
        return self._inverse.get(pseudonym.strip().lower())

    @cached_property
    def _inverse(self) -> dict[str, Revealed]:
        people: dict[str, dict[str, None]] = {}  # text → whose
        for identity in self._identities:
            for said in Vocabulary([identity]).said:
                people.setdefault(said, {})[identity.employee_id] = None
        return {self.of(said): Revealed(said, tuple(whose)) for said, whose in people.items()}

    def employees(self) -> dict[str, str]:
        """Pseudonym → HR id, of everybody."""
        return {self.of(it): it for it in dict.fromkeys(identity.employee_id for identity in self._identities)}

    # --- documents

    def event(self, event: Event) -> None:
        """Hides the people of an event, in its document and its id."""
        document = event.document
        self.hide(document)
        if not UUID.fullmatch(event.id):
            event.id = self._text(event.id)
        stranger = self._strangers(event.actor) if _should_be_known(document["employee"]) else None
        if stranger is not None:
            document.update(Walk(stranger, stranger).parts(document, KINDS))
            event.id = stranger(event.id)

    def hide(self, document: dict[str, Any]) -> None:
        """Replaces at the top level of a document whatever holds people. What is hidden already stays as it is."""
        document.update(self._walk.parts(document, KINDS))
        employee = document.get("employee")
        if isinstance(employee, dict) and "id" in employee:
            document["employee"] = self.employee(employee)

    def employee(self, employee: Mapping[str, Any]) -> dict[str, Any]:
        """`employee.*` with the person hidden; the name is that of the id, since two may have one name."""
        hidden = {**employee, "id": self.of(str(employee["id"]))}
        if "name" in employee:
            hidden["name"] = hidden["id"]
        if "email" in employee:
            hidden["email"] = self.of(str(employee["email"]))
        if manager := (employee.get("manager") or {}).get("id"):
            hidden["manager"] = {**employee["manager"], "id": self.of(str(manager))}
        return hidden

    def _stranger(self, actor: Actor) -> Hide | None:
        """Hides what an actor is called that the directory does not know; None where it knows all of it."""
        texts = [item.identifier for item in actor.evidence if _is_of_a_person(item)]
        own = Vocabulary([Identity("", tuple(texts), None)])
        own.leave_out(self._vocabulary)
        return partial(_replaced, vocabulary=own, of=self._of) if own.everywhere else None


def _is_of_a_person(evidence: Evidence) -> bool:
    """Not so of keys, which change, nor of names that a caller chose, unless they are mail addresses."""
    kind, _, value = evidence.identifier.partition(":")
    return kind != "access_key" and (METHODS[evidence.method].confidence != "guessed" or "@" in value)


def _should_be_known(employee: Mapping[str, Any]) -> bool:
    """Whether a person acted: one whom HR knows, or should."""
    return "id" in employee or employee.get("status") == "unknown"


def _replaced(text: str, vocabulary: Vocabulary, of: Callable[[Word], str]) -> str:
    found = list(vocabulary.find(lower(text)))
    if not found:
        return text
    parts, place = [], 0
    for start, end, word in found:
        parts += [text[place:start], of(word)]
        place = end
    return "".join((*parts, text[place:]))


# --- where in a document is what

Kinds = dict[str, Any]  # name → "kept", "account", "flattened", or the kinds below it


def _kinds() -> Kinds:
    tree: Kinds = {}
    for names, kind in ((KEPT, "kept"), (ACCOUNTS, "account"), (FLATTENED, "flattened")):
        for path in names:
            *above, name = path.split(".")
            place = tree
            for part in above:
                place = place.setdefault(part, {})
            place[name] = kind
    return tree


KINDS = _kinds()
NO_KINDS: Kinds = {}


class Walk:
    """Goes through a document. Every other part of the work is done once for each text; this for each of each event."""

    __slots__ = ("account", "done", "hide")

    def __init__(self, hide: Hide, account: Hide, done: Mapping[str, str] = MappingProxyType({})) -> None:
        self.hide, self.account = hide, account
        self.done = done  # what `hide` gave before

    def value(self, value: Any, kind: Any) -> Any:
        if kind == "kept":
            return value
        if isinstance(value, str):
            return self.account(value) if kind == "account" else self.hide(value)
        if isinstance(value, dict):
            if kind == "flattened":  # its names are a log's, too
                return {self.hide(name): self.value(item, kind) for name, item in value.items()}
            return self.parts(value, kind if isinstance(kind, dict) else NO_KINDS)
        if isinstance(value, list):
            return [self.value(item, kind) for item in value]
        return value

    def parts(self, parts: Mapping[str, Any], kinds: Kinds) -> dict[str, Any]:
        done, found = self.done, {}
        for name, value in parts.items():
            kind = kinds.get(name)
            if kind is None and type(value) is str:
                found[name] = done.get(value) or self.hide(value)
            else:
                found[name] = value if kind == "kept" else self.value(value, kind)
        return found
