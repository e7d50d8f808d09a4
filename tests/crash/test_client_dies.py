"""A client that dies: its message vanishes, its answer finds nobody, the server and the others go on."""

from __future__ import annotations

from typing import Any

import pytest
from drive import Blocked, Company, guarantee, srr, works
from wire import Pattern


@guarantee("D")
@pytest.mark.parametrize("reap", [True, False])
@pytest.mark.parametrize("nbytes", [10, 200_000])
def test_a_queued_message_vanishes(company: Company, nbytes: int, reap: bool) -> None:
    """The next Receive gives the next living client's, also before the dead one has been reaped."""
    server, dead, alive = company.start_many(3)
    server.do("receive", poll=True)
    dead.order("send", to=server.pid, message=Pattern(nbytes))
    dead.until_blocked(Blocked.SEND)
    sending = alive.order("send", to=server.pid, message=Pattern(nbytes, 1))
    alive.until_blocked(Blocked.SEND)
    dead.kill(reap=reap)
    got = server.do("receive")
    assert (got.pid, got.nbytes) == (alive.pid, nbytes)
    server.do("reply")
    sending.result()
    assert server.do("receive", poll=True) is None


@guarantee("D")
@pytest.mark.parametrize("reap", [True, False])
@pytest.mark.parametrize("nbytes", [10, 200_000])
@pytest.mark.parametrize("what", ["reply", "error", "read", "write"])
def test_what_is_held_finds_nobody(company: Company, what: str, nbytes: int, reap: bool) -> None:
    server, client, other = company.start_many(3)
    client.order("send", to=server.pid, message=Pattern(nbytes))
    server.do("receive", limit=5)
    client.kill(reap=reap)
    args: dict[str, dict[str, Any]] = {
        "reply": {"data": Pattern(nbytes)},
        "error": {"errno": 5},
        "read": {"offset": 0, "nbytes": nbytes},
        "write": {"offset": 0, "data": Pattern(nbytes)},
    }
    failure = server.fails(what, **args[what])
    assert isinstance(failure, srr.SenderGone)
    assert failure.pid in (0, client.pid)
    assert works(server, other)
    assert server.do("drop") == []


@guarantee("D")
@pytest.mark.parametrize("reap", [True, False])
def test_one_that_dies_while_the_server_sleeps(company: Company, reap: bool) -> None:
    """It rings and is killed; whatever the server wakes up to, it serves the next."""
    server, alive = company.start_many(2)
    for _ in range(10):
        client = company.start()
        receiving = server.order("receive", hold="first")
        server.until_blocked(Blocked.RECEIVE)
        client.order("send", to=server.pid, message=b"x")
        client.kill(reap=reap)
        sending = alive.order("send", to=server.pid, message=b"alive")
        got = receiving.result()
        if got.data == b"x":
            assert isinstance(server.fails("reply", hold="first"), srr.SenderGone)
            assert server.do("receive", hold="first").data == b"alive"
        server.do("reply", hold="first")
        sending.result()


@guarantee("D")
def test_a_thread_of_it_that_ends_mid_way_is_not_its_death(company: Company) -> None:
    """One thread's transaction ends with the thread only; another thread's of the same process goes on."""
    server, client = company.start_many(2)
    sending = client.order("send", thread="stays", to=server.pid, message=b"x")
    server.do("receive")
    serving = server.order("serve", thread="serves", count=1)
    client.do("repeat", thread="leaves", to=server.pid, count=1)
    serving.result()
    client.do("leave", thread="leaves")
    server.do("reply", data=b"y")
    assert sending.result() == b"y"


@guarantee("D")
@pytest.mark.parametrize("round_", range(20))
def test_killed_in_the_middle_of_a_large_copy(company: Company, round_: int) -> None:
    server, client, other = company.start_many(3)
    reads = round_ % 2 == 0
    client.order("send", to=server.pid, message=Pattern(64 << 20 if reads else 1))
    if reads:
        client.until_blocked(Blocked.SEND)
        pending = server.order("receive", timeout=1.0, tell=True)
    else:
        server.do("receive")
        pending = server.order("reply", data=Pattern(64 << 20), tell=True)
    pending.wait_entered()
    for _ in range(round_ * 50):
        client.row_inodes()  # a moment that differs from round to round
    client.kill(reap=round_ % 3 == 0)
    try:
        pending.result()
    except (srr.SenderGone, srr.TimedOut) as failure:
        print(failure)
    assert works(server, other)
