"""A group whose commands are imported when they are used, so that no command waits for another's libraries."""

from importlib import import_module
from typing import Any

import click


class LazyGroup(click.Group):
    """`lazy` has each command's name → (module, attribute)."""

    def __init__(self, *args: Any, lazy: dict[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 click's signature
        return sorted(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 as above
        if cmd_name not in self.lazy:
            return None
        module, attribute = self.lazy[cmd_name]
        command: click.Command = getattr(import_module(module), attribute)
        return command
