"""`srr ps`: every process with rows, and whom it is blocked on."""

from __future__ import annotations

import errno
import os
import pwd
import time
from dataclasses import dataclass, field
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
    """Every process of this user that uses srr: its state, whom it is blocked on, and its messages. Root sees all
    users' processes.

    \b
    PID       the process; PID/TID for a thread that is not its first
    STATE     SEND: its message waits to be received; REPLY: it was received, the reply is pending;
              SIGNAL: the same, and a signal waits for it; RECEIVE: it waits for a message; -: it runs
    USER      whose it is; only where there are several users' processes
    ON        the process it is blocked on, with its name (NAME@USER is another user's), else its program;
              for RECEIVE the sender that it waits for
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
        seen = _survey()
        table.show_json([_record(process, seen) for process in seen.processes])
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


@dataclass
class _Seen:
    """One look at the table."""

    processes: list[Process]
    #: Whose each of them is.
    users: dict[int, int]
    #: What other users call processes: name@user.
    shared: dict[int, list[str]]
    who: dict[int, Process] = field(init=False)

    def __post_init__(self) -> None:
        self.who = {process.pid: process for process in self.processes}

    def names(self, pid: int) -> list[str]:
        return [*(self.who[pid].names if pid in self.who else ()), *self.shared.get(pid, [])]

    def program(self, pid: int) -> str:
        """Also of processes that a message waits for and that have never used srr, or are not ours to look at."""
        from srr import processes

        return self.who[pid].program if pid in self.who else processes.program(pid)


def _survey() -> _Seen:
    from srr import names, processes

    me, mine = os.getpid(), os.geteuid()
    users, found = {}, []
    for process in processes.survey(_report, everybody=mine == 0):
        owner = _owner(process.pid)
        if owner is not None and process.pid != me:
            users[process.pid] = owner
            found.append(process)
    ours = {pid for pid, owner in users.items() if owner == mine}
    on = {thread.on for process in found for thread in process.blocked if thread.on}
    shared: dict[int, list[str]] = {}
    if not ours.issuperset(on) or len(ours) < len(found):
        for one in names.shared():
            if one.uid != mine:
                shared.setdefault(one.pid, []).append(str(one))
    return _Seen(found, users, shared)


def _owner(pid: int) -> int | None:
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except FileNotFoundError:
        return None


def _report(failure: Failure) -> None:
    """Processes that the kernel hides (ssh-agent and the like are not dumpable) are no news."""
    if failure.verb != "look" or failure.errno == errno.EPROTO:
        click.echo(f"srr ps: {failure.strerror}", err=True)


def _table(seen: _Seen) -> Table:
    from srr.cli import table

    rows = [row for process in seen.processes for row in _rows(process, seen)]
    columns = [">PID", "~USER", "~PROGRAM", "~NAMES", "STATE", "~ON", ">FOR", ">SENT", ">RECEIVED"]
    if set(seen.users.values()) <= {os.geteuid()}:
        columns, rows = [columns[0], *columns[2:]], [[row[0], *row[2:]] for row in rows]
    return table.layout(columns, rows)


def _rows(process: Process, seen: _Seen) -> list[list[str]]:
    """The first line has the process's counts; the further ones are its other blocked threads."""
    whose = [_user(seen.users[process.pid]), process.program, ",".join(seen.names(process.pid)) or "-"]
    first = [str(process.sent), str(process.received)]
    if not process.blocked:
        return [[str(process.pid), *whose, "-", "-", "-", *first]]
    return [
        [
            f"{process.pid}/{thread.tid}" if thread.tid not in (0, process.pid) else str(process.pid),
            *whose,
            str(thread.state),
            _on(thread, seen),
            _for(thread),
            *(first if at == 0 else ["-", "-"]),
        ]
        for at, thread in enumerate(process.blocked)
    ]


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _on(thread: Thread, seen: _Seen) -> str:
    from srr.state import Blocked

    if not thread.on:
        return "anyone" if thread.state is Blocked.RECEIVE else "?"  # "?": it left while we looked
    held = seen.names(thread.on)
    return f"{thread.on} {held[0] if held else seen.program(thread.on)}".rstrip()


def _for(thread: Thread) -> str:
    from srr.cli import table

    return "-" if thread.seconds is None else table.span(thread.seconds)


def _record(process: Process, seen: _Seen) -> dict[str, Any]:
    return {
        "pid": process.pid,
        "uid": seen.users[process.pid],
        "program": process.program,
        "names": seen.names(process.pid),
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
                "on_program": seen.program(thread.on) if thread.on else None,
                "on_names": seen.names(thread.on) if thread.on else [],
                "seconds": thread.seconds,
                "sent": thread.sent,
            }
            for thread in process.blocked
        ],
    }
