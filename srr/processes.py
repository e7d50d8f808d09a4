"""Looking at other processes' rows of the waiting table: who is blocked on whom, and since when.

Looking never touches the table and never blocks, so it is safe at any moment; what is seen may be
over by the time it is printed.
"""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from srr import _native, names
from srr.errors import Failure, Refused
from srr.state import Blocked, Flag


@dataclass(frozen=True, slots=True)
class Thread:
    """A blocked thread, or, with ``tid`` 0, all the RECEIVE-blocked threads of a process."""

    #: 0 for receivers: the table counts them and does not name them.
    tid: int
    state: Blocked
    #: The process it is SEND- or REPLY-blocked on, or the sender that it Receives from (0: from anyone).
    on: int
    #: CLOCK_MONOTONIC when it began to sleep; 0: it is not asleep (it runs or spins).
    since_ns: int
    #: Sends by this thread so far.
    sent: int
    #: The transaction: another Send has another number. 0 for receivers.
    id: int = 0
    #: Bytes of its message.
    nbytes: int = 0
    #: The thread of ``on`` that received it; 0: none yet, or, from ``look``, unknown.
    taken_by: int = 0

    @property
    def seconds(self) -> float | None:
        """How long it has slept; None if it is not asleep."""
        return max(0, time.monotonic_ns() - self.since_ns) / 1e9 if self.since_ns else None


@dataclass(frozen=True, slots=True)
class Process:
    """A process that has rows: it has Sent, Received or attached something."""

    pid: int
    #: For people: the name it gave itself, else the program and, for an interpreter, what it runs.
    program: str
    names: tuple[str, ...]
    #: Sends begun, and messages received.
    sent: int
    received: int
    #: What only the periodic look found; must stay 0 while nobody dies (docs/table.md).
    healed: int
    #: Sending threads that have met this process.
    clients: int
    #: Threads RECEIVE-blocked.
    receivers: int
    #: How it receives: ``Port.flags``.
    flags: Flag
    #: Messages that await its reply: the sending thread, and its own thread that received it.
    taken: Mapping[int, int]
    #: Its SEND- and REPLY-blocked threads, then one entry for its receivers if there are any. Empty: it runs.
    blocked: tuple[Thread, ...]


def look(pid: int, *, rows_only: bool = False) -> Process:
    """One process's rows. ``rows_only``: without its program and names, for who looks often; it costs a tenth.

    ProcessLookupError: no such process. FileNotFoundError: it has not used srr. Refused: another user's.
    """
    return _process(pid, "", ()) if rows_only else _process(pid, program(pid), tuple(_held(pid).get(pid, ())))


def survey(report: Callable[[Failure], None] | None = None, *, everybody: bool = False) -> list[Process]:
    """Every process of this user that has rows, by pid; ``everybody``: of all users, as far as the kernel lets us look.

    Processes that end meanwhile are left out. One whose rows can not be read (not dumpable, another version
    of srr) goes to ``report`` as the exception that ``look`` raises, and so does a folder of names that is not
    to be trusted.
    """
    return Survey(everybody=everybody).look(report)


class Survey:
    """``survey`` for who looks again and again: what does not change is not read again.

    A process without rows is looked at again every half second, one that is younger than some seconds every time, one
    that is not ours to look at or a thread of the kernel's every five seconds.
    Names and programs are as old as a second at most.
    """

    _NAMES_S, _RETRY_S, _HOPELESS_S, _YOUNG_S = 1.0, 0.5, 5.0, 5.0

    def __init__(self, *, everybody: bool = False) -> None:
        self._everybody = everybody
        self._programs: dict[int, str] = {}
        #: Processes without rows: when they were seen first, and when they are to be looked at again.
        self._without: dict[int, tuple[float, float]] = {}
        self._names: dict[int, list[str]] = {}
        self._names_read = -1e9

    def look(self, report: Callable[[Failure], None] | None = None) -> list[Process]:
        """Every process that has rows, now. ``report`` as ``survey`` has it, of what is read this time."""
        now = time.monotonic()
        if now - self._names_read >= self._NAMES_S:
            self._names, self._names_read = _held(0, report), now
            self._programs.clear()
        there = list(pids(everybody=self._everybody))
        for gone in self._without.keys() - set(there):
            del self._without[gone]
        for gone in self._programs.keys() - set(there):
            del self._programs[gone]
        found = []
        for pid in there:
            first, again = self._without.get(pid, (now, now))
            if now < again:
                continue
            try:
                process = _process(pid, "", tuple(self._names.get(pid, ())))
                if pid not in self._programs:
                    self._programs[pid] = program(pid)
                found.append(replace(process, program=self._programs[pid]))
                self._without.pop(pid, None)
            except OSError as failure:
                if report and isinstance(failure, Failure) and failure.errno not in (errno.ESRCH, errno.ENOENT):
                    report(failure)
                self._programs.pop(pid, None)  # it has ended or execed
                hopeless = isinstance(failure, PermissionError) or not _has_command_line(pid)
                wait = self._HOPELESS_S if hopeless else self._RETRY_S if now - first > self._YOUNG_S else 0.0
                self._without[pid] = first, now + wait
        holders = {process.pid: process.taken for process in found}
        return [_with_holders(process, holders) for process in found]


