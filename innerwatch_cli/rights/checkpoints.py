"""Detection's checkpoints as far as their ids name a person: that it looked back at what a leaver had done."""

from collections.abc import Iterator
from typing import Any

from innerwatch_cli.rights.documents import EVERYTHING, Documents, Hit
from innerwatch_cli.rights.people import Person

LOOK_BACK = "look-back"  # `look-back#RECORDED_AT#ID`: see innerwatch.detection.leavers and the directory's `leaving`


class Checkpoints:
    """The same questions as a `tables.PersonTable` answers."""

    name = "checkpoints"

    def __init__(self, documents: Documents, person: Person) -> None:
        self._documents, self._index = documents, f"innerwatch-checkpoints-{documents.namespace}"
        self._ids = {person.id.lower(), person.document_id.lower()}

    def _hits(self) -> Iterator[Hit]:
        for hits in self._documents.pages(self._index, EVERYTHING, source=False):
            for hit in hits:
                kind, _, rest = hit["_id"].partition("#")
                if kind == LOOK_BACK and rest.partition("#")[2].lower() in self._ids:
                    yield hit

    def count(self) -> dict[str, int]:
        self._documents.es.indices.refresh(index=self._index, ignore_unavailable=True)
        found = sum(1 for _ in self._hits())
        return {"look-backs": found} if found else {}

    def export(self) -> Iterator[dict[str, Any]]:
        for hit in self._hits():
            yield {"id": hit["_id"]}

    def erase(self) -> int:
        return self._documents.delete(list(self._hits()))
