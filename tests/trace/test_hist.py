"""`srr-trace hist`: as many as were sent, as long as they took, between whom it was."""

from __future__ import annotations

import itertools
import sys
import time
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest
from drive import Blocked, Company, exchange
from tracers import Trace
from views import NOBODY, ask_all, of, pair_in_c

from srr.trace import latency
from srr.trace.totals import STEPS, Histogram, Totals, bucket_bounds

#: A prime.
COUNT = 1009


def histogram(*times: int) -> Histogram:
    made = Histogram()
    for ns in times:
        made.add(ns)
    return made


def totals(client: int, server: int, kind: int | None, times: Iterable[int]) -> Totals:
    t = Totals(client, server, kind)
    for ns in times:
        t.count += 1
        for step in STEPS:
            t.steps[step].add(ns)
    return t


def test_powers_of_two_hold_what_the_finer_buckets_held() -> None:
    times = [0, 63, 64, 127, 128, 1000, 1024, 5_000_000]
    rows = latency.octaves(histogram(*times))
    assert rows[0][0] == 0 and rows[0][1] == 128
    for (_, end, _), (begin, _, _) in itertools.pairwise(rows):
        assert end == begin
    for low, high, count in rows:
        assert count == sum(low <= ns < high for ns in times)
    assert latency.octaves(Histogram()) == []


def test_the_drawing_is_narrow_and_its_longest_bar_is_full() -> None:
    lines = latency.draw(histogram(*[100] * 30, *[200] * 15, 10**11))
    assert all(len(line) < 80 for line in lines)
    assert lines[1].count("*") == 40 and lines[2].count("*") == 20 and lines[-1].count("*") == 1
    assert "137s" in lines[-1]


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0ns"),
        (999, "999ns"),
        (1024, "1.02us"),
        (9_995, "10.0us"),
        (131_072, "131us"),
        (999_600, "1.00ms"),
        (12 * 10**9, "12.0s"),
        (10**14, "100000s"),
        (None, "-"),
    ],
)
def test_times_have_units(ns: int | None, text: str) -> None:
    assert latency.short(ns) == text


def test_differences_by_pair() -> None:
    sums = latency.Sums(by_type=False)
    first = sums.since([totals(1, 2, 7, [100, 200]), totals(1, 2, 8, [300]), totals(3, 2, None, [10**6])])
    assert [(t.client, t.count) for t in first] == [(3, 1), (1, 3)], "the one that took most time is first"
    again = sums.since([totals(1, 2, 7, [100, 200, 400]), totals(1, 2, 8, [300]), totals(3, 2, None, [10**6])])
    assert [(t.client, t.count, t.steps["queue"].sum_ns, t.type) for t in again] == [(1, 1, 400, None)]
    assert sums.since([]) == []


def test_differences_by_type() -> None:
    sums = latency.Sums(by_type=True)
    assert {t.type for t in sums.since([totals(1, 2, 7, [1]), totals(1, 2, None, [2])])} == {7, None}


def test_a_type_is_shown_as_letters_if_it_is_some() -> None:
    assert latency.shown_type(int.from_bytes(b"he", sys.byteorder)).endswith(' "he"')
    assert latency.shown_type(0x001B) == "0x001b" and latency.shown_type(None) == "-"


def check(record: dict[str, Any], count: int) -> None:
    """Sums and buckets of a line agree with each other."""
    assert record["count"] == count
    assert (record["failed"], record["untimed"]) == (0, 0)
    for step, found in record["steps"].items():
        assert found["count"] == sum(n for _, _, n in found["buckets"]) == count, step
        low = sum(n * begin for begin, _, n in found["buckets"])
        high = sum(n * end for _, end, n in found["buckets"])
        assert low <= found["sum_ns"] < high, step
        assert found["p50_ns"] <= found["p99_ns"] <= found["max_ns"] == found["buckets"][-1][1], step


