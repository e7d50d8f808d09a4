"""Proxies: what they deliver, how often, in which order, to whom, and until when."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from drive import Blocked, Company, Partner, Pending, guarantee, srr, until, works

ORDERS = str(Path(__file__).with_name("proxy_orders.py"))
NOBODY = 65534


def start(company: Company, count: int) -> list[Partner]:
    partners = company.start_many(count)
    for partner in partners:
        partner.do("load", path=ORDERS)
    return partners


def gone(partner: Partner, proxy: int) -> bool:
    """Nobody can trigger it any more."""
    failure = partner.fails("trigger", proxy=proxy)
    return isinstance(failure, srr.ServerDied) and (failure.verb, failure.pid) == ("trigger", proxy)


@pytest.mark.parametrize("nbytes", [0, 1, 99, 100])
def test_it_delivers_its_data(company: Company, nbytes: int) -> None:
    owner, other = start(company, 2)
    data = bytes(range(nbytes))
    proxy = owner.do("proxy_attach", data=data)
    assert other.do("trigger", proxy=proxy) == owner.pid
    got = owner.do("take")
    assert (got.kind, got.proxy, got.notice) == ("PROXY", proxy, None)
    assert (got.data, got.nbytes, got.room) == (data, nbytes, 0)
    assert (got.tid, got.pid, got.uid) == (proxy, owner.pid, os.geteuid())
    assert got.answered


def test_more_than_100_bytes_are_refused(company: Company) -> None:
    (owner,) = start(company, 1)
    assert isinstance(owner.fails("proxy_attach", data=bytes(101)), ValueError)


def test_a_client_is_no_proxy(company: Company) -> None:
    server, client = start(company, 2)
    sending = client.order("send", to=server.pid, message=b"x")
    got = server.do("take")
    assert (got.kind, got.proxy, got.notice, got.answered) == ("MESSAGE", None, None, False)
    server.do("reply", data=b"y")
    assert sending.result() == b"y"


def test_there_is_nobody_to_reply_to(company: Company) -> None:
    (owner,) = start(company, 1)
    proxy = owner.do("proxy_attach", data=b"tick")
    owner.do("trigger", proxy=proxy)
    owner.do("take")
    calls: list[tuple[str, dict[str, Any]]] = [
        ("reply", {"data": b"x"}),
        ("error", {"error": errno.EIO}),
        ("read", {}),
        ("write", {"offset": 0, "data": b"x"}),
        ("relay", {"target": os.getpid()}),
    ]
    for call, keywords in calls:
        failure = owner.fails("use", call=call, **keywords)
        assert isinstance(failure, srr.SenderGone), call
        assert (failure.errno, failure.verb) == (errno.ESRCH, call)
        assert f"proxy {proxy}" in str(failure)
    assert owner.do("drop") == [], "it needs no answer, so it is no fault to drop it"


@guarantee("A")
def test_triggers_are_counted(company: Company) -> None:
    owner, one, another = start(company, 3)
    proxy = owner.do("proxy_attach", data=b"tick")
    ordered = [one.order("trigger", proxy=proxy, count=300), another.order("trigger", proxy=proxy, count=200)]
    for _ in range(500):
        assert owner.do("take").proxy == proxy
    assert [each.result() for each in ordered] == [owner.pid, owner.pid]
    assert owner.do("take", poll=True) is None


def test_at_most_65535_are_pending(company: Company) -> None:
    owner, other = start(company, 2)
    proxy = owner.do("proxy_attach", priority=7)
    other.do("trigger", proxy=proxy, count=65_600)
    assert other.do("proxy_look", proxy=proxy) == [proxy, owner.pid, 65_535, 7]
    owner.do("take")
    assert owner.do("proxy_look", proxy=proxy) == [proxy, owner.pid, 65_534, 7]


def test_in_line_with_messages(company: Company) -> None:
    """One queue, in order of arrival. Triggers in a row stay in a row; one that came later is behind the messages."""
    owner, *clients = start(company, 3)
    proxy = owner.do("proxy_attach")

    def trigger(count: int) -> None:
        clients[0].do("trigger", thread="another", proxy=proxy, count=count)

    def send(client: Partner, data: bytes) -> Pending:
        sending = client.order("send", to=owner.pid, message=data)
        client.until_blocked(Blocked.SEND)
        return sending

    def taken(count: int) -> list[object]:
        got = [owner.do("take", hold=str(number)) for number in range(count)]
        for number in range(count):
            if got[number].proxy is None:
                owner.do("reply", hold=str(number))
        return [message.proxy or message.data for message in got]

    owner.do("take", poll=True)
    sending = [send(clients[0], b"before")]
    trigger(2)
    sending.append(send(clients[1], b"after"))
    assert taken(4) == [b"before", proxy, proxy, b"after"]
    for each in sending:
        each.result()
    trigger(1)
    sending = [send(clients[0], b"between")]
    trigger(1)
    assert taken(3) == [proxy, b"between", proxy]
    sending[0].result()


@guarantee("A")
def test_it_wakes_a_receiver(company: Company) -> None:
    owner, other = start(company, 2)
    proxy = owner.do("proxy_attach", data=b"tick")
    for _ in range(20):
        receiving = owner.order("take")
        owner.until_blocked(Blocked.RECEIVE)
        other.do("trigger", proxy=proxy)
        assert receiving.result().proxy == proxy


def test_receive_by_id(company: Company) -> None:
    """Only that proxy: a client that waits, and another proxy, stay queued."""
    owner, other = start(company, 2)
    wanted, unwanted = owner.do("proxy_attach", data=b"wanted"), owner.do("proxy_attach", data=b"unwanted")
    sending = other.order("send", to=owner.pid, message=b"client")
    other.until_blocked(Blocked.SEND)
    other.do("trigger", thread="another", proxy=unwanted)
    assert owner.do("take", poll=True, sender=wanted) is None
    receiving = owner.order("take", sender=wanted)
    owner.until_blocked(Blocked.RECEIVE, on=wanted)
    other.do("trigger", thread="another", proxy=wanted)
    assert receiving.result().data == b"wanted"
    assert owner.do("take").data == b"client"
    owner.do("reply")
    sending.result()
    assert owner.do("take").proxy == unwanted


def test_a_send_to_its_id_triggers_it(company: Company) -> None:
    """The data is dropped and nobody blocks."""
    owner, other = start(company, 2)
    proxy = owner.do("proxy_attach", data=b"tick")
    assert other.do("send", to=proxy, message=b"dropped", timeout=20.0) == b""
    got = owner.do("take")
    assert (got.proxy, got.data) == (proxy, b"tick")


def test_attached_to_another_process(company: Company) -> None:
    """The owner receives, whoever triggers; the number stays the attaching process's thread."""
    owner, maker, third = start(company, 3)
    owner.do("take", poll=True)
    proxy = maker.do("proxy_attach", data=b"from afar", owner=owner.pid)
    assert Path(f"/proc/{maker.pid}/task/{proxy}").exists()
    for partner in (maker, owner, third):
        assert partner.do("trigger", proxy=proxy) == owner.pid
        got = owner.do("take")
        assert (got.proxy, got.data, got.pid) == (proxy, b"from afar", owner.pid)
    assert maker.do("take", poll=True) is None
    refused = third.fails("proxy_detach", proxy=proxy)
    assert isinstance(refused, srr.Refused)
    assert refused.errno == errno.EPERM
    owner.do("proxy_detach", proxy=proxy)
    assert gone(third, proxy)
    proxy = maker.do("proxy_attach", owner=owner.pid)
    maker.do("proxy_detach", proxy=proxy)
    assert gone(third, proxy)


