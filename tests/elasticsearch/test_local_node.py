"""The local node as users meet it: started twice, killed, hung, stopped; its data stays."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from innerwatch.errors import UserError
from innerwatch_cli import cluster, elastic_local
from innerwatch_cli.elastic_local import process, state
from innerwatch_cli.elastic_local.places import Home

pytestmark = pytest.mark.elasticsearch


@pytest.fixture(scope="module")
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home for these tests alone, whose node they may kill. Each test leaves it running or not, as it likes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INNERWATCH_HOME", str(tmp_path_factory.mktemp("own-node")))
        patch.delenv("ELASTICSEARCH_URL", raising=False)
        try:
            yield Home.default()
        finally:
            elastic_local.stop()


def command(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "innerwatch_cli.main", "elastic", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process: subprocess.Popen[str], code: int = 0) -> str:
    stdout, stderr = process.communicate(timeout=200)
    assert process.returncode == code, stderr
    assert "Traceback" not in stderr
    return stdout


def count(es: Elasticsearch, index: str) -> int:
    return int(es.count(index=index)["count"])


@contextmanager
def first_free_port(lowest: int) -> Iterator[int]:
    """Takes the port that a node would take now."""
    for port in range(lowest, lowest + 100):
        try:
            server = socket.create_server(("127.0.0.1", port))
        except OSError:
            continue
        with server:
            yield port
        return


def test_two_starts_at_once_make_one_node_on_a_free_port(own_home: Home) -> None:
    elastic_local.stop()
    assert "does not run" in finished(command("status"), code=3)
    with first_free_port(9200) as taken:
        answers = sorted(finished(start) for start in [command("start"), command("start")])
    said = re.compile(rf"^Elasticsearch {elastic_local.VERSION} (already runs|runs) at (\S+) \(pid (\d+),")
    (second, url, pid), (first, *same) = (match.groups() for answer in answers if (match := said.match(answer)))
    assert (first, second) == ("runs", "already runs")
    assert same == [url, pid]
    assert 9200 <= int(url.rpartition(":")[2]) < 9300
    assert not url.endswith(f":{taken}")
    shown = dict(re.findall(r"^(\w+) +(.+)$", finished(command("status")), re.MULTILINE))
    assert (shown["url"], shown["pid"], shown["version"]) == (url, pid, elastic_local.VERSION)
    assert str(own_home.data) in shown["documents"]


def test_what_was_indexed_survives_a_killed_and_a_stopped_node(own_home: Home) -> None:
    first = elastic_local.ensure_running(progress=False)
    es = cluster.connect()
    for number in range(20):
        es.index(index="survivors", document={"n": number})
    es.close()
    os.kill(first.pid, signal.SIGKILL)
    assert process.wait(lambda: elastic_local.running() is None, 10)
    assert json.loads(own_home.state.read_text())["url"] == first.url  # left behind, and not believed
    assert "does not run" in finished(command("status"), code=3)

    second = elastic_local.ensure_running(progress=False)
    assert second.started_here
    assert second.pid != first.pid
    es = cluster.connect()
    assert count(es, "survivors") == 20
    es.close()
    assert elastic_local.stop() is True
    assert elastic_local.running() is None
    assert elastic_local.stop() is False
    assert os.waitpid(second.pid, 0) == (second.pid, 0)  # it ended, and orderly

    elastic_local.ensure_running(progress=False)
    es = cluster.connect()
    assert count(es, "survivors") == 20
    es.close()


def test_a_node_that_hangs_is_stopped_by_force(own_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "STOP_PATIENCE", 1)
    os.kill(elastic_local.ensure_running(progress=False).pid, signal.SIGSTOP)
    assert elastic_local.stop() is True
    assert not state.held(own_home.node_lock)


def test_a_start_that_is_broken_off_leaves_no_process(own_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    elastic_local.stop()
    wait = process.wait

    def interrupted(condition: object, patience: float) -> bool:
        assert wait(lambda: state.held(own_home.node_lock), 20)
        raise KeyboardInterrupt

    monkeypatch.setattr(process, "settled", lambda home: None)
    monkeypatch.setattr(process, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        elastic_local.ensure_running(progress=False)
    assert not state.held(own_home.node_lock)


def test_a_node_that_cannot_start_says_why(own_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    elastic_local.stop()
    monkeypatch.setenv("INNERWATCH_HEAP", "1m")
    with pytest.raises(UserError, match="Elasticsearch ended while it started; Too small maximum heap") as error:
        elastic_local.ensure_running(progress=False)
    assert error.value.path == own_home.log
    monkeypatch.delenv("INNERWATCH_HEAP")
    own_home.data.rename(own_home.folder / "kept")
    own_home.data.touch()
    with pytest.raises(UserError, match="File exists"):
        elastic_local.ensure_running(progress=False)
    own_home.data.unlink()
    (own_home.folder / "kept").rename(own_home.data)


def test_the_node_has_what_the_product_needs(elasticsearch: Elasticsearch, namespace: str) -> None:
    """A data stream made by a template on the first bulk create, wildcards in front, many clauses, flattened and ip."""
    stream = f"logs-needs-{namespace}"
    keyword = {"type": "keyword", "normalizer": "lowercase"}
    elasticsearch.indices.put_index_template(
        name=stream,
        index_patterns=[stream],
        priority=600,
        data_stream={},
        template={
            "settings": {"analysis": {"normalizer": {"lowercase": {"type": "custom", "filter": ["lowercase"]}}}},
            "mappings": {"properties": {"who": keyword, "ip": {"type": "ip"}, "with": {"type": "flattened"}}},
        },
    )
    operations = [
        line
        for number in range(100)
        for line in (
            {"create": {"_index": stream, "_id": str(number)}},
            {"@timestamp": number, "who": f"User{number}", "ip": f"192.0.2.{number}", "with": {"a": {"b": "c"}}},
        )
    ]
    assert not elasticsearch.bulk(operations=operations, refresh=True)["errors"]
    assert elasticsearch.bulk(operations=operations)["items"][0]["create"]["status"] == 409

    def hits(query: str) -> int:
        found = elasticsearch.search(index=stream, query={"query_string": {"query": query}}, size=0)
        return int(found["hits"]["total"]["value"])

    assert hits("who:*ER1*") == 11
    assert hits('ip:"192.0.2.0/30"') == 4
    assert hits("with.a.b:c AND NOT absent:x") == 100
    assert hits(" OR ".join(f"who:user{number}" for number in range(4000))) == 100
    rows = elasticsearch.esql.query(
        query=f'FROM {stream} | WHERE QSTR("who:user1*") | STATS n = COUNT(*), VALUES(who) | LIMIT 1'
    )["values"]
    assert rows[0][0] == 11


def test_the_session_has_a_node_and_data_of_its_own(
    elasticsearch: Elasticsearch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    settings = next(iter(elasticsearch.nodes.info(metric="settings")["nodes"].values()))["settings"]
    if not os.environ.get("ELASTICSEARCH_URL"):
        assert tmp_path_factory.getbasetemp() in Path(settings["path"]["data"]).parents
