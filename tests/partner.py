"""A partner process: it obeys one order a line on stdin and answers each on stdout (JSON, see wire.py).

    {"id": 7, "do": "send", "thread": "main", "args": {"to": 4711, "message": {"bytes": "aGVsbG8="}}}
    {"id": 7, "done": {"bytes": "b2xsZWg="}}           or {"id": 7, "failed": {"class": "ServerDied", ...}}

The main thread obeys orders for "main" in turn; any other thread name is a thread, made when it is first named, with
a queue of its own. Signals reach the main thread only (the others block them), so they find it in the call that
the test wants to see interrupted. An order with ``"tell": true`` is answered by {"id": 7, "entered": true} first, just
before it is begun. Nothing here imports srr until an order needs it: before that, the partner is a process that
has never touched the library.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import mmap
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import wire

Order = Callable[..., Any]
ORDERS: dict[str, Order] = {}


def order(function: Order) -> Order:
    """An order by the function's name."""
    ORDERS[function.__name__] = function
    return function


class Stop(Exception):
    """What a handler raises that was told to."""


class Line:
    """Where orders come from and answers go. A forked child gets another."""

    def __init__(self, orders: int, answers: int) -> None:
        self.orders, self.answers = orders, answers
        self.left = b""
        self.lock = threading.Lock()

    def say(self, answer: dict[str, Any]) -> None:
        data = memoryview(wire.line(answer))
        with self.lock:
            while data:
                data = data[os.write(self.answers, data) :]

    def next(self) -> dict[str, Any] | None:
        while b"\n" not in self.left:
            more = os.read(self.orders, 65536)
            if not more:
                return None
            self.left += more
        text, self.left = self.left.split(b"\n", 1)
        return wire.parse(text)


Orders = queue.SimpleQueue["dict[str, Any] | None"]


def start_thread(name: str, run: Callable[[], None]) -> None:
    """A thread that gets no signals."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    threading.Thread(target=run, name=name, daemon=True).start()
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Partner:
    """The state that orders share."""

    def __init__(self, line: Line) -> None:
        self.held: dict[str, Any] = {}
        self.handled: list[int] = []
        self.ended = False
        self.connect(line)

    def connect(self, line: Line) -> None:
        """Take orders from this line; in a forked child nothing of its parent's threads is left."""
        self.line = line
        self.queues: dict[str, Orders] = {"main": queue.SimpleQueue()}
        start_thread("reads orders", lambda: self.read(line))

    def read(self, line: Line) -> None:
        while (given := line.next()) is not None:
            name = given.get("thread", "main")
            if name not in self.queues:
                orders = self.queues[name] = queue.SimpleQueue()
                start_thread(name, functools.partial(self.obey_all, orders))
            self.queues[name].put(given)
        self.queues["main"].put(None)

    def obey_all(self, orders: Orders) -> None:
        while not self.ended and (given := orders.get()) is not None:
            if given["do"] == "leave":
                self.line.say({"id": given["id"], "done": None})
                return
            self.obey(given)

    def obey(self, given: dict[str, Any]) -> None:
        try:
            if given.get("tell"):
                self.line.say({"id": given["id"], "entered": True})
            answer = {"done": wire.small(ORDERS[given["do"]](self, **given["args"]))}
        except (Exception, KeyboardInterrupt) as failure:
            answer = {"failed": wire.small(described(failure))}
        self.line.say({"id": given["id"], **answer})


def described(failure: BaseException) -> dict[str, Any]:
    known = {key: value for key, value in vars(failure).items() if not key.startswith("_")}
    return {
        "class": type(failure).__name__,
        "errno": getattr(failure, "errno", None),
        "text": getattr(failure, "strerror", None) or str(failure),
        "known": known,
    }


def _mprotect(memory: Any, start: int, nbytes: int, protection: int) -> None:
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory)) + start
    if ctypes.CDLL(None, use_errno=True).mprotect(ctypes.c_void_p(address), ctypes.c_size_t(nbytes), protection) != 0:
        raise OSError(ctypes.get_errno(), "mprotect")


def buffer(data: Any) -> Any:
    """The buffer that an order speaks of."""
    if isinstance(data, wire.Pattern):
        return data.make()
    if isinstance(data, wire.Memory):
        memory = mmap.mmap(-1, data.nbytes)
        if data.bad_from < data.nbytes:
            _mprotect(memory, data.bad_from, data.nbytes - data.bad_from, data.protection)
        return memory
    if isinstance(data, list):
        return [buffer(part) for part in data]
    return data


def told(message: Any) -> dict[str, Any]:
    return {
        "data": bytes(message),
        "nbytes": message.nbytes,
        "room": message.room,
        "tid": message.tid,
        "pid": message.pid,
        "uid": message.uid,
        "gid": message.gid,
        "lane": str(message.lane),
    }


