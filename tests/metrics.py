"""The functions' metrics, as docs/observability.md has them and as they are emitted, and their logs."""

import io
import json
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aws_lambda_powertools import Logger

PAGE = Path(__file__).parents[1] / "docs" / "observability.md"


def documented(function: str) -> dict[str, str]:
    """Metric → unit, as the function's section tells."""
    section = re.search(rf"^### {function}$(.*?)(?=^##|\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert section, function
    return dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", section[1], re.MULTILINE))


def emitted(output: str) -> tuple[dict[str, Any], dict[str, str]]:
    """What EMF lines say: name → value, name → unit."""
    values: dict[str, Any] = {}
    units: dict[str, str] = {}
    for line in output.splitlines():
        found = json.loads(line)
        for directive in found.get("_aws", {}).get("CloudWatchMetrics", ()):
            assert directive["Namespace"] == "Innerwatch"
            for metric in directive["Metrics"]:
                units[metric["Name"]] = metric["Unit"]
                values[metric["Name"]] = found[metric["Name"]]
    return values, units


@contextmanager
def logged(logger: Logger) -> Iterator[io.StringIO]:
    """What a function's logger writes from here on, from INFO up."""
    written = io.StringIO()
    handler = logger.registered_handler
    assert isinstance(handler, logging.StreamHandler)
    before, level = handler.setStream(written), logger.log_level
    logger.setLevel("INFO")
    yield written
    handler.setStream(before or sys.stdout)
    logger.setLevel(level)
