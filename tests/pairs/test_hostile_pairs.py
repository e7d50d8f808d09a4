"""Guarantee E across users: whatever one party writes into a gate or a pair, the other neither crashes nor hangs.

The test is root, so it can write what any party could: both map the same two files.
"""

from __future__ import annotations

import ctypes
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from drive import Blocked, Partner, exchange, guarantee, srr, until, works
from helper.guest import SYS_FUTEX
from helper.hosts import NATIVE, compiler
from hostile import rows
from pairs.pages import PAGE, Gate, Page, Pair
from pairs.town import Town

pytestmark = pytest.mark.may_heal

BIG = (1 << 64) - 1
LIBC = ctypes.CDLL(None, use_errno=True)


@pytest.fixture
def trio(town: Town) -> tuple[Partner, Partner, Partner]:
    """A server, a client whose pages are scribbled over, and an honest one of a third user."""
    server, client, honest = town.server(1001), town.start(1002), town.start(1003)
    exchange(server, client)
    exchange(server, honest)
    return server, client, honest


def serve_one(server: Partner) -> object:
    """Receive whatever comes, do all that one can with it, and answer."""
    try:
        got = server.do("receive", timeout=0.3, limit=1 << 20)
    except OSError as failure:
        return failure
    for what, args in (
        ("read", {"offset": 0, "nbytes": 1 << 20}),
        ("write", {"offset": 50, "data": bytes(200_000)}),
        ("reply", {"data": bytes(60_000)}),
    ):
        try:
            server.do(what, **args)
        except OSError as failure:
            print(what, repr(failure))
    return got


@guarantee("E")
@pytest.mark.parametrize("field", [name for name in rows.SLOT if name != "word"])
@pytest.mark.parametrize("value", [BIG, 1, 1 << 31])
def test_a_clients_fields(trio: tuple[Partner, Partner, Partner], field: str, value: int) -> None:
    """Each field of a message that waits, forged."""
    server, client, honest = trio
    sending = client.order("send", to=server.pid, message=b"x" * 100, timeout=2.0)
    client.until_blocked(Blocked.SEND)
    Pair(client.pid).put_slot(field, value)
    got = serve_one(server)
    if not isinstance(got, OSError):
        assert (got.pid, got.uid) == (client.pid, 1002)  # type: ignore[attr-defined]
        assert got.tid == client.pid  # type: ignore[attr-defined]
    if not sending.answered():
        serve_one(server)
    try:
        sending.result()
    except OSError as failure:
        print(repr(failure))
    assert works(server, honest)
    assert works(server, client)


@guarantee("E")
@pytest.mark.parametrize("state", range(16))
@pytest.mark.parametrize("received", [False, True])
def test_a_word_scribbled_over(trio: tuple[Partner, Partner, Partner], state: int, received: bool) -> None:
    """The client's Send ends, with its time at the latest; the server's reply ends; both go on with others."""
    server, client, honest = trio
    sending = client.order("send", to=server.pid, message=b"x", timeout=0.5)
    client.until_blocked(Blocked.SEND)
    if received:
        server.do("receive")
        client.until_blocked(Blocked.REPLY)
    Pair(client.pid).put_state(state)
    if received:
        answering = server.order("reply", data=b"late")
        server.answer(answering.number, "done", "failed")
    try:
        sending.result()
    except OSError as failure:
        print(repr(failure))
    assert works(server, honest)
    exchange(server, client, b"another slot, or this one")


@guarantee("E")
def test_a_slot_whose_writer_never_ends_is_left(trio: tuple[Partner, Partner, Partner]) -> None:
    """BUSY for ever, in one slot after the other: each Send keeps its time, and the next one finds another slot."""
    server, client, _ = trio
    for slot in range(3):
        sending = client.order("send", to=server.pid, message=b"x", timeout=0.3)
        client.until_blocked(Blocked.SEND)
        server.do("receive")
        client.until_blocked(Blocked.REPLY)
        Pair(client.pid).put_state(rows.BUSY, slot)
        failure = sending.failure()
        assert isinstance(failure, srr.TimedOut)
        assert failure.received
        server.do("drop")
        Pair(client.pid).put_state(rows.BUSY, slot)
    assert works(server, client)
    pair = Pair(client.pid)
    for slot in range(3):
        pair.put_state(rows.IDLE, slot)
    assert works(server, client)
    assert pair.word(0).generation != pair.word(1).generation


