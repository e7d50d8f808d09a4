"""What one user can have, and what that does to another."""

from __future__ import annotations

import errno
import time

from helper.hosts import ALICE, BOB, CAROL, Guest, Host
from helper.protocol import GATE_PAIRS, GATE_SIZE, PAIR_SIZE, Op, Quota, request


def used(guest: Guest, quota: Quota) -> int:
    return int(guest.ask(Op.STATUS).used[quota])


def test_processes(host: Host) -> None:
    """Connections count from the first moment; what is given back can be had again."""
    first, crowd = host.guest(ALICE), host.guest(ALICE)
    limit = first.ask(Op.STATUS).limit[Quota.PROCESSES]
    assert crowd.do("crowd", str(host.path), limit - 2) == [0] * (limit - 2)
    assert used(first, Quota.PROCESSES) == limit
    late = host.guest(ALICE, joined=False)
    late.do("connect", str(host.path))
    assert late.do("hear").error == errno.EAGAIN
    assert host.guest(BOB).error(Op.STATUS) == 0
    assert f"has {limit} processes here" in host.log()
    crowd.do("crowd_ends")
    assert host.until(lambda: used(first, Quota.PROCESSES) == 2)
    assert late.do("join", str(host.path)).error == 0


def test_names(host: Host) -> None:
    guest, other = host.guest(ALICE), host.guest(ALICE)
    limit = guest.ask(Op.STATUS).limit[Quota.NAMES]
    for n in range(limit):
        assert guest.error(Op.PUBLISH, name=b"%d" % n, mode=0o600, gid=ALICE) == 0
    assert other.error(Op.PUBLISH, name=b"more", mode=0o600, gid=ALICE) == errno.EAGAIN
    assert guest.error(Op.PUBLISH, name=b"0", mode=0o666, gid=ALICE) == 0, "one that it has may change"
    assert host.guest(BOB).error(Op.PUBLISH, name=b"more", mode=0o600, gid=BOB) == 0
    assert guest.error(Op.WITHDRAW, name=b"0") == 0
    assert other.error(Op.PUBLISH, name=b"more", mode=0o600, gid=ALICE) == 0
    guest.kill()
    assert host.until(lambda: used(other, Quota.NAMES) == 1)


def test_pairs(host: Host) -> None:
    """Charged to who comes: the receiver's user pays nothing. At one receiver, a gate's places end first."""
    client, more = host.guest(BOB), host.guest(BOB)
    servers = [host.guest(ALICE) for _ in range(3)]
    for n, server in enumerate(servers):
        server.ask(Op.PUBLISH, name=b"%d" % n, mode=0o666, gid=ALICE)
    limit = client.ask(Op.STATUS).limit[Quota.PAIRS]
    assert limit == 2 * GATE_PAIRS, "what follows counts on it"
    for server in servers[:2]:
        for _ in range(GATE_PAIRS):
            assert client.error(Op.CONNECT, pid=server.pid) == 0
            server.do("meeting")
        assert client.error(Op.CONNECT, pid=server.pid) == errno.EAGAIN
    for guest in (client, more):
        assert guest.error(Op.CONNECT, pid=servers[2].pid) == errno.EAGAIN
    status = servers[0].ask(Op.STATUS)
    assert (status.used[Quota.PAIRS], status.used[Quota.PAIR_KIB]) == (0, 0)
    kib = used(client, Quota.PAIR_KIB)
    assert kib == (2 * GATE_SIZE + limit * PAIR_SIZE) // 1024 <= client.ask(Op.STATUS).limit[Quota.PAIR_KIB]
    assert servers[1].error(Op.CONNECT, pid=servers[2].pid) == 0, "another user's are untouched"
    servers[0].kill()
    assert host.until(lambda: used(client, Quota.PAIRS) == GATE_PAIRS)
    assert more.error(Op.CONNECT, pid=servers[2].pid) == 0


def test_who_does_not_look_at_its_news(host: Host) -> None:
    """What waits for a receiver holds descriptors, which the kernel counts against the helper: so they are few."""
    sleeper, awake, client = host.guest(ALICE), host.guest(ALICE), host.guest(ALICE)
    waiting = 0
    while (error := client.error(Op.CONNECT, pid=sleeper.pid)) == 0:
        waiting += 1
    assert error == errno.EAGAIN
    print(f"{waiting} wait")
    assert 60 <= waiting <= 64
    assert client.error(Op.CONNECT, pid=awake.pid) == 0
    for _ in range(waiting):
        sleeper.do("meeting")
    assert client.error(Op.CONNECT, pid=sleeper.pid) == 0


