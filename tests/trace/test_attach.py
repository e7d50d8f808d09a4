"""Every copy of the library that runs is listened to, and when the listening ends nothing is left of it."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from drive import Company, Partner, exchange, until
from installed import installed
from tracers import Trace

import srr
from srr import facts, processes
from srr.trace import attach, elf, session
from srr.trace.copies import Copies
from srr.trace.events import Change, Kind, Transaction
from srr.trace.programs import Programs, Wants

pytestmark = pytest.mark.usefixtures("needs_bpf")

HERE = Path(__file__).parent
DONE = Wants(transactions=True)


def semaphore(pid: int, name: str = "done", like: str = "_native.abi3.so") -> int:
    """Does anybody listen to a probe of a process? The kernel counts in the process's own memory."""
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) < 6 or like not in fields[5]:
            continue
        begin, end = (int(half, 16) for half in fields[0].split("-"))
        site = elf.probes(io.BytesIO(Path(f"/proc/{pid}/map_files/{begin:x}-{end:x}").read_bytes()))[name]
        offset = site.semaphore - int(fields[2], 16)
        if "w" in fields[1] and 0 <= offset < end - begin:
            with open(f"/proc/{pid}/mem", "rb") as memory:
                memory.seek(begin + offset)
                return int.from_bytes(memory.read(2), "little")
    raise AssertionError(f"process {pid} has not mapped {like}")


def transactions(listening: session.Session) -> list[Transaction]:
    return [event for event in listening.finish() if isinstance(event, Transaction)]


