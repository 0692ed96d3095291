"""All places that may hold a person, and what is in them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from innerwatch_cli.rights import copies, documents
from innerwatch_cli.rights.checkpoints import Checkpoints
from innerwatch_cli.rights.documents import Documents, Found
from innerwatch_cli.rights.people import Person
from innerwatch_cli.rights.register import Register, copies_of
from innerwatch_cli.rights.tables import PersonTable

Tables = dict[str, dict[str, int]]  # table → kind of item → how many


@dataclass(frozen=True)
class Finding:
    streams: dict[str, Found]
    tables: Tables
    holds: dict[str, dict[str, int]] = field(default_factory=dict)  # id of a hold on the person → dataset → copies
    others: int = 0  # copies held for others that are of the person too, or name them

    @property
    def left(self) -> int:
        """What erasing has to do: documents of the person or that name them, and items of tables."""
        kinds = (tally for found in self.streams.values() for tally in (found.own, found.mentions))
        return sum(tally.documents for tally in kinds) + sum(sum(table.values()) for table in self.tables.values())

    @property
    def nothing(self) -> bool:
        kept = sum(found.kept.documents for found in self.streams.values())
        held = sum(sum(kinds.values()) for kinds in self.holds.values())
        return not (self.left or kept or held or self.others)

    def as_json(self) -> dict[str, Any]:
        streams = {
            stream: {name: documents.times(tally) for name, tally in found._asdict().items() if tally.documents}
            for stream, found in self.streams.items()
        }
        return {"streams": streams, "tables": self.tables, "holds": self.holds, "held_for_others": self.others}


@dataclass(frozen=True)
class Holdings:
    person: Person
    documents: Documents
    register: Register
    tables: Sequence[PersonTable | Checkpoints]

    def find(self) -> Finding:
        """Counts; changes nothing but that what was written a moment ago can be seen."""
        es, namespace = self.documents.es, self.documents.namespace
        own_holds = self.register.read(self.person.document_id).entry.active
        return Finding(
            self.documents.find(self.person, self.held),
            {table.name: table.count() for table in self.tables},
            {hold.id: copies.there(es, namespace, hold) for hold in own_holds},
            0 if own_holds else copies.mentioned(es, copies_of(namespace), self.person),
        )

    @property
    def held(self) -> list[str]:
        """Others who are under a legal hold: what is theirs stays as it is."""
        return self.register.held(but=self.person.document_id)

    def own_documents(self, stream: str) -> Iterator[list[dict[str, Any]]]:
        return self.documents.pages(stream, documents.own(self.person))
