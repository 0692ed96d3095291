"""The entry point: finds the command, and turns every error that a user can mend into one line and exit code 2."""

import errno
import os
import sys

import click

from innerwatch import __version__
from innerwatch.errors import UserError
from innerwatch_cli.console import err
from innerwatch_cli.lazy import LazyGroup

# Name → (module, attribute). Imported only when asked for, so that `innerwatch elastic status` does not load pySigma.
COMMANDS: dict[str, tuple[str, str]] = {
    "audit": ("innerwatch_cli.commands.audit", "audit"),
    "backtest": ("innerwatch_cli.commands.backtest", "backtest"),
    "check": ("innerwatch_cli.commands.check", "check"),
    "compile": ("innerwatch_cli.commands.compile", "compile_"),
    "coverage": ("innerwatch_cli.commands.coverage", "coverage"),
    "demo": ("innerwatch_cli.commands.demo", "demo"),
    "detect": ("innerwatch_cli.commands.detect", "detect"),
    "elastic": ("innerwatch_cli.commands.elastic", "elastic"),
    "enrich": ("innerwatch_cli.commands.enrich", "enrich"),
    "evaluate": ("innerwatch_cli.commands.evaluate", "evaluate"),
    "evidence": ("innerwatch_cli.commands.evidence", "evidence"),
    "export": ("innerwatch_cli.commands.export", "export"),
    "hold": ("innerwatch_cli.commands.hold", "hold"),
    "ingest": ("innerwatch_cli.commands.ingest", "ingest"),
    "measure": ("innerwatch_cli.commands.measure", "measure"),
    "new": ("innerwatch_cli.commands.new", "new"),
    "person": ("innerwatch_cli.commands.person", "person"),
    "pseudonyms": ("innerwatch_cli.commands.pseudonyms", "pseudonyms"),
    "push": ("innerwatch_cli.commands.push", "push"),
    "replay": ("innerwatch_cli.commands.replay", "replay"),
    "restamp": ("innerwatch_cli.commands.restamp", "restamp"),
    "reveal": ("innerwatch_cli.commands.reveal", "reveal"),
    "scope": ("innerwatch_cli.commands.scope", "scope"),
    "simulate": ("innerwatch_cli.commands.simulate", "simulate"),
    "test": ("innerwatch_cli.commands.test", "test"),
    "view": ("innerwatch_cli.commands.view", "view"),
}


@click.group(cls=LazyGroup, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="innerwatch")
def cli() -> None:
    """Insider-threat detection: who it was, whether it is normal for that job, and which customers it concerns."""


def main() -> None:
    try:
        sys.exit(cli(standalone_mode=False))
    except UserError as error:
        err.print(str(error), style="red", markup=False)
        sys.exit(2)
    except click.ClickException as error:  # a wrong option or argument
        where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "innerwatch"
        text = " ".join(error.format_message().split())
        err.print(f"{where}: {text} See `{where} --help`.", style="red", markup=False)
        sys.exit(2)
    except click.Abort:
        err.print("interrupted", style="red")
        sys.exit(130)
    except BrokenPipeError:  # whoever read our output has enough of it, as in `innerwatch enrich … | head`
        drop_output()
        sys.exit(1)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        err.print("no space is left where the output goes; expected a disk with room for it", style="red")
        drop_output()
        sys.exit(2)


def drop_output() -> None:
    """So that Python does not try once more to write what it still holds, when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
