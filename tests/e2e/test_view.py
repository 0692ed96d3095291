"""`innerwatch view` as a user starts and ends it."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

VIEW = (sys.executable, "-m", "innerwatch_cli.main", "view", "--no-browser")


@contextmanager
def started(environment: Mapping[str, str], *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The running command and the address that it says."""
    command = subprocess.Popen(
        [*VIEW, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
    )
    try:
        assert command.stdout is not None
        line = command.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+/", line)
        assert found, line
        yield command, found[0]
    finally:
        command.kill()
        command.communicate()


@pytest.mark.elasticsearch
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_is_and_ends_cleanly(elasticsearch: Elasticsearch, ending: signal.Signals) -> None:
    url = next(iter(elasticsearch.transport.node_pool.all())).base_url
    with started({"ELASTICSEARCH_URL": url}, "--port", "0", "--namespace", "nothing") as (command, page):
        with urllib.request.urlopen(page, timeout=30) as response:  # noqa: S310 the command's own address
            assert b"There are no events in the namespace nothing yet" in response.read()
        taken = subprocess.run(
            [*VIEW, "--port", page.rstrip("/").rpartition(":")[2]],
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "ELASTICSEARCH_URL": url},
            check=False,
        )
        assert taken.returncode == 2
        assert re.fullmatch(r"port \d+ is in use; expected another with --port, or --port 0 for any\n", taken.stderr)
        command.send_signal(ending)
        _, said = command.communicate(timeout=30)
    assert command.returncode == 0
    assert said == "ended\n"


def test_without_a_server_it_is_one_line(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "ELASTICSEARCH_URL"}
    result = subprocess.run(
        VIEW,
        capture_output=True,
        text=True,
        timeout=60,
        env={**environment, "INNERWATCH_HOME": str(tmp_path)},
        check=False,
    )
    assert result.returncode == 2
    assert result.stderr == "no Elasticsearch; start one with `innerwatch elastic start` or set ELASTICSEARCH_URL\n"
