"""Send: a connection to a process, by pid or by name."""

from __future__ import annotations

import errno
from types import TracebackType
from typing import TYPE_CHECKING

from srr import _native, names
from srr.errors import ServerDied, Truncated

if TYPE_CHECKING:
    from srr._native import Buffers

#: Room for a reply unless told otherwise. It is address space, not memory: only what a reply fills is touched.
ROOM = 64 << 20


class Connection:
    """Where to Send. It holds nothing open: a pid, and the name that it came from.

    Several threads may use one connection; each has its own place in the waiting table.
    """

    __slots__ = ("_name", "_patience", "_pid", "room", "timeout")

    def __init__(self, target: int | str, timeout: float | None, room: int) -> None:
        if not isinstance(target, (int, str)):
            raise TypeError(f"connect to a pid (int) or a name (str), not to {type(target).__name__}")
        self._name = target if isinstance(target, str) else None
        self._patience = timeout
        # None: the name's last holder died, and the next one is not located yet.
        self._pid: int | None = None if isinstance(target, str) else target
        #: Seconds that ``send`` may take unless told otherwise; None: for ever.
        self.timeout: float | None = None
        #: Bytes of reply that ``send`` has room for unless told otherwise.
        self.room = room
        if self._name is not None:
            self._pid = names.locate(self._name, timeout)

    @property
    def pid(self) -> int:
        """The process that Sends go to; 0 while the name's last holder is dead and its next one not located."""
        return self._pid or 0

    @property
    def name(self) -> str | None:
        """The name it was connected by."""
        return self._name

    def send(
        self,
        message: Buffers,
        *,
        room: int | None = None,
        timeout: float | None = None,
        truncate: bool = False,
    ) -> bytes:
        """Send a message (a buffer, or a list of buffers sent as one) and block until the reply is here.

        QNX4's Send. ``room`` bytes of reply fit; ``timeout`` in seconds. Other Python threads run meanwhile.

        ServerDied, TimedOut, Interrupted: look at ``.received`` before repeating. Refused: see ``srr doctor``.
        Truncated: the reply did not fit (``truncate=True`` returns its beginning). Any OSError with
        ``.by_server``: the server's own answer. A connection by name finds the name's next holder by itself,
        at the next call after ServerDied.
        """
        try:
            reply, sent = _native.send(
                self._locate() if self._pid is None else self._pid,
                message,
                self.room if room is None else room,
                self.timeout if timeout is None else timeout,
            )
        except ServerDied as died:
            self._forget(died)
            raise
        if sent[2] & _native.REPLY_TRUNCATED and not truncate:
            raise _truncated(self.pid, sent, reply)
        return reply

    def send_into(
        self,
        message: Buffers,
        reply: Buffers,
        *,
        timeout: float | None = None,
        truncate: bool = False,
    ) -> int:
        """Send, with the reply going straight into ``reply`` (writable buffer or list of them).

        Returns the bytes stored. Nothing is allocated. Failures as for ``send``.
        """
        try:
            sent = _native.send_into(
                self._locate() if self._pid is None else self._pid,
                message,
                reply,
                self.timeout if timeout is None else timeout,
            )
        except ServerDied as died:
            self._forget(died)
            raise
        if sent[2] & _native.REPLY_TRUNCATED and not truncate:
            raise _truncated(self.pid, sent, b"")
        return sent[1]

    def close(self) -> None:
        """Nothing is held; this is here for ``with`` and for symmetry."""

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<srr.Connection to {self._name or 'process'} ({self.pid})>"

    def _forget(self, died: ServerDied) -> None:
        """A name may have a new holder; a pid has none."""
        if self._name is not None and died.pid == self._pid:
            self._pid = None

    def _locate(self) -> int:
        assert self._name is not None
        self._pid = names.locate(self._name, self._patience)
        return self._pid


def _truncated(pid: int, sent: _native.Sent, reply: bytes) -> Truncated:
    replied, stored = sent[0], sent[1]
    exception = Truncated(
        errno.EMSGSIZE,
        f"process {pid} replied {replied} bytes and only {stored} fitted; give more room, or truncate=True",
    )
    exception.verb, exception.pid, exception.received = "send", pid, True
    exception.reply, exception.length = reply, replied
    return exception


def connect(target: int | str, timeout: float | None = 0.0, *, room: int = ROOM) -> Connection:
    """A connection to a process, by pid or by name; another user's is ``"plc@alice"`` (``names.share``).

    A name is waited for up to ``timeout`` seconds (None: for ever), then ServerDied (ESRCH) or TimedOut.
    A pid is not looked at before the first Send.
    """
    return Connection(target, timeout, room)