def _has_command_line(pid: int) -> bool:
    """A thread of the kernel's, and a zombie, have none."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return bool(file.read(1))
    except OSError:
        return False


def peek(pid: int, tid: int, size: int) -> bytes:
    """The beginning of the message that a thread is SEND- or REPLY-blocked with: at most ``size`` bytes (and 64 KiB).

    ServerDied: it is not blocked any more. Refused, or EFAULT: its memory can not be read. Others as ``look``.
    """
    return _native.peek(pid, tid, size)


def _with_holders(process: Process, holders: Mapping[int, Mapping[int, int]]) -> Process:
    if not any(thread.state in (Blocked.REPLY, Blocked.SIGNAL) for thread in process.blocked):
        return process
    return replace(
        process,
        blocked=tuple(
            replace(thread, taken_by=holders.get(thread.on, {}).get(thread.tid, 0))
            if thread.state in (Blocked.REPLY, Blocked.SIGNAL)
            else thread
            for thread in process.blocked
        ),
    )


def pids(*, everybody: bool = False) -> Iterator[int]:
    """The processes of this user, or of all, that /proc shows, in order."""
    mine = os.geteuid()
    for pid in sorted(int(entry) for entry in os.listdir("/proc") if entry.isdigit()):
        try:
            if everybody or os.stat(f"/proc/{pid}").st_uid == mine:
                yield pid
        except FileNotFoundError:
            continue


def program(pid: int) -> str:
    """What a process runs, in a few words; "" if it has ended.

    A name that the process gave itself counts. Else it is the program, and for `python server.py` or
    `python -m srr` what that runs, since forty processes called python tell nobody anything.
    """
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            own = file.read().rstrip("\n")
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = [os.fsdecode(word) for word in file.read().split(b"\0")[:-1]]
    except (FileNotFoundError, ProcessLookupError):
        return ""
    if not words:
        return own
    # The kernel cuts comm at 15 characters; python3 may be a link to python3.11.
    base = os.path.basename(words[0])
    try:
        real = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        real = base
    if own not in (base[:15], real[:15]):
        return own
    return " ".join([base, *_script(words[1:])]) if _INTERPRETER.match(base) else base


_INTERPRETER = re.compile(r"-?(python|pypy|perl|ruby|node|lua|sh|bash|dash|zsh)[\d.]*$")


def _script(arguments: list[str]) -> list[str]:
    """The words of an interpreter's command line that say what it runs: `-m module` or the script."""
    words = iter(arguments)
    for word in words:
        if word == "-m":
            return ["-m", next(words, "")]
        if word == "-c":
            return ["-c"]
        if word in ("-X", "-W"):
            next(words, "")
        elif not word.startswith("-"):
            return [os.path.basename(word)]
    return []


def _held(pid: int, report: Callable[[Failure], None] | None = None) -> dict[int, list[str]]:
    """Names by holder. None where their folder is not to be trusted: the rows can be looked at all the same."""
    held: dict[int, list[str]] = {}
    try:
        for name, holder in names.query(pid):
            held.setdefault(holder, []).append(name)
    except Refused as failure:
        if report is not None:
            report(failure)
    return held


def _process(pid: int, runs: str, held: tuple[str, ...]) -> Process:
    view = _native.look(pid)
    blocked = [
        Thread(
            row["tid"],
            Blocked(row["blocked"]),
            row["on"],
            row["since_ns"],
            row["sent"],
            row["id"],
            row["nbytes"],
        )
        for row in view["threads"]
        if row["blocked"] != Blocked.NOT
    ]
    if view["receivers"]:
        blocked.append(Thread(0, Blocked.RECEIVE, view["receive_from"], view["receive_since_ns"], 0))
    return Process(
        pid=pid,
        program=runs,
        names=held,
        sent=view["sent"],
        received=view["received"],
        healed=view["healed"],
        clients=view["clients"],
        receivers=view["receivers"],
        flags=Flag(view["flags"]),
        taken=view["taken"],
        blocked=tuple(blocked),
    )
