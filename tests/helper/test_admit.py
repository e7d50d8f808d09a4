"""Who is found, who is let in, and what each side gets."""

from __future__ import annotations

import errno
import itertools
import os
import struct

import pytest
from helper import protocol
from helper.guest import FUTURE_WRITE, GROW, SHRINK
from helper.hosts import ALICE, BOB, CAROL, Host
from helper.protocol import Op

PLANT = 4242


def test_a_name_is_found_and_gone_with_its_holder(host: Host) -> None:
    server, client = host.guest(ALICE), host.guest(BOB)
    assert client.error(Op.LOCATE, uid=ALICE, name=b"plc") == errno.ENOENT
    assert server.error(Op.PUBLISH, name=b"plc", mode=0o666, gid=ALICE) == 0
    assert client.ask(Op.LOCATE, uid=ALICE, name=b"plc").pid == server.pid
    assert client.error(Op.LOCATE, uid=BOB, name=b"plc") == errno.ENOENT
    assert client.error(Op.WITHDRAW, name=b"plc") == errno.ENOENT, "only its holder can"
    assert server.error(Op.WITHDRAW, name=b"plc") == 0
    assert client.error(Op.LOCATE, uid=ALICE, name=b"plc") == errno.ENOENT
    server.ask(Op.PUBLISH, name=b"plc", mode=0o666, gid=ALICE)
    server.kill()
    assert client.error(Op.LOCATE, uid=ALICE, name=b"plc") == errno.ENOENT


@pytest.mark.parametrize("kept", [False, True], ids=["closed", "a child keeps the connection"])
def test_a_name_is_gone_at_exec(host: Host, kept: bool) -> None:
    """The lock on the life file is gone even where the connection is not."""
    server, client = host.guest(ALICE), host.guest(BOB)
    server.ask(Op.PUBLISH, name=b"plc", mode=0o666, gid=ALICE)
    keeper = server.do("fork_a_keeper") if kept else None
    server.order("exec_a_sleeper")
    while os.readlink(f"/proc/{server.pid}/exe") != os.path.realpath("/bin/cat"):
        os.sched_yield()
    assert client.error(Op.LOCATE, uid=ALICE, name=b"plc") == errno.ENOENT
    assert client.error(Op.CONNECT, pid=server.pid) == errno.ESRCH
    if keeper:
        os.kill(keeper, 9)


def test_a_name_is_one_living_process_s_of_its_user(host: Host) -> None:
    first, second, stranger = host.guest(ALICE), host.guest(ALICE), host.guest(BOB)
    publish = {"name": b"plc", "mode": 0o666}
    assert first.error(Op.PUBLISH, gid=ALICE, **publish) == 0
    assert second.error(Op.PUBLISH, gid=ALICE, **publish) == errno.EBUSY
    assert stranger.error(Op.PUBLISH, gid=BOB, **publish) == 0, "another user's is another name"
    assert stranger.ask(Op.LOCATE, uid=ALICE, name=b"plc").pid == first.pid
    assert first.ask(Op.LOCATE, uid=BOB, name=b"plc").pid == stranger.pid
    first.kill()
    assert second.error(Op.PUBLISH, gid=ALICE, **publish) == 0
    assert stranger.ask(Op.LOCATE, uid=ALICE, name=b"plc").pid == second.pid


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"name": b""}, errno.EINVAL),
        ({"name": b"x" * 65}, errno.EINVAL),
        ({"name": b"x" * 72}, errno.EINVAL),
        ({"name": b"x" * 64}, 0),
        ({"name": b"\xff\n%s@root"}, 0),
        ({"mode": 0o777}, errno.EINVAL),
        ({"mode": 0o10666}, errno.EINVAL),
        ({"mode": 0xFFFFFFFF}, errno.EINVAL),
        ({"mode": 0}, 0),
        ({"gid": PLANT}, 0),
        ({"gid": 0}, errno.EPERM),
        ({"gid": 0xFFFFFFFF}, errno.EPERM),
    ],
)
def test_what_can_be_published(host: Host, fields: dict[str, object], error: int) -> None:
    server = host.guest(ALICE, groups=[7, PLANT])
    assert server.error(Op.PUBLISH, **{"name": b"plc", "mode": 0o600, "gid": ALICE} | fields) == error
    if error == errno.EPERM:
        assert "usermod" in host.log()