# ---- the verbs


@order
def wake(partner: Partner) -> int:
    """Import the library; make no use of it."""
    import srr

    return len(srr.__version__)


@order
def send(partner: Partner, to: int | str, message: Any = b"", patience: float | None = 0.0, **keywords: Any) -> bytes:
    import srr

    return srr.connect(to, patience).send(buffer(message), **keywords)


@order
def send_into(partner: Partner, to: int, reply: Any, message: Any = b"", **keywords: Any) -> dict[str, Any]:
    """``reply``: the sizes of the reply buffers, or one Memory."""
    import srr

    into = buffer(reply) if isinstance(reply, wire.Memory) else [bytearray(n) for n in reply]
    stored = srr.connect(to).send_into(buffer(message), into, **keywords)
    return {"stored": stored, "parts": into if isinstance(into, list) else []}


@order
def receive(partner: Partner, hold: str = "it", into: Any = None, poll: bool = False, **keywords: Any) -> Any:
    """Receive, or poll, and keep the message under the name ``hold``. ``into``: sizes of buffers, or one Memory."""
    import srr

    if into is not None:
        keywords["into"] = buffer(into) if isinstance(into, wire.Memory) else [bytearray(n) for n in into]
    port = srr.Port()
    message = port.poll(**keywords) if poll else port.receive(**keywords)
    if message is None:
        return None
    partner.held[hold] = message
    return told(message)


@order
def reply(partner: Partner, data: Any = b"", hold: str = "it") -> int:
    stored: int = partner.held[hold].reply(buffer(data))
    return stored


@order
def error(partner: Partner, errno: int, hold: str = "it") -> None:
    partner.held[hold].error(errno)


@order
def read(partner: Partner, offset: int = 0, nbytes: int | None = None, hold: str = "it") -> bytes:
    data: bytes = partner.held[hold].read(offset, nbytes)
    return data


@order
def read_into(partner: Partner, into: list[int], offset: int = 0, hold: str = "it") -> dict[str, Any]:
    parts = [bytearray(n) for n in into]
    return {"read": partner.held[hold].read_into(parts, offset), "parts": parts}


@order
def write(partner: Partner, offset: int, data: Any, hold: str = "it") -> int:
    written: int = partner.held[hold].write(offset, buffer(data))
    return written


@order
def drop(partner: Partner, hold: str = "it") -> list[str]:
    """Let go of a message; the warnings that this gave."""
    import warnings

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del partner.held[hold]
    return [warning.category.__name__ for warning in caught]


@order
def fail_inside(partner: Partner, errno: int | None) -> None:
    """Receive, and raise in the message's ``with`` block: OSError(errno), or ValueError."""
    import srr

    try:
        with srr.Port().receive():
            raise OSError(errno, "inside") if errno else ValueError("inside")
    except (OSError, ValueError):
        pass


@order
def serve(partner: Partner, count: int, backwards: bool = True) -> int:
    """Answer ``count`` messages with their bytes, turned around."""
    import srr

    port = srr.Port()
    for _ in range(count):
        message = port.receive()
        message.reply(bytes(message)[:: -1 if backwards else 1])
    return count


@order
def repeat(partner: Partner, to: int, count: int, nbytes: int = 64) -> int:
    """``count`` Sends, each reply checked."""
    import srr

    connection = srr.connect(to)
    for i in range(count):
        message = i.to_bytes(8, "little") + bytes(max(0, nbytes - 8))
        if connection.send(message) != message[::-1]:
            raise AssertionError(f"message {i} got another reply")
    return count


# ---- names


@order
def attach(partner: Partner, name: str) -> None:
    import srr

    srr.attach(name)


@order
def detach(partner: Partner, name: str) -> None:
    import srr

    srr.detach(name)


@order
def locate(partner: Partner, name: str, timeout: float | None = 0.0) -> int:
    import srr

    return srr.locate(name, timeout)


@order
def query(partner: Partner, pid: int = 0) -> list[tuple[str, int]]:
    import srr

    return srr.query(pid)


# ---- itself


@order
def tid(partner: Partner) -> int:
    return threading.get_native_id()


@order
def count(partner: Partner, to: int) -> int:
    """Keep the interpreter busy."""
    n = 0
    while n < to:
        n += 1
    return n


@order
def load(partner: Partner, path: str) -> None:
    """More orders, from a file."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)


def main() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG: no partner outlives its test
    sys.modules["partner"] = sys.modules["__main__"]  # orders in other files import this very module
    answers = os.dup(1)
    os.dup2(2, 1)  # a stray print must not be taken for an answer
    import process_orders  # noqa: F401  registers its orders

    partner = Partner(Line(0, answers))
    partner.obey_all(partner.queues["main"])


if __name__ == "__main__":
    main()