def test_to_whom_none_can_be_attached(company: Company) -> None:
    maker, newcomer = company.start_many(2)
    maker.do("load", path=ORDERS)
    failure = maker.fails("proxy_attach", owner=newcomer.pid)
    assert failure.errno == errno.EAGAIN
    assert "has not used srr yet" in str(failure)
    newcomer.do("receive", poll=True)
    assert maker.do("proxy_attach", owner=newcomer.pid) > 0
    newcomer.kill()
    assert isinstance(maker.fails("proxy_attach", owner=newcomer.pid), srr.ServerDied)
    assert maker.fails("proxy_attach", priority=30).errno == errno.EINVAL


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
def test_another_users(company: Company) -> None:
    owner, stranger = start(company, 2)
    proxy = owner.do("proxy_attach")
    stranger.do("become", uid=NOBODY)
    for failure in (stranger.fails("trigger", proxy=proxy), stranger.fails("proxy_attach", owner=owner.pid)):
        assert isinstance(failure, srr.Refused)
        assert failure.errno == errno.EACCES
    refused = stranger.fails("proxy_detach", proxy=proxy)
    assert (type(refused), refused.errno) == (srr.Refused, errno.EPERM)
    assert owner.do("take", poll=True) is None


def test_detached(company: Company) -> None:
    """What was pending vanishes, who waits for it alone is told, and it cannot be detached twice."""
    owner, other = start(company, 2)
    proxy = owner.do("proxy_attach")
    other.do("trigger", proxy=proxy, count=3)
    owner.do("proxy_detach", proxy=proxy)
    assert owner.do("take", poll=True) is None
    assert gone(other, proxy)
    assert isinstance(owner.fails("proxy_detach", proxy=proxy), srr.ServerDied)
    proxy = owner.do("proxy_attach")
    receiving = owner.order("take", sender=proxy)
    owner.until_blocked(Blocked.RECEIVE, on=proxy)
    owner.do("proxy_detach", thread="another", proxy=proxy)
    assert isinstance(receiving.failure(), srr.ServerDied)


