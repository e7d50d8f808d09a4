"""`srr sin`: what QNX4's sin showed of message passing, in its columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from srr.psinfo import Info

#: A line of the table: the process that it is about, and its cells.
Line = tuple["Info", list[str]]

#: A program's path is cut to its end, as there.
_PROGRAM = 23
#: Columns: how wide at least, "<" or ">", the heading. A number that is longer makes its column wider.
_PROCESSES = (">3 SID", ">5 PID", f"<{_PROGRAM} PROGRAM", ">3 PRI", "<5 STATE", ">5 BLK")
_FLAGS = (">3 SID", ">5 PID", f"<{_PROGRAM} PROGRAM", "<32 FLAGS")
_NAMES = ("<32 NAME", ">5 PID", f"<{_PROGRAM} PROGRAM")
_PROXIES = (">5 PROXY", f"<{_PROGRAM} PROGRAM", ">3 PRI", "<5 STATE", ">5 COUNT")
_CIRCUITS = (
    *(">5 VID", ">5 PID", ">2 LK", "<5 STATE", f"<{_PROGRAM} PROGRAM"),
    *(">3 NID", ">5 VID", ">5 PID", f"<{_PROGRAM} PROGRAM"),
)

#: A letter for each flag, the highest bit first; "-": not set, or none is known.
_LETTERS = "-fSZHTLE-mMVXF3------DSmcsfr-FiI"

#: Of what a process waits for: whether there is somebody to name.
_BLOCKED = ("SEND", "RECV", "REPLY", "SIGBL")

_ORDERS: dict[str, Callable[[Info], int | str]] = {
    "i": lambda info: info.pid,
    "s": lambda info: info.sid,
    "n": lambda info: _path(info),
    "p": lambda info: info.priority,
    "b": lambda info: info.blocked_on,
}


def _shown(ctx: click.Context, parameter: click.Parameter, word: str | None) -> str | None:
    """The command that the first letters name."""
    if word is None:
        return None
    found = [command for command in _COMMANDS if command.startswith(word)]
    if len(word) >= 2 and found:
        return found[0]
    names = ", ".join(_COMMANDS)
    raise click.BadParameter(f"{word!r} is none of {names}; two letters of it are enough.", param_hint="COMMAND")


@click.command(context_settings={"help_option_names": ["--help"]}, short_help="What QNX4's sin showed of messages.")
@click.argument("command", required=False, metavar="[flags|names|proxies|vcs]", callback=_shown)
@click.option("-h", "plain", is_flag=True, help="No headings.")
@click.option("-p", "pids", metavar="PID", type=click.IntRange(min=1), multiple=True, help="Only this process.")
@click.option("-P", "programs", metavar="PROGRAM", multiple=True, help="Only processes that run this program.")
@click.option("-s", "sids", metavar="SID", type=click.IntRange(min=0), multiple=True, help="Only this session.")
@click.option(
    "-S",
    "order",
    type=click.Choice(list(_ORDERS)),
    default="i",
    help="Sort by: i process id (the default), s session, n program, p priority, b whom it is blocked on.",
)
def sin(
    command: str | None,
    plain: bool,
    pids: tuple[int, ...],
    programs: tuple[str, ...],
    sids: tuple[int, ...],
    order: str,
) -> None:
    """Every process: its session, program, priority, state, and whom it is blocked on.

    \b
    PRI     1 (lowest) to 29; o: ordinary, r: round robin, f: first in first out
    STATE   READY it runs, or could; SEND, RECV, REPLY: blocked in that call;
            SIGBL: REPLY, with a signal pending; WAIT for a child;
            HELD: stopped; DEAD: a zombie
    BLK     the process that it is blocked on; RECV: from whom, 0: from anybody

    \b
    flags     what a process has set of QNX4's flags (qnx_pflags)
    names     the names that processes have, and who has them
    proxies   the proxies, whose they are, and the triggers that are pending
    vcs       virtual circuits to other nodes: there are none

    A process that sleeps for something else than a message or a child shows as REPLY-blocked on process 1: on QNX4
    its service would have been a process. -p, -P and -s may be given more than once. PROGRAM is a path, or its last
    part. The kernel's own threads are left out unless -p names them.

    Exit status: 0, also if nothing is found; 2 usage.
    """
    from srr import psinfo

    def wanted(info: Info) -> bool:
        return (
            (info.pid in pids if pids else not (info.proc and info.proc.of_kernel))
            and (not sids or info.sid in sids)
            and (not programs or any(_runs(info, program) for program in programs))
        )

    processes = {info.pid: info for info in psinfo.processes() if wanted(info)}
    columns, lines = _COMMANDS[command](processes) if command else _processes(processes)
    key = _ORDERS[order]
    cells = [row for _, row in sorted(lines, key=lambda line: (key(line[0]), line[0].pid))]
    _print(columns, cells, plain)


def _processes(processes: dict[int, Info]) -> tuple[Sequence[str], list[Line]]:
    return _PROCESSES, [
        (info, [str(info.sid), str(info.pid), _program(info), _priority(info), _state(info), _on(info)])
        for info in processes.values()
    ]


def _flags(processes: dict[int, Info]) -> tuple[Sequence[str], list[Line]]:
    return _FLAGS, [
        (info, [str(info.sid), str(info.pid), _program(info), _letters(info.flags)]) for info in processes.values()
    ]


def _names(processes: dict[int, Info]) -> tuple[Sequence[str], list[Line]]:
    import srr

    return _NAMES, [
        (processes[pid], [name, str(pid), _program(processes[pid])]) for name, pid in srr.query() if pid in processes
    ]


def _proxies(processes: dict[int, Info]) -> tuple[Sequence[str], list[Line]]:
    from srr import psinfo

    lines = []
    for proxy in psinfo.proxies():
        owner = processes.get(proxy.blocked_on)
        if owner is not None and proxy.mproc is not None:
            cells = [str(proxy.pid), _program(owner), str(proxy.priority), _state(proxy), str(proxy.mproc.count)]
            lines.append((owner, cells))
    return _PROXIES, lines


def _circuits(processes: dict[int, Info]) -> tuple[Sequence[str], list[Line]]:
    return _CIRCUITS, []


_COMMANDS: dict[str, Callable[[dict[int, Info]], tuple[Sequence[str], list[Line]]]] = {
    "flags": _flags,
    "names": _names,
    "proxies": _proxies,
    "vcs": _circuits,
}


def _path(info: Info) -> str:
    return info.proc.name if info.proc else ""


def _runs(info: Info, program: str) -> bool:
    path = _path(info)
    return program in (path, path.rpartition("/")[2])


def _program(info: Info) -> str:
    from srr.cli import table

    return table.printable(_path(info))[-_PROGRAM:]


def _priority(info: Info) -> str:
    return f"{info.priority}{ {0: 'o', 1: 'f', 2: 'r'}.get(info.sched_algorithm, 'o') }"


def _state(info: Info) -> str:
    from srr.psinfo import State

    return State(info.state).name


def _on(info: Info) -> str:
    return str(info.blocked_on) if _state(info) in _BLOCKED else "---"


def _letters(flags: int) -> str:
    return "".join(letter if flags >> 31 - at & 1 else "-" for at, letter in enumerate(_LETTERS))


def _print(columns: Sequence[str], rows: list[list[str]], plain: bool) -> None:
    headings = [column.split()[1] for column in columns]
    sides = [column[0] for column in columns]
    widths = [int(column.split()[0][1:]) for column in columns]
    widths = [max(width, *(len(row[n]) for row in rows), 0) for n, width in enumerate(widths)]
    for row in rows if plain else [headings, *rows]:
        cells = (f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=True))
        click.echo(" ".join(cells).rstrip())
