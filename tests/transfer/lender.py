"""A process that lends memory to srr-helper's transfer worker: the orders of a guest (tests/helper), and these."""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from helper import obey

PR_SET_DUMPABLE = 4
_libc = ctypes.CDLL(None, use_errno=True)
_memory: mmap.mmap


def dumpable(is_dumpable: bool) -> None:
    """What a process of another user than its parent's is not, at first."""
    assert _libc.prctl(PR_SET_DUMPABLE, int(is_dumpable), 0, 0, 0) == 0


def make_memory(size: int, path: Path | None = None) -> int:
    """Its address. With a path: that file's, of which nothing is looked at."""
    global _memory
    dumpable(True)
    if path is None:
        _memory = mmap.mmap(-1, size)
    else:
        fd = os.open(path, os.O_RDWR)
        _memory = mmap.mmap(fd, size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
        os.close(fd)
    return ctypes.addressof(ctypes.c_char.from_buffer(_memory))


def put(data: bytes, at: int = 0) -> None:
    _memory[at : at + len(data)] = data


def get(size: int, at: int = 0) -> bytes:
    return _memory[at : at + size]


def write(fd: int, data: bytes, at: int) -> None:
    assert os.pwrite(fd, data, at) == len(data)


if __name__ == "__main__":
    obey.ORDERS.update({name: thing for name, thing in globals().items() if not name.startswith("_")})
    obey.main()
