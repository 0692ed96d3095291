"""`innerwatch push elasticsearch`: what it asks for, and that a second run changes nothing.

The local node has neither security nor lifecycle management, so a stand-in takes their requests here. What it cannot
show, that a real cluster finds the roles sufficient, docs/deploy.md says.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner

from innerwatch.errors import UserError
from innerwatch.fields import DATASETS
from innerwatch_cli import cluster_setup
from innerwatch_cli.commands.push import push
from innerwatch_cli.paths import ELASTICSEARCH
from innerwatch_cli.rights import retention

# https://www.elastic.co/docs/reference/elasticsearch/security-privileges#privileges-list-indices
PRIVILEGES = {
    *("auto_configure", "create_doc", "create_index", "delete", "index", "maintenance", "manage", "read"),
    "view_index_metadata",
}
KINDS: dict[str, Callable[[str, Any], Any]] = {
    "/_ilm/policy/": lambda name, body: {name: {"version": 1, "in_use_by": {}, **body}},
    "/_security/role/": lambda name, body: {name: {"cluster": [], "transient_metadata": {"enabled": True}, **body}},
    "/_component_template/": lambda name, body: {"component_templates": [{"name": name, "component_template": body}]},
    "/_index_template/": lambda name, body: {"index_templates": [{"name": name, "index_template": texts(body)}]},
}


def texts(body: Any) -> Any:
    """Settings come back as texts: 1 as "1"."""
    settings = body["template"]["settings"]["index"]
    return {**body, "template": {**body["template"], "settings": {"index": {**settings, "number_of_shards": "1"}}}}


class StandIn(BaseHTTPRequestHandler):
    """Keeps what is put, and gives it back with the defaults that a cluster adds."""

    kept: ClassVar[dict[str, Any]] = {}
    without: ClassVar[tuple[str, ...]] = ()  # endpoints that it does not have

    def do_GET(self) -> None:
        if self.path.startswith(self.without):
            return self.answer(405, {"error": f"Incorrect HTTP method for uri [{self.path}]", "status": 405})
        if self.path in ("/_ilm/policy", "/_security/role"):
            below = [path for path in self.kept if path.startswith(f"{self.path}/")]
            return self.answer(200, {path.rpartition("/")[2]: self.kept[path] for path in below})
        if self.path not in self.kept:
            return self.answer(200 if self.path.startswith("/_cluster") else 404, {})
        kind = next(kind for kind in KINDS if self.path.startswith(kind))
        return self.answer(200, KINDS[kind](self.path.removeprefix(kind), self.kept[self.path]))

    def do_PUT(self) -> None:
        self.kept[self.path] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(200, {"acknowledged": True})

    def answer(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("X-Elastic-Product", "Elasticsearch")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_args: Any) -> None:
        pass


@contextmanager
def standing_in(monkeypatch: pytest.MonkeyPatch, *without: str) -> Iterator[dict[str, Any]]:
    handler = type("Handler", (StandIn,), {"kept": {}, "without": without})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("ELASTICSEARCH_URL", f"http://127.0.0.1:{server.server_port}")
        yield handler.kept  # type: ignore[attr-defined]  # made by type()
        server.shutdown()


def run(*arguments: str) -> str:
    result = CliRunner().invoke(push, ["elasticsearch", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def states(output: str) -> dict[str, str]:
    """`kind name` → state."""
    found = re.findall(r"^(new|changed|same|kept) +((?:lifecycle|component|index|role).+)$", output, re.MULTILINE)
    return {what: state for state, what in found}


def test_a_second_run_changes_nothing_and_a_dry_run_never_does(monkeypatch: pytest.MonkeyPatch) -> None:
    with standing_in(monkeypatch) as kept:
        assert set(states(run("--dry-run")).values()) == {"new"}
        assert not kept
        first = states(run())
        assert set(first.values()) == {"new"}
        assert len(first) == len(kept) == 3 * len(DATASETS) + 6
        before = json.dumps(kept)
        assert set(states(run()).values()) == {"same"}
        assert json.dumps(kept) == before


def test_what_differs_is_brought_in_line_but_for_how_long_data_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    with standing_in(monkeypatch) as kept:
        run()
        role, template = "/_security/role/innerwatch-writer", "/_index_template/innerwatch-logs-app.access"
        policy = "/_ilm/policy/logs-app.access"
        kept[role]["indices"][0]["privileges"].append("read")
        del kept[template]["template"]["mappings"]["properties"]["access"]
        kept[policy]["policy"]["phases"]["delete"]["min_age"] = "30d"
        found = states(run())
        assert found["role innerwatch-writer"] == found["index template innerwatch-logs-app.access"] == "changed"
        assert found["lifecycle policy logs-app.access"] == "kept"
        assert kept[role]["indices"][0]["privileges"] == ["create_doc", "auto_configure"]
        assert kept[policy]["policy"]["phases"]["delete"]["min_age"] == "30d"


def test_how_long_data_is_kept_is_changed_where_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with standing_in(monkeypatch) as kept:
        run("--retain", "app.access=90d, innerwatch.alert=1100d", "--retain", "innerwatch.behaviour=10d")
        phases = {path.rpartition("/")[2]: kept[path]["policy"]["phases"] for path in kept if "/_ilm/" in path}
        assert {name: found["delete"]["min_age"] for name, found in phases.items()} == {
            "logs-aws.cloudtrail": "400d",
            "logs-app.access": "90d",
            "logs-innerwatch.alert": "1100d",
            "logs-innerwatch.behaviour": "10d",
        }
        ages = {name: found["hot"]["actions"]["rollover"]["max_age"] for name, found in phases.items()}
        assert (ages["logs-app.access"], ages["logs-innerwatch.behaviour"]) == ("7d", "1d")
        said = run()
        assert states(said)["lifecycle policy logs-app.access"] == "kept"
        assert "app.access is kept for 90 days after its index was rolled over" in said
        assert states(run("--retain", "app.access=30d", "--dry-run"))["lifecycle policy logs-app.access"] == "changed"
        assert states(run("--retain", "app.access=30d"))["lifecycle policy logs-app.access"] == "changed"
        assert states(run("--retain", "app.access=30d"))["lifecycle policy logs-app.access"] == "same"


@pytest.mark.parametrize(
    "text",
    ["app.access", "app.access=0d", "app.access=400", "logs=4d", "app.access=-1d", "app.access=1d,app.access=2d", ""],
)
def test_a_retention_that_is_none_is_told(text: str) -> None:
    with pytest.raises(UserError, match=r"expected DATASET=DAYSd"):
        retention.asked([text])


def test_a_cluster_without_security_or_lifecycle_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with standing_in(monkeypatch, "/_security", "/_ilm") as kept:
        said = run()
    assert {path.split("/")[1] for path in kept} == {"_index_template", "_component_template"}
    assert kept["/_component_template/logs-app.access-lifecycle"]["template"] == {
        "lifecycle": {"data_retention": "400d"}
    }
    assert "security is off" in said
    assert "No API keys are needed here" in said


def test_every_key_of_the_stack_is_printed_for_its_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    with standing_in(monkeypatch):
        said = run("--namespace", "acme")
    requests = re.findall(r"output (\w+)\nPOST /_security/api_key\n(\{.+?^\})", said, re.MULTILINE | re.DOTALL)
    keys = {secret: json.loads(body) for secret, body in requests}
    template = Path(ELASTICSEARCH.parent / "template.yaml").read_text()
    outputs = template.partition("\nOutputs:\n")[2]
    assert set(keys) == set(re.findall(r"^  (\w+Secret):$", outputs, re.MULTILINE))
    for body in keys.values():
        (role,) = body["role_descriptors"].values()
        assert set(role) == {"indices"}, "a key's role may have no description"
        assert all(name.endswith("-acme") for index in role["indices"] for name in index["names"])


def test_the_writer_adds_to_the_log_streams_and_nothing_else() -> None:
    writer = cluster_setup.roles("innerwatch")["writer"]
    assert set(writer) == {"description", "indices"}
    (index,) = writer["indices"]
    assert index["privileges"] == ["create_doc", "auto_configure"]
    assert set(index["names"]) == {f"logs-{name}-innerwatch" for name in DATASETS if not name.startswith("innerwatch.")}


def test_roles_name_streams_that_exist_and_privileges_that_elasticsearch_has() -> None:
    streams = {f"logs-{name}-x" for name in DATASETS}
    streams |= {"innerwatch-checkpoints-x", "innerwatch-rights-x", "innerwatch-hold-x-*"}
    streams |= {f"logs-{name}-x.hold.*" for name in DATASETS}
    for name, role in cluster_setup.roles("x").items():
        assert not role.get("cluster"), name
        for index in role["indices"]:
            assert set(index["names"]) <= streams, name
            assert set(index["privileges"]) <= PRIVILEGES, name
    for name in ("checker", "analyst"):
        given = {one for index in cluster_setup.roles("x")[name]["indices"] for one in index["privileges"]}
        assert given <= {"read", "view_index_metadata"}


def test_only_the_privacy_role_reaches_holds_and_erasures_and_none_can_delete_their_register() -> None:
    for name, role in cluster_setup.roles("x").items():
        indices = [index for index in role["indices"] for one in index["names"] if "rights" in one or "hold" in one]
        assert bool(indices) == (name == "privacy")
        for index in role["indices"]:
            if any("rights" in one for one in index["names"]):
                assert not {"delete", "delete_index", "manage", "all", "write"} & set(index["privileges"])


def test_every_stream_has_a_lifecycle() -> None:
    assert {path.stem for path in (ELASTICSEARCH / "lifecycle").glob("*.json")} == {f"logs-{name}" for name in DATASETS}
