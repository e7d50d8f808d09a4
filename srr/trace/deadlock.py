"""Watching for a cycle that closes: looking again and again, and believing only what two looks say.

A look reads one process after the other, so it may show a circle that never was: A's row from before, B's from after.
What counts is therefore a row that is the same in two looks, the second of which began when the first had ended: the
same transaction of the same thread, still in the same state, waiting for the same thread. Numbers of transactions do
not come back, and a message that was received is never unreceived, so that thread waited all the time from one look to
the other. All such rows together are what there was at one moment, between the two looks. A process in which anything
else moved between them (it received a message, a thread is newly blocked or not any more) counts as one that can act.

What the table does not show is the threads that neither wait nor work on a message: a logger, a timer, but also a
server between two messages. /proc says whether there are such threads, and what they do:

* There are none: the cycle is certain, and told at once.
* All of them sleep, and have not run since it closed, for ``QUIET_NS``: it is told, as not certain.
* Some run, wait for a disk, or are stopped: they might receive yet. It is told, as not certain, if it stands unchanged
  for the user's patience.

Of a recording nothing is known of other threads: a cycle is told when it has stood for ``QUIET_NS``, as not certain.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from srr.processes import Process, Thread
from srr.state import Blocked
from srr.trace.graph import Cycle, find_stuck

#: How long other threads must have slept without a break.
QUIET_NS = 300_000_000
#: How long a cycle must stand in processes of which other threads run.
PATIENCE_NS = 5_000_000_000


@dataclass(frozen=True, slots=True)
class Task:
    """A thread, as /proc shows it: its state's letter, and how often it has been off a CPU."""

    state: str
    switches: int

    @property
    def asleep(self) -> bool:
        return self.state in ("S", "I")


Tasks = dict[int, Task]


def tasks(pid: int) -> Tasks:
    """The threads of a process. {}: it has ended."""
    found: Tasks = {}
    try:
        for entry in os.listdir(f"/proc/{pid}/task"):
            try:
                with open(f"/proc/{pid}/task/{entry}/status", encoding="utf-8", errors="replace") as file:
                    fields = dict(line.split(":\t", 1) for line in file.read().splitlines() if ":\t" in line)
            except OSError:
                continue  # it has ended
            switches = int(fields["voluntary_ctxt_switches"]) + int(fields["nonvoluntary_ctxt_switches"])
            found[int(entry)] = Task(fields["State"][:1], switches)
    except OSError:
        return {}
    return found


@dataclass(frozen=True, slots=True)
class Deadlock:
    """A cycle that was there, at a moment."""

    cycle: Cycle
    #: Threads of its processes that are not in the waiting table; None: unknown.
    others: dict[int, int] | None
    #: CLOCK_MONOTONIC, when it was told.
    seen_ns: int
    #: When its last member began to wait, as far as that is known: then it closed.
    closed_ns: int


#: What must be the same of a row in two looks.
_Row = tuple[object, ...]
_Key = frozenset[tuple[int, int, int, int]]


def _row(process: Process, thread: Thread) -> _Row:
    if thread.state is Blocked.RECEIVE:
        return thread.state, thread.on, thread.since_ns, process.receivers
    # A signal that comes for the sender changes REPLY to SIGNAL; it waits for the same reply.
    return thread.state is Blocked.SEND, thread.on, thread.id, thread.sent, thread.taken_by


@dataclass(frozen=True, slots=True)
class _Look:
    rows: dict[tuple[int, int], _Row]
    #: By process: whatever shows that it did something.
    doings: dict[int, _Row]


