"""`srr ps`: every process with rows, and whom it is blocked on."""

from __future__ import annotations

import errno
import time
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.table import Table

    from srr.errors import Failure
    from srr.processes import Process, Thread

#: `--watch` looks this often unless told otherwise: quick enough to follow, slow enough to read.
_EVERY = "1"


@click.command(short_help="Processes, their states, and whom they are blocked on.")
@click.option("--json", "as_json", is_flag=True, help="For programs: a list of processes with their blocked threads.")
@click.option(
    "--watch",
    metavar="[SECONDS]",
    type=click.FloatRange(min=0.05),
    is_flag=False,
    flag_value=_EVERY,
    help=f"Look again every so often (default: {_EVERY} s) until Ctrl-C.",
)
def ps(as_json: bool, watch: float | None) -> None:
    """Every process of this user that uses srr: its state, whom it is blocked on, and its messages.

    \b
    PID       the process; PID/TID for a thread that is not its first
    STATE     SEND: its message waits to be received; REPLY: it was received, the reply is pending;
              SIGNAL: the same, and a signal waits for it; RECEIVE: it waits for a message; -: it runs
    ON        the process it is blocked on; for RECEIVE the sender that it waits for
    FOR       how long it has slept so; - while it spins
    SENT, RECEIVED   messages of the whole process so far

    A process has one line, and one more for each further thread that is blocked.

    Exit status: 0, also if there is none.
    """
    if as_json and watch is not None:
        raise click.UsageError("--json prints once; leave --watch out, or run it in a loop.")
    from srr.cli import table

    if watch is not None:
        _watch(watch)
    elif as_json:
        found = _survey()
        table.show_json([_record(process, found) for process in found])
    else:
        table.show(_table(_survey()))


def _watch(every: float) -> None:
    import sys

    from srr.cli import table

    if not sys.stdout.isatty():
        while True:
            table.show(_table(_survey()))
            click.echo()
            time.sleep(every)
    from rich.live import Live

    with Live(_table(_survey()), auto_refresh=False, screen=True, vertical_overflow="crop") as live:
        while True:
            time.sleep(every)
            live.update(_table(_survey()), refresh=True)


def _survey() -> list[Process]:
    from srr import processes

    return processes.survey(_report)


def _report(failure: Failure) -> None:
    """Processes that the kernel hides (ssh-agent and the like are not dumpable) are no news."""
    if failure.verb != "look" or failure.errno == errno.EPROTO:
        click.echo(f"srr ps: {failure.strerror}", err=True)


def _table(found: list[Process]) -> Table:
    from srr.cli import table

    who = {process.pid: process for process in found}
    rows = [row for process in found for row in _rows(process, who)]
    columns = [">PID", "~PROGRAM", "~NAMES", "STATE", "~ON", ">FOR", ">SENT", ">RECEIVED"]
    return table.layout(columns, rows)


def _rows(process: Process, who: dict[int, Process]) -> list[list[str]]:
    """The first line has the process's counts; the further ones are its other blocked threads."""
    first = [str(process.sent), str(process.received)]
    if not process.blocked:
        return [[str(process.pid), process.program, ",".join(process.names) or "-", "-", "-", "-", *first]]
    return [
        [
            f"{process.pid}/{thread.tid}" if thread.tid not in (0, process.pid) else str(process.pid),
            process.program,
            ",".join(process.names) or "-",
            str(thread.state),
            _on(thread, who),
            _for(thread),
            *(first if at == 0 else ["-", "-"]),
        ]
        for at, thread in enumerate(process.blocked)
    ]


def _on(thread: Thread, who: dict[int, Process]) -> str:
    from srr.state import Blocked

    if not thread.on:
        return "anyone" if thread.state is Blocked.RECEIVE else "?"  # "?": it left while we looked
    held = who[thread.on].names if thread.on in who else ()
    return f"{thread.on} {held[0]}" if held else f"{thread.on} {_program(thread.on, who)}".rstrip()


def _for(thread: Thread) -> str:
    from srr.cli import table

    return "-" if thread.seconds is None else table.span(thread.seconds)


def _program(pid: int, who: dict[int, Process]) -> str:
    """Also of processes that a message waits for and that have never used srr."""
    from srr import processes

    return who[pid].program if pid in who else processes.program(pid)


def _record(process: Process, found: list[Process]) -> dict[str, Any]:
    who = {other.pid: other for other in found}
    return {
        "pid": process.pid,
        "program": process.program,
        "names": list(process.names),
        "sent": process.sent,
        "received": process.received,
        "clients": process.clients,
        "receivers": process.receivers,
        "healed": process.healed,
        "blocked": [
            {
                "tid": thread.tid or None,
                "state": str(thread.state),
                "on": thread.on or None,
                "on_program": _program(thread.on, who) if thread.on else None,
                "on_names": list(who[thread.on].names) if thread.on in who else [],
                "seconds": thread.seconds,
                "sent": thread.sent,
            }
            for thread in process.blocked
        ],
    }
