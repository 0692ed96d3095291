"""Sigma rules compiled, against the bare limit of reading the same YAML files.

SigmaHQ's 3,780 rules where they are beside the checkout (../shared/data/sigma), else our own.
"""

import gc
import tempfile
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

import yaml

from innerwatch_cli.paths import RULES
from innerwatch_cli.sigma import compile_all

SIGMAHQ = Path(__file__).parents[3] / "shared" / "data" / "sigma" / "sigmahq-rules.zip"


def read(files: Sequence[Path]) -> float:
    began = time.process_time()
    for path in files:
        list(yaml.load_all(path.read_bytes(), Loader=yaml.CSafeLoader))
    return time.process_time() - began


def compiled(files: Sequence[Path]) -> tuple[int, int, float]:
    gc.collect()
    began = time.process_time()
    result = compile_all(files)
    return len(result.rules), len(result.errors), time.process_time() - began


def run() -> None:
    with tempfile.TemporaryDirectory() as folder:
        if SIGMAHQ.exists():
            with zipfile.ZipFile(SIGMAHQ) as archive:
                archive.extractall(folder, [name for name in archive.namelist() if name.startswith("rules")])
            files = sorted(Path(folder).rglob("*.yml"))
        else:
            files = sorted(RULES.rglob("*.yml"))
        bare = read(files)
        rules, refused, spent = compiled(files)
    print(f"{rules:,} rules compiled, {refused} refused: {(rules + refused) / spent:,.0f} rules/s of processor time")
    print(f"{spent / bare:.1f} times the reading of the same YAML")
