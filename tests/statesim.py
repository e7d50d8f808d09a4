"""A world of processes that Send, Receive and Reply at random, in simulated time.

It is looked at as the real one is: each process at another moment, while the world goes on. It knows the truth, too,
and finds it in another way than the product does.
"""

from __future__ import annotations

import itertools
import random
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from srr.processes import Process, Thread, _with_holders
from srr.state import Blocked, Flag
from srr.trace.deadlock import Task, Tasks
from srr.trace.events import Clock
from srr.trace.feed import Feed
from srr.trace.programs import Wants

MS = 1_000_000
SECOND = 1000 * MS


@dataclass
class SimThread:
    pid: int
    tid: int
    state: Blocked = Blocked.NOT
    on: int = 0
    id: int = 0
    since_ns: int = 0
    taken_by: int = 0
    #: It runs, or naps, until then.
    until_ns: int = 0
    naps: bool = False
    switches: int = 0


@dataclass
class SimProcess:
    pid: int
    threads: dict[int, SimThread]
    #: SEND-blocked on it, in order; and those it owes a reply.
    queue: list[SimThread] = field(default_factory=list)
    held: list[SimThread] = field(default_factory=list)
    received: int = 0
    sent: int = 0
    stopped_until_ns: int = 0


class World:
    """``safe``: nobody does what would close a circle. ``handing``: any thread replies, not only the one that received.

    ``nap_ns``, ``busy_ns``: the longest that a thread sleeps for something else, or runs. ``step_ns``: at most between
    two steps of the world. ``tear_ns``: at most between the looks at two processes.
    """

    is_live = False

    def __init__(
        self,
        seed: int,
        *,
        processes: int = 6,
        threads: int = 2,
        safe: bool = False,
        handing: bool = False,
        nap_ns: int = 300 * MS,
        busy_ns: int = 2 * SECOND,
        step_ns: int = 5 * MS,
        tear_ns: int = 15 * MS,
        end_ns: int = 900 * SECOND,
    ) -> None:
        self.clock = Clock(0)
        self.random = random.Random(seed)
        self._now_ns = SECOND
        self._end_ns = end_ns
        self._threads = threads
        self._safe, self._handing = safe, handing
        self._nap_ns, self._busy_ns, self._step_ns, self._tear_ns = nap_ns, busy_ns, step_ns, tear_ns
        self._pids = itertools.count(1000, 100)
        self._ids = itertools.count(1)
        self.processes: dict[int, SimProcess] = {}
        self.steps = 0
        self.transactions = 0
        for _ in range(processes):
            self._start()

    def _start(self) -> None:
        pid = next(self._pids)
        threads = {tid: SimThread(pid, tid) for tid in range(pid, pid + self.random.randint(1, self._threads))}
        self.processes[pid] = SimProcess(pid, threads)

    def kill(self, pids: set[int]) -> None:
        """Processes end; what was between them and the others fails. As many others begin."""
        for pid in pids:
            for thread in self.processes[pid].threads.values():
                if thread.state in (Blocked.SEND, Blocked.REPLY):
                    self._leave(thread)
            dead = self.processes.pop(pid)
            for thread in [*dead.queue, *dead.held]:
                self._run(thread)
            self._start()
        for process in self.processes.values():
            for thread in process.threads.values():
                if thread.state is Blocked.RECEIVE and thread.on in pids:
                    self._run(thread)

    def _leave(self, thread: SimThread) -> None:
        target = self.processes.get(thread.on)
        if target is not None:
            target.queue = [other for other in target.queue if other is not thread]
            target.held = [other for other in target.held if other is not thread]

    # ---- what happens

    def _run(self, thread: SimThread) -> None:
        thread.state, thread.on, thread.taken_by = Blocked.NOT, 0, 0
        thread.switches += 1
        thread.until_ns, thread.naps = self._now_ns, False

    def advance(self, ns: int) -> None:
        until = self._now_ns + ns
        while self._now_ns < until:
            self._now_ns = min(until, self._now_ns + self.random.randint(1, self._step_ns))
            self._step()

    def _step(self) -> None:
        self.steps += 1
        process = self.random.choice(list(self.processes.values()))
        if process.stopped_until_ns > self._now_ns:
            return
        if self.random.random() < 0.002:
            process.stopped_until_ns = self._now_ns + self.random.randint(1, 3 * SECOND)
            return
        for thread in process.threads.values():
            if thread.state is Blocked.NOT and thread.until_ns <= self._now_ns:
                self._act(process, thread)
            elif thread.state is Blocked.RECEIVE and not thread.on and self._now_ns - thread.since_ns > SECOND // 2:
                self._run(thread)  # its time ran out

    def _act(self, process: SimProcess, thread: SimThread) -> None:
        thread.switches += 1
        dice = self.random.random()
        mine = [client for client in process.held if self._handing or client.taken_by == thread.tid]
        if mine and dice < 0.4:
            client = self.random.choice(mine)
            process.held.remove(client)
            self._run(client)
            self.transactions += 1
        elif dice < 0.6:
            self._receive(process, thread, 0)
        elif dice < 0.85:
            self._send(process, thread)
        elif dice < 0.88:
            self._receive(process, thread, self.random.choice([p for p in self.processes if p != process.pid]))
        else:
            thread.naps = dice < 0.97
            thread.until_ns = self._now_ns + self.random.randint(1, self._nap_ns if thread.naps else self._busy_ns)

    def _send(self, process: SimProcess, thread: SimThread) -> None:
        target = self.processes[self.random.choice([pid for pid in self.processes if pid != process.pid])]
        thread.state, thread.on, thread.id, thread.since_ns = Blocked.SEND, target.pid, next(self._ids), self._now_ns
        process.sent += 1
        target.queue.append(thread)
        for other in target.threads.values():
            if other.state is Blocked.RECEIVE and other.on in (0, process.pid):
                self._take(target, other, thread)
                break
        if self._safe and self.stuck():
            self._leave(thread)
            self._run(thread)

    def _receive(self, process: SimProcess, thread: SimThread, sender: int) -> None:
        for client in process.queue:
            if sender in (0, client.pid):
                self._take(process, thread, client)
                return
        thread.state, thread.on, thread.since_ns = Blocked.RECEIVE, sender, self._now_ns
        if self._safe and self.stuck():
            self._run(thread)

    def _take(self, process: SimProcess, thread: SimThread, client: SimThread) -> None:
        process.queue.remove(client)
        process.held.append(client)
        process.received += 1
        client.state, client.taken_by = Blocked.REPLY, thread.tid
        self._run(thread)

    # ---- the truth

    def stuck(self) -> set[tuple[int, int]]:
        """Threads that nobody can help any more: take away who can be helped, until nothing changes."""
        left = {
            (thread.pid, thread.tid): thread
            for process in self.processes.values()
            for thread in process.threads.values()
            if thread.state is not Blocked.NOT and not (thread.state is Blocked.RECEIVE and not thread.on)
        }
        while True:
            free = [at for at, thread in left.items() if any(helper not in left for helper in self._helpers(thread))]
            if not free:
                return set(left)
            for at in free:
                del left[at]

    def _helpers(self, thread: SimThread) -> list[tuple[int, int]]:
        threads = [(thread.on, tid) for tid in self.processes[thread.on].threads]
        if thread.state is Blocked.REPLY and not self._handing:
            return [(thread.on, thread.taken_by)]
        return threads

    def is_named(self, pid: int, tid: int) -> bool:
        """Does the table say, of a thread that is blocked, which one it is? Of receivers it does not."""
        threads = self.processes[pid].threads
        return len(threads) == 1 or threads[tid].state is not Blocked.RECEIVE

    # ---- as a source

    def now_ns(self) -> int:
        return self._now_ns

    def pace(self, seconds: float) -> bool:
        self.advance(round(seconds * SECOND))
        return self._now_ns < self._end_ns

    def survey(self) -> list[Process]:
        found = []
        for pid in list(self.processes):
            self.advance(self.random.randint(1, self._tear_ns))
            if pid in self.processes:
                found.append(self._rows(self.processes[pid]))
        holders = {process.pid: process.taken for process in found}
        return [_with_holders(process, holders) for process in found]

    def _rows(self, process: SimProcess) -> Process:
        blocked = [
            Thread(thread.tid, thread.state, thread.on, thread.since_ns, process.sent, thread.id)
            for thread in process.threads.values()
            if thread.state in (Blocked.SEND, Blocked.REPLY)
        ]
        receiving = [thread for thread in process.threads.values() if thread.state is Blocked.RECEIVE]
        if receiving:
            last = max(receiving, key=lambda thread: thread.since_ns)
            blocked.append(Thread(0, Blocked.RECEIVE, last.on, last.since_ns, 0))
        return Process(
            process.pid,
            "sim",
            (),
            process.sent,
            process.received,
            0,
            0,
            len(receiving),
            Flag(0),
            {client.tid: client.taken_by for client in process.held},
            tuple(blocked),
        )

    def tasks(self, pid: int) -> Tasks:
        """What /proc would say."""
        process = self.processes.get(pid)
        if process is None:
            return {}
        is_stopped = process.stopped_until_ns > self._now_ns
        return {
            tid: Task(
                "T" if is_stopped else "S" if thread.naps or thread.state is not Blocked.NOT else "R", thread.switches
            )
            for tid, thread in process.threads.items()
        }

    def feed(self, wants: Wants, *, transfers: bool = False) -> AbstractContextManager[Feed]:
        raise AssertionError("this view needs no probes")


def process(
    pid: int, *blocked: Thread, receivers: int = 0, taken: dict[int, int] | None = None, received: int = 0, **kw: object
) -> Process:
    """For tests of a graph that is written down."""
    label = str(kw.get("program", f"program{pid}"))
    held = kw.get("names", ())
    assert isinstance(held, tuple)
    return Process(pid, label, held, 1, received, 0, 0, receivers, Flag(0), taken or {}, blocked)


def sends(tid: int, on: int, since: float = 1.0, id: int = 0) -> Thread:
    return Thread(tid, Blocked.SEND, on, round(since * SECOND), 1, id or tid, 10)


def awaits_reply(tid: int, on: int, by: int = 0, since: float = 1.0, id: int = 0) -> Thread:
    return Thread(tid, Blocked.REPLY, on, round(since * SECOND), 1, id or tid, 10, by)


def receives(on: int = 0, since: float = 1.0) -> Thread:
    return Thread(0, Blocked.RECEIVE, on, round(since * SECOND), 0)
