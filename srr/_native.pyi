"""The extension: few functions, integers and buffers in, the GIL released while they block.

Times are seconds, ``None`` is for ever. Failures are raised by ``srr.errors.failure``. The public
interface is ``srr``; this one may change with any release.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias, TypedDict

from typing_extensions import Buffer

Buffers: TypeAlias = Buffer | Sequence[Buffer]
#: id, nbytes, room, tid, pid, uid, lane
Taken: TypeAlias = tuple[int, int, int, int, int, int, int]
#: replied, stored, flags, message lane, reply lane
Sent: TypeAlias = tuple[int, int, int, int, int]

class Facts(TypedDict):
    layout_version: int
    slots: int
    entries: int
    inline_max: int
    row_size: int
    spin_ns: int

class ThreadView(TypedDict):
    tid: int
    on: int
    blocked: int
    since_ns: int
    sent: int

class ProcessView(TypedDict):
    sent: int
    received: int
    healed: int
    receivers: int
    receive_from: int
    receive_since_ns: int
    clients: int
    threads: list[ThreadView]

def send(pid: int, message: Buffers, room: int, timeout: float | None) -> tuple[bytes, Sent]: ...
def send_into(pid: int, message: Buffers, reply: Buffers, timeout: float | None) -> Sent: ...
def receive(sender: int, timeout: float | None, limit: int) -> tuple[Taken, bytes] | None: ...
def receive_into(sender: int, timeout: float | None, buffer: Buffers) -> tuple[Taken, int] | None: ...
def reply(message: int, data: Buffers) -> int: ...
def error(message: int, errno: int) -> None: ...
def read(message: int, offset: int, nbytes: int) -> bytes: ...
def read_into(message: int, offset: int, buffer: Buffers) -> int: ...
def write(message: int, offset: int, data: Buffers) -> int: ...
def name_attach(name: bytes) -> None: ...
def name_detach(name: bytes) -> None: ...
def name_locate(name: bytes, timeout: float | None) -> int: ...
def name_list(pid: int) -> list[tuple[int, bytes]]: ...
def runtime_dir() -> str: ...
def look(pid: int) -> ProcessView: ...
def facts() -> Facts: ...
def raise_with(failure: Callable[[str, int, int, int], BaseException]) -> None: ...

LANES: tuple[str, ...]
BLOCKED: tuple[str, ...]
RECEIVED: int
MESSAGE_TRUNCATED: int
REPLY_TRUNCATED: int
BY_SERVER: int
NAME_MAX: int
EDSTFAULT: int
