"""Who may not be sent to, and what is said then: other users, hidden processes, other pid namespaces. Root only."""

from __future__ import annotations

import errno
import os
import shutil
import time
from pathlib import Path

import pytest
from drive import Company, Partner, exchange, guarantee, srr, works
from wire import Pattern

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")

NOBODY = 65534


def start_as(company: Company, uid: int, dumpable: bool = True, **environment: str) -> Partner:
    """A partner of that user, with a runtime folder of its own."""
    folder = Path(company.names) / f"of-{uid}"
    if not folder.exists():
        folder.mkdir(mode=0o700)
        os.chown(folder, uid, uid)
        company.names.chmod(0o711)
    partner = company.start(SRR_RUNTIME_DIR=str(folder), **environment)
    partner.do("become", uid=uid, dumpable=dumpable)
    return partner


@guarantee("E")
@pytest.mark.parametrize("used", [True, False])
@pytest.mark.parametrize("direction", ["up", "down"])
def test_another_users_process_refuses(company: Company, direction: str, used: bool) -> None:
    """Both ways, at once, and nobody is stuck: without the helper, users do not meet. Root is a user too."""
    mine, other = start_as(company, NOBODY), company.start()
    client, server = (mine, other) if direction == "up" else (other, mine)
    if used:
        server.do("receive", poll=True)
    began = time.monotonic()
    failure = client.fails("send", to=server.pid, message=b"x", timeout=30.0)
    took = time.monotonic() - began
    print(f"refused after {took * 1000:.1f} ms")
    assert took < 1.0
    assert isinstance(failure, srr.Refused)
    assert isinstance(failure, PermissionError)
    assert (failure.errno, failure.safe_to_repeat) == (errno.EACCES, True)
    assert "srr doctor" in str(failure)
    assert server.do("receive", poll=True) is None
    assert works(server, start_as(company, NOBODY) if direction == "down" else company.start())
    assert works(client, start_as(company, NOBODY) if direction == "up" else company.start())


@guarantee("E")
def test_two_users_that_are_not_root(company: Company) -> None:
    a, b = start_as(company, NOBODY), start_as(company, NOBODY - 1)
    for client, server in ((a, b), (b, a)):
        assert isinstance(client.fails("send", to=server.pid, message=b"x", timeout=30.0), srr.Refused)
    assert works(a, start_as(company, NOBODY))


def test_an_ordinary_user_needs_no_privilege(company: Company) -> None:
    server, client = start_as(company, NOBODY), start_as(company, NOBODY)
    for nbytes in (10, 200_000):
        got = exchange(server, client, bytes(nbytes))
        assert got.uid == NOBODY
    server.do("attach", name="mine")
    assert client.do("locate", name="mine") == server.pid


@guarantee("D")
@pytest.mark.parametrize("used", [True, False])
@pytest.mark.parametrize("hidden", ["server", "client"])
def test_one_that_is_not_dumpable_refuses(company: Company, hidden: str, used: bool) -> None:
    """It keeps its descriptors from its own user's eyes: Refused, not a wait for ever."""
    shy, other = start_as(company, NOBODY, dumpable=False), start_as(company, NOBODY)
    server, client = (shy, other) if hidden == "server" else (other, shy)
    if used:
        server.do("receive", poll=True)
    sending = client.order("send", to=server.pid, message=b"x", timeout=10.0)
    if hidden == "client":  # it can ring, but the server can not look at it: refused by the server
        assert isinstance(server.fails("receive", timeout=3.0), srr.TimedOut)
    failure = sending.failure()
    assert isinstance(failure, srr.Refused)
    assert failure.safe_to_repeat
    assert works(other, start_as(company, NOBODY))


@guarantee("B")
def test_one_that_stops_being_dumpable_after_it_was_met(company: Company) -> None:
    """What was mapped stays mapped; what went by the direct lane goes by the window, both ways."""
    server, client = start_as(company, NOBODY), start_as(company, NOBODY)
    exchange(server, client)
    client.do("set_dumpable", dumpable=False)
    exchange(server, client, b"inline still works")
    for _ in range(3):
        assert exchange(server, client, Pattern(700_000)).lane == "window"
    client.do("set_dumpable", dumpable=True)
    lanes = [exchange(server, client, Pattern(700_000)).lane for _ in range(70)]
    assert lanes[-1] == "direct"  # tried again now and then


def test_the_direct_lane_alone_when_it_is_refused(company: Company) -> None:
    """Who insists on it is refused clearly, and the pair goes on."""
    server = start_as(company, NOBODY, SRR_LANE="direct", SRR_INLINE="65536")
    client = start_as(company, NOBODY)
    exchange(server, client)
    client.do("set_dumpable", dumpable=False)
    sending = client.order("send", to=server.pid, message=bytes(200_000), timeout=10.0)
    assert isinstance(server.fails("receive", timeout=1.0), srr.TimedOut)
    failure = sending.failure()
    assert isinstance(failure, srr.Refused)
    assert failure.errno == errno.EPERM
    sending = client.order("send", to=server.pid, message=b"short, with a long answer", timeout=10.0)
    server.do("receive")
    assert isinstance(server.fails("reply", data=bytes(200_000)), srr.Refused)
    assert isinstance(sending.failure(), srr.Refused)
    exchange(server, client, b"inline still works")


@guarantee("D")
@pytest.mark.skipif(shutil.which("unshare") is None, reason="no unshare program")
@pytest.mark.parametrize("own_proc", [True, False])
@pytest.mark.parametrize("used", [True, False])
def test_a_process_in_another_pid_namespace(company: Company, own_proc: bool, used: bool) -> None:
    """A container's process can not be sent to, and says so; nobody waits for ever."""
    outside = company.start()
    options = ["--mount-proc"] if own_proc else []
    wrapper = company.start("unshare", "--pid", "--fork", "--kill-child", *options)
    wrapper.do("wake")  # unshare passes the pipes on; what answers is its child
    (pid,) = map(int, Path(f"/proc/{wrapper.pid}/task/{wrapper.pid}/children").read_text().split())
    if used:
        try:
            wrapper.do("receive", poll=True)
        except OSError as inside:
            print("inside, with the outer /proc:", inside)
    began = time.monotonic()
    failure = outside.fails("send", to=pid, message=b"in", timeout=5.0)
    print(f"from outside, after {time.monotonic() - began:.3f} s: {failure!r}")
    assert failure.safe_to_repeat
    assert failure.errno == errno.EHOSTUNREACH
    failure = wrapper.fails("send", to=outside.pid, message=b"out", timeout=5.0)
    print(f"from inside: {failure!r}")
    assert isinstance(failure, srr.Failure)
    assert failure.safe_to_repeat
    assert outside.do("receive", poll=True) is None
    assert works(outside, company.start())
