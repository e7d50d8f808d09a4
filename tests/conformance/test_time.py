"""Time-outs of Send and Receive, poll, and what a time-out says about the request."""

from __future__ import annotations

import time

import pytest
from drive import Blocked, Company, exchange, guarantee, srr, works
from wire import Pattern, shown


@guarantee("B", "G")
@pytest.mark.parametrize("timeout", [0.0, 0.001, 0.05, 0.3])
def test_send_that_nobody_receives_in_time_is_safe_to_repeat(company: Company, timeout: float) -> None:
    server, client = company.start_many(2)
    exchange(server, client)
    began = time.monotonic()
    failure = client.fails("send", to=server.pid, message=b"never seen", timeout=timeout)
    assert time.monotonic() - began >= timeout
    assert isinstance(failure, srr.TimedOut)
    assert (failure.received, failure.safe_to_repeat, failure.pid) == (False, True, server.pid)
    assert "safe to repeat" in str(failure)
    assert server.do("receive", poll=True) is None  # and so it was: the message has vanished
    assert works(server, client)


@guarantee("B", "C", "G")
@pytest.mark.parametrize("nbytes", [10, 100_000])
def test_send_that_is_received_and_not_answered_in_time_is_in_doubt(company: Company, nbytes: int) -> None:
    server, client = company.start_many(2)
    sending = client.order("send", to=server.pid, message=bytes(nbytes), timeout=0.3)
    server.do("receive", hold="late")
    failure = sending.failure()
    assert isinstance(failure, srr.TimedOut)
    assert (failure.received, failure.safe_to_repeat) == (True, False)
    assert "in doubt" in str(failure)
    # The late answer finds nobody, neither now nor in the client's next transaction.
    again = client.order("send", to=server.pid, message=b"next")
    server.do("receive", hold="next")
    assert isinstance(server.fails("write", hold="late", offset=0, data=b"late"), srr.SenderGone)
    assert isinstance(server.fails("read", hold="late", offset=0, nbytes=1), srr.SenderGone)
    assert isinstance(server.fails("reply", hold="late", data=b"late"), srr.SenderGone)
    server.do("reply", hold="next", data=b"next's")
    assert again.result() == b"next's"


def test_a_time_out_that_is_long_enough_changes_nothing(company: Company) -> None:
    server, client = company.start_many(2)
    for timeout in (30.0, 1e6, 1e12, None):
        exchange(server, client, timeout=timeout)


@pytest.mark.parametrize("timeout", [-1.0, float("nan"), float("inf")])
def test_odd_time_outs(company: Company, timeout: float) -> None:
    """Either refused, or taken for something sensible; infinity is for ever."""
    server, client = company.start_many(2)
    if timeout == float("inf"):
        exchange(server, client, timeout=timeout)
        return
    failure = client.fails("send", to=server.pid, message=b"x", timeout=timeout)
    assert isinstance(failure, (ValueError, OverflowError, srr.TimedOut))


def test_receive_times_out(company: Company) -> None:
    server, client = company.start_many(2)
    for timeout in (0.0, 0.001, 0.2):
        began = time.monotonic()
        assert isinstance(server.fails("receive", timeout=timeout), srr.TimedOut)
        assert time.monotonic() - began >= timeout
    assert works(server, client)


def test_receive_from_one_times_out_while_others_wait(company: Company) -> None:
    server, client, absent = company.start_many(3)
    sending = client.order("send", to=server.pid, message=b"still here")
    client.until_blocked(Blocked.SEND)
    assert isinstance(server.fails("receive", sender=absent.pid, timeout=0.1), srr.TimedOut)
    assert server.do("receive").data == b"still here"
    server.do("reply")
    sending.result()


def test_poll_never_blocks(company: Company) -> None:
    server, client = company.start_many(2)
    assert server.do("receive", poll=True) is None
    sending = client.order("send", to=server.pid, message=b"x")
    client.until_blocked(Blocked.SEND)
    assert server.do("receive", poll=True, sender=server.pid) is None
    assert server.do("receive", poll=True).data == b"x"
    assert server.do("receive", poll=True) is None
    server.do("reply", data=b"y")
    assert sending.result() == b"y"


@guarantee("B")
def test_a_stopped_server_times_out_its_clients(company: Company) -> None:
    """SEND- and REPLY-blocked on a process that hangs; when it goes on, its late reply finds nobody."""
    server, taken, waiting = company.start_many(3)
    first = taken.order("send", to=server.pid, message=b"1", timeout=0.3)
    server.do("receive", hold="1")
    server.stop()
    second = waiting.order("send", to=server.pid, message=b"2", timeout=0.3)
    for sending, received in ((first, True), (second, False)):
        failure = sending.failure()
        assert isinstance(failure, srr.TimedOut)
        assert failure.received is received
    server.go_on()
    assert isinstance(server.fails("reply", hold="1"), srr.SenderGone)
    assert server.do("receive", poll=True) is None
    assert works(server, taken)


@guarantee("D")
@pytest.mark.only_by("direct")
@pytest.mark.parametrize("nbytes", [10, 1 << 20])
def test_a_stopped_client_stops_nobody(company: Company, nbytes: int) -> None:
    server, client, other = company.start_many(3)
    assert works(server, client)
    sending = client.order("send", to=server.pid, message=Pattern(nbytes))
    client.until_blocked(Blocked.SEND)
    client.stop()
    assert server.do("receive", hold="stopped").nbytes == nbytes
    assert works(server, other)
    server.do("reply", hold="stopped", data=Pattern(nbytes, 1))
    assert works(server, other)
    client.go_on()
    assert sending.result() == shown(Pattern(nbytes, 1))
