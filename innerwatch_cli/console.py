"""Where the command speaks: results on standard output, progress and errors on standard error."""

from rich.console import Console

# No emoji: rich would draw one for the `:secret:` of an ARN.
out = Console(highlight=False, soft_wrap=True, emoji=False)
err = Console(highlight=False, stderr=True, soft_wrap=True, emoji=False)
