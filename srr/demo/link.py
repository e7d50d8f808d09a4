"""A client's end: Sends to one server by its name, also to whoever takes the name over."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import srr
from srr.demo.account import Account, Failed
from srr.demo.wire import ACK, ROOM, Head, Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer

#: Seconds to wait for a successor's name, and for any reply. Nothing here takes that long: it ends a demo that hangs.
PATIENCE = 20.0


class Link:
    """One server, for one process.

    Every message here may be repeated: it carries a sequence number, by which the system's last member, a logger,
    knows what it has already. So when the server dies, received or not, the message goes to the successor as well.
    """

    def __init__(
        self,
        prefix: str,
        server: str,
        whose: int | None,
        number: int,
        account: Account,
        bereaved: Callable[[Failed], None] | None = None,
        patience: float = PATIENCE,
    ) -> None:
        """``whose``: the server's user, None: ours.

        ``bereaved`` hears of a server's death, then the successor is looked for; without, ServerDied is raised.
        """
        self.server = server
        self.number = number
        self._account = account
        self._target = f"{prefix}.{server}" if whose is None else f"{prefix}.{server}@{whose}"
        self._bereaved = bereaved
        self._sequence = 0
        self._connection = srr.connect(self._target, patience)
        self._answer = bytearray(ROOM)
        #: The order in the last ack.
        self.order = 0

    @property
    def messages(self) -> int:
        """How many were sent and answered."""
        return self._sequence

    def send(self, kind: Kind, *parts: Buffer, counted: bool = True, timeout: float | None = PATIENCE) -> memoryview:
        """Send and return the reply behind its ack. ``counted``: in the latencies."""
        message: list[Buffer] = [Head(kind, self.number, self._sequence).pack(), *parts]
        nbytes = sum(memoryview(part).nbytes for part in message)
        while True:
            began = time.monotonic_ns()
            try:
                stored = self._connection.send_into(message, self._answer, timeout=timeout)
                break
            except srr.ServerDied as died:
                self._died(died, began)
        ended = time.monotonic_ns()
        lane, self.order, _, sequence = ACK.unpack_from(self._answer)
        if stored < ACK.size or sequence != self._sequence:
            raise RuntimeError(f"{self.server} answered message {sequence} instead of {self._sequence}")
        self._sequence += 1
        self._account.replied(self.server, self._connection.pid, nbytes, stored, lane)
        if counted:
            self._account.took(lane, ended - began)
        return memoryview(self._answer)[ACK.size : stored]

    def _died(self, died: srr.ServerDied, began: int) -> None:
        ended = time.monotonic_ns()
        if self._bereaved is None:
            raise died
        failed = Failed(
            call=died.verb,
            other=self.server,
            pid=died.pid,
            errno=died.errno or 0,
            received=died.received,
            sequence=self._sequence,
            began_ns=began,
            ended_ns=ended,
        )
        self._account.failed.append(failed)
        self._bereaved(failed)
        self._connection = srr.connect(self._target, PATIENCE)
