"""A signal that is handled ends every blocked call, whatever SA_RESTART says; Ctrl-C works everywhere."""

from __future__ import annotations

import errno
import signal
import time
from collections.abc import Callable

import pytest
from drive import Blocked, Company, Partner, Pending, guarantee, srr, until, works

USR1 = signal.SIGUSR1

#: A call that blocks, begun by the first partner; the second is its peer. Returns it once it is blocked.
Block = Callable[[Partner, Partner], Pending]


def send_blocked(partner: Partner, peer: Partner) -> Pending:
    peer.do("receive", poll=True)
    pending = partner.order("send", to=peer.pid, message=b"x")
    partner.until_blocked(Blocked.SEND, on=peer.pid)
    return pending


def meeting(partner: Partner, peer: Partner) -> Pending:
    """SEND-blocked on a process that has not used the library."""
    pending = partner.order("send", to=peer.pid, message=b"x")
    partner.until_blocked(Blocked.SEND, on=peer.pid)
    return pending


def reply_blocked(partner: Partner, peer: Partner) -> Pending:
    pending = partner.order("send", to=peer.pid, message=b"x")
    peer.do("receive")
    partner.until_blocked(Blocked.REPLY, on=peer.pid)
    return pending


def receive_blocked(partner: Partner, peer: Partner) -> Pending:
    pending = partner.order("receive")
    partner.until_blocked(Blocked.RECEIVE)
    return pending


def receive_blocked_on_one(partner: Partner, peer: Partner) -> Pending:
    pending = partner.order("receive", sender=peer.pid)
    partner.until_blocked(Blocked.RECEIVE, on=peer.pid)
    return pending


def locating(partner: Partner, peer: Partner) -> Pending:
    pending = partner.order("locate", name="nobody", timeout=None, tell=True).wait_entered()
    partner.until_asleep()
    return pending


def connecting(partner: Partner, peer: Partner) -> Pending:
    pending = partner.order("send", to="nobody", patience=None, tell=True).wait_entered()
    partner.until_asleep()
    return pending


BLOCKS = [send_blocked, meeting, reply_blocked, receive_blocked, receive_blocked_on_one, locating, connecting]


@pytest.fixture(params=BLOCKS, ids=lambda block: block.__name__)
def block(request: pytest.FixtureRequest) -> Block:
    found: Block = request.param
    return found


def ended_soon(pending: Pending) -> BaseException:
    began = time.monotonic()
    failure: BaseException = pending.failure()
    took = time.monotonic() - began
    print(f"{type(failure).__name__} {took * 1000:.1f} ms after the signal")
    assert took < 1.0
    return failure


@guarantee("B", "G")
@pytest.mark.parametrize("restart", [False, True], ids=["", "SA_RESTART"])
@pytest.mark.parametrize("setting", [{}, {"SRR_SPIN_US": "0"}], ids=["spin", "sleep"])
def test_a_handler_that_returns_interrupts(
    company: Company, block: Block, restart: bool, setting: dict[str, str]
) -> None:
    partner, peer, other = company.start(**setting), company.start(), company.start()
    partner.do("handle", number=USR1, how="return", restart=restart)
    pending = block(partner, peer)
    partner.signal(USR1)
    failure = ended_soon(pending)
    assert isinstance(failure, srr.Interrupted)
    assert isinstance(failure, InterruptedError)
    assert failure.errno == errno.EINTR
    assert failure.received is (block is reply_blocked)
    assert partner.do("handled") == [USR1]
    if block is send_blocked:
        assert peer.do("receive", poll=True) is None
    if block is reply_blocked:
        assert isinstance(peer.fails("reply"), srr.SenderGone)
    assert works(other, partner)
    assert works(partner, peer)


@guarantee("B")
@pytest.mark.parametrize("restart", [False, True], ids=["", "SA_RESTART"])
def test_what_a_handler_raises_is_raised(company: Company, block: Block, restart: bool) -> None:
    partner, peer, other = company.start_many(3)
    partner.do("handle", number=USR1, how="raise", restart=restart)
    pending = block(partner, peer)
    partner.signal(USR1)
    failure = ended_soon(pending)
    assert "Stop" in str(failure)
    if block is reply_blocked:
        assert isinstance(peer.fails("reply"), srr.SenderGone)
    assert works(other, partner)


@guarantee("B")
def test_ctrl_c(company: Company, block: Block) -> None:
    partner, peer, other = company.start_many(3)
    pending = block(partner, peer)
    partner.signal(signal.SIGINT)
    assert isinstance(ended_soon(pending), KeyboardInterrupt)
    if block is reply_blocked:
        assert isinstance(peer.fails("reply"), srr.SenderGone)
    assert works(other, partner)


@guarantee("B")
def test_with_a_time_out(company: Company) -> None:
    partner, peer = company.start_many(2)
    partner.do("handle", number=USR1, how="return")
    peer.do("receive", poll=True)
    pending = partner.order("send", to=peer.pid, message=b"x", timeout=50.0)
    partner.until_blocked(Blocked.SEND)
    partner.signal(USR1)
    assert isinstance(ended_soon(pending), srr.Interrupted)
    pending = partner.order("receive", timeout=50.0)
    partner.until_blocked(Blocked.RECEIVE)
    partner.signal(USR1)
    assert isinstance(ended_soon(pending), srr.Interrupted)


