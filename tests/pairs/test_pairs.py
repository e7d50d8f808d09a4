"""Two users, introduced by srr-helper: Send, Receive and Reply as between processes of one."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from drive import Blocked, Partner, exchange, guarantee, sleeps, srr, until, works
from helper.hosts import Guest
from helper.protocol import Op, Quota
from pairs.town import Town
from wire import Pattern, shown

from srr import processes


@pytest.fixture
def pair(town: Town) -> tuple[Partner, Partner]:
    """A server of one user and a client of another, that have met."""
    server, client = town.server(1001), town.start(1002)
    exchange(server, client)
    return server, client


def test_there_and_back(town: Town) -> None:
    server, client = town.server(1001), town.start(1002)
    sending = client.order("send", to="plc@1001", message=b"hello")
    got = server.do("receive", timeout=5.0)
    assert (got.data, got.pid, got.tid, got.uid, got.gid) == (b"hello", client.pid, client.pid, 1002, 1002)
    server.do("reply", data=b"olleh")
    assert sending.result() == b"olleh"
    for nbytes in (0, 1, 4096, 65536):
        exchange(server, client, bytes(nbytes))


def test_parts_readmsg_and_errors(pair: tuple[Partner, Partner]) -> None:
    server, client = pair
    sending = client.order("send", to=server.pid, message=[b"ab", b"", b"cdef"])
    assert server.do("receive", limit=3).data == b"abc"
    assert server.do("read", offset=2) == b"cdef"
    server.do("error", errno=errno.EXDEV)
    failure = sending.failure()
    assert (failure.errno, failure.by_server, failure.received) == (errno.EXDEV, True, True)


def test_more_threads_than_a_pair_has_slots(pair: tuple[Partner, Partner]) -> None:
    """32 slots a pair: with 70 threads there are three."""
    server, client = pair
    serving = server.order("serve", count=70 * 20)
    assert client.do("threads", count=70, to=server.pid, each=20) == 70 * 20
    serving.result()


def test_many_clients_and_servers_threads(town: Town) -> None:
    """Several users, several processes each, several threads that receive."""
    server = town.server(1001)
    clients = [town.start(uid) for uid in (1002, 1002, 1003, 1004, 1001)]
    serving = [server.order("serve", thread=f"t{i}", count=250) for i in range(4)]
    sending = [client.order("repeat", to=server.pid, count=200) for client in clients]
    assert [one.result() for one in sending] == [200] * 5
    for one in serving:
        one.result()


@guarantee("G")
@pytest.mark.parametrize("received", [False, True])
def test_time_out(pair: tuple[Partner, Partner], received: bool) -> None:
    server, client = pair
    sending = client.order("send", to=server.pid, message=b"x", timeout=0.3)
    if received:
        server.do("receive", timeout=5.0)
    failure = sending.failure()
    assert isinstance(failure, srr.TimedOut)
    assert failure.received == received
    if received:
        assert isinstance(server.fails("reply", data=b"late"), srr.SenderGone)
    else:
        assert server.do("receive", poll=True) is None
    assert works(server, client)


@guarantee("B")
@pytest.mark.parametrize("received", [False, True])
def test_a_signal_ends_a_send(pair: tuple[Partner, Partner], received: bool) -> None:
    server, client = pair
    client.do("handle", number=signal.SIGUSR1, how="raise")
    sending = client.order("send", to=server.pid, message=b"x")
    if received:
        server.do("receive")
        client.until_blocked(Blocked.REPLY, on=server.pid)
    else:
        client.until_blocked(Blocked.SEND, on=server.pid)
    client.signal(signal.SIGUSR1)
    assert "signal" in str(sending.failure())
    assert works(server, client)


def test_a_signal_ends_a_receive(pair: tuple[Partner, Partner]) -> None:
    server, client = pair
    server.do("handle", number=signal.SIGUSR1, how="raise")
    receiving = server.order("receive")
    server.until_receivers(1)
    server.signal(signal.SIGUSR1)
    assert "signal" in str(receiving.failure())
    assert works(server, client)


@guarantee("D")
@pytest.mark.parametrize("how", ["kill", "exit", "exec"])
@pytest.mark.parametrize("received", [False, True])
def test_the_server_dies(town: Town, how: str, received: bool) -> None:
    """ESRCH, and the truth about what was received; another process under that name is found."""
    server, client = town.server(1001), town.start(1002)
    exchange(server, client)
    sending = client.order("send", to=server.pid, message=b"x")
    if received:
        server.do("receive")
        client.until_blocked(Blocked.REPLY)
    else:
        client.until_blocked(Blocked.SEND)
    server.order("die", how=how)
    if how == "exec":
        server.disturbed = True
        server.until_runs("sleep")
    else:
        server.wait_dead()
    began = time.monotonic()
    failure = sending.failure()
    print(f"ESRCH {1000 * (time.monotonic() - began):.1f} ms after the death")
    assert isinstance(failure, srr.ServerDied)
    assert failure.received == received
    successor = town.server(1001)
    sending = client.order("send", to="plc@1001", message=b"again")
    assert successor.do("receive", timeout=5.0).data == b"again"
    successor.do("reply")
    sending.result()


@guarantee("D")
@pytest.mark.parametrize("how", ["kill", "exit", "exec"])
@pytest.mark.parametrize("received", [False, True])
def test_the_client_dies(town: Town, how: str, received: bool) -> None:
    server, client, other = town.server(1001), town.start(1002), town.start(1002)
    exchange(server, client)
    client.order("send", thread="sender", to=server.pid, message=b"x")
    if received:
        server.do("receive")
    else:
        client.until_blocked(Blocked.SEND)
    client.order("die", how=how)
    if how == "exec":
        client.disturbed = True
        client.until_runs("sleep")
    else:
        client.wait_dead()
    if received:
        assert isinstance(server.fails("reply", data=b"x"), srr.SenderGone)
    assert works(server, other)
    assert server.do("receive", poll=True) is None


@guarantee("C")
def test_a_forked_child_is_another_process(pair: tuple[Partner, Partner], town: Town) -> None:
    """It inherits no pair, no descriptor of one, and may make its own."""
    server, client = pair
    child = town.fork(client)
    kept = [os.readlink(f"/proc/{child.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{child.pid}/fd") if int(fd) >= 60]
    assert not [name for name in kept if "srr-" in name or "pidfd" in name or "socket" in name], kept
    sending = child.order("send", to=server.pid, message=b"from the child")
    assert server.do("receive", timeout=5.0).pid == child.pid
    server.do("reply")
    sending.result()
    assert works(server, client)


@guarantee("G")
def test_a_stopped_server_does_not_hold_a_time_out(pair: tuple[Partner, Partner]) -> None:
    server, client = pair
    server.stop()
    failure = client.fails("send", to=server.pid, message=b"x", timeout=0.2)
    assert isinstance(failure, srr.TimedOut)
    assert failure.safe_to_repeat
    server.go_on()
    assert works(server, client)


@pytest.mark.parametrize("hidden", ["server", "client"])
def test_one_that_is_not_dumpable(town: Town, hidden: str) -> None:
    """Of one user, which needs no name for it: each may not open the other's rows."""
    server = town.start(1001, dumpable=hidden != "server")
    client = town.start(1001, dumpable=hidden != "client")
    server.do("receive", poll=True)
    sending = client.order("send", to=server.pid, message=b"shy")
    assert server.do("receive", timeout=5.0).data == b"shy"
    server.do("reply", data=b"too")
    assert sending.result() == b"too"
    for _ in range(3):
        exchange(server, client)


