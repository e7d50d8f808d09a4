"""What the commands srr and srr-trace share: subcommands imported when they are called, failures in one line."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

import click

#: Exit codes that all commands share; timeout(1) and the shell use the same.
FAILED, TIMED_OUT, BY_SIGNAL = 1, 124, 128


class Commands(click.Group):
    """Loads a subcommand on its first use, and turns failures into one line and an exit code.

    ``program``: what messages begin with. ``table``: subcommand to "module:command". ``default``: the subcommand that
    is meant where none is named.
    """

    def __init__(
        self, *args: Any, program: str, table: dict[str, str], default: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._program = program
        self._table = table
        self._default = default

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._table:
            return None
        module, attribute = self._table[cmd_name].split(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own = {name for parameter in self.get_params(ctx) for name in parameter.opts}
        if self._default is not None and (not args or (args[0] not in own and _is_option_or_number(args[0]))):
            args = [self._default, *args]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            ctx.exit(BY_SIGNAL + 2)
        except OSError as error:
            from srr.errors import Failure, TimedOut

            if not isinstance(error, Failure):
                raise
            about = f"{error.filename}: " if error.filename else ""
            click.echo(f"{self._program} {ctx.invoked_subcommand or ''}: {about}{error.strerror}", err=True)
            ctx.exit(TIMED_OUT if isinstance(error, TimedOut) and not error.by_server else FAILED)


def _is_option_or_number(word: str) -> bool:
    return word.startswith("-") or word.replace(".", "", 1).isdigit()


def version_option(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """--version of that command."""

    def show(ctx: click.Context, parameter: click.Parameter, wanted: bool) -> None:
        if wanted and not ctx.resilient_parsing:
            from srr import __version__

            click.echo(f"{name} {__version__}, Python {sys.version.split()[0]}")
            ctx.exit()

    return click.option(
        "--version", is_flag=True, is_eager=True, expose_value=False, callback=show, help="Print the version."
    )
