"""One tracing session: programs attached to every copy of the library, what they tell, what was lost, what it cost."""

from __future__ import annotations

import bisect
import gc
import itertools
import operator
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from struct import Struct
from types import TracebackType
from typing import Any

from srr import facts
from srr.trace import attach, events
from srr.trace.copies import Copies, Copy
from srr.trace.events import Change, Frames, Kind, Transaction
from srr.trace.namespaces import Pids
from srr.trace.programs import CannotTrace, Programs, Wants
from srr.trace.ring import Ring
from srr.trace.totals import Imposed, Totals, read_imposed, read_totals

#: Seconds between two looks for new copies of the library.
RESCAN = 1.0
#: Nanoseconds that events of two CPUs may come out of order, and a record may take to be written.
SETTLING = 5_000_000


@dataclass(frozen=True, slots=True)
class Losses:
    """What was not seen, by cause. Exact: the programs count each event before anything can be lost."""

    #: No room in the ring: read faster, or ask for less or a larger ring (--ring).
    transactions: int = 0
    changes: int = 0
    frames: int = 0
    #: No room in the map of totals (4096 different clients, servers and message types) or of imposed times.
    totals: int = 0
    imposed: int = 0
    #: The record was not in memory, or of another version of the library.
    unreadable: int = 0
    #: Copies of the library that could not be attached to.
    copies: int = 0

    @property
    def total(self) -> int:
        return sum(getattr(self, field.name) for field in fields(self))

    def json(self) -> dict[str, int]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __str__(self) -> str:
        lost = ", ".join(
            f"{field.name} {getattr(self, field.name)}" for field in fields(self) if getattr(self, field.name)
        )
        return f"lost: {lost}" if lost else "lost nothing"


@dataclass(frozen=True, slots=True)
class Cost:
    """What listening took from those who were listened to, so far."""

    hits: int
    #: A hit, as measured at the start; 0: not measured.
    hit_ns: float
    seconds: float

    @property
    def share(self) -> float:
        """Of one CPU."""
        return self.hits * self.hit_ns / 1e9 / self.seconds if self.seconds > 0 else 0.0

    def __str__(self) -> str:
        return f"{self.hits} hits, {self.hit_ns:.0f} ns each, {100 * self.share:.1f} % of a CPU"


#: The counters of bpf/srr.c, in their order.
_MADE = 3
_COUNTS = ("transactions", "changes", "frames", "transactions", "changes", "frames", "totals", "unreadable", "imposed")


