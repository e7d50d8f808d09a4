"""LEND, REVOKE and MOVE, by processes of two users and the real srr-helper."""

from __future__ import annotations

import errno
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from helper.hosts import ALICE, BOB, CAROL, Host
from helper.protocol import Op, Quota
from transfer.lending import Lender, Silent

SLOTS_AT, STRIDE, WINDOW_IN_SLOT, WINDOW = 4096, 396 << 10, 140 << 10, 256 << 10
WORD = 0x1234_0000_0000
PART_COUNT = 24
Parts = Sequence[tuple[int, int]]


@dataclass
class Pair:
    """What a receiver was told of its sender, and its descriptor there."""

    sender: Lender
    receiver: Lender
    id: int
    fd: int

    def lend(self, message: Parts, reply: Parts = (), slot: int = 0, word: int = WORD) -> int:
        parts = [(0, 0)] * PART_COUNT
        parts[: len(message)] = message
        parts[12 : 12 + len(reply)] = reply
        numbers = tuple(number for part in parts for number in part)
        return self.sender.error(
            Op.LEND,
            pair_id=self.id,
            index=slot,
            word=word,
            message_parts=len(message),
            reply_parts=len(reply),
            parts=numbers,
        )

    def revoke(self, slot: int = 0) -> int:
        return self.sender.error(Op.REVOKE, pair_id=self.id, index=slot)

    def fields(self, offset: int, length: int, slot: int = 0, word: int = WORD) -> dict[str, Any]:
        return {"pair_id": self.id, "index": slot, "word": word, "offset": offset, "length": length}

    def move(self, op: Op, offset: int, length: int, **more: int) -> tuple[int, int]:
        told = self.receiver.ask(op, **self.fields(offset, length, **more))
        return told.error, told.moved

    def window(self, size: int, slot: int = 0) -> bytes:
        data: bytes = self.receiver.do("read", self.fd, size, SLOTS_AT + slot * STRIDE + WINDOW_IN_SLOT)
        return data

    def fill(self, data: bytes, slot: int = 0) -> None:
        self.receiver.do("write", self.fd, data, SLOTS_AT + slot * STRIDE + WINDOW_IN_SLOT)


def introduce(sender: Lender, receiver: Lender) -> Pair:
    receiver.ask(Op.PUBLISH, name=b"plc-%d" % receiver.pid, mode=0o666, gid=receiver.uid)
    told = sender.ask(Op.CONNECT, pid=receiver.pid)
    assert told.error == 0
    meeting = receiver.do("meeting")
    return Pair(sender, receiver, told.pair_id, meeting.fds[1])


@pytest.fixture
def pair(host: Host) -> Pair:
    return introduce(Lender(host, ALICE), Lender(host, BOB))


def workers(host: Host) -> list[int]:
    """Their pids: children of the helper's child."""

    def children(pid: int) -> list[int]:
        try:
            return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        except OSError:
            return []

    return [worker for spawner in children(host.process.pid) for worker in children(spawner)]


def test_bytes_arrive(pair: Pair) -> None:
    """Both ways, any part, any offset; what lies behind the lease stays as it was."""
    data = os.urandom(600_000)
    at = pair.sender.address
    pair.sender.do("put", data)
    parts = [(at, 100_000), (at + 100_000, 0), (at + 100_000, 7), (at + 100_007, 499_993)]
    assert pair.lend(parts, [(at + 600_000, 100_000), (at + 800_000, 10)], slot=31) == 0
    offset = 0
    for length in (1, 70_000, WINDOW, 131_071, WINDOW):
        expected = data[offset : offset + length]
        assert pair.move(Op.MOVE_IN, offset, length, slot=31) == (0, len(expected))
        assert pair.window(len(expected), slot=31) == expected
        offset += length
    assert pair.move(Op.MOVE_IN, 600_000, 1, slot=31) == (0, 0)
    reply = os.urandom(1000)
    pair.fill(reply, slot=31)
    assert pair.move(Op.MOVE_OUT, 99_500, 1000, slot=31) == (0, 510)
    assert pair.sender.do("get", 510, 600_000 + 99_500) == reply[:500] + bytes(10)
    assert pair.sender.do("get", 20, 800_000 - 5) == bytes(5) + reply[500:510] + bytes(5)
    assert pair.revoke(slot=31) == 0


