"""The extension: few functions, integers and buffers in, the GIL released while they block.

Times are seconds, ``None`` is for ever. Failures are raised by ``srr.errors.failure``. The public
interface is ``srr``; this one may change with any release.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias, TypedDict

from typing_extensions import Buffer

Buffers: TypeAlias = Buffer | Sequence[Buffer]
#: id, nbytes, room, tid, pid, uid, lane, kind, gid
Taken: TypeAlias = tuple[int, int, int, int, int, int, int, int, int]
#: replied, stored, flags, message lane, reply lane
Sent: TypeAlias = tuple[int, int, int, int, int]

#: id, owner, count, priority
ProxyView: TypeAlias = tuple[int, int, int, int]

class HelperView(TypedDict):
    path: str
    error: int
    protocol: int
    layout: int
    transfer: int
    used: list[int]
    limit: list[int]

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
    id: int
    nbytes: int

class ProcessView(TypedDict):
    sent: int
    received: int
    healed: int
    receivers: int
    receive_from: int
    receive_since_ns: int
    clients: int
    flags: int
    threads: list[ThreadView]
    taken: dict[int, int]

def send(pid: int, message: Buffers, room: int, timeout: float | None) -> tuple[bytes, Sent]: ...
def send_into(pid: int, message: Buffers, reply: Buffers, timeout: float | None) -> Sent: ...
def receive(sender: int, timeout: float | None, limit: int) -> tuple[Taken, bytes] | None: ...
def receive_into(sender: int, timeout: float | None, buffer: Buffers) -> tuple[Taken, int] | None: ...
def reply(message: int, data: Buffers) -> int: ...
def error(message: int, errno: int) -> None: ...
def read(message: int, offset: int, nbytes: int) -> bytes: ...
def read_into(message: int, offset: int, buffer: Buffers) -> int: ...
def write(message: int, offset: int, data: Buffers) -> int: ...
def name_attach(name: bytes) -> int:
    """The name's number, which no other living name of this user has."""

def name_detach(name: bytes) -> None: ...
def name_locate(name: bytes, timeout: float | None) -> int: ...
def name_list(pid: int) -> list[tuple[int, int, bytes]]:
    """Number, holder and name of every living name; pid 0: everybody's."""

def name_share(name: bytes, mode: int, gid: int) -> int:
    """Attach, and let srr-helper publish it. The name's number."""

def name_list_shared() -> list[tuple[bytes, int, int, int, int]]:
    """Name, user, group, mode and holder of what this process may see of all users' shared names."""

def helper() -> HelperView:
    """What there is of srr-helper. ``error``: 0, or the errno that says why it is not reached.

    ``used`` and ``limit`` are this user's: processes, names, pairs, KiB of pairs, watches, leases, moves, log lines.
    """

def runtime_dir() -> str: ...
def look(pid: int) -> ProcessView: ...
def peek(pid: int, tid: int, size: int) -> bytes:
    """The beginning of the message that a thread is SEND- or REPLY-blocked with.

    Fails as ``look`` does; ESRCH also if it is not blocked any more; EPERM, EFAULT: its memory can't be read.
    """

def probe_cost(hits: int) -> int:
    """Nanoseconds that so many hits of the probe ``idle`` take: what listening costs, once attached to it."""

def facts() -> Facts: ...
def relay(message: int, target: int) -> None:
    """Hand a REPLY-blocked sender over to process ``target``. Never blocks. ESRCH: the sender or the target is gone."""

def proxy_attach(owner: int, data: Buffer, priority: int) -> int:
    """The new proxy's id. ``owner`` 0: this process; at most PROXY_MAX bytes; ``priority`` 1 to 29, -1: the caller's.

    ESRCH: no such owner; EACCES: another user's; EAGAIN: no thread or no place left, or it has no rows yet; EINVAL.
    """

def proxy_detach(proxy: int) -> None:
    """ESRCH: no such proxy; EPERM: neither attached to nor by this process."""

def trigger(proxy: int) -> int:
    """The owner's pid. Never blocks. ESRCH: no such proxy; EACCES: another user's."""

def proxy_look(proxy: int) -> ProxyView:
    """What is known of a proxy. Fails as ``trigger`` does."""

def proxy_list(owner: int) -> list[ProxyView]:
    """The proxies that deliver to a process. Fails as ``look`` does."""

def notify(about: int, data: Buffer) -> None:
    """Put a notice (at most 64 bytes, else EINVAL) into this process's own queue, as though ``about`` had sent it."""

def flags(bits: int, mask: int) -> tuple[int, int]:
    """This process's flags before and after: ``(old & ~mask) | (bits & mask)``. ``mask`` 0 only asks."""

def priority(tid: int) -> int:
    """1 (lowest) to 29, as QNX4 counts; 0: the calling thread. ESRCH: no such thread."""

def set_priority(tid: int, priority: int) -> int:
    """The priority before. ESRCH; EINVAL: not 1 to 29; EPERM: the kernel does not let us."""

def raise_with(failure: Callable[[str, int, int, int], BaseException]) -> None: ...

LANES: tuple[str, ...]
BLOCKED: tuple[str, ...]
RECEIVED: int
MESSAGE_TRUNCATED: int
REPLY_TRUNCATED: int
BY_SERVER: int
NAME_MAX: int
PROXY_MAX: int
EDSTFAULT: int
