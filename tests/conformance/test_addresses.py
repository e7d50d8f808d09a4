"""Whom one can send to: any process of one's own, at once; and what all the other numbers give."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from drive import Blocked, Company, exchange, guarantee, srr, works

# Between users it is another matter: srr-helper knows nobody who has not used it.
pytestmark = pytest.mark.only_by("direct", "window")


@pytest.fixture
def plain() -> Iterator[subprocess.Popen[bytes]]:
    """A process that will never use the library: cat."""
    process = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


@guarantee("A")
@pytest.mark.parametrize("imported", [False, True])
def test_send_to_a_process_before_it_has_used_the_library(company: Company, imported: bool) -> None:
    """SEND-blocked until it receives: parent and child need no meeting point."""
    server, client = company.start_many(2)
    if imported:
        server.do("wake")
    sending = client.order("send", to=server.pid, message=b"early")
    client.until_blocked(Blocked.SEND, on=server.pid)
    assert server.do("receive").data == b"early"
    server.do("reply", data=b"in time")
    assert sending.result() == b"in time"


@guarantee("A")
def test_its_first_use_may_be_a_send_of_its_own(company: Company) -> None:
    a, b, c = company.start_many(3)
    waiting = b.order("send", to=a.pid, message=b"to a")
    b.until_blocked(Blocked.SEND)
    exchange(c, a, b"a sends first")
    assert a.do("receive").data == b"to a"
    a.do("reply")
    waiting.result()


@guarantee("G")
def test_a_process_that_never_uses_it_times_the_send_out(company: Company, plain: subprocess.Popen[bytes]) -> None:
    client = company.start()
    for timeout in (0.0, 0.2):
        failure = client.fails("send", to=plain.pid, message=b"x", timeout=timeout)
        assert isinstance(failure, srr.TimedOut)
        assert failure.safe_to_repeat


@guarantee("D", "G")
@pytest.mark.parametrize("reap", [True, False])
def test_a_process_that_dies_without_having_used_it(
    company: Company, plain: subprocess.Popen[bytes], reap: bool
) -> None:
    client = company.start()
    sending = client.order("send", to=plain.pid, message=b"x")
    client.until_blocked(Blocked.SEND, on=plain.pid)
    plain.kill()
    if reap:
        plain.wait()
    began = time.monotonic()
    failure = sending.failure()
    took = time.monotonic() - began
    print(f"ESRCH {took * 1000:.1f} ms after the death")
    assert took < 1.0
    assert isinstance(failure, srr.ServerDied)
    assert failure.safe_to_repeat


def test_ctrl_c_while_the_other_has_not_used_it(company: Company, plain: subprocess.Popen[bytes]) -> None:
    client = company.start()
    sending = client.order("send", to=plain.pid, message=b"x")
    client.until_blocked(Blocked.SEND, on=plain.pid)
    client.signal(signal.SIGINT)
    assert isinstance(sending.failure(), KeyboardInterrupt)
    exchange(company.start(), client)


def test_send_to_a_zombie(company: Company) -> None:
    parent, client = company.start_many(2)
    zombie = parent.do("fork_and_exit")
    failure = client.fails("send", to=zombie, message=b"x", timeout=10.0)
    assert isinstance(failure, srr.ServerDied)
    assert failure.safe_to_repeat


def test_send_to_one_that_does_not_exist(company: Company) -> None:
    client, gone = company.start_many(2)
    gone.kill()
    failure = client.fails("send", to=gone.pid, message=b"x", timeout=10.0)
    assert isinstance(failure, srr.ServerDied)
    assert failure.safe_to_repeat
    assert str(gone.pid) in str(failure)


@pytest.mark.parametrize("number", [(1 << 22) - 1, 1 << 22, 5 << 22 | 1, (1 << 31) - 1])
def test_ids_above_pid_max_that_are_nobodys(company: Company, number: int) -> None:
    client = company.start()
    assert int(Path("/proc/sys/kernel/pid_max").read_text()) < 1 << 22
    failure = client.fails("send", to=number, message=b"x", timeout=10.0)
    assert isinstance(failure, srr.ServerDied)
    assert failure.safe_to_repeat


@pytest.mark.parametrize("number", [0, -1, -4711, -(1 << 31), 1 << 31, 1 << 64, -(1 << 64)])
def test_numbers_that_can_not_be_a_process(company: Company, number: int) -> None:
    client = company.start()
    failure = client.fails("send", to=number, message=b"x", timeout=10.0)
    assert isinstance(failure, (ProcessLookupError, ValueError, OverflowError)), repr(failure)
    assert works(company.start(), client)


@pytest.mark.parametrize("target", ["", "a\0b", "x" * 65, None, 1.5, b"bytes"])
def test_things_that_can_not_be_a_target(company: Company, target: Any) -> None:
    client = company.start()
    with pytest.raises((OSError, TypeError, ValueError)):
        srr.connect(target).send(b"x", timeout=1.0)
    assert works(company.start(), client)


def test_a_kernel_thread_never_receives(company: Company) -> None:
    """kthreadd is root's: ESRCH for root, Refused for others; in a container pid 2 may be anybody."""
    if "kthreadd" not in Path("/proc/2/comm").read_text():
        pytest.skip("no kernel thread to be seen here")
    failure = company.start().fails("send", to=2, message=b"x", timeout=10.0)
    assert isinstance(failure, srr.ServerDied if os.getuid() == 0 else srr.Refused)
    assert failure.safe_to_repeat


def test_send_to_oneself(company: Company) -> None:
    client = company.start()
    for timeout in (0.0, None):
        failure = client.fails("send", to=client.pid, message=b"x", timeout=timeout)
        assert isinstance(failure, srr.WouldDeadlock)
        assert (failure.errno, failure.safe_to_repeat) == (errno.EDEADLK, True)
    tid = client.do("tid", thread="t")
    failure = client.fails("send", thread="t", to=client.pid, message=b"x")
    assert isinstance(failure, srr.WouldDeadlock)
    failure = client.fails("send", thread="t", to=tid, message=b"x", timeout=10.0)
    assert isinstance(failure, srr.Failure)  # a thread is a sender, not a target
    assert failure.safe_to_repeat


def test_a_thread_of_another_process_is_no_target(company: Company) -> None:
    server, client = company.start_many(2)
    tid = server.do("tid", thread="t")
    failure = client.fails("send", to=tid, message=b"x", timeout=10.0)
    assert isinstance(failure, srr.ServerDied)
    assert works(server, client)