def test_only_what_is_lent_and_only_to_whom(pair: Pair, host: Host) -> None:
    at = pair.sender.address
    other = introduce(Lender(host, CAROL), pair.receiver)
    assert pair.move(Op.MOVE_IN, 0, 8) == (errno.ENOENT, 0), "nothing was lent yet"
    assert pair.lend([(at, 64)]) == 0
    assert pair.move(Op.MOVE_IN, 0, 8, word=WORD + 1) == (errno.ENOENT, 0)
    assert pair.move(Op.MOVE_IN, 0, 8, slot=1) == (errno.ENOENT, 0)
    assert pair.move(Op.MOVE_IN, 0, 8, slot=2**32 - 1) == (errno.ENOENT, 0)
    assert pair.move(Op.MOVE_OUT, 0, 8) == (0, 0), "no part of the reply was lent"
    assert pair.move(Op.MOVE_IN, 0, WINDOW + 1) == (errno.EINVAL, 0)
    assert pair.move(Op.MOVE_IN, 2**64 - 1, WINDOW) == (0, 0)
    for somebody in (pair.sender, other.sender):
        assert somebody.error(Op.MOVE_IN, **pair.fields(0, 8)) == errno.ENOENT, "not the receiver"
    for somebody in (pair.receiver, other.sender):
        assert somebody.error(Op.LEND, pair_id=pair.id, word=WORD) == errno.ENOENT, "not the sender"
        assert somebody.error(Op.REVOKE, pair_id=pair.id) == errno.ENOENT
    assert pair.move(Op.MOVE_IN, 0, 8) == (0, 8)
    assert pair.lend([(at, 64)], word=WORD + 1) == 0
    assert pair.move(Op.MOVE_IN, 0, 8) == (errno.ENOENT, 0), "the next transaction's lease takes its place"
    assert pair.revoke() == 0
    assert pair.move(Op.MOVE_IN, 0, 8, word=WORD + 1) == (errno.ENOENT, 0)
    assert pair.revoke() == errno.ENOENT
    assert pair.lend([(2**64 - 4, 8)]) == errno.EINVAL
    assert pair.sender.ask(Op.STATUS).used[Quota.LEASES] == 0
    assert pair.receiver.ask(Op.STATUS).used[Quota.MOVES] == 0


def test_bad_memory_is_told(pair: Pair) -> None:
    at = pair.sender.address
    assert pair.lend([(at, 100), (4096, 100)], [(4096, 10)]) == 0
    assert pair.move(Op.MOVE_IN, 0, 200) == (errno.EFAULT, 100)
    assert pair.move(Op.MOVE_OUT, 0, 10) == (errno.EFAULT, 0)
    assert pair.move(Op.MOVE_IN, 0, 50) == (0, 50)


def test_the_kernel_has_the_last_word(pair: Pair, host: Host) -> None:
    """Not dumpable; root, who has no worker."""
    assert pair.lend([(pair.sender.address, 64)]) == 0
    pair.sender.do("dumpable", False)
    assert pair.move(Op.MOVE_IN, 0, 8) == (errno.EPERM, 0)
    pair.sender.do("dumpable", True)
    assert pair.move(Op.MOVE_IN, 0, 8) == (0, 8)
    root = introduce(Lender(host, 0), pair.receiver)
    assert root.lend([(root.sender.address, 64)]) == 0
    assert root.move(Op.MOVE_IN, 0, 8) == (errno.EPERM, 0)


def test_a_user_with_two_groups_has_one_worker_at_a_time(pair: Pair, host: Host) -> None:
    other = introduce(Lender(host, ALICE, gid=CAROL), pair.receiver)
    for _ in range(3):
        for p in (pair, other):
            p.sender.do("put", p.sender.pid.to_bytes(4))
            assert p.lend([(p.sender.address, 4)]) == 0
            assert p.move(Op.MOVE_IN, 0, 4)[0] == 0
            assert p.window(4) == p.sender.pid.to_bytes(4)
            assert host.until(lambda: len(workers(host)) == 1)