@pytest.fixture
def start(names: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Programs of this test, ended with it."""
    with ExitStack() as stack:

        def started(*command: Any, **environment: str) -> subprocess.Popen[bytes]:
            process = subprocess.Popen(
                list(map(str, command)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=os.environ | {"SRR_RUNTIME_DIR": str(names)} | environment,
            )

            def end() -> None:
                process.kill()
                process.communicate()

            stack.callback(end)
            return process

        yield started


def until_it_receives(pid: int) -> None:
    def receives() -> bool:
        try:
            return processes.look(pid).receivers > 0
        except FileNotFoundError:
            return False

    until(f"{pid} receives", receives)


def copy_of_the_package(folder: Path) -> Path:
    """As another virtual environment has it."""
    shutil.copytree(Path(srr.__file__).parent, folder / "srr", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def ask(pid: int, message: bytes = bytes(8)) -> bytes:
    return srr.connect(pid).send(message, timeout=20.0)


def test_copies_of_before_and_after_are_found_once_each(
    tmp_path: Path, company: Company, start: Callable[..., subprocess.Popen[bytes]], trace: Trace
) -> None:
    """Two environments, a program linked statically and one with libsrr.so: half of them started later."""
    first, second = copy_of_the_package(tmp_path / "a"), copy_of_the_package(tmp_path / "b")
    static = installed().compile(HERE / "worker.c", tmp_path / "static", "srr", static=True)
    shared = installed().compile(HERE / "worker.c", tmp_path / "shared", "srr")
    serve = [sys.executable, HERE / "worker_python.py", "serve"]
    library = {"LD_LIBRARY_PATH": str(installed().lib)}
    ours = company.start()
    before = [start(*serve, PYTHONPATH=str(first)), start(static, "serve")]
    for server in before:
        until_it_receives(server.pid)

    tracer = trace("--json", "--fail-on-loss")
    after = [start(*serve, PYTHONPATH=str(second)), start(shared, "serve", **library)]
    for server in after:
        until_it_receives(server.pid)
        begun = time.monotonic()
        like = "libsrr.so" if server is after[1] else "_native.abi3.so"
        until("it is listened to", lambda server=server, like=like: semaphore(server.pid, like=like) > 0)  # type: ignore[misc]
        print(f"{like} of a new process: after {time.monotonic() - begun:.2f} s")
    assert semaphore(before[0].pid) > 0
    assert semaphore(before[1].pid, like="static") > 0

    send = [*serve[:2], "send", plan(tmp_path, before[1].pid)]
    clients = [start(*send, PYTHONPATH=str(package)) for package in (first, second)]
    clients.append(start(static, "send", plan(tmp_path, after[0].pid)))
    clients.append(start(shared, "send", plan(tmp_path, after[1].pid), **library))
    for client in clients:
        client.communicate()
        assert client.returncode == 0
    ours.do("send", to=before[0].pid, message=bytes(8))
    *told, last = tracer.stopped()
    seen = Counter(one["client"] for one in told)
    assert {pid: seen[pid] for pid in (*(c.pid for c in clients), ours.pid)} == {
        **{client.pid: 3 for client in clients},
        ours.pid: 1,
    }
    assert last["lost"]["copies"] == 0


def plan(folder: Path, server: int) -> Path:
    path = folder / f"plan-{server}"
    path.write_text(f"{server} 0 8 8 100 -1\n" * 3)
    return path


def test_detaching_leaves_nothing_also_after_sigkill(company: Company, trace: Trace) -> None:
    """Two at once, of which one is killed; transactions go on all the while."""
    server, client = company.start(), company.start()
    exchange(server, client)

    def counts() -> set[int]:
        return {semaphore(server.pid), semaphore(client.pid)}

    until("nobody listens", lambda: counts() == {0})
    first, second = trace("--json"), trace("--json")
    assert counts() == {1}  # the kernel counts once, however many there are
    exchange(server, client)
    first.process.send_signal(signal.SIGKILL)
    assert first.end() == -signal.SIGKILL
    exchange(server, client)
    mine = [one for one in second.stopped() if one.get("client") == client.pid]
    assert len(mine) == 2, "the other one's end took its probes out, too"
    until("nobody listens", lambda: counts() == {0})
    exchange(server, client)
    last = trace("--json")
    last.process.send_signal(signal.SIGKILL)
    assert last.end() == -signal.SIGKILL
    until("the kernel has taken a killed one's probes out", lambda: counts() == {0})
    exchange(server, client)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_being_told_to_end_is_an_end_in_good_order(company: Company, trace: Trace, how: int) -> None:
    """What has happened is told, then what was lost: exit 0."""
    server, client = company.start(), company.start()
    tracer = trace("--json")
    exchange(server, client)
    tracer.process.send_signal(how)
    assert tracer.end() == 0
    *told, last = tracer.records()
    assert [one["client"] for one in told if one["client"] == client.pid] == [client.pid]
    assert last["lost"] == dict.fromkeys(last["lost"], 0)


def test_a_copy_that_was_deleted(tmp_path: Path, start: Callable[..., subprocess.Popen[bytes]]) -> None:
    """Replaced by an upgrade, say: the old file is what runs."""
    folder = copy_of_the_package(tmp_path / "old")
    server = start(sys.executable, HERE / "worker_python.py", "serve", PYTHONPATH=str(folder))
    until_it_receives(server.pid)
    shutil.rmtree(folder)
    with session.Session(Wants(changes=True)) as listening:
        assert semaphore(server.pid, "receive") > 0
        ask(server.pid)
        kinds = [event.kind for event in listening.finish() if isinstance(event, Change) and event.pid == server.pid]
    assert [kind for kind in kinds if kind in (Kind.RECEIVE, Kind.REPLY)] == [Kind.RECEIVE, Kind.REPLY]


def test_a_copy_in_another_mount_namespace(tmp_path: Path, start: Callable[..., subprocess.Popen[bytes]]) -> None:
    """Its path there leads to nothing here, or to something else."""
    inside = copy_of_the_package(tmp_path / "image")
    script = f'mount --bind {inside} /mnt && PYTHONPATH=/mnt exec "$0" "$@"'
    server = start("unshare", "--mount", "sh", "-c", script, sys.executable, HERE / "worker_python.py", "serve")
    until_it_receives(server.pid)
    assert "/mnt/srr/_native.abi3.so" in Path(f"/proc/{server.pid}/maps").read_text()
    assert not Path("/mnt/srr").exists()
    with session.Session(Wants(changes=True)) as listening:
        assert semaphore(server.pid, "reply") > 0
        ask(server.pid)
        told = [event for event in listening.finish() if isinstance(event, Change) and event.pid == server.pid]
    assert [event.kind for event in told if event.kind in (Kind.RECEIVE, Kind.REPLY)] == [Kind.RECEIVE, Kind.REPLY]


_CONTAINER = """
import os, sys, srr
child = os.fork()
if child == 0:
    with srr.Port().receive() as message:
        message.reply(b"yes")
    os._exit(0)
print(os.getpid(), child, flush=True)
sys.stdin.readline()
srr.connect(child).send(b"in here")
print("sent", flush=True)
os.waitpid(child, 0)
sys.stdin.readline()
"""


def test_pids_of_another_namespace_are_told_as_they_are_here(start: Callable[..., subprocess.Popen[bytes]]) -> None:
    container = start(
        "unshare", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, "-P", "-c", _CONTAINER
    )
    assert container.stdin is not None and container.stdout is not None
    client_inside, _ = map(int, container.stdout.readline().split())
    children = Path(f"/proc/{container.pid}/task/{container.pid}/children").read_text().split()
    client = int(children[0])
    server = int(Path(f"/proc/{client}/task/{client}/children").read_text().split()[0])
    assert client_inside == 1 and client != 1
    with session.Session(Wants(transactions=True, changes=True)) as listening:
        container.stdin.write(b"\n")
        container.stdin.flush()
        assert container.stdout.readline() == b"sent\n"
        told = listening.finish()
    mine = [event for event in told if isinstance(event, Transaction) and event.client == client]
    assert [(one.client_thread, one.server, one.sent, one.replied) for one in mine] == [(client, server, 7, 3)]
    changes = [event for event in told if isinstance(event, Change) and event.pid in (client, server)]
    told_of = {event.kind: (event.pid, event.peer) for event in changes}
    assert told_of[Kind.SEND] == (client, server)
    assert told_of[Kind.RECEIVE] == told_of[Kind.REPLY] == (server, client)


def test_a_tracer_in_a_namespace_counts_as_it_is_there(start: Callable[..., subprocess.Popen[bytes]]) -> None:
    """In a container, of the processes in it: the kernel's own numbers would be of no use there."""
    script = _CONTAINER.replace("sys.stdin.readline()\n", "", 1).replace(
        "print(os.getpid(), child, flush=True)\n",
        "from srr.trace.session import Session\n"
        "from srr.trace.programs import Wants\n"
        "listening = Session(Wants(transactions=True)).__enter__()\n",
    )
    script += "print([(e.client, e.server) for e in listening.finish() if e.client == 1], child, flush=True)\n"
    container = start("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, "-P", "-c", script)
    out, _ = container.communicate(b"\n" * 3, timeout=40)
    said = out.decode().splitlines()
    assert said[0] == "sent"
    child = said[1].split()[-1]
    assert said[1] == f"[(1, {child})] {child}"


class TestPerfEvents:
    """The way of kernels before 6.6: a perf event a probe."""

    @pytest.fixture(autouse=True)
    def plainly(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        made: list[int] = []
        link_one = attach.link_one

        def counted(*arguments: Any) -> tuple[int, int]:
            made.append(1)
            return link_one(*arguments)

        def load(programs: Programs, bcc: Any, name: str) -> Any:
            programs.by_multi = False
            return programs._bpf.load_func(name.encode(), bcc.BPF.KPROBE)

        monkeypatch.setattr(Programs, "_load", load)
        monkeypatch.setattr(attach, "link_one", counted)
        # Our own file is enough: the kernel takes a tenth of a second to let go of each event.
        monkeypatch.setattr(Copies, "running", lambda self, only=None: iter(()))
        yield
        assert made, "it was not used"

    def test_it_tells_the_same(self, company: Company) -> None:
        server, client = company.start(), company.start()
        told, changes = self.listen(server, client)
        assert [(one.client, one.server, one.sent, one.replied) for one in told] == [(client.pid, server.pid, 5, 5)]
        assert told[0].is_timed
        kinds = [change.kind for change in changes if change.id == told[0].id]
        assert kinds == [Kind.SEND, Kind.RECEIVE, Kind.REPLY], "the cookie tells which probe it was"
        until("detached", lambda: semaphore(client.pid) == semaphore(server.pid, "receive") == 0)

    @staticmethod
    def listen(server: Partner, client: Partner) -> tuple[list[Transaction], list[Change]]:
        server.do("wake")
        client.do("wake")
        with session.Session(Wants(transactions=True, changes=True, cost=True)) as listening:
            until("attached", lambda: semaphore(client.pid) == semaphore(server.pid, "receive") == 1)
            exchange(server, client, b"12345")
            told = listening.finish()
            assert listening.cost().hit_ns > 0
        mine = [event for event in told if isinstance(event, Transaction) and event.client == client.pid]
        changes = [event for event in told if isinstance(event, Change) and event.pid in (client.pid, server.pid)]
        return mine, changes


def test_a_kernel_that_loads_for_many_and_links_one(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    """The programs are loaded again, plainly."""

    def refuse(*arguments: Any) -> int:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(attach, "link_all", refuse)
    server, client = company.start(), company.start()
    with session.Session(DONE) as listening:
        exchange(server, client)
        told = [one for one in transactions(listening) if one.client == client.pid]
    assert len(told) == 1


def test_our_own_extension_is_found_with_nobody_running() -> None:
    with session.Session(DONE) as listening:
        assert facts.extension() in [copy.path for copy in listening.copies]
        assert semaphore(os.getpid()) > 0
    until("detached", lambda: semaphore(os.getpid()) == 0)
