"""Relay: a sender that is handed over gets its reply from somebody else, and every failure ends its Send."""

from __future__ import annotations

import errno
import itertools
import os
import signal
import time
from pathlib import Path

import pytest
from drive import Blocked, Company, Partner, Pending, guarantee, srr, works
from wire import Pattern, shown

ORDERS = str(Path(__file__).with_name("proxy_orders.py"))


def start(company: Company, count: int) -> list[Partner]:
    partners = company.start_many(count)
    for partner in partners:
        partner.do("load", path=ORDERS)
    return partners


def relay(partner: Partner, target: int) -> None:
    partner.do("use", call="relay", target=target)


def send_across(client: Partner, relayer: Partner, target: Partner) -> Pending:
    """The client's Send, received by the relayer and handed over to the target."""
    sending = client.order("send", to=relayer.pid, message=b"x")
    relayer.do("take")
    relay(relayer, target.pid)
    return sending


@guarantee("B")
@pytest.mark.parametrize("nbytes", [0, 5, 65_536, 65_537, 3_000_000])
def test_the_reply_comes_from_the_target(company: Company, nbytes: int) -> None:
    client, relayer, target = start(company, 3)
    sending = client.order("send", to=relayer.pid, message=Pattern(nbytes, 1))
    assert relayer.do("take").data == shown(Pattern(nbytes, 1))
    client.until_blocked(Blocked.REPLY, on=relayer.pid)
    relay(relayer, target.pid)
    got = target.do("take")
    assert (got.data, got.nbytes) == (shown(Pattern(nbytes, 1)), nbytes)
    assert (got.pid, got.tid, got.kind) == (client.pid, client.pid, "MESSAGE")
    client.until_blocked(Blocked.REPLY, on=target.pid)
    assert not sending.answered()
    target.do("reply", data=Pattern(nbytes, 2))
    assert sending.result() == shown(Pattern(nbytes, 2))
    assert works(relayer, client)
    assert works(target, client)


@guarantee("C")
def test_the_relayer_is_done_with_it(company: Company) -> None:
    client, relayer, target = start(company, 3)
    sending = send_across(client, relayer, target)
    for call in ("reply", "read"):
        assert isinstance(relayer.fails("use", call=call), srr.SenderGone)
    assert isinstance(relayer.fails("use", call="relay", target=target.pid), srr.SenderGone)
    assert relayer.do("drop") == []
    target.do("take")
    target.do("reply", data=b"y")
    assert sending.result() == b"y"


def test_from_hand_to_hand(company: Company) -> None:
    """Through five processes, the first of them twice, and the last one has never used srr before."""
    client, *others = start(company, 6)
    path = [*others[:4], others[0], others[4]]
    sending = client.order("send", to=path[0].pid, message=b"pass it on")
    for here, there in itertools.pairwise(path):
        assert here.do("take").data == b"pass it on"
        relay(here, there.pid)
    path[-1].do("take")
    path[-1].do("reply", data=b"here")
    assert sending.result() == b"here"


def test_to_a_process_that_has_not_used_srr_yet(company: Company) -> None:
    client, relayer, target = company.start_many(3)
    relayer.do("load", path=ORDERS)
    sending = send_across(client, relayer, target)
    client.until_blocked(Blocked.SEND, on=target.pid)
    assert target.do("receive").data == b"x"
    target.do("reply", data=b"y")
    assert sending.result() == b"y"


def test_what_was_written_stays_written(company: Company) -> None:
    client, relayer, target = start(company, 3)
    sending = client.order("send_into", to=relayer.pid, reply=[9])
    relayer.do("take")
    assert relayer.do("write", offset=3, data=b"one") == 3
    relay(relayer, target.pid)
    target.do("take")
    assert target.do("write", offset=6, data=b"two") == 3
    target.do("reply", data=b"rep")
    assert sending.result().parts == [b"reponetwo"]


def test_in_line_with_other_messages(company: Company) -> None:
    """It arrives when it is handed over, not when it was sent."""
    client, other, relayer, target = start(company, 4)
    target.do("take", poll=True)
    relayed = client.order("send", to=relayer.pid, message=b"relayed")
    relayer.do("take")
    sending = other.order("send", to=target.pid, message=b"straight")
    other.until_blocked(Blocked.SEND)
    relay(relayer, target.pid)
    client.until_blocked(Blocked.SEND, on=target.pid)
    for data, each in ((b"straight", sending), (b"relayed", relayed)):
        assert target.do("take").data == data
        target.do("reply")
        each.result()


