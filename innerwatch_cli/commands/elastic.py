"""`innerwatch elastic start|stop|status`: the Elasticsearch on this machine."""

import sys

import click

from innerwatch.elastic import client
from innerwatch_cli import cluster, elastic_local
from innerwatch_cli.console import err, out

NOT_RUNNING = 3  # the code that `systemctl status` and init scripts use for it


@click.group()
def elastic() -> None:
    """A local Elasticsearch, from pip packages alone.

    It listens on 127.0.0.1 only and asks for no password. INNERWATCH_HOME sets where its data and logs are,
    INNERWATCH_HEAP its memory (512m). Other commands use it unless ELASTICSEARCH_URL names another cluster.
    """


@elastic.command()
def start() -> None:
    """Start it, if it does not run already; the first time downloads 69 MB."""
    node = elastic_local.ensure_running()
    state = "runs" if node.started_here else "already runs"
    out.print(f"Elasticsearch {elastic_local.VERSION} {state} at {node.url} (pid {node.pid}, log {node.log})")


@elastic.command()
def stop() -> None:
    """Stop it; its data stays."""
    with err.status("Stopping Elasticsearch; the first time also keeps what makes later starts faster …"):
        stopped = elastic_local.stop()
    out.print("Elasticsearch stopped" if stopped else "Elasticsearch does not run")


@elastic.command()
def status() -> None:
    """Show where it runs; exit code 3 if it does not."""
    node = elastic_local.running()
    if node is None:
        out.print("Elasticsearch does not run; start it with `innerwatch elastic start`")
        sys.exit(NOT_RUNNING)
    es = client(node.url)
    with cluster.errors(es):
        details = next(iter(es.nodes.info(node_id="_local", metric="jvm,settings")["nodes"].values()))
        usage = next(iter(es.nodes.stats(node_id="_local", metric="jvm,indices,fs")["nodes"].values()))
    heap, disk = usage["jvm"]["mem"], usage["fs"]["total"]
    rows = {
        "url": node.url,
        "pid": node.pid,
        "version": details["version"],
        "heap": f"{heap['heap_used_in_bytes'] >> 20} of {heap['heap_max_in_bytes'] >> 20} MB used",
        "documents": f"{usage['indices']['docs']['count']:,}, "
        f"{usage['indices']['store']['size_in_bytes'] / 1e6:,.1f} MB in {details['settings']['path']['data']}",
        "disk": f"{disk['available_in_bytes'] / 1e9:,.1f} GB free",
        "log": node.log,
    }
    for name, value in rows.items():
        out.print(f"{name:<10} {value}")
