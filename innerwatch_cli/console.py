"""Where the command speaks: results on standard output, progress and errors on standard error."""

from rich.console import Console

out = Console(highlight=False, soft_wrap=True)
err = Console(highlight=False, stderr=True, soft_wrap=True)
