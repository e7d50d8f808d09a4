"""The checks that count: messages really sent to another process, by each lane that needs no helper.

The other process is the server, and our child: it has to reach into its parent, which the kernel refuses
first of all (Yama lets a parent into its children, not the other way round). It is the server who chooses the lane.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import srr
from srr.doctor import NO, OFF, OK, Check, check
from srr.doctor.partner import PATIENCE
from srr.facts import facts

#: Lengths that travel inline, and by another lane.
_SMALL, _LARGE = 1000, 1 << 20
#: Ways for long messages; the last one is the server's own choice.
_FORCED = ("direct", "window")


def lanes() -> list[Check]:
    """Short and long messages there and back, as they would go here, then the lanes for long ones one by one."""
    ours = os.environ.pop("SRR_LANE", None)  # a sender's would count too
    with ExitStack() as running:
        chosen, *forced = [running.enter_context(_partner(lane)) for lane in (ours, *_FORCED)]
        inline, _ = _exchange(chosen, _SMALL, srr.Lane.INLINE, "row files and inline lane")
        direct, window = (
            _exchange(pid, _LARGE, srr.Lane[lane.upper()], f"{lane} lane")[0]
            for pid, lane in zip(forced, _FORCED, strict=True)
        )
        long, went = _exchange(chosen, _LARGE, None, "long messages")
    if went is not None:
        long = replace(long, seen=f"{long.seen}; {_why(went, ours, direct.verdict == OK)}")
        direct = replace(direct, verdict=OFF) if direct.verdict == NO else direct
    return [inline, long, direct, window]


def _why(went: srr.Lane, wanted: str | None, direct_works: bool) -> str:
    """What made the server choose this lane."""
    if wanted == str(went):
        return f"SRR_LANE={wanted} says so"
    if went is srr.Lane.DIRECT:
        return "the kernel lets the two sides at each other's memory"
    return "which needs no right" if direct_works else "the kernel refuses the direct one"


def _exchange(pid: int, length: int, lane: srr.Lane | None, title: str) -> tuple[Check, srr.Lane | None]:
    """``lane``: that it has to take; None: any. Also which one it took, if it came back right."""
    message = os.urandom(length)
    try:
        reply = srr.connect(pid).send(message, room=length + 1, timeout=PATIENCE)
    except srr.Failure as failure:
        return check(title, False, str(failure.strerror), _FIXES[lane] if lane else _NO_WAY), None
    went = srr.Lane(reply[0])
    if reply[1:] != message:
        seen = f"{length} bytes sent to pid {pid} came back different"
        return check(title, False, seen, "report this as a bug in srr"), None
    seen = f"{length} bytes to another process ({went} lane) and back, all of them right"
    fix = f"they should have gone by the {lane} lane; inline_max is {facts().inline_max}: unset SRR_INLINE and SRR_LANE"
    return check(title, lane is None or went is lane, seen, fix), went


@contextmanager
def _partner(lane: str | None) -> Iterator[int]:
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "srr.doctor.partner"],
        stdin=subprocess.DEVNULL,
        env=os.environ | ({"SRR_LANE": lane} if lane else {}),
    )
    try:
        yield child.pid
    finally:
        child.kill()
        child.wait()


_NO_WAY = "unset SRR_LANE; else see row files, window lane and direct lane here"
_FIXES = {
    srr.Lane.INLINE: "processes find each other through /proc/PID/fd: see /proc, dumpable and seccomp",
    srr.Lane.DIRECT: "the kernel refuses process_vm_readv or process_vm_writev: see ptrace_scope, dumpable and "
    "seccomp; long messages go by the window lane meanwhile",
    srr.Lane.WINDOW: "report this as a bug in srr: the window needs no right of its own",
}