@pytest.mark.parametrize("how", ["kill", "exec"])
def test_a_lease_ends_with_its_lender(pair: Pair, host: Host, how: str) -> None:
    assert pair.lend([(pair.sender.address, 64)]) == 0
    assert pair.move(Op.MOVE_IN, 0, 8) == (0, 8)
    if how == "kill":
        pair.sender.kill()
    else:
        pair.sender.order("exec_a_sleeper")
        assert host.until(lambda: Path(f"/proc/{pair.sender.pid}/comm").read_text() == "cat\n")
    assert pair.move(Op.MOVE_IN, 0, 8)[0] in (errno.ESRCH, errno.ENOENT)
    assert host.until(lambda: workers(host) == []), "its worker had that pair's window"


def test_its_worker_can_be_killed_and_stopped_by_its_user(pair: Pair, host: Host) -> None:
    """He harms himself only, and not for long."""
    assert pair.lend([(pair.sender.address, 64)]) == 0
    assert pair.move(Op.MOVE_IN, 0, 8) == (0, 8)
    for how in (signal.SIGKILL, signal.SIGSTOP):
        (worker,) = workers(host)
        subprocess.run(["kill", f"-{how}", str(worker)], user=ALICE, check=True)
        error, _ = pair.move(Op.MOVE_IN, 0, 8)
        assert error in ((0, errno.ETIME) if how == signal.SIGKILL else (errno.ETIME,))
        assert pair.move(Op.MOVE_IN, 0, 8) == (0, 8)


def test_the_rest_goes_on_without_a_spawner(pair: Pair, host: Host) -> None:
    assert pair.lend([(pair.sender.address, 64)]) == 0
    (spawner,) = Path(f"/proc/{host.process.pid}/task/{host.process.pid}/children").read_text().split()
    os.kill(int(spawner), signal.SIGKILL)
    assert host.until(lambda: "spawner" in host.log())
    assert pair.move(Op.MOVE_IN, 0, 8) == (errno.ENOTSUP, 0)
    assert pair.receiver.ask(Op.STATUS).features == 0


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_all_of_it_ends_together(pair: Pair, host: Host, how: int) -> None:
    assert pair.lend([(pair.sender.address, 64)]) == 0
    assert pair.move(Op.MOVE_IN, 0, 8) == (0, 8)
    (worker,) = workers(host)
    host.stop(how)
    assert host.until(lambda: not Path(f"/proc/{worker}").exists())


@pytest.mark.parametrize("is_async", [True, False])
def test_memory_that_does_not_answer(pair: Pair, host: Host, silent: Silent, is_async: bool) -> None:
    """
    The receiver hears ETIME, other users notice nothing, and the lender gets its memory back when the worker is dead:
    at once where it can be killed, else when its own file system has gone. Until then it has no worker.
    """
    bad = introduce(Lender(host, ALICE, path=silent.file(is_async)), pair.receiver)
    carol = introduce(Lender(host, CAROL), Lender(host, BOB))
    for p in (pair, bad, carol):
        assert p.lend([(p.sender.address, 4096)]) == 0
    began = time.monotonic()
    pair.receiver.order("ask", Op.MOVE_IN, **bad.fields(0, 4096))
    others = 0
    while time.monotonic() - began < 0.05:
        assert carol.move(Op.MOVE_IN, 0, 4096) == (0, 4096)
        others += 1
    bad.sender.order("ask", Op.REVOKE, pair_id=bad.id)
    assert pair.receiver.result().error == errno.ETIME
    print(f"ETIME after {(time.monotonic() - began) * 1000:.0f} ms; {others} moves of another user meanwhile")
    if not is_async:
        assert pair.move(Op.MOVE_IN, 0, 8) == (errno.ETIME, 0), "this user has no worker now"
        assert carol.move(Op.MOVE_IN, 0, 4096) == (0, 4096)
        silent.end()
    assert bad.sender.result().error == 0, "its lease was given back"
    assert host.until(lambda: pair.move(Op.MOVE_IN, 0, 8) == (0, 8))


def test_whoever_goes_while_bytes_move(pair: Pair, host: Host, silent: Silent) -> None:
    """The lender: its receiver is told. The receiver: nobody is, and the next one is served."""
    file = silent.file(True)
    for goes in ("sender", "receiver"):
        bad = introduce(Lender(host, ALICE, path=file), Lender(host, BOB))
        assert bad.lend([(bad.sender.address, 4096)]) == 0
        bad.receiver.order("ask", Op.MOVE_IN, **bad.fields(0, 4096))
        assert host.until(lambda: len(workers(host)) == 1)
        (bad.sender if goes == "sender" else bad.receiver).kill()
        if goes == "sender":
            assert bad.receiver.result().error in (errno.ESRCH, errno.ENOENT, errno.ETIME)
        assert pair.lend([(pair.sender.address, 64)]) == 0
        assert pair.move(Op.MOVE_IN, 0, 8) in ((0, 8), (errno.ETIME, 0))
        assert pair.move(Op.MOVE_IN, 0, 8) == (0, 8)
    assert pair.receiver.ask(Op.STATUS).used[Quota.MOVES] == 0
    assert pair.sender.ask(Op.STATUS).used[Quota.LEASES] == 1


