"""The supervisor: starts everybody, replies to what they report, kills and replaces one, collects the books.

It never Sends, so it can not be part of a deadlock. One thread does all of it: Receive until something is due.
Another one may look on (srr.demo.watch).
"""

from __future__ import annotations

import errno
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import srr
from srr import processes
from srr.demo.account import Account, Failed, Progress, Statement
from srr.demo.children import Children
from srr.demo.fault import Fault, Hunt
from srr.demo.node import listen
from srr.demo.plan import Member
from srr.demo.users import Users
from srr.demo.wire import ACK, HEAD, Kind, Order, head, pack, unpack

#: Seconds that the start, the end, and the recovery from the killed server may take before the demo gives up.
_START, _END, _RECOVERY = 60.0, 30.0, 30.0
#: When to announce that a server will be killed, and when to do it, as parts of the time.
_ANNOUNCE_AT, _KILL_AT = 0.4, 0.45
#: Where we have a helper of our own: when it is killed, and how long it is away.
_HELPER_AT, _AWAY = 0.7, 0.5
#: While we hunt for the right moment to kill, we look this often; else something may be due this often.
_HUNT, _TICK = 0.001, 0.05


@dataclass
class Person:
    """A process that fills a place of the plan."""

    member: Member
    number: int
    pid: int
    started: float = field(default_factory=time.monotonic)
    hello: srr.Message | None = None
    #: The last reports, with the time at which they came: about a second of them.
    progress: deque[tuple[float, Progress]] = field(default_factory=lambda: deque(maxlen=5))
    #: The books, the length of the message that brought them, and what the waiting table said: sent, received, healed.
    books: Statement | None = None
    books_bytes: int = 0
    table: tuple[int, int, int] = (0, 0, 0)
    dead: bool = False


class Broken(Exception):
    """The demo can not go on: a process failed, or hangs."""


