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
    SIGNAL = 4

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


class Kind(enum.IntEnum):
    """What was received."""

    #: Its sender awaits the reply.
    MESSAGE = 0
    #: A proxy was triggered; there is nobody to reply to.
    PROXY = 1
    #: A system message about a process: no reply of its own.
    NOTICE = 2


class Flag(enum.IntFlag):
    """How this process receives: ``Port.flags``. QNX4's _PPF_ flags, those that have an effect here."""

    #: By the priority that the senders have, then by arrival.
    PRIORITY_REC = 0x10
    #: The same, and the receiving thread takes the priority of the sender it has received from, or of a more urgent
    #: one that is SEND-blocked on it, where it may return to a higher one (RLIMIT_NICE, CAP_SYS_NICE).
    PRIORITY_FLOAT = 0x20
    #: A signal for a client that is REPLY-blocked on us, and that uses QNX4's C interface, waits for our reply: the
    #: client is SIGNAL-blocked, and we receive a notice.
    SIGCATCH = 0x80
