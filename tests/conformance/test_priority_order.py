"""Receiving by the senders' priority, and taking it over: Port.flags."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from drive import Blocked, Company, Partner, Pending, srr

ORDERS = str(Path(__file__).with_name("proxy_orders.py"))


def server_of(company: Company, flags: int) -> Partner:
    server = company.start()
    server.do("load", path=ORDERS)
    assert server.do("flags", flags=flags) == flags
    return server


def clients_of(company: Company, *nice: int) -> list[Partner]:
    """One with each nice value: the higher, the less urgent."""
    clients = [company.start("nice", "-n", str(value)) for value in nice]
    for client in clients:
        client.do("load", path=ORDERS)
    return clients


def queue_up(server: Partner, clients: list[Partner]) -> list[Pending]:
    """Each SEND-blocked before the next one sends. The message is the client's nice value."""
    sending = []
    for client in clients:
        sending.append(client.order("send", to=server.pid, message=b"%d" % client.do("niceness")))
        client.until_blocked(Blocked.SEND)
    return sending


def served(server: Partner, sending: list[Pending]) -> list[int]:
    """What the server takes, in its order; each is answered."""
    got = []
    for _ in sending:
        got.append(int(server.do("take").data))
        server.do("reply")
    for each in sending:
        each.result()
    return got


@pytest.mark.parametrize("flag", [srr.Flag.PRIORITY_REC, srr.Flag.PRIORITY_FLOAT], ids=["rec", "float"])
def test_the_most_urgent_first(company: Company, flag: srr.Flag) -> None:
    server = server_of(company, flag)
    clients = clients_of(company, 10, 0, 5, 0)
    assert served(server, queue_up(server, clients)) == [0, 0, 5, 10]


def test_by_arrival_without_the_flag(company: Company) -> None:
    server = server_of(company, 0)
    clients = clients_of(company, 10, 0, 5)
    server.do("take", poll=True)
    assert served(server, queue_up(server, clients)) == [10, 0, 5]


def test_among_equals_by_arrival(company: Company) -> None:
    server = server_of(company, srr.Flag.PRIORITY_REC)
    clients = clients_of(company, 5, 5, 5)
    for row in (clients, clients[::-1]):
        sending = queue_up(server, row)
        for client, each in zip(row, sending, strict=True):
            assert server.do("take").pid == client.pid
            server.do("reply")
            each.result()


def test_the_order_of_those_that_wait_changes_with_the_flag(company: Company) -> None:
    server = server_of(company, 0)
    clients = clients_of(company, 10, 5, 0)
    sending = queue_up(server, clients)
    server.do("flags", flags=srr.Flag.PRIORITY_REC)
    assert served(server, sending) == [0, 5, 10]
    sending = queue_up(server, clients)
    server.do("flags", flags=0)
    assert served(server, sending) == [10, 5, 0]


def test_proxies_have_a_priority_of_their_own(company: Company) -> None:
    server = server_of(company, srr.Flag.PRIORITY_REC)
    low, high = server.do("proxy_attach", priority=3), server.do("proxy_attach", priority=15)
    (client,) = clients_of(company, 0)  # QNX4's 10
    for proxy in (low, high):
        server.do("trigger", proxy=proxy)
    sending = client.order("send", to=server.pid, message=b"0")
    client.until_blocked(Blocked.SEND)
    got = [server.do("take", hold=str(number)) for number in range(3)]
    assert [each.proxy for each in got] == [high, None, low]
    server.do("reply", hold="1")
    sending.result()


@pytest.mark.skipif(os.geteuid() != 0, reason="to return to a higher priority needs CAP_SYS_NICE")
def test_the_server_floats(company: Company) -> None:
    """It takes the priority of whom it has received from, and a more urgent one's that waits."""
    server = server_of(company, srr.Flag.PRIORITY_FLOAT)
    slow, quick = clients_of(company, 5, -5)
    sending = [slow.order("send", to=server.pid, message=b"5")]
    server.do("take", hold="slow")
    assert server.do("niceness") == 5
    sending.append(quick.order("send", to=server.pid, message=b"-5"))
    quick.until_blocked(Blocked.SEND)
    assert os.getpriority(os.PRIO_PROCESS, server.pid) == -5, "raised by the one that waits"
    assert server.do("take", hold="quick").data == b"-5"
    assert server.do("niceness") == -5
    for hold in ("slow", "quick"):
        server.do("reply", hold=hold)
    for each in sending:
        each.result()


def test_flags_are_seen_from_outside_and_not_inherited(company: Company) -> None:
    server = server_of(company, srr.Flag.PRIORITY_REC | srr.Flag.SIGCATCH)
    assert server.look().flags == srr.Flag.PRIORITY_REC | srr.Flag.SIGCATCH
    child = company.fork(server)
    assert child.do("flags") == 0
    assert server.do("flags") == srr.Flag.PRIORITY_REC | srr.Flag.SIGCATCH
