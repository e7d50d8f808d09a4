"""The waiting table as changes tell it: what each thread is blocked on, kept up with event by event. Pure.

It begins with a survey, for what was blocked before anybody listened, and is corrected by further ones: where a
change was lost, or a copy of the library could not be listened to. A survey takes some milliseconds; a thread that
did something meanwhile is left as its changes have it, for nobody knows whether the survey saw it before or after.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from srr.processes import Process, Thread
from srr.state import Blocked, Flag
from srr.trace.events import Change, Frames, Kind, Transaction

#: Threads whose last transaction is remembered, so that what the server says of it afterwards is not taken for news.
_REMEMBERED = 65536


@dataclass(frozen=True, slots=True)
class Survey:
    """A look at the table, and between which moments it was taken."""

    began_ns: int
    ended_ns: int
    processes: tuple[Process, ...]


class Wait(NamedTuple):
    """What a thread is blocked on, as srr.processes.Thread says it."""

    pid: int
    tid: int
    state: Blocked
    on: int
    since_ns: int
    id: int = 0
    nbytes: int = 0
    taken_by: int = 0


@dataclass(slots=True)
class Receivers:
    """RECEIVE-blocked threads of a process that a survey has counted, and that no change has named."""

    count: int = 0
    on: int = 0
    since_ns: int = 0


@dataclass(slots=True)
class _Member:
    """A process."""

    #: What the last survey said; program and counts only.
    base: Process
    sent: int = 0
    received: int = 0
    unnamed: Receivers = field(default_factory=Receivers)
    #: The last time that one of its threads began or ended to be RECEIVE-blocked.
    receive_ns: int = 0


#: Told of each change of what a thread is blocked on: before, after, when.
Listener = Callable[[Wait | None, Wait | None, int], None]

#: What a process runs, and the names it holds.
Known = tuple[str, tuple[str, ...]]


def nobody_known(pid: int) -> Known:
    return "", ()


class StateModel:
    """``known``: who a process is that no survey has seen yet."""

    def __init__(self, listener: Listener | None = None, known: Callable[[int], Known] = nobody_known) -> None:
        self._listener = listener
        self._known = known
        self._members: dict[int, _Member] = {}
        #: By thread; thread numbers are the machine's, so no two processes share one.
        self.waits: dict[int, Wait] = {}
        #: When a thread last changed.
        self._touched: dict[int, int] = {}
        self._finished: dict[int, int] = {}

    def unnamed(self, pid: int) -> Receivers:
        member = self._members.get(pid)
        return member.unnamed if member is not None else Receivers()

    def shown(self, pid: int) -> Known:
        member = self._members.get(pid)
        return (member.base.program, member.base.names) if member is not None else self._known(pid)

    def apply(self, event: Transaction | Change | Frames) -> None:
        """Events come by time; a few microseconds out of order do no harm."""
        if isinstance(event, Transaction):
            self._ended(event)
        elif isinstance(event, Change):
            handler = _HANDLERS.get(event.kind)
            if handler is not None:
                handler(self, event)

    def correct(self, survey: Survey) -> None:
        """By a survey, once all changes up to its end have been applied."""
        seen = {process.pid: process for process in survey.processes}
        for pid in [pid for pid in self._members if pid not in seen]:
            self._forget(pid, survey)
        for process in survey.processes:
            self._correct(process, survey)

    def survey(self) -> list[Process]:
        """As srr.processes.survey would have said."""
        blocked: dict[int, list[Thread]] = {}
        receiving: dict[int, list[Wait]] = {}
        taken: dict[int, dict[int, int]] = {}
        for wait in self.waits.values():
            if wait.state is Blocked.RECEIVE:
                receiving.setdefault(wait.pid, []).append(wait)
                continue
            blocked.setdefault(wait.pid, []).append(
                Thread(wait.tid, wait.state, wait.on, wait.since_ns, 0, wait.id, wait.nbytes, wait.taken_by)
            )
            if wait.state is not Blocked.SEND:
                taken.setdefault(wait.on, {})[wait.tid] = wait.taken_by
        return [
            self._as_process(pid, blocked.get(pid, []), receiving.get(pid, []), taken.get(pid, {}))
            for pid in sorted(self._members)
        ]

    def _as_process(self, pid: int, threads: list[Thread], receiving: list[Wait], taken: dict[int, int]) -> Process:
        member = self._members[pid]
        threads.sort(key=lambda thread: thread.tid)
        unnamed = member.unnamed
        receivers = len(receiving) + unnamed.count
        if receivers:
            last = max(receiving, key=lambda wait: wait.since_ns, default=None)
            on, since = (unnamed.on, unnamed.since_ns) if last is None else (last.on, last.since_ns)
            threads.append(Thread(0, Blocked.RECEIVE, on, since, 0))
        return replace(
            member.base,
            sent=member.sent,
            received=member.received,
            receivers=receivers,
            taken=taken,
            blocked=tuple(threads),
        )

    # ---- events

    def _member(self, pid: int) -> _Member:
        member = self._members.get(pid)
        if member is None:
            base = Process(pid, *self._known(pid), 0, 0, 0, 0, 0, Flag(0), {}, ())
            member = self._members[pid] = _Member(base)
        return member

    def _become(self, tid: int, after: Wait | None, when: int) -> None:
        before = self.waits.get(tid)
        if after is not None:
            self.waits[tid] = after
        elif before is not None:
            del self.waits[tid]
        self._touched[tid] = when
        if self._listener is not None and (before is not None or after is not None):
            self._listener(before, after, when)

    def _send(self, change: Change) -> None:
        member, before = self._member(change.pid), self.waits.get(change.tid)
        if before is None or before.state is Blocked.RECEIVE:
            member.sent += 1  # else it is the next receiver's turn, after a Relay
        self._become(
            change.tid,
            Wait(change.pid, change.tid, Blocked.SEND, change.peer, change.time_ns, change.id, change.nbytes),
            change.time_ns,
        )

    def _receive(self, change: Change) -> None:
        member = self._member(change.pid)
        if change.id == 0:
            return  # a proxy or a notice: nobody waits
        member.received += 1
        if self._finished.get(change.peer_thread) == change.id:
            return  # the client had left
        before = self.waits.get(change.peer_thread)
        nbytes = before.nbytes if before is not None and before.id == change.id else change.extra
        self._become(
            change.peer_thread,
            Wait(
                change.peer,
                change.peer_thread,
                Blocked.REPLY,
                change.pid,
                change.time_ns,
                change.id,
                nbytes,
                change.tid,
            ),
            change.time_ns,
        )
        self._member(change.peer)

    def _reply(self, change: Change) -> None:
        before = self.waits.get(change.peer_thread)
        if before is not None and before.id == change.id:
            self._become(change.peer_thread, None, change.time_ns)

    def _relay(self, change: Change) -> None:
        """It will be sent on by its own thread, which tells so; until then it is as good as there."""
        before = self.waits.get(change.peer_thread)
        if before is not None and before.id == change.id:
            after = before._replace(state=Blocked.SEND, on=change.extra, since_ns=change.time_ns, taken_by=0)
            self._become(change.peer_thread, after, change.time_ns)

    def _signal(self, change: Change) -> None:
        before = self.waits.get(change.tid)
        if before is not None and before.id == change.id:
            after = before._replace(state=Blocked.SIGNAL, since_ns=change.time_ns)
            self._become(change.tid, after, change.time_ns)

    def _wait(self, change: Change) -> None:
        self._member(change.pid).receive_ns = change.time_ns
        after = Wait(change.pid, change.tid, Blocked.RECEIVE, change.peer, change.time_ns)
        self._become(change.tid, after, change.time_ns)

    def _wake(self, change: Change) -> None:
        member = self._member(change.pid)
        member.receive_ns = change.time_ns
        before = self.waits.get(change.tid)
        if before is None and member.unnamed.count > 0:
            member.unnamed.count -= 1
            # Now it has a name: it was blocked since then.
            before = Wait(change.pid, change.tid, Blocked.RECEIVE, member.unnamed.on, member.unnamed.since_ns)
            self.waits[change.tid] = before
        if before is not None and before.state is Blocked.RECEIVE:
            self._become(change.tid, None, change.time_ns)

    def _exit(self, change: Change) -> None:
        if change.tid in self.waits:
            self._become(change.tid, None, change.time_ns)
        self._touched.pop(change.tid, None)
        self._finished.pop(change.tid, None)

    def _ended(self, transaction: Transaction) -> None:
        member = self._member(transaction.client)
        tid = transaction.client_thread
        if len(self._finished) >= _REMEMBERED:
            self._finished.clear()
        self._finished[tid] = transaction.id
        before = self.waits.get(tid)
        if before is not None and before.state is not Blocked.RECEIVE:
            self._become(tid, None, transaction.ended_ns)
        elif before is None and self._touched.get(tid, 0) < transaction.began_ns:
            member.sent += 1  # its changes were not seen

    # ---- surveys

    def _forget(self, pid: int, survey: Survey) -> None:
        """It is not in the survey: it has ended, unless it came meanwhile."""
        mine = [tid for tid, wait in self.waits.items() if wait.pid == pid]
        member = self._members[pid]
        newest = max((self._touched.get(tid, 0) for tid in mine), default=0)
        if max(newest, member.receive_ns) >= survey.began_ns:
            return
        for tid in mine:
            self._become(tid, None, survey.began_ns)
        del self._members[pid]

    def _correct(self, process: Process, survey: Survey) -> None:
        member = self._member(process.pid)
        member.base = replace(process, blocked=(), taken={})
        member.sent, member.received = process.sent, process.received
        told = {thread.tid: thread for thread in process.blocked if thread.tid != 0}
        for tid in [tid for tid, wait in self.waits.items() if wait.pid == process.pid]:
            wait = self.waits[tid]
            if tid not in told and wait.state is not Blocked.RECEIVE and self._touched.get(tid, 0) < survey.began_ns:
                self._become(tid, None, survey.began_ns)
        for tid, thread in told.items():
            if self._touched.get(tid, 0) >= survey.began_ns or self._finished.get(tid) == thread.id != 0:
                continue
            before = self.waits.get(tid)
            if before is not None and (before.id, before.state, before.on) == (thread.id, thread.state, thread.on):
                continue
            since = thread.since_ns or survey.began_ns
            after = Wait(process.pid, tid, thread.state, thread.on, since, thread.id, thread.nbytes, thread.taken_by)
            self._become(tid, after, survey.began_ns)
        if member.receive_ns < survey.began_ns:
            self._count_receivers(member, process, survey)

    def _count_receivers(self, member: _Member, process: Process, survey: Survey) -> None:
        named = [tid for tid, wait in self.waits.items() if wait.pid == process.pid and wait.state is Blocked.RECEIVE]
        if process.receivers < len(named):
            for tid in named:  # some have gone, unseen: which, nobody knows
                self._become(tid, None, survey.began_ns)
            named = []
        entry = next((thread for thread in process.blocked if thread.state is Blocked.RECEIVE), None)
        on, since = (entry.on, entry.since_ns) if entry is not None else (0, 0)
        if member.unnamed.count != process.receivers - len(named):
            member.unnamed = Receivers(process.receivers - len(named), on, since or survey.began_ns)


_HANDLERS: dict[Kind, Callable[[StateModel, Change], None]] = {
    Kind.SEND: StateModel._send,
    Kind.RECEIVE: StateModel._receive,
    Kind.REPLY: StateModel._reply,
    Kind.RELAY: StateModel._relay,
    Kind.SIGNAL: StateModel._signal,
    Kind.WAIT: StateModel._wait,
    Kind.WAKE: StateModel._wake,
    Kind.EXIT: StateModel._exit,
}


def waiting_longer_than(waits: Iterable[Wait], limit_ns: int, now_ns: int) -> Wait | None:
    """A Send that has been going on for so long already; None: there is none."""
    return next(
        (wait for wait in waits if wait.state is not Blocked.RECEIVE and now_ns - wait.since_ns >= limit_ns), None
    )
