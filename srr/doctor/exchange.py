"""The checks that count: messages really sent to another process, by the inline and by the direct lane.

The other process is the server, and our child: it has to reach into its parent, which the kernel refuses
first of all (Yama lets a parent into its children, not the other way round).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import srr
from srr.doctor import Check, check
from srr.doctor.partner import PATIENCE
from srr.facts import facts

#: For each lane a length that travels by it, and what the lane is for.
_SMALL, _LARGE = 1000, 1 << 20
_LANES = {
    srr.Lane.INLINE: (_SMALL, "row files and inline lane"),
    srr.Lane.DIRECT: (_LARGE, "direct lane"),
}


def lanes() -> list[Check]:
    """Both lanes, there and back, with a process started for it."""
    with _partner() as pid:
        return [_lane(pid, lane, length, title) for lane, (length, title) in _LANES.items()]


def _lane(pid: int, lane: srr.Lane, length: int, title: str) -> Check:
    message = os.urandom(length)
    try:
        reply = srr.connect(pid).send(message, room=length + 1, timeout=PATIENCE)
    except srr.Failure as failure:
        return check(title, False, str(failure.strerror), _FIXES[lane])
    went = srr.Lane(reply[0])
    if reply[1:] != message:
        return check(
            title, False, f"{length} bytes sent to pid {pid} came back different", "report this as a bug in srr"
        )
    return check(
        title,
        went is lane,
        f"{length} bytes to another process ({went} lane) and back, all of them right",
        f"they should have gone by the {lane} lane; inline_max is {facts().inline_max}: unset SRR_INLINE and SRR_LANE",
    )


@contextmanager
def _partner() -> Iterator[int]:
    child = subprocess.Popen([sys.executable, "-P", "-m", "srr.doctor.partner"], stdin=subprocess.DEVNULL)
    try:
        yield child.pid
    finally:
        child.kill()
        child.wait()


_FIXES = {
    srr.Lane.INLINE: "processes find each other through /proc/PID/fd: see /proc, dumpable and seccomp",
    srr.Lane.DIRECT: "the kernel refuses process_vm_readv or process_vm_writev: see ptrace_scope, dumpable and seccomp",
}
