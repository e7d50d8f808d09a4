"""One process of the demo: python -m srr.demo.node ROLE NAME PREFIX SUPERVISOR USER.

It knows its role, its name, what all names of this demo begin with, and where there are several users, the number of
the supervisor's and which one to become itself; else nothing. All else it learns from the reply to the
HELLO that it Sends to the supervisor; that reply comes when everybody is there, so nobody looks for a name too early.
"""

from __future__ import annotations

import ctypes
import errno
import importlib
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from typing import TYPE_CHECKING, TypedDict

import srr
from srr.demo.account import Account, Failed
from srr.demo.identity import become
from srr.demo.link import Link
from srr.demo.wire import ACK, HEAD, Head, Kind, Order, head, pack, unpack

if TYPE_CHECKING:
    from typing_extensions import Buffer

_PR_SET_PDEATHSIG = 1


class Orders(TypedDict):
    """What the supervisor replies to HELLO."""

    number: int
    #: Names to Send to, in order.
    servers: list[str]
    #: Whose they are; none: ours.
    whose: dict[str, int]
    #: How many will say BYE before this server may end.
    clients: int
    #: Seconds between two messages of a source, and between two reports.
    period: float
    report: float
    #: Sensors: the file to read. Drivers: which sensor reads which.
    source: str
    sources: dict[str, str]
    #: Movers: folders, and which share of their files is mine: [index, of how many].
    files: list[str]
    share: list[int]
    #: It took over from a process that died.
    successor: bool
    #: What to do wrong, to show that it is found.
    sabotage: str


class Request:
    """A message that came, and the reply to it."""

    __slots__ = ("_message", "_node", "client", "kind", "payload", "sequence")

    def __init__(self, node: Node, message: srr.Message, head: Head) -> None:
        self._node = node
        self._message = message
        self.kind, self.client, self.sequence = head
        self.payload = memoryview(message.data)[HEAD.size :]

    def reply(self, *parts: Buffer) -> None:
        """Answer it; the sender goes on."""
        self._node.replied(self, self._message, parts)


def listen(name: str, shared: bool) -> srr.Port:
    """This process's name. ``shared``: for all users, as the parts of a demo with several users are one system."""
    return srr.listen(name, mode=0o666) if shared else srr.listen(name)


class Node:
    """This process: its port, its books, its line to the supervisor."""

    def __init__(self, role: str, name: str, prefix: str, user: int | None) -> None:
        self.role, self.name, self.prefix = role, name, prefix
        self.account = Account()
        self.port = listen(f"{prefix}.{name}", user is not None)
        self._finish = False
        self._served = False
        # It was there before us. If it is not any more, neither need we be.
        self._supervisor = Link(prefix, "supervisor", user, 0, self.account, patience=0.0)
        answer = self._supervisor.send(Kind.HELLO, pack({"name": name}), counted=False, timeout=None)
        self.orders: Orders = unpack(answer)
        self.number = self._supervisor.number = self.orders["number"]
        self._next_report = time.monotonic() + self.orders["report"]
        self.links = [
            Link(prefix, server, self.orders["whose"].get(server), self.number, self.account, self._bereaved)
            for server in self.orders["servers"]
        ]

    @property
    def notes(self) -> dict[str, object]:
        """What this role has to say at the end."""
        return self.account.notes

    def count(self, what: str, by: int = 1) -> None:
        """Add to one of the notes."""
        self.account.notes[what] = self.account.notes.get(what, 0) + by

    def paced(self) -> Iterator[None]:
        """For sources: once a period until the supervisor says FINISH, then BYE to the servers."""
        period = self.orders["period"]
        # Not all at the same instant.
        due = time.monotonic() + period * (self.number * 0.618 % 1)
        while True:
            now = time.monotonic()
            if due > now:
                time.sleep(due - now)
            else:
                due = now  # Late: the machine is busy. Do not try to catch up.
            due += period
            self._report_if_due()
            if self._finish:
                break
            yield
        self.bye()

    def requests(self, into: bytearray | None = None) -> Iterator[Request]:
        """For servers: every message until all clients have said BYE."""
        waiting = self.orders["clients"]
        while waiting:
            self._report_if_due()
            try:
                message = self.port.receive(max(0.0, self._next_report - time.monotonic()), into=into)
            except srr.TimedOut:
                continue
            whose = head(message.data)
            if whose is None:
                message.error(errno.EPROTO)
                self.count("strangers")
                continue
            request = Request(self, message, whose)
            if request.kind is Kind.BYE:
                waiting -= 1
                request.reply()
            else:
                yield request

    def replied(self, request: Request, message: srr.Message, parts: tuple[Buffer, ...]) -> None:
        """Reply and put it in the books."""
        entry = self.account.receive(request.client, request.sequence, message.nbytes, message.lane, message.uid)
        ack = ACK.pack(message.lane, Order.GO_ON, self.number, request.sequence)
        began = time.monotonic_ns()
        try:
            entry["replied"] += message.reply([ack, *parts])
        except srr.SenderGone as gone:
            self.account.failed.append(
                Failed(
                    call="reply",
                    other=str(request.client),
                    pid=message.pid,
                    errno=gone.errno or 0,
                    received=True,
                    sequence=request.sequence,
                    began_ns=began,
                    ended_ns=time.monotonic_ns(),
                )
            )
            return
        if self.orders["successor"] and not self._served:
            self._served = True
            self._supervisor.send(Kind.EVENT, pack({"served_ns": time.monotonic_ns(), "client": request.client}))

    def bye(self) -> None:
        """Tell the servers that nothing more comes."""
        for link in self.links:
            link.send(Kind.BYE)

    def final(self) -> None:
        """Hand in the books. The supervisor replies when it has compared them with the waiting table."""
        self._supervisor.send(Kind.FINAL, pack(self.account.statement()), counted=False)

    def _report_if_due(self) -> None:
        now = time.monotonic()
        if now < self._next_report:
            return
        self._next_report = now + self.orders["report"]
        self._supervisor.send(Kind.REPORT, pack(self.account.progress()))
        self._finish = self._finish or self._supervisor.order == Order.FINISH

    def _bereaved(self, failed: Failed) -> None:
        self._supervisor.send(Kind.EVENT, pack({"failed": failed}))


def main() -> None:
    """Run one role until its end. Exit 0: all done and reported."""
    # Should the demo die without a word, the kernel ends this process too; the call must come before HELLO finds
    # out whether there still is a supervisor.
    role, name, prefix, supervisor, user = sys.argv[1:]
    work = importlib.import_module(f"srr.demo.roles.{role}")
    if user:
        become(int(user))
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    try:
        node = Node(role, name, prefix, int(supervisor) if supervisor else None)
        work.run(node)
        node.final()
    except Exception:
        # All processes of a demo share one file: one write a message, or they mix.
        sys.stderr.write(f"{name}: {traceback.format_exc()}")
        sys.exit(1)


if __name__ == "__main__":
    main()