def test_many_receivers_share_a_senders_worker(host: Host) -> None:
    """Each gets its own bytes, and no more than QUOTA_MOVES of a user wait."""
    sender = Lender(host, ALICE)
    pairs = [introduce(sender, Lender(host, BOB)) for _ in range(20)]
    sender.do("put", bytes(range(256)) * 16)
    for i, p in enumerate(pairs):
        assert p.lend([(sender.address + i, 64)]) == 0
    for _ in range(20):
        for p in pairs:
            p.receiver.order("ask", Op.MOVE_IN, **p.fields(0, 64))
        for i, p in enumerate(pairs):
            error = p.receiver.result().error
            assert error in (0, errno.EAGAIN)
            if error == 0:
                assert p.window(64) == bytes(range(i, i + 64))
    (worker,) = workers(host)
    subprocess.run(["kill", "-STOP", str(worker)], user=ALICE, check=True)
    for p in pairs:
        p.receiver.order("ask", Op.MOVE_IN, **p.fields(0, 64))
    errors = [p.receiver.result().error for p in pairs]
    assert errors.count(errno.EAGAIN) == 20 - pairs[0].receiver.ask(Op.STATUS).limit[Quota.MOVES]
    assert errors.count(errno.ETIME) == 1
    assert errors.count(0) == 15


def test_a_queue_of_stuck_moves(host: Host, silent: Silent) -> None:
    """Each costs its receiver 100 ms; who would wait for longer than it listens is told that in time."""
    sender = Lender(host, ALICE, path=silent.file(True))
    pairs = [introduce(sender, Lender(host, BOB)) for _ in range(10)]
    for p in pairs:
        assert p.lend([(sender.address, 4096)]) == 0
    for p in pairs:
        p.receiver.order("ask", Op.MOVE_IN, **p.fields(0, 4096))
    errors = [p.receiver.result().error for p in pairs]
    print(errors)
    assert set(errors) == {errno.ETIME, errno.EAGAIN}
    assert pairs[0].receiver.ask(Op.STATUS).used[Quota.MOVES] == 0
    assert pairs[0].revoke() == 0


def test_started_as_its_own_user_with_two_capabilities(program_with_worker: Path, shared_folder: Path) -> None:
    """As transfer.conf has it done by systemd, which opens the socket: nothing of srr-helper is ever root."""
    folder = Path(tempfile.mkdtemp(dir=shared_folder))
    folder.chmod(0o755)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(folder / "helper.sock"))
        (folder / "helper.sock").chmod(0o666)
        listener.listen()
        options = "--reuid 64123 --regid 64123 --clear-groups --inh-caps +setuid,+setgid --ambient-caps +setuid,+setgid"
        script = f'LISTEN_PID=$$ LISTEN_FDS=1 exec setpriv {options} "$0" --transfer 3<&{listener.fileno()}'
        host = Host.__new__(Host)
        host.path, host.guests, host.folder = folder / "helper.sock", [], folder
        with (folder / "log").open("ab") as log:
            command: list[str | Path] = ["/bin/bash", "-c", script, program_with_worker]
            host.process = subprocess.Popen(command, stderr=log, pass_fds=[listener.fileno()])
    pair = introduce(Lender(host, ALICE), Lender(host, BOB))
    assert pair.lend([(pair.sender.address, 64)]) == 0
    assert pair.move(Op.MOVE_IN, 0, 8) == (0, 8)
    (worker,) = workers(host)
    status = Path(f"/proc/{worker}/status").read_text()
    assert re.findall(r"^(?:Uid|Cap...|NoNewPrivs):\s+(.*)$", status, re.MULTILINE)[:4] == [
        "1001\t64123\t64123\t64123",
        *["0000000000000000"] * 3,
    ]
    assert host.stop() == 0
    for guest in host.guests:
        guest.close()
