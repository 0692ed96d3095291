"""The node's process as seen from the commands: started detached, waited for, ended."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from innerwatch.errors import UserError
from innerwatch_cli.elastic_local import state
from innerwatch_cli.elastic_local.places import Home
from innerwatch_cli.elastic_local.state import State

START_PATIENCE = 180.0  # seconds; a start takes 2 to 5 on an idle machine
STOP_PATIENCE = 60.0  # seconds before force; the first stop also writes the startup cache, which takes 10
POLL = 0.05  # seconds
REASON = "FATAL: "  # how the node's process begins the line that says why it ends


def launch(home: Home, heap: str) -> State:
    """Starts the node, detached from this process, and waits until it is ready."""
    home.logs.mkdir(exist_ok=True)
    if home.log.exists():
        home.log.replace(home.log.with_suffix(".previous.log"))
    # Of an earlier node: else it would be believed in the moment between the new one's lock and its first word.
    home.state.unlink(missing_ok=True)
    with home.log.open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 our own module, and no shell
            [sys.executable, "-P", "-m", "innerwatch_cli.elastic_local.node", str(home.folder), heap],
            cwd=home.folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    node = None
    try:
        in_time = wait(lambda: process.poll() is not None or state.ready(home) is not None, START_PATIENCE)
        node = state.ready(home)
        if node is None:
            what = "ended while it started" if in_time else f"was not ready after {START_PATIENCE:.0f} s"
            raise UserError(f"Elasticsearch {what}", last_words(home.log), path=home.log)
        return node
    finally:
        if node is None:  # failed, too late, or interrupted
            process.kill()
            process.wait()
        process.returncode = 0  # the node is meant to outlive this object, which would complain


def environment() -> dict[str, str]:
    """Ours, without the variables from which Java would take options that are meant for other programs."""
    kept = {name: value for name, value in os.environ.items() if name not in {"JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS"}}
    return kept | {"LC_ALL": "C.UTF-8"}  # else Java refuses a path with an umlaut in the C locale


def settled(home: Home) -> None:
    """Waits while the node is starting, for a command that was killed since, or ending."""
    if not wait(lambda: state.ready(home) is not None or not state.held(home.node_lock), START_PATIENCE):
        raise UserError(
            f"Elasticsearch was not ready after {START_PATIENCE:.0f} s",
            "end it with `innerwatch elastic stop`",
            path=home.log,
        )


def end(home: Home) -> None:
    """Ends the node's process: asks it to, and kills it if it does not."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        known = state.read(home)
        if known is None:
            return
        os.kill(known.pid, number)
        if wait(lambda: not state.held(home.node_lock), STOP_PATIENCE):
            return
    raise UserError(f"the process {known.pid if known else ''} does not end", "is its disk hanging?", path=home.log)


def wait(condition: Callable[[], bool], patience: float) -> bool:
    """Whether the condition came true within `patience` seconds."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL)
    return True


def last_words(log: Path) -> str:
    """The line of a log that says why the node ended: what it gave as its reason, or else the last one."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    for sign in (REASON, "OutOfMemoryError", "fatal error"):
        for line in reversed(lines):
            if sign in line:
                return line.removeprefix(REASON)
    return lines[-1] if lines else "its log is empty"