@guarantee("E")
@pytest.mark.parametrize("field", sorted(rows.PORT))
@pytest.mark.parametrize("value", [0, BIG, 1 << 31])
def test_a_gates_fields(trio: tuple[Partner, Partner, Partner], field: str, value: int) -> None:
    """Those of one user suffer, at worst until the look; others do not, and the server does not crash."""
    server, client, honest = trio
    gate = Gate(client.pid)
    if field != "proxy_hints":
        gate.put_port(field, value)
    assert works(server, honest)
    serving = server.order("receive", timeout=10.0)
    sending = client.order("send", to=server.pid, message=b"through a scribbled gate", timeout=10.0)
    assert serving.result().data == b"through a scribbled gate"
    server.do("reply")
    sending.result()
    assert works(server, honest)


@guarantee("E")
def test_scribbling_for_a_while(trio: tuple[Partner, Partner, Partner]) -> None:
    """Random words at random places of gate and pair, while both users go on."""
    server, client, honest = trio
    pages = [Gate(client.pid), Pair(client.pid)]
    chance = random.Random(5)
    serving = server.order("serve", thread="t", count=10**9)
    sending = client.order("repeat", thread="noise", to=server.pid, count=10**9)
    for turn in range(20):
        for _ in range(500):
            page = chance.choice(pages)
            at = 4096 + chance.randrange(0, 4096 if page is pages[0] else 9000, 4)
            page.put(at, 4, chance.choice([0, 1, chance.getrandbits(32), 0xFFFFFFFF]))
        assert honest.do("repeat", to=server.pid, count=20) == 20, turn
    assert not serving.answered()
    del sending


@guarantee("E")
def test_a_flood_delays_others_by_one_message(town: Town) -> None:
    """40 threads of one user wait; another's message comes next but one."""
    server, flood, other = town.server(1001), town.start(1002), town.start(1003)
    exchange(server, other)
    exchange(server, flood)
    sending = [flood.order("send", thread=f"t{i}", to=server.pid, message=b"flood") for i in range(40)]
    until("40 threads wait", lambda: len(flood.look().blocked) == 40)
    urgent = other.order("send", to=server.pid, message=b"urgent")
    other.until_blocked(Blocked.SEND)
    order = [server.do("receive", timeout=5.0, hold=str(i)).data for i in range(41)]
    assert order.index(b"urgent") <= 1
    for i in range(41):
        server.do("reply", hold=str(i))
    for one in [*sending, urgent]:
        one.result()


@guarantee("E")
def test_one_who_never_leaves(trio: tuple[Partner, Partner, Partner]) -> None:
    """A client that is stopped in each state holds nobody: neither the server nor others."""
    server, client, honest = trio
    for received in (False, True):
        sending = client.order("send", to=server.pid, message=b"x")
        client.until_blocked(Blocked.SEND)
        if received:
            server.do("receive", hold="stopped")
        client.stop()
        if not received:
            server.do("receive", hold="stopped")
        assert works(server, honest)
        server.do("reply", hold="stopped")
        assert works(server, honest)
        client.go_on()
        sending.result()