#: Who calls: uid, gid, groups; and whose digit of the mode counts.
CALLERS = {
    "owner": (ALICE, ALICE, [], "owner"),
    "group": (BOB, PLANT, [], "group"),
    "supplementary": (BOB, BOB, [5, PLANT, 6], "group"),
    "other": (BOB, BOB, [5], "other"),
    "root": (0, 0, [], "owner"),
}


@pytest.mark.parametrize("caller", CALLERS)
def test_the_matrix_of_modes(host: Host, caller: str) -> None:
    """LOCATE wants r or w, LIST r, CONNECT w: of the caller's digit. The owner's own processes and root need none."""
    uid, gid, groups, digit = CALLERS[caller]
    server, client = host.guest(ALICE, gid=PLANT), host.guest(uid, gid, groups)
    for group, other in itertools.product((0, 2, 4, 6), repeat=2):
        mode = 0o600 | group << 3 | other
        assert server.error(Op.PUBLISH, name=b"plc", mode=mode, gid=PLANT) == 0
        mine = {"owner": 6, "group": group, "other": other}[digit]
        found = client.ask(Op.LOCATE, uid=ALICE, name=b"plc")
        listed = client.ask(Op.LIST, index=0)
        connected = client.ask(Op.CONNECT, pid=server.pid)
        shown = f"{mode:o}"
        assert found.error == (0 if mine else errno.ENOENT), shown
        assert listed.error == (0 if mine & 4 else errno.ENOENT), shown
        assert connected.error == (0 if mine & 2 else errno.EACCES), shown
        if listed.error == 0:
            assert (listed.name, listed.uid, listed.gid, listed.mode, listed.pid) == (
                b"plc", ALICE, PLANT, mode, server.pid,
            )  # fmt: skip
    if digit == "other":
        assert f"srr-helper: uid {uid}: process {client.pid} may not send to {server.pid}" in host.log()
        assert host.log().count("may not send") == 1, "once"


def test_connect_refuses(host: Host) -> None:
    server, client = host.guest(ALICE), host.guest(BOB)
    silent = host.guest(ALICE, joined=False)
    assert client.error(Op.CONNECT, pid=client.pid) == errno.EDEADLK
    for pid in (0, -1, 1, 0x7FFFFFFF, silent.pid):
        assert client.error(Op.CONNECT, pid=pid) == errno.ESRCH
    assert client.error(Op.CONNECT, pid=server.pid) == errno.EACCES, "it has no name"
    server.ask(Op.PUBLISH, name=b"plc", mode=0o666, gid=ALICE)
    assert client.error(Op.CONNECT, pid=server.pid) == 0
    server.ask(Op.WITHDRAW, name=b"plc")
    assert client.error(Op.CONNECT, pid=server.pid) == errno.EACCES


def test_list_goes_through_all_that_may_be_seen(host: Host) -> None:
    server, client = host.guest(ALICE), host.guest(BOB)
    for n in range(6):
        server.ask(Op.PUBLISH, name=b"n%d" % n, mode=0o604 if n % 2 else 0o602, gid=ALICE)
    seen, index = [], 0
    while (told := client.ask(Op.LIST, index=index)).error == 0:
        seen.append(told.name)
        index = told.index + 1
    assert told.error == errno.ENOENT
    assert seen == [b"n1", b"n3", b"n5"]
    assert client.error(Op.LIST, index=0xFFFFFFFF) == errno.ENOENT


