"""A source of the test's own making for `srr-trace top`: its time goes on when the test says so."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from srr.processes import Process, Thread
from srr.state import Blocked, Flag
from srr.trace.events import Clock
from srr.trace.feed import Event, Feed
from srr.trace.programs import CannotTrace, Wants
from srr.trace.session import Cost, Losses
from srr.trace.totals import Imposed, Totals

SECOND = 10**9


def process(pid: int, *blocked: Thread, program: str = "partner", **fields: Any) -> Process:
    known: dict[str, Any] = {"names": (), "sent": 0, "received": 0, "healed": 0, "clients": 0, "taken": {}}
    known |= {"receivers": sum(thread.state is Blocked.RECEIVE for thread in blocked), "flags": Flag(0)}
    return Process(pid=pid, program=program, blocked=blocked, **(known | fields))


def sends(on: int, since: float = 0.0, tid: int = 1, **fields: Any) -> Thread:
    """A SEND-blocked thread, or of another ``state``."""
    return Thread(
        **{"tid": tid, "state": Blocked.SEND, "on": on, "since_ns": round(since * SECOND), "sent": 1} | fields
    )


def receives(since: float = 0.0, sender: int = 0) -> Thread:
    return Thread(0, Blocked.RECEIVE, sender, round(since * SECOND), 0)


def totals(client: int, server: int, *steps: int, nbytes: int = 0, kind: int = 1) -> Totals:
    """So many transactions as there are ``steps``: each is its service time, half of which it was queued."""
    made = Totals(client, server, kind, count=len(steps), sent=nbytes)
    for ns in steps:
        made.steps["service"].add(ns)
        made.steps["queue"].add(ns // 2)
        made.steps["total"].add(2 * ns)
    return made


class FakeFeed:
    """What the kernel would have added up."""

    def __init__(self) -> None:
        self.clock = Clock(0)
        self.now: list[Totals] = []
        self.lost = Losses()
        self.chosen: set[int] | None = None

    def drain(self) -> list[Event]:
        return []

    def finish(self) -> list[Event]:
        return []

    def totals(self) -> list[Totals]:
        return list(self.now)

    def imposed(self) -> list[Imposed]:
        return []

    def choose(self, pids: set[int]) -> None:
        self.chosen = set(pids)

    def symbol(self, address: int, pid: int) -> str:
        return ""

    def made(self) -> dict[str, int]:
        return {}

    def losses(self) -> Losses:
        return self.lost

    def cost(self) -> Cost:
        return Cost(7, 600.0, 1.0)


class FakeSource:
    """``processes`` may be changed at any time; `tick` lets a second pass. Without a feed: `why` no probe is read."""

    is_live = False

    def __init__(self, *processes: Process, feed: FakeFeed | None = None, why: str = "no probes here") -> None:
        self.processes = list(processes)
        self.clock = Clock(0)
        self.told, self.why = feed, why
        self.wants: Wants | None = None
        self.ended = False
        self.fails: Callable[[], object] = lambda: None
        self.surveys = 0
        self._now_ns = 100 * SECOND
        self._ticked = threading.Condition()

    def feed(self, wants: Wants, *, transfers: bool = False) -> AbstractContextManager[Feed]:
        self.wants = wants
        if self.told is None:
            raise CannotTrace(self.why)
        return nullcontext(self.told)

    def survey(self) -> list[Process]:
        self.fails()
        self.surveys += 1
        return list(self.processes)

    def now_ns(self) -> int:
        return self._now_ns

    def tick(self, seconds: float = 1.0) -> None:
        with self._ticked:
            self._now_ns += round(seconds * SECOND)
            self._ticked.notify_all()

    def pace(self, seconds: float) -> bool:
        with self._ticked:
            before = self._now_ns
            self._ticked.wait_for(lambda: self.ended or self._now_ns != before, min(seconds, 0.05))
        return not self.ended
