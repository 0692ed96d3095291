"""A trail's log files and digests, delivered into moto's S3 and read by the real function; and what is done to them."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from elasticsearch import Elasticsearch

import enrich_logs
from innerwatch import instants
from innerwatch.ledger import Ledger, Line
from innerwatch_cli.commands.coverage import coverage
from innerwatch_cli.local_aws import Context, LocalAws
from tests.chain import LEDGER
from tests.trail_files import BUCKET, HOUR, MINUTE, CloudTrail, File, new_key

NINE = instants.from_rfc3339("2026-03-31T09:00:00Z")
HOURS = 4  # asked about; CloudTrail goes on for two more
SLOT = 10 * MINUTE  # of the events of one log file
PER_HOUR = HOUR // SLOT
KEY = new_key()


class Delivery:
    """A trail's files of some hours, and what is done to them."""

    def __init__(self, aws: LocalAws, es: Elasticsearch, namespace: str, folder: Path) -> None:
        self.aws, self.es, self.namespace = aws, es, namespace
        self.trail = CloudTrail(KEY)
        self.keys = folder / "keys.json"
        self.keys.write_text(json.dumps(self.trail.listed_keys()))
        self.files: list[File] = []  # of slot 0, 1, …
        self.digests: list[File] = []

    def make(self, hours: int, broken: Sequence[int] = ()) -> None:
        waiting: list[tuple[File, int, int]] = []
        for number in range(hours * PER_HOUR):
            first, last = NINE + number * SLOT, NINE + (number + 1) * SLOT - MINUTE
            file = self.trail.log_file(first, last, events=5)
            if number in broken:
                file.body = gzip.compress(gzip.decompress(file.body).replace(b"T", b"?", 1), mtime=0)
            self.files.append(file)
            waiting.append((file, first, last))
        for start in range(NINE, NINE + hours * HOUR, HOUR):
            own = [it for it in waiting if start <= it[2] + 5 * MINUTE < start + HOUR]  # delivered five minutes later
            self.digests.append(self.trail.digest(start, start + HOUR, own))

    def put(self, file: File) -> dict[str, Any]:
        """Puts an object; the SQS message that announces it."""
        answer = self.aws.s3.put_object(Bucket=BUCKET, Key=file.key, Body=file.body, Metadata=file.metadata)
        item = {"key": file.key, "versionId": answer.get("VersionId", ""), "eTag": answer["ETag"].strip('"')}
        s3 = {"bucket": {"name": BUCKET}, "object": item}
        record = {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": s3}
        return {"messageId": file.key, "eventSource": "aws:sqs", "body": json.dumps({"Records": [record]})}

    def announce(self, messages: list[dict[str, Any]]) -> None:
        for start in range(0, len(messages), 10):
            answer = enrich_logs.handler({"Records": messages[start : start + 10]}, Context("enrich_logs"))
            assert answer == {"batchItemFailures": []}
        self.es.indices.refresh(index=f"logs-*-{self.namespace}", ignore_unavailable=True)

    def remove(self, key: str) -> None:
        for version in self.aws.s3.list_object_versions(Bucket=BUCKET, Prefix=key)["Versions"]:
            self.aws.s3.delete_object(Bucket=BUCKET, Key=key, VersionId=version["VersionId"])

    def line(self, slot: int) -> Line:
        (line,) = Ledger(self.aws.dynamodb, LEDGER).versions(f"s3://{BUCKET}/{self.files[slot].key}")
        return line

    def documents(self, slot: int) -> list[dict[str, Any]]:
        query = {"term": {"log.file.path": self.line(slot).uri}}
        hits = self.es.search(index=f"logs-*-{self.namespace}", query=query, size=10)["hits"]["hits"]
        return list(hits)

    def covered(self, *options: str, code: int) -> list[dict[str, Any]]:
        end = instants.iso(NINE + HOURS * HOUR)
        asked = ["s3://" + BUCKET, "--from", instants.iso(NINE), "--to", end, "--namespace", self.namespace]
        done = CliRunner().invoke(coverage, [*asked, "--public-keys", str(self.keys), "--json", *options])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        assert done.exit_code == code, done.output
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found
