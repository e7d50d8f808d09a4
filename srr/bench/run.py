"""The run: starts the pairs, gives each its turn round after round, and boils the times down."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self

from srr.bench.machine import Placement

SMALL = 64
#: Bytes that one chunk of calls moves at most, and calls that it has at least.
_CHUNK_BYTES, _CHUNK_CALLS = 64 << 20, 8
_CONTACT_CALLS = 20


@dataclass(frozen=True, slots=True)
class Transport:
    """A way of sending, as one pair of processes does it."""

    title: str
    program: str
    #: SRR_SPIN_US of both processes; None: as shipped.
    spin: str | None = None


SRR = Transport("srr", "srr")
SLEEPING = Transport("srr, SRR_SPIN_US=0", "srr", spin="0")
PIPE = Transport("multiprocessing.Pipe", "pipe")
SOCKET = Transport("AF_UNIX socket pair", "socket")


@dataclass(slots=True)
class Series:
    """One transport, placement and size: a value a round."""

    transport: str
    placement: str
    size: int
    p50_us: list[float] = field(default_factory=list)
    p99_us: list[float] = field(default_factory=list)
    sleeps: list[float] = field(default_factory=list)
    #: CPU time of a call, of all who work for it.
    cpu_us: list[float] = field(default_factory=list)
    #: How the receiver says that the bytes came; "": it was not asked.
    came_by: str = ""

    def add(self, times: list[int], sleeps: float, cpu_ns: float, came_by: str = "") -> None:
        ordered = sorted(times)
        self.p50_us.append(statistics.median(ordered) / 1000)
        self.p99_us.append(ordered[int(0.99 * (len(ordered) - 1))] / 1000)
        self.sleeps.append(sleeps)
        self.cpu_us.append(cpu_ns / 1000)
        self.came_by = came_by

    def slower_than(self, other: Series) -> float:
        """How many times the other's p50 this one's is: the median of the rounds, each with its own neighbour."""
        return statistics.median(mine / its for mine, its in zip(self.p50_us, other.p50_us, strict=True))


class Measurer(Protocol):
    """Has a turn in each round."""

    @property
    def title(self) -> str: ...

    def measure(self, series: Series, placement: Placement, calls: int) -> None: ...


class Client:
    """A measuring process and, behind it, its server."""

    def __init__(self, title: str, *command: str, env: dict[str, str]) -> None:
        self.title = title
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
        )

    def measure(self, series: Series, placement: Placement, calls: int) -> None:
        order = {"size": series.size, "calls": calls, "client": placement.client, "server": placement.server}
        series.add(**self.order(order))

    def order(self, order: dict[str, object]) -> dict[str, Any]:
        """Its answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps(order) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise BenchFailed(f"the client of {self.title} ended with status {self.process.wait()}; see above")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if value is not None:
            self.process.kill()  # it may be in the middle of an order
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        self.process.wait()
        self.process.stdout.close()


class BenchFailed(Exception):
    """A measuring process failed; it has said why on stderr."""


def environment(spin: str | None) -> dict[str, str]:
    """Ours, with spinning as the row of the table says, whatever the user's shell has set."""
    clean = {key: value for key, value in os.environ.items() if key != "SRR_SPIN_US"}
    return clean if spin is None else clean | {"SRR_SPIN_US": spin}


@contextmanager
def clients(transports: list[Transport]) -> Iterator[list[Client]]:
    with ExitStack() as stack:
        yield [
            stack.enter_context(Client(each.title, "srr.bench.client", each.program, env=environment(each.spin)))
            for each in transports
        ]


def calls_for(size: int, most: int) -> int:
    """Calls in one chunk."""
    return max(_CHUNK_CALLS, min(most, _CHUNK_BYTES // size))


def interleaved(
    among: Sequence[Measurer],
    cases: list[tuple[Placement, int]],
    rounds: int,
    calls: int,
    step: Callable[[], None],
) -> list[Series]:
    """Each client with each placement and size, in turn, `rounds` times.

    Every second round runs backwards: the scheduler tends to leave an unpinned pair where its last turn put it, so
    it must not always come after the same placement.
    """
    work = [
        (client, placement, Series(client.title, placement.title, size))
        for placement, size in cases
        for client in among
    ]
    for n in range(rounds):
        for client, placement, series in reversed(work) if n % 2 else work:
            client.measure(series, placement, calls_for(series.size, calls))
            step()
    return [series for _, _, series in work]


def first_contacts(times: int, step: Callable[[], None]) -> list[float]:
    """What a new process's first Send costs more than its later ones, in microseconds; one value a process."""
    server = subprocess.Popen(
        [sys.executable, "-P", "-m", "srr.bench.peer", "srr"], stdin=subprocess.DEVNULL, env=environment(None)
    )
    command = [sys.executable, "-P", "-m", "srr.bench.contact", str(server.pid), str(_CONTACT_CALLS)]
    more = []
    try:
        for n in range(times + 1):
            ran = subprocess.run(command, stdout=subprocess.PIPE, env=environment(None), check=False)
            if ran.returncode != 0:
                raise BenchFailed(f"a client of the first contact ended with status {ran.returncode}; see above")
            first, *later = json.loads(ran.stdout)
            if n:  # the very first one also waited for the server's start
                more.append((first - statistics.median(later)) / 1000)
                step()
    finally:
        server.kill()
        server.wait()
    return more
