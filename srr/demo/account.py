"""What every process of the demo counts, and hands to the supervisor at the end."""

from __future__ import annotations

from typing import Any, TypedDict

from srr.demo.latency import Histogram
from srr.state import Lane


class Sent(TypedDict):
    """What a client says of one server process: messages that it got a reply to, and their bytes."""

    server: str
    pid: int
    messages: int
    out: int
    back: int
    #: By lane, as the server said in its acks: messages and bytes out.
    lanes: dict[str, list[int]]


class Received(TypedDict):
    """What a server says of one client."""

    client: int
    #: The user that the kernel said it is.
    uid: int
    messages: int
    bytes: int
    replied: int
    first: int
    #: Sequence numbers that never came, and those that came twice.
    missing: int
    again: int
    next: int


class Failed(TypedDict):
    """A Send, or a Reply, that failed."""

    call: str
    other: str
    pid: int
    errno: int
    received: bool
    sequence: int
    #: CLOCK_MONOTONIC, the same for all processes: when the call began and when it failed.
    began_ns: int
    ended_ns: int


class Statement(TypedDict):
    """An account as it is sent to the supervisor."""

    sent: list[Sent]
    received: list[Received]
    failed: list[Failed]
    #: By lane: messages and bytes that this process received.
    lanes: dict[str, list[int]]
    #: By lane: how long its Sends took.
    latency: dict[str, list[tuple[int, int]]]
    notes: dict[str, Any]


class Progress(TypedDict):
    """How far a process is: messages with their replies, bytes sent and received by lane."""

    sent: int
    received: int
    lanes: dict[str, int]
    notes: dict[str, Any]


class Account:
    """The books of one process."""

    def __init__(self) -> None:
        self.sent: dict[tuple[str, int], Sent] = {}
        self.received: dict[int, Received] = {}
        self.failed: list[Failed] = []
        self.lanes: dict[str, list[int]] = {}
        self.latency: dict[int, Histogram] = {}
        #: What the role has to say: readings, files ...
        self.notes: dict[str, Any] = {}

    def replied(self, server: str, pid: int, out: int, back: int, lane: int) -> None:
        """A Send ended with a reply."""
        entry = self.sent.get((server, pid))
        if entry is None:
            entry = self.sent[server, pid] = Sent(server=server, pid=pid, messages=0, out=0, back=0, lanes={})
        entry["messages"] += 1
        entry["out"] += out
        entry["back"] += back
        _add(entry["lanes"], lane, out)

    def took(self, lane: int, ns: int) -> None:
        """It took so long."""
        if lane not in self.latency:
            self.latency[lane] = Histogram()
        self.latency[lane].add(ns)

    def receive(self, client: int, sequence: int, nbytes: int, lane: int, uid: int) -> Received:
        """A message came. A server that took over begins with whatever number comes first."""
        entry = self.received.get(client)
        if entry is None:
            entry = self.received[client] = Received(
                client=client,
                uid=uid,
                messages=0,
                bytes=0,
                replied=0,
                first=sequence,
                missing=0,
                again=0,
                next=sequence,
            )
        entry["messages"] += 1
        entry["bytes"] += nbytes
        if sequence < entry["next"]:
            entry["again"] += 1
        else:
            entry["missing"] += sequence - entry["next"]
            entry["next"] = sequence + 1
        _add(self.lanes, lane, nbytes)
        return entry

    def statement(self) -> Statement:
        """All of it, for the wire."""
        return Statement(
            sent=list(self.sent.values()),
            received=list(self.received.values()),
            failed=self.failed,
            lanes=self.lanes,
            latency={_LANES[lane]: histogram.pairs() for lane, histogram in self.latency.items()},
            notes=self.notes,
        )

    def progress(self) -> Progress:
        """Totals, for the screen."""
        lanes = {lane: nbytes for lane, (_, nbytes) in self.lanes.items()}
        for entry in self.sent.values():
            for lane, (_, nbytes) in entry["lanes"].items():
                lanes[lane] = lanes.get(lane, 0) + nbytes
        return Progress(
            sent=sum(entry["messages"] for entry in self.sent.values()),
            received=sum(entry["messages"] for entry in self.received.values()),
            lanes=lanes,
            notes=self.notes,
        )


_LANES = {int(lane): str(lane) for lane in Lane}


def _add(lanes: dict[str, list[int]], lane: int, nbytes: int) -> None:
    counts = lanes.setdefault(_LANES[lane], [0, 0])
    counts[0] += 1
    counts[1] += nbytes
