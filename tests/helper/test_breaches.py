"""What is not what protocol.h says ends the connection of who sent it, and nothing else."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from helper.hosts import ALICE, BOB, Guest, Host, build, compiler
from helper.protocol import MAGIC, PROTOCOL, Op, request


def serves(host: Host, uid: int = BOB) -> bool:
    """Somebody else is served as ever."""
    return host.guest(uid).error(Op.STATUS) == 0


def is_closed(guest: Guest) -> bool:
    return guest.do("hear") is None


def test_hello(host: Host) -> None:
    guest = host.guest(ALICE, joined=False)
    guest.do("connect", str(host.path))
    assert guest.do("peer")[1] == 0, "root listens, whoever serves"
    told = guest.do("hello")
    assert (told.error, told.magic, told.version, told.features, len(told.fds)) == (0, MAGIC, PROTOCOL, 0, 1)
    # It goes on as nobody: nothing of it is root's.
    status = Path(f"/proc/{host.process.pid}/status").read_text()
    assert "Uid:\t0" not in status
    assert "Gid:\t0" not in status
    assert "Groups:\t \n" in status


def test_another_version_is_told_ours(host: Host) -> None:
    guest = host.guest(ALICE, joined=False)
    for data in (request(Op.HELLO, magic=MAGIC + 1, cookie=9), request(99, magic=0x73727200)[:64], b"\1" * 4):
        guest.do("connect", str(host.path))
        guest.do("send", data)
        told = guest.do("hear")
        assert (told.error, told.magic, told.version) == (errno.EPROTO, MAGIC, PROTOCOL)
        assert is_closed(guest)
    guest.do("connect", str(host.path))
    assert guest.do("hello", version=3).error == errno.EPROTO
    assert is_closed(guest)
    assert "use one version of srr" in host.log()
    assert serves(host)


@pytest.mark.parametrize("pid", [0, 1, -1, 0x7FFFFFFF])
def test_another_pid_is_not_believed(host: Host, pid: int) -> None:
    guest = host.guest(ALICE, joined=False)
    guest.do("connect", str(host.path))
    assert guest.do("hello", pid=pid).error == errno.EHOSTUNREACH
    assert is_closed(guest)


@pytest.mark.parametrize("kwargs", [{"seals": 0}, {"seals": 2}, {"locked": False}])
def test_a_life_file_must_be_sealed_and_locked(host: Host, kwargs: dict[str, object]) -> None:
    guest = host.guest(ALICE, joined=False)
    guest.do("connect", str(host.path))
    assert guest.do("hello", life=guest.do("make_life", **kwargs)).error == errno.EINVAL
    assert is_closed(guest)


def test_a_second_hello_of_one_process(host: Host) -> None:
    """On a connection of its own it is refused while the first one lives; on the same one it is a breach."""
    guest = host.guest(ALICE)
    publish = {"name": b"plc", "mode": 0o666, "gid": ALICE}
    assert guest.error(Op.PUBLISH, **publish) == 0
    guest.do("another", str(host.path))
    assert guest.do("hello").error == errno.EBUSY
    other = host.guest(BOB)
    assert other.ask(Op.LOCATE, uid=ALICE, name=b"plc").pid == guest.pid
    again = host.guest(BOB)
    again.do("send", request(Op.HELLO, pid=again.pid, version=4), [again.do("own_life")])
    assert is_closed(again)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x",
        request(Op.STATUS)[:-1],
        request(Op.STATUS) + b"x",
        request(Op.STATUS) + b"x" * 60000,
        request(0),
        request(Op.STATUS + 1),
        request(Op.MEET),
        request(0xFFFFFFFF),
    ],
    ids=["empty", "a byte", "short", "long", "very long", "op 0", "op 13", "MEET", "op -1"],
)
def test_wrong_datagrams(host: Host, data: bytes) -> None:
    guest = host.guest(ALICE)
    guest.do("send", data)
    while (told := guest.do("hear")) is not None:
        assert told.error == errno.EPROTO
    assert serves(host)


def test_before_hello_nothing_is_answered(host: Host) -> None:
    for op in Op:
        if op not in (Op.HELLO, Op.MEET):
            guest = host.guest(ALICE, joined=False)
            guest.do("connect", str(host.path))
            guest.do("send", request(op))
            assert is_closed(guest)


def test_descriptors_nobody_asked_for(host: Host) -> None:
    before = host.descriptors()
    for count in (1, 2, 3, 200):
        guest = host.guest(ALICE)
        guest.do("send", request(Op.STATUS), [guest.do("own_life")] * count)
        assert is_closed(guest)
        guest.kill()
    for count in (0, 2, 253):
        guest = host.guest(ALICE, joined=False)
        guest.do("connect", str(host.path))
        guest.do("send", request(Op.HELLO, pid=guest.pid, version=4), [guest.do("make_life")] * count)
        assert is_closed(guest)
        guest.kill()
    assert serves(host)
    host.guests[-1].kill()
    assert host.until(lambda: host.descriptors() == before)


def test_a_descriptor_that_may_be_unclosable_bans_its_user(host: Host) -> None:
    """close() of a FUSE file asks its file system, for ever if need be: only memory files are touched."""
    guest, same = host.guest(ALICE), host.guest(ALICE)
    guest.do("send_file", "/etc/passwd")
    assert is_closed(guest)
    same.do("send", request(Op.STATUS))
    assert is_closed(same)
    late = host.guest(ALICE, joined=False)
    late.do("connect", str(host.path))
    assert late.do("closed_at_once")
    assert "no memory file" in host.log()
    assert serves(host)


@pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="no FUSE")
def test_a_file_of_a_file_system_that_never_answers(host: Host, tmp_path: Path) -> None:
    """The positive control: closing that descriptor would hang, and does in a process that tries."""
    program, mount = tmp_path / "fuse", tmp_path / "mount"
    source = Path(__file__).with_name("silent_fuse.c")
    subprocess.run([compiler(), "-O1", "-Wall", "-Werror", source, "-o", program], check=True)
    mount.mkdir()
    with subprocess.Popen([program, mount], stdout=subprocess.PIPE) as daemon:
        try:
            assert daemon.stdout and daemon.stdout.readline() == b"ready\n"
            attacker, naive = host.guest(0), host.guest(0)
            attacker.do("send_file_kept", str(mount / "file"))
            assert is_closed(attacker), "refused, and nothing was asked of that file"
            assert serves(host)
            naive.order("open_and_close", str(mount / "file"))
            assert daemon.stdout.readline() == b"flush\n", "a close asks the file system, and waits"
        finally:
            daemon.kill()
            subprocess.run(["umount", "-l", mount], check=True)
    assert naive.result()


def linger(host: Host) -> None:
    attacker = host.guest(ALICE)
    host.process.send_signal(signal.SIGSTOP)
    attacker.do("send_lingering")
    host.process.send_signal(signal.SIGCONT)


def test_sockets_that_linger(host: Host) -> None:
    """The kernel drops descriptors that had no room: the janitor does not wait for them."""
    before = host.descriptors()
    linger(host)
    host.guests[-1].kill()
    assert serves(host)
    host.guests[-1].kill()
    assert host.until(lambda: host.descriptors() == before)


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Host]:
    """A helper whose janitor has no alarm clock, and waits for minutes for a socket that lingers."""
    if os.geteuid() != 0:
        pytest.skip("reading where a thread waits needs root")
    unprotected = build(tmp_path / "helper", Path(__file__).with_name("without_alarm.c"), "-Wl,--wrap=setitimer")
    with contextlib.closing(Host(unprotected)) as host:
        linger(host)
        stacks = [thread / "stack" for thread in Path(f"/proc/{host.process.pid}/task").iterdir()]
        assert host.until(lambda: any("sk_stream_wait_close" in stack.read_text() for stack in stacks))
        yield host


def test_nobody_waits_for_the_janitor(held: Host) -> None:
    """Also not for the end of processes and of pairs, nor for what is no request, with descriptors or without."""
    server, client, wrong = held.guest(ALICE), held.guest(BOB), held.guest(ALICE)
    server.ask(Op.PUBLISH, name=b"plc", mode=0o666, gid=ALICE)
    for _ in range(3):
        assert client.error(Op.CONNECT, pid=server.pid) == 0
        server.do("meeting")
    wrong.do("send", request(Op.STATUS), [wrong.do("make_life")] * 100)
    held.guests.remove(wrong)
    wrong.close()
    client.kill()
    assert serves(held)
    server.kill()
    assert held.guest(BOB).error(Op.LOCATE, uid=ALICE, name=b"plc") == errno.ENOENT


def test_what_is_to_be_closed_counts(held: Host) -> None:
    """Who leaves more and more behind is not let in any more; others are."""
    guest = held.guest(ALICE, joined=False)
    assert 500 < guest.do("come_and_go", str(held.path), 1000) < 520
    assert "descriptors to be closed" in held.log()
    assert serves(held)


def test_who_does_not_read_its_answers(host: Host) -> None:
    """Is let go when there is no room for more of them; nothing waits for it."""
    guest = host.guest(ALICE)
    sent = guest.do("asks_without_reading", 100_000)
    print(f"{sent} requests")
    assert sent < 100_000
    assert serves(host)


def test_an_inherited_socket(host: Host) -> None:
    """A forked child writes on its parent's connection: that ends it, and nobody was taken for somebody else."""
    guest = host.guest(ALICE)
    guest.do("forked", "list_request")
    assert is_closed(guest)
    assert "each opens its own" in host.log()
    assert serves(host)


