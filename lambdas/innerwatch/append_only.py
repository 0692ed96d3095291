"""A DynamoDB table in which nothing is ever overwritten, and that knows which feeds were applied to it.

The exception is `amend`, by which a person's data is erased; no function has the right to.

| pk      | sk                      | holds                                                                       |
|---------|-------------------------|-----------------------------------------------------------------------------|
| `feeds` | `RECORDED_AT#SHA256`    | that a feed was applied, written last                                       |
| `feeds` | `version`               | how many feeds were applied, and marks that only grow: the one item that changes |

What else is in it is up to its users: the employee directory, the case directory. Instants are 14 digits, so that they
sort.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

LONGEST_KEY = 2048  # bytes of a partition key, DynamoDB's limit
WRITERS = 16  # threads that add items: DynamoDB has no conditional batch write
VERSION = {"pk": "feeds", "sk": "version"}

Item = dict[str, Any]


class Applied(Protocol):
    """What tells one feed from every other."""

    @property
    def recorded_at(self) -> int: ...

    @property
    def digest(self) -> str: ...


class AppendOnlyTable:
    """On a boto3 Table. Reads are consistent: what one feed wrote, the next one sees."""

    def __init__(self, table: "Table") -> None:
        self._table = table
        self._client = table.meta.client

    def version(self) -> str:
        return str(self._version().get("applied", 0))

    def _version(self) -> Item:
        return self._table.get_item(Key=VERSION, ConsistentRead=True).get("Item", {})

    def applied(self, feed: Applied) -> bool:
        return "Item" in self._table.get_item(Key=_feed_key(feed), ConsistentRead=True)

    def _close(self, feed: Applied, said: Mapping[str, Any], marks: Mapping[str, int] | None = None) -> None:
        """Notes that a feed was applied, with what is `said` of it; `marks` are set in the version."""
        name = self._table.name
        names = {f"#mark{place}": mark for place, mark in enumerate(marks or {})}
        values = {f":mark{place}": value for place, value in enumerate((marks or {}).values())}
        sets = ", ".join(f"#mark{place} = :mark{place}" for place in range(len(names)))
        update: Any = {
            "TableName": name,
            "Key": VERSION,
            "UpdateExpression": "ADD applied :one" + (f" SET {sets}" if sets else ""),
            "ExpressionAttributeValues": {":one": 1, **values},
        }
        if names:
            update["ExpressionAttributeNames"] = names
        item: Item = {**_feed_key(feed), **said}
        self._client.transact_write_items(
            TransactItems=[
                {"Put": {"TableName": name, "Item": item, "ConditionExpression": "attribute_not_exists(pk)"}},
                {"Update": update},
            ]
        )

    def _put_all(self, items: Iterable[Item]) -> None:
        """Adds items; one that is there already must be the same."""
        _at_once(self._put_new, items)

    def _put_new(self, item: Item) -> None:
        try:
            self._client.put_item(TableName=self._table.name, Item=item, ConditionExpression="attribute_not_exists(pk)")
        except self._client.exceptions.ConditionalCheckFailedException:
            key = {"pk": item["pk"], "sk": item["sk"]}
            if self._table.get_item(Key=key, ConsistentRead=True)["Item"] != item:
                raise

    def _put_once(self, items: Iterable[Item]) -> None:
        """Adds items; of one that is there already the first stays."""
        _at_once(self._put_first, items)

    def _put_first(self, item: Item) -> None:
        with suppress(self._client.exceptions.ConditionalCheckFailedException):
            self._client.put_item(TableName=self._table.name, Item=item, ConditionExpression="attribute_not_exists(pk)")

    def items(self) -> Iterator[Item]:
        return self._scan()

    def amend(self, changes: Iterable[tuple[Item, Item | None]]) -> int:
        """Erases items, or puts others under their keys: the one exception, for whom the law lets ask for it.

        Functions that keep what they have read then look again, as after a feed. Returns how many there were.
        """
        count = 0
        with self._table.batch_writer() as batch:
            for count, (item, new) in enumerate(changes, 1):  # noqa: B007 the last is what is asked for
                if new is None:
                    batch.delete_item(Key={"pk": item["pk"], "sk": item["sk"]})
                else:
                    batch.put_item(Item=new)
        if count:
            self._table.update_item(
                Key=VERSION, UpdateExpression="ADD applied :one", ExpressionAttributeValues={":one": 1}
            )
        return count

    def _query(self, pk: str) -> Iterator[Item]:
        """Everything under a key; nothing under one that cannot be, since what logs say can be anything."""
        if len(pk.encode(errors="replace")) <= LONGEST_KEY and pk.isprintable():
            yield from self._pages("query", KeyConditionExpression="pk = :pk", ExpressionAttributeValues={":pk": pk})

    def _scan(self) -> Iterator[Item]:
        yield from self._pages("scan")

    def _pages(self, operation: str, **arguments: Any) -> Iterator[Item]:
        while True:
            page = getattr(self._table, operation)(ConsistentRead=True, **arguments)
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            arguments["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def _at_once(put: Callable[[Item], None], items: Iterable[Item]) -> None:
    with ThreadPoolExecutor(WRITERS) as pool:
        for _ in pool.map(put, items):
            pass  # raises what a write raised


def create_table(name: str) -> None:
    """The table as infra/template.yaml makes it, for tests and the demo."""
    import boto3

    boto3.client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
        SSESpecification={"Enabled": True},
    )


def feed_name(feed: Applied) -> str:
    return f"{feed.recorded_at:014d}#{feed.digest}"


def _feed_key(feed: Applied) -> dict[str, str]:
    return {"pk": "feeds", "sk": feed_name(feed)}
