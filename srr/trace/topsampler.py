"""What feeds `srr-trace top`: looks at the waiting table and, once they are attached, at what the probes tell."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from srr.processes import Process
from srr.state import Blocked
from srr.trace import deadlock, graph
from srr.trace.feed import Feed, Source
from srr.trace.programs import CannotTrace, Wants
from srr.trace.session import Cost, Losses
from srr.trace.topmodel import Choice, Look, Mark, Model, Snapshot

#: Finds what is wrong with whom, from one survey to the next.
Marker = Callable[[Sequence[Process], int], Mapping[int, Mark]]

#: The beginning of the message that a thread is blocked with: pid, tid, bytes. An OSError: it can not be read.
Peek = Callable[[int, int, int], bytes]

#: Threads of the opened process whose messages are read.
_HEADS = 8
#: Longest that anything waits before it looks whether it is still wanted, in seconds.
_SLICE = 0.1


@dataclass(frozen=True, slots=True)
class Seen:
    """A look, and what it has to be read with."""

    snapshot: Snapshot
    losses: Losses
    #: None: no probe is read.
    cost: Cost | None
    #: Why no probe is read; "": they are, or will be in a moment.
    without: str = ""
    #: Of the opened process's blocked threads: what their messages begin with, or why that can not be read.
    heads: Mapping[int, bytes | str] = field(default_factory=dict)


class Marks:
    """A Marker: who waits in a circle, and whose queue stands while none of its threads receives."""

    def __init__(self, *, is_live: bool) -> None:
        self._watch = deadlock.Watch() if is_live else deadlock.Watch(None)
        self._cycles: list[graph.Cycle] = []

    def __call__(self, found: Sequence[Process], now_ns: int) -> Mapping[int, Mark]:
        self._cycles += [fresh.cycle for fresh in self._watch.look(found, now_ns)]
        rows = {(wait.pid, wait.tid): (wait.on, wait.id) for process in found for wait in graph.waits_of(process)}
        self._cycles = [cycle for cycle in self._cycles if all(_stands(wait, rows) for wait in cycle.members)]
        marks = {node.pid: Mark.STARVED for node in graph.build(found, now_ns).starved}
        return marks | {pid: Mark.DEADLOCKED for cycle in self._cycles for pid in cycle.pids}


def _stands(wait: graph.Wait, rows: Mapping[tuple[int, int], tuple[int, int]]) -> bool:
    return rows.get((wait.pid, wait.tid)) == (wait.on, wait.id)


class Sampler:
    """One looks, again and again: not for two threads at once."""

    def __init__(self, source: Source, choice: Choice, marker: Marker, peek: Peek | None = None) -> None:
        self._source = source
        self._choice = choice
        self._marker = marker
        self._peek = peek
        #: The process whose messages are to be read as well (0: none), and how much of them.
        self.opened, self.head = 0, 64
        self._model = Model()
        self._stack = ExitStack()
        self._feed: Feed | None = None
        self._chosen: set[int] = set()
        self.without = ""
        self.clock = source.clock

    def attach(self) -> None:
        """Read probes as well, from now on; where that can not be, ``without`` says why."""
        try:
            wants = Wants(totals=True, cost=True, chosen=not self._choice.is_all)
            self._feed = self._stack.enter_context(self._source.feed(wants))
        except CannotTrace as error:
            self.without = str(error)

    def look(self) -> Seen:
        now = self._source.now_ns()  # before: what has begun meanwhile is younger than nothing
        # Without us: measuring what a probe costs, we have rows as well.
        processes = [p for p in self._source.survey() if p.pid != os.getpid() or not self._source.is_live]
        marks = self._marker(processes, self._source.now_ns())
        totals = losses = cost = None
        if self._feed is not None:
            if not self._choice.is_all:
                self._choose(self._feed, {process.pid for process in processes if self._choice.has(process)})
            self._feed.drain()  # so that it looks for new copies of the library
            totals, losses, cost = self._feed.totals(), self._feed.losses(), self._feed.cost()
        snapshot = self._model.add(Look(now, processes, totals, marks))
        return Seen(snapshot, losses or Losses(), cost, self.without, self._heads(snapshot.processes.get(self.opened)))

    def _heads(self, process: Process | None) -> dict[int, bytes | str]:
        heads: dict[int, bytes | str] = {}
        if process is None or self._peek is None:
            return heads
        sending = [thread for thread in process.blocked if thread.state is not Blocked.RECEIVE]
        for thread in sending[:_HEADS]:
            try:
                heads[thread.tid] = self._peek(process.pid, thread.tid, self.head)
            except OSError as error:
                heads[thread.tid] = error.strerror or str(error)
        return heads

    def _choose(self, feed: Feed, pids: set[int]) -> None:
        pids |= self._choice.pids  # also those that have not used srr yet
        if pids != self._chosen:
            feed.choose(pids)
            self._chosen = pids

    def wait(self, seconds: Callable[[], float], is_over: Callable[[], bool] = lambda: False) -> bool:
        """Let time pass: until then, or until ``is_over``. False: the recording has ended. ``seconds`` may change."""
        since = self._source.now_ns()
        while not is_over():
            left = seconds() - (self._source.now_ns() - since) / 1e9
            if left <= 0:
                break
            if not self._source.pace(min(left, _SLICE)):
                return False
        return True

    def close(self) -> None:
        self._feed = None
        self._stack.close()