class Stopped(Exception):
    """Somebody wants it to end now, by a signal."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.signal = number


class Supervisor:
    """Runs one demo. Use as a context manager: at its end no process is left."""

    def __init__(self, members: Sequence[Member], seconds: float, prefix: str, users: Users) -> None:
        self.members = members
        self.users = users
        self.seconds = seconds
        self.prefix = prefix
        self.account = Account()
        self.fault = Fault()
        #: The signal by which somebody ends the demo before its time.
        self.stop = 0
        self.persons: list[Person] = []
        #: By name: whoever fills the place now.
        self.present: dict[str, Person] = {}
        #: time.monotonic() when all were there, and when the last books came.
        self.began = 0.0
        self.ended = 0.0
        self.finishing = 0.0
        #: What happened, with the time of day; ``news`` is set when something is added.
        self.events: list[str] = []
        self.news = threading.Event()
        self._hunt: Hunt | None = None
        #: The helper that was killed, and seconds until its successor was ready.
        self.helper_killed, self.helper_back = 0, 0.0
        self._port = listen(f"{prefix}.supervisor", bool(users.numbers))
        self._children = Children(prefix, users)
        self._next_look = 0.0

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(self, *exception: object) -> None:
        self._children.close()
        self._port.close()

    @property
    def elapsed(self) -> float:
        """Seconds since all were there."""
        return (self.ended or time.monotonic()) - self.began if self.began else 0.0

    @property
    def phase(self) -> str:
        """In a word."""
        return "ended" if self.ended else "finishing" if self.finishing else "running" if self.began else "starting"

    def run(self) -> None:
        """All of it. Broken if it can not be brought to its end."""
        began = time.monotonic()
        for member in self.members:
            self._start(member, member.number)
            self._go_on()
        self._until(lambda: all(person.hello for person in self.persons), began + _START, "say HELLO")
        took = time.monotonic() - began
        self.event(
            f"{len(self.persons)} processes are there after {took:.2f} s; none had its HELLO replied to until now"
        )
        self.began = time.monotonic()
        for person in self.persons:
            self._release(person)

        self._until(lambda: self.elapsed >= self.seconds * _ANNOUNCE_AT)
        self.event("announced: one archivist will be killed, when clients are blocked on it")
        self._until(lambda: self.elapsed >= self.seconds * _KILL_AT)
        self._hunt = Hunt()
        self._until(lambda: self.fault.killed)
        self._hunt = None
        self._replace()
        self._until(lambda: self.fault.over, time.monotonic() + _RECOVERY, "go on with the successor")
        if self.users.helper is not None:
            self._until(lambda: self.elapsed >= self.seconds * _HELPER_AT)
            self._try_without_helper()
        self._until(lambda: self.elapsed >= self.seconds)

        self.finishing = time.monotonic()
        self.event("sensors and movers shall finish; the others end when their clients have said BYE")
        self._until(lambda: all(p.books or p.dead for p in self.persons), self.finishing + _END, "hand in their books")
        self.ended = time.monotonic()
        self._until(lambda: not self._children.running, self.ended + _END, "exit")

    def event(self, text: str) -> None:
        """Tell it, with the time of day."""
        self.events.append(f"{time.strftime('%H:%M:%S')}  {text}")
        self.news.set()

    def complaints(self) -> str:
        """What the processes wrote to stderr."""
        return self._children.complaints()

    def _until(self, done: Callable[[], bool], deadline: float = float("inf"), to: str = "") -> None:
        """Receive and reply until something is done."""
        while not done():
            self._go_on()
            if time.monotonic() > deadline:
                raise Broken(f"these did not {to} in time: {self._late()}")
            if self._hunt:
                self._try_to_kill(self._hunt)
            self._look_after_children()
            try:
                message = self._port.receive(_HUNT if self._hunt else _TICK)
            except (srr.TimedOut, srr.Interrupted):
                continue
            self._serve(message)

    def _go_on(self) -> None:
        if self.stop:
            raise Stopped(self.stop)

    def _serve(self, message: srr.Message) -> None:
        whose = head(message.data)
        if whose is None:
            message.error(errno.EPROTO)
            return
        kind, number, sequence = whose
        said = unpack(memoryview(message.data)[HEAD.size :])
        if kind == Kind.HELLO:
            person = self.present[said["name"]]
            person.hello = message
            if self.began:
                self._release(person)  # A successor: the others are at work already.
            return
        person = self.persons[number - 1]
        if kind == Kind.REPORT:
            person.progress.append((time.monotonic(), said))
        elif kind == Kind.EVENT:
            self._event(person, said)
        elif kind == Kind.FINAL:
            person.books, person.books_bytes = said, message.nbytes
            # It is REPLY-blocked on us, so its rows stand still.
            seen = processes.look(person.pid, rows_only=True)
            person.table = seen.sent, seen.received, seen.healed
        self._reply(message, number, sequence)

    def _reply(self, message: srr.Message, number: int, sequence: int, answer: bytes = b"") -> None:
        entry = self.account.receive(number, sequence, message.nbytes, message.lane, message.uid)
        order = Order.FINISH if self.finishing else Order.GO_ON
        try:
            entry["replied"] += message.reply([ACK.pack(message.lane, order, 0, sequence), answer])
        except srr.SenderGone:
            pass  # Only the one that was killed can be gone; anybody else's end is noticed as such.

    def _release(self, person: Person) -> None:
        assert person.hello is not None
        orders = person.member.orders | {"number": person.number}
        if person.number > len(self.members):
            orders |= {"successor": True, "sabotage": ""}
        self._reply(person.hello, person.number, 0, pack(orders))

    def _start(self, member: Member, number: int) -> Person:
        person = Person(member, number, self._children.start(member.role, member.name, member.uid))
        self.persons.append(person)
        self.present[member.name] = person
        return person

    def _event(self, person: Person, said: dict[str, Any]) -> None:
        name = person.member.name
        fault = self.fault
        if "served_ns" in said:
            fault.served_ns = said["served_ns"]
            self.event(
                f"{name} again: pid {person.pid} replied to its first client after {fault.served_after * 1e3:.0f} ms"
            )
            return
        failed: Failed = said["failed"]
        fault.noticed.append((name, failed))
        if failed["pid"] != fault.pid:
            self.event(f"{name} lost {failed['other']} (pid {failed['pid']}), which nobody had announced")
        elif failed["began_ns"] < fault.killed_ns:
            after = f"{(failed['ended_ns'] - fault.killed_ns) / 1e6:.1f} ms"
            doubt = "in doubt" if failed["received"] else "not received"
            self.event(f"{name} got ESRCH after {after} ({doubt}) and repeats its message")

    def _try_to_kill(self, hunt: Hunt) -> None:
        servers, clients = (
            {person.pid: name for name, person in self.present.items() if person.member.role == role}
            for role in ("archivist", "mover")
        )
        found = hunt.victim(servers, clients)
        if found is None:
            return
        pid, blocked = found
        self.fault.name, self.fault.pid, self.fault.blocked = servers[pid], pid, blocked
        self.fault.killed_ns = time.monotonic_ns()
        self._children.kill(pid)

    def _replace(self) -> None:
        """Bury the dead, so that its name is free, and start its successor."""
        fault = self.fault
        self._children.bury(fault.pid)
        old = self.present[fault.name]
        old.dead = True
        successor = self._start(old.member, len(self.members) + 1)
        fault.successor, fault.started_ns = successor.pid, time.monotonic_ns()
        blocked = ", ".join(f"{name} ({state})" for name, state in sorted(fault.blocked.items()))
        self.event(f"SIGKILL: {fault.name}, pid {fault.pid}; blocked on it: {blocked or 'nobody'}")

    def _try_without_helper(self) -> None:
        """Those that it has introduced go on without it; nobody may notice."""
        self.helper_killed = self.users.kill_helper()
        self.event(f"SIGKILL: srr-helper, pid {self.helper_killed}; those that it introduced go on")
        back = time.monotonic() + _AWAY
        self._until(lambda: time.monotonic() >= back)
        self.helper_back = self.users.start_helper()
        self.event(f"srr-helper again after {_AWAY + self.helper_back:.2f} s")

    def _look_after_children(self) -> None:
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + _TICK
        for pid, name, code in self._children.ended():
            person = self.present[name]
            if code == 0 and person.books is not None:
                continue
            how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
            raise Broken(f"{name} (pid {pid}) {how}, which nobody had announced")

    def _late(self) -> str:
        """Who is not done, and what he waits for."""
        if not self.began:
            late = [person for person in self.persons if person.hello is None]
        elif self.finishing:
            late = [person for person in self.persons if person.books is None and not person.dead]
        else:
            late = [person for person in self.persons if person.member.name in (*self.fault.blocked, self.fault.name)]
        names = {person.pid: person.member.name for person in self.persons}
        return "; ".join(f"{person.member.name} ({_doing(person.pid, names)})" for person in late)


def _doing(pid: int, names: dict[int, str]) -> str:
    try:
        threads = processes.look(pid, rows_only=True).blocked
    except OSError as error:
        return f"pid {pid}: {error.strerror}"
    if not threads:
        return f"pid {pid} runs"
    on = "the supervisor" if threads[0].on == os.getpid() else names.get(threads[0].on, "anyone")
    return f"pid {pid} is {threads[0].state}-blocked on {on}"