def test_selective_receive(town: Town) -> None:
    """From one process, from one thread, while others of its user are ahead."""
    server, first, second = town.server(1001), town.start(1002), town.start(1002)
    sending = [first.order("send", thread=f"t{i}", to=server.pid, message=b"first") for i in range(5)]
    first.until_blocked(Blocked.SEND)
    later = second.order("send", to=server.pid, message=b"second")
    assert server.do("receive", sender=second.pid, timeout=5.0).data == b"second"
    server.do("reply")
    later.result()
    for _ in sending:
        assert server.do("receive", sender=first.pid, timeout=5.0).data == b"first"
        server.do("reply")
    for one in sending:
        one.result()


def test_relay_across_users(town: Town) -> None:
    """The sender's own thread sends it on: with its own rights, and its own name for the next one."""
    front, back, client = town.server(1001, "front"), town.server(1003, "back"), town.start(1002)
    sending = client.order("send", to="front@1001", message=b"for the back")
    front.do("receive", timeout=5.0)
    front.do("relay_to", target=back.pid)
    got = back.do("receive", timeout=5.0)
    assert (got.data, got.uid, got.pid) == (b"for the back", 1002, client.pid)
    back.do("reply", data=b"done")
    assert sending.result() == b"done"


def test_ps_shows_a_thread_blocked_in_a_pair(pair: tuple[Partner, Partner]) -> None:
    server, client = pair
    sending = client.order("send", to=server.pid, message=b"look at me")
    client.until_blocked(Blocked.SEND, on=server.pid)
    server.do("receive")
    thread = client.until_blocked(Blocked.REPLY, on=server.pid)
    assert thread.tid == client.pid
    seen = processes.look(client.pid)
    assert [(one.on, one.state) for one in seen.blocked] == [(server.pid, Blocked.REPLY)]
    server.do("reply")
    sending.result()
    assert not processes.look(client.pid).blocked


