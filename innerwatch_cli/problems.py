"""Records that were set aside, told to the user: one line each, and exit code 2 at the end."""

import sys
from collections.abc import Sequence

from innerwatch.values import SetAside
from innerwatch_cli.console import err

SHOWN = 20  # lines before the rest is only counted


class Problems:
    def __init__(self) -> None:
        self.count = 0

    def report(self, item: SetAside) -> None:
        self.count += 1
        if self.count <= SHOWN:
            err.print(f"{item.origin.uri}:{item.origin.position}: {item.reason}", style="red", markup=False)

    def keep(self, items: Sequence[SetAside]) -> None:
        for item in items:
            self.report(item)

    def exit(self) -> None:
        """Ends the command with code 2 if anything was set aside."""
        if self.count > SHOWN:
            err.print(f"… and {self.count - SHOWN} more records set aside", style="red", markup=False)
        if self.count:
            sys.exit(2)
