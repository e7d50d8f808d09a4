"""From events to what Perfetto draws.

A process has its threads' tracks and, below them, a track for each message that it holds at the same time. On a
thread's track are its Sends, and in a Send what it was blocked on (SEND-, REPLY-, SIGNAL-blocked, wake-up); between
Sends it may be RECEIVE-blocked. Arrows go from SEND-blocked to the message at the server, and from there to the
wake-up. On tracks of their own: copies of bytes, system calls.

A Send is drawn when it has ended: then its transaction tells its times exactly. One that goes on for longer than
STREAMED is begun before, by the times of its changes, so that it is seen even if we are killed; so is what is still
blocked at the end. All slices of a track follow one another or lie within one another: a clock that disagrees by some
nanoseconds is held back.
"""

from __future__ import annotations

from collections.abc import Callable

from srr.state import Blocked, Lane
from srr.trace.events import Change, Frames, Kind, Transaction, status_name
from srr.trace.perfetto_file import Notes, Packets
from srr.trace.statemodel import Known, StateModel, Survey, Wait

#: Nanoseconds after which what is not over is begun to be drawn.
STREAMED = 1_000_000_000

_SYSCALLS = ("futex", "process_vm_readv", "process_vm_writev")


class _Line:
    """A track: nothing on it begins or ends before what was drawn last."""

    __slots__ = ("_packets", "cursor", "depth", "uuid")

    def __init__(self, packets: Packets, uuid: int) -> None:
        self._packets, self.uuid, self.cursor, self.depth = packets, uuid, 0, 0

    def begin(self, when: int, name: str, flow: int = 0, ends_flow: bool = False) -> None:
        self.cursor = max(when, self.cursor)
        self.depth += 1
        self._packets.begin(self.uuid, self.cursor, name, flow, ends_flow)

    def end(self, when: int, notes: Notes | None = None) -> None:
        self.cursor = max(when, self.cursor)
        self.depth -= 1
        self._packets.end(self.uuid, self.cursor, notes)

    def slice(self, since: int, until: int, name: str, flow: int = 0, ends_flow: bool = False) -> None:
        self.begin(since, name, flow, ends_flow)
        self.end(until)


