"""Orders to a guest to be many: floods, crowds of children, hoards of connections."""

from __future__ import annotations

import os
import random
import socket
import struct
import time

from helper.guest import ask, connect, hear, hello, join, make_life, send, state
from helper.protocol import LAYOUT_VERSION, Op, request


def flood(path: str, connections: int, seconds: float) -> int:
    """Children of ours each join and ask without pause, for a while: how many requests were answered."""
    pipes = []
    for _ in range(connections):
        ours, theirs = os.pipe()
        if os.fork() == 0:
            try:
                join(path)
                done, until = 0, time.monotonic() + seconds
                while time.monotonic() < until:
                    ask(Op.LOCATE, uid=os.getuid(), name=b"nobody.has.it")
                    done += 1
                os.write(theirs, struct.pack("Q", done))
            finally:
                os._exit(0)
        os.close(theirs)
        pipes.append(ours)
    return sum(struct.unpack("Q", os.read(pipe, 8))[0] for pipe in pipes)


def times(count: int, uid: int, name: bytes) -> list[float]:
    """Seconds that each of so many LOCATEs took."""
    taken = []
    for _ in range(count):
        began = time.perf_counter()
        ask(Op.LOCATE, uid=uid, name=name)
        taken.append(time.perf_counter() - began)
    return taken


def garbage(path: str, seed: int, count: int) -> int:
    """Random datagrams, some of them nearly right; how many ended in an answer or a closed connection."""
    rng = random.Random(seed)
    ended = 0
    for _ in range(count):
        connect(path)
        if rng.random() < 0.7:
            hello()
        data = bytearray(request(rng.randrange(16), pid=os.getpid(), version=4, name=b"n", mode=0o666))
        for _ in range(rng.randrange(4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        if rng.random() < 0.2:
            data = data[: rng.randrange(len(data))]
        try:
            send(bytes(data), [state.life] if rng.random() < 0.1 and hasattr(state, "life") else None)
            hear()
        except (BrokenPipeError, ConnectionResetError):
            pass
        ended += 1
        state.connection.close()
        if hasattr(state, "life"):
            os.close(state.life)
            del state.life
    return ended


_crowd: list[tuple[int, int, socket.socket]] = []


def _child(path: str, watched: list[int], watches: int) -> tuple[int, int, socket.socket]:
    """A child that joins, watches so many of these, says how that ended, and stays."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        told = join(path)
        error, done = told.error if told else -1, 0
        for other in watched[:watches]:
            if (error := ask(Op.WATCH, pid=other).error) != 0:  # type: ignore[union-attr]
                break
            done += 1
        theirs.send(struct.pack("2i", done, error))
        theirs.recv(1)
        os._exit(0)
    theirs.close()
    done, error = struct.unpack("2i", ours.recv(8))
    _crowd.append((pid, error, ours))
    return done, error, ours


def crowd(path: str, count: int) -> list[int]:
    """So many children join; the errno that each was told."""
    return [_child(path, [], 0)[1] for _ in range(count)]


def crowd_watches(path: str, limit: int) -> list[int]:
    """Children join until together they watch as many others as they may: how many, and the errno then."""
    total, error = 0, 0
    while error == 0:
        done, error, _ = _child(path, [pid for pid, _, _ in _crowd], limit)
        total += done
    return [total, error]


def crowd_ends() -> None:
    for _, _, ours in _crowd:
        ours.close()
    for pid, _, _ in _crowd:
        os.waitpid(pid, 0)
    _crowd.clear()


def hoard(path: str, count: int) -> None:
    """Connections whose answer, with its descriptor, is not read, and whose writing end is shut."""
    for _ in range(count):
        connect(path)
        life = make_life()
        send(request(Op.HELLO, pid=os.getpid(), version=LAYOUT_VERSION), [life])
        state.connection.recv(1, socket.MSG_PEEK)  # it is there
        state.connection.shutdown(socket.SHUT_WR)
        state.sockets.append(state.connection)
        os.close(life)


def hoard_is_read() -> None:
    for s in state.sockets:
        s.recv(4096)


def asks_without_reading(most: int) -> int:
    """How many requests could be sent before the helper hung up."""
    for sent in range(most):
        try:
            send(request(Op.STATUS))
        except (BrokenPipeError, ConnectionResetError):
            return sent
    return most
