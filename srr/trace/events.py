"""What the probes say, in Python: the records of bpf/event.h, and a transaction as people see it.

Named tuples: there may be hundreds of thousands a second, and a frozen dataclass takes four times as long to make.

A test compares the layouts here with what the C compiler makes of event.h.
"""

from __future__ import annotations

import errno
import os
import struct
import time
from enum import IntEnum
from typing import Any, NamedTuple

from srr.state import Lane

#: Of everything that is printed as JSON or recorded. Fields are added without changing it, never taken away or
#: redefined.
SCHEMA = 1

#: struct srr_done, struct srr_transaction (which ends with it), struct srr_change, struct srr_frames.
DONE = "13Q5i4B"
TRANSACTION = struct.Struct("<QiiQiI" + DONE)
CHANGE = struct.Struct("<5Q4i2I")
#: SRR_RECEIVED, of struct srr_done's flags.
RECEIVED = 1
FRAMES_MAX, FRAMES_TEXT = 48, 2048
FRAMES = struct.Struct(f"<3QiiII{FRAMES_MAX}Q{FRAMES_TEXT}s")


class Kind(IntEnum):
    """enum srr_kind_of_change: what a thread did."""

    SEND = 0
    RECEIVE = 1
    REPLY = 2
    RELAY = 3
    TRIGGER = 4
    WAIT = 5
    WAKE = 6
    TRANSFER = 7
    SIGNAL = 8
    EXIT = 9
    SYSCALL = 10


#: The kinds that are probes, by their names; the others are the kernel's.
CHANGE_PROBES = {kind.name.lower(): kind for kind in Kind if kind < Kind.EXIT}


class Transaction(NamedTuple):
    """One Send, whatever became of it. Times in nanoseconds of CLOCK_MONOTONIC; 0: it never came to that."""

    client: int
    client_thread: int
    server: int
    server_thread: int
    began_ns: int
    published_ns: int
    received_ns: int
    replied_ns: int
    woken_ns: int
    ended_ns: int
    transfer_ns: int
    #: The receiver's changes have the same; 0: it was never published.
    id: int
    sent: int
    replied: int
    lane: Lane
    reply_lane: Lane
    #: 0 or an errno.
    status: int
    received: bool
    #: Receivers it was at: more than 1 after a Relay.
    legs: int
    #: The message's first two bytes, as the machine counts; None: it is shorter.
    type: int | None
    #: With peeking: the beginning of the message; None: it could not be read.
    peek: bytes | None = None
    #: The CPU << 48 | its count of transactions, lost ones included; 0: unknown.
    sequence: int = 0

    @property
    def is_timed(self) -> bool:
        """Were all steps seen? Not where the client left, or the server's clock is another one."""
        return 0 < self.published_ns <= self.received_ns <= self.replied_ns <= self.woken_ns

    @property
    def queue_ns(self) -> int | None:
        """How long it was SEND-blocked."""
        return self.received_ns - self.published_ns if self.is_timed else None

    @property
    def service_ns(self) -> int | None:
        """How long it was REPLY-blocked."""
        return self.replied_ns - self.received_ns if self.is_timed else None

    @property
    def wakeup_ns(self) -> int | None:
        """From the server's Reply until the client went on."""
        return self.woken_ns - self.replied_ns if self.is_timed else None

    @property
    def total_ns(self) -> int:
        """The whole Send, first contact and copies included."""
        return self.ended_ns - self.began_ns

    def json(self, clock: Clock) -> dict[str, Any]:
        """For programs; the keys are part of SCHEMA."""
        line: dict[str, Any] = {
            "schema": SCHEMA,
            "time": round(clock.wall(self.began_ns), 9),
            "client": self.client,
            "server": self.server,
            "sent": self.sent,
            "replied": self.replied,
            "lane": str(self.lane),
            "queue_ns": self.queue_ns,
            "service_ns": self.service_ns,
            "transfer_ns": self.transfer_ns,
            "wakeup_ns": self.wakeup_ns,
            "status": self.status,
        }
        if self.peek is not None:
            line["peek"] = self.peek.hex()
        return line


class Change(NamedTuple):
    """Something a thread did: fields as the comments of enum srr_kind_of_change say."""

    time_ns: int
    kind: Kind
    pid: int
    tid: int
    peer: int
    peer_thread: int
    id: int
    nbytes: int
    detail: int
    extra: int
    sequence: int = 0


class Frames(NamedTuple):
    """Where a thread called Send or Reply from, innermost address first; ``text``: an interpreter's own frames."""

    time_ns: int
    pid: int
    tid: int
    id: int
    is_server: bool
    addresses: tuple[int, ...]
    text: str


def when_of(event: Transaction | Change | Frames) -> int:
    """When it is told: a transaction at its end."""
    return event.ended_ns if isinstance(event, Transaction) else event.time_ns


class Clock:
    """CLOCK_MONOTONIC to the time of day, by their difference when this was made."""

    def __init__(self, offset_ns: int | None = None) -> None:
        self.offset_ns = time.time_ns() - time.monotonic_ns() if offset_ns is None else offset_ns

    def wall(self, monotonic_ns: int) -> float:
        return (monotonic_ns + self.offset_ns) / 1e9

    def text(self, monotonic_ns: int) -> str:
        """As `03:04:05.678901`, local time."""
        nanoseconds = monotonic_ns + self.offset_ns
        return f"{time.strftime('%H:%M:%S', time.localtime(nanoseconds // 10**9))}.{nanoseconds // 1000 % 10**6:06}"


def status_name(status: int) -> str:
    """`ok`, or the errno's name."""
    return "ok" if status == 0 else errno.errorcode.get(status, f"error {status}")


def lane_of(number: int) -> Lane:
    """The lane of that number; what a broken library may say counts as none."""
    return _LANES.get(number, Lane.NONE)


_LANES = {int(lane): lane for lane in Lane}


def own_namespace() -> int:
    """Of this process's pids."""
    return os.stat("/proc/self/ns/pid").st_ino