def test_unread_descriptors_count_when_their_reader_is_gone(host: Host) -> None:
    """A process that shuts down its writing end alone could have them pile up: it keeps its place instead."""
    one, hoarder = host.guest(ALICE), host.guest(ALICE, joined=False)
    hoarder.do("hoard", str(host.path), 20)
    assert used(one, Quota.PROCESSES) == 21
    hoarder.do("hoard_is_read")
    assert host.until(lambda: used(one, Quota.PROCESSES) == 1)


def test_a_place_is_free_again_though_nobody_else_comes(host: Host) -> None:
    """One that shut its end down, with an unread descriptor on its way, keeps its place until it closes: not longer."""
    first, other = host.guest(ALICE), host.guest(ALICE, joined=False)
    other.do("connect", str(host.path))
    other.do("hello_unread")
    began = time.monotonic()
    assert host.until(lambda: time.monotonic() - began > 1.5)  # all that it was to look at for strangers' sake is over
    assert used(first, Quota.PROCESSES) == 2
    other.do("shut_down")
    assert used(first, Quota.PROCESSES) == 2
    other.do("close_connection")
    assert host.until(lambda: used(first, Quota.PROCESSES) == 1)


def test_watches(host: Host) -> None:
    """The processes that there can be do not reach this limit by pairs of two alone."""
    crowd = host.guest(ALICE)
    one = host.guest(ALICE)
    limit = one.ask(Op.STATUS).limit[Quota.WATCHES]
    assert crowd.do("crowd_watches", str(host.path), limit) == [limit, errno.EAGAIN]
    assert used(one, Quota.WATCHES) == limit
    assert one.error(Op.WATCH, pid=crowd.pid) in (errno.ENOENT, errno.EAGAIN)
    crowd.do("crowd_ends")
    assert host.until(lambda: used(one, Quota.WATCHES) == 0)


def test_a_flood_by_one_user_does_not_starve_another(host: Host) -> None:
    """Fair by user. The figures depend on the machine's CPUs; what is asserted is that all of his are answered."""
    server, victim, flooder = host.guest(ALICE), host.guest(ALICE), host.guest(BOB, joined=False)
    server.ask(Op.PUBLISH, name=b"plc", mode=0o666, gid=ALICE)
    idle = sorted(victim.do("times", 3000, ALICE, b"plc"))
    flooder.order("flood", str(host.path), 60, 2.0)
    under_flood = sorted(victim.do("times", 1000, ALICE, b"plc"))
    answered = flooder.result()
    for name, times in (("idle", idle), ("under flood", under_flood)):
        print(f"{name}: median {times[len(times) // 2] * 1e6:.0f} us, p99 {times[-len(times) // 100] * 1e6:.0f} us")
    print(f"{answered} requests of 60 connections answered in 2 s")
    assert len(under_flood) == 1000
    assert answered > 0


def test_who_asks_dear_questions_waits(host: Host) -> None:
    """A caller with 65,536 groups, and names that are for other groups: each LIST compares them all."""
    owners = range(300_000, 300_200)
    many = host.guest(CAROL, groups=list(range(100_000, 165_536)))
    server = host.guest(0)
    for gid in owners:
        assert server.error(Op.PUBLISH, name=b"%d" % gid, mode=0o660, gid=gid) == 0
    other = host.guest(BOB)
    assert many.ask(Op.LIST).error == errno.ENOENT
    many.do("send", request(Op.STATUS))
    for _ in range(20):
        assert other.error(Op.STATUS) == 0
    assert not many.do("has_heard"), "it is not listened to yet"
    assert many.do("hear").error == 0, "but later"


def test_who_reads_is_told_whatever_others_leave_unread(host: Host) -> None:
    """Unread news of a user's other processes are no reason not to answer one that reads."""
    client = host.guest(BOB)
    for n in range(4):
        deaf = host.guest(ALICE)
        deaf.ask(Op.PUBLISH, name=b"%d" % n, mode=0o666, gid=ALICE)
        while client.error(Op.CONNECT, pid=deaf.pid) == 0:
            pass
    server, sender = host.guest(ALICE), host.guest(ALICE)
    assert sender.error(Op.CONNECT, pid=server.pid) == 0
    server.do("meeting")
