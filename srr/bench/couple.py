"""python -m srr.bench.couple ...: two processes, perhaps of two users, that have srr and sockets between them.

One starts, forks the other, and each becomes the user that it is to be: an interpreter below /root could not be started
by anybody else. On standard input come orders as in client.py, {size, calls, by_socket}; the answer has {came_by}, too,
the lane of the bytes as the server saw it. The first order, {}, is answered with the server's pid, {server}. Where the
two may run is for the runner to say, which is still allowed to.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import select
import signal
import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import srr
from srr.bench import ANSWER, HEADER, SMALLEST, answer
from srr.bench.client import Spent, calls_in_all, cpu_ns, measure, spent_by
from srr.demo.identity import become
from srr.demo.users import environment

#: Beside HEADER's: so many calls of that size come by a socket now.
_SWITCH, _BY_SOCKET = struct.Struct("<QIQ"), 2
#: In the filling of an answer: the lane that its message came by.
_LANE_AT = 12


class Sockets:
    """Packets for what fits into one, a stream for the rest."""

    def __init__(self) -> None:
        self._packets = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._streams = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)

    def end(self, side: int, size: int) -> socket.socket:
        return (self._packets if size <= ANSWER.size else self._streams)[side]


def _receive(end: socket.socket, into: memoryview) -> None:
    if end.recv_into(into, len(into), socket.MSG_WAITALL) != len(into):
        raise SystemExit("the other side of the socket has ended")


def end_with(other: int) -> None:
    """At the end of that pipe, whose writing end the other process alone has: SIGIO, which ends us.

    The kernel's word about a parent's death (PR_SET_PDEATHSIG) does not come from one user to another.
    """
    fcntl.fcntl(other, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(other, fcntl.F_SETFL, os.O_ASYNC)
    if select.select([other], [], [], 0)[0]:
        os._exit(1)


def serve(sockets: Sockets, largest: int, *, shared: bool, ready: Callable[[], None]) -> None:
    """Until it is killed."""
    port = srr.listen(f"srr-bench-{os.getpid()}", mode=0o666) if shared else srr.listen()
    buffer, reply = bytearray(max(largest, _SWITCH.size)), bytearray(ANSWER.size)
    whole = memoryview(buffer)
    ready()
    while True:
        message = port.receive(into=buffer)
        calls, wanted = HEADER.unpack_from(buffer)
        if wanted != _BY_SOCKET:
            answer(whole[: message.nbytes], reply)
            reply[_LANE_AT] = message.lane
            message.reply(reply)
            continue
        size = _SWITCH.unpack_from(buffer)[2]
        message.reply(b"")
        end, view = sockets.end(1, size), whole[:size]
        for _ in range(calls):
            _receive(end, view)
            answer(view, reply)
            end.sendall(reply)


class Caller:
    """The measuring side."""

    def __init__(self, server: int, sockets: Sockets, helper: int | None) -> None:
        self._server, self._sockets, self._helper = server, sockets, helper
        self._connection = srr.connect(server)
        self._reply = bytearray(ANSWER.size)

    def _send(self, message: bytearray) -> bytearray:
        self._connection.send_into(message, self._reply)
        return self._reply

    def measure(self, size: int, calls: int, by_socket: bool) -> dict[str, object]:
        if not by_socket:
            measured = measure(self._send, size, calls, self._spent)
            return measured | {"came_by": str(srr.Lane(self._reply[_LANE_AT]))}
        self._connection.send(_SWITCH.pack(calls_in_all(calls), _BY_SOCKET, size))
        end, view = self._sockets.end(0, size), memoryview(self._reply)

        def call(message: bytearray) -> bytearray:
            end.sendall(message)
            _receive(end, view)
            return self._reply

        return measure(call, size, calls, self._spent) | {"came_by": "socket"}

    def _spent(self) -> Spent:
        """The helper's processes move bytes, too."""
        slept, cpu = spent_by(os.getpid(), self._server)
        return slept, cpu + sum(map(cpu_ns, _descent(self._helper)))


def _descent(pid: int | None) -> list[int]:
    """The process and its children's children."""
    if pid is None:
        return []
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in _descent(int(child)))]


def _become(uid: int | None, folder: Path) -> None:
    if uid is not None:
        os.environ.update(environment({}, folder, uid))
        become(uid)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--users", type=int, nargs=2, metavar="UID", default=[None, None])
    parser.add_argument("--folder", type=Path, default=Path())
    parser.add_argument("--helper", type=int, metavar="PID")
    parser.add_argument("--largest", type=int, default=SMALLEST)
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who orders
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    mine, its = options.users
    sockets = Sockets()
    ready, tell = os.pipe()
    life, hold = os.pipe()
    server = os.fork()
    if server == 0:
        os.close(hold)
        _become(its, options.folder)
        end_with(life)
        serve(sockets, options.largest, shared=its is not None, ready=lambda: os.close(tell))
    os.close(tell)
    os.read(ready, 1)  # its end: the server is there, or has failed, which the first Send finds out
    _become(mine, options.folder)
    caller = Caller(server, sockets, options.helper)
    for line in sys.stdin:
        order = json.loads(line)
        print(json.dumps(caller.measure(**order) if order else {"server": server}), flush=True)


if __name__ == "__main__":
    main()