@pytest.mark.parametrize("uid", [ALICE, BOB])
def test_a_socket_that_was_passed_on(host: Host, uid: int) -> None:
    """Also to a process of the same user; and a root's connection in the hands of another user."""
    owner, thief = host.guest(0), host.guest(uid, joined=False)
    folder = host.folder / "passing"
    owner.order("pass_connection", str(folder))
    thief.do("steal_connection", str(folder))
    owner.result()
    thief.do("send", request(Op.PUBLISH, name=b"plc", mode=0o666))
    assert is_closed(owner)
    assert serves(host)


def test_a_process_that_changes_its_user(host: Host) -> None:
    """Connected as root, writes as somebody else: the connection was root's."""
    guest = host.guest(0)
    guest.do("become", BOB, BOB, [])
    guest.do("send", request(Op.STATUS))
    assert is_closed(guest)


def test_a_process_whose_real_user_is_another(host: Host) -> None:
    """In the middle of set-user-ID: the kernel signs with the real one, unless the process names the effective one."""
    guest = host.guest(0, joined=False)
    guest.do("become_halfway", ALICE, BOB)
    guest.do("connect", str(host.path))
    assert guest.do("hello") is None
    guest.do("connect", str(host.path))
    assert guest.do("hello_signed", BOB).error == 0
    assert host.guest(BOB).ask(Op.STATUS).used[0] == 2, "it is the effective user that counts"


