"""`srr-trace imposed`: whose work a server does, against what it says it did, and what the kernel says it used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from drive import Blocked, Company, Partner, exchange
from tracers import Trace
from views import NOBODY, of

from srr.trace import imposing
from srr.trace.imposing import ITSELF, Shares
from srr.trace.totals import Imposed

ORDERS = Path(__file__).with_name("chain_orders.py")
TICK_NS = 10**9 // os.sysconf("SC_CLK_TCK")


def cpu_by_stat(pid: int) -> int:
    """utime + stime."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * TICK_NS


def figures(shares: list[imposing.Share]) -> list[tuple[int, int, int, int, int | None]]:
    return [(s.server, s.client, s.cpu_ns, s.requests, s.server_cpu_ns) for s in shares]


def test_shares_are_of_what_is_new() -> None:
    clock = {20: 1000, 21: 0}
    shares = Shares(clock.get)
    shares.begin([20, 21], list)
    clock |= {20: 1900, 21: 5000}
    first = [Imposed(20, 1, 300, 2), Imposed(20, 2, 500, 1), Imposed(21, 1, 4000, 9)]
    assert figures(shares.since(first)) == [
        (21, 1, 4000, 9, 5000),
        (21, ITSELF, 1000, 0, 5000),
        (20, 2, 500, 1, 900),
        (20, 1, 300, 2, 900),
        (20, ITSELF, 100, 0, 900),
    ]
    clock |= {20: 2000, 21: 9000}
    assert figures(shares.since([Imposed(20, 1, 360, 3), *first[1:]])) == [
        (20, 1, 60, 1, 100),
        (20, ITSELF, 40, 0, 100),
    ]
    clock |= {21: 9010}
    (share, _) = shares.since([*first[:2], Imposed(21, 1, 4005, 10)])
    assert (share.server_cpu_ns, share.part, share.each_ns) == (10, 0.5, 5.0), "not what it did while nobody asked"


def test_what_is_imposed_before_the_first_look_was_used_by_the_server() -> None:
    shares = Shares({20: 1000}.get)
    shares.begin([20], lambda: [Imposed(20, 1, 400, 4)])
    (share, rest) = shares.since([Imposed(20, 1, 400, 4)])
    assert (share.cpu_ns, share.server_cpu_ns, share.part, rest.cpu_ns) == (400, 400, 1.0, 0)


def test_a_server_that_has_ended() -> None:
    shares = Shares(lambda pid: None)
    shares.begin([20], list)
    (share,) = shares.since([Imposed(20, 1, 400, 4)])
    assert share.part is None and share.server_cpu_ns is None and share.each_ns == 100


def test_a_part_is_never_more_than_all() -> None:
    clock = {20: 0}
    shares = Shares(clock.get)
    shares.begin([20], list)
    clock[20] = 100
    share, rest = shares.since([Imposed(20, 1, 130, 1)])
    assert share.part == 1.0 and rest.cpu_ns == 0


def test_the_clock_of_another_process() -> None:
    child = subprocess.Popen([sys.executable, "-c", "sum(range(10**6)); input()"], stdin=subprocess.PIPE)
    try:
        before = imposing.cpu_ns(child.pid)
        assert before is not None and before >= 0
    finally:
        child.communicate(b"\n")
    assert imposing.cpu_ns(child.pid) is None


def burners(company: Company) -> tuple[Partner, Partner, Partner]:
    server, light, heavy = company.start_many(3)
    for partner in (server, light, heavy):
        partner.do("load", path=str(ORDERS))
    return server, light, heavy


