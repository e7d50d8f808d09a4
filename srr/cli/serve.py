"""`srr serve`: a server on the command line."""

from __future__ import annotations

import errno
import grp
import os
import shlex
import shutil
import signal
import subprocess
import sys
from itertools import count as numbers
from types import FrameType
from typing import NoReturn

import click

import srr
from srr.cli import BY_SIGNAL


@click.command(short_help="Answer messages: echo them, or run a command for each.")
@click.argument("name")
@click.option(
    "--exec", "program", metavar="CMD", help="Answer each message with what CMD writes when it reads the message."
)
@click.option("--count", "limit", metavar="N", type=click.IntRange(min=1), help="End after N messages.")
@click.option(
    "--mode",
    metavar="OCTAL",
    callback=lambda ctx, option, value: _mode(value),
    help="Other users may send too, as a file's mode says: w to send, r to see NAME listed (660: owner and group).",
)
@click.option("--group", help="The group that --mode is about (default: this process's own).")
@click.option("-v", "--verbose", is_flag=True, help="One line on stderr for each message.")
def serve(
    name: str, program: str | None, limit: int | None, mode: int | None, group: str | None, verbose: bool
) -> None:
    """Attach NAME and answer every message that comes to it: with the message itself, or with CMD's output.

    CMD is split into words as a shell would split it, and run without a shell (for a pipeline:
    --exec "sh -c 'sort | uniq'"), once for each message, one after the other. It reads the message on its
    standard input, and what it writes to its standard output is the reply. If it ends with a status other
    than 0 the sender gets EIO (Input/output error). Its stderr is yours. SRR_SENDER in its environment is
    the sender's pid, SRR_SENDER_UID the number of its user.

    With --mode other users find the server as NAME@USER, through srr-helper.

    Once the name is attached and messages are taken, stderr says "serving NAME as pid N".

    \b
    Exit status: 0 after --count messages; 1 the name is taken or the like;
    2 usage; 130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP.
    However it ends, the name is free again.

    \b
    Examples:
      srr serve echo
      srr serve shout --exec 'tr a-z A-Z' --verbose
      srr serve plc --mode 660 --group plant
    """
    if name.isdigit():
        raise click.BadParameter("a name of digits only would be taken for a pid by those who send.", param_hint="NAME")
    words = _words(program) if program is not None else None
    gid = _gid(group, mode)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores SIGHUP
            signal.signal(number, _end)

    with srr.listen(name, mode, gid) as port:
        click.echo(f"serving {name} as pid {port.pid}", err=True)
        for _ in range(limit) if limit is not None else numbers():
            answer(port.receive(), words, verbose)


def answer(message: srr.Message, words: list[str] | None, verbose: bool) -> None:
    """One message. Whatever happens to it or to its sender, the server goes on."""
    try:
        with message:
            request = _whole(message)
            if words is None:
                outcome = _reply(message, request)
            else:
                ran = subprocess.run(
                    words,
                    input=request,
                    stdout=subprocess.PIPE,
                    env=os.environ | {"SRR_SENDER": str(message.pid), "SRR_SENDER_UID": str(message.uid)},
                    check=False,
                )
                if ran.returncode == 0:
                    outcome = _reply(message, ran.stdout)
                else:
                    message.error(errno.EIO)
                    outcome = f"answered EIO: {words[0]} {_ended(ran.returncode)}"
    except srr.SenderGone:
        outcome = "the sender gave up or died before the reply"
    except OSError as error:  # The sender has this errno as its answer.
        outcome = f"answered {errno.errorcode.get(error.errno or 0, '?')}: {error}"
        verbose = True
    if verbose:
        click.echo(f"from {message.pid}: {message.nbytes} bytes ({message.lane}); {outcome}", err=True)


def _reply(message: srr.Message, data: bytes) -> str:
    stored = message.reply(data)
    short = f", {stored} of them fitted" if stored < len(data) else ""
    return f"replied {len(data)} bytes{short}"


def _whole(message: srr.Message) -> bytes:
    """The message, also when it is longer than what receive copies."""
    got = bytes(message)
    return got if len(got) == message.nbytes else got + message.read(len(got))


def _words(program: str) -> list[str]:
    try:
        words = shlex.split(program)
    except ValueError as error:
        raise click.BadParameter(f"{error}.", param_hint="--exec") from None
    if not words:
        raise click.BadParameter("no command.", param_hint="--exec")
    if shutil.which(words[0]) is None:
        raise click.BadParameter(f"{words[0]}: there is no such program in PATH.", param_hint="--exec")
    return words


def _mode(value: str | None) -> int | None:
    if value is None:
        return None
    mode = int(value, 8) if value.isdigit() and not set(value) & {"8", "9"} else -1
    if mode < 0 or mode & ~0o666:
        raise click.BadParameter(f"{value}: give digits as for chmod, none of them above 6: 660 or 666.")
    return mode


def _gid(group: str | None, mode: int | None) -> int | None:
    if group is None:
        return None
    if mode is None:
        raise click.UsageError("--group says whom --mode is about; give --mode, too.")
    try:
        return int(group) if group.isdigit() else grp.getgrnam(group).gr_gid
    except KeyError:
        raise click.BadParameter(f"{group}: there is no such group.", param_hint="--group") from None


def _ended(status: int) -> str:
    return f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"


def _end(number: int, frame: FrameType | None) -> NoReturn:
    """A signal to end by: unwind, so that the name is detached and the sender in service gets an answer."""
    sys.exit(BY_SIGNAL + number)
