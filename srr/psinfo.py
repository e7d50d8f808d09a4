"""What every process does, as QNX4's process manager told it: for ``srr.qnx4.qnx_psinfo`` and ``srr sin``.

Two sources: /proc, for every process, and the rows of the waiting table, for this user's. The rows win: a process
that spins while it awaits a reply runs, to Linux, and is REPLY-blocked. The C library's qnx_psinfo() tells the same.
"""

from __future__ import annotations

import enum
import os
import time
from dataclasses import dataclass
from typing import NamedTuple

from srr import _native
from srr.errors import Failure
from srr.state import Blocked

PROC_PID = 1
#: getnid(): there is one node.
THIS_NODE = 1

PPF_32BIT, PPF_FLAT, PPF_MID, PPF_SLEADER = 0x20000, 0x40000, 0x200000, 0x20000000
#: Those that a process may change of itself.
PPF_CHANGEABLE = 0x7F7
PPF_ALWAYS = PPF_32BIT | PPF_FLAT

_ORDINARY_MOST, _SUPERUSER_MOST = 19, 29
_PF_KTHREAD = 0x00200000


class State(enum.IntEnum):
    """STATE_..., with the words that sin has for them."""

    DEAD = 0
    READY = 1
    SEND = 2
    RECV = 3
    REPLY = 4
    HELD = 5
    SIGBL = 6
    WAIT = 7
    SEM = 8


_STATES = {
    Blocked.SEND: State.SEND,
    Blocked.RECEIVE: State.RECV,
    Blocked.REPLY: State.REPLY,
    Blocked.SIGNAL: State.SIGBL,
}


class Times(NamedTuple):
    """Clock ticks (``os.sysconf("SC_CLK_TCK")`` a second), its children's behind its own."""

    tms_utime: int
    tms_stime: int
    tms_cutime: int
    tms_cstime: int


@dataclass(frozen=True, slots=True)
class Proc:
    """What is known of a process only. ``start_time`` is seconds since 1970."""

    father: int
    son: int
    brother: int
    debugger: int
    #: The program's path, or its short name where that may not be looked at.
    name: str
    start_time: int
    times: Times
    #: A thread of the kernel's own, which /proc shows like a process (ours: QNX4 had none).
    of_kernel: bool


@dataclass(frozen=True, slots=True)
class Mproc:
    """What is known of a proxy only."""

    count: int


@dataclass(frozen=True, slots=True)
class Info:
    """One entry of the process table: a process (``proc``) or a proxy (``mproc``); the other is None."""

    pid: int
    blocked_on: int
    pid_group: int
    flags: int
    rgid: int
    ruid: int
    egid: int
    euid: int
    umask: int
    signal_ignore: int
    signal_pending: int
    signal_mask: int
    state: int
    priority: int
    max_priority: int
    sched_algorithm: int
    sid: int
    sid_nid: int = THIS_NODE
    proc: Proc | None = None
    mproc: Mproc | None = None

    @property
    def un(self) -> Info:
        """So that ``info.un.proc.name`` can be written as in C."""
        return self


@dataclass(frozen=True, slots=True)
class _Stat:
    """/proc/<pid>/stat."""

    comm: str
    state: str
    father: int
    group: int
    session: int
    flags: int
    times: Times
    threads: int
    start: int


