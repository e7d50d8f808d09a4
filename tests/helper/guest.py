"""What a process that talks to srr-helper without the library can be ordered to do: each function is an order."""

from __future__ import annotations

import ctypes
import encodings.idna  # noqa: F401 - what socket needs, while it can still be read
import errno
import fcntl
import mmap
import os
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from helper.protocol import LAYOUT_VERSION, LIFE_SIZE, NEWS_SIZE, Answer, Op, Told, request

F_ADD_SEALS, F_GET_SEALS = 1033, 1034
SEAL, SHRINK, GROW, FUTURE_WRITE = 1, 2, 4, 16


class State:
    connection: socket.socket
    life: int
    news: mmap.mmap
    news_fd: int
    meetings: list[Told]
    sockets: list[socket.socket]


state = State()
state.meetings = []
state.sockets = []


def become(uid: int, gid: int, groups: list[int]) -> None:
    os.setgroups(groups)
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def become_halfway(real: int, effective: int) -> None:
    os.setgroups([])
    os.setresgid(effective, effective, effective)
    os.setresuid(real, effective, effective)


def make_life(seals: int = SEAL | SHRINK | GROW | FUTURE_WRITE, locked: bool = True) -> int:
    life = os.memfd_create("srr-life", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(life, LIFE_SIZE)
    if locked:
        fcntl.lockf(life, fcntl.LOCK_EX)
    fcntl.fcntl(life, F_ADD_SEALS, seals)
    return life


def connect(path: str) -> None:
    state.connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    state.connection.connect(path)


def peer() -> tuple[int, int, int]:
    """Who serves: pid, uid, gid."""
    pid, uid, gid = struct.unpack("3i", state.connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return pid, uid, gid


def send(data: bytes, fds: list[int] | None = None) -> None:
    socket.send_fds(state.connection, [data], fds or [])


def hear() -> Told | None:
    """The next datagram; None: the helper has closed."""
    try:
        data, fds, _, _ = socket.recv_fds(state.connection, 4096, 8)
    except ConnectionResetError:
        return None
    if not data:
        return None
    assert len(data) == ctypes.sizeof(Answer)
    answer = Answer.from_buffer_copy(data)
    fields = {name: getattr(answer, name) for name, _ in Answer._fields_}
    fields = {name: list(value) if isinstance(value, ctypes.Array) else value for name, value in fields.items()}
    return Told(answer.op, answer.error, fields, fds)


def has_heard() -> bool:
    return bool(select.select([state.connection], [], [], 0)[0])


def ask(op: int, /, **fields: Any) -> Told | None:
    """One request, and its answer; news that comes in between is kept."""
    send(request(op, cookie=7, **fields))
    while (told := hear()) is not None and told.op == Op.MEET:
        state.meetings.append(told)
    assert told is None or (told.op, told.cookie) == (op, 7)
    return told


def hello(life: int | None = None, pid: int | None = None, version: int = LAYOUT_VERSION) -> Told | None:
    state.life = make_life() if life is None else life
    send(request(Op.HELLO, cookie=7, pid=os.getpid() if pid is None else pid, version=version), [state.life])
    told = hear()
    if told is not None and told.error == 0:
        state.news_fd = told.fds[0]
        state.news = mmap.mmap(told.fds[0], NEWS_SIZE, mmap.MAP_SHARED, mmap.PROT_READ)
    return told


def hello_unread() -> None:
    """HELLO, whose answer stays where it is."""
    state.life = make_life()
    send(request(Op.HELLO, cookie=7, pid=os.getpid(), version=LAYOUT_VERSION), [state.life])


def shut_down() -> None:
    state.connection.shutdown(socket.SHUT_WR)


def hello_signed(uid: int) -> Told | None:
    """HELLO with credentials that we name ourselves."""
    life = make_life()
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", life))
    signed = (socket.SOL_SOCKET, socket.SCM_CREDENTIALS, struct.pack("3i", os.getpid(), uid, os.getegid()))
    data = request(Op.HELLO, cookie=7, pid=os.getpid(), version=LAYOUT_VERSION)
    state.connection.sendmsg([data], [rights, signed])
    return hear()


def join(path: str) -> Told | None:
    connect(path)
    return hello()


def meeting() -> Told:
    """The next MEET, waited for."""
    if state.meetings:
        return state.meetings.pop(0)
    told = hear()
    assert told is not None and told.op == Op.MEET
    return told


def news() -> int:
    word: int = struct.unpack_from("=I", state.news, 8)[0]
    return word


_libc = ctypes.CDLL(None, use_errno=True)
SYS_FUTEX = {"x86_64": 202, "aarch64": 98}[os.uname().machine]


def await_news(after: int) -> float:
    """Sleeps until the news word is another one; seconds that it took."""
    began = time.monotonic()
    address = _address_of(state.news)
    while news() == after:
        if _libc.syscall(SYS_FUTEX, ctypes.c_void_p(address + 8), 0, after, None, None, 0) != 0:
            assert ctypes.get_errno() in (errno.EAGAIN, errno.EINTR)
    return time.monotonic() - began


def _address_of(mapping: mmap.mmap) -> int:
    """Of a read-only mapping, which ctypes' from_buffer() refuses."""

    class Buffer(ctypes.Structure):
        _fields_ = (("buf", ctypes.c_void_p), ("rest", ctypes.c_char * 128))

    buffer = Buffer()
    ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(mapping), ctypes.byref(buffer), 0)
    address: int = buffer.buf
    ctypes.pythonapi.PyBuffer_Release(ctypes.byref(buffer))
    return address


def own_life() -> int:
    return state.life


def own_news() -> int:
    return state.news_fd


def size(fd: int) -> int:
    return os.fstat(fd).st_size


def seals(fd: int) -> int:
    return fcntl.fcntl(fd, F_GET_SEALS)


def same_file(fd: int) -> tuple[int, int]:
    there = os.fstat(fd)
    return there.st_dev, there.st_ino


def read(fd: int, size: int, at: int = 0) -> bytes:
    return os.pread(fd, size, at)


def attempts(fd: int) -> dict[str, int]:
    """What this process can not do to that file: errno, 0 it can."""

    def errno_of(do: Callable[[], object]) -> int:
        try:
            do()
        except OSError as e:
            return e.errno or -1
        return 0

    size = os.fstat(fd).st_size
    return {
        "shrink": errno_of(lambda: os.ftruncate(fd, size - 1)),
        "grow": errno_of(lambda: os.ftruncate(fd, size + 1)),
        "seal": errno_of(lambda: fcntl.fcntl(fd, F_ADD_SEALS, 8)),
        "write": errno_of(lambda: os.pwrite(fd, b"\0", size - 1)),
        "map": errno_of(lambda: mmap.mmap(fd, 4096).close()),
        "reopen": errno_of(lambda: os.pwrite(os.open(f"/proc/self/fd/{fd}", os.O_RDWR), b"\0", size - 1)),
    }


def is_dead(pidfd: int) -> bool:
    import select

    return bool(select.select([pidfd], [], [], 0)[0])


def close_connection() -> None:
    state.connection.close()


def forked(what: str) -> None:
    """A child, by raw fork, does it and ends; the parent has waited for it. `what` is an order without arguments."""
    pid = os.fork()
    if pid == 0:
        globals()[what]()
        os._exit(0)
    os.waitpid(pid, 0)


def list_request() -> None:
    send(request(Op.LIST, cookie=7))


def fork_a_keeper() -> int:
    """A child that does nothing but keep copies of all our descriptors."""
    pid = os.fork()
    if pid == 0:
        signal.pause()
    return pid


def exec_a_sleeper() -> None:
    """This process becomes another program, which keeps stdin only."""
    os.execv("/bin/cat", ["cat"])


def silent(path: str, count: int) -> None:
    for _ in range(count):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        s.connect(path)
        state.sockets.append(s)


def come_and_go(path: str, count: int) -> int:
    """So many times, or until it is not let in. How often it was."""
    for n in range(count):
        connect(path)
        try:
            told = hello()
        except BrokenPipeError:
            told = None
        if told is None or told.error:
            return n
        state.news.close()
        os.close(told.fds[0])
        state.connection.close()
        os.close(state.life)
    return count


def send_lingering() -> None:
    """Sockets whose last close() would wait for minutes. The helper must be stopped, or ours would be that."""
    state.sockets.append(socket.create_server(("127.0.0.1", 0)))
    sent = []
    for _ in range(3):
        s = socket.create_connection(state.sockets[0].getsockname())
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 600))
        s.setblocking(False)
        try:
            while True:
                s.send(b"x" * 65536)
        except BlockingIOError:
            pass
        sent.append(s)
    send(request(Op.LIST), [state.life] + [s.fileno() for s in sent])
    for s in sent:
        s.close()


