"""docs/observability.md against what the functions really emit, and logs against what they must not hold."""

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch

import enrich_logs
from innerwatch_cli.local_aws import Context, LocalAws
from tests.chain import LOGS, empty_account
from tests.metrics import documented, emitted, logged

ROOT = Path(__file__).parents[2]


@pytest.fixture
def aws(elasticsearch: Elasticsearch, namespace: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalAws]:
    with empty_account(elasticsearch, namespace) as local:
        monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "false")
        enrich_logs.metrics.clear_metrics()  # functions share one set where they share a process, as only tests do
        local.announced_bucket(LOGS)
        yield local


def access(number: int, **changes: Any) -> bytes:
    record = {
        "schema": "innerwatch.access/1",
        "id": f"r-{number}",
        "time": "2026-03-05T09:00:00Z",
        "application": "console",
        "actor": {"id": "ana.ruiz"},
        "action": "view",
        "outcome": "success",
    }
    return json.dumps(record | changes).encode()


@pytest.mark.elasticsearch
def test_every_documented_metric_is_emitted_and_the_other_way_round(
    aws: LocalAws, capfd: pytest.CaptureFixture[str]
) -> None:
    lines = access(1), access(2), access(2), access(3, time="ana.ruiz@example.com")
    aws.s3.put_object(Bucket=LOGS, Key="app/1.ndjson", Body=b"\n".join(lines))
    capfd.readouterr()
    aws.drain(LOGS, enrich_logs.handler, "enrich_logs")
    output = capfd.readouterr().out
    values, units = emitted(output)
    assert units == documented("enrich_logs")
    assert values["RecordsRead"] == [4.0]
    assert (values["RecordsIndexed"], values["RecordsDuplicate"], values["RecordsSetAside"]) == ([2.0], [1.0], [1.0])
    assert (values["ActorsUnresolved"], values["ObjectsRead"], values["BulkRetries"]) == ([3.0], [1.0], [0.0])
    assert values["IngestLagMaximum"][0] == values["IngestLagAverage"][0] > 0


HANDLERS = sorted(path.stem for path in (ROOT / "lambdas").glob("*.py"))


@pytest.mark.parametrize("function", [name for name in HANDLERS if name != "enrich_logs"])
def test_what_a_function_emits_is_documented_and_the_other_way_round(function: str) -> None:
    source = (ROOT / "lambdas" / f"{function}.py").read_text()
    emits = set(re.findall(r'add_metric\(\s*name="(\w+)"', source))
    assert emits == (set(documented(function)) if "Metrics(" in source else set())


@pytest.fixture
def log(aws: LocalAws) -> Iterator[io.StringIO]:
    with logged(enrich_logs.logger) as written:
        yield written


@pytest.mark.elasticsearch
def test_logs_tell_of_objects_and_of_nobody(aws: LocalAws, log: io.StringIO) -> None:
    aws.s3.put_object(Bucket=LOGS, Key="app/1.ndjson", Body=access(1) + b"\n" + access(2, time="ana.ruiz"))
    notice = {"s3Bucket": LOGS, "s3ObjectKey": ["app/1.ndjson"]}
    record = {"messageId": "m-1", "eventSource": "aws:sqs", "body": json.dumps(notice)}
    assert enrich_logs.handler({"Records": [record]}, Context("enrich_logs")) == {"batchItemFailures": []}
    lines = [json.loads(text) for text in log.getvalue().splitlines()]
    (line,) = (line for line in lines if line["message"] == "enriched")
    assert line["correlation_id"] == "m-1"
    assert line["origin"] == "s3://example-logs/app/1.ndjson"
    assert line["counts"] == {"read": 2, "indexed": 1, "duplicate": 0, "set_aside": 1}
    assert line["function_request_id"] == Context("enrich_logs").aws_request_id
    assert "ana.ruiz" not in log.getvalue()


@pytest.mark.elasticsearch
def test_a_message_that_fails_is_logged_under_its_id(aws: LocalAws, log: io.StringIO) -> None:
    record = {"messageId": "m-2", "eventSource": "aws:sqs", "body": "nothing"}
    enrich_logs.handler({"Records": [record]}, Context("enrich_logs"))
    (line,) = (json.loads(text) for text in log.getvalue().splitlines())
    assert (line["message"], line["correlation_id"], line["level"]) == ("message failed", "m-2", "ERROR")


@pytest.mark.parametrize("function", ["enrich_logs", "sync_hr"])
def test_the_namespace_is_the_stacks_own(function: str) -> None:
    env = {**os.environ, "POWERTOOLS_METRICS_NAMESPACE": "Innerwatch/one", "AWS_DEFAULT_REGION": "eu-central-1"}
    code = f"import {function}; print({function}.metrics.namespace)"
    done = subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "Innerwatch/one"
