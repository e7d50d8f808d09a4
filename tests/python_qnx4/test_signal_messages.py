"""A server in Python with SIGCATCH: an old program's signal waits while it is served, and the server is told."""

from __future__ import annotations

import errno
import os
import signal
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from drive import Blocked, Company, Partner, srr
from installed import installed

from srr import qnx4
from srr.testing import wait_until_blocked

ORDERS = str(Path(__file__).parents[1] / "conformance" / "proxy_orders.py")
#: The first test compiles the libraries.
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("signalled") / "signalled"
    return installed().compile(Path(__file__).with_name("signalled.c"), made, "srr-qnx4", "-std=gnu89")


@pytest.fixture
def client(program: Path) -> Iterator[Callable[[Partner], subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def start(server: Partner) -> subprocess.Popen[str]:
        started.append(subprocess.Popen([program, str(server.pid)], stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        with process:
            process.kill()


def server_of(company: Company, flags: int) -> Partner:
    server = company.start()
    server.do("load", path=ORDERS)
    server.do("flags", flags=flags)
    return server


def signalled(server: Partner, process: subprocess.Popen[str]) -> None:
    """It is REPLY-blocked, and gets the signal."""
    assert server.do("take", hold="work").data == b"work"
    wait_until_blocked(process.pid, Blocked.REPLY, on=server.pid)
    os.kill(process.pid, signal.SIGUSR1)


def test_the_signal_waits_for_the_reply(company: Company, client: Callable[[Partner], subprocess.Popen[str]]) -> None:
    server = server_of(company, srr.Flag.SIGCATCH)
    process = client(server)
    signalled(server, process)
    told = server.do("take", hold="notice")
    assert (told.kind, told.notice, told.pid) == ("NOTICE", process.pid, process.pid)
    bits = 1 << (signal.SIGUSR1 - 1)
    assert struct.unpack("=HHi", told.data) == (qnx4._SYSMSG, qnx4._SYSMSG_SUBTYPE_SIGNAL, bits)
    wait_until_blocked(process.pid, Blocked.SIGNAL, on=server.pid)
    info = qnx4.qnx_psinfo(0, process.pid)
    assert (info.state, info.blocked_on) == (qnx4.STATE_SIGNAL_BLOCKED, server.pid)
    server.do("reply", hold="work", data=b"done")
    assert process.communicate()[0] == "0 0 done 1\n"


def test_without_the_flag_it_ends_the_send(
    company: Company, client: Callable[[Partner], subprocess.Popen[str]]
) -> None:
    server = server_of(company, 0)
    process = client(server)
    signalled(server, process)
    assert process.communicate()[0] == f"-1 {errno.EINTR}  1\n"
    assert isinstance(server.fails("reply", hold="work"), srr.SenderGone)
    assert server.do("take", poll=True) is None


@pytest.mark.may_heal
def test_a_signal_blocked_client_can_be_killed(
    company: Company, client: Callable[[Partner], subprocess.Popen[str]]
) -> None:
    server = server_of(company, srr.Flag.SIGCATCH)
    process = client(server)
    signalled(server, process)
    assert server.do("take").kind == "NOTICE"
    process.kill()
    process.wait()
    assert isinstance(server.fails("reply", hold="work"), srr.SenderGone)
