"""fork and exec: a child is a new process; a process that becomes another program is gone for its peers."""

from __future__ import annotations

import errno
from typing import Any

import pytest
from drive import Blocked, Company, exchange, guarantee, srr, works


@guarantee("C")
def test_a_child_can_not_answer_its_parents_messages(company: Company) -> None:
    parent, client = company.start_many(2)
    sending = client.order("send", to=parent.pid, message=b"for the parent")
    parent.do("receive")
    child = company.fork(parent)
    calls: list[tuple[str, dict[str, Any]]] = [
        ("reply", {"data": b"from the child"}),
        ("error", {"errno": errno.EIO}),
        ("write", {"offset": 0, "data": b"from the child"}),
        ("read", {"offset": 0, "nbytes": 1}),
    ]
    for what, args in calls:
        assert isinstance(child.fails(what, **args), srr.SenderGone)
    assert child.do("receive", poll=True) is None
    assert not sending.answered()
    client.until_blocked(Blocked.REPLY, on=parent.pid)
    parent.do("reply", data=b"from the parent")
    assert sending.result() == b"from the parent"


@guarantee("C")
@pytest.mark.parametrize("uses_it", [True, False])
def test_a_child_that_ends_takes_nothing_of_its_parents_along(company: Company, uses_it: bool) -> None:
    """Not the held message (the interpreter drops it at its end), not the queue, not the names."""
    parent, client, waiting = company.start_many(3)
    parent.do("attach", name="parent")
    sending = client.order("send", to="parent", message=b"held")
    parent.do("receive")
    child = company.fork(parent)
    queued = waiting.order("send", to=parent.pid, message=b"queued")
    waiting.until_blocked(Blocked.SEND)
    if uses_it:
        exchange(child, company.start(), b"the child is a process like any other")
    child.order("die", how="exit")
    child.wait_dead()
    assert not sending.answered()
    assert client.do("locate", thread="t", name="parent") == parent.pid
    parent.do("reply", data=b"done")
    assert sending.result() == b"done"
    assert parent.do("receive").data == b"queued"
    parent.do("reply")
    queued.result()


def test_a_child_is_sent_to_by_its_own_pid(company: Company) -> None:
    """Also before it has used the library itself."""
    parent, client = company.start_many(2)
    exchange(parent, client)
    child = company.fork(parent)
    sending = client.order("send", to=child.pid, message=b"for the child")
    client.until_blocked(Blocked.SEND, on=child.pid)
    assert parent.do("receive", poll=True) is None
    assert child.do("receive").data == b"for the child"
    child.do("reply", data=b"from the child")
    assert sending.result() == b"from the child"
    assert works(parent, client)


def test_parent_and_child_talk_to_each_other(company: Company) -> None:
    parent = company.start()
    parent.do("receive", poll=True)
    child = company.fork(parent)
    exchange(parent, child, b"to the parent")
    exchange(child, parent, b"to the child")


def test_a_child_of_a_client_is_a_client_of_its_own(company: Company) -> None:
    server, parent = company.start_many(2)
    exchange(server, parent)
    child = company.fork(parent)
    got = exchange(server, child)
    assert (got.pid, got.tid) == (child.pid, child.pid)
    assert exchange(server, parent).pid == parent.pid


def test_names_are_not_inherited(company: Company) -> None:
    parent, other = company.start_many(2)
    parent.do("attach", name="one")
    child = company.fork(parent)
    assert child.do("query", pid=child.pid) == []
    assert isinstance(child.fails("attach", name="one"), srr.NameInUse)
    assert isinstance(child.fails("detach", name="one"), srr.ServerDied)
    assert other.do("locate", name="one") == parent.pid
    child.do("attach", name="two")
    assert other.do("query") == [["one", parent.pid], ["two", child.pid]]


