"""As worker.c, in Python. Its log is what it did; nothing here knows of tracing."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import srr
from srr import _native

REPLY, ERROR, HOLD, DIE, RELAY = range(5)
RELAYED_REPLY = 16


def serve() -> NoReturn:
    held = []
    zeros = memoryview(bytes(4 << 20))
    for message in srr.Port():
        op, what = REPLY, message.nbytes * 3
        if message.nbytes >= 8:
            op, what = (int.from_bytes(message.data[at : at + 4], "little") for at in (0, 4))
        if op == RELAY and what == os.getpid():
            op, what = REPLY, RELAYED_REPLY
        print(
            message.pid, message.nbytes, message.lane, ("reply", "error", "hold", "die", "relay")[op], what, flush=True
        )
        if op == REPLY:
            message.reply(zeros[:what])
        elif op == ERROR:
            message.error(what)
        elif op == HOLD:
            held.append(message)
        elif op == DIE:
            os._exit(0)
        else:
            message.relay(what)
    raise AssertionError("a port has no end")


def send_all(plan: str) -> None:
    sys.stdin.read()
    with open(plan, encoding="ascii") as file:
        lines = [[int(word) for word in line.split()] for line in file]
    for server, op, nbytes, what, room, timeout in lines:
        head = op.to_bytes(4, "little") + what.to_bytes(4, "little")
        message = (head + bytes(max(0, nbytes - len(head))))[:nbytes]
        replied = lane = status = 0
        received = True
        try:
            _, sent = _native.send(server, message, room, None if timeout < 0 else timeout / 1000)
            replied, lane = sent[0], sent[3]
        except OSError as error:
            status, lane = error.errno or -1, -1  # an exception does not tell the lane
            received = getattr(error, "received", True)
        print(server, nbytes, replied, lane, status, int(received), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve()
    send_all(sys.argv[2])