def test_both_sides_get_the_same_pair(host: Host) -> None:
    server, client, other = host.guest(ALICE), host.guest(BOB, gid=PLANT), host.guest(BOB)
    third = host.guest(CAROL)
    server.ask(Op.PUBLISH, name=b"plc", mode=0o666, gid=ALICE)
    told = client.ask(Op.CONNECT, pid=server.pid)
    met = server.do("meeting")
    assert (told.pid, told.uid, told.gid) == (server.pid, ALICE, ALICE)
    assert (met.pid, met.uid, met.gid) == (client.pid, BOB, PLANT)
    assert (met.index, met.pair_id, met.gate_id) == (told.index, told.pair_id, told.gate_id)
    theirs = [client.do("same_file", fd) for fd in told.fds]
    ours = [server.do("same_file", fd) for fd in met.fds]
    assert len(ours) == len(theirs) == 4
    assert theirs[:2] == ours[:2], "gate and pair"
    assert theirs[3] == server.do("same_file", server.do("own_life"))
    assert ours[3] == client.do("same_file", client.do("own_life"))
    gate = struct.unpack("=QIIQ", client.do("read", told.fds[0], 24))
    assert gate == (protocol.GATE_MAGIC, protocol.LAYOUT_VERSION, BOB, told.gate_id)
    pair = struct.unpack("=QIIQiiII", client.do("read", told.fds[1], 40))
    assert pair == (
        protocol.PAIR_MAGIC, protocol.LAYOUT_VERSION, told.index, told.pair_id, client.pid, server.pid, BOB, ALICE,
    )  # fmt: skip
    # One user's processes share the gate and nothing else; another user has another one.
    second, stranger = other.ask(Op.CONNECT, pid=server.pid), third.ask(Op.CONNECT, pid=server.pid)
    again = client.ask(Op.CONNECT, pid=server.pid)
    assert second.gate_id == again.gate_id == told.gate_id != stranger.gate_id
    assert len({told.pair_id, second.pair_id, again.pair_id, stranger.pair_id}) == 4
    assert sorted((told.index, second.index, again.index)) == [0, 1, 2]
    assert not client.do("is_dead", told.fds[2])
    server.kill()
    assert client.do("is_dead", told.fds[2])


def test_one_user_needs_no_name(host: Host) -> None:
    server, client = host.guest(ALICE), host.guest(ALICE)
    assert client.error(Op.CONNECT, pid=server.pid) == 0
    assert server.do("meeting").uid == ALICE


def test_the_receiver_hears_first(host: Host) -> None:
    """When the answer is there, MEET is in the receiver's socket."""
    server, client = host.guest(ALICE), host.guest(ALICE)
    before = server.do("news")
    told = client.ask(Op.CONNECT, pid=server.pid)
    assert server.do("meeting").pair_id == told.pair_id
    assert server.do("news") != before


def test_files_can_not_shrink_and_news_can_not_be_written(host: Host) -> None:
    server, client = host.guest(ALICE), host.guest(ALICE)
    told = client.ask(Op.CONNECT, pid=server.pid)
    for fd, size in zip(told.fds[:2], (protocol.GATE_SIZE, protocol.PAIR_SIZE), strict=True):
        tried = client.do("attempts", fd)
        assert (tried["shrink"], tried["grow"], tried["seal"]) == (errno.EPERM,) * 3
        assert (tried["write"], tried["map"]) == (0, 0)
        assert client.do("same_file", fd)
        assert size == client.do("size", fd)
        assert client.do("seals", fd) & (SHRINK | GROW) == SHRINK | GROW
    news = client.do("own_news")
    tried = client.do("attempts", news)
    assert {tried[what] for what in ("shrink", "grow", "seal", "write", "map", "reopen")} == {errno.EPERM}
    assert client.do("seals", news) & FUTURE_WRITE
    magic, word = struct.unpack("=QI", client.do("read", news, 12))
    assert magic == protocol.NEWS_MAGIC
    assert word == client.do("news")


def test_without_a_worker_nothing_is_moved(host: Host) -> None:
    guest = host.guest(ALICE)
    for op in (Op.LEND, Op.REVOKE, Op.MOVE_IN, Op.MOVE_OUT):
        assert guest.error(op) == errno.ENOTSUP
