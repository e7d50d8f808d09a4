"""When descriptors, memory or places run out: a clear error, nobody stuck, and all is well once there are more."""

from __future__ import annotations

import errno

import pytest
from drive import Blocked, Company, exchange, guarantee, srr, works
from wire import Pattern

from srr.facts import facts


@guarantee("B", "G")
@pytest.mark.timeout(120)
def test_more_threads_than_places(company: Company) -> None:
    server, client = company.start_many(2)
    assert works(server, client)
    server.stop()  # or it would be disturbed by its own looking round
    places = facts().slots
    outcome = client.do("threads_that_fail", count=places + 60, to=server.pid)
    print(outcome)
    assert outcome.EAGAIN == 60 + 1  # the main thread keeps its own
    assert places - 1 == outcome.ETIMEDOUT
    server.go_on()
    assert works(server, client)


@guarantee("B", "G")
@pytest.mark.parametrize("free", [0, 1, 2, 3])
def test_a_client_without_descriptors(company: Company, free: int) -> None:
    """The first contact needs some; a later Send needs none."""
    server, known, client = company.start_many(3)
    server.do("receive", poll=True)
    assert works(known, client)
    client.do("limit_descriptors", free=free)
    failure = client.fails("send", to=server.pid, message=b"x", timeout=1.0)
    print(free, repr(failure))
    assert isinstance(failure, srr.Failure)
    assert failure.errno in (errno.EMFILE, errno.ETIMEDOUT)  # with enough for it, nobody receives
    assert failure.safe_to_repeat
    assert works(known, client)
    client.do("limit_descriptors", free=None)
    assert works(server, client)


@guarantee("B")
@pytest.mark.parametrize("free", [0, 1, 2])
def test_a_server_without_descriptors(company: Company, free: int) -> None:
    """It can not meet a new client, goes on with the old, and meets the new one later."""
    server, known, client = company.start_many(3)
    company.may_heal = True  # the look finds who could not be met
    assert works(server, known)
    server.do("limit_descriptors", free=free)
    sending = client.order("send", to=server.pid, message=b"patient")
    client.until_blocked(Blocked.SEND)
    got = None
    try:
        got = server.do("receive", timeout=0.3, hold="new")
    except srr.TimedOut:
        pass
    sending_known = known.order("send", to=server.pid, message=b"known")
    assert server.do("receive", hold="known").data == b"known"
    server.do("reply", hold="known")
    sending_known.result()
    server.do("limit_descriptors", free=None)
    got = got or server.do("receive", hold="new", timeout=10.0)
    assert got.data == b"patient"
    server.do("reply", hold="new", data=b"at last")
    assert sending.result() == b"at last"


@guarantee("B")
@pytest.mark.parametrize("free", [0, 1])  # it needs two of its own
def test_a_first_use_without_descriptors(company: Company, free: int) -> None:
    server, client = company.start_many(2)
    client.do("wake")
    client.do("limit_descriptors", free=free)
    for failure in (client.fails("send", to=server.pid, timeout=1.0), client.fails("receive", timeout=1.0)):
        assert isinstance(failure, OSError)
        assert failure.errno == errno.EMFILE
    client.do("limit_descriptors", free=None)
    assert works(server, client)


@guarantee("B")
def test_a_server_without_memory_for_a_message(company: Company) -> None:
    """The sender is told, the server goes on with the next."""
    server, client, other = company.start_many(3)
    assert works(server, client)
    assert works(server, other)
    server.do("limit_memory", free=32 << 20)
    sending = client.order("send", to=server.pid, message=Pattern(128 << 20))
    client.until_blocked(Blocked.SEND)
    behind = other.order("send", to=server.pid, message=b"small")
    other.until_blocked(Blocked.SEND)
    receiving = server.order("receive")
    assert sending.failure().errno == errno.ENOMEM
    try:
        got = receiving.result()
    except MemoryError:
        got = server.do("receive")
    assert got.data == b"small"
    server.do("reply")
    behind.result()
    server.do("limit_memory", free=None)
    exchange(server, client, Pattern(1 << 20))


@guarantee("B")
def test_a_client_without_memory_for_the_reply(company: Company) -> None:
    server, client = company.start_many(2)
    assert works(server, client)
    client.do("limit_memory", free=16 << 20)
    failure = client.fails("send", to=server.pid, message=b"x", room=1 << 40, timeout=1.0)
    assert isinstance(failure, MemoryError)
    assert server.do("receive", poll=True) is None
    client.do("limit_memory", free=None)
    assert works(server, client)
