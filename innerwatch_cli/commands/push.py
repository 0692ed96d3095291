"""`innerwatch push`: what Elasticsearch and Kibana must hold."""

import click

from innerwatch_cli.lazy import LazyGroup

COMMANDS = {
    "elasticsearch": ("innerwatch_cli.commands.push_elasticsearch", "elasticsearch"),
    "kibana": ("innerwatch_cli.commands.push_kibana", "kibana"),
}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def push() -> None:
    """Install in Elasticsearch and Kibana what Innerwatch needs there."""
