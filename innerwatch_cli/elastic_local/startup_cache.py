"""What the JVM learned in its first run, kept so that later starts take half the time (4.2 s → 2.0 s on two cores).

The cache (110–140 MB) holds the classes, loaded and linked, and the profiles of a whole run. It fits only the very
jars and Java that made it, so its name tells these. https://openjdk.org/jeps/514
"""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

KEPT = 2  # caches: for this Python environment and another
QUIET = "-Xlog:aot*=error"  # which classes cannot be kept concerns nobody


class StartupCache:
    def __init__(self, folder: Path, depends_on: Sequence[Path]) -> None:
        """`folder` keeps the caches; a cache fits as long as none of the files it depends on is touched."""
        self.folder = folder
        files = "\n".join(f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in depends_on)
        key = hashlib.sha256(files.encode()).hexdigest()[:16]
        self.path = folder / f"{key}.aot"
        self.recording = folder / f"{key}.{os.getpid()}.recording"
        # JPype turns class data sharing off where a path is not ASCII, and the JVM then refuses these options.
        self.possible = all(str(path).isascii() for path in (*depends_on, folder))

    def options(self) -> list[str]:
        """The JVM's options: use what was learned, or else learn now."""
        if self.wanted():
            for leftover in self.folder.glob("*.recording*"):  # of nodes that were killed
                leftover.unlink(missing_ok=True)
            return [f"-XX:AOTCacheOutput={self.recording}", QUIET]
        if self.possible:
            # Its checksum is verified: a damaged file is then ignored instead of crashing the node.
            return [f"-XX:AOTCache={self.path}", "-XX:+VerifySharedSpaces", QUIET]
        return []

    def wanted(self) -> bool:
        """Whether there is none yet; another node may have kept one meanwhile."""
        return self.possible and not self.path.exists()

    def keep(self) -> None:
        """Once the JVM has ended, and with that written what it recorded: makes it the cache of the next starts."""
        if not self.recording.exists():
            return
        self.recording.replace(self.path)
        newest_first = sorted(self.folder.glob("*.aot"), key=lambda path: path.stat().st_mtime, reverse=True)
        for outdated in newest_first[KEPT:]:
            outdated.unlink(missing_ok=True)
