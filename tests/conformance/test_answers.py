"""Replies in any order, errors as replies, and messages that nobody answered."""

from __future__ import annotations

import errno
from typing import Any

import pytest
from drive import Blocked, Company, exchange, guarantee, srr


@guarantee("C")
def test_replies_in_any_order(company: Company) -> None:
    """Several clients are held; each gets its own reply."""
    server, *clients = company.start_many(6)
    sending = [client.order("send", to=server.pid, message=b"%d" % client.pid) for client in clients]
    for client in clients:
        server.do("receive", hold=str(client.pid), sender=client.pid)
    waiting = {2, 0, 4, 3, 1}
    for at in (2, 0, 4, 3, 1):
        server.do("reply", hold=str(clients[at].pid), data=b"reply to %d" % clients[at].pid)
        assert sending[at].result() == b"reply to %d" % clients[at].pid
        waiting.remove(at)
        for still in waiting:
            assert not sending[still].answered()
            clients[still].until_blocked(Blocked.REPLY)


@guarantee("B", "C")
def test_a_message_is_answered_once(company: Company) -> None:
    """A second answer is SenderGone and does not reach the next transaction of the same client."""
    server, client = company.start_many(2)
    sending = client.order("send", to=server.pid, message=b"1")
    server.do("receive", hold="first")
    server.do("reply", hold="first", data=b"one")
    assert sending.result() == b"one"
    assert isinstance(server.fails("reply", hold="first", data=b"again"), srr.SenderGone)

    sending = client.order("send", to=server.pid, message=b"2")
    server.do("receive", hold="second")
    calls: list[tuple[str, dict[str, Any]]] = [
        ("reply", {"data": b"late"}),
        ("error", {"errno": errno.EIO}),
        ("write", {"offset": 0, "data": b"late"}),
        ("read", {"offset": 0, "nbytes": 1}),
    ]
    for what, args in calls:
        assert isinstance(server.fails(what, hold="first", **args), srr.SenderGone)
    assert not sending.answered()
    server.do("reply", hold="second", data=b"two")
    assert sending.result() == b"two"


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOENT, FileNotFoundError),
        (errno.EACCES, PermissionError),
        (errno.ESRCH, ProcessLookupError),
        (errno.ETIMEDOUT, TimeoutError),
        (errno.EINTR, InterruptedError),
        (errno.EAGAIN, BlockingIOError),
        (errno.EINVAL, OSError),
        (4095, OSError),
    ],
)
def test_an_error_reply_is_the_oserror_of_its_number(company: Company, number: int, kind: type[OSError]) -> None:
    """...and never mistaken for the library's own failure: by_server says whose it is."""
    server, client = company.start_many(2)
    sending = client.order("send", to=server.pid, message=b"x")
    server.do("receive")
    server.do("error", errno=number)
    failure = sending.failure()
    assert isinstance(failure, kind)
    assert isinstance(failure, srr.Failure)
    assert not isinstance(failure, (srr.ServerDied, srr.TimedOut, srr.Interrupted, srr.Refused))
    assert (failure.errno, failure.by_server, failure.received, failure.pid) == (number, True, True, server.pid)
    assert not failure.safe_to_repeat
    exchange(server, client)


@pytest.mark.parametrize("number", [0, -1, 4096, 1 << 40])
def test_what_is_no_errno_is_refused(company: Company, number: int) -> None:
    server, client = company.start_many(2)
    sending = client.order("send", to=server.pid, message=b"x")
    server.do("receive")
    assert isinstance(server.fails("error", errno=number), (ValueError, OverflowError, OSError))
    server.do("reply", data=b"still answerable")
    assert sending.result() == b"still answerable"


@guarantee("B")
def test_a_dropped_message_ends_its_send(company: Company) -> None:
    server, client = company.start_many(2)
    sending = client.order("send", to=server.pid, message=b"x")
    server.do("receive")
    assert server.do("drop") == ["ResourceWarning"]
    failure = sending.failure()
    assert isinstance(failure, srr.Failure)
    assert isinstance(failure, ConnectionAbortedError)
    assert (failure.errno, failure.by_server, failure.received) == (errno.ECONNABORTED, True, True)


def test_an_answered_message_is_dropped_silently(company: Company) -> None:
    server, client = company.start_many(2)
    exchange(server, client)
    assert server.do("drop") == []


@guarantee("B")
@pytest.mark.parametrize(("raised", "seen"), [(errno.ENOSPC, errno.ENOSPC), (None, errno.ECANCELED)])
def test_an_exception_in_the_with_block_is_the_answer(company: Company, raised: int | None, seen: int) -> None:
    server, client = company.start_many(2)
    sending = client.order("send", to=server.pid, message=b"x")
    server.do("fail_inside", errno=raised)
    failure = sending.failure()
    assert (failure.errno, failure.by_server) == (seen, True)


@guarantee("B")
def test_an_orderly_exit_answers_what_is_held(company: Company) -> None:
    """The interpreter's end drops the message or dies with it; either way the client does not wait."""
    server, client = company.start_many(2)
    sending = client.order("send", to=server.pid, message=b"x")
    server.do("receive")
    server.order("die", how="exit")
    failure = sending.failure()
    assert failure.errno in (errno.ESRCH, errno.ECONNABORTED)
    assert failure.received
