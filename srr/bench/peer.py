"""python -m srr.bench.peer srr | socket FD: the server of a pair, an exec'ed process of its own.

The server behind multiprocessing.Pipe, which multiprocessing starts itself, is `pipe_server`.
"""

from __future__ import annotations

import ctypes
import signal
import socket
import sys
from multiprocessing.connection import Connection

import srr
from srr.bench import ANSWER, answer

LARGEST = 64 << 20
_PR_SET_PDEATHSIG = 1


def srr_server() -> None:
    port = srr.listen()
    buffer = bytearray(LARGEST)
    reply = bytearray(ANSWER.size)
    whole = memoryview(buffer)
    while True:
        message = port.receive(into=buffer)
        answer(whole[: message.nbytes], reply)
        message.reply(reply)


def socket_server(descriptor: int) -> None:
    """Small messages only: one recv is one message."""
    end = socket.socket(fileno=descriptor)
    buffer = bytearray(ANSWER.size)
    reply = bytearray(ANSWER.size)
    while length := end.recv_into(buffer):
        answer(memoryview(buffer)[:length], reply)
        end.sendall(reply)


def pipe_server(end: Connection) -> None:
    reply = bytearray(ANSWER.size)
    try:
        while True:
            answer(memoryview(end.recv_bytes()), reply)
            end.send_bytes(reply)
    except EOFError:
        return


def main() -> None:
    # Whatever becomes of the client, its server does not stay behind; and no second thread disturbs the measurement.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who orders
    if sys.argv[1] == "srr":
        srr_server()
    else:
        socket_server(int(sys.argv[2]))


if __name__ == "__main__":
    main()
