"""Tools that put tests of several processes in order, instead of sleeps.

    client = subprocess.Popen([sys.executable, "client.py"])
    wait_until_blocked(client.pid, Blocked.SEND)     # its Send is published: now it is certain that it waits
    with srr.listen() as port:
        assert port.receive().pid == client.pid

They look at the waiting table (``srr.processes``) and change nothing in it.
"""

from __future__ import annotations

import errno
import time

from srr import processes
from srr.errors import ServerDied, TimedOut
from srr.processes import Thread
from srr.state import Blocked

_LOOK_EVERY = 0.001


def wait_until_blocked(
    pid: int,
    state: Blocked | None = None,
    on: int | None = None,
    timeout: float = 5.0,
    *,
    tid: int | None = None,
) -> Thread:
    """Return once a thread of process ``pid`` is blocked, as it was then seen.

    ``state``: only SEND, RECEIVE or REPLY; None: any of them. ``on``: only on that process. ``tid``: only that
    thread (SEND and REPLY: the table does not name receivers). A sender counts as blocked from the moment
    when its message is published, a receiver from when it sleeps.

    TimedOut after ``timeout`` seconds, with what the process does instead; ServerDied if it ends.
    """
    deadline = time.monotonic() + timeout
    while True:
        seen: tuple[Thread, ...] = ()
        try:
            seen = processes.look(pid).blocked
        except FileNotFoundError:
            pass  # It has not used srr yet.
        except ProcessLookupError:
            ended = ServerDied(errno.ESRCH, f"process {pid} does not exist or ended before it was {_wanted(state, on)}")
            ended.verb, ended.pid = "look", pid
            raise ended from None
        for thread in seen:
            if _fits(thread, state, on, tid):
                return thread
        if time.monotonic() >= deadline:
            late = TimedOut(
                errno.ETIMEDOUT,
                f"process {pid} was not {_wanted(state, on)} within {timeout:g} s; {_doing(seen)}",
            )
            late.verb, late.pid = "look", pid
            raise late
        time.sleep(_LOOK_EVERY)


def _fits(thread: Thread, state: Blocked | None, on: int | None, tid: int | None) -> bool:
    return (
        (state is None or thread.state is state)
        and (on is None or thread.on == on)
        and (tid is None or thread.tid == tid)
    )


def _wanted(state: Blocked | None, on: int | None) -> str:
    how = "blocked" if state is None else f"{state.name}-blocked"
    return how if on is None else f"{how} on {on}"


def _doing(threads: tuple[Thread, ...]) -> str:
    if not threads:
        return "it has not used srr, or none of its threads was blocked"
    return "it was " + ", ".join(f"{thread.state.name}-blocked on {thread.on or 'anyone'}" for thread in threads)
