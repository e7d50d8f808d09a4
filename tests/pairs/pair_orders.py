"""Orders about names for others, and about what the helper is."""

from __future__ import annotations

import ctypes
import os
from typing import Any

from partner import Partner, order


@order
def share(partner: Partner, name: str, mode: int = 0o660, group: int | None = None) -> None:
    import srr

    srr.share(name, mode, group)


@order
def shared(partner: Partner) -> list[list[Any]]:
    import srr

    return [list(one) for one in srr.shared()]


@order
def about_helper(partner: Partner) -> dict[str, Any]:
    from srr import _native

    return dict(_native.helper())


@order
def relay_to(partner: Partner, target: int, hold: str = "it") -> None:
    partner.held[hold].relay(target)


@order
def leave_a_child(partner: Partner) -> int:
    """A child that writes for ever into our life file that this thread lives, through the mapping that we made."""
    with open("/proc/self/maps") as maps:
        first, last = (int(n, 16) for line in maps if "srr-life" in line for n in line.split()[0].split("-"))
    do_fork = 11
    assert ctypes.CDLL(None).madvise(ctypes.c_void_p(first), ctypes.c_size_t(last - first), do_fork) == 0
    words = (ctypes.c_uint32 * ((last - first) // 4)).from_address(first)
    tid = os.getpid()
    at = next(n for n in range(1024, len(words)) if words[n] & 0x3FFFFFFF == tid)
    child = os.fork()
    if child == 0:
        os.closerange(0, 1024)
        while True:
            words[at] = tid
    return child


@order
def pry(partner: Partner, pid: int) -> dict[str, str]:
    """What keeps us from another user's files, by the directory in which we look for them."""

    def complaint(path: str) -> str:
        try:
            return str(os.listdir(path))
        except OSError as failure:
            return type(failure).__name__

    return {name: complaint(f"/proc/{pid}/{name}") for name in ("fd", "map_files", "fdinfo")}
