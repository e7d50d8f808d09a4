"""What protocol.h says, in Python. test_protocol.py compares each offset and number with the compiler's."""

from __future__ import annotations

import ctypes
import enum
from dataclasses import dataclass, field
from typing import Any

PROTOCOL = 1
MAGIC = 0x73727200 | PROTOCOL
NEWS_MAGIC = 0x7377656E2D727273
NAME_MAX = 64
LEASE_PARTS = 12
LAYOUT_VERSION = 4
GATE_MAGIC = 0x657461672D727273
PAIR_MAGIC = 0x726961702D727273
GATE_SIZE = 8192
GATE_PAIRS = 128
PAIR_SIZE = 4096 + 32 * (12 * 1024 + 64 * 1024 + 64 * 1024 + 256 * 1024)
NEWS_SIZE = 4096
LIFE_SIZE = 4096 + 1024 * 64


class Op(enum.IntEnum):
    HELLO = 1
    PUBLISH = 2
    WITHDRAW = 3
    LOCATE = 4
    LIST = 5
    CONNECT = 6
    WATCH = 7
    LEND = 8
    REVOKE = 9
    MOVE_IN = 10
    MOVE_OUT = 11
    STATUS = 12
    MEET = 64


class Quota(enum.IntEnum):
    PROCESSES = 0
    NAMES = 1
    PAIRS = 2
    PAIR_KIB = 3
    WATCHES = 4
    LEASES = 5
    MOVES = 6
    LOG_LINES = 7


class Request(ctypes.Structure):
    _fields_ = (
        ("magic", ctypes.c_uint32),
        ("op", ctypes.c_uint32),
        ("cookie", ctypes.c_uint64),
        ("pid", ctypes.c_int32),
        ("version", ctypes.c_uint32),
        ("uid", ctypes.c_uint32),
        ("gid", ctypes.c_uint32),
        ("mode", ctypes.c_uint32),
        ("index", ctypes.c_uint32),
        ("pair_id", ctypes.c_uint64),
        ("word", ctypes.c_uint64),
        ("offset", ctypes.c_uint64),
        ("length", ctypes.c_uint64),
        ("message_parts", ctypes.c_uint32),
        ("reply_parts", ctypes.c_uint32),
        ("name", ctypes.c_char * (NAME_MAX + 8)),
        ("parts", ctypes.c_uint64 * (4 * LEASE_PARTS)),
    )


class Answer(ctypes.Structure):
    _fields_ = (
        ("magic", ctypes.c_uint32),
        ("op", ctypes.c_uint32),
        ("cookie", ctypes.c_uint64),
        ("error", ctypes.c_int32),
        ("pid", ctypes.c_int32),
        ("uid", ctypes.c_uint32),
        ("gid", ctypes.c_uint32),
        ("mode", ctypes.c_uint32),
        ("index", ctypes.c_uint32),
        ("features", ctypes.c_uint32),
        ("version", ctypes.c_uint32),
        ("pair_id", ctypes.c_uint64),
        ("gate_id", ctypes.c_uint64),
        ("moved", ctypes.c_uint64),  # of a HELLO: age_ms
        ("name", ctypes.c_char * (NAME_MAX + 8)),
        ("used", ctypes.c_uint32 * 8),
        ("limit", ctypes.c_uint32 * 8),
    )


def request(op: int, **fields: object) -> bytes:
    """A request as bytes; `parts` can not be given."""
    return bytes(Request(magic=fields.pop("magic", MAGIC), op=op, **fields))


@dataclass
class Told:
    """An answer, or news."""

    op: int
    error: int
    fields: dict[str, Any]
    fds: list[int] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.fields[name]