class Tracks:
    """Told of events and surveys by time; ``packets`` grows."""

    def __init__(self, packets: Packets, known: Callable[[int], Known]) -> None:
        self.model = StateModel(self._changed, known)
        self._packets = packets
        self._processes: dict[int, tuple[int, str]] = {}
        self._threads: dict[int, _Line] = {}
        self._children: dict[tuple[int, str], _Line] = {}
        #: Free tracks for messages, by server; and which a client thread's message is on.
        self._free: dict[int, list[_Line]] = {}
        self._messages: dict[int, _Line] = {}
        #: Of a Send that is not drawn yet: what it was blocked on, and until when.
        self._legs: dict[int, list[tuple[Wait, int]]] = {}
        #: Threads whose Send, or RECEIVE-blocked slice, is drawn as it comes.
        self._streamed: set[int] = set()
        self._labels: dict[int, str] = {}
        self._states: dict[tuple[Blocked, int], str] = {}

    def apply(self, event: Transaction | Change | Frames) -> None:
        self.model.apply(event)
        if isinstance(event, Transaction):
            self._done(event)
        elif isinstance(event, Change):
            if event.kind is Kind.TRANSFER:
                self._transfer(event)
            elif event.kind is Kind.SYSCALL:
                self._syscall(event)
            elif event.kind is Kind.TRIGGER:
                notes: Notes = {"owner": event.peer, "proxy": event.peer_thread, "waiting": event.extra}
                thread = self._thread(event.pid, event.tid)
                self._packets.instant(thread.uuid, event.time_ns, f"Trigger {self._label(event.peer)}", notes)
            elif event.kind is Kind.EXIT:
                self._exit(event)

    def correct(self, survey: Survey) -> None:
        self.model.correct(survey)
        self._labels.clear()
        self._states.clear()
        for process in survey.processes:
            self._process(process.pid)
        for wait in list(self.model.waits.values()):
            if wait.tid not in self._streamed and survey.ended_ns - wait.since_ns >= STREAMED:
                self._stream(wait)

    def finish(self) -> None:
        """What is blocked still: begun, and without an end."""
        for wait in list(self.model.waits.values()):
            if wait.tid not in self._streamed:
                self._stream(wait)
        for tid in list(self._legs):
            self._give_up(tid)
        for pid, (uuid, _) in self._processes.items():
            unnamed = self.model.unnamed(pid)
            if unnamed.count > 0:
                line = _Line(self._packets, self._packets.child(uuid, "receivers"))
                line.begin(unnamed.since_ns, f"RECEIVE-blocked: {unnamed.count} since before the recording")

    # ---- states

    def _changed(self, before: Wait | None, after: Wait | None, when: int) -> None:
        """The model's listener."""
        if before is not None and before.state is Blocked.RECEIVE:
            if before.tid in self._streamed:
                self._streamed.discard(before.tid)
                self._thread(before.pid, before.tid).end(when)
            else:
                self._thread(before.pid, before.tid).slice(before.since_ns, when, self._state(before))
            before = None
        if before is None and after is not None and after.state is not Blocked.RECEIVE:
            self._give_up(after.tid)  # its last transaction was lost
        if before is not None:
            if before.tid in self._streamed:
                self._thread(before.pid, before.tid).end(when)
            else:
                self._legs.setdefault(before.tid, []).append((before, when))
        if after is not None and after.state is not Blocked.RECEIVE and after.tid in self._streamed:
            self._thread(after.pid, after.tid).begin(after.since_ns, self._state(after), _flow(after))
        self._message(before, after, when)

    def _message(self, before: Wait | None, after: Wait | None, when: int) -> None:
        """The server has received it, or holds it no more."""
        was, now = _held(before), _held(after)
        if was is not None and now is not None and was.id == now.id:
            return
        if was is not None:
            line = self._messages.pop(was.tid, None)
            if line is not None:
                line.end(when)
                self._free.setdefault(was.on, []).append(line)
        if now is not None:
            free = self._free.setdefault(now.on, [])
            line = free.pop() if free else _Line(self._packets, self._packets.child(self._process(now.on), "messages"))
            line.begin(now.since_ns, f"message of {self._label(now.pid)}", now.id)
            self._messages[now.tid] = line

    def _stream(self, wait: Wait) -> None:
        """Draw what there is of it, and go on as it comes."""
        self._streamed.add(wait.tid)
        line = self._thread(wait.pid, wait.tid)
        if wait.state is Blocked.RECEIVE:
            line.begin(wait.since_ns, self._state(wait))
            return
        legs = self._legs.pop(wait.tid, [])
        first = legs[0][0] if legs else wait
        line.begin(first.since_ns, f"Send {self._label(first.on)}")
        for leg, until in legs:
            line.slice(leg.since_ns, until, self._state(leg), _flow(leg))
        line.begin(wait.since_ns, self._state(wait), _flow(wait))

    def _give_up(self, tid: int) -> None:
        """A Send whose transaction was not told: what its changes said."""
        legs = self._legs.pop(tid, [])
        line = self._threads.get(tid)
        if tid in self._streamed:
            self._streamed.discard(tid)
            if line is not None and line.depth > 0:
                line.end(line.cursor)
        elif legs:
            line = self._thread(legs[0][0].pid, tid)
            line.begin(legs[0][0].since_ns, f"Send {self._label(legs[0][0].on)}")
            for leg, until in legs:
                line.slice(leg.since_ns, until, self._state(leg), _flow(leg))
            line.end(legs[-1][1])

    def _done(self, done: Transaction) -> None:
        line = self._thread(done.client, done.client_thread)
        streamed = done.client_thread in self._streamed
        self._streamed.discard(done.client_thread)
        if not streamed:
            line.begin(done.began_ns, f"Send {self._label(done.server)}")
            for wait, until in self._exactly(done, self._legs.pop(done.client_thread, [])):
                line.slice(wait.since_ns, until, self._state(wait), _flow(wait))
        elif line.depth == 0:
            return  # it was given up
        if done.is_timed:
            line.slice(done.replied_ns, done.woken_ns, "wake-up", done.id, ends_flow=True)
        line.end(done.ended_ns, _notes(done))

    @staticmethod
    def _exactly(done: Transaction, legs: list[tuple[Wait, int]]) -> list[tuple[Wait, int]]:
        """What it was blocked on: the last receiver by the transaction's own times, others by the changes'."""
        if not done.is_timed:
            return legs
        exact = [(leg, min(until, done.published_ns)) for leg, until in legs if leg.id != done.id]
        exact = [(leg, until) for leg, until in exact if leg.since_ns <= until]
        who = (done.client, done.client_thread)
        exact.append((Wait(*who, Blocked.SEND, done.server, done.published_ns, done.id), done.received_ns))
        signals = [leg for leg, _ in legs if leg.id == done.id and leg.state is Blocked.SIGNAL]
        answered = min([done.replied_ns, *(leg.since_ns for leg in signals)])
        exact.append((Wait(*who, Blocked.REPLY, done.server, done.received_ns, done.id), answered))
        if signals:
            exact.append((signals[0], done.replied_ns))
        return exact

    def _exit(self, change: Change) -> None:
        self._give_up(change.tid)
        line = self._threads.pop(change.tid, None)
        if line is not None:
            self._packets.instant(line.uuid, change.time_ns, "exit")
        for name in ("transfers", "system calls"):
            self._children.pop((change.tid, name), None)
        if change.tid == change.pid:
            self._processes.pop(change.pid, None)
            self._free.pop(change.pid, None)
            self._labels.pop(change.pid, None)
            self._states.clear()

    # ---- what else happens

    def _transfer(self, change: Change) -> None:
        line = self._child(change, "transfers")
        line.begin(change.time_ns - change.extra, "write to the client" if change.detail >> 8 & 1 else "read")
        lane = change.detail & 0xFF
        shown = str(Lane(lane)) if lane in Lane._value2member_map_ else "none"
        line.end(change.time_ns, {"bytes": change.nbytes, "lane": shown, "client": change.peer, "id": change.id})

    def _syscall(self, change: Change) -> None:
        line = self._child(change, "system calls")
        name = _SYSCALLS[change.detail] if change.detail < len(_SYSCALLS) else "?"
        line.begin(change.time_ns - change.extra, name)
        result = change.nbytes if change.nbytes < 1 << 63 else change.nbytes - (1 << 64)
        line.end(change.time_ns, {"result": str(result)})

    # ---- tracks and names

    def _process(self, pid: int) -> int:
        """The track's uuid; it is described again if its name has changed."""
        label = self._label(pid)
        known = self._processes.get(pid)
        if known is None or known[1] != label:
            uuid = self._packets.process(pid, label.removesuffix(f" {pid}"), known[0] if known else 0)
            known = self._processes[pid] = (uuid, label)
        return known[0]

    def _thread(self, pid: int, tid: int) -> _Line:
        line = self._threads.get(tid)
        if line is None:
            self._process(pid)
            name = self._label(pid).removesuffix(f" {pid}")
            line = self._threads[tid] = _Line(self._packets, self._packets.thread(pid, tid, name))
        return line

    def _child(self, change: Change, name: str) -> _Line:
        line = self._children.get((change.tid, name))
        if line is None:
            parent = self._thread(change.pid, change.tid)
            line = _Line(self._packets, self._packets.child(parent.uuid, name))
            self._children[change.tid, name] = line
        return line

    def _label(self, pid: int) -> str:
        """`plc 4711`: its first name or its program, and its number."""
        label = self._labels.get(pid)
        if label is None:
            program, names = self.model.shown(pid)
            label = self._labels[pid] = f"{names[0] if names else program or '?'} {pid}" if pid else "nobody"
        return label

    def _state(self, wait: Wait) -> str:
        key = (wait.state, wait.on)
        text = self._states.get(key)
        if text is None:
            on = f" on {self._label(wait.on)}" if wait.on else ""
            text = self._states[key] = f"{wait.state}-blocked{on}"
        return text


def _flow(wait: Wait) -> int:
    """The arrow begins where it is SEND-blocked."""
    return wait.id if wait.state is Blocked.SEND else 0


def _held(wait: Wait | None) -> Wait | None:
    """If its server has it."""
    return wait if wait is not None and wait.state in (Blocked.REPLY, Blocked.SIGNAL) else None


def _notes(done: Transaction) -> Notes:
    notes: Notes = {
        "id": done.id,
        "server": done.server,
        "server_thread": done.server_thread,
        "sent": done.sent,
        "replied": done.replied,
        "lane": str(done.lane),
        "status": status_name(done.status),
        "transfer_ns": done.transfer_ns,
    }
    if done.is_timed:
        notes |= {
            "queue_ns": done.received_ns - done.published_ns,
            "service_ns": done.replied_ns - done.received_ns,
            "wakeup_ns": done.woken_ns - done.replied_ns,
        }
    if done.type is not None:
        notes["type"] = done.type
    if done.legs > 1:
        notes["relayed"] = done.legs - 1
    if done.peek is not None:
        notes["peek"] = done.peek.decode("latin-1")
    return notes
