"""The `srr` command. Each subcommand is a file of its own, imported when it is called: `srr send` starts fast."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

#: Exit codes that all commands share; timeout(1) and the shell use the same.
FAILED, TIMED_OUT, BY_SIGNAL = 1, 124, 128

_COMMANDS = {
    "bench": "srr.cli.bench:bench",
    "demo": "srr.cli.demo:demo",
    "doctor": "srr.cli.doctor:doctor",
    "names": "srr.cli.names:names",
    "ps": "srr.cli.ps:ps",
    "send": "srr.cli.send:send",
    "serve": "srr.cli.serve:serve",
    "sin": "srr.cli.sin:sin",
}


class Commands(click.Group):
    """Loads a subcommand on its first use, and turns failures into one line and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, attribute = _COMMANDS[cmd_name].split(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

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
            click.echo(f"srr {ctx.invoked_subcommand or ''}: {about}{error.strerror}", err=True)
            ctx.exit(TIMED_OUT if isinstance(error, TimedOut) and not error.by_server else FAILED)


def _version(ctx: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from srr import __version__

        click.echo(f"srr {__version__}, Python {sys.version.split()[0]}")
        ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version."
)
def main() -> None:
    """Send, Receive and Reply between unrelated processes of one machine, as in QNX4.

    \b
    In one terminal:   srr serve shout --exec 'tr a-z A-Z'
    In another:        srr send shout --text hello
    """
