"""`innerwatch test`, from the command line's start to its end, on a local node that runs already.

Beside it the same work without any rule: Python and the libraries loaded, one index made and removed.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

from innerwatch_cli import cluster
from innerwatch_cli.paths import RULES

ROUNDS = 5
COMMAND = (sys.executable, "-c", "from innerwatch_cli.main import main; main()", "test")
BARE = """
import click, rich.console, elasticsearch, sigma.collection, sigma.backends.elasticsearch
from innerwatch_cli import cluster
from innerwatch_cli.authoring.running import scratch
with scratch(cluster.connect(), ["app.access"]): pass
"""


def seconds(command: Sequence[str]) -> float:
    began = time.perf_counter()
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode in (0, 1), result.stderr  # 1: cases failed, which is for the tests to say
    return time.perf_counter() - began


def median(command: Sequence[str]) -> float:
    seconds(command)
    return statistics.median(seconds(command) for _ in range(ROUNDS))


def run() -> None:
    cluster.connect(start_local=True)
    files = sorted(RULES.rglob("*.yml"))
    bare = median((sys.executable, "-c", BARE))
    one = {folder: median((*COMMAND, str(next(folder.glob("*.yml"))))) for folder in sorted({f.parent for f in files})}
    print(f"bare limit   {bare:>10.2f} s   (libraries loaded, one index made and removed)")
    for folder, took in one.items():
        print(f"one rule     {took:>10.2f} s   {took / bare:.1f} × the bare (limit 1 s; {folder.relative_to(RULES)})")
    pack = median(COMMAND)
    print(f"the pack     {pack:>10.2f} s   {pack / bare:.1f} × the bare (limit 30 s; {len(files)} files)")
