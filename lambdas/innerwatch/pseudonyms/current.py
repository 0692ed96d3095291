"""The pseudonyms of a directory as it is now."""

from collections.abc import Callable, Iterable
from typing import Protocol

from innerwatch.pseudonyms.hiding import Pseudonyms
from innerwatch.pseudonyms.identity import Identity
from innerwatch.pseudonyms.keys import Keys


class Identities(Protocol):
    """What is asked of the employee directory."""

    @property
    def version(self) -> str: ...

    def identities(self) -> Iterable[Identity]: ...


class Current:
    """Made anew whenever a feed was applied, and with the keys of then: whoever it names is hidden from their first
    event on.
    """

    def __init__(self, directory: Identities, keys: Callable[[], Keys]) -> None:
        self._directory, self._keys = directory, keys
        self._version: str | None = None
        self._made: Pseudonyms

    def __call__(self) -> Pseudonyms:
        version = self._directory.version
        if version != self._version:
            self._made = Pseudonyms(self._keys(), self._directory.identities())
            self._version = version
        return self._made
