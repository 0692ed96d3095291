"""A headless Chromium, where this machine has one: what it draws, and the DOM it makes of a page."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
QUIET = (
    *("--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--hide-scrollbars"),
)
PATIENCE = 90  # seconds


class Seen(NamedTuple):
    html: str  # the page as Chromium understood it, written out again
    log: str  # what it had to say, its console included


def binary() -> str | None:
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def picture(chromium: str, url: str, width: int, height: int, out: Path) -> None:
    _run(chromium, url, f"--window-size={width},{height}", f"--screenshot={out}")


def dom(chromium: str, url: str) -> Seen:
    ran = _run(chromium, url, "--dump-dom", "--enable-logging=stderr")
    return Seen(ran.stdout, ran.stderr)


def _run(chromium: str, url: str, *options: str) -> subprocess.CompletedProcess[str]:
    # Root may not start Chromium's sandbox, which is why containers go without.
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [chromium, *QUIET, *sandbox, f"--user-data-dir={profile}", *options, url]
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