@guarantee("D")
@pytest.mark.parametrize("how", ["kill", "_exit", "exit", "exec"])
@pytest.mark.parametrize("who", ["owner", "maker", "both"])
def test_gone_with_its_owner_and_its_maker(company: Company, who: str, how: str) -> None:
    survivor, third = start(company, 2)
    (dying,) = start(company, 1)
    for partner in (survivor, third, dying):
        partner.do("take", poll=True)
    if who == "both":
        proxy = dying.do("proxy_attach")
    elif who == "owner":
        proxy = survivor.do("proxy_attach", owner=dying.pid)
    else:
        proxy = dying.do("proxy_attach", owner=survivor.pid)
    third.do("trigger", proxy=proxy)  # it knows the way from here on
    dying.order("die", how=how)
    if how == "exec":
        dying.until_runs("sleep")
    else:
        dying.wait_dead()
    until("nobody can trigger it", lambda: gone(third, proxy))
    assert works(survivor, third) if who == "owner" else True


@guarantee("D")
def test_whoever_waits_for_it_alone_learns_of_its_end(company: Company) -> None:
    owner, maker = start(company, 2)
    owner.do("take", poll=True)
    proxy = maker.do("proxy_attach", owner=owner.pid)
    receiving = owner.order("take", sender=proxy)
    owner.until_blocked(Blocked.RECEIVE, on=proxy)
    maker.kill()
    assert isinstance(receiving.failure(), srr.ServerDied)
    assert owner.do("proxy_attach") > 0


def test_256_at_most(company: Company) -> None:
    (owner,) = start(company, 1)
    proxies = [owner.do("proxy_attach", data=b"%d" % number) for number in range(256)]
    assert len(set(proxies)) == 256
    failure = owner.fails("proxy_attach")
    assert failure.errno == errno.EAGAIN
    owner.do("proxy_detach", proxy=proxies[100])
    proxies[100] = owner.do("proxy_attach", data=b"100")
    for number in (0, 100, 255):
        owner.do("trigger", proxy=proxies[number])
        got = owner.do("take")
        assert (got.proxy, got.data) == (proxies[number], b"%d" % number)


