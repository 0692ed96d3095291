"""Who runs the node, known to every later command.

Whether the node lives is told by a lock that its process holds and that the kernel drops however that process ends.
So a state file left by a killed node is never believed, nor is another process that was given the same pid since.
"""

import fcntl
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from innerwatch_cli.elastic_local.places import Home

PROBE_PATIENCE = 2.0  # seconds in which `held` calls of others, which last microseconds, are out of the way


class State(NamedTuple):
    pid: int
    url: str  # empty while the node is not ready for requests


def held(lock: Path) -> bool:
    """Whether a process holds the lock exclusively."""
    try:
        file = lock.open("rb")
    except FileNotFoundError:
        return False
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@contextmanager
def waiting(lock: Path, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Holds the lock during the block, waiting for as long as another process holds it."""
    with lock.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def running(home: Home, pid: int) -> Iterator[Callable[[str], None]]:
    """Makes this process the node during the block; gives what publishes its URL once it is ready, "" once it is not.

    Raises BlockingIOError if another process is the node.
    """
    deadline = time.monotonic() + PROBE_PATIENCE
    with home.node_lock.open("ab") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

        def publish(url: str) -> None:
            fresh = home.state.with_suffix(".tmp")
            fresh.write_text(json.dumps(State(pid, url)._asdict()))
            fresh.replace(home.state)

        publish("")
        yield publish


def read(home: Home) -> State | None:
    """The state of the process that is the node; None without one, whatever an earlier node left in the file."""
    if not held(home.node_lock):
        return None
    try:
        content = json.loads(home.state.read_text())
        return State(int(content["pid"]), str(content["url"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def ready(home: Home) -> State | None:
    """The same, if it is ready for requests."""
    known = read(home)
    return known if known and known.url else None
