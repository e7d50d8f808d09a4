"""Threads: a sender is a thread, any thread may receive, any thread may reply, and none keeps the others waiting."""

from __future__ import annotations

import pytest
from drive import Blocked, Company, guarantee, works
from wire import Pattern, shown


@guarantee("A", "B")
def test_several_threads_send_at_once(company: Company) -> None:
    server, client = company.start_many(2)
    tids = {f"t{i}": client.do("tid", thread=f"t{i}") for i in range(5)}
    sending = {name: client.order("send", thread=name, to=server.pid, message=name.encode()) for name in tids}
    got = [server.do("receive", hold=str(i)) for i in range(5)]
    assert {one.data.decode(): one.tid for one in got} == tids
    assert {one.pid for one in got} == {client.pid}
    for i in reversed(range(5)):
        server.do("reply", hold=str(i), data=b"to " + got[i].data)
    for name in tids:
        assert sending[name].result() == b"to " + name.encode()


@guarantee("A", "B", "C")
def test_many_threads_of_one_process(company: Company) -> None:
    server, client = company.start_many(2)
    serving = server.order("serve", count=50 * 40)
    assert client.do("threads", count=50, to=server.pid, each=40) == 50 * 40
    serving.result()


@guarantee("A", "B", "C")
@pytest.mark.parametrize("clients", [1, 4])
def test_many_threads_receive_from_one_port(company: Company, clients: int) -> None:
    server, *senders = company.start_many(1 + clients)
    serving = server.order("serve_with_threads", count=8, messages=clients * 8 * 50)
    sending = [sender.order("threads", count=8, to=server.pid, each=50) for sender in senders]
    assert [one.result() for one in sending] == [400] * clients
    assert sum(serving.result()) == clients * 400


def test_reply_from_another_thread(company: Company) -> None:
    server, client = company.start_many(2)
    for nbytes in (10, 1 << 20):
        sending = client.order("send", to=server.pid, message=Pattern(nbytes))
        server.do("receive", thread="receives")
        assert server.do("read", thread="reads", offset=3, nbytes=4) == Pattern(nbytes).make()[3:7]
        server.do("write", thread="writes", offset=0, data=b"replaced")
        server.do("reply", thread="replies", data=Pattern(nbytes, 1))
        assert sending.result() == shown(Pattern(nbytes, 1))


@guarantee("C")
def test_a_reply_outlives_the_thread_that_received(company: Company) -> None:
    server, client = company.start_many(2)
    sending = client.order("send", to=server.pid, message=b"x")
    server.do("receive", thread="short")
    server.do("leave", thread="short")
    client.until_blocked(Blocked.REPLY)
    server.do("reply", data=b"y")
    assert sending.result() == b"y"


@guarantee("A")
def test_threads_that_come_and_go_use_no_place_for_ever(company: Company) -> None:
    """More threads one after the other than there are places in the waiting table (1,024) at once."""
    server, client = company.start_many(2)
    serving = server.order("serve", count=1500)
    for _ in range(30):
        assert client.do("threads", count=50, to=server.pid, each=1) == 50
    serving.result()
    assert works(server, client)


@guarantee("A")
def test_a_thread_sends_while_another_receives(company: Company) -> None:
    a, b = company.start_many(2)
    receiving = a.order("receive", thread="receives")
    a.until_blocked(Blocked.RECEIVE)
    sending = a.order("send", to=b.pid, message=b"from a")
    assert b.do("receive", hold="a").data == b"from a"
    back = b.order("send", thread="back", to=a.pid, message=b"from b")
    assert receiving.result().data == b"from b"
    a.do("reply", thread="receives", data=b"1")
    assert back.result() == b"1"
    b.do("reply", hold="a", data=b"2")
    assert sending.result() == b"2"


@pytest.mark.parametrize("state", [Blocked.SEND, Blocked.REPLY, Blocked.RECEIVE])
def test_the_interpreter_runs_on_while_a_thread_is_blocked(company: Company, state: Blocked) -> None:
    """The GIL is released: another thread of the same process counts meanwhile."""
    blocked, other = company.start_many(2)
    other.do("receive", poll=True)
    if state is Blocked.RECEIVE:
        pending = blocked.order("receive")
    else:
        pending = blocked.order("send", to=other.pid, message=b"x")
    if state is Blocked.REPLY:
        other.do("receive")
    blocked.until_blocked(state)
    assert blocked.do("count", thread="counts", to=1_000_000) == 1_000_000
    assert not pending.answered()


def test_the_other_thread_can_be_the_one_that_answers(company: Company) -> None:
    """A process whose main thread is REPLY-blocked on another serves that other with a second thread."""
    a, b = company.start_many(2)
    asking = a.order("send", to=b.pid, message=b"question")
    b.do("receive", hold="question")
    serving = a.order("serve", thread="serves", count=1)
    assert b.do("send", thread="back", to=a.pid, message=b"abc") == b"cba"
    serving.result()
    b.do("reply", hold="question", data=b"answer")
    assert asking.result() == b"answer"
