"""The directory in DynamoDB: one table, in which nothing is ever overwritten but to erase a person (`without`).

| pk                  | sk                                | holds                                                   |
|---------------------|-----------------------------------|---------------------------------------------------------|
| `employee#ID`       | `VALID_FROM#RECORDED_AT`          | a fact; one query gives a person's whole history        |
| `identifier#KEY`    | `employee#ID`                     | that some fact of this person names the identifier      |
| `identifier#KEY`    | `owners#RECORDED_AT#IDENTIFIER`   | what the owner maps say of it, as known from then on    |
| `identities`        | `ID#HASH`                         | what a person was ever known by, for pseudonyms         |
| `leaving`           | `RECORDED_AT#ID`                  | a fact that says, for the first time, that somebody leaves |
| `feeds`             | `RECORDED_AT#SHA256`              | that a feed was applied, written last                   |
| `feeds`             | `version`                         | how many feeds were applied: the one counter            |

Instants are 14 digits, so that they sort. Facts and statements of owner maps name their `feed`: one that was cut short
is applied again as if for the first time, and adds what is not there already. Claims come before the facts that make
them, so that no fact lacks its claims.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from hashlib import sha256

from innerwatch.append_only import AppendOnlyTable, Item, create_table, feed_name
from innerwatch.directory.identifiers import Claims, index_key, own
from innerwatch.directory.store import MemoryStore
from innerwatch.pseudonyms.identity import Identity, of_employee, of_ownership
from innerwatch.values import Change, Employee, Fact, Feed, Holder, Holding, Ownership

__all__ = ["DynamoStore", "create_table"]

LEAVING = "leaving"
IDENTITIES = "identities"
OF_LEAVERS = ("id", "status", "hired_at", "notice_at", "last_day", "time_zone")
MOST_ASKED_ONE_BY_ONE = 200  # people; a feed that names more is compared with a scan of the whole table


class DynamoStore(AppendOnlyTable):
    """A `Store` on a boto3 Table. Reads are consistent: what one feed wrote, the next one sees."""

    def facts(self, employee_id: str) -> Sequence[Fact]:
        return [_fact(item) for item in self._query(f"employee#{employee_id}")]

    def claims(self, identifier: str) -> Claims:
        return _claims(list(self._query(f"identifier#{index_key(identifier)}")))

    def known(self, feed: Feed) -> MemoryStore:
        if feed.full or len(feed.rows) > MOST_ASKED_ONE_BY_ONE:
            return _memory(self._scan(), feed_name(feed))
        items: list[Item] = []
        people: set[str] = set()
        for row in feed.rows:
            people.add(row.employee_id)
            identifier = row.identifier if isinstance(row, Holding) else _mail(row)
            claims = list(self._query(f"identifier#{index_key(identifier)}")) if identifier else []
            items += [item for item in claims if item["sk"].startswith("owners#")]
            people.update(_claims(claims).employee_ids)
            people.update(
                holder.employee_id for ownership in _claims(claims).ownerships for holder in ownership.holders
            )
        for employee_id in sorted(filter(None, people)):
            items += self._query(f"employee#{employee_id}")
        return _memory(items, feed_name(feed))

    def leaving(self, since: int) -> Iterator[tuple[str, Fact]]:
        """Of whom a feed recorded at `since` (milliseconds) or later said that they leave: a key, and what it said."""
        pages = self._pages(
            "query",
            KeyConditionExpression="pk = :pk AND sk >= :since",
            ExpressionAttributeValues={":pk": LEAVING, ":since": f"{since:014d}"},
        )
        for item in pages:
            yield item["sk"], _said(item["employee"], item["valid_from"], int(item["sk"].partition("#")[0]))

    def identities(self) -> Iterator[Identity]:
        for item in self._query(IDENTITIES):
            yield Identity(item["employee"], tuple(item["texts"]), int(item["recorded_at"]))

    def append(
        self, facts: Iterable[Fact], ownerships: Iterable[Ownership], feed: Feed, leaving: Iterable[Fact] = ()
    ) -> None:
        ordered = sorted(facts, key=lambda fact: (fact.employee.id, fact.valid_from))
        ownerships = list(ownerships)
        self._put_once(_identity_items(ordered, ownerships))
        with self._table.batch_writer(overwrite_by_pkeys=["pk", "sk"]) as batch:
            for fact in ordered:
                for identifier in (own(fact.employee.id), *fact.employee.identifiers):
                    batch.put_item({"pk": f"identifier#{index_key(identifier)}", "sk": f"employee#{fact.employee.id}"})
        items = [*map(_fact_item, ordered), *map(_ownership_item, ownerships), *map(_leaving_item, leaving)]
        self._put_all({**item, "feed": feed_name(feed)} for item in items)
        self._close(feed, {"name": feed.name, "format": feed.format, "rows": len(feed.rows), "bad": len(feed.bad)})


def _memory(items: Iterable[Item], feed: str) -> MemoryStore:
    """Facts and statements of owner maps, those that `feed` added marked as unfinished."""
    found = MemoryStore()
    for item in items:
        if item["pk"].startswith("employee#"):
            fact = _fact(item)
            found.add(fact)
            found.unfinished += [fact] if item["feed"] == feed else []
        elif item["pk"].startswith("identifier#") and item["sk"].startswith("owners#"):
            ownership = _ownership(item)
            found.add_ownership(ownership)
            found.unfinished += [ownership] if item["feed"] == feed else []
    return found


def _claims(items: Iterable[Item]) -> Claims:
    kinds = [(item["sk"].partition("#")[0], item) for item in items]
    return Claims(
        [item["sk"].removeprefix("employee#") for kind, item in kinds if kind == "employee"],
        [_ownership(item) for kind, item in kinds if kind == "owners"],
    )


def _mail(change: Change) -> str:
    email = change.attributes.get("email", "")
    return f"email:{email.lower()}" if email else ""


def _identity_items(facts: Iterable[Fact], ownerships: Iterable[Ownership]) -> list[Item]:
    """One of everything that somebody is known by, however many facts say it."""
    found: dict[str, Item] = {}
    identities = [item for fact in facts for item in of_employee(fact.employee, fact.recorded_at)]
    for identity in [*identities, *(item for ownership in ownerships for item in of_ownership(ownership))]:
        digest = sha256("\0".join(identity.texts).encode()).hexdigest()
        key = f"{identity.employee_id}#{digest[:16]}"
        item: Item = {
            "pk": IDENTITIES,
            "sk": key,
            "employee": identity.employee_id,
            "texts": list(identity.texts),
            "recorded_at": identity.recorded_at,
        }
        found.setdefault(key, item)
    return list(found.values())


def without(item: Item, employee_id: str) -> Item | None:
    """An item of the table without a person: None where it is theirs, the same where it does not name them."""
    if item["pk"] == f"employee#{employee_id}" or item["sk"] == f"employee#{employee_id}":
        return None
    if item["pk"] in (LEAVING, IDENTITIES):
        who = item["employee"]
        return None if (who if isinstance(who, str) else who["id"]) == employee_id else item
    if item["pk"].startswith("employee#") and item["employee"].get("manager_id") == employee_id:
        return {**item, "employee": {name: value for name, value in item["employee"].items() if name != "manager_id"}}
    if item["sk"].startswith("owners#"):
        holders = [holder for holder in item["holders"] if holder[0] != employee_id]
        if len(holders) < len(item["holders"]):
            return {**item, "holders": holders} if holders else None
    return item


def _fact_item(fact: Fact) -> Item:
    said = {item.name: getattr(fact.employee, item.name) for item in fields(Employee)}
    return {
        "pk": f"employee#{fact.employee.id}",
        "sk": f"{fact.valid_from:014d}#{fact.recorded_at:014d}",
        "employee": {name: list(value) if isinstance(value, tuple) else value for name, value in said.items() if value},
    }


def _leaving_item(fact: Fact) -> Item:
    """Without name, address and accounts: whoever looks back at somebody needs none."""
    said = {name: value for name in OF_LEAVERS if (value := getattr(fact.employee, name))}
    sk = f"{fact.recorded_at:014d}#{fact.employee.id}"
    return {"pk": LEAVING, "sk": sk, "valid_from": fact.valid_from, "employee": said}


def _fact(item: Item) -> Fact:
    valid_from, recorded_at = item["sk"].split("#")
    return _said(item["employee"], valid_from, recorded_at)


def _said(employee: Item, valid_from: str | int, recorded_at: str | int) -> Fact:
    said = dict(employee)
    identifiers = tuple(said.pop("identifiers", ()))
    return Fact(Employee(**said, identifiers=identifiers), int(valid_from), int(recorded_at))


def _ownership_item(ownership: Ownership) -> Item:
    return {
        "pk": f"identifier#{index_key(ownership.identifier)}",
        "sk": f"owners#{ownership.recorded_at:014d}#{ownership.identifier}",
        "holders": [list(holder) for holder in ownership.holders],
    }


def _ownership(item: Item) -> Ownership:
    _, recorded_at, identifier = item["sk"].split("#", 2)
    holders = tuple(Holder(str(person), int(start), int(end)) for person, start, end in item["holders"])
    return Ownership(identifier, int(recorded_at), holders)