@pytest.mark.usefixtures("needs_bpf")
def test_all_are_counted_in_python(company: Company, trace: Trace) -> None:
    server, client, other = company.start(), company.start(), company.start()
    listening = trace("hist", "--json", "--fail-on-loss", *(f"--step={step}" for step in STEPS))
    serving = server.order("serve", count=COUNT + 10)
    client.do("repeat", to=server.pid, count=COUNT, nbytes=100)
    other.do("repeat", to=server.pid, count=10, nbytes=8)
    assert serving.result() == COUNT + 10
    records = listening.stopped()
    (mine,) = of(records, client.pid, server.pid)
    check(mine, COUNT)
    assert (mine["sent"], mine["replied"], mine["type"]) == (COUNT * 100, COUNT * 100, None)
    assert mine["steps"]["total"]["sum_ns"] >= sum(
        mine["steps"][step]["sum_ns"] for step in ("queue", "service", "wakeup")
    )
    (its,) = of(records, other.pid, server.pid)
    check(its, 10)
    assert records[-1]["transactions"] >= COUNT + 10 and not any(records[-1]["lost"].values())


@pytest.mark.usefixtures("needs_bpf")
def test_all_are_counted_in_c(trace: Trace) -> None:
    with pair_in_c(COUNT) as (server, client):
        listening = trace("hist", "--json", "--by-type", "--fail-on-loss", "-p", str(server))
        assert ask_all(client) == [COUNT, COUNT * 3]
        records = listening.stopped()
    (mine,) = of(records, client.pid, server)
    check(mine, COUNT)
    assert (mine["sent"], mine["replied"]) == (COUNT * 5, COUNT * 3)
    assert mine["type"] == int.from_bytes(b"he", sys.byteorder)
    assert len(records) == 2, "-p leaves out all others"


@pytest.mark.usefixtures("needs_bpf")
def test_by_type(company: Company, trace: Trace) -> None:
    server, client = company.start(), company.start()
    listening = trace("hist", "--json", "-t", "--fail-on-loss", "-p", str(client.pid))
    server.order("serve", count=301 + 3)
    client.do("repeat", to=server.pid, count=301)  # the number of the message is its first bytes
    for _ in range(3):
        client.do("send", to=server.pid, message=b"x")
    records = of(listening.stopped(), client.pid, server.pid)
    expected: dict[int | None, int] = {int.from_bytes(n.to_bytes(2, "little"), sys.byteorder): 1 for n in range(301)}
    assert {record["type"]: record["count"] for record in records} == {**expected, None: 3}


@pytest.mark.usefixtures("needs_bpf")
def test_an_interval_tells_what_is_new(company: Company, trace: Trace) -> None:
    server, client = company.start(), company.start()
    listening = trace("hist", "--json", "0.2", "-p", str(client.pid))
    server.order("serve", count=60)
    client.do("repeat", to=server.pid, count=17)
    first = listening.record()
    client.do("repeat", to=server.pid, count=43)
    records = [record for record in listening.stopped() if "client" in record]
    assert records[0] == first and len(records) >= 2
    assert sum(record["count"] for record in records) == 60
    assert all(record["count"] <= 43 for record in records), "the second does not tell the first's again"
    assert all(later["time"] > sooner["time"] for sooner, later in itertools.pairwise(records))


@pytest.mark.usefixtures("needs_bpf")
def test_steps_are_the_times_that_they_are_named_after(company: Company, trace: Trace) -> None:
    server, client = company.start(), company.start()
    exchange(server, client)  # first contact comes before the queue
    listening = trace("hist", "--json", "-p", str(client.pid))
    began = time.monotonic_ns()
    sending = client.order("send", to=server.pid, message=b"hello")
    client.until_blocked(Blocked.SEND)
    queued = time.monotonic_ns()
    server.until_asleep()
    queue_ns = time.monotonic_ns() - queued
    server.do("receive")
    received = time.monotonic_ns()
    client.until_blocked(Blocked.REPLY)
    service_ns = time.monotonic_ns() - received
    server.do("reply", data=b"olleh")
    assert sending.result() == b"olleh"
    all_ns = time.monotonic_ns() - began
    (record,) = of(listening.stopped(), client.pid, server.pid)
    check(record, 1)
    queue, service = record["steps"]["queue"]["sum_ns"], record["steps"]["service"]["sum_ns"]
    assert queue >= queue_ns and service >= service_ns
    assert queue + service <= all_ns


