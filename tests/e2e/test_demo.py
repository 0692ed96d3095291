"""The demo does the main job: raw logs in, named alerts out, on a real Elasticsearch through the real handlers."""

import gzip
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch

pytestmark = pytest.mark.elasticsearch


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, elasticsearch: Elasticsearch) -> tuple[dict[str, Any], Path]:
    folder = tmp_path_factory.mktemp("demo")
    url = next(iter(elasticsearch.transport.node_pool.all())).base_url
    result = subprocess.run(
        [sys.executable, "-m", "innerwatch_cli.main", "demo", "--json", "--days", "21", "--out", str(folder)],
        capture_output=True,
        text=True,
        timeout=280,
        env={**os.environ, "ELASTICSEARCH_URL": url},
        check=False,
    )
    assert result.returncode == 0, result.stderr
    summary: dict[str, Any] = json.loads(result.stdout)
    return summary, folder


def test_every_event_of_the_company_is_indexed(demo: tuple[dict[str, Any], Path]) -> None:
    summary, folder = demo
    assert summary["events"] == sum(1 for _ in events(folder / "company"))


def events(company: Path) -> Iterator[Any]:
    for path in company.rglob("*.json.gz"):
        yield from json.loads(gzip.decompress(path.read_bytes()))["Records"]
    for path in company.rglob("*.ndjson.gz"):
        yield from gzip.decompress(path.read_bytes()).splitlines()


def test_all_kinds_of_insiders_are_planted_and_most_are_found(demo: tuple[dict[str, Any], Path]) -> None:
    insiders = demo[0]["insiders"]
    assert len({insider["kind"] for insider in insiders}) >= 6
    assert sum(insider["found"] for insider in insiders) >= len(insiders) * 0.8


def test_an_alert_names_the_person_the_job_and_the_customers(demo: tuple[dict[str, Any], Path]) -> None:
    alerts = demo[0]["alerts"]
    named = [alert for alert in alerts if alert["person"]["id"]]
    assert named
    assert all(alert["person"]["name"] and alert["person"]["role"] and alert["person"]["status"] for alert in named)
    assert any(alert["customers"] for alert in named)
    assert all(alert["evidence"]["count"] >= 1 for alert in alerts)


def test_the_command_in_the_report_proves_the_alerts_evidence(
    demo: tuple[dict[str, Any], Path], elasticsearch: Elasticsearch
) -> None:
    """The raw records are read again from the logs that the demo left behind, its bucket being gone."""
    asked = [
        shlex.split(unescape(command))
        for command in re.findall(r"<code>innerwatch (evidence .*?)</code>", report(demo))
    ]
    assert len(asked) == len(demo[0]["alerts"])
    options = asked[0][2:]
    assert all(arguments[2:] == options for arguments in asked)
    url = next(iter(elasticsearch.transport.node_pool.all())).base_url
    proven = subprocess.run(
        [sys.executable, "-m", "innerwatch_cli.main", "evidence", *(one[1] for one in asked), *options, "--json"],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "ELASTICSEARCH_URL": url},
        check=False,
    )
    assert proven.returncode == 0, proven.stderr
    proof = json.loads(proven.stdout)
    assert set(proof["outcomes"]) == {"matches, unsigned", "no record"}  # a day of behaviour has no record
    ids = {name for alert in demo[0]["alerts"] for name in alert["evidence"]["ids"]}
    assert {event["id"] for event in proof["events"]} == ids
    read = [event for event in proof["events"] if event["outcome"] == "matches, unsigned"]
    assert len(read) > 20
    for event in read:
        assert hashlib.sha256(event["record"]["text"].encode()).hexdigest() == event["record"]["sha256"]
        assert event["where"]["console"] == ""  # no such bucket is anybody's


def report(demo: tuple[dict[str, Any], Path]) -> str:
    return (demo[1] / "report.html").read_text()


def test_the_report_needs_nothing_from_outside(demo: tuple[dict[str, Any], Path]) -> None:
    page = report(demo)
    assert not re.findall(r"""(?:src|href)\s*=\s*["'][^#"']""", page)
    assert "url(" not in page
    assert "<script" not in page
    for insider in demo[0]["insiders"]:
        for name in insider["names"]:
            assert name in page
