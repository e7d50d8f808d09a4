"""Order of service, and receiving from one sender while others wait."""

from __future__ import annotations

import pytest
from drive import Blocked, Company, Partner, Pending, guarantee, srr, works


def queue_up(server: Partner, clients: list[Partner]) -> list[Pending]:
    """Each client SEND-blocked before the next one sends."""
    sending = []
    for number, client in enumerate(clients):
        sending.append(client.order("send", to=server.pid, message=b"%d" % number))
        client.until_blocked(Blocked.SEND)
    return sending


@pytest.mark.only_by("direct", "window")  # tests/pairs: the order is kept among the messages of one user
@guarantee("A")
def test_arrival_order(company: Company) -> None:
    server, *clients = company.start_many(9)
    server.do("receive", poll=True)
    for row in (clients, clients[::-1]):
        sending = queue_up(server, row)
        for number in range(len(row)):
            assert server.do("receive", hold=str(number)).data == b"%d" % number
        for number, one in enumerate(sending):
            server.do("reply", hold=str(number))
            one.result()


def test_arrival_order_before_the_server_knows_the_library(company: Company) -> None:
    """Whoever meets it first is in its queue first: no promise, but all are served, and none twice."""
    server, *clients = company.start_many(5)
    sending = [client.order("send", to=server.pid, message=b"%d" % i) for i, client in enumerate(clients)]
    for client in clients:
        client.until_blocked(Blocked.SEND, on=server.pid)
    got = []
    for number in range(len(clients)):
        got.append(server.do("receive", hold=str(number)).data)
        server.do("reply", hold=str(number))
    assert sorted(got) == [b"0", b"1", b"2", b"3"]
    for one in sending:
        one.result()


@pytest.mark.only_by("direct", "window")  # tests/pairs: the order is kept among the messages of one user
def test_one_that_left_the_queue_comes_back_at_its_end(company: Company) -> None:
    server, first, second = company.start_many(3)
    server.do("receive", poll=True)
    gave_up = first.order("send", to=server.pid, message=b"gives up", timeout=0.2)
    first.until_blocked(Blocked.SEND)
    sending = second.order("send", to=server.pid, message=b"stays")
    second.until_blocked(Blocked.SEND)
    assert isinstance(gave_up.failure(), srr.TimedOut)
    again = first.order("send", to=server.pid, message=b"again")
    first.until_blocked(Blocked.SEND)
    for expected, one in ((b"stays", sending), (b"again", again)):
        assert server.do("receive").data == expected
        server.do("reply")
        one.result()


@guarantee("A")
def test_receive_from_one_process_leaves_the_others_in_their_order(company: Company) -> None:
    server, *clients = company.start_many(6)
    server.do("receive", poll=True)
    sending = queue_up(server, clients)
    for at in (3, 1):
        got = server.do("receive", sender=clients[at].pid)
        assert got.data == b"%d" % at
        server.do("reply")
        sending[at].result()
    for at in (0, 2, 4):
        assert server.do("receive").data == b"%d" % at
        server.do("reply")
        sending[at].result()


@guarantee("A")
def test_receive_from_one_waits_for_that_one(company: Company) -> None:
    server, wanted, other = company.start_many(3)
    sending = other.order("send", to=server.pid, message=b"other")
    other.until_blocked(Blocked.SEND)
    receiving = server.order("receive", sender=wanted.pid)
    server.until_blocked(Blocked.RECEIVE, on=wanted.pid)
    awaited = wanted.order("send", to=server.pid, message=b"wanted")
    assert receiving.result().data == b"wanted"
    server.do("reply")
    awaited.result()
    assert server.do("receive").data == b"other"
    server.do("reply")
    sending.result()


def test_receive_from_one_thread(company: Company) -> None:
    server, client = company.start_many(2)
    server.do("receive", poll=True)
    tids = {name: client.do("tid", thread=name) for name in ("a", "b", "c")}
    sending = {}
    for name, tid in tids.items():
        sending[name] = client.order("send", thread=name, to=server.pid, message=name.encode())
        client.until_blocked(Blocked.SEND, tid=tid)
    got = server.do("receive", sender=tids["b"])
    assert (got.data, got.tid, got.pid) == (b"b", tids["b"], client.pid)
    server.do("reply")
    sending["b"].result()
    for name in ("a", "c"):  # any thread of the process: in their order
        assert server.do("receive", sender=client.pid).data == name.encode()
        server.do("reply")
        sending[name].result()


@guarantee("A")
def test_several_threads_wait_for_one_sender_each(company: Company) -> None:
    """A wake-up for one of them must not be eaten by another, nor by one that waits for anybody."""
    server, a, b, c = company.start_many(4)
    server.do("receive", poll=True)
    waiting = {}
    for at, sender in enumerate((a, b, c)):
        waiting[sender] = server.order("receive", thread=f"t{at}", hold=f"t{at}", sender=sender.pid)
        server.until_receivers(at + 1)
    for at, sender in reversed(list(enumerate((a, b, c)))):
        sending = sender.order("send", to=server.pid, message=b"from %d" % sender.pid)
        assert waiting[sender].result().data == b"from %d" % sender.pid
        server.do("reply", hold=f"t{at}")
        sending.result()


@guarantee("A")
def test_a_thread_for_one_sender_beside_one_for_anybody(company: Company) -> None:
    server, wanted, other = company.start_many(3)
    server.do("receive", poll=True)
    choosy = server.order("receive", thread="choosy", hold="choosy", sender=wanted.pid)
    server.until_receivers(1)
    anybody = server.order("receive", thread="anybody", hold="anybody")
    server.until_receivers(2)
    first = other.order("send", to=server.pid, message=b"other")
    assert anybody.result().data == b"other"
    second = wanted.order("send", to=server.pid, message=b"wanted")
    assert choosy.result().data == b"wanted"
    for hold, sending in (("choosy", second), ("anybody", first)):
        server.do("reply", hold=hold)
        sending.result()


@pytest.mark.parametrize("who", ["nobody", "zombie", "beyond pid_max", "negative"])
def test_receive_from_one_that_does_not_exist(company: Company, who: str) -> None:
    server, client = company.start_many(2)
    if who == "nobody":
        gone = company.start()
        gone.kill()
        number = gone.pid
    else:
        number = {"zombie": client.do("fork_and_exit"), "beyond pid_max": 1 << 22, "negative": -5}[who]
    failure = server.fails("receive", sender=number, timeout=10.0)
    assert isinstance(failure, ProcessLookupError)
    assert works(server, client)


@guarantee("D")
@pytest.mark.parametrize("met", [True, False])
@pytest.mark.parametrize("reap", [True, False])
def test_receive_from_one_that_dies(company: Company, met: bool, reap: bool) -> None:
    server, wanted, other = company.start_many(3)
    if met:
        works(server, wanted)
    receiving = server.order("receive", sender=wanted.pid)
    server.until_blocked(Blocked.RECEIVE)
    wanted.kill(reap=reap)
    failure = receiving.failure()
    assert isinstance(failure, srr.ServerDied)
    assert failure.verb == "receive"
    assert works(server, other)


@guarantee("D")
def test_receive_from_a_thread_that_ends(company: Company) -> None:
    server, client = company.start_many(2)
    tid = client.do("tid", thread="short")
    receiving = server.order("receive", sender=tid)
    server.until_blocked(Blocked.RECEIVE)
    client.order("leave", thread="short").result()
    assert isinstance(receiving.failure(), ProcessLookupError)
    assert works(server, client)
