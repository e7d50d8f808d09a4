"""What one user's flood does to another's calls: python tests/helper/flood.py [ROUNDS [SECONDS]], as root.

Each is measured alone; beside a flood at another helper and server, which takes the same CPUs and shares nothing else
with us; and beside the same flood at ours. What the second does, no helper could prevent.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import statistics
import struct
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from helper import guest
from helper.hosts import ALICE, BOB, CAROL, Host
from helper.protocol import Op, request
from pairs.town import program

import srr
from srr.demo.identity import become

DORA = 1004
NAME = "flooded"
FLOODERS = 4
IN_FLIGHT = 16
MOVED, BIG = 64 << 10, 8 << 20


@contextlib.contextmanager
def child(uid: int, what: Callable[[int], object], host: Host, lane: str) -> Iterator[int]:
    """Forked, of that user, with a folder of its own; killed at the end. Yields what it writes to, once it is ready."""
    reading, writing = os.pipe()
    home = tempfile.mkdtemp(prefix=f"srr-{uid}-")
    os.chown(home, uid, uid)
    pid = os.fork()
    if pid == 0:
        os.environ.update(SRR_RUNTIME_DIR=home, SRR_HELPER=str(host.path), SRR_LANE=lane)
        become(uid)
        try:
            what(writing)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    os.close(writing)
    try:
        assert os.read(reading, 1) == b"!", f"the child of user {uid} has ended"
        yield reading
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(reading)
        shutil.rmtree(home)


def serve(out: int) -> None:
    port = srr.listen(NAME, mode=0o666)
    os.write(out, b"!")
    while True:
        with contextlib.suppress(srr.SenderGone):
            port.receive().reply(b"!")


def sender(server: int, size: int) -> Callable[[], object]:
    connection, data = srr.connect(f"{NAME}@{server}"), bytes(size)
    return lambda: connection.send(data)


def asker() -> Callable[[], object]:
    guest.join(os.environ["SRR_HELPER"])
    return lambda: guest.ask(Op.LOCATE, name=NAME.encode(), uid=CAROL)


def ask_for_ever(out: int) -> None:
    """LIST, so many of them under way at any time."""
    guest.join(os.environ["SRR_HELPER"])
    for _ in range(IN_FLIGHT):
        guest.send(request(Op.LIST, cookie=7))
    os.write(out, b"!")
    while True:
        while (told := guest.hear()) is not None and told.name:
            pass
        guest.send(request(Op.LIST, cookie=7))


def repeat(out: int, call: Callable[[], object]) -> None:
    call()
    os.write(out, b"!")
    while True:
        call()


def tell_times(out: int, call: Callable[[], object], seconds: float) -> None:
    for _ in range(50):
        call()
    os.write(out, b"!")
    taken = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.perf_counter_ns()
        call()
        taken.append(time.perf_counter_ns() - began)
    with os.fdopen(out, "wb") as told:
        told.write(struct.pack(f"q{len(taken)}q", len(taken), *taken))
    signal.pause()


@dataclass(frozen=True)
class Kind:
    """A call that is measured, and the flood that might delay it."""

    title: str
    call: Callable[[], Callable[[], object]]
    flood: Callable[[int, int], object]
    lane: str = ""
    #: The flood is at the measured call's own server.
    shares_server: bool = False


KINDS = (
    Kind("LOCATE; 64 LISTs under way", asker, lambda out, _: ask_for_ever(out)),
    Kind(
        "64 B; four senders of 64 B to the same server",
        lambda: sender(CAROL, 64),
        lambda out, server: repeat(out, sender(server, 64)),
        shares_server=True,
    ),
    Kind(
        "64 KiB by the helper lane; four senders of 8 MiB by it",
        lambda: sender(CAROL, MOVED),
        lambda out, server: repeat(out, sender(server, BIG)),
        lane="helper",
    ),
)


def measured(kind: Kind, host: Host, flooded: Host | None, seconds: float) -> tuple[float, float]:
    """p50 and p99, in microseconds."""
    with contextlib.ExitStack() as stack:

        def start(uid: int, what: Callable[[int], object], at: Host) -> int:
            return stack.enter_context(child(uid, what, at, kind.lane))

        start(CAROL, serve, host)
        if flooded is not None:
            server = CAROL if kind.shares_server and flooded is host else DORA
            if server == DORA:
                start(DORA, serve, flooded)
            for _ in range(FLOODERS):
                start(ALICE, lambda out: kind.flood(out, server), flooded)
        out = start(BOB, lambda out: tell_times(out, kind.call(), seconds), host)
        with os.fdopen(os.dup(out), "rb") as told:
            (count,) = struct.unpack("q", told.read(8))
            taken = sorted(struct.unpack(f"{count}q", told.read(8 * count)))
    return taken[count // 2] / 1000, taken[count * 99 // 100] / 1000


def main(rounds: int = 5, seconds: float = 2.0) -> None:
    host, other = (Host(Path(program()), None, "--transfer") for _ in range(2))
    try:
        table = Table(
            "p50 / p99, us", "alone", "flood elsewhere", "flood here", "p99: here / elsewhere", "here / alone"
        )
        for kind in KINDS:
            told = [[measured(kind, host, at, seconds) for at in (None, other, host)] for _ in range(rounds)]
            cells = [[statistics.median(one[which][n] for one in told) for n in range(2)] for which in range(3)]
            ratios = [cells[2][1] / cells[1][1], cells[2][1] / cells[0][1]]
            table.add_row(kind.title, *(f"{a:.1f} / {b:.1f}" for a, b in cells), *(f"{one:.2f}" for one in ratios))
        Console(width=140).print(table, f"{rounds} rounds of {seconds:g} s, {os.cpu_count()} CPUs, not pinned")
    finally:
        host.close()
        other.close()


if __name__ == "__main__":
    main(*(kind(text) for kind, text in zip((int, float), sys.argv[1:], strict=False)))