def _read(pid: int, name: str) -> str:
    """A file of /proc/<pid>; "" if the process is gone, or the file is not for us."""
    try:
        with open(f"/proc/{pid}/{name}", encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _stat(pid: int) -> _Stat | None:
    text = _read(pid, "stat")
    if not text:
        return None
    comm, _, rest = text.partition("(")[2].rpartition(")")  # the name may contain both
    words = rest.split()
    state, (father, group, session, _, _, flags) = words[0], map(int, words[1:7])
    times = Times(*map(int, words[11:15]))
    return _Stat(comm, state, father, group, session, flags, times, threads=int(words[17]), start=int(words[19]))


def _stats() -> dict[int, _Stat]:
    """Of every process, by number."""
    pids = sorted(int(entry) for entry in os.listdir("/proc") if entry.isdigit())
    return {pid: stat for pid in pids if (stat := _stat(pid)) is not None}


def _name(pid: int, comm: str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return comm


def _started(ticks_since_boot: int) -> int:
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return int(booted + ticks_since_boot / os.sysconf("SC_CLK_TCK"))


def _proc(pid: int, stat: _Stat, status: dict[str, list[str]], all_stats: dict[int, _Stat]) -> Proc:
    sons = [other for other, its in all_stats.items() if its.father == pid]
    brothers = [other for other, its in all_stats.items() if its.father == stat.father != 0 and other > pid]
    return Proc(
        stat.father,
        min(sons, default=0),
        min(brothers, default=0),
        int(status["TracerPid"][0]),
        _name(pid, stat.comm),
        _started(stat.start),
        stat.times,
        bool(stat.flags & _PF_KTHREAD),
    )


def _linux_state(pid: int, state: str) -> tuple[State, int]:
    """What Linux knows: whether it runs, and whether it waits for a child. Any other sleep is Linux's own business."""
    if state == "R":
        return State.READY, 0
    if state in "ZX":
        return State.DEAD, 0
    if state in "Tt":
        return State.HELD, 0
    if _read(pid, "wchan").startswith("do_wait"):
        return State.WAIT, 0
    return State.REPLY, PROC_PID


def _table_state(pid: int, state: State, on: int) -> tuple[State, int, int]:
    """What the rows say, if it has any that we may read, and its flags. One that is stopped is HELD all the same."""
    if state is State.DEAD:
        return state, on, 0
    try:
        view = _native.look(pid)
    except (Failure, OSError):
        return state, on, 0
    blocked, whom = Blocked.NOT, 0
    if view["receivers"]:
        blocked, whom = Blocked.RECEIVE, view["receive_from"]
    for thread in view["threads"]:
        if thread["tid"] == pid and thread["blocked"] != Blocked.NOT:
            blocked, whom = Blocked(thread["blocked"]), thread["on"]
    if blocked is not Blocked.NOT:
        state, on = state if state is State.HELD else _STATES[blocked], whom
    return state, on, view["flags"] & PPF_CHANGEABLE


def _process(pid: int, stat: _Stat, all_stats: dict[int, _Stat]) -> Info | None:
    status = {
        key: words.split() for key, _, words in (line.partition(":") for line in _read(pid, "status").split("\n"))
    }
    if status.get("Tgid") != [str(pid)]:
        return None  # it is gone, or a thread that is not its process's first
    try:
        priority, policy = _native.priority(pid), os.sched_getscheduler(pid) & ~os.SCHED_RESET_ON_FORK
    except OSError:
        priority = policy = 0
    lives_on = stat.state == "Z" and stat.threads > 1  # only its first thread has ended
    state, on, flags = _table_state(pid, *_linux_state(pid, "S" if lives_on else stat.state))
    uids, gids = [int(word) for word in status["Uid"]], [int(word) for word in status["Gid"]]
    return Info(
        pid=pid,
        blocked_on=on,
        pid_group=stat.group,
        flags=flags | PPF_ALWAYS | (PPF_SLEADER if stat.session == pid else 0),
        rgid=gids[0],
        ruid=uids[0],
        egid=gids[1],
        euid=uids[1],
        umask=int(status.get("Umask", ["0"])[0], 8),
        signal_ignore=int(status["SigIgn"][0], 16),
        signal_pending=int(status["SigPnd"][0], 16) | int(status["ShdPnd"][0], 16),
        signal_mask=int(status["SigBlk"][0], 16),
        state=state,
        priority=priority,
        max_priority=_SUPERUSER_MOST if uids[1] == 0 else _ORDINARY_MOST,
        sched_algorithm=policy,
        sid=stat.session,
        proc=_proc(pid, stat, status, all_stats),
    )


def process(pid: int) -> Info | None:
    """One process; None: there is none."""
    stat = _stat(pid)
    return None if stat is None else _process(pid, stat, _stats())


def processes() -> list[Info]:
    """Every process that /proc shows, by number."""
    stats = _stats()
    return [found for pid, stat in stats.items() if (found := _process(pid, stat, stats)) is not None]


def _from_view(view: _native.ProxyView) -> Info | None:
    proxy, owner, count, priority = view
    try:
        group, session = os.getpgid(owner), os.getsid(owner)
    except ProcessLookupError:
        return None
    return Info(
        pid=proxy,
        blocked_on=owner,
        pid_group=group,
        flags=PPF_MID,
        rgid=os.getegid(),  # others' proxies are not found
        ruid=os.geteuid(),
        egid=os.getegid(),
        euid=os.geteuid(),
        umask=0,
        signal_ignore=0,
        signal_pending=0,
        signal_mask=0,
        state=State.SEND if count else State.RECV,
        priority=priority,
        max_priority=priority,
        sched_algorithm=0,
        sid=session,
        mproc=Mproc(count),
    )


def proxy(number: int) -> Info | None:
    """One proxy; None: there is none, or it is another user's."""
    try:
        return _from_view(_native.proxy_look(number))
    except OSError:
        return None


def proxies() -> list[Info]:
    """Every proxy of this user's processes, by number."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            views = _native.proxy_list(int(entry))
        except OSError:
            continue  # gone, another user's, or it has never used srr
        found += [info for view in views if (info := _from_view(view)) is not None]
    return sorted(found, key=lambda info: info.pid)


def at_or_after(number: int) -> Info | None:
    """The process or proxy with that number or, if there is none, with the next higher one."""
    if (found := process(number) or proxy(number)) is not None:
        return found
    numbers = [pid for pid in _stats() if pid > number] + [info.pid for info in proxies() if info.pid > number]
    for other in sorted(numbers):
        if (found := process(other) or proxy(other)) is not None:
            return found
    return None
