"""srr-helper's part of helper/protocol.h, in Python: what the tests of pairs run on where the program is not built.

No quotas, no confinement: it trusts the tests. ``standin.py --socket PATH``, as srr-helper itself.
"""

from __future__ import annotations

import array
import fcntl
import mmap
import os
import re
import select
import socket
import struct
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

HEADERS = Path(__file__).parents[2] / "srr" / "native"
LAYOUT = int(re.findall(r"LAYOUT_VERSION (\d+)u", (HEADERS / "core" / "layout.h").read_text())[0])

REQUEST = struct.Struct("=IIQ iIIIII QQQQ II 72s 384s")
ANSWER = struct.Struct("=IIQ iiIIIIII QQQ 72s 32s 32s")
MAGIC = 0x73727201
HELLO, PUBLISH, WITHDRAW, LOCATE, LIST, CONNECT, WATCH, STATUS, MEET = 1, 2, 3, 4, 5, 6, 7, 12, 64
SEALS = 0x1 | 0x2 | 0x4  # SEAL, SHRINK, GROW
PAGE = 4096
PAIR_SLOTS, GATE_PAIRS = 32, 128
PAIR_SIZE = PAGE + PAIR_SLOTS * (3 * PAGE + 2 * 65536 + (256 << 10))
EPERM, ENOENT, ESRCH, EAGAIN, EACCES, EBUSY, EINVAL, EDEADLK, ENOTSUP, EPROTO = 1, 2, 3, 11, 13, 16, 22, 35, 95, 71


def sealed(name: str, size: int, header: bytes) -> int:
    fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, size)
    os.pwrite(fd, header, 0)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, SEALS)
    return fd


@dataclass
class Name:
    name: bytes
    mode: int
    gid: int
    owner: Process


@dataclass(eq=False)
class Process:
    socket: socket.socket
    pid: int
    uid: int
    gid: int
    groups: list[int]
    watch: int
    life: int = -1
    news_file: int = -1
    news: mmap.mmap | None = None
    gates: dict[int, tuple[int, int, list[int]]] = field(default_factory=dict)  # uid: id, descriptor, pairs' indexes
    watchers: set[Process] = field(default_factory=set)

    def tell(self) -> None:
        if self.news:
            (word,) = struct.unpack_from("=I", self.news, 8)
            struct.pack_into("=I", self.news, 8, (word + 1) & 0xFFFFFFFF)
            wake(self.news)


def wake(page: mmap.mmap) -> None:
    import ctypes

    address = ctypes.addressof(ctypes.c_char.from_buffer(page)) + 8
    ctypes.CDLL(None).syscall(202, ctypes.c_void_p(address), 1, 0x7FFFFFFF, None, None, 0)


