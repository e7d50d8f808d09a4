"""srr-helper killed, stopped, started again: what it has introduced goes on, and who needs it gets through later."""

from __future__ import annotations

import errno
import functools
import os
import signal
from pathlib import Path

import pytest
from drive import Blocked, Company, exchange, guarantee, sleeps, srr, until, works
from pairs.town import Helper, Town

from srr import processes


@pytest.mark.may_heal
@guarantee("B")
def test_killed_under_load_it_loses_nothing(town: Town) -> None:
    """Pairs go on while it is away; new clients are let in when it is back."""
    server, clients = town.server(1001), [town.start(1002), town.start(1003)]
    count = 3000
    serving = server.order("serve", count=3 * count)
    sending = [client.order("repeat", to=server.pid, count=count) for client in clients]
    for client in clients:
        until("it has begun", functools.partial(has_sent, client.pid, 10))
    for _ in range(3):
        town.helper.kill()
        town.helper.start()
    late = town.start(1004)
    assert late.do("repeat", to=server.pid, count=count) == count
    assert [one.result() for one in sending] == [count, count]
    serving.result()


def has_sent(pid: int, count: int) -> bool:
    try:
        return processes.look(pid).sent > count
    except FileNotFoundError:
        return False  # it has no rows yet


@pytest.mark.may_heal
@guarantee("B")
def test_first_contact_while_it_is_away(town: Town) -> None:
    """The socket is there, and nobody listens: it is waited for."""
    server, client = town.server(1001), town.start(1002)
    receiving = server.order("receive", timeout=20.0)
    town.helper.kill()
    sending = client.order("send", to=server.pid, message=b"patience", timeout=20.0, tell=True).wait_entered()
    client.until_asleep()
    town.helper.start()
    assert receiving.result().data == b"patience"
    server.do("reply")
    sending.result()


@pytest.mark.may_heal
def test_a_time_out_holds_while_it_is_away(town: Town) -> None:
    server, client = town.server(1001), town.start(1002)
    town.helper.kill()
    assert isinstance(client.fails("send", to=server.pid, message=b"x", timeout=0.3), srr.TimedOut)
    town.helper.start()
    sending = client.order("send", to=server.pid, message=b"x", timeout=20.0)
    assert server.do("receive", timeout=20.0).data == b"x"
    server.do("reply")
    sending.result()


@pytest.mark.may_heal
def test_names_are_told_to_the_next_one(town: Town) -> None:
    server, client = town.server(1001), town.start(1002)
    receiving = server.order("receive", timeout=20.0)
    server.until_receivers(1)
    town.helper.kill()
    town.helper.start()
    assert client.do("locate", name="plc@1001", timeout=10.0) == server.pid
    sending = client.order("send", to="plc@1001", message=b"found")
    assert receiving.result().data == b"found"
    server.do("reply")
    sending.result()
    assert works(server, client)


@pytest.mark.may_heal
def test_deaths_are_found_without_it(town: Town) -> None:
    server, client = town.server(1001), town.start(1002)
    exchange(server, client)
    town.helper.kill()
    sending = client.order("send", to=server.pid, message=b"x")
    client.until_blocked(Blocked.SEND)
    server.kill()
    assert isinstance(sending.failure(), srr.ServerDied)


@pytest.mark.may_heal
def test_stopped_it_holds_nobody_who_does_not_need_it(town: Town) -> None:
    server, client, mine = town.server(1001), town.start(1002), town.start(1001)
    exchange(server, client)
    town.helper.signal(signal.SIGSTOP)
    exchange(server, client)
    exchange(server, mine)
    stranger = town.start(1003)
    assert stranger.fails("send", to=server.pid, message=b"x", timeout=10.0).errno == errno.EACCES
    town.helper.signal(signal.SIGCONT)
    assert works(server, client)


def test_none_at_all(town: Town) -> None:
    """As before there was one: users do not meet, and names for others can not be had."""
    town.helper.kill()
    town.helper.path.unlink()
    server, client = town.start(1001), town.start(1002)
    assert isinstance(server.fails("share", name="plc", mode=0o666), srr.HelperMissing)
    assert isinstance(server.fails("detach", name="plc"), srr.ServerDied)
    server.do("receive", poll=True)
    failure = client.fails("send", to=server.pid, message=b"x", timeout=10.0)
    assert isinstance(failure, srr.Refused)
    assert "srr-helper" in str(failure)
    assert isinstance(client.fails("send", to="plc@1001", message=b"x"), srr.HelperMissing | srr.ServerDied)


@pytest.mark.parametrize("how", ["folder others may write", "not root's socket"])
def test_a_socket_that_is_not_to_be_trusted(town: Town, how: str) -> None:
    """Whoever could put a socket there could read every message."""
    import os

    if how == "folder others may write":
        town.company.names.chmod(0o777)
    else:
        town.helper.kill()
        os.chown(town.company.names, 1003, 1003)
    client = town.start(1002)
    about = client.do("about_helper")
    assert about.error in (errno.EACCES, errno.ENOENT, errno.ECONNREFUSED)
    if how == "folder others may write":
        assert about.error == errno.EACCES


def test_what_doctor_asks(town: Town) -> None:
    about = town.start(1002).do("about_helper")
    assert (about.path, about.error) == (str(town.helper.path), 0)
    assert len(about.used) == len(about.limit) == 8
    assert about.layout > 0
    assert about.protocol > 0


@pytest.mark.may_heal
@guarantee("C")
def test_a_lender_waits_for_the_workers_end(company: Company, names: Path) -> None:
    """The helper is killed and can not say that a lease was given back: only when its other processes are dead, too."""
    names.chmod(0o711)
    helper = Helper(names, "--transfer")
    helper.start()
    assert helper.process
    spawner = int(Path(f"/proc/{helper.process.pid}/task/{helper.process.pid}/children").read_text())
    try:
        town = Town(company, helper)
        server, client = town.server(1001), town.start(1002, SRR_LANE="helper")
        sending = client.order("send", to=server.pid, message=b"x")  # and there is room for a long reply
        server.do("receive")
        os.kill(spawner, signal.SIGSTOP)
        helper.kill()
        helper.start()  # it says that it knows no such lease: it can not know
        server.do("reply", data=b"y")
        waits_at = Path(f"/proc/{client.pid}/wchan")
        until("it waits for the workers", lambda: "poll" in waits_at.read_text())
        before = sleeps(client.pid)
        until("it waits on", lambda: sleeps(client.pid) > before + 3)
        assert not sending.answered()
        assert "poll" in waits_at.read_text()
    finally:
        helper.kill()
        os.kill(spawner, signal.SIGCONT)
    assert sending.result() == b"y"
