"""The ledger: one line for every version of every log object, in DynamoDB, so that nothing is lost or doubled unseen.

Key `object` is `s3://bucket/key`, sort key `version` the S3 version id, or the ETag in a bucket without versions.
A line is opened before its object is read, and closed once, when every record has ended and the counts add up. It then
stays as it is, unless somebody has the object read again (`reopen`). A line that stays open tells of an attempt that
failed or was killed.

| attribute                                  | |
|--------------------------------------------|---------------------------------------------------------------------|
| `state`                                    | `open` or `closed`                                                  |
| `uri`                                      | the object as its documents name it, in `log.file.path`             |
| `etag`                                     | S3's entity tag of what was read                                    |
| `attempts`                                 | how often it was begun                                              |
| `opened_at`, `tried_at`, `closed_at`       | milliseconds: first attempt, last attempt, end                      |
| `read`, `indexed`, `duplicate`, `set_aside`| how its records ended: the first is the sum of the others           |
| `first`, `last`                            | milliseconds: the times of its first and last event, if it has any  |
| `dataset`                                  | what its events are, if it has any                                  |
| `account`, `region`, `delivered`           | what the key of a CloudTrail object says; `delivered` as above      |
| `superseded_by`                            | it was overwritten by that version before it could be read          |

Conditional writes decide between two functions that work at once: both may read, the first to close wins.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.ConditionExpressions.html
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from innerwatch import trails
from innerwatch.uris import uri
from innerwatch.values import Counts

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

OPEN, CLOSED = "open", "closed"
BATCH = 100  # keys that one BatchGetItem may ask for

_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


@dataclass(frozen=True, slots=True)
class Line:
    """One version of one object, as the ledger holds it. `attempts` over 1: an earlier one did not finish."""

    object: str  # s3://bucket/key
    version: str
    uri: str
    state: str = OPEN
    attempts: int = 0
    etag: str = ""
    opened_at: int = 0
    tried_at: int = 0
    closed_at: int = 0
    read: int = 0
    indexed: int = 0
    duplicate: int = 0
    set_aside: int = 0
    first: int | None = None
    last: int | None = None
    dataset: str = ""
    account: str = ""
    region: str = ""
    delivered: int | None = None
    superseded_by: str = ""

    @property
    def closed(self) -> bool:
        return self.state == CLOSED

    @property
    def balanced(self) -> bool:
        return self.read == self.indexed + self.duplicate + self.set_aside


class OutOfBalance(Exception):
    """The counts of an object do not add up: it stays open."""


class Ledger:
    """The ledger's lines in a table. The client may be used by several threads."""

    def __init__(
        self, client: "DynamoDBClient", table: str, clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    ) -> None:
        self._client, self._table, self._clock = client, table, clock

    def open(self, bucket: str, key: str, *, version_id: str = "", etag: str = "") -> Line:
        """Opens the line of an object that is about to be read, in one write; or finds it closed: don't read then.

        `version_id` where the bucket has versions, else `etag`. More than one attempt: an earlier one did not finish.
        Of a closed line no more is told than that.
        """
        now = self._clock()
        line = Line(
            uri(bucket, key),
            version_id or etag,
            uri(bucket, key, version_id),
            attempts=1,
            etag=etag,
            opened_at=now,
            tried_at=now,
            **_place(key),
        )
        if self._put(line, "attribute_not_exists(#object)", {"#object": "object"}):
            return line
        again = self._update(
            line,
            "SET #tried_at = :now ADD #attempts :one",
            "#state = :open",
            {"#tried_at": "tried_at", "#attempts": "attempts", "#state": "state"},
            {":now": now, ":one": 1, ":open": OPEN},
        )
        return again if again is not None else replace(line, state=CLOSED)

    def close(
        self,
        line: Line,
        counts: Counts,
        *,
        times: tuple[int, int] | None = None,
        dataset: str = "",
        etag: str = "",
    ) -> bool:
        """Closes an open line with how the object's records ended; False where another function was first.

        `times` are those of its first and last event, where it has any. Raises OutOfBalance, and leaves the line open,
        where the counts do not add up.
        """
        if not counts.balanced:
            raise OutOfBalance(f"{line.uri}: {counts}")
        first, last = times if times is not None else (None, None)
        return self._close(
            line,
            read=counts.read,
            indexed=counts.indexed,
            duplicate=counts.duplicate,
            set_aside=counts.set_aside,
            first=first,
            last=last,
            dataset=dataset,
            etag=etag or line.etag,
        )

    def supersede(self, line: Line, version: str) -> bool:
        """Closes the line of a version that `version` has overwritten before it could be read: none of it was."""
        return self._close(line, superseded_by=version)

    def reopen(self, line: Line) -> bool:
        """Has a closed line's object read again when it is next announced: for documents lost in Elasticsearch.

        False where the line is not closed. The reading counts as one more attempt, and so doubles nothing.
        """
        names, values = {"#state": "state"}, {":open": OPEN, ":closed": CLOSED}
        return self._update(line, "SET #state = :open", "#state = :closed", names, values) is not None

    def lines(self, keys: Iterable[tuple[str, str]]) -> Iterator[Line]:
        """The lines of (object, version) pairs, in any order, as far as there are any; pairs must not repeat."""
        batch: list[tuple[str, str]] = []
        for key in keys:
            batch.append(key)
            if len(batch) == BATCH:
                yield from self._batch(batch)
                batch = []
        yield from self._batch(batch)

    def versions(self, name: str) -> list[Line]:
        """All lines of the object `s3://bucket/key`."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="#object = :object",
            ExpressionAttributeNames={"#object": "object"},
            ExpressionAttributeValues={":object": {"S": name}},
            ConsistentRead=True,
        )
        return [_line(item) for page in pages for item in page["Items"]]

    def _batch(self, keys: Sequence[tuple[str, str]]) -> Iterator[Line]:
        asked: Any = [{"object": {"S": name}, "version": {"S": version}} for name, version in keys]
        while asked:
            answer = self._client.batch_get_item(RequestItems={self._table: {"Keys": asked, "ConsistentRead": True}})
            for item in answer["Responses"].get(self._table, ()):
                yield _line(item)
            unprocessed: Any = answer.get("UnprocessedKeys", {})
            asked = unprocessed.get(self._table, {}).get("Keys", [])

    def _close(self, line: Line, **values: Any) -> bool:
        names, state = {"#state": "state"}, {":open": OPEN}
        current: Line | None = line
        while current is not None:
            closed = replace(current, state=CLOSED, closed_at=self._clock(), **values)
            if self._put(
                closed,
                "#state = :open AND #attempts = :attempts",
                {**names, "#attempts": "attempts"},
                {**state, ":attempts": current.attempts},
            ):
                return True
            # Closed by another function; or only begun by one, which must stay counted.
            current = self._update(line, "SET #state = :open", "#state = :open", names, state)
        return False

    def _put(
        self, line: Line, condition: str, names: Mapping[str, str], values: Mapping[str, Any] | None = None
    ) -> bool:
        """Whether the condition held, and the line now is as given."""
        given: Any = {"ExpressionAttributeValues": _attributes(values)} if values else {}
        try:
            self._client.put_item(
                TableName=self._table,
                Item=_attributes({name: getattr(line, name) for name in Line.__dataclass_fields__}),
                ConditionExpression=condition,
                ExpressionAttributeNames=names,
                **given,
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def _update(
        self, line: Line, update: str, condition: str, names: Mapping[str, str], values: Mapping[str, Any]
    ) -> Line | None:
        """The line as it is afterwards; None where the condition did not hold."""
        try:
            answer = self._client.update_item(
                TableName=self._table,
                Key=_attributes({"object": line.object, "version": line.version}),
                UpdateExpression=update,
                ConditionExpression=condition,
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=_attributes(values),
                ReturnValues="ALL_NEW",
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return None
        return _line(answer["Attributes"])


def _attributes(values: Mapping[str, Any]) -> dict[str, Any]:
    """As DynamoDB's own types, without what there is none of."""
    return {name: _serialize(value) for name, value in values.items() if value is not None and value != ""}


def _place(key: str) -> dict[str, Any]:
    place = trails.place(key)
    return {"account": place.account, "region": place.region, "delivered": place.time} if place else {}


def _line(item: Mapping[str, Any]) -> Line:
    values: dict[str, Any] = {}
    for name in Line.__dataclass_fields__:  # what a later release adds is no concern of this one
        if name in item:
            value = _deserialize(item[name])
            values[name] = value if isinstance(value, str) else int(value)  # numbers come as Decimal
    return Line(**values)


def create_table(client: "DynamoDBClient", table: str) -> None:
    """The ledger's table as infra/template.yaml makes it: for tests and local runs."""
    client.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "object", "KeyType": "HASH"}, {"AttributeName": "version", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "object", "AttributeType": "S"},
            {"AttributeName": "version", "AttributeType": "S"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
