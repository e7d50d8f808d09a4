"""Receive and Reply: a port, and the messages that come to it."""

from __future__ import annotations

import errno as _errno
import os
import warnings
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Literal, cast

from srr import _native, names
from srr.errors import SenderGone, TimedOut, failure
from srr.state import Flag, Kind, Lane

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from srr._native import Buffers

#: Bytes of a message that ``receive`` copies at most; the rest waits for ``Message.read``.
LIMIT = 1 << 30


class Message:
    """A received message. Its sender is REPLY-blocked until ``reply`` or ``error``, in any order, from any thread.

    ``bytes(message)`` and ``memoryview(message.data)`` are what was received. A message that is dropped without
    an answer ends its Send with ECONNABORTED, and warns.

    Two kinds have no sender: ``message.proxy`` is a proxy's id, ``message.notice`` the pid that a system message is
    about; both are None else. They need no answer, and ``reply`` and the like raise SenderGone.
    """

    __slots__ = ("_id", "_taken", "data")

    def __init__(self, taken: _native.Taken, data: bytes | memoryview) -> None:
        self._id = taken[0]
        self._taken = taken
        #: What was received: bytes, or a view of the buffer given to ``receive(into=)``.
        self.data: bytes | memoryview = data

    @property
    def nbytes(self) -> int:
        """Length that was sent; ``len(message.data)`` is smaller if the buffer or limit was."""
        return self._taken[1]

    @property
    def room(self) -> int:
        """Bytes of reply that the sender has room for."""
        return self._taken[2]

    @property
    def tid(self) -> int:
        """The thread that is blocked. For a proxy its id, for a notice the pid that it is about."""
        return self._taken[3]

    @property
    def pid(self) -> int:
        """The sender's process. For a proxy this process, for a notice the process that it is about."""
        return self._taken[4]

    @property
    def uid(self) -> int:
        """The sender's user, by the kernel's word."""
        return self._taken[5]

    @property
    def gid(self) -> int:
        """The sender's group, by the kernel's word."""
        return self._taken[8]

    @property
    def lane(self) -> Lane:
        """How the bytes came."""
        return Lane(self._taken[6])

    @property
    def kind(self) -> Kind:
        """A message, a proxy's message, or a notice."""
        return Kind(self._taken[7])

    @property
    def proxy(self) -> int | None:
        """The id of the proxy that was triggered; None: it was no proxy."""
        return self._taken[3] if self._taken[7] == Kind.PROXY else None

    @property
    def notice(self) -> int | None:
        """The process that this system message is about; None: it is none."""
        return self._taken[3] if self._taken[7] == Kind.NOTICE else None

    @property
    def answered(self) -> bool:
        """Reply, error or relay was called, or there is nobody to answer."""
        return self._id == 0

    def reply(self, data: Buffers = b"") -> int:
        """End the Send with this reply (a buffer or a list of buffers). Returns the bytes that fitted. Never blocks.

        SenderGone: it died, timed out or was interrupted; drop the message.
        """
        try:
            stored = _native.reply(self._id, data)
        except SenderGone as gone:
            raise self._nobody(gone) from None
        self._id = 0
        return stored

    def error(self, error: int) -> None:
        """End the Send with an errno (1 to 4095): the sender gets the OSError of that number."""
        try:
            _native.error(self._id, error)
        except SenderGone as gone:
            raise self._nobody(gone) from None
        self._id = 0

    def read(self, offset: int = 0, nbytes: int | None = None) -> bytes:
        """Bytes of the whole message from ``offset``, straight from the sender. QNX4's Readmsg."""
        rest = max(0, self.nbytes - offset)
        try:
            return _native.read(self._id, offset, rest if nbytes is None else min(nbytes, rest))
        except SenderGone as gone:
            raise self._nobody(gone) from None

    def read_into(self, buffer: Buffers, offset: int = 0) -> int:
        """The same into a buffer; returns the bytes read."""
        try:
            return _native.read_into(self._id, offset, buffer)
        except SenderGone as gone:
            raise self._nobody(gone) from None

    def write(self, offset: int, data: Buffers) -> int:
        """Write into the reply buffer at ``offset``; the sender stays blocked. QNX4's Writemsg."""
        try:
            return _native.write(self._id, offset, data)
        except SenderGone as gone:
            raise self._nobody(gone) from None

    def relay(self, target: int) -> None:
        """Hand the sender over to process ``target``: it receives the message as though it had been sent to it.

        ``target`` must reply; this message is answered for us. What was written into the reply buffer stays there.
        Never blocks. QNX4's Relay. ServerDied: there is no such process, and the message is still ours to answer.
        """
        try:
            _native.relay(self._id, target)
        except SenderGone as gone:
            if self._is_blocked():
                missing = failure("relay to", _errno.ESRCH, target, 0)
                missing.verb = gone.verb
                raise missing from None
            raise self._nobody(gone) from None
        self._id = 0

    def __bytes__(self) -> bytes:
        return bytes(self.data)

    def __len__(self) -> int:
        return len(self.data)

    def __enter__(self) -> Message:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """An exception in the block is answered: with its errno if it is an OSError, else ECANCELED."""
        if value is not None and not self.answered:
            code = value.errno if isinstance(value, OSError) and value.errno else _errno.ECANCELED
            self._end(code)

    def __del__(self) -> None:
        if getattr(self, "_id", 0):
            pid, tid = self.pid, self.tid
            if self._end(_errno.ECONNABORTED):
                warnings.warn(f"a message from process {pid} (thread {tid}) was dropped unanswered", ResourceWarning, 2)

    def __repr__(self) -> str:
        if self.kind is not Kind.MESSAGE:
            return f"<srr.Message {self.nbytes} bytes, {self.kind.name.lower()} {self.tid}>"
        return f"<srr.Message {self.nbytes} bytes from {self.pid}{' answered' if self.answered else ''}>"

    def _is_blocked(self) -> bool:
        """The sender still awaits our reply."""
        try:
            _native.read(self._id, 0, 0)
        except SenderGone:
            return False
        return True

    def _nobody(self, gone: SenderGone) -> SenderGone:
        """What to raise when the sender is gone; there never was one of a proxy or a notice."""
        self._id = 0
        if self.kind is Kind.MESSAGE:
            return gone
        whose = f"proxy {self.tid}" if self.kind is Kind.PROXY else "the system"
        never = SenderGone(gone.errno, f"{gone.verb}: this message came from {whose}: nobody awaits a reply, go on")
        never.verb = gone.verb
        return never

    def _end(self, code: int) -> bool:
        try:
            self.error(code)
        except SenderGone:
            return False
        return True


