"""Where the local node's files are.

The jars never change and are shared by every node of this user, so they stay in the user's cache folder
(`~/.cache/innerwatch` on Linux). What belongs to one node (data, logs, state) is in its home, below that folder unless
INNERWATCH_HOME names another.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

VERSION = "8.19.21"  # the one version whose jars are all served; jars.txt pins them


def jar_folder() -> Path:
    return user_cache_path("innerwatch") / f"elasticsearch-{VERSION}"


@dataclass(frozen=True)
class Home:
    """One node's folder."""

    folder: Path

    @classmethod
    def default(cls) -> "Home":
        chosen = os.environ.get("INNERWATCH_HOME")
        return cls(Path(chosen).absolute() if chosen else user_cache_path("innerwatch") / "node")

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def config(self) -> Path:
        return self.folder / "config"

    @property
    def modules(self) -> Path:
        return self.folder / "modules"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def log(self) -> Path:
        return self.logs / "node.log"

    @property
    def temporary(self) -> Path:
        return self.folder / "tmp"

    @property
    def state(self) -> Path:
        """Which process the node is and where it answers."""
        return self.folder / "state.json"

    @property
    def start_lock(self) -> Path:
        """Held while a command starts or stops the node, so that two at once do not."""
        return self.folder / "start.lock"

    @property
    def node_lock(self) -> Path:
        """Held by the node's process for as long as it lives."""
        return self.folder / "node.lock"
