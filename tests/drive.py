"""The test's end of a partner: give it orders, read its answers, end it.

    server, client = company.start(), company.start()
    sending = client.order("send", to=server.pid, message=b"hello")     # goes on by itself
    client.until_blocked(Blocked.SEND)
    got = server.do("receive")                                          # waits for the answer
    server.do("reply", data=b"olleh")
    assert sending.result() == b"olleh"

A partner's exception is raised here again, as the same class with the same attributes.
"""

from __future__ import annotations

import builtins
import itertools
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
import wire
from ways import DEFAULT, Way

import srr
from srr import _native, errors, processes
from srr.processes import Thread
from srr.state import Blocked
from srr.testing import wait_until_blocked

HERE = Path(__file__).parent
T = TypeVar("T")

#: ``@guarantee("C")``: the test shows this guarantee of the library (README.md lists them).
guarantee = pytest.mark.guarantee


class PartnerGone(Exception):
    """The partner ended before it had answered."""


class PartnerFailed(Exception):
    """The partner raised something that is neither srr's nor built in."""


def until(what: str, condition: Callable[[], T | None], timeout: float = 10.0) -> T:
    """The first true value of ``condition``. For what the kernel and the table show but announce to nobody."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what}")
        select.select([], [], [], 0.001)
    return value


def sleeps(pid: int) -> int:
    """How often that process's first thread has gone to sleep."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))


def raised(failed: dict[str, Any]) -> BaseException:
    name, number = failed["class"], failed["errno"]
    cls = getattr(errors, name, None) or getattr(builtins, name, None)
    if cls is None and number is not None:
        cls = errors._class_for(number)
    if cls is None or (name != cls.__name__):
        return PartnerFailed(f"{name}: {failed['text']}")
    exception: BaseException = cls(number, failed["text"]) if number is not None else cls(failed["text"])
    vars(exception).update(failed["known"])
    return exception


class Pending:
    """An order that was given."""

    def __init__(self, partner: Partner, number: int) -> None:
        self.partner, self.number = partner, number

    def result(self) -> Any:
        """Wait for the answer; a failure is raised."""
        answer = self.partner.answer(self.number, "done", "failed")
        if "failed" in answer:
            raise raised(answer["failed"])
        value = answer["done"]
        return SimpleNamespace(**value) if isinstance(value, dict) else value

    def failure(self) -> Any:
        """Wait for the answer, which must be a failure: the exception."""
        answer = self.partner.answer(self.number, "done", "failed")
        assert "failed" in answer, f"it did not fail: {answer}"
        return raised(answer["failed"])

    def wait_entered(self) -> Pending:
        """Return when the partner is about to do it (only if ordered with ``tell=True``)."""
        self.partner.answer(self.number, "entered")
        return self

    def answered(self) -> bool:
        """Has the answer come? Does not wait."""
        return self.partner.has_answer(self.number)