def test_silence_ends_after_a_second(host: Host) -> None:
    guest = host.guest(ALICE, joined=False)
    before = host.descriptors()
    guest.do("silent", str(host.path), 50)
    assert guest.do("all_closed")
    assert host.until(lambda: host.descriptors() == before)


def test_half_a_life_in_many_pieces(host: Host) -> None:
    """Random datagrams from ten processes: each ends its connection or is answered; nobody else notices."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    guests = [host.guest(ALICE, joined=False) for _ in range(10)]
    for n, guest in enumerate(guests):
        guest.order("garbage", str(host.path), seed + n, 300)
    other = host.guest(BOB)
    for _ in range(200):
        assert other.error(Op.STATUS) == 0
    for guest in guests:
        assert guest.result() == 300
    assert serves(host)


def test_overflow_uid_and_unmapped_pid(host: Host) -> None:
    """65534 is whoever has no number here, pid 0 whoever has none: either may be anybody."""
    host.guest(65534, joined=False).do("connect_and_see", str(host.path))
    assert "65534" in host.log()
    guest = host.guest(ALICE, joined=False)
    assert guest.do("connect_and_see", str(host.path)) == "open", "the positive control"


def test_another_pid_namespace(host: Host) -> None:
    """A process in a child namespace has a number here; what it calls itself is another."""
    guest = host.guest(0, joined=False)
    assert guest.do("hello_from_new_pid_namespace", str(host.path)) == errno.EHOSTUNREACH
    assert "its pid namespace is another one" in host.log()
