"""Who waits for whom, as a graph; and which of those who wait can not be helped by anybody any more.

Pure: from the rows of the waiting table to a graph, in linear time.

When is a waiting thread stuck? Each waits for somebody:

* SEND-blocked on a process: for *any* thread of it, since any may receive.
* REPLY- or SIGNAL-blocked: for the thread that received the message (any of the process, where that is not known).
* RECEIVE-blocked from one sender: for any thread of that sender. RECEIVE-blocked from anyone: for nobody in particular,
  so such a thread can act.

A thread can act if it is not in the table: it runs, or sleeps for something else. A process can act if one of its
threads can, as far as the table knows them: it has a thread that is RECEIVE-blocked from anyone, or that works on a
message and is not blocked, or none that is blocked at all. A process that is not in the table can act, too: nothing is
known of it. What waits for somebody who can act is not stuck, and so on, backwards. All the rest is stuck: whoever
could help is itself stuck. Among the stuck, everybody waits for somebody stuck, so there are circles. A cycle is one of
them, a strongly connected component; the stuck who only lead to it are the waiters behind.

Threads that are neither blocked nor at work on a message are not in the table. Whether a process has such threads, the
caller knows: ``restless`` are processes in which one of them may still act, ``others`` says how many there are. A cycle
is ``certain`` if nobody at all is left who could act: also no thread but the one that took the message could reply, and
no thread is left that the table does not know.

A Send with a time-out ends by itself. The table does not show time-outs, so its cycle is one for as long as it stands.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from srr.processes import Process, Thread
from srr.state import Blocked

#: A server is starved whose queue has not moved for so long, while none of its threads receives.
STARVED_NS = 1_000_000_000

_TAKEN = (Blocked.REPLY, Blocked.SIGNAL)


@dataclass(frozen=True, slots=True, order=True)
class Wait:
    """An edge: a thread (``tid`` 0: the receivers of a process) that waits for process ``on``."""

    pid: int
    tid: int
    on: int
    state: Blocked = field(compare=False)
    #: The thread of ``on`` that received the message; 0: none, or unknown.
    taken_by: int = field(default=0, compare=False)
    since_ns: int = field(default=0, compare=False)
    nbytes: int = field(default=0, compare=False)
    id: int = field(default=0, compare=False)

    def age_ns(self, now_ns: int) -> int | None:
        """How long it has slept; None: it is not asleep."""
        return max(0, now_ns - self.since_ns) if self.since_ns else None


@dataclass(frozen=True, slots=True)
class Cycle:
    """Threads that wait for each other in a circle."""

    #: Each one waits for the next, the last one for the first, if the circle is a simple one; else by pid.
    members: tuple[Wait, ...]
    #: The stuck who wait for a member, or for one who does.
    behind: tuple[Wait, ...]
    #: Nobody is left who could act, known or unknown.
    certain: bool

    @property
    def pids(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys(wait.pid for wait in self.members))


@dataclass(frozen=True, slots=True)
class Node:
    """A process, and those who wait for it."""

    pid: int
    #: None: it has no rows, or has ended.
    process: Process | None
    waits: tuple[Wait, ...]
    #: SEND-blocked on it, the oldest first.
    queue: tuple[Wait, ...]
    #: It received their messages and owes the reply.
    held: tuple[Wait, ...]
    #: RECEIVE-blocked from it.
    awaiting: tuple[Wait, ...]
    #: Its queue stands and none of its threads receives: all are busy, or gone. Not said of the deadlocked.
    starved: bool

    @property
    def waiters(self) -> tuple[Wait, ...]:
        return (*self.queue, *self.held, *self.awaiting)

    def queue_age_ns(self, now_ns: int) -> int | None:
        """How long the oldest message of the queue has waited."""
        return max((wait.age_ns(now_ns) or 0 for wait in self.queue), default=None)


@dataclass(frozen=True, slots=True)
class Graph:
    now_ns: int
    nodes: Mapping[int, Node]
    cycles: tuple[Cycle, ...]

    @property
    def waits(self) -> Iterator[Wait]:
        return (wait for node in self.nodes.values() for wait in node.waits)

    @property
    def starved(self) -> list[Node]:
        return [node for node in self.nodes.values() if node.starved]


def around(graph: Graph, pids: Collection[int]) -> Graph:
    """Only these, whom they wait for, and who waits for them, directly or not."""
    forth: defaultdict[int, list[int]] = defaultdict(list)
    back: defaultdict[int, list[int]] = defaultdict(list)
    for wait in graph.waits:
        forth[wait.pid].append(wait.on)
        back[wait.on].append(wait.pid)
    return only(graph, _reachable(pids, forth) | _reachable(pids, back))


def only(graph: Graph, pids: Collection[int]) -> Graph:
    """Without other processes, and without cycles that they are in."""
    nodes = {}
    for pid, node in graph.nodes.items():
        if pid in pids:
            waits, queue, held, awaiting = (
                tuple(wait for wait in waits if wait.pid in pids and wait.on in pids)
                for waits in (node.waits, node.queue, node.held, node.awaiting)
            )
            nodes[pid] = replace(node, waits=waits, queue=queue, held=held, awaiting=awaiting)
    cycles = tuple(cycle for cycle in graph.cycles if set(cycle.pids) <= nodes.keys())
    return Graph(graph.now_ns, nodes, cycles)


def waits_of(process: Process) -> Iterator[Wait]:
    """Those of its threads that wait for somebody in particular."""
    for thread in process.blocked:
        if thread.on > 0:
            yield _wait(process.pid, thread)


def _wait(pid: int, thread: Thread) -> Wait:
    return Wait(pid, thread.tid, thread.on, thread.state, thread.taken_by, thread.since_ns, thread.nbytes, thread.id)


def build(
    found: Sequence[Process], now_ns: int, cycles: Iterable[Cycle] = (), *, starved_ns: int = STARVED_NS
) -> Graph:
    """The graph of what was found. ``cycles``: those that are known to be true (``srr.trace.deadlock``)."""
    queues: defaultdict[int, list[Wait]] = defaultdict(list)
    held: defaultdict[int, list[Wait]] = defaultdict(list)
    awaiting: defaultdict[int, list[Wait]] = defaultdict(list)
    own = {process.pid: tuple(waits_of(process)) for process in found}
    for waits in own.values():
        for wait in waits:
            by_state = queues if wait.state is Blocked.SEND else held if wait.state in _TAKEN else awaiting
            by_state[wait.on].append(wait)
    known = {process.pid: process for process in found}
    cycles = tuple(cycles)
    deadlocked = {wait.pid for cycle in cycles for wait in cycle.members}
    nodes = {}
    for pid in sorted({*known, *queues, *held, *awaiting}):
        queue = sorted(queues[pid], key=lambda wait: (not wait.since_ns, wait.since_ns, wait))
        process = known.get(pid)
        nodes[pid] = Node(
            pid,
            process,
            own.get(pid, ()),
            tuple(queue),
            tuple(held[pid]),
            tuple(awaiting[pid]),
            process is not None
            and process.receivers == 0
            and pid not in deadlocked
            and _oldest_ns(queue, now_ns) >= starved_ns,
        )
    return Graph(now_ns, nodes, cycles)


def _oldest_ns(queue: list[Wait], now_ns: int) -> int:
    return max((wait.age_ns(now_ns) or 0 for wait in queue), default=0)


@dataclass(frozen=True, slots=True)
class Stuck:
    """What ``find_stuck`` found: the cycles, and the processes whose other threads may matter for them."""

    cycles: tuple[Cycle, ...]
    pids: frozenset[int]


def find_stuck(
    found: Sequence[Process],
    *,
    restless: Collection[int] = (),
    unsteady: Collection[tuple[int, int]] = (),
    others: Mapping[int, int] | None = None,
) -> Stuck:
    """The cycles among those who wait, as defined above.

    ``unsteady``: rows (pid, tid) that are not to be relied on; they count as threads that can act. ``others``: by
    process the number of its threads that the table does not show; a process that is not in there counts as having
    some, and no cycle through it is certain. None, for a first look: the table does not name receivers, so a thread
    that took a message may be the one that is RECEIVE-blocked, and is taken for it.
    """
    actors = _Actors(found, restless, unsteady, others)
    stuck = actors.stuck()
    if not stuck:
        return Stuck((), frozenset())
    certain = actors.stuck(strictly=True, others=others or {})
    components = _components(stuck, actors.helpers)
    back: defaultdict[int, list[int]] = defaultdict(list)
    for actor in stuck:
        for helper in actors.helpers[actor]:
            back[helper].append(actor)
    in_a_cycle = {actor for component in components for actor in component}
    cycles = []
    for component in components:
        members = sorted(actors.waits[actor] for actor in component if actor in actors.waits)
        behind = sorted(
            actors.waits[actor]
            for actor in _reachable(component, back)
            if actor in actors.waits and actor not in in_a_cycle
        )
        cycles.append(
            Cycle(_as_a_ring(members), tuple(behind), all(actor in certain for actor in component)),
        )
    waits = [actors.waits[actor] for actor in stuck if actor in actors.waits]
    concerned = {wait.pid for wait in waits} | {wait.on for wait in waits}
    return Stuck(
        tuple(sorted(cycles, key=lambda cycle: min(cycle.members))),
        frozenset(process.pid for process in found if process.pid in concerned),
    )


class _Actors:
    """Everybody who waits, and every process, by number; and by whom each could be helped."""

    def __init__(
        self,
        found: Sequence[Process],
        restless: Collection[int],
        unsteady: Collection[tuple[int, int]],
        others: Mapping[int, int] | None,
    ) -> None:
        self._others = others
        self._processes = {process.pid: process for process in found}
        self._of_pid = {process.pid: n for n, process in enumerate(found)}
        self.waits: dict[int, Wait] = {}
        #: By thread; receivers are (pid, 0).
        self._of_thread: dict[tuple[int, int], int] = {}
        self._of_tid: dict[int, int] = {}
        for process in found:
            for wait in waits_of(process):
                actor = len(found) + len(self.waits)
                self.waits[actor] = wait
                self._of_thread[wait.pid, wait.tid] = actor
                self._of_tid[wait.tid] = actor
        self._sends = {(wait.pid, wait.on) for wait in self.waits.values() if wait.state is Blocked.SEND}
        self._able = {
            *(self._of_pid[pid] for pid in restless if pid in self._of_pid),
            *(self._of_thread[row] for row in unsteady if row in self._of_thread),
        }
        self.helpers: dict[int, tuple[int, ...]] = {}
        for process in found:
            self._add_process(process)
        for actor, wait in self.waits.items():
            self._add_wait(actor, wait)

    def _add_process(self, process: Process) -> None:
        actor = self._of_pid[process.pid]
        threads = [
            self._of_thread[process.pid, thread.tid]
            for thread in process.blocked
            if (process.pid, thread.tid) in self._of_thread
        ]
        self.helpers[actor] = tuple(threads)
        # More than one receiver: the table tells of one of them only from whom it receives.
        may_receive = process.receivers > 1 or (process.receivers and (process.pid, 0) not in self._of_thread)
        works = any(self._waiting(process.pid, tid) is None for tid in process.taken.values())
        unknown = any(thread.on <= 0 and thread.state is not Blocked.RECEIVE for thread in process.blocked)
        if may_receive or works or unknown or not threads:
            self._able.add(actor)

    def _waiting(self, pid: int, tid: int) -> int | None:
        """A thread, if it waits. Where all threads are accounted for, one that is not named must be the receiver."""
        if (pid, tid) in self._of_thread:
            return self._of_thread[pid, tid]
        all_known = self._others is None or self._others.get(pid, 1) == 0
        return self._of_thread.get((pid, 0)) if all_known else None

    def _add_wait(self, actor: int, wait: Wait) -> None:
        self.helpers[actor] = ()
        target = self._of_pid.get(wait.on)
        if wait.state is Blocked.RECEIVE:
            if self._processes[wait.pid].receivers > 1 or (wait.on, wait.pid) in self._sends:
                self._able.add(actor)  # it will be woken: what it waits for is there
            elif target is None:
                target = self._of_tid.get(wait.on)  # it receives from one thread only
        elif wait.state in _TAKEN and wait.taken_by:
            target = self._waiting(wait.on, wait.taken_by)
        elif wait.state is Blocked.SEND and target is not None:
            receiving = self._of_thread.get((wait.on, 0))
            if receiving is not None and self.waits[receiving].on in (wait.pid, wait.tid):
                self._able.add(actor)  # it is just this sender that it receives from
        if target is None:
            self._able.add(actor)
        else:
            self.helpers[actor] = (target,)

    def stuck(self, *, strictly: bool = False, others: Mapping[int, int] | None = None) -> set[int]:
        """All that can not be helped. ``strictly``: any thread of a process may reply, also one not in the table."""
        helpers = self.helpers
        able = set(self._able)
        if strictly:
            helpers = dict(self.helpers)
            for actor, wait in self.waits.items():
                if wait.state in _TAKEN and wait.on in self._of_pid:
                    helpers[actor] = (self._of_pid[wait.on],)
            assert others is not None
            able |= {actor for pid, actor in self._of_pid.items() if others.get(pid, 1) > 0}
        helped: defaultdict[int, list[int]] = defaultdict(list)
        for actor, its in helpers.items():
            for helper in its:
                helped[helper].append(actor)
        return set(helpers) - _reachable(able, helped)


def _reachable(start: Iterable[int], edges: Mapping[int, Sequence[int]]) -> set[int]:
    seen = set(start)
    todo = list(seen)
    while todo:
        for there in edges.get(todo.pop(), ()):
            if there not in seen:
                seen.add(there)
                todo.append(there)
    return seen


def _components(actors: set[int], edges: Mapping[int, Sequence[int]]) -> list[list[int]]:
    """Strongly connected components that have an edge inside (Tarjan's algorithm, without recursion)."""
    number: dict[int, int] = {}
    low: dict[int, int] = {}
    path: list[int] = []
    on_path: set[int] = set()
    found = []
    for root in sorted(actors):
        if root in number:
            continue
        calls = [(root, iter(edges[root]))]
        number[root] = low[root] = len(number)
        path.append(root)
        on_path.add(root)
        while calls:
            actor, rest = calls[-1]
            for there in rest:
                if there not in actors:
                    continue
                if there not in number:
                    number[there] = low[there] = len(number)
                    path.append(there)
                    on_path.add(there)
                    calls.append((there, iter(edges[there])))
                    break
                if there in on_path:
                    low[actor] = min(low[actor], number[there])
            else:
                calls.pop()
                if calls:
                    low[calls[-1][0]] = min(low[calls[-1][0]], low[actor])
                if low[actor] == number[actor]:
                    component: list[int] = []
                    while not component or component[-1] != actor:
                        component.append(path.pop())
                    on_path.difference_update(component)
                    if len(component) > 1 or actor in edges[actor]:
                        found.append(component)
    return found


def _as_a_ring(members: list[Wait]) -> tuple[Wait, ...]:
    """In the order in which they wait for each other, if each waits for exactly one; else as they are."""
    by_pid: defaultdict[int, list[Wait]] = defaultdict(list)
    by_thread = {(wait.pid, wait.tid): wait for wait in members}
    for wait in members:
        by_pid[wait.pid].append(wait)
    ring = [members[0]]
    while len(ring) <= len(members):
        last = ring[-1]
        after = by_pid[last.on][:2]
        if last.state in _TAKEN and (last.on, last.taken_by) in by_thread:
            after = [by_thread[last.on, last.taken_by]]
        if len(after) != 1:
            return tuple(members)
        if after[0] is ring[0]:
            return tuple(ring) if len(ring) == len(members) else tuple(members)
        ring.append(after[0])
    return tuple(members)