@guarantee("D")
def test_attaching_and_detaching_leaves_nothing(company: Company) -> None:
    """Neither threads (each id is one's) nor descriptors nor places."""
    owner, maker = start(company, 2)
    for partner in (owner, maker):
        partner.do("take", poll=True)

    def held(kind: str) -> list[int]:
        return [len(os.listdir(f"/proc/{partner.pid}/{kind}")) for partner in (owner, maker)]

    threads = held("task")
    maker.do("proxy_detach", proxy=maker.do("proxy_attach", owner=owner.pid))  # both have met
    descriptors = held("fd")
    for number in range(300):
        proxy = maker.do("proxy_attach", owner=owner.pid if number % 2 else None)
        maker.do("trigger", proxy=proxy)
        maker.do("proxy_detach", proxy=proxy)
    until("the threads have ended", lambda: held("task") == threads)
    assert held("fd") == descriptors
    assert owner.do("take", poll=True) is None


def test_a_forked_child_has_none_of_them(company: Company) -> None:
    (owner,) = start(company, 1)
    proxy = owner.do("proxy_attach", data=b"tick")
    owner.do("trigger", proxy=proxy)
    child = company.fork(owner)
    assert child.do("take", poll=True) is None
    assert child.do("trigger", proxy=proxy) == owner.pid
    assert child.fails("proxy_detach", proxy=proxy).errno == errno.EPERM
    own = child.do("proxy_attach", data=b"tock")
    assert owner.do("trigger", proxy=own) == child.pid
    assert child.do("take").data == b"tock"
    assert [owner.do("take").proxy for _ in range(2)] == [proxy, proxy]


def test_triggered_by_a_signal_handler(company: Company) -> None:
    """A handler in the middle of this very process's Receive: the call ends, and the message is there."""
    (owner,) = start(company, 1)
    proxy = owner.do("proxy_attach", data=b"alarm")
    owner.do("trigger_on", number=signal.SIGALRM, proxy=proxy)
    for _ in range(10):
        receiving = owner.order("take")
        owner.until_blocked(Blocked.RECEIVE)
        owner.signal(signal.SIGALRM)
        answer = owner.answer(receiving.number, "done", "failed")
        if "failed" in answer:  # else the message was seen first
            assert answer["failed"]["class"] == "Interrupted"
            assert owner.do("take").proxy == proxy
        else:
            assert answer["done"]["proxy"] == proxy
    assert owner.do("take", poll=True) is None


def test_with_detaches_it() -> None:
    with srr.proxy.attach(b"tick") as tick:
        assert tick.trigger() == os.getpid()
        assert srr.proxy.query(os.getpid()) == [srr.proxy.look(tick.id)]
        assert srr.proxy.look(tick.id).count == 1
        assert str(tick.id) in repr(tick)
    with pytest.raises(srr.ServerDied):
        tick.trigger()
    with srr.proxy.attach() as tock:
        tock.detach()  # and the end of the block is quiet about it


def test_notices(company: Company) -> None:
    """System messages about a process: in line, and nobody awaits a reply."""
    server, client = start(company, 2)
    server.do("notify", about=client.pid, data=b"\0\0\1\0" + b"\0\0\0\2")
    got = server.do("take")
    assert (got.kind, got.notice, got.proxy) == ("NOTICE", client.pid, None)
    assert (got.data, got.pid, got.answered) == (b"\0\0\1\0\0\0\0\2", client.pid, True)
    failure = server.fails("use", call="reply")
    assert isinstance(failure, srr.SenderGone)
    assert "system" in str(failure)
    assert server.do("drop") == []
    assert server.fails("notify", about=client.pid, data=bytes(65)).errno == errno.EINVAL
