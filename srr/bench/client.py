"""python -m srr.bench.client TRANSPORT: starts its server, then measures as ordered on standard input.

An order is a line of JSON, {size, calls, client: [CPU...], server: [CPU...]}; so is the answer, {times, sleeps,
cpu_ns}: nanoseconds of each call, and how often the two processes together went to sleep a call, and what CPU time it
cost them. The end of standard input ends both processes.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
import zlib
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import srr
from srr.bench import ANSWER, HEADER
from srr.bench.peer import pipe_server

#: Sends the message; returns the reply.
Call = Callable[[bytearray], bytes | bytearray]
Pair = tuple[Call, int]
#: Sleeps, and nanoseconds of CPU time.
Spent = tuple[int, int]


@contextmanager
def srr_pair() -> Iterator[Pair]:
    with _started("srr") as pid:
        connection = srr.connect(pid)
        reply = bytearray(ANSWER.size)

        def call(message: bytearray) -> bytearray:
            connection.send_into(message, reply)
            return reply

        yield call, pid


@contextmanager
def pipe_pair() -> Iterator[Pair]:
    context = multiprocessing.get_context("spawn")
    mine, its = context.Pipe()
    server = context.Process(target=pipe_server, args=(its,), daemon=True)
    server.start()
    its.close()

    def call(message: bytearray) -> bytes:
        mine.send_bytes(message)
        return mine.recv_bytes()

    assert server.pid is not None
    yield call, server.pid
    mine.close()
    server.join()


@contextmanager
def socket_pair() -> Iterator[Pair]:
    mine, its = socket.socketpair()
    reply = bytearray(ANSWER.size)

    def call(message: bytearray) -> bytearray:
        mine.sendall(message)
        mine.recv_into(reply)
        return reply

    with mine, its, _started("socket", str(its.fileno()), descriptor=its.fileno()) as pid:
        yield call, pid


PAIRS = {"srr": srr_pair, "pipe": pipe_pair, "socket": socket_pair}


@contextmanager
def _started(*arguments: str, descriptor: int | None = None) -> Iterator[int]:
    handed = () if descriptor is None else (descriptor,)
    server = subprocess.Popen(
        [sys.executable, "-P", "-m", "srr.bench.peer", *arguments], stdin=subprocess.DEVNULL, pass_fds=handed
    )
    try:
        yield server.pid
    finally:
        server.kill()
        server.wait()


def measure(call: Call, size: int, calls: int, spent: Callable[[], Spent]) -> dict[str, object]:
    """What the runner is answered. The stamp is put in and looked at outside the time that is taken of a call."""
    message = bytearray(os.urandom(size))
    times = array("q", bytes(8 * calls))
    clock = time.perf_counter_ns
    before = spent()
    for stamp in range(-_warm_up(calls), calls):
        HEADER.pack_into(message, 0, stamp & _STAMPS, 0)
        if stamp == 0:
            before = spent()
        began = clock()
        reply = call(message)
        ended = clock()
        if ANSWER.unpack(reply) != (stamp & _STAMPS, 0):
            raise SystemExit(f"call {stamp} of {size} bytes got another call's reply: {bytes(reply).hex()}")
        if stamp >= 0:
            times[stamp] = ended - began
    after = spent()
    HEADER.pack_into(message, 0, calls, 1)
    if ANSWER.unpack(call(message)) != (calls, zlib.crc32(message)):
        raise SystemExit(f"{size} bytes arrived different from what was sent")
    each = [(now - then) / calls for now, then in zip(after, before, strict=True)]
    return {"times": times.tolist(), "sleeps": each[0], "cpu_ns": each[1]}


_STAMPS = (1 << 64) - 1


def _warm_up(calls: int) -> int:
    """After the turn of the others, caches and the learned spinning are cold."""
    return max(2, calls // 10)


def calls_in_all(calls: int) -> int:
    """How many `measure()` makes, for so many that count."""
    return _warm_up(calls) + calls + 1


def sleeps(pid: int) -> int:
    """How often the process's first thread gave up its CPU of itself."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("voluntary_ctxt_switches"))


def cpu_ns(pid: int) -> int:
    """CPU time of all its threads, by the clock that clock_getcpuclockid() names: another user's can be read, too."""
    return time.clock_gettime_ns(~pid << 3 | 2)


def spent_by(*pids: int) -> Spent:
    return sum(map(sleeps, pids)), sum(map(cpu_ns, pids))


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who orders: then standard input ends
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # and without one who listens there is nothing to do
    with PAIRS[sys.argv[1]]() as (call, server):
        me = os.getpid()
        for line in sys.stdin:
            order = json.loads(line)
            os.sched_setaffinity(0, order["client"])
            os.sched_setaffinity(server, order["server"])
            measured = measure(call, order["size"], order["calls"], lambda: spent_by(me, server))
            print(json.dumps(measured), flush=True)


if __name__ == "__main__":
    main()