class Watch:
    """Give it one look after the other; it gives back the deadlocks, each once.

    ``see_tasks``: how to find a process's threads; None: nothing is known of them (a recording).
    """

    def __init__(self, see_tasks: Callable[[int], Tasks] | None = tasks, patience_ns: int = PATIENCE_NS) -> None:
        self._see_tasks = see_tasks
        self._patience_ns = patience_ns
        self._before = _Look({}, {})
        #: Cycles that two looks agree on, not told yet: since when.
        self._standing: dict[_Key, int] = {}
        #: For good: the same cycle does not come twice, for its transactions do not.
        self._told: set[_Key] = set()
        #: By process: what its other threads were like, and since when they are.
        self._quiet: dict[int, tuple[Tasks, int]] = {}
        self.undecided = False

    def look(self, found: Sequence[Process], now_ns: int) -> list[Deadlock]:
        """``now_ns``: a time at which this look had ended. ``undecided`` afterwards: look again soon."""
        look = _Look(
            {
                (process.pid, thread.tid): _row(process, thread)
                for process in found
                for thread in process.blocked
                if thread.on > 0
            },
            {process.pid: _doing(process) for process in found},
        )
        restless, unsteady = self._moved(look)
        self._before = look
        at_first_sight = find_stuck(found)
        if not at_first_sight.cycles:
            self._standing, self._quiet, self.undecided = {}, {}, False
            return []
        lively, others = self._other_threads(found, at_first_sight.pids, now_ns)
        stuck = find_stuck(found, restless=restless, unsteady=unsteady, others=others)
        calm = {
            _key(cycle)
            for cycle in find_stuck(found, restless={*restless, *lively}, unsteady=unsteady, others=others).cycles
        }
        fresh = []
        standing: dict[_Key, int] = {}
        for cycle in stuck.cycles:
            key = _key(cycle)
            since_ns = standing[key] = self._standing.get(key, now_ns)
            if key not in self._told and (cycle.certain or key in calm or now_ns - since_ns >= self._patience_ns):
                self._told.add(key)
                members = {*cycle.pids, *(wait.on for wait in cycle.members)}
                known = None if others is None else {pid: others[pid] for pid in sorted(members) if others.get(pid)}
                fresh.append(Deadlock(cycle, known, now_ns, max(wait.since_ns for wait in cycle.members)))
        self._standing = standing
        self.undecided = bool({_key(cycle) for cycle in at_first_sight.cycles} - self._told)
        return fresh

    def _moved(self, look: _Look) -> tuple[set[int], set[tuple[int, int]]]:
        """What is not to be relied on: processes that did something since the last look, and rows that changed."""
        unsteady = {at for at, row in look.rows.items() if self._before.rows.get(at) != row}
        vanished = self._before.rows.keys() - look.rows.keys()
        restless = {pid for pid, doing in look.doings.items() if self._before.doings.get(pid) != doing}
        return restless | {pid for pid, _ in unsteady | vanished}, unsteady

    def _other_threads(
        self, found: Sequence[Process], pids: Collection[int], now_ns: int
    ) -> tuple[set[int], dict[int, int] | None]:
        """Processes whose threads outside the table have not slept for long enough; and their number in each."""
        known = {process.pid: process for process in found}
        quiet: dict[int, tuple[Tasks, int]] = {}
        others: dict[int, int] = {}
        lively = set()
        for pid in pids:
            outside: Tasks = {}
            if self._see_tasks is not None:
                process = known[pid]
                outside = dict(self._see_tasks(pid))
                ended = [thread.tid for thread in process.blocked if thread.tid and not outside.pop(thread.tid, None)]
                # Those of them that receive are not named.
                others[pid] = len(outside) - process.receivers
                if ended or others[pid] < 0:
                    lively.add(pid)  # it changed under our eyes
                    others[pid] = 1
                    continue
                if others[pid] == 0:
                    continue  # all its threads are accounted for
            before, since_ns = self._quiet.get(pid, (None, now_ns))
            asleep = all(task.asleep for task in outside.values())
            quiet[pid] = outside, since_ns if asleep and before == outside else now_ns
            if now_ns - quiet[pid][1] < QUIET_NS:
                lively.add(pid)
        self._quiet = quiet
        return lively, others if self._see_tasks is not None else None


def _doing(process: Process) -> _Row:
    return process.received, process.receivers, frozenset(process.taken.values())


def _key(cycle: Cycle) -> _Key:
    return frozenset((wait.pid, wait.tid, wait.on, wait.id or wait.since_ns) for wait in cycle.members)
