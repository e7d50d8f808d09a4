"""A row file from the attacker's side: every field by name, to be read and scribbled over.

The offsets repeat srr/native/core/layout.h; test_rows.py asks the compiler whether they are right.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from typing import NamedTuple

PAGE = 4096
SLOTS = 1024
ENTRIES = 4096
PARTS_MAX = 255
INLINE_SIZE = 65536
PORT_AT = PAGE
ENTRIES_AT = 2 * PAGE
PROXIES = 256
PROXY_SIZE = 128
PROXIES_AT = ENTRIES_AT + ENTRIES * 8
TAKEN_AT = PROXIES_AT + PROXIES * PROXY_SIZE
SLOTS_AT = TAKEN_AT + ENTRIES * 8
PARTS_AT = 128
MESSAGE_AT = 3 * PAGE
REPLY_AT = MESSAGE_AT + INLINE_SIZE
WINDOW_AT = REPLY_AT + INLINE_SIZE
WINDOW_SIZE = 256 << 10
STRIDE = WINDOW_AT + WINDOW_SIZE
ROW_SIZE = SLOTS_AT + SLOTS * STRIDE

IDLE, SENT, RECV, BUSY, BUSYC, ASK, GIVE, DONE, FAILN, FAILR, RELAY = range(11)
NONE, INLINE, DIRECT, WINDOW, BORROWED, HELPER = range(6)

#: name: (offset, size)
HEADER = {
    "magic": (0, 8),
    "version": (8, 4),
    "pid": (12, 4),
    "row_id": (16, 8),
    "pid_ns": (24, 8),
    "life_fd": (32, 4),
    "slots_used": (36, 4),
    "clients": (40, 4),
    "received": (48, 8),
    "healed": (56, 8),
}
PORT = {
    "bell": (0, 4),
    "sleepers": (4, 4),
    "cpu": (8, 4),
    "crowded": (12, 4),
    "since_ns": (16, 8),
    "from": (24, 4),
    "flags": (28, 4),
    "summary": (64, 8),
    "arrivals": (72, 4),
    "proxies_top": (76, 4),
    "proxy_hints": (80, 8 * (PROXIES // 64)),
    "hints": (128, 8 * (ENTRIES // 64)),
}
SLOT = {
    "word": (0, 8),
    "target": (8, 8),
    "nbytes": (16, 8),
    "room": (24, 8),
    "tid": (32, 4),
    "arrival": (36, 4),
    "sleeping": (40, 4),
    "cpu": (44, 4),
    "message_parts": (48, 2),
    "reply_parts": (50, 2),
    "lane": (52, 1),
    "traced": (53, 1),
    "reply_lane": (54, 1),
    "reply_flags": (55, 1),
    "status": (56, 4),
    "inlined": (60, 4),
    "replied": (64, 8),
    "woken": (72, 4),
    "since_ns": (80, 8),
    "sends": (88, 8),
    "peer": (96, 4),
    "rung": (100, 4),
    "meeting": (104, 4),
    "relay_to": (108, 4),
    "signals": (112, 8),
    "signalled": (120, 4),
    "asked_from": (8320, 8),
    "asked": (8328, 8),
    "asked_number": (8336, 4),
    "receiver_step": (8340, 4),
    "receiver_sleeping": (8344, 4),
    "prefilled": (8384, 8),
    "sender_step": (8392, 4),
    "sender_failed": (8396, 4),
    "lent": (8400, 4),
}
#: Of the window, what a receiver may write.
ASKED = ("asked_from", "asked", "asked_number", "receiver_step", "receiver_sleeping")

#: In a step word (step_make).
CHUNKS = (1 << 20) - 1

_TYPES = {1: ctypes.c_uint8, 2: ctypes.c_uint16, 4: ctypes.c_uint32, 8: ctypes.c_uint64}


class Word(NamedTuple):
    """A slot's word, taken apart as state.h does."""

    generation: int
    port: int
    state: int

    @classmethod
    def of(cls, word: int) -> Word:
        return cls((word & 0xFFFFFFF0) >> 4 | word >> 42 << 28, word >> 32 & 0x3FF, word & 0xF)

    def pack(self) -> int:
        generation = self.generation & (1 << 50) - 1
        return generation >> 28 << 42 | (self.port & 0x3FF) << 32 | (generation & 0xFFFFFFF) << 4 | self.state & 0xF


def find(pid: int, name: str = "srr-row") -> str:
    """The path under /proc of a process's own row file (or life file)."""
    for entry in os.listdir(f"/proc/{pid}/fd"):
        path = f"/proc/{pid}/fd/{entry}"
        try:
            if os.readlink(path).startswith(f"/memfd:{name} "):
                return path
        except FileNotFoundError:
            continue
    raise LookupError(f"process {pid} has no {name}")


class Row:
    """A row file, mapped read-write."""

    def __init__(self, pid: int) -> None:
        fd = os.open(find(pid), os.O_RDWR | os.O_CLOEXEC)
        self.memory = mmap.mmap(fd, ROW_SIZE)
        os.close(fd)

    def get(self, at: int, size: int) -> int:
        return int(_TYPES[size].from_buffer(self.memory, at).value)

    def put(self, at: int, size: int, value: int) -> None:
        """One store."""
        _TYPES[size].from_buffer(self.memory, at).value = value & (1 << 8 * size) - 1

    def header(self, field: str) -> int:
        at, size = HEADER[field]
        return self.get(at, size)

    def port(self, field: str) -> int:
        at, size = PORT[field]
        return self.get(PORT_AT + at, size)

    def put_port(self, field: str, value: int) -> None:
        at, size = PORT[field]
        self.put(PORT_AT + at, size, value)

    def slot(self, field: str, index: int = 0) -> int:
        at, size = SLOT[field]
        return self.get(SLOTS_AT + index * STRIDE + at, size)

    def put_slot(self, field: str, value: int, index: int = 0) -> None:
        at, size = SLOT[field]
        self.put(SLOTS_AT + index * STRIDE + at, size, value)

    def word(self, index: int = 0) -> Word:
        return Word.of(self.slot("word", index))

    def put_part(self, number: int, address: int, length: int, index: int = 0) -> None:
        at = SLOTS_AT + index * STRIDE + PARTS_AT + 16 * number
        self.put(at, 8, address)
        self.put(at + 8, 8, length)

    def entry(self, number: int) -> int:
        return self.get(ENTRIES_AT + 8 * number, 8)

    def put_entry(self, number: int, value: int) -> None:
        self.put(ENTRIES_AT + 8 * number, 8, value)

    def ring(self, number: int) -> None:
        """Hint, summary, bell: as a sender does. The futex wake is left to the receiver's own slice."""
        hint = PORT_AT + PORT["hints"][0] + number // 64 * 8
        self.put(hint, 8, self.get(hint, 8) | 1 << number % 64)
        self.put_port("summary", self.port("summary") | 1 << number // 64)
        self.put_port("bell", self.port("bell") + 1)


def entry_of(row: Row, pid: int) -> int:
    """The number of the entry that a process has at this port."""
    for number in range(ENTRIES):
        if row.entry(number) & 0x3FFFFF == pid:
            return number
    raise LookupError(f"process {pid} has no entry")
