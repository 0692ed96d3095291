"""compose.yaml, as far as it can be judged without Docker: what it publishes, which versions, and that the commands in
it are ours. The official loader, compose-go 2.16, takes it too: that was run by hand."""

import re
import shlex
from typing import Any

import click
import pytest
import yaml

from innerwatch_cli.elastic_local.places import VERSION
from innerwatch_cli.kibana.dashboards import ROOT
from innerwatch_cli.main import cli

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
(SCRIPT,) = SERVICES["demo"]["command"]
COMMANDS = re.findall(r"^innerwatch (?!\(\))(.+)$", SCRIPT, re.MULTILINE)


def test_nothing_is_published_beyond_this_machine() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:9200:9200", "127.0.0.1:5601:5601"]
    assert not any("network_mode" in service or "privileged" in service for service in SERVICES.values())


def test_the_password_has_no_default() -> None:
    assert SERVICES["elasticsearch"]["environment"]["ELASTIC_PASSWORD"].startswith("${PASSWORD:?")
    values = re.findall(r"\$\{(\w+)[^}]*\}", (ROOT / "compose.yaml").read_text())
    assert set(values) == {"PASSWORD"}


def test_elasticsearch_and_kibana_are_of_the_version_that_we_test_with() -> None:
    images = {service["image"] for service in SERVICES.values()}
    assert images == {
        f"docker.elastic.co/elasticsearch/elasticsearch:{VERSION}",
        f"docker.elastic.co/kibana/kibana:{VERSION}",
        "python:3.13-slim",
    }


def test_services_wait_for_services_that_exist_and_can_be_waited_for() -> None:
    for service in SERVICES.values():
        for name, wait in service.get("depends_on", {}).items():
            assert wait["condition"] in ("service_healthy", "service_completed_successfully")
            assert ("healthcheck" in SERVICES[name]) == (wait["condition"] == "service_healthy")
    used = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert used == {".", *COMPOSE["volumes"]}


@pytest.mark.parametrize("line", COMMANDS)
def test_the_demo_runs_commands_that_exist(line: str) -> None:
    command: click.Command = cli
    arguments = shlex.split(line.replace("$$", "$"))
    while isinstance(command, click.Group):
        context = click.Context(command)
        found = command.get_command(context, arguments.pop(0))
        assert found
        command = found
    command.make_parser(click.Context(command)).parse_args(arguments)  # raises for an unknown option


def test_the_demo_does_all_that_a_user_would() -> None:
    assert [line.split()[0] for line in COMMANDS] == [
        *("simulate", "push", "ingest", "detect", "measure", "detect", "push"),
    ]
    for name in re.findall(r"/innerwatch/(\S+?\.(?:lock|py))", SCRIPT):
        assert (ROOT / name).is_file()