class Port:
    """Where this process Receives: one queue, in order of arrival (or as ``flags`` say), for all its threads.

    Every process has this port from the start, named or not. ``with`` detaches the names at its end.
    """

    def __init__(self, name: str | None = None, mode: int | None = None, group: str | int | None = None) -> None:
        self._names: list[str] = []
        if name is not None:
            self.attach(name, mode, group)

    @property
    def pid(self) -> int:
        """What clients without a name send to."""
        return os.getpid()

    @property
    def names(self) -> tuple[str, ...]:
        """The names attached through this object."""
        return tuple(self._names)

    @property
    def flags(self) -> Flag:
        """How this process receives, by arrival if nothing is set: ``port.flags |= Flag.PRIORITY_REC``."""
        return Flag(_native.flags(0, 0)[1])

    @flags.setter
    def flags(self, flags: int) -> None:
        _native.flags(flags, 0xFFFFFFFF)

    def attach(self, name: str, mode: int | None = None, group: str | int | None = None) -> None:
        """One more name. NameInUse if a living process holds it. With a mode others may find it: ``names.share``."""
        if mode is None:
            names.attach(name)
        else:
            names.share(name, mode, group)
        self._names.append(name)

    def detach(self, name: str) -> None:
        """Give a name up."""
        self._names.remove(name)
        names.detach(name)

    def receive(
        self,
        timeout: float | None = None,
        *,
        sender: int = 0,
        into: Buffers | None = None,
        limit: int = LIMIT,
    ) -> Message:
        """Block until a message is here. QNX4's Receive.

        ``sender``: only from that pid, tid or proxy, others stay queued. ``into``: a writable buffer, or a list of
        them, that takes the message's beginning; the rest stays readable by ``Message.read``. TimedOut after
        ``timeout`` seconds; Interrupted; ServerDied (ESRCH) if the named sender does not exist or dies.
        """
        message = self._take(timeout, sender, into, limit)
        if message is None:
            raise TimedOut(_errno.ETIMEDOUT, "receive: no message came in time")
        return message

    def poll(self, *, sender: int = 0, into: Buffers | None = None, limit: int = LIMIT) -> Message | None:
        """A message that waits already, or None. Never blocks. QNX4's Creceive."""
        return self._take(0, sender, into, limit)

    def close(self) -> None:
        """Detach the names. Messages that still wait stay queued until this process receives again or ends."""
        while self._names:
            try:
                self.detach(self._names[-1])
            except ProcessLookupError:
                pass

    def __iter__(self) -> Iterator[Message]:
        """Messages, for ever."""
        while True:
            yield self.receive()

    def __enter__(self) -> Port:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        self.close()
        return False

    def __repr__(self) -> str:
        return f"<srr.Port of process {self.pid} {' '.join(self._names)}>"

    @staticmethod
    def _take(timeout: float | None, sender: int, into: Buffers | None, limit: int) -> Message | None:
        if into is None:
            taken = _native.receive(sender, timeout, limit)
            return None if taken is None else Message(*taken)
        put = _native.receive_into(sender, timeout, into)
        return None if put is None else Message(put[0], _first(into, put[1]))


def _first(buffers: Buffers, nbytes: int) -> bytes | memoryview:
    """What was received into the buffer: a view, or, for a list of buffers, the bytes joined."""
    if isinstance(buffers, (list, tuple)):
        return b"".join(memoryview(part).cast("B") for part in buffers)[:nbytes]
    return memoryview(cast("Buffer", buffers)).cast("B")[:nbytes]


def listen(name: str | None = None, mode: int | None = None, group: str | int | None = None) -> Port:
    """This process's port, under a name if one is given. NameInUse if a living process holds it.

    Other users may send to it as ``mode`` and ``group`` say, like a file's: alice's ``listen("plc", mode=0o660,
    group="plant")`` is ``connect("plc@alice")`` for the group's members. HelperMissing if there is no srr-helper.
    """
    return Port(name, mode, group)
