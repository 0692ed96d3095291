"""A person in the two DynamoDB tables: what each item says, and the tables without it.

Nobody asks these tables for a person by everything that names them (as a manager, in an owner map), so that both are
read whole.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Any

from innerwatch.append_only import AppendOnlyTable, Item
from innerwatch.directory import dynamo
from innerwatch.justification import store as cases
from innerwatch_cli.rights.people import Person

Change = tuple[Item, Item | None]  # an item that concerns the person, and what is left of it

KINDS = {"employee": "facts", "identifier": "accounts", "leaving": "leaving", "identities": "identities"}


class PersonTable:
    """A table as far as it concerns one person.

    `without` gives what is left of an item when they are erased, `part` what of it is for them to have: None where all
    of it is others'.
    """

    def __init__(
        self,
        name: str,
        table: AppendOnlyTable,
        without: Callable[[Item], Item | None],
        part: Callable[[Item], Item | None],
    ) -> None:
        self.name, self._table, self._without, self._part = name, table, without, part

    def changes(self) -> Iterator[Change]:
        for item in self._table.items():
            left = self._without(item)
            if left is not item:
                yield item, left

    def count(self) -> dict[str, int]:
        """What kind of items there are, each with how many."""
        return dict(sorted(Counter(map(kind, self.changes())).items()))

    def export(self) -> Iterator[dict[str, Any]]:
        """What the person may have, for JSON."""
        for item, _ in self.changes():
            if (part := self._part(item)) is not None:
                yield plain(part)

    def erase(self) -> int:
        return self._table.amend(self.changes())


def directory(table: AppendOnlyTable, person: Person, held: Collection[str] = ()) -> PersonTable:
    """`held` are others under a legal hold, by HR id: what is known of them stays, their manager included."""
    kept = {f"employee#{employee_id}" for employee_id in held}

    def without(item: Item) -> Item | None:
        return item if item["pk"] in kept else dynamo.without(item, person.id)

    def part(item: Item) -> Item | None:
        if item["pk"].startswith("employee#") and item["pk"] != f"employee#{person.id}":
            return None
        if "holders" in item:
            return {**item, "holders": [holder for holder in item["holders"] if holder[0] == person.id]}
        return item

    return PersonTable("directory", table, without, part)


def case_directory(table: AppendOnlyTable, person: Person) -> PersonTable:
    names = {person.id.lower(), *person.names}

    def part(item: Item) -> Item:
        return {**item, "assignments": [one for one in item["assignments"] if one[0] in names]}

    return PersonTable("cases", table, partial(cases.without, names=names), part)


def kind(change: Change) -> str:
    item, left = change
    prefix = str(item["pk"].partition("#")[0])
    if prefix == "employee" and left is not None:
        return "facts of others, as their manager"
    if prefix in ("case", "customer"):
        return "assignments to cases"
    return KINDS.get(prefix, prefix)


def plain(value: Any) -> Any:
    """An item for JSON: DynamoDB's numbers are whole ones here."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value if isinstance(value, str | bool | None) else int(value)
