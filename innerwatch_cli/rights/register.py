"""Who is held and who was erased: one document a person in an index of its own, which analysts can neither read nor
write.

Holds and erasures of a person stand in the same document and every change names the version that it rests on, so that
of a hold and an erasure that begin at once one is refused. The document's id is a hash of the person's id; the id
itself stands in it only for as long as somebody must know whom a hold is about.
"""

import hashlib
import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Self

import msgspec
from elasticsearch import ConflictError, Elasticsearch, NotFoundError

from innerwatch.errors import UserError
from innerwatch.fields import DATASETS

MOST = 10_000  # people in the register that one search lists
SALT = "salt"
# https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#scrypt: ids are few, so that a fast
# hash would be undone by trying them all.
SCRYPT = {"n": 2**15, "r": 8, "p": 1}


class Copies(msgspec.Struct, frozen=True):
    """What a hold keeps of a dataset; the digest is the sum of the documents' SHA-256, so in no order."""

    documents: int
    sha256: str


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """Times are ISO instants, `until` a day."""

    id: str
    reason: str
    until: str
    by: str
    placed: str
    updated: str = ""
    copies: dict[str, Copies] = {}
    released: str = ""
    released_by: str = ""
    released_reason: str = ""

    @property
    def active(self) -> bool:
        return not self.released

    def indices(self, namespace: str) -> dict[str, str]:
        """Dataset → the index of its copies."""
        return {dataset: f"{copies_of(namespace)}{self.id}-{dataset}" for dataset in DATASETS}

    def namespace(self, namespace: str) -> str:
        """What commands are given as --namespace to read the copies."""
        return f"{namespace}.hold.{self.id}"


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    begun: str
    by: str
    found: dict[str, Any]
    attempts: int = 1
    finished: str = ""
    on_disk: tuple[str, ...] = ()  # indices from whose files not everything that was deleted was dropped


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """All about one person. `employee` is their id as documents have it, empty once nothing is held any more."""

    employee: str = ""
    holds: tuple[Hold, ...] = ()
    erasures: tuple[Erasure, ...] = ()

    @property
    def active(self) -> list[Hold]:
        return [hold for hold in self.holds if hold.active]

    @property
    def unfinished(self) -> Erasure | None:
        return next((erasure for erasure in self.erasures if not erasure.finished), None)

    def with_hold(self, hold: Hold) -> Self:
        """The hold added, or put in the place of the one with its id."""
        others = tuple(item for item in self.holds if item.id != hold.id)
        return msgspec.structs.replace(self, holds=(*others, hold))

    def with_erasure(self, erasure: Erasure) -> Self:
        others = tuple(item for item in self.erasures if item.begun != erasure.begun)
        return msgspec.structs.replace(self, erasures=(*others, erasure))


class Row(msgspec.Struct, frozen=True):
    key: str
    entry: Entry
    version: dict[str, int]  # for a write that must rest on it; empty: there was none


def copies_of(namespace: str) -> str:
    """The beginning of the names of all indices with held copies."""
    return f"innerwatch-hold-{namespace}-"


class Register:
    def __init__(self, es: Elasticsearch, namespace: str) -> None:
        self.es, self.namespace = es, namespace
        self.index = f"innerwatch-rights-{namespace}"
        self._keys: dict[str, str] = {}  # hashing is meant to be slow

    def key(self, document_id: str) -> str:
        """What stands for a person; compared without regard to case, as documents are."""
        if document_id not in self._keys:
            self._keys[document_id] = hashed(document_id, self.salt())
        return self._keys[document_id]

    def salt(self) -> str:
        if not self.es.indices.exists(index=self.index):
            self._create()
        try:
            return str(self.es.get(index=self.index, id=SALT)["_source"][SALT])
        except NotFoundError:
            with suppress(ConflictError):  # another was faster: theirs counts
                self.es.create(index=self.index, id=SALT, document={SALT: secrets.token_hex(16)}, refresh=True)
            return str(self.es.get(index=self.index, id=SALT)["_source"][SALT])

    def _create(self) -> None:
        # Nothing is searched for in it, and what a reason says must not make fields.
        mappings: dict[str, Any] = {"dynamic": False, "properties": {}}
        self.es.options(ignore_status=400).indices.create(
            index=self.index, mappings=mappings, settings={"index": {"hidden": True, "number_of_shards": 1}}
        )

    def read(self, document_id: str) -> Row:
        return self._read(self.key(document_id))

    def _read(self, key: str) -> Row:
        try:
            found = self.es.get(index=self.index, id=key)  # by id, so what was written a moment ago is seen
        except NotFoundError:
            return Row(key, Entry(), {})
        return Row(key, _entry(found["_source"]), _version(found))

    def write(self, row: Row, entry: Entry) -> Row:
        """Raises UserError where somebody else has changed the person's document since it was read."""
        arguments: dict[str, Any] = row.version or {"op_type": "create"}
        try:
            done = self.es.index(
                index=self.index, id=row.key, document=msgspec.to_builtins(entry), refresh=True, **arguments
            )
        except ConflictError as error:
            raise UserError(
                "a hold or an erasure of the same person was begun at the same moment", "look, and run it again"
            ) from error
        return Row(row.key, entry, _version(done))

    def rows(self) -> Iterator[Row]:
        if not self.es.indices.exists(index=self.index):
            return
        self.es.indices.refresh(index=self.index)
        hits = self.es.search(index=self.index, size=MOST, seq_no_primary_term=True)["hits"]["hits"]
        for hit in hits:
            if hit["_id"] != SALT:
                yield Row(hit["_id"], _entry(hit["_source"]), _version(hit))

    def held(self, but: str = "") -> list[str]:
        """The ids, as documents have them, of people who are under a hold, without one of them."""
        found = (row.entry for row in self.rows() if row.entry.active)
        return sorted(entry.employee for entry in found if entry.employee.lower() != but.lower())

    def hold(self, identity: str) -> tuple[Row, Hold]:
        """By its id. Raises UserError where there is none."""
        for row in self.rows():
            for hold in row.entry.holds:
                if hold.id == identity:
                    return row, hold
        raise UserError(f"no hold has the id {identity!r}", "expected one that `innerwatch hold list` shows")


def hashed(document_id: str, salt: str) -> str:
    digest = hashlib.scrypt(
        document_id.lower().encode(), salt=bytes.fromhex(salt), maxmem=64 * 1024 * 1024, dklen=32, **SCRYPT
    )
    return digest.hex()


def unreleased(entry: Entry, day: str) -> Sequence[str]:
    """One line for each hold that still holds, for whoever is refused; `day` is today."""
    return [
        f"hold {hold.id} of {hold.placed[:10]} by {hold.by} ({hold.reason})"
        + (f", due for review since {hold.until}" if hold.until < day else f", until {hold.until}")
        for hold in entry.active
    ]


def _entry(source: Any) -> Entry:
    return msgspec.convert(source, Entry)


def _version(found: Any) -> dict[str, int]:
    return {"if_seq_no": found["_seq_no"], "if_primary_term": found["_primary_term"]}
