"""How long data is kept: as far as a real Elasticsearch that has no lifecycle management can show it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from elasticsearch import Elasticsearch

from innerwatch.fields import DATASETS
from innerwatch_cli import cluster_setup
from innerwatch_cli.commands.push import push
from innerwatch_cli.rights import retention

pytestmark = pytest.mark.elasticsearch


def test_elasticsearch_understands_the_policies_as_they_are_meant() -> None:
    policies = {name: retention.policy(name) for name in DATASETS}
    policies |= {"short": retention.policy("app.access", 30), "long": retention.policy("app.access", 36_500)}
    policies["wrong"] = retention.policy("app.access")
    policies["wrong"]["phases"]["delete"]["min_age"] = "400"
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("read_lifecycle.py"))],
        input=json.dumps(policies),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert not done.returncode, done.stderr
    read = json.loads(done.stdout)
    assert "failed to parse" in read.pop("wrong")
    assert {name: phases["delete"] for name, phases in read.items()} == {
        "aws.cloudtrail": {"days": 400, "actions": ["delete"]},
        "app.access": {"days": 400, "actions": ["delete"]},
        "innerwatch.alert": {"days": 1100, "actions": ["delete"]},
        "innerwatch.behaviour": {"days": 400, "actions": ["delete"]},
        "short": {"days": 30, "actions": ["delete"]},
        "long": {"days": 36_500, "actions": ["delete"]},
    }
    assert {tuple(phases["hot"]["actions"]) for phases in read.values()} == {("rollover",)}


def test_a_new_data_stream_keeps_its_data_for_as_long_as_was_asked(
    elasticsearch: Elasticsearch, namespace: str
) -> None:
    """Without lifecycle policies, the data streams have a lifecycle of their own."""
    arguments = ["elasticsearch", "--namespace", namespace, "--retain"]
    try:
        result = CliRunner().invoke(push, [*arguments, "app.access=77d"])
        assert result.exit_code == 0, result.output
        for dataset in ("app.access", "innerwatch.alert"):
            document = {"@timestamp": "2026-03-01T00:00:00Z"}
            elasticsearch.create(index=f"logs-{dataset}-{namespace}", id="1", document=document)
        state = elasticsearch.cluster.state(metric="metadata", filter_path="metadata.data_stream")
        streams = state["metadata"]["data_stream"]["data_stream"]
        kept = {name: streams[f"logs-{name}-{namespace}"]["lifecycle"] for name in ("app.access", "innerwatch.alert")}
        assert {name: one["data_retention"] for name, one in kept.items()} == {
            "app.access": "77d",
            "innerwatch.alert": "1100d",
        }
    finally:  # the templates are every test's
        CliRunner().invoke(push, [*arguments, "app.access=400d"])
    component = cluster_setup.READ[cluster_setup.COMPONENT](elasticsearch, "logs-app.access-lifecycle")
    assert component["template"]["lifecycle"]["data_retention"] == "400d"
