"""`srr send`: one Send from the command line."""

from __future__ import annotations

import sys
from typing import BinaryIO

import click

import srr


@click.command(short_help="Send a message and print the reply.")
@click.argument("target", metavar="NAME[@USER]|PID")
@click.argument("file", type=click.File("rb"), required=False, metavar="[FILE|-]")
@click.option("-t", "--text", metavar="STRING", help="Send this text instead of a file.")
@click.option("--timeout", metavar="SECONDS", type=click.FloatRange(min=0), help="Longest that the Send may take.")
@click.option(
    "--wait",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=0.0,
    help="Longest to wait until somebody holds NAME (default: not at all). A pid is not waited for.",
)
@click.option(
    "--room",
    metavar="BYTES",
    type=click.IntRange(min=0),
    help="Room for the reply (default: 64 MiB, or the message's length if that is more).",
)
def send(
    target: str, file: BinaryIO | None, text: str | None, timeout: float | None, wait: float, room: int | None
) -> None:
    """Send FILE's bytes (default: standard input) to a process, and write its reply to standard output.

    The process is named by a name that it has attached, or by its pid; NAME@USER is a name that another user shares.
    Without --timeout the Send
    lasts until the process replies or ends; Ctrl-C gives up.

    \b
    Exit status: 0 the reply is on standard output; 1 the Send failed (stderr
    says why, and whether the message had been received); 2 usage; 124 the
    time ran out; 130 after Ctrl-C.

    \b
    Examples:
      srr send shout --text hello --timeout 5
      srr send backup big.tar > receipt
      srr send plc@alice --text start
      make 2>&1 | srr send log --wait 10
    """
    if text is not None and file is not None:
        raise click.UsageError("--text and FILE are two messages; give one of them.")
    message = text.encode(errors="surrogateescape") if text is not None else (file or sys.stdin.buffer).read()
    to = int(target) if target.isdigit() else target
    with srr.connect(to, timeout=wait, room=max(srr.ROOM, len(message)) if room is None else room) as connection:
        reply = connection.send(message, timeout=timeout)
    sys.stdout.buffer.write(reply)
    if sys.stdout.isatty() and not reply.endswith(b"\n"):
        sys.stdout.buffer.write(b"\n")  # so that the shell's prompt is not glued to it
    sys.stdout.buffer.flush()
