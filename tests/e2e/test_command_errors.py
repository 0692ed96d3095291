"""What a user does wrong gets one clear line and exit code 2, and leaves nothing behind."""

import gzip
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

RECORD = {
    "eventVersion": "1.11",
    "userIdentity": {"type": "Root", "accountId": "123456789012", "arn": "arn:aws:iam::123456789012:root"},
    "eventTime": "2026-03-02T09:14:03Z",
    "eventSource": "iam.amazonaws.com",
    "eventName": "ListUsers",
    "awsRegion": "us-east-1",
    "sourceIPAddress": "192.0.2.10",
    "eventID": "0f5b8a52-2d2f-4f0e-9c59-6a1f0b8f3a11",
}
NOBODY_LISTENS = "http://127.0.0.1:9"


def innerwatch(*arguments: str | Path, url: str = NOBODY_LISTENS) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "innerwatch_cli.main", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "ELASTICSEARCH_URL": url},
        check=False,
    )


def one_line(result: subprocess.CompletedProcess[str], *parts: str) -> None:
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1, result.stderr
    for part in parts:
        assert part in result.stderr


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "trail.json.gz"
    path.write_bytes(gzip.compress(json.dumps({"Records": [RECORD] * 3}).encode()))
    return path


def test_a_file_that_is_no_log(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("Remember the milk.\n")
    one_line(innerwatch("enrich", path), "notes.txt", "no log source")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    one_line(innerwatch("enrich", tmp_path / "gone.json"), "gone.json", "no such file")


def test_a_truncated_gzip(log: Path) -> None:
    records = [{**RECORD, "eventID": f"{random.getrandbits(128):032x}"} for _ in range(5000)]
    data = gzip.compress(json.dumps({"Records": records}).encode())
    log.write_bytes(data[: len(data) // 2])
    result = innerwatch("enrich", log)
    assert result.returncode == 2
    problem, summary = result.stderr.splitlines()
    assert problem.startswith(f"{log}:")
    assert "cut off" in problem or "truncated" in problem
    whole = len(result.stdout.splitlines())
    assert whole == int(summary.split()[0]) > 1000


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux' /dev/full")
def test_a_disk_that_is_full(log: Path) -> None:
    command = [sys.executable, "-m", "innerwatch_cli.main", "enrich", str(log)]
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
    assert result.returncode == 2
    assert result.stderr.splitlines() == ["no space is left where the output goes; expected a disk with room for it"]


def test_an_hr_feed_without_its_id_column(log: Path, tmp_path: Path) -> None:
    feed = tmp_path / "employees.csv"
    feed.write_text("name,department\nAna Ruiz,Support\n")
    one_line(innerwatch("enrich", log, "--hr", feed), "employees.csv", "employee_id", "found")


def test_a_rule_with_a_syntax_error(tmp_path: Path) -> None:
    rule = tmp_path / "broken.yml"
    rule.write_text("title: Broken\ndetection:\n  selection\n    eventName: x\n")
    one_line(innerwatch("detect", "--rules", rule), "broken.yml:")


def test_an_elasticsearch_that_does_not_answer(log: Path) -> None:
    one_line(innerwatch("ingest", log), NOBODY_LISTENS)
    one_line(innerwatch("detect"), NOBODY_LISTENS)
