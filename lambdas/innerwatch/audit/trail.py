"""The chain as it is kept: lines in a DynamoDB table, and a witness of each in an S3 bucket with Object Lock.

| where  | key                                  | holds                                                |
|--------|--------------------------------------|------------------------------------------------------|
| table  | `chain` = `reveal`, `sequence`       | `record`, the JSON text, and `hash`, its SHA-256     |
| bucket | `witness/SEQUENCE-HASH`              | nothing more: no person, so it may stay for years    |

A line is put under the condition that there is none of that sequence, so two functions at once cannot fork the chain.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from innerwatch.audit.chain import CUT_OFF, Broken, Entry, Fault, Line, Record, contradiction, linked, sealed

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

CHAIN = "reveal"
PREFIX = "witness/"
GRANTS = frozenset({"requested", "approved"})  # what an answer may rest on


class Trail:
    """The client may be used by several functions at once."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str, s3: "S3Client", bucket: str) -> None:
        self._dynamodb, self._table, self._s3, self._bucket = dynamodb, table, s3, bucket

    def append(self, entry: Entry, head: Line | None, now: int) -> Line | None:
        """Writes what happened after `head`, the last line there is; returns once it is kept and witnessed.

        None where another function has written since `head` was read: read again, and decide anew. A line whose witness
        could not be written stays without one, and allows nothing.
        """
        line = sealed(entry, head, now)
        try:
            self._dynamodb.put_item(
                TableName=self._table,
                Item={
                    "chain": {"S": CHAIN},
                    "sequence": {"N": str(line.sequence)},
                    "record": {"S": line.text},
                    "hash": {"S": line.hash},
                },
                ConditionExpression="attribute_not_exists(#sequence)",
                ExpressionAttributeNames={"#sequence": "sequence"},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException as error:
            there: Any = error.response.get("Item", {})
            if there.get("hash") != {"S": line.hash}:
                return None
            # It is this very line: boto3 sends again what was not answered.
        # Object Lock asks for a checksum of what is put.
        key = f"{PREFIX}{line.sequence:014d}-{line.hash}"
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=b"", ChecksumAlgorithm="SHA256")
        return line

    def trusted(self, since: int) -> tuple[list[Line], list[Record]]:
        """The lines of an instant (milliseconds) or later, and at least the last there is; and of their records those
        that may be relied on.

        A request or an approval that was not witnessed may not: whoever can write into the table only could have added
        it. What restricts is believed. Raises Broken where anything was tampered with.
        """
        lines = self.recent(since)
        seen = self.witnesses(lines[0].sequence if lines else 1)
        if max(seen, default=0) > (lines[-1].sequence if lines else 0):
            lines = self.recent(since)  # they were written meanwhile
        last = lines[-1].sequence if lines else 0
        if max(seen, default=0) > last:
            raise Broken(Fault(last + 1, CUT_OFF))
        for line in lines:
            if what := contradiction(line, seen.get(line.sequence, ())):
                raise Broken(Fault(line.sequence, what))
        return lines, [record for record in linked(lines) if record.sequence in seen or record.action not in GRANTS]

    def lines(self) -> Iterator[Line]:
        """All of them, first to last."""
        return self._query(ScanIndexForward=True)

    def recent(self, since: int) -> list[Line]:
        """Those of an instant (milliseconds) or later, first to last, and at least the last there is."""
        found: list[Line] = []
        for line in self._query(ScanIndexForward=False, Limit=100):
            if found and line.record.at < since:
                break
            found.append(line)
        return found[::-1]

    def witnesses(self, since: int = 1) -> dict[int, set[str]]:
        """Sequence, from `since` on → every hash that was ever witnessed of it: who deletes what is locked hides it."""
        found: dict[int, set[str]] = defaultdict(set)
        # One more than is asked for: whether a marker that is no key leaves out the key after it, not all S3s agree.
        asked: Any = {"Bucket": self._bucket, "Prefix": PREFIX}
        asked |= {"KeyMarker": f"{PREFIX}{since - 1:014d}"} if since > 1 else {}
        while True:
            page = self._s3.list_object_versions(**asked)
            for version in page.get("Versions", ()):
                sequence, _, hash_ = version["Key"].removeprefix(PREFIX).partition("-")
                if sequence.isdecimal():
                    found[int(sequence)].add(hash_)
            if not page.get("IsTruncated"):
                return dict(found)
            asked |= {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}

    def _query(self, **how: Any) -> Iterator[Line]:
        asked: Any = {
            "TableName": self._table,
            "KeyConditionExpression": "#chain = :chain",
            "ExpressionAttributeNames": {"#chain": "chain"},
            "ExpressionAttributeValues": {":chain": {"S": CHAIN}},
            "ConsistentRead": True,
            **how,
        }
        while True:
            page = self._dynamodb.query(**asked)
            for item in page["Items"]:
                yield Line(
                    int(item["sequence"]["N"]), item.get("record", {}).get("S", ""), item.get("hash", {}).get("S", "")
                )
            if "LastEvaluatedKey" not in page:
                return
            asked["ExclusiveStartKey"] = page["LastEvaluatedKey"]