@guarantee("D")
@pytest.mark.parametrize("uses_it", [True, False])
def test_a_parent_that_is_killed_while_its_child_lives(company: Company, uses_it: bool) -> None:
    """The child's copies of its descriptors keep nothing of it alive."""
    parent, held, waiting, other = company.start_many(4)
    parent.do("attach", name="name")
    first = held.order("send", to=parent.pid, message=b"1")
    parent.do("receive")
    second = waiting.order("send", to=parent.pid, message=b"2")
    waiting.until_blocked(Blocked.SEND)
    child = company.fork(parent)
    if uses_it:
        child.do("receive", poll=True)
    parent.kill()
    for sending, received in ((first, True), (second, False)):
        failure = sending.failure()
        assert isinstance(failure, srr.ServerDied)
        assert failure.received is received
    assert isinstance(other.fails("locate", name="name"), srr.ServerDied)
    other.do("attach", name="name")
    exchange(child, held)


def test_forks_while_threads_are_blocked(company: Company) -> None:
    """The child has one thread; locks of the others must not be held in it for ever."""
    parent, server = company.start_many(2)
    receiving = parent.order("receive", thread="receives")
    parent.until_blocked(Blocked.RECEIVE)
    sending = parent.order("send", thread="sends", to=server.pid, message=b"x")
    parent.until_blocked(Blocked.SEND)
    children = [company.fork(parent) for _ in range(5)]
    for child in children:
        exchange(child, children[0] if child is not children[0] else children[1])
    server.do("receive")
    server.do("reply")
    sending.result()
    last = children[0].order("send", to=parent.pid, message=b"y")
    assert receiving.result().data == b"y"
    parent.do("reply", thread="receives")
    last.result()


@guarantee("D", "G")
@pytest.mark.parametrize("thread", ["main", "another"])
def test_exec_ends_everything(company: Company, thread: str) -> None:
    """The pid lives on, the process that was met does not: ESRCH, and the name is free."""
    server, held, waiting, other = company.start_many(4)
    server.do("attach", name="name")
    first = held.order("send", to=server.pid, message=b"1")
    server.do("receive")
    second = waiting.order("send", to=server.pid, message=b"2")
    waiting.until_blocked(Blocked.SEND)
    server.disturbed = True
    server.order("die", thread=thread, how="exec", argv=["sleep", "inf"])
    for sending, received in ((first, True), (second, False)):
        failure = sending.failure()
        assert isinstance(failure, srr.ServerDied)
        assert failure.received is received
    assert isinstance(other.fails("locate", name="name"), srr.ServerDied)
    other.do("attach", name="name")
    # It can be sent to like any process that has not used the library.
    assert isinstance(held.fails("send", to=server.pid, message=b"3", timeout=0.1), srr.TimedOut)
    assert works(other, held)


@guarantee("D")
@pytest.mark.parametrize("state", [Blocked.SEND, Blocked.REPLY])
def test_a_client_that_execs_while_it_is_blocked(company: Company, state: Blocked) -> None:
    """Another thread of the client execs; its message vanishes, its answer finds nobody."""
    server, client, other = company.start_many(3)
    exchange(server, client)
    client.order("send", to=server.pid, message=b"from the old program")
    client.until_blocked(Blocked.SEND)
    if state is Blocked.REPLY:
        server.do("receive", hold="old")
    client.disturbed = True
    client.order("die", thread="execs", how="exec", argv=["sleep", "inf"])
    client.until_runs("sleep")
    if state is Blocked.REPLY:
        assert isinstance(server.fails("write", hold="old", offset=0, data=b"late"), srr.SenderGone)
        assert isinstance(server.fails("reply", hold="old", data=b"late"), srr.SenderGone)
    else:
        assert server.do("receive", poll=True) is None
    assert works(server, other)


@guarantee("D")
def test_descriptors_are_closed_on_exec(company: Company) -> None:
    server, client = company.start_many(2)
    server.do("attach", name="name")
    exchange(server, client)
    server.disturbed = True
    server.order("die", how="exec", argv=["sleep", "inf"])
    server.until_runs("sleep")
    assert server.row_inodes() == set()
    assert server.mapped_inodes() == set()
