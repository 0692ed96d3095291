"""A real Elasticsearch on this machine, from pip packages and pinned jars: no Docker, no installed Java, no root.

It runs in a process of its own on 127.0.0.1, and every later command finds it. Linux and macOS.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from innerwatch.errors import UserError

if sys.platform == "win32":
    raise UserError(
        "a local Elasticsearch does not run on Windows",
        "expected Linux or macOS, or ELASTICSEARCH_URL of another cluster",
    )

from innerwatch_cli.console import err
from innerwatch_cli.elastic_local import checks, jars, process, state
from innerwatch_cli.elastic_local.places import VERSION, Home, jar_folder

__all__ = ["VERSION", "Node", "ensure_running", "running", "stop"]

LEAST_FREE_DISK = 1_000_000_000  # bytes, for the node's data


@dataclass(frozen=True)
class Node:
    url: str
    pid: int
    log: Path
    started_here: bool  # by this very call


def running() -> Node | None:
    """The node, if one is ready for requests, whoever started it."""
    home = Home.default()
    known = state.ready(home)
    return Node(known.url, known.pid, home.log, started_here=False) if known else None


def ensure_running(progress: bool = True) -> Node:
    """Finds the local node, or starts it and waits until it is ready; the first time ever this downloads 69 MB.

    INNERWATCH_HEAP sets the node's heap (512m unless set), INNERWATCH_HOME where its data, logs and state are. Raises
    UserError for all that can be wrong with network, disk, platform or the node itself.
    """
    if node := running():
        return node
    home, heap = Home.default(), checks.heap()
    checks.platform()

    def say(text: str) -> None:
        if progress:
            err.print(text, markup=False)

    with checks.files_in(home.folder):
        home.folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # the data is about people
        with state.waiting(home.start_lock, lambda: say("Waiting for another command that starts or stops it …")):
            process.settled(home)
            if node := running():
                return node
            checks.disk(home.folder, LEAST_FREE_DISK)
            with checks.files_in(jar_folder()):
                jars.install(jar_folder(), progress=progress)
            say(f"Starting Elasticsearch {VERSION} …")
            known = process.launch(home, heap)
    return Node(known.url, known.pid, home.log, started_here=True)


def stop() -> bool:
    """Ends the node, by force if it does not end by itself; False if none ran."""
    home = Home.default()
    if not state.held(home.node_lock):
        return False
    with checks.files_in(home.folder), state.waiting(home.start_lock):
        process.end(home)
    return True