@pytest.mark.usefixtures("needs_bpf")
def test_without_a_reply_it_is_not_timed(company: Company, trace: Trace) -> None:
    server, client = company.start(), company.start()
    listening = trace("hist", "--json", "-p", str(client.pid))
    server.do("tid")
    sending = client.order("send", to=server.pid, message=b"hello")
    client.until_blocked(Blocked.SEND)
    server.do("receive")
    server.kill()
    sending.failure()
    (record,) = of(listening.stopped(), client.pid, server.pid)
    assert (record["count"], record["failed"], record["untimed"]) == (1, 1, 1)
    assert record["steps"]["queue"]["count"] == 0 and record["steps"]["transfer"]["count"] == 1


@pytest.mark.usefixtures("needs_bpf")
def test_people_get_drawings_and_lines_under_80_columns(company: Company, trace: Trace) -> None:
    server, client = company.start(), company.start()
    drawing = trace("hist", "-T", "-p", str(client.pid))
    summary = trace("hist", "--summary", "-t", "-p", str(client.pid))
    server.order("serve", count=100)
    client.do("repeat", to=server.pid, count=100)
    assert drawing.stop() == 0 and summary.stop() == 0
    assert all(len(line) < 80 for line in [*drawing.text.splitlines(), *summary.text.splitlines()])
    assert f"client {client.pid} " in drawing.text and f"-> server {server.pid} " in drawing.text
    assert "100 transactions, 0 failed, 6400 bytes sent, 6400 replied" in drawing.text
    for step in ("queue", "service", "transfer", "wakeup"):
        _, found = drawing.text.split(f"\n  {step}: p50 ")
        rows = found.split("\n\n")[0].splitlines()[2:]
        assert sum(int(row.split(":")[1].split("|")[0]) for row in rows) == 100
    assert "total:" not in drawing.text
    kinds = Counter(line.split()[-6] for line in summary.text.splitlines()[1:])
    assert len(kinds) == 100 and set(kinds.values()) == {4}


@pytest.mark.usefixtures("needs_bpf")
def test_the_top_ones(company: Company, trace: Trace) -> None:
    server, *clients = company.start_many(4)
    listening = trace("hist", "--summary", "--top", "1", "--step", "total", "-p", str(server.pid))
    server.order("serve", count=33)
    for client, count in zip(clients, (1, 31, 1), strict=True):
        client.do("repeat", to=server.pid, count=count)
    assert listening.stop() == 0
    heading, line, more = listening.text.splitlines()
    assert heading.startswith("CLIENT") and more == "2 more" and int(line.split()[0]) in [c.pid for c in clients]


@pytest.mark.usefixtures("needs_bpf")
def test_nobody_may(trace: Trace) -> None:
    ran = trace.run("hist", "1", "1", prefix=NOBODY)
    assert ran.end() == 1
    assert "CAP_BPF and CAP_PERFMON" in ran.errors and ran.text == ""


@pytest.mark.parametrize("arguments", [("0",), ("1", "0"), ("--step", "other"), ("--top", "0"), ("x",)])
def test_nonsense_is_usage(trace: Trace, arguments: tuple[str, ...]) -> None:
    ran = trace.run("hist", *arguments)
    assert ran.end() == 2 and "Usage: srr-trace hist" in ran.errors


def test_buckets_meet() -> None:
    assert all(bucket_bounds(n)[1] == bucket_bounds(n + 1)[0] for n in range(127))