def another(path: str) -> None:
    """One more connection; the one before stays open."""
    state.sockets.append(state.connection)
    connect(path)


def send_file(path: str) -> None:
    with open(path, "rb") as file:
        send(request(Op.STATUS), [file.fileno()])


def send_file_kept(path: str) -> None:
    """Never closed here: that would hang this process."""
    send(request(Op.STATUS), [os.open(path, os.O_RDONLY)])


def open_and_close(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_RDONLY))
    except OSError:
        pass
    return True


def closed_at_once() -> bool:
    """The helper hung up, perhaps after saying why."""
    while (told := hear()) is not None:
        assert told.error != 0
    return True


def connect_and_see(path: str) -> str:
    connect(path)
    state.connection.settimeout(0.3)
    try:
        return "closed" if hear() is None else "told"
    except TimeoutError:
        return "open"


def all_closed() -> bool:
    return all(s.recv(1) == b"" for s in state.sockets)


def pass_connection(path: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
        door.bind(path)
        os.chmod(path, 0o666)
        door.listen()
        thief, _ = door.accept()
        with thief:
            socket.send_fds(thief, [b"x"], [state.connection.fileno()])


def steal_connection(path: str) -> None:
    while True:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            try:
                s.connect(path)
            except (FileNotFoundError, ConnectionRefusedError, PermissionError):
                os.sched_yield()
                continue
            _, fds, _, _ = socket.recv_fds(s, 1, 1)
            state.connection = socket.socket(fileno=fds[0])
            return


def hello_from_new_pid_namespace(path: str) -> int:
    """The errno that a child in a pid namespace of its own is told."""
    ours, theirs = os.pipe()
    os_unshare = ctypes.CDLL(None, use_errno=True).unshare
    assert os_unshare(0x20000000) == 0
    if os.fork() == 0:
        told = join(path)
        os.write(theirs, struct.pack("i", told.error if told else -1))
        os._exit(0)
    error: int = struct.unpack("i", os.read(ours, 4))[0]
    return error