@guarantee("F")
@pytest.mark.parametrize("nbytes", [65_537, 256 << 10, 5_000_001])
def test_long_messages_go_by_the_window(pair: tuple[Partner, Partner], nbytes: int) -> None:
    """There and back, and in pieces at odd offsets; nobody reaches into the other's memory."""
    server, client = pair
    there, back = Pattern(nbytes, 1), Pattern(nbytes, 2)
    sending = client.order("send", to=server.pid, message=there)
    got = server.do("receive", into=[1000])
    assert (got.nbytes, got.lane) == (nbytes, "window")
    assert server.do("read", offset=777) == shown(there.make()[777:])
    server.do("reply", data=back)
    assert sending.result() == shown(back)


def test_the_servers_own_users_messages_keep_their_order(town: Town) -> None:
    """By arrival: two of the server's own user, one of another in between."""
    server, mine, other = town.server(1001), town.start(1001), town.start(1002)
    exchange(server, mine, b"1")
    exchange(server, other, b"2")
    sending = []
    for client, thread, text in ((mine, "a", b"first"), (other, "a", b"second"), (mine, "b", b"third")):
        tid = client.do("tid", thread=thread)
        sending.append(client.order("send", thread=thread, to=server.pid, message=text))
        client.until_blocked(Blocked.SEND, tid=tid)
    got = [server.do("receive", timeout=5.0, hold=str(i)).data for i in range(3)]
    assert got.index(b"first") < got.index(b"third")
    assert sorted(got) == [b"first", b"second", b"third"]
    for i in range(3):
        server.do("reply", hold=str(i))
    for one in sending:
        one.result()


def test_another_users_messages_keep_their_order(town: Town) -> None:
    """By arrival, whichever of its processes sent them, and whichever of the server's pairs they come through."""
    server, *clients = town.server(1001), *(town.start(1002) for _ in range(4))
    for client in clients:
        exchange(server, client)
    for row in (clients, clients[::-1]):
        sending = []
        for number, client in enumerate(row):
            sending.append(client.order("send", to=server.pid, message=b"%d" % number))
            client.until_blocked(Blocked.SEND)
        for number, one in enumerate(sending):
            assert server.do("receive").data == b"%d" % number
            server.do("reply")
            one.result()


