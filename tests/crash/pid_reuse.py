"""A number comes back: the process that has it now is not the one that was met.

test_pid_reuse.py runs these tests in a pid namespace of their own, where the next number can be chosen and
nobody else takes it, and where no other program mistakes our processes for its own.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from drive import Blocked, Company, Partner, guarantee, srr, until, works

LAST_PID = Path("/proc/sys/kernel/ns_last_pid")


def start_as(company: Company, uid: int) -> Partner:
    """A partner of that user (0: ours), with the same runtime folder."""
    partner = company.start()
    if uid:
        os.chown(company.names, uid, uid)
        partner.do("become", uid=uid)
    return partner


def reborn(company: Company, dead: Partner, uid: int) -> Partner:
    """Kill it, and start another with its number."""
    dead.kill()
    LAST_PID.write_text(str(dead.pid - 1))
    partner = company.start()
    assert partner.pid == dead.pid
    if uid:
        partner.do("become", uid=uid)
    return partner


USERS = pytest.mark.parametrize(
    ("uid", "stranger"), [(0, 0), (65534, 65534), (65534, 0)], ids=["same", "user", "root's"]
)


@guarantee("D")
@USERS
@pytest.mark.parametrize("uses_it", [True, False])
@pytest.mark.parametrize("state", [Blocked.SEND, Blocked.REPLY])
def test_a_servers_number(company: Company, state: Blocked, uses_it: bool, uid: int, stranger: int) -> None:
    """The client, stopped meanwhile, finds the number alive, and must not take it for its server."""
    server, client = start_as(company, uid), start_as(company, uid)
    assert works(server, client)
    sending = client.order("send", to=server.pid, message=b"x", timeout=20.0)
    until("it sleeps in its Send", lambda: client.until_blocked(Blocked.SEND).since_ns)
    if state is Blocked.REPLY:
        server.do("receive")
    client.stop()
    new = reborn(company, server, stranger)
    if uses_it:
        new.do("receive", poll=True)
    client.go_on()
    failure = sending.failure()
    assert isinstance(failure, srr.ServerDied)
    assert failure.received is (state is Blocked.REPLY)
    if stranger == uid:
        assert works(new, client)
    else:
        assert isinstance(client.fails("send", to=new.pid, message=b"x", timeout=10.0), srr.Refused)


@guarantee("C", "D")
@USERS
def test_a_clients_number(company: Company, uid: int, stranger: int) -> None:
    """A reply for the dead does not reach the living; the new one is served as itself."""
    server, client = start_as(company, uid), start_as(company, uid)
    client.order("send", to=server.pid, message=b"from the dead", room=100_000)
    server.do("receive", hold="dead")
    new = reborn(company, client, stranger)
    if stranger == uid:
        sending = new.order("send", to=server.pid, message=b"from the living")
        new.until_blocked(Blocked.SEND)
    for data in (b"short", bytes(100_000)):
        assert isinstance(server.fails("write", hold="dead", offset=0, data=data), srr.SenderGone)
    assert isinstance(server.fails("reply", hold="dead", data=b"late"), srr.SenderGone)
    if stranger == uid:
        assert not sending.answered()
        assert server.do("receive").data == b"from the living"
        server.do("reply", data=b"for the living")
        assert sending.result() == b"for the living"


@guarantee("D")
@USERS
def test_a_names_owners_number(company: Company, uid: int, stranger: int) -> None:
    """The name is free, whoever has the number now."""
    owner, other = start_as(company, uid), start_as(company, uid)
    owner.do("attach", name="calc")
    reborn(company, owner, stranger)
    assert isinstance(other.fails("locate", name="calc"), srr.ServerDied)
    assert other.do("query") == []
    other.do("attach", name="calc")
    assert other.do("locate", name="calc") == other.pid


@guarantee("D")
@USERS
def test_a_dead_servers_number_is_sent_to(company: Company, uid: int, stranger: int) -> None:
    """A client that has met the old one, and was not blocked on it, meets the new one."""
    server, client = start_as(company, uid), start_as(company, uid)
    assert works(server, client)
    new = reborn(company, server, stranger)
    sending = client.order("send", to=new.pid, message=b"x", timeout=10.0)
    if stranger != uid:
        assert isinstance(sending.failure(), (srr.Refused, srr.ServerDied))
        return
    receiving = new.order("receive", timeout=1.0)
    until("one of them has an answer", lambda: sending.answered() or receiving.answered())
    if sending.answered():  # it is told of the death, once; then it meets the new one
        failure = sending.failure()
        assert isinstance(failure, srr.ServerDied)
        assert failure.safe_to_repeat
        assert isinstance(receiving.failure(), srr.TimedOut)
    else:
        assert receiving.result().data == b"x"
        new.do("reply", data=b"y")
        assert sending.result() == b"y"
    assert works(new, client)
