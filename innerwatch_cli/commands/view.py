"""`innerwatch view`: alerts, people and customers touched, as a page for this machine's browser."""

import signal
import webbrowser

import click

from innerwatch_cli import cluster, options
from innerwatch_cli.console import err, out
from innerwatch_cli.view.questions import Source
from innerwatch_cli.view.server import Server


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8600, show_default=True, help="0: any that is free.")
@click.option("--no-browser", is_flag=True, help="Only say where the page is.")
@options.namespace
def view(port: int, no_browser: bool, namespace: str) -> None:
    """Look at alerts, people and customers in a browser.

    A page on 127.0.0.1, for this machine alone: it reads from Elasticsearch and changes nothing. Whoever has an account
    on this machine can open it while it runs. Ctrl-C ends it.
    """
    es = cluster.connect()
    with Server(Source(es, namespace), port) as server:
        out.print(f"Innerwatch is at [bold]{server.url}[/] (namespace {namespace}); Ctrl-C ends it")
        if not no_browser and not webbrowser.open(server.url):
            err.print("no browser was found; open that address in one", style="yellow")
        for ending in (signal.SIGINT, signal.SIGTERM):  # also where a shell that put us behind had it ignored
            signal.signal(ending, signal.default_int_handler)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            err.print("ended")