class Session:
    """A context manager. Attaching is done when it is entered; leaving it, or dying, takes everything out.

    ``transfers``: also the probe at each copy, which most have no use for. CannotTrace: with a reason and a remedy.
    """

    def __init__(self, wants: Wants, *, transfers: bool = False) -> None:
        self.wants = wants
        self.clock = events.Clock()
        self.copies: list[Copy] = []
        self._copies = Copies()
        self._skipped = 0
        self._transfers = transfers
        self._pids = Pids()
        self._links: list[int] = []
        self._rings: dict[str, Ring] = {}
        self._pending: dict[str, list[Any]] = {name: [] for name in _DECODERS}
        self._rescanned = 0.0
        self._hit_ns = 0.0
        self._began = time.monotonic()

    def __enter__(self) -> Session:
        self._programs = Programs(self.wants)
        for name, wanted, layout in (
            ("transactions", self.wants.transactions, _with_peek(self.wants.peek)),
            ("changes", self.wants.changes, events.CHANGE),
            ("frames", self.wants.frames, events.FRAMES),
        ):
            if wanted:
                self._rings[name] = Ring(self._programs.map(name).map_fd, self.wants.ring_bytes, layout)
        for copy in self._copies.installed():
            self._attach(copy)
        self.rescan()
        if self.wants.cost:
            self._calibrate()
        self._began = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take everything out. Harmless if it was done before."""
        self.detach()
        for ring in self._rings.values():
            ring.close()
        self._rings.clear()
        if hasattr(self, "_programs"):
            self._programs.close()

    def detach(self) -> None:
        """No new events; those that are there can still be read."""
        # Changes first: a transaction of which only changes were told would look as if it had not ended.
        for link in reversed(self._links):
            os.close(link)
        self._links.clear()

    def rescan(self, only: set[int] | None = None) -> None:
        """Attach to copies of the library that have come since."""
        self._rescanned = time.monotonic()
        if only is None:
            self._pids.look()  # before they end: what they did is told later
        for copy in self._copies.running(only):
            self._attach(copy)

    def choose(self, pids: set[int]) -> None:
        """With ``wants.chosen``: only transactions that one of these takes part in."""
        chosen = self._programs.map("chosen")
        for key in list(chosen.keys()):
            if key.value not in pids:
                del chosen[key]
        for pid in pids:
            chosen[chosen.Key(pid)] = chosen.Leaf(1)

    def drain(self) -> list[Transaction | Change | Frames]:
        """What has happened since, by time; what is younger than a few milliseconds waits for the next time."""
        return self._take(time.monotonic_ns() - SETTLING)

    def finish(self) -> list[Transaction | Change | Frames]:
        """Stop, and the rest of what has happened."""
        self.detach()
        return self._take(1 << 63)

    def _take(self, until_ns: int) -> list[Transaction | Change | Frames]:
        if time.monotonic() - self._rescanned >= RESCAN and self._links:
            self.rescan()
        taken: list[list[Any]] = []
        collecting = gc.isenabled()
        gc.disable()  # records by the ten thousand, none of which refers to another
        try:
            for name, ring in self._rings.items():
                decode, when = _DECODERS[name]
                pending = self._pending[name]
                pending.extend(map(decode.__get__(self), ring.drain()))
                pending.sort(key=when)
                ready = bisect.bisect_left(pending, until_ns, key=when)
                taken.append(pending[:ready])
                del pending[:ready]
        finally:
            if collecting:
                gc.enable()
        return taken[0] if len(taken) == 1 else sorted(itertools.chain(*taken), key=events.when_of)

    def transactions(self) -> Iterator[Transaction]:
        return (event for event in self.drain() if isinstance(event, Transaction))

    def totals(self) -> list[Totals]:
        """What has been added up so far, by client, server and type of message."""
        return read_totals(self._programs.map("totals"))

    def clients(self) -> set[int]:
        """Whose totals are in the map. Much faster than reading them."""
        return {key.client for key in self._programs.map("totals")}

    def forget(self, clients: set[int]) -> None:
        """Take these clients' totals out of the map, to make room; who wants them has read them."""
        table = self._programs.map("totals")
        for key in [key for key in table if key.client in clients]:
            del table[key]

    def imposed(self) -> list[Imposed]:
        """CPU time of servers by the client that they worked for."""
        return read_imposed(self._programs.map("imposed"))

    def symbol(self, address: int, pid: int) -> str:
        return self._programs.symbol(address, pid)

    def made(self) -> dict[str, int]:
        """Events so far, lost ones included."""
        counts = self._counts()
        return {"transactions": counts[0], "changes": counts[1], "frames": counts[2]}

    def losses(self) -> Losses:
        counts = self._counts()
        lost = dict(zip(_COUNTS[_MADE:], counts[_MADE:], strict=True))
        return Losses(**lost, copies=self._skipped)

    def cost(self) -> Cost:
        return Cost(sum(self._counts()[:_MADE]), self._hit_ns, time.monotonic() - self._began)

    def _counts(self) -> list[int]:
        table = self._programs.map("counts")
        return [int(table[n].value) for n in range(len(_COUNTS))]

    def _attach(self, copy: Copy) -> None:
        self.copies.append(copy)
        for function, names in self._functions():
            targets = [
                attach.Target(copy.sites[name].offset, copy.sites[name].semaphore, cookie)
                for name, cookie in names
                if name in copy.sites
            ]
            if not targets:
                continue
            try:
                self._link(function, copy.path, targets)
            except OSError as error:
                if copy.pid and not os.path.exists(f"/proc/{copy.pid}"):
                    continue  # it has ended meanwhile
                if not copy.pid:
                    raise CannotTrace(f"{copy.shown}: attaching to its probes failed: {error.strerror}") from error
                self._skipped += 1

    def _functions(self) -> Iterator[tuple[str, list[tuple[str, int]]]]:
        if self.wants.transactions or self.wants.totals:
            yield "on_done", [("done", 0)]
        if self.wants.changes:
            yield (
                "on_change",
                [
                    (name, int(kind))
                    for name, kind in events.CHANGE_PROBES.items()
                    if self._transfers or kind is not Kind.TRANSFER
                ],
            )
        elif self.wants.imposed:
            yield "on_change", [(name, int(events.CHANGE_PROBES[name])) for name in ("receive", "reply", "relay")]
        if self.wants.frames:
            yield "on_frames", [("frames", 0)]

    def _link(self, function: str, path: str, targets: list[attach.Target]) -> None:
        if self._programs.by_multi:
            try:
                self._links.append(attach.link_all(self._programs.program(function), path, targets))
                return
            except OSError:
                if self._links:
                    raise
                self._programs.load_plainly()  # it loads, and can't be attached: an older kernel
        for target in targets:
            self._links.extend(attach.link_one(self._programs.program(function), path, target))

    def _calibrate(self) -> None:
        """What a hit costs here: a few thousand of a probe that nobody else has, some milliseconds."""
        own = next(copy for copy in self.copies if copy.path == facts.extension())
        site = own.sites["idle"]
        before = len(self._links)
        hits = 4096
        empty = min(facts.probe_cost(hits) for _ in range(3))
        self._link("on_idle", own.path, [attach.Target(site.offset, site.semaphore, 0)])
        full = min(facts.probe_cost(hits) for _ in range(3))
        for link in self._links[before:]:
            os.close(link)
        del self._links[before:]
        self._hit_ns = max(0.0, (full - empty) / hits)

    def as_transaction(self, record: tuple[Any, ...]) -> Transaction:
        (sequence, pid, tid, head, peeked, _, began, published, received, replied, woken, ended, transfer, number) = (
            record[:14]
        )
        (sent, nreplied, _message, part, space, client, thread, server, server_thread, status) = record[14:24]
        lane, reply_lane, flags, legs = record[24:28]
        if space == self._pids.own:
            pid, tid = client, thread
        else:
            server, server_thread = self._pids.known_as(space, server), self._pids.known_as(space, server_thread)
        peek: bytes | None = None
        if self.wants.peek:
            peek = record[28][:peeked] if peeked >= 0 else None
        return Transaction(
            pid,
            tid,
            server,
            server_thread,
            began,
            published,
            received,
            replied,
            woken,
            ended,
            transfer,
            number,
            sent,
            nreplied,
            events.lane_of(lane),
            events.lane_of(reply_lane),
            -status if status < 0 else 0,
            bool(flags & events.RECEIVED),
            legs,
            head & 0xFFFF if part >= 2 else None,
            peek,
            sequence,
        )

    def as_change(self, record: tuple[int, ...]) -> Change:
        when, sequence, number, nbytes, extra, pid, tid, peer, peer_thread, detail, kind = record
        space = self._pids.namespace_of(pid)
        if space != self._pids.own:
            peer, peer_thread = self._pids.known_as(space, peer), self._pids.known_as(space, peer_thread)
        if extra >= 1 << 63:
            extra -= 1 << 64
        return Change(when, Kind(kind), pid, tid, peer, peer_thread, number, nbytes, detail, extra, sequence)

    def as_frames(self, record: tuple[Any, ...]) -> Frames:
        when, _, number, pid, tid, side, count = record[:7]
        text: bytes = record[-1]
        return Frames(
            when, pid, tid, number, side == 1, record[7 : 7 + count], text.split(b"\0")[0].decode(errors="replace")
        )


#: By ring: how a record becomes an event, and when that was.
_DECODERS: dict[str, tuple[Any, Any]] = {
    "transactions": (Session.as_transaction, operator.attrgetter("ended_ns")),
    "changes": (Session.as_change, operator.attrgetter("time_ns")),
    "frames": (Session.as_frames, operator.attrgetter("time_ns")),
}


def _with_peek(nbytes: int) -> Struct:
    return Struct(f"{events.TRANSACTION.format}{nbytes}s") if nbytes else events.TRANSACTION