@pytest.mark.usefixtures("needs_bpf")
def test_two_clients_that_ask_for_different_amounts(company: Company, trace: Trace) -> None:
    server, light, heavy = burners(company)
    exchange(server, light)  # it has rows, and has used CPU time that is nobody's
    burning = server.order("burn", count=200)
    listening = trace("imposed", "--json", "--fail-on-loss")
    began = cpu_by_stat(server.pid)
    wanting = [
        light.order("want", to=server.pid, us=1000, count=100),
        heavy.order("want", to=server.pid, us=4000, count=100),
    ]
    log = {pid: (count, cpu_ns) for pid, count, cpu_ns in burning.result()}
    assert [one.result() for one in wanting] == [100, 100]
    used_ns = cpu_by_stat(server.pid) - began
    records = listening.stopped()
    total_ns = 0
    for client in (light, heavy):
        (mine,) = of(records, client.pid, server.pid)
        count, cpu_ns = log[client.pid]
        print(client.pid, mine, log[client.pid], used_ns)
        assert mine["requests"] == count == 100
        # The log's clock begins after the probe of Receive, and ends before that of Reply. The kernel leaves out
        # switches between threads on a CPU where a map is being read.
        assert 0.95 * cpu_ns <= mine["cpu_ns"] <= 1.05 * cpu_ns + count * 50_000
        total_ns += mine["cpu_ns"]
    (rest,) = of(records, None, server.pid)
    # What the kernel's ticks say: they are 10 ms, and the server also receives and wakes.
    assert used_ns * 0.8 - 5 * TICK_NS <= total_ns <= used_ns + 5 * TICK_NS
    assert rest["cpu_ns"] + total_ns == rest["server_cpu_ns"] or rest["cpu_ns"] == 0
    assert abs(rest["server_cpu_ns"] - used_ns) <= 0.1 * used_ns + 5 * TICK_NS


@pytest.mark.usefixtures("needs_bpf")
def test_a_blocked_server_works_for_nobody(company: Company, trace: Trace) -> None:
    server, client = company.start(), company.start()
    listening = trace("imposed", "--json", "-p", str(client.pid))
    sending = client.order("send", to=server.pid, message=b"hello")
    server.do("receive")
    client.until_blocked(Blocked.REPLY)
    server.until_asleep()
    # A second of other processes' CPU time passes before it replies; none of it is the server's.
    server_used = imposing.cpu_ns(server.pid)
    company.start().do("count", to=10_000_000)
    assert server_used == imposing.cpu_ns(server.pid)
    server.do("reply", data=b"olleh")
    assert sending.result() == b"olleh"
    records = listening.stopped()
    (mine,) = of(records, client.pid, server.pid)
    used = imposing.cpu_ns(server.pid)
    assert used is not None and mine["requests"] == 1 and 0 < mine["cpu_ns"] < used


@pytest.mark.usefixtures("needs_bpf")
def test_who_dies_while_it_serves_leaves_nothing_to_its_successor(company: Company, trace: Trace) -> None:
    server, client, other = company.start_many(3)
    listening = trace("imposed", "--json", "--fail-on-loss")
    sending = client.order("send", to=server.pid, message=b"hello")
    client.until_blocked(Blocked.SEND)
    server.do("receive")
    server.kill()
    sending.failure()
    serving = client.order("serve", count=3)
    other.do("repeat", to=client.pid, count=3)
    assert serving.result() == 3
    records = listening.stopped()
    (dead,) = of(records, client.pid, server.pid)
    assert dead["requests"] == 1 and dead["server_cpu_ns"] is None
    (living,) = of(records, other.pid, client.pid)
    assert living["requests"] == 3


@pytest.mark.usefixtures("needs_bpf")
def test_an_interval_tells_what_is_new(company: Company, trace: Trace) -> None:
    server, light, heavy = burners(company)
    burning = server.order("burn", count=70)
    listening = trace("imposed", "--json", "0.2", "-p", str(light.pid))
    light.do("want", to=server.pid, us=100, count=20)
    heavy.do("want", to=server.pid, us=100, count=10)
    first = listening.record()
    light.do("want", to=server.pid, us=100, count=40)
    burning.result()
    records = listening.stopped()
    mine: list[dict[str, Any]] = of(records, light.pid, server.pid)
    assert mine[0] == first and len(mine) >= 2 and sum(one["requests"] for one in mine) == 60
    assert of(records, heavy.pid, server.pid) == []


@pytest.mark.usefixtures("needs_bpf")
def test_people_get_lines_under_80_columns(company: Company, trace: Trace) -> None:
    server, client = company.start(), company.start()
    listening = trace("imposed", "-T", "-p", str(server.pid))
    server.order("serve", count=50)
    client.do("repeat", to=server.pid, count=50)
    assert listening.stop() == 0
    lines = listening.text.splitlines()
    assert all(len(line) < 80 for line in lines)
    (line,) = [line for line in lines if str(client.pid) in line]
    assert line.split()[0] == str(server.pid) and " 50 " in line
    assert "(itself)" in listening.text


@pytest.mark.usefixtures("needs_bpf")
def test_nobody_may(trace: Trace) -> None:
    ran = trace.run("imposed", "1", "1", prefix=NOBODY)
    assert ran.end() == 1 and "CAP_BPF and CAP_PERFMON and CAP_DAC_READ_SEARCH" in ran.errors
