"""Whom a request is about: one person as HR knows them, and as documents do."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from innerwatch.pseudonyms.identity import Identity, values


@dataclass(frozen=True, slots=True)
class Person:
    """One person, in two vocabularies that are the same without pseudonyms.

    `id` and `names` are what HR feeds, the directory and the case system have; `document_id` and `document_names` what
    stands in Elasticsearch. Names are user names, mail addresses and the like, in lower case; those that somebody else
    has or had as well are left out, since what bears them cannot be told apart.
    """

    id: str
    document_id: str
    names: tuple[str, ...] = ()
    document_names: tuple[str, ...] = ()


def person(
    employee_id: str,
    identities: Callable[[], Iterable[Identity]] | None = None,
    hidden: Callable[[str], str] = lambda text: text,
) -> Person:
    """`identities` gives all that the directory knows anybody by; `hidden` turns that into what documents have.

    This is the one place where the two meet: with pseudonyms, `hidden` is the mapping to them.
    """
    names = own_names(employee_id, identities) if identities else ()
    return Person(employee_id, hidden(employee_id), names, tuple(hidden(name) for name in names))


def own_names(employee_id: str, identities: Callable[[], Iterable[Identity]]) -> tuple[str, ...]:
    """What one person, and nobody else, was ever known by; without the id."""
    mine = {name for item in identities() if item.employee_id == employee_id for name in _names(item)}
    others = {name for item in identities() if item.employee_id != employee_id for name in _names(item) if name in mine}
    return tuple(sorted(mine - others - {employee_id.lower()}))


def _names(identity: Identity) -> set[str]:
    return {value.lower() for _, value in values(identity) if value}