@pytest.mark.parametrize("how", ["SIGCHLD", "SIGWINCH", "SIGSTOP"])
def test_signals_that_nothing_handles_end_nothing(company: Company, block: Block, how: str) -> None:
    """SIGCHLD, SIGWINCH (ignored by default) and SIGSTOP with SIGCONT leave the call as it is."""
    partner, peer = company.start_many(2)
    pending = block(partner, peer)
    if how == "SIGSTOP":
        partner.stop()
        partner.go_on()
    else:
        partner.signal(signal.Signals[how])
    if block is send_blocked or block is meeting:
        assert peer.do("receive").data == b"x"
    if block in (send_blocked, meeting, reply_blocked):
        peer.do("reply", data=b"y")
        assert pending.result() == b"y"
    elif block in (receive_blocked, receive_blocked_on_one):
        sending = peer.order("send", to=partner.pid, message=b"z")
        assert pending.result().data == b"z"
        partner.do("reply")
        sending.result()
    else:
        peer.do("attach", name="nobody")
        if block is locating:
            assert pending.result() == peer.pid
        else:
            peer.do("receive")
            peer.do("reply", data=b"y")
            assert pending.result() == b"y"


@guarantee("A", "B")
@pytest.mark.parametrize("setting", [{}, {"SRR_SPIN_US": "0"}], ids=["spin", "sleep"])
def test_fifty_in_a_row(company: Company, setting: dict[str, str]) -> None:
    partner, peer = company.start(**setting), company.start(**setting)
    partner.do("handle", number=USR1, how="return", restart=True)
    for state in [Blocked.SEND, Blocked.RECEIVE] * 25:
        peer.do("receive", poll=True)
        pending = partner.order("receive") if state is Blocked.RECEIVE else partner.order("send", to=peer.pid)
        partner.until_blocked(state)
        partner.signal(USR1)
        assert isinstance(ended_soon(pending), srr.Interrupted)
    assert works(partner, peer)


# ---- threads


@guarantee("B")
def test_a_signal_that_another_thread_gets_still_raises_in_the_main_thread(company: Company) -> None:
    """Python's handlers run in the main thread; blocked in a call, it looks at least every 100 ms."""
    partner, peer = company.start_many(2)
    partner.do("handle", number=USR1, how="raise")
    tid = partner.do("let_in", thread="gets it", number=USR1)
    pending = receive_blocked(partner, peer)
    partner.do("signal_thread", thread="sends it", tid=tid, number=USR1)
    assert "Stop" in str(ended_soon(pending))


@guarantee("B")
def test_a_signal_directed_at_a_blocked_thread_interrupts_that_thread(company: Company) -> None:
    """The thread's own call ends; the handler runs in the main thread.

    A signal that hits the thread in one of its short looks round, and not asleep, is lost to it: no
    handler of Python's runs there. So it is sent until it hits.
    """
    partner, peer = company.start_many(2)
    partner.do("handle", number=USR1, how="return")
    tid = partner.do("let_in", thread="blocked", number=USR1)
    pending = partner.order("send", thread="blocked", to=peer.pid, message=b"x")
    partner.until_blocked(Blocked.SEND, tid=tid)
    partner.until_asleep(tid)
    sent = 0

    def hit() -> bool:
        nonlocal sent
        partner.do("signal_thread", thread="sends it", tid=tid, number=USR1)
        sent += 1
        return pending.answered()

    until("interrupted", hit)
    assert isinstance(pending.failure(), srr.Interrupted)
    assert set(partner.do("handled")) == {USR1}
    assert works(peer, partner)


def test_a_thread_that_got_no_signal_goes_on(company: Company) -> None:
    partner, peer = company.start_many(2)
    partner.do("handle", number=USR1, how="return")
    pending = partner.order("send", thread="t", to=peer.pid, message=b"x")
    partner.until_blocked(Blocked.SEND)
    partner.signal(USR1)
    assert partner.do("handled") == [USR1]
    assert not pending.answered()
    peer.do("receive")
    peer.do("reply", data=b"y")
    assert pending.result() == b"y"


# ---- the library within the library


@guarantee("B", "C")
@pytest.mark.parametrize("state", [Blocked.SEND, Blocked.REPLY, Blocked.RECEIVE])
def test_a_handler_may_send(company: Company, state: Blocked) -> None:
    """A whole transaction within a blocked call: it has its own place and its own reply."""
    partner, peer, other = company.start_many(3)
    assert works(other, partner)
    partner.do("handle", number=USR1, how="send", to=other.pid)
    block = {Blocked.SEND: send_blocked, Blocked.REPLY: reply_blocked, Blocked.RECEIVE: receive_blocked}[state]
    pending = block(partner, peer)
    serving = other.order("serve", count=1)
    partner.signal(USR1)
    serving.result()
    assert isinstance(ended_soon(pending), srr.Interrupted)
    assert partner.do("handled") == [USR1]
    if state is Blocked.REPLY:
        assert isinstance(peer.fails("reply", data=b"late"), srr.SenderGone)
    assert works(peer, partner)
    assert works(other, partner)
