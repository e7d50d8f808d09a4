"""Attaching: every copy of the library, whoever uses it and since when; and nothing of it is left afterwards."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from drive import Company, until, works
from tracers import Trace

import srr
from srr import facts
from srr.trace import elf
from srr.trace.events import Change, Transaction
from srr.trace.programs import Programs, Wants
from srr.trace.session import Session

pytestmark = pytest.mark.usefixtures("needs_bpf")

#: One that asks itself, in a thread: it needs nobody else, wherever it runs.
ALONE = """
import os, sys, threading
sys.path.insert(0, sys.argv[1])
import srr
from srr import client
def serve():
    with srr.server.Port() as port:
        for message in port:
            message.reply(bytes(message))
if (pid := os.fork()) == 0:
    serve()
print(os.getpid(), flush=True)
with srr.connect(pid, timeout=20) as peer:
    for line in sys.stdin:
        peer.send(b"x" * int(line))
        print("sent", flush=True)
os.kill(pid, 9)
"""


class Asker:
    """ALONE, with some copy of the package, under some command."""

    def __init__(self, site: Path, *prefix: str) -> None:
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-P", "-c", ALONE, str(site)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self.inside = int(self.process.stdout.readline())
        self._in, self._out = self.process.stdin, self.process.stdout

    def ask(self, nbytes: int) -> None:
        self._in.write(f"{nbytes}\n")
        self._in.flush()
        assert self._out.readline() == "sent\n"

    def close(self) -> None:
        self._in.close()
        self.process.wait(20)
        self._out.close()


def site() -> Path:
    return Path(srr.__file__).parents[1]


def another_copy(to: Path) -> Path:
    """As in another environment: the same package, other files."""
    shutil.copytree(site() / "srr", to / "srr", ignore=shutil.ignore_patterns("__pycache__"))
    return to


@pytest.fixture
def askers() -> Iterator[list[Asker]]:
    started: list[Asker] = []
    yield started
    for asker in started:
        asker.close()


def until_seen(session: Session, asker: Asker, nbytes: int, others: list[Transaction]) -> Transaction:
    """A copy that has just appeared is found within a second; until then its Sends are not seen."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        asker.ask(nbytes)
        for event in session.transactions():
            others.append(event)
            if event.sent == nbytes:
                return event
    raise AssertionError("its transactions are not seen")


def semaphore(pid: int, name: str, library: str) -> int:
    """How many listen to that probe in that process, by the process's own memory."""
    with open(library, "rb") as file:
        at = elf.probes(file)[name].semaphore
    with open(f"/proc/{pid}/maps") as file:
        for line in file:
            fields = line.split()
            if len(fields) < 6 or os.path.realpath(fields[5]) != os.path.realpath(library) or "w" not in fields[1]:
                continue
            begin, end = (int(part, 16) for part in fields[0].split("-"))
            offset = int(fields[2], 16)
            if offset <= at < offset + end - begin:
                with open(f"/proc/{pid}/mem", "rb") as memory:
                    memory.seek(begin + at - offset)
                    return int.from_bytes(memory.read(ctypes.sizeof(ctypes.c_ushort)), sys.byteorder)
    raise AssertionError(f"{library} is not mapped by {pid}")


def test_before_and_after_and_several_copies(tmp_path: Path, askers: list[Asker]) -> None:
    before = Asker(site())
    askers.append(before)
    with Session(Wants(transactions=True)) as session:
        before.ask(1001)
        after = Asker(site())
        other = Asker(another_copy(tmp_path / "other"))
        askers.extend([after, other])
        after.ask(1002)
        events: list[Transaction] = []
        event = until_seen(session, other, 1003, events)
        events += [last for last in session.finish() if isinstance(last, Transaction)]
        seen = {one.sent: one.client for one in events}
        assert {1001: seen.get(1001), 1002: seen.get(1002)} == {1001: before.inside, 1002: after.inside}
        assert event.client == other.inside
        paths = [copy.shown for copy in session.copies]
        assert len(paths) == len(set(paths)), "each copy once"
        assert str(tmp_path / "other" / "srr" / Path(facts.extension()).name) in paths


def test_a_copy_that_was_deleted_since(tmp_path: Path, askers: list[Asker]) -> None:
    """As an upgrade does it: the process goes on with the old file, which has no path any more."""
    asker = Asker(another_copy(tmp_path / "old"))
    askers.append(asker)
    shutil.rmtree(tmp_path / "old")
    with Session(Wants(transactions=True)) as session:
        assert until_seen(session, asker, 77, []).client == asker.inside


def test_in_another_pid_namespace_and_root(tmp_path: Path, askers: list[Asker]) -> None:
    """As in a container: its own numbers, its own mounts, its own copy of the library."""
    copy = another_copy(tmp_path / "inside")
    asker = Asker(copy, "unshare", "--pid", "--mount", "--fork", "--mount-proc")
    askers.append(asker)
    with Session(Wants(transactions=True)) as session:
        event = until_seen(session, asker, 99, [])
    assert asker.inside < 10 != event.client
    with open(f"/proc/{event.client}/status") as file:
        inner = next(line for line in file if line.startswith("NSpid:")).split()[-1]
    assert int(inner) == asker.inside
    with open(f"/proc/{event.server}/stat") as file:
        assert int(file.read().rsplit(")", 1)[1].split()[1]) == event.client, "its server is its child"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left(company: Company, trace: Trace, how: signal.Signals) -> None:
    partner = company.start()
    server = company.start()
    assert works(server, partner)
    library = facts.extension()
    before = semaphore(partner.pid, "done", library)
    tracer = trace("--json")
    assert semaphore(partner.pid, "done", library) == before + 1
    tracer.process.send_signal(how)
    tracer.end()
    until("the kernel has counted down", lambda: semaphore(partner.pid, "done", library) == before)
    assert works(server, partner)


def test_two_at_once(askers: list[Asker]) -> None:
    asker = Asker(site())
    askers.append(asker)
    with Session(Wants(transactions=True)) as one, Session(Wants(transactions=True)) as two:
        asker.ask(123)
        for session in (one, two):
            found = [event for event in session.finish() if isinstance(event, Transaction) and event.sent == 123]
            assert [event.client for event in found] == [asker.inside]


def test_as_on_kernels_before_6_6(askers: list[Asker], monkeypatch: pytest.MonkeyPatch) -> None:
    """One perf event a probe in place of one link for all: the same things are seen."""
    asker = Asker(site())
    askers.append(asker)
    original = Programs.__init__

    def older(self: Programs, wants: Wants) -> None:
        original(self, wants)
        self.load_plainly()

    monkeypatch.setattr(Programs, "__init__", older)
    with Session(Wants(transactions=True, changes=True)) as session:
        assert not session._programs.by_multi
        asker.ask(321)
        found = session.finish()
    ours = [event for event in found if isinstance(event, Transaction) and event.sent == 321]
    assert [event.client for event in ours] == [asker.inside]
    kinds = [event.kind.name for event in found if isinstance(event, Change) and event.id == ours[0].id]
    assert kinds == ["SEND", "RECEIVE", "REPLY"]
