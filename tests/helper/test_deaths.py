"""The undertaker: who hears of a death, and that nothing of the dead is left."""

from __future__ import annotations

import errno
import os
import signal
import struct

import pytest
from helper.hosts import ALICE, BOB, Guest, Host
from helper.protocol import Op, Quota


def end(guest: Guest, how: str) -> None:
    if how == "kill":
        guest.kill()
    elif how == "exec":
        guest.order("exec_a_sleeper")
    else:
        guest.do("close_connection")


@pytest.mark.parametrize("how", ["kill", "exec", "close"])
def test_watchers_hear_of_it(host: Host, how: str) -> None:
    watcher, watched, bystander = host.guest(ALICE), host.guest(ALICE), host.guest(ALICE)
    assert watcher.error(Op.WATCH, pid=watched.pid) == 0
    assert watcher.error(Op.WATCH, pid=watched.pid) == 0, "twice is once"
    assert watcher.ask(Op.STATUS).used[Quota.WATCHES] == 1
    before, other = watcher.do("news"), bystander.do("news")
    watcher.order("await_news", before)
    end(watched, how)
    took = watcher.result()
    print(f"heard after {took * 1000:.1f} ms at most, with the order's own way")
    assert watcher.do("news") == before + 1
    assert bystander.do("news") == other
    assert watcher.ask(Op.STATUS).used[Quota.WATCHES] == 0


@pytest.mark.parametrize("who", ["sender", "receiver"])
@pytest.mark.parametrize("how", ["kill", "exec", "close"])
def test_partners_of_a_pair_hear_of_it(host: Host, how: str, who: str) -> None:
    receiver, sender = host.guest(ALICE), host.guest(BOB)
    receiver.ask(Op.PUBLISH, name=b"plc", mode=0o666, gid=ALICE)
    assert sender.error(Op.CONNECT, pid=receiver.pid) == 0
    receiver.do("meeting")
    dead, left = (sender, receiver) if who == "sender" else (receiver, sender)
    before = left.do("news")
    left.order("await_news", before)
    end(dead, how)
    left.result()
    host.guest(BOB)
    assert left.ask(Op.STATUS).used[Quota.PAIRS] == 0


def test_who_seeks_a_name_hears_of_it(host: Host) -> None:
    server, seeker, other = host.guest(ALICE), host.guest(BOB), host.guest(BOB)
    assert seeker.error(Op.LOCATE, uid=ALICE, name=b"plc") == errno.ENOENT
    before, others = seeker.do("news"), other.do("news")
    server.ask(Op.PUBLISH, name=b"mine", mode=0o600, gid=ALICE)
    assert seeker.do("news") == before, "that one is not for others"
    seeker.order("await_news", before)
    server.ask(Op.PUBLISH, name=b"plc", mode=0o622, gid=ALICE)
    seeker.result()
    assert other.do("news") == others, "who has not asked is not woken"


def test_watch_is_for_ones_own_user(host: Host) -> None:
    alice, bob = host.guest(ALICE), host.guest(BOB)
    silent = host.guest(ALICE, joined=False)
    assert bob.error(Op.WATCH, pid=alice.pid) == errno.EPERM
    assert alice.error(Op.WATCH, pid=silent.pid) == errno.ENOENT
    assert alice.error(Op.WATCH, pid=alice.pid) == errno.ENOENT


def test_nothing_is_left_of_ten_thousand(host: Host) -> None:
    """Descriptors and memory are where they were."""
    guest = host.guest(ALICE, joined=False)
    guest.do("come_and_go", str(host.path), 500)
    files, memory = host.descriptors(), host.memory()
    guest.do("come_and_go", str(host.path), int(os.environ.get("SRR_CONNECTIONS", "10000")))
    assert host.until(lambda: host.descriptors() <= files)
    print(f"{memory} bytes, then {host.memory()}")
    assert host.memory() <= memory + 65536


def test_nothing_is_left_of_pairs(host: Host) -> None:
    server = host.guest(ALICE)
    files = host.descriptors()
    for _ in range(5):
        client = host.guest(ALICE)
        for _ in range(40):
            assert client.error(Op.CONNECT, pid=server.pid) == 0
            server.do("meeting")
        client.kill()
    assert host.until(lambda: host.descriptors() == files)
    used = server.ask(Op.STATUS).used
    assert (used[Quota.PAIRS], used[Quota.PAIR_KIB], used[Quota.PROCESSES]) == (0, 0, 1)


def test_sigterm_and_restart(host: Host) -> None:
    """It ends in order; the socket's file stays, and the next one takes its place."""
    guest = host.guest(ALICE)
    assert host.stop() == 0
    assert guest.do("hear") is None
    assert host.path.is_socket()
    host.start()
    assert guest.do("join", str(host.path)).error == 0


def test_sigterm_in_a_flood(host: Host) -> None:
    """Also who always has something to do hears it."""
    flooder, other = host.guest(ALICE, joined=False), host.guest(BOB)
    flooder.order("flood", str(host.path), 20, 30.0)
    assert host.until(lambda: other.error(Op.STATUS) == 0 and host.descriptors() > 60)
    assert host.stop() == 0
    with pytest.raises(struct.error):  # the children are told by the end of their connections
        flooder.result()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGHUP])
def test_other_signals_end_it_too(host: Host, how: int) -> None:
    assert host.stop(how) == 0


def test_killed_it_leaves_nothing_that_hinders(host: Host) -> None:
    server, client = host.guest(ALICE), host.guest(ALICE)
    told = client.ask(Op.CONNECT, pid=server.pid)
    met = server.do("meeting")
    assert host.stop(signal.SIGKILL) == -signal.SIGKILL
    assert client.do("same_file", told.fds[1]) == server.do("same_file", met.fds[1]), "pairs go on"
    assert not client.do("is_dead", told.fds[2])
    host.start()
    assert client.do("join", str(host.path)).error == 0
    assert server.do("join", str(host.path)).error == 0
    assert client.error(Op.CONNECT, pid=server.pid) == 0