@guarantee("E")
def test_a_dead_ones_child_that_goes_on(town: Town, trio: tuple[Partner, Partner, Partner]) -> None:
    """It keeps up the life word, which a receiver believes for 10 ms; then the kernel says whose the lock is."""
    server, client, honest = trio
    pair, gate = Pair(client.pid), Gate(client.pid)
    child = client.do("leave_a_child")
    try:
        exchange(server, client)  # the kernel was asked now
        town.helper.signal(signal.SIGSTOP)  # it would tell
        client.kill()
        told = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        until("10 ms are over", lambda: time.clock_gettime_ns(time.CLOCK_MONOTONIC) - told > 20_000_000)
        last = pair.word()
        pair.put_slot("word", last._replace(generation=last.generation + 1, state=rows.SENT).pack())
        gate.ring(0)
        with pytest.raises(srr.TimedOut):
            server.do("receive", timeout=0.3)
        assert pair.word().state == rows.SENT
        assert works(server, honest)
    finally:
        os.kill(child, signal.SIGKILL)


@guarantee("E")
def test_a_third_user_finds_no_file(trio: tuple[Partner, Partner, Partner]) -> None:
    _, client, honest = trio
    assert Pair(client.pid).memory, "who may look finds it"
    assert set(vars(honest.do("pry", pid=client.pid)).values()) == {"PermissionError"}


def moved_away(page: Page, at: int) -> int:
    """Whoever sleeps on that word sleeps on another one now, which nobody wakes: FUTEX_REQUEUE. How many they are."""
    here, there = (ctypes.c_void_p(page.address + offset) for offset in (at, 4092))
    moved: int = LIBC.syscall(SYS_FUTEX, here, 3, 0, ctypes.c_ulong(1 << 30), there, 0)
    return moved


@guarantee("E")
def test_a_receiver_that_is_moved_away_from_its_bell(trio: tuple[Partner, Partner, Partner]) -> None:
    """By somebody of a sender's user: it wakes at the end of its slice, and at once by others' bells."""
    server, client, honest = trio
    gate = Gate(client.pid)
    for sender in (client, honest):
        serving = server.order("receive", timeout=10.0)
        until("it is moved", lambda: moved_away(gate, PAGE) == 1)
        sending = sender.order("send", to=server.pid, message=b"where are you", timeout=10.0)
        assert serving.result().data == b"where are you"
        server.do("reply")
        sending.result()


@guarantee("E")
def test_a_sender_that_is_moved_away_from_its_word(trio: tuple[Partner, Partner, Partner]) -> None:
    """By somebody of its receiver's user: it finds the reply at the end of its slice, and its time-out holds."""
    server, client, _ = trio
    pair = Pair(client.pid)
    for replied in (True, False):
        sending = client.order("send", to=server.pid, message=b"x", timeout=10.0 if replied else 1.0)
        server.do("receive")
        client.until_blocked(Blocked.REPLY)
        until("it is moved", lambda: moved_away(pair, PAGE) == 1)
        if replied:
            server.do("reply", data=b"here")
            assert sending.result() == b"here"
        else:
            assert isinstance(sending.failure(), srr.TimedOut)


@pytest.fixture
def stream(tmp_path: Path) -> Path:
    include = [f"-I{NATIVE / 'core'}", f"-I{NATIVE / 'include'}"]
    source, program = Path(__file__).with_name("stream.c"), tmp_path / "stream"
    subprocess.run([compiler(), "-std=gnu11", "-O2", "-Wall", "-Werror", *include, source, "-o", program], check=True)
    return program


@guarantee("E")
def test_a_stream_of_messages_that_are_rejected(town: Town, stream: Path) -> None:
    """Faster than they can be rejected: a Receive ends at its time, and others come through."""
    server, honest, clients = town.server(1001), town.start(1003), [town.start(1002) for _ in range(8)]
    for client in (*clients, honest):
        exchange(server, client)
    pids = [str(client.pid) for client in clients]
    with subprocess.Popen([stream, *pids], stdout=subprocess.PIPE) as hostile:
        try:
            assert hostile.stdout and hostile.stdout.readline() == b"streams\n"
            assert isinstance(server.fails("receive", timeout=0.3), srr.TimedOut)
            exchange(server, honest)
        finally:
            hostile.kill()
    works(server, honest)
