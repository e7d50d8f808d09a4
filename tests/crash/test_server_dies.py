"""A server that dies: its clients get ESRCH soon, and are told truly whether it had received."""

from __future__ import annotations

import time
from typing import Any

import pytest
from drive import Blocked, Company, guarantee, srr, works
from wire import Pattern

#: The library promises 0.2 s; the rest is for a loaded machine.
SOON = 1.0


@guarantee("B", "D", "G")
@pytest.mark.parametrize("how", ["killed", "killed, unreaped", "_exit", "exit"])
@pytest.mark.parametrize("state", [Blocked.SEND, Blocked.REPLY])
def test_esrch_within_a_moment(company: Company, state: Blocked, how: str) -> None:
    server, client, other = company.start_many(3)
    assert works(server, client)
    server.do("drop")
    sending = client.order("send", to=server.pid, message=b"x")
    if state is Blocked.REPLY:
        server.do("receive")
    client.until_blocked(state, on=server.pid)
    if how.startswith("killed"):
        server.kill(reap=how == "killed")
    else:
        server.order("die", how=how)
        server.wait_dead()
    began = time.monotonic()
    failure = sending.failure()
    took = time.monotonic() - began
    print(f"ESRCH {took * 1000:.1f} ms after the death")
    assert took < SOON
    assert failure.received is (state is Blocked.REPLY)
    if how != "exit":  # an orderly end may answer what it holds
        assert isinstance(failure, srr.ServerDied)
    assert works(other, client)


@guarantee("D")
@pytest.mark.parametrize("stopped", [True, False])
def test_all_its_clients_hear_of_it(company: Company, stopped: bool) -> None:
    """Also if it was stopped before: a stopped process dies without running again."""
    server, *clients = company.start_many(9)
    server.do("receive", poll=True)
    sending = [client.order("send", to=server.pid, message=b"x") for client in clients]
    for number in range(4):
        server.do("receive", hold=str(number))
    for client in clients:
        client.until_blocked()
    if stopped:
        server.stop()
    server.kill()
    began = time.monotonic()
    failures = [one.failure() for one in sending]
    print(f"8 clients: {(time.monotonic() - began) * 1000:.1f} ms after the death")
    assert time.monotonic() - began < SOON
    assert all(isinstance(failure, srr.ServerDied) for failure in failures)
    assert sum(failure.received for failure in failures) == 4


@guarantee("D")
def test_a_thread_that_ends_is_no_death(company: Company) -> None:
    """Death is the last thread's: messages that a thread took are still the process's."""
    server, client = company.start_many(2)
    sending = client.order("send", to=server.pid, message=b"x")
    server.do("receive", thread="short")
    server.do("leave", thread="short")
    failure = client.fails("send", thread="t", to=server.pid, message=b"y", timeout=0.5)
    assert isinstance(failure, srr.TimedOut)
    assert not sending.answered()
    server.do("reply", data=b"alive")
    assert sending.result() == b"alive"


@guarantee("D")
@pytest.mark.parametrize("round_", range(20))
def test_killed_in_the_middle_of_a_large_copy(company: Company, round_: int) -> None:
    """Receive, Reply and Writemsg of 64 MiB, broken off by SIGKILL at some moment of them."""
    server, client, other = company.start_many(3)
    if round_ % 2:
        sending = client.order("send", to=server.pid, message=b"x")
        server.do("receive")
        where: dict[str, Any] = {"offset": 0} if round_ % 4 == 1 else {}
        server.order("write" if where else "reply", data=Pattern(64 << 20), tell=True, **where).wait_entered()
    else:
        sending = client.order("send", to=server.pid, message=Pattern(64 << 20))
        client.until_blocked(Blocked.SEND)
        server.order("receive", tell=True).wait_entered()
    for _ in range(round_ * 50):
        client.look()  # a moment that differs from round to round
    server.kill()
    try:
        sending.result()
    except srr.ServerDied as failure:
        print(f"received: {failure.received}")
    assert works(other, client)


@guarantee("D")
def test_a_name_is_served_again_by_its_next_owner(company: Company) -> None:
    old, client, new = company.start_many(3)
    old.do("attach", name="service")
    sending = client.order("send", to="service", message=b"1")
    old.do("receive")
    old.kill()
    assert isinstance(sending.failure(), srr.ServerDied)
    waiting = client.order("send", to="service", message=b"2", patience=None)
    new.do("attach", name="service")
    assert new.do("receive").data == b"2"
    new.do("reply", data=b"two")
    assert waiting.result() == b"two"


@guarantee("D")
def test_a_connection_by_name_finds_the_next_holder(company: Company) -> None:
    old, new = company.start_many(2)
    client = company.start()
    client.do("load", path=__file__.replace("test_server_dies.py", "connection_orders.py"))
    old.do("attach", name="service")
    client.do("open_connection", name="service")
    sending = client.order("send_again", message=b"1")
    old.do("receive")
    old.do("reply", data=b"one")
    assert sending.result() == b"one"
    sending = client.order("send_again", message=b"2")
    client.until_blocked(Blocked.SEND)
    old.kill()
    failure = sending.failure()
    assert isinstance(failure, srr.ServerDied)
    assert failure.safe_to_repeat
    new.do("attach", name="service")
    sending = client.order("send_again", message=b"2")
    assert new.do("receive").data == b"2"
    new.do("reply", data=b"two")
    assert sending.result() == b"two"