class Partner:
    """A process that runs partner.py, or a forked child of one."""

    def __init__(self, pid: int, orders: int, answers: int) -> None:
        self.pid = pid
        self.uid = os.getuid()
        self._orders, self._answers = orders, answers
        self._numbers = itertools.count(1)
        self._got: list[dict[str, Any]] = []
        self._left = b""
        self._ended = False
        self.disturbed = False  # killed, stopped or scribbling: self-healing by others is no wonder
        self.pidfd = os.pidfd_open(pid)

    def order(self, what: str, /, thread: str = "main", tell: bool = False, **args: Any) -> Pending:
        number = next(self._numbers)
        data = memoryview(wire.line({"id": number, "do": what, "thread": thread, "tell": tell, "args": args}))
        try:
            while data:
                data = data[os.write(self._orders, data) :]
        except BrokenPipeError:
            pass  # reading the answer will tell
        return Pending(self, number)

    def do(self, what: str, /, thread: str = "main", **args: Any) -> Any:
        return self.order(what, thread=thread, **args).result()

    def fails(self, what: str, /, thread: str = "main", **args: Any) -> Any:
        return self.order(what, thread=thread, **args).failure()

    # ---- answers

    def _find(self, number: int, kinds: Sequence[str]) -> dict[str, Any] | None:
        for answer in self._got:
            if answer["id"] == number and any(kind in answer for kind in kinds):
                self._got.remove(answer)
                return answer
        return None

    def _read(self, wait: bool) -> bool:
        if self._ended or not (wait or select.select([self._answers], [], [], 0)[0]):
            return False
        more = os.read(self._answers, 1 << 20)
        self._ended = not more
        *lines, self._left = (self._left + more).split(b"\n")
        self._got += [wire.parse(text) for text in lines]
        return bool(more)

    def answer(self, number: int, *kinds: str) -> dict[str, Any]:
        while (answer := self._find(number, kinds)) is None:
            if not self._read(wait=True):
                raise PartnerGone(f"partner {self.pid} ended before it answered")
        return answer

    def has_answer(self, number: int) -> bool:
        while self._read(wait=False):
            pass
        return any(answer["id"] == number and "entered" not in answer for answer in self._got)

    # ---- what it does

    def until_blocked(self, state: Blocked | None = None, on: int | None = None, tid: int | None = None) -> Thread:
        return wait_until_blocked(self.pid, state, on, 20.0, tid=tid)

    def until_receivers(self, count: int) -> None:
        until(f"{count} threads of {self.pid} RECEIVE-blocked", lambda: self.look().receivers == count)

    def until_asleep(self, tid: int | None = None) -> None:
        """Until a thread sleeps in the kernel: for waits that no table shows."""
        path = f"/proc/{self.pid}/task/{tid or self.pid}/stat"
        until(f"{path} says asleep", lambda: Path(path).read_text().rsplit(")", 1)[1].split()[0] == "S")

    def until_runs(self, program: str) -> None:
        """Until it has execed."""
        until(f"it is {program}", lambda: Path(f"/proc/{self.pid}/comm").read_text() == program + "\n")

    def look(self) -> processes.Process:
        return processes.look(self.pid)

    def row_inodes(self) -> set[int]:
        """The inodes of its own row file and life file."""
        found = set()
        for entry in Path(f"/proc/{self.pid}/fd").iterdir():
            try:
                if os.readlink(entry).startswith(("/memfd:srr-row", "/memfd:srr-life")):
                    found.add(entry.stat().st_ino)
            except FileNotFoundError:
                continue
        return found

    def mapped_inodes(self) -> set[int]:
        """The inodes of all row and life files that it has mapped."""
        maps = Path(f"/proc/{self.pid}/maps").read_text().splitlines()
        return {int(line.split()[4]) for line in maps if "/memfd:srr-" in line}

    def figures(self) -> Any:
        return self.do("load_figures")

    def fork(self, folder: Path) -> Partner:
        """A child of it, with orders of its own."""
        number = next(self._numbers)
        orders, answers = folder / f"orders-{self.pid}-{number}", folder / f"answers-{self.pid}-{number}"
        os.mkfifo(orders)
        os.mkfifo(answers)
        read = os.open(answers, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        pending = self.order("fork", orders=str(orders), answers=str(answers))
        write = os.open(orders, os.O_WRONLY | os.O_CLOEXEC)  # waits for the child
        os.set_blocking(read, True)
        return Partner(pending.result(), write, read)

    # ---- its end

    def stop(self) -> None:
        """SIGSTOP, and until it has stopped."""
        self.disturbed = True
        os.kill(self.pid, signal.SIGSTOP)
        until("stopped", lambda: Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T")

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def wait_dead(self) -> None:
        """Until all its threads are gone (it may be a zombie still)."""
        self.disturbed = True
        assert select.select([self.pidfd], [], [], 30)[0], f"partner {self.pid} does not end"

    def kill(self, reap: bool = True) -> None:
        """SIGKILL; ``reap=False`` leaves a zombie."""
        self.disturbed = True
        signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        self.wait_dead()
        if reap:
            self.reap()

    def reap(self) -> None:
        try:
            os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED)  # not the pid: it may be another's already
        except ChildProcessError:
            pass  # not ours: a forked child, or reaped already

    def close(self) -> None:
        try:
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        except ProcessLookupError:
            pass
        select.select([self.pidfd], [], [], 30)
        self.reap()
        for fd in (self._orders, self._answers, self.pidfd):
            os.close(fd)


class Company:
    """The partners of one test."""

    def __init__(self, folder: Path, names: Path, way: Way = DEFAULT) -> None:
        self.folder, self.names, self.way = folder, names, way
        self.partners: list[Partner] = []
        self.may_heal = False

    def start(self, *prefix: str, **environment: str) -> Partner:
        """A partner, exec'ed, with nothing of ours inherited but the pipes. ``prefix``: a command to run it under."""
        orders_read, orders = os.pipe()
        answers, answers_write = os.pipe()
        process = subprocess.Popen(
            [*prefix, sys.executable, str(HERE / "partner.py")],
            stdin=orders_read,
            stdout=answers_write,
            env={
                **os.environ,
                "PYTHONPATH": str(HERE),
                "SRR_RUNTIME_DIR": str(self.names),
                **self.way.environment,
                **environment,
            },
        )
        os.close(orders_read)
        os.close(answers_write)
        process.returncode = 0  # we wait for it ourselves, when the test wants it reaped
        return self.adopt(Partner(process.pid, orders, answers))

    def start_many(self, count: int, **environment: str) -> list[Partner]:
        return [self.start(**environment) for _ in range(count)]

    def fork(self, parent: Partner) -> Partner:
        return self.adopt(parent.fork(self.folder))

    def adopt(self, partner: Partner) -> Partner:
        self.partners.append(partner)
        return partner

    def healed(self) -> int:
        """What only the periodic look found, in all partners; 0 if one was disturbed, for then it may."""
        if self.may_heal or any(partner.disturbed for partner in self.partners):
            return 0
        total = 0
        for partner in self.partners:
            try:
                total += _native.look(partner.pid)["healed"]
            except OSError:
                continue  # never used the library, or is another user's
        return total

    def close(self) -> None:
        for partner in self.partners:
            partner.close()


def exchange(server: Partner, client: Partner, message: Any = b"ping", **keywords: Any) -> Any:
    """One whole transaction: the reply is the message. What the server got."""
    sending = client.order("send", to=server.pid, message=message, **keywords)
    got = server.do("receive")
    server.do("reply", data=message)
    assert sending.result() == wire.shown(message)
    return got


def works(server: Partner, client: Partner) -> bool:
    """Two partners can still talk: nobody is stuck."""
    return bool(exchange(server, client, b"still there?").data == b"still there?")


__all__ = ["Blocked", "Company", "Partner", "Pending", "exchange", "guarantee", "srr", "until", "works"]
