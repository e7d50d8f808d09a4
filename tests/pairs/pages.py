"""A gate and a pair from outside: as root, or as a hostile party, sees and scribbles over them."""

from __future__ import annotations

import ctypes
import mmap
import os

from hostile import rows
from hostile.rows import _TYPES, PORT, SLOT, Word

PAGE = rows.PAGE
PAIR_SLOTS = 32
STRIDE = rows.STRIDE
PAIR_SIZE = PAGE + PAIR_SLOTS * STRIDE

assert (rows.IDLE, rows.SENT, rows.RECV, rows.BUSY, rows.BUSYC) == (0, 1, 2, 3, 4)


class Page:
    """A shared file of one process, mapped read-write through its descriptor, or through its mapping."""

    def __init__(self, pid: int, name: str, size: int) -> None:
        path = mapped(pid, name)
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self.memory = mmap.mmap(fd, size)
        os.close(fd)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))

    def put(self, at: int, size: int, value: int) -> None:
        _TYPES[size].from_buffer(self.memory, at).value = value & (1 << 8 * size) - 1

    def get(self, at: int, size: int) -> int:
        return int(_TYPES[size].from_buffer(self.memory, at).value)


def mapped(pid: int, name: str) -> str:
    """Root may open what a process has mapped, also where it has closed the descriptor."""
    with open(f"/proc/{pid}/maps") as maps:
        for line in maps:
            if f"/memfd:{name} " in line:
                return f"/proc/{pid}/map_files/{line.split()[0]}"
    raise LookupError(f"process {pid} has no {name}")


class Pair(Page):
    def __init__(self, pid: int) -> None:
        super().__init__(pid, "srr-pair", PAIR_SIZE)

    def slot(self, field: str, slot: int = 0) -> int:
        at, size = SLOT[field]
        return self.get(PAGE + slot * STRIDE + at, size)

    def put_slot(self, field: str, value: int, slot: int = 0) -> None:
        at, size = SLOT[field]
        self.put(PAGE + slot * STRIDE + at, size, value)

    def word(self, slot: int = 0) -> Word:
        return Word.of(self.slot("word", slot))

    def put_state(self, state: int, slot: int = 0) -> None:
        self.put_slot("word", self.word(slot)._replace(state=state).pack(), slot)


class Gate(Page):
    def __init__(self, pid: int) -> None:
        super().__init__(pid, "srr-gate", 2 * PAGE)

    def put_port(self, field: str, value: int, index: int = 0) -> None:
        at, size = PORT[field]
        self.put(PAGE + at + 8 * index, min(size, 8), value)

    def ring(self, hint: int) -> None:
        at = PAGE + PORT["hints"][0] + hint // 64 * 8
        self.put(at, 8, self.get(at, 8) | 1 << hint % 64)
        self.put_port("summary", self.get(PAGE + PORT["summary"][0], 8) | 1 << hint // 64)
        self.put_port("bell", self.get(PAGE, 4) + 1)
