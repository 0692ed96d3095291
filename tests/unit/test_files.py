"""Log files as the command line names them."""

import os
from pathlib import Path

from innerwatch_cli import files


def test_a_name_that_is_no_text_becomes_one() -> None:
    assert files.uri(Path(os.fsdecode(b"logs/trail-\xff.json"))) == r"logs/trail-\xff.json"
    assert files.uri(Path("logs/München 1.json")) == "logs/München 1.json"
