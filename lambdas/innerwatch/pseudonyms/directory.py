"""The employee directory, asked with the pseudonyms that stand in documents."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Protocol

from innerwatch.pseudonyms.hiding import Pseudonyms
from innerwatch.values import Fact


class People(Protocol):
    def state(self, employee_id: str, time: int) -> Fact | None: ...


class HiddenPeople:
    """What HR held true, for those who compute with it and show nothing of it: the facts are as HR gave them."""

    def __init__(self, people: People, pseudonyms: Pseudonyms) -> None:
        self._people = people
        self._ids = pseudonyms.employees()

    def state(self, employee_id: str, time: int) -> Fact | None:
        """Of the person with this pseudonym; None for one that nobody in the directory has."""
        known = self._ids.get(employee_id)
        return None if known is None else self._people.state(known, time)


def hidden_notices(notices: Iterable[tuple[str, Fact]], pseudonyms: Pseudonyms) -> Iterator[tuple[str, Fact]]:
    """Notices as `DynamoStore.leaving` gives them, of people as documents name them; their keys, too."""
    for key, fact in notices:
        person = pseudonyms.of(fact.employee.id)
        yield f"{key.partition('#')[0]}#{person}", replace(fact, employee=replace(fact.employee, id=person))