class Helper:
    def __init__(self, path: str) -> None:
        self.began = time.monotonic()
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        Path(path).unlink(missing_ok=True)
        self.listener.bind(path)
        os.chmod(path, 0o666)
        self.listener.listen(128)
        self.poll = select.poll()
        self.poll.register(self.listener, select.POLLIN)
        self.by_fd: dict[int, Process] = {}
        self.by_pid: dict[int, Process] = {}
        self.names: list[Name] = []

    def run(self) -> None:
        while True:
            for fd, _ in self.poll.poll():
                if fd == self.listener.fileno():
                    self.accept()
                elif (process := self.by_fd.get(fd)) is not None:
                    if fd == process.watch:
                        self.bury(process)
                    else:
                        self.serve(process)

    def accept(self) -> None:
        connection, _ = self.listener.accept()
        pid, uid, gid = struct.unpack("=iII", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        raw = connection.getsockopt(socket.SOL_SOCKET, 59, 1024)  # SO_PEERGROUPS
        groups = list(struct.unpack(f"={len(raw) // 4}I", raw))
        process = Process(connection, pid, uid, gid, groups, os.pidfd_open(pid))
        for fd in (connection.fileno(), process.watch):
            self.by_fd[fd] = process
            self.poll.register(fd, select.POLLIN)

    def bury(self, process: Process) -> None:
        for fd in (process.socket.fileno(), process.watch):
            self.poll.unregister(fd)
            del self.by_fd[fd]
        if self.by_pid.get(process.pid) is process:
            del self.by_pid[process.pid]
        self.names = [name for name in self.names if name.owner is not process]
        process.socket.close()
        for fd in (process.watch, process.life, process.news_file, *(gate[1] for gate in process.gates.values())):
            if fd >= 0:
                os.close(fd)
        for other in self.by_pid.values():
            if process in other.watchers:
                other.watchers.discard(process)
        for other in process.watchers:
            other.tell()

    def serve(self, process: Process) -> None:
        try:
            data, control, flags, _ = process.socket.recvmsg(REQUEST.size + 1, 1024)
        except OSError:
            data, control, flags = b"", [], 0
        fds = array.array("i")
        for level, kind, payload in control:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds.frombytes(payload[: len(payload) // 4 * 4])
        if len(data) != REQUEST.size or flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
            self.bury(process)
            return
        fields = REQUEST.unpack(data)
        magic, op, cookie, pid, version, uid, gid, mode, index = fields[:9]
        name = fields[15].split(b"\0")[0]
        answer: dict[str, int | bytes] = {}
        out: list[int] = []
        error = EPROTO
        if magic == MAGIC and op == HELLO and version == LAYOUT and len(fds) == 1 and pid == process.pid:
            process.life = fds[0]
            process.news_file = os.memfd_create("srr-news", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            os.ftruncate(process.news_file, PAGE)
            process.news = mmap.mmap(process.news_file, PAGE)
            process.news[0:8] = struct.pack("=Q", 0x7377656E2D727273)
            fcntl.fcntl(process.news_file, fcntl.F_ADD_SEALS, SEALS | 0x10)
            self.by_pid[process.pid] = process
            out, error = [process.news_file], 0
            answer["moved"] = int((time.monotonic() - self.began) * 1000)
        elif op == PUBLISH:
            error = self.publish(process, name, mode, gid)
        elif op == WITHDRAW:
            kept = [one for one in self.names if not (one.owner is process and one.name == name)]
            error, self.names = (0 if len(kept) < len(self.names) else ENOENT), kept
        elif op == LOCATE:
            found = [
                one for one in self.names if one.name == name and one.owner.uid == uid and self.may(process, one, 6)
            ]
            error, answer["pid"] = (0, found[0].owner.pid) if found else (ENOENT, 0)
        elif op == LIST:
            seen = [(i, one) for i, one in enumerate(self.names) if i >= index and self.may(process, one, 4)]
            error = ENOENT
            if seen:
                i, one = seen[0]
                error = 0
                answer |= {"index": i, "uid": one.owner.uid, "gid": one.gid, "mode": one.mode, "pid": one.owner.pid}
                answer["name"] = one.name
        elif op == CONNECT:
            error, answer, out = self.connect(process, pid)
        elif op == WATCH:
            other = self.by_pid.get(pid)
            error = 0 if other else ENOENT
            if other:
                other.watchers.add(process)
        elif op == STATUS:
            error = 0
        self.say(process, op, cookie, error, out, **answer)
        for fd in out[1:2] if op == CONNECT else []:
            os.close(fd)  # the pair; the gate stays for the next one

    def say(self, process: Process, op: int, cookie: int, error: int, fds: list[int], **more: int | bytes) -> None:
        keys = ("pid", "uid", "gid", "mode", "index", "features", "version", "pair_id", "gate_id", "moved")
        values = [more.get(key, 0) for key in keys]
        data = ANSWER.pack(MAGIC, op, cookie, error, *values, more.get("name", b""), b"", b"")
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            process.socket.sendmsg([data], rights, socket.MSG_DONTWAIT)
        except OSError as failure:
            print("standin:", failure, file=sys.stderr)

    def may(self, process: Process, name: Name, bits: int) -> bool:
        if process.uid in (0, name.owner.uid):
            return True
        shift = 3 if name.gid == process.gid or name.gid in process.groups else 0
        return bool(name.mode >> shift & bits)

    def publish(self, process: Process, name: bytes, mode: int, gid: int) -> int:
        if gid != process.gid and gid not in process.groups and process.uid != 0:
            return EPERM
        same = [one for one in self.names if one.name == name and one.owner.uid == process.uid]
        if same and same[0].owner is not process:
            return EBUSY
        self.names = [one for one in self.names if one not in same] + [Name(name, mode, gid, process)]
        for other in self.by_pid.values():
            other.tell()
        return 0

    def connect(self, process: Process, pid: int) -> tuple[int, dict[str, int | bytes], list[int]]:
        other = self.by_pid.get(pid)
        if other is process:
            return EDEADLK, {}, []
        if other is None:
            return ESRCH, {}, []
        if process.uid != other.uid and not any(n.owner is other and self.may(process, n, 2) for n in self.names):
            return EACCES, {}, []
        if process.uid not in other.gates:
            gate_id = int.from_bytes(os.urandom(8), "little")
            header = struct.pack("=QIIQ", 0x657461672D727273, LAYOUT, process.uid, gate_id)
            other.gates[process.uid] = (gate_id, sealed("srr-gate", 2 * PAGE, header), [])
        gate_id, gate, used = other.gates[process.uid]
        if len(used) == GATE_PAIRS:
            return EAGAIN, {}, []
        index = len(used)
        used.append(index)
        pair_id = int.from_bytes(os.urandom(8), "little") | 1
        header = struct.pack(
            "=QIIQiiII", 0x726961702D727273, LAYOUT, index, pair_id, process.pid, pid, process.uid, other.uid
        )
        pair = sealed("srr-pair", PAIR_SIZE, header)
        about: dict[str, int | bytes] = {"gate_id": gate_id, "pair_id": pair_id, "index": index}
        sender = about | {"pid": process.pid, "uid": process.uid, "gid": process.gid}
        self.say(other, MEET, 0, 0, [gate, pair, process.watch, process.life], **sender)
        other.watchers.add(process)
        process.watchers.add(other)
        other.tell()
        return 0, about | {"pid": pid, "uid": other.uid, "gid": other.gid}, [gate, pair, other.watch, other.life]


if __name__ == "__main__":
    assert REQUEST.size == 80 + 72 + 384 and ANSWER.size == 72 + 72 + 64, (REQUEST.size, ANSWER.size)
    Helper(sys.argv[sys.argv.index("--socket") + 1]).run()