def test_no_such_target(company: Company) -> None:
    """The message is still the relayer's to answer."""
    client, relayer, dead = start(company, 3)
    sending = client.order("send", to=relayer.pid, message=b"x")
    relayer.do("take")
    dead.kill()
    failure = relayer.fails("use", call="relay", target=dead.pid)
    assert isinstance(failure, srr.ServerDied)
    assert (failure.errno, failure.verb, failure.pid) == (errno.ESRCH, "relay", dead.pid)
    assert "still to be answered" in str(failure)
    relayer.do("reply", data=b"from the relayer")
    assert sending.result() == b"from the relayer"


@guarantee("D", "G")
@pytest.mark.parametrize("taken", [False, True])
def test_the_target_dies(company: Company, taken: bool) -> None:
    """The Send ends, and is in doubt: the relayer had received it."""
    client, relayer, target = start(company, 3)
    target.do("take", poll=True)
    sending = send_across(client, relayer, target)
    client.until_blocked(Blocked.SEND, on=target.pid)
    if taken:
        target.do("take")
    target.kill()
    failure = sending.failure()
    assert isinstance(failure, srr.ServerDied)
    assert (failure.errno, failure.received) == (errno.ESRCH, True)
    assert works(relayer, client)


@guarantee("D")
def test_the_relayer_dies_afterwards(company: Company) -> None:
    client, relayer, target = start(company, 3)
    sending = send_across(client, relayer, target)
    relayer.kill()
    assert target.do("take").pid == client.pid
    target.do("reply", data=b"y")
    assert sending.result() == b"y"


@guarantee("D")
@pytest.mark.parametrize("when", ["before", "after"])
def test_the_client_dies(company: Company, when: str) -> None:
    client, relayer, target, other = start(company, 4)
    target.do("take", poll=True)
    client.order("send", to=relayer.pid, message=b"x")
    relayer.do("take")
    if when == "before":
        client.kill()
        assert isinstance(relayer.fails("use", call="relay", target=target.pid), srr.SenderGone)
    else:
        relay(relayer, target.pid)
        client.until_blocked(Blocked.SEND, on=target.pid)
        client.kill()
    assert works(target, other)


@guarantee("B")
@pytest.mark.parametrize("taken", [False, True])
def test_the_time_runs_out_across_a_relay(company: Company, taken: bool) -> None:
    """One time-out for the whole Send: it does not begin anew."""
    client, relayer, target = start(company, 3)
    target.do("take", poll=True)
    began = time.monotonic()
    sending = client.order("send", to=relayer.pid, message=b"x", timeout=1.0)
    relayer.do("take")
    client.until_blocked(Blocked.REPLY, on=relayer.pid)
    relay(relayer, target.pid)
    if taken:
        target.do("take")
    failure = sending.failure()
    took = time.monotonic() - began
    print(f"timed out after {took:.3f} s")
    assert isinstance(failure, srr.TimedOut)
    assert failure.received
    assert 1.0 <= took < 1.9
    if taken:
        assert isinstance(target.fails("reply"), srr.SenderGone)
    else:
        assert target.do("take", poll=True) is None
    assert works(target, client)


@guarantee("B")
@pytest.mark.parametrize("taken", [False, True])
def test_a_signal_after_a_relay(company: Company, taken: bool) -> None:
    client, relayer, target = start(company, 3)
    target.do("take", poll=True)
    client.do("handle", number=signal.SIGUSR1, how="return")
    sending = send_across(client, relayer, target)
    client.until_blocked(Blocked.SEND, on=target.pid)
    if taken:
        target.do("take")
        client.until_blocked(Blocked.REPLY, on=target.pid)
    client.signal(signal.SIGUSR1)
    failure = sending.failure()
    assert isinstance(failure, srr.Interrupted)
    assert failure.received
    assert works(target, client)


def test_back_to_the_client(company: Company) -> None:
    """It would wait for itself: its Send fails."""
    client, relayer = start(company, 2)
    sending = send_across(client, relayer, client)
    assert isinstance(sending.failure(), srr.WouldDeadlock)
    assert works(relayer, client)


def test_to_oneself(company: Company) -> None:
    """It is received once more."""
    client, relayer = start(company, 2)
    sending = send_across(client, relayer, relayer)
    assert relayer.do("take").data == b"x"
    relayer.do("reply", data=b"y")
    assert sending.result() == b"y"


@pytest.mark.only_by("direct", "window")  # there, they are others
@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
def test_to_another_users_process(company: Company) -> None:
    """The relayer may look at the target; whether client and target may meet is decided between these two."""
    client, relayer, target = start(company, 3)
    target.do("become", uid=65534)
    sending = send_across(client, relayer, target)
    failure = sending.failure()
    assert isinstance(failure, srr.Refused)
    assert failure.errno == errno.EACCES
