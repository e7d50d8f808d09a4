"""As many transactions as there were, each as it was: the trace against the logs of those who sent and served."""

from __future__ import annotations

import errno
import functools
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from drive import until
from installed import installed
from tracers import Trace

from srr import facts, processes

pytestmark = pytest.mark.usefixtures("needs_bpf")

HERE = Path(__file__).parent
#: A prime: a trace that loses a batch, or tells one twice, can't come out right by chance.
COUNT = 10_007
REPLY, ERROR, HOLD, DIE, RELAY = range(5)
LANES = ("-", "inline", "direct")


@functools.cache
def worker() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="srr-worker-"))
    return installed().compile(HERE / "worker.c", folder / "worker", "srr", "-O1", static=True)


class Worker:
    """One process, in C or in Python."""

    def __init__(self, folder: Path, in_c: bool, *arguments: str) -> None:
        self.in_c = in_c
        command = [str(worker())] if in_c else [sys.executable, "-P", str(HERE / "worker_python.py")]
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen([*command, *arguments], stdin=subprocess.PIPE, stdout=log)
        self.pid = self.process.pid
        self.log_path = (folder / "log").rename(folder / str(self.pid))

    def log(self) -> list[list[str]]:
        return [line.split() for line in self.log_path.read_text().splitlines()]


