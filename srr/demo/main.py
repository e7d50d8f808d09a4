"""One demo from its start to its exit code."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

from rich.console import Console

import srr
from srr.demo import plan, sources, summary
from srr.demo.audit import audit
from srr.demo.figures import figures
from srr.demo.plain import Plain
from srr.demo.roles.mover import walk
from srr.demo.screen import Screen
from srr.demo.split import Split
from srr.demo.supervisor import Broken, Stopped, Supervisor
from srr.demo.users import Users
from srr.demo.watch import Watch

#: What everybody may read, wherever this interpreter is.
_PUBLIC = ("/usr/bin", "/usr/include", "/usr/share/perl", "/usr/share/zoneinfo")


class NoFiles(Exception):
    """There is nothing to move."""


def folders(wanted: Sequence[str], users: int) -> list[str]:
    """Where the movers look for files; NoFiles if they would not find any. ``users``: how many must read them."""
    if not wanted and users > 1:
        wanted = [folder for folder in _PUBLIC if os.path.isdir(folder)]
    if not wanted:
        library = Path(sysconfig.get_path("stdlib"))
        others = ("site-packages", "dist-packages")  # Not the standard library, though inside its folder.
        parts = sorted(str(path) for path in library.iterdir() if path.name not in others and not path.is_symlink())
        return [str(Path(srr.__file__).parent), *parts]
    found = [os.path.abspath(folder) for folder in wanted]
    for folder in found:
        if not any(os.access(path, os.R_OK) for path in walk([folder])):
            raise NoFiles(f"there is no file in {folder!r} that this user may read; choose a folder with some files.")
    return found


def run(
    seconds: float,
    processes: int,
    files: list[str],
    *,
    many: int,
    plain: bool,
    as_json: bool,
    trace: bool,
    sabotage: str,
) -> int:
    """The exit code: 0, or 1 if anything is not as it must be. ``many``: users."""
    out = sys.stderr if as_json else sys.stdout
    live = sys.stdout.isatty() and out.isatty() and not plain
    broken = complaints = ""
    stop = 0
    checks = []
    with (
        Users(many) as users,
        Split(trace) as split,
        Supervisor(_members(processes, files, sabotage, users), seconds, f"demo-{os.getpid()}", users) as supervisor,
        _signals(supervisor),
    ):
        try:
            if live:
                with Screen(out, split) as screen, Watch(supervisor, screen):
                    supervisor.run()
            else:
                with Watch(supervisor, Plain(out, split)):
                    supervisor.run()
            checks = audit(supervisor)
        except Broken as why:
            broken, complaints = str(why), f"{supervisor.complaints()}{users.complaints()}"
        except Stopped as stopped:
            stop = stopped.signal
        result = figures(supervisor, checks, broken)
        result["split_us"] = split.quantiles(supervisor)
        result["not_traced"] = split.reason
    if stop:
        print("srr demo: stopped, and all its processes with it", file=sys.stderr)
        return 128 + stop
    if live:
        for event in supervisor.events:
            print(event, file=out)
    console = Console(file=out, highlight=False) if out.isatty() else Console(file=out, highlight=False, width=200)
    if broken:
        print(f"srr demo: {broken}\n{complaints}".rstrip(), file=sys.stderr)
    else:
        summary.show(result, console)
    if as_json:
        print(json.dumps(result, indent=2))
    return 0 if result["ok"] else 1


def _members(processes: int, files: list[str], sabotage: str, users: Users) -> list[plan.Member]:
    return plan.members(processes, sources.present(), files, os.cpu_count() or 1, sabotage, users.numbers)


@contextlib.contextmanager
def _signals(supervisor: Supervisor) -> Iterator[None]:
    """Whoever ends the demo politely ends its processes as well; else the kernel does (srr.demo.node).

    The handler only makes a note, and ends a blocked Receive (EINTR): an exception in the middle of starting a process
    would leave one that nobody knows.
    """

    def note(number: int, frame: FrameType | None) -> None:
        supervisor.stop = number

    ours = [
        number
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) != signal.SIG_IGN
    ]
    before = {number: signal.signal(number, note) for number in ours}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
