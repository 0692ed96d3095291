"""Person-days out of any number of documents in any order, in bounded memory.

What does not fit waits in temporary files, each in order, and is merged at the end: an external merge sort.
"""

import pickle
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from heapq import merge
from operator import itemgetter
from typing import IO, Any, Self

from innerwatch.behaviour.collect import Collector, Key, Part, People, PersonDay

MOST = 50_000  # person-days in memory: some 200 MB


class Days:
    """A collector whose days need not fit into memory. Its files go with it."""

    def __init__(self, people: People | None = None, most: int = MOST) -> None:
        self._collector, self._most = Collector(people), most
        self._files: list[IO[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files:
            file.close()

    def add(self, document: Mapping[str, Any]) -> None:
        self._collector.add(document)
        if len(self._collector) >= self._most:
            file = tempfile.TemporaryFile()  # noqa: SIM115 closed with the object
            for item in self._collector.parts():
                pickle.dump(item, file)
            self._files.append(file)

    def take(self) -> Iterator[PersonDay]:
        """The person-days, in order of day and person; once."""
        runs = [_read(file) for file in self._files]
        return self._collector.finished(merge(*runs, self._collector.parts(), key=itemgetter(0)))


def _read(file: IO[bytes]) -> Iterator[tuple[Key, Part]]:
    file.seek(0)
    with suppress(EOFError):
        while True:
            yield pickle.load(file)  # noqa: S301 our own, written above