def test_another_time_namespace(town: Town) -> None:
    """Its clock is 28 hours ahead: times are nobody else's business, and each keeps its own time-outs."""

    def ahead(**environment: str) -> Partner:
        return town.company.start("unshare", "--time", "--monotonic", "100000", **environment)

    server, client = town.server(1001, starter=ahead), town.start(1002)
    assert os.readlink(f"/proc/{server.pid}/ns/time") != os.readlink("/proc/self/ns/time")
    exchange(server, client)
    exchange(server, client, bytes(1 << 20))
    sending = client.order("send", to=server.pid, message=b"x", timeout=0.05)
    assert isinstance(sending.failure(), srr.TimedOut)
    with pytest.raises(srr.TimedOut):
        server.do("receive", timeout=0.05)


@pytest.mark.may_heal
def test_who_sends_and_never_receives_is_not_filled_with_strangers(town: Town) -> None:
    """It collects no more of them than some; when it receives at last, all who were let in are there."""
    server, busy, client = town.server(1001), town.start(1001), town.start(1003)
    sending = server.order("send", to=busy.pid, message=b"busy")
    busy.do("receive")
    crowd = Guest(1002, 1002, [])
    try:
        crowd.do("join", str(town.helper.path))
        folder = Path(f"/proc/{server.pid}/fd")
        before = len(os.listdir(folder))
        let_in = 0
        while let_in < 40:
            assert crowd.error(Op.CONNECT, pid=server.pid) == 0
            let_in += 1
        calling = client.order("send", to=server.pid, message=b"behind them all")
        client.until_blocked(Blocked.SEND)
        for _ in range(3):
            while crowd.error(Op.CONNECT, pid=server.pid) == 0:
                let_in += 1
            slept = sleeps(server.pid)
            until("it has looked up again", lambda slept=slept: sleeps(server.pid) > slept + 2)  # type: ignore[misc]
        assert 60 <= let_in <= 100, "it does not read on"
        assert len(os.listdir(folder)) <= before + 4 * 33
        busy.do("reply")
        sending.result()
        assert server.do("receive").data == b"behind them all"
        server.do("reply", data=b"here")
        assert calling.result() == b"here"
        assert crowd.error(Op.CONNECT, pid=server.pid) == 0, "it reads again"
    finally:
        crowd.close()


@pytest.mark.may_heal
def test_no_place_at_the_helper_is_waited_for(town: Town) -> None:
    """Its user has as many processes there as it may: the next one is told so at the door, and tries again."""
    server = town.server(1001)
    crowd = Guest(1002, 1002, [])
    try:
        crowd.do("join", str(town.helper.path))
        limit = crowd.ask(Op.STATUS).limit[Quota.PROCESSES]
        assert crowd.do("crowd", str(town.helper.path), limit - 1) == [0] * (limit - 1)
        client = town.start(1002)
        sending = client.order("send", to=server.pid, message=b"patience", timeout=20.0, tell=True).wait_entered()
        client.until_asleep()
        assert not sending.answered()
        crowd.do("crowd_ends")
        assert server.do("receive", timeout=20.0).data == b"patience"
        server.do("reply")
        sending.result()
    finally:
        crowd.close()


def test_a_process_whose_first_thread_has_ended(town: Town) -> None:
    """/proc/self leads to nothing there. It joins, is introduced and Sends all the same."""
    server = town.server(1001)
    headless = [sys.executable, "-P", str(Path(__file__).with_name("headless.py")), "1003", "plc@1001"]
    environment = os.environ | {"SRR_HELPER": str(town.helper.path)}
    with subprocess.Popen(headless, env=environment, stdout=subprocess.PIPE) as process:
        try:
            got = server.do("receive", timeout=10.0)
            assert (got.nbytes, got.pid, got.uid) == (100_000, process.pid, 1003)
            server.do("reply", data=b"here")
            assert process.communicate(timeout=20)[0] == b"here"
        finally:
            process.kill()
