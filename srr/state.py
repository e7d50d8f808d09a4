"""The states and lanes by name: the words of QNX4, the same in C, Python, tracer and docs."""

from __future__ import annotations

import enum

from srr import _native


class Blocked(enum.IntEnum):
    """What a thread waits for. A test checks the values against srr.h."""

    NOT = 0
    SEND = 1
    RECEIVE = 2
    REPLY = 3

    def __str__(self) -> str:
        return _native.BLOCKED[self]


class Lane(enum.IntEnum):
    """How the bytes of a message travelled."""

    NONE = 0
    INLINE = 1
    DIRECT = 2
    WINDOW = 3
    BORROWED = 4
    HELPER = 5

    def __str__(self) -> str:
        return _native.LANES[self]
