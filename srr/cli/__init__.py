"""The `srr` command. Each subcommand is a file of its own, imported when it is called: `srr send` starts fast."""

from __future__ import annotations

import click

from srr.cli.lazy import BY_SIGNAL, FAILED, TIMED_OUT, Commands, version_option

__all__ = ["BY_SIGNAL", "FAILED", "TIMED_OUT", "main"]

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


@click.group(cls=Commands, program="srr", table=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@version_option("srr")
def main() -> None:
    """Send, Receive and Reply between unrelated processes of one machine, as in QNX4.

    \b
    In one terminal:   srr serve shout --exec 'tr a-z A-Z'
    In another:        srr send shout --text hello
    """