class Works:
    """All of them, and the plan of what is to be sent: of all sizes and lanes, and some of it to no good end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.random = random.Random(10_007)
        self.servers = [self.start(n < 2, "serve") for n in range(4)]
        self.mortals = [self.start(n < 6, "serve") for n in range(9)]
        self.deaf = self.start(True, "send", "/dev/null")  # has rows and never receives
        self.gone = self.start(True, "send", "/dev/null")
        self.gone.process.communicate()
        for server in (*self.servers, *self.mortals):
            until("it receives", functools.partial(self.receives, server.pid))
        self.clients: list[Worker] = []
        self.plans: dict[int, list[tuple[int, ...]]] = {}

    def start(self, in_c: bool, *arguments: str) -> Worker:
        return Worker(self.folder, in_c, *arguments)

    @staticmethod
    def receives(pid: int) -> bool:
        try:
            return processes.look(pid).receivers == 1
        except FileNotFoundError:
            return False

    def plan(self, count: int) -> list[tuple[int, ...]]:
        return [self.step() for _ in range(count)]

    def step(self) -> tuple[int, ...]:
        """server, operation, bytes, what, room, time-out."""
        inline = facts.facts().inline_max
        server = self.random.choice(self.servers).pid
        sizes = (0, 1, 7, 8, 64, 500, inline - 1, inline, inline + 1, 20_000, 100_000)
        nbytes = self.random.choice(sizes) if self.random.random() < 0.99 else 1 << 20
        what = self.random.choice(sizes)
        room = 1 << 20 if self.random.random() < 0.9 else self.random.choice((0, 5, what))
        chance = self.random.random()
        if chance < 0.94:
            return server, REPLY, nbytes, what, room, -1
        nbytes = max(8, nbytes)
        if chance < 0.96:
            return server, ERROR, nbytes, self.random.choice((errno.ENOENT, errno.EIO, errno.ETIMEDOUT)), room, -1
        if chance < 0.98:
            other = self.random.choice([other for other in self.servers if other.pid != server])
            return server, RELAY, nbytes, other.pid, room, -1
        if chance < 0.985:
            return server, HOLD, nbytes, 0, room, 2
        if chance < 0.99:
            return self.deaf.pid, REPLY, nbytes, 0, room, 1
        return self.gone.pid, REPLY, nbytes, 0, room, -1

    def prepare(self, clients: int, in_c: int) -> None:
        counts = [COUNT // clients + (n < COUNT % clients) for n in range(clients)]
        for n, count in enumerate(counts):
            plan = self.plan(count)
            for mortal in self.mortals[n::clients]:  # one message, then the one it dies of, then one to a dead process
                at = self.random.randrange(count - 3)
                plan[at : at + 3] = [(mortal.pid, op, 64, 64, 1 << 20, -1) for op in (REPLY, DIE, REPLY)]
            path = self.folder / f"plan-{n}"
            path.write_text("".join(" ".join(map(str, step)) + "\n" for step in plan))
            client = self.start(n < in_c, "send", str(path))
            self.clients.append(client)
            self.plans[client.pid] = plan

    def run(self) -> None:
        for client in self.clients:
            assert client.process.stdin is not None
            client.process.stdin.close()
        for client in self.clients:
            assert client.process.wait(40) == 0

    def close(self) -> None:
        for one in (*self.servers, *self.mortals, *self.clients, self.deaf):
            one.process.kill()
            one.process.wait()
            assert one.process.stdin is not None
            one.process.stdin.close()


@pytest.fixture
def works(tmp_path: Path, names: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Works]:
    monkeypatch.setenv("SRR_RUNTIME_DIR", str(names))
    made = Works(tmp_path)
    yield made
    made.close()


def test_every_transaction_is_told_as_it_was(works: Works, trace: Trace) -> None:
    """Five clients and fourteen servers, in C and Python, at once: 10,007, of which hundreds fail in six ways."""
    works.prepare(clients=5, in_c=3)
    tracer = trace("--json", "--fail-on-loss")
    works.run()
    *everybodys, last = tracer.stopped()

    assert last == {"schema": 1, "transactions": len(everybodys), "lost": dict.fromkeys(last["lost"], 0)}
    told = [one for one in everybodys if one["client"] in works.plans]  # others may use the machine, too
    assert len(told) == COUNT
    by_client = defaultdict(list)
    for one in told:
        by_client[one["client"]].append(one)
    assert set(by_client) == {client.pid for client in works.clients}
    for client in works.clients:
        check_client(client, works.plans[client.pid], by_client[client.pid])
    for server in (*works.servers, *works.mortals):
        check_server(server, told)
    check_mixture(told, works)


def check_client(client: Worker, plan: list[tuple[int, ...]], told: list[dict[str, Any]]) -> None:
    """What it logged, one by one, in its order."""
    log = [list(map(int, line)) for line in client.log()]
    assert len(log) == len(told) == len(plan)
    assert [one["time"] for one in told] == sorted(one["time"] for one in told)
    for step, (asked, nbytes, replied, lane, status, received), one in zip(plan, log, told, strict=True):
        server = step[3] if step[1] == RELAY and nbytes >= 8 else asked
        assert (one["server"], one["sent"], one["replied"], one["status"]) == (server, nbytes, replied, status), one
        if lane >= 0:
            assert one["lane"] == LANES[lane], one
        steps = [one["queue_ns"], one["service_ns"], one["wakeup_ns"]]
        if status == 0:
            assert received
            assert all(0 <= ns < 60 * 10**9 for ns in steps), one
        if not received:
            assert steps == [None, None, None], one
        one["received"] = bool(received)


def check_server(server: Worker, told: list[dict[str, Any]]) -> None:
    """What a server received from each client and answered, in the order of that client's Sends."""
    served: dict[int, list[tuple[int, str, str, int]]] = defaultdict(list)
    for pid, nbytes, lane, did, what in server.log():
        if did != "relay":  # the trace tells the last receiver
            served[int(pid)].append((int(nbytes), lane, did, int(what)))
    for client, messages in served.items():
        mine = [one for one in told if one["client"] == client and one["server"] == server.pid]
        mine = [one for one in mine if one["received"]]  # others came to a dead one, or were not waited for so long
        assert len(mine) == len(messages)
        for (length, lane, did, number), one in zip(messages, mine, strict=True):
            assert (one["sent"], one["lane"]) == (length, lane)
            if did == "reply":
                assert (one["replied"], one["status"]) == (number, 0)
            else:
                expected = {"error": number, "hold": errno.ETIMEDOUT, "die": errno.ESRCH}[did]
                assert (one["replied"], one["status"]) == (0, expected)


def check_mixture(told: list[dict[str, Any]], works: Works) -> None:
    """The load was what this test claims."""
    status = Counter(one["status"] for one in told)
    assert status[errno.ESRCH] > 2 * len(works.mortals) and status[errno.ETIMEDOUT] > 50 and status[errno.EIO] > 30
    assert set(Counter(one["lane"] for one in told)) == set(LANES)
    assert sum(line[3] == "relay" for server in works.servers for line in server.log()) > 100
    print(dict(status), Counter(one["lane"] for one in told), os.cpu_count())
