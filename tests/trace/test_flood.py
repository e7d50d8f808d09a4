"""More events than can be read: what is lost is counted, exactly, and told."""

from __future__ import annotations

import functools
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from installed import installed
from tracers import Trace

from srr.trace import session
from srr.trace.events import Transaction
from srr.trace.programs import Wants
from srr.trace.totals import BUCKETS, Histogram

pytestmark = pytest.mark.usefixtures("needs_bpf")

HERE = Path(__file__).parent


class Flood:
    """flood.c, ready to begin."""

    def __init__(self, processes: int, events: int) -> None:
        self.made = processes * events
        self.process = subprocess.Popen(
            [str(program()), str(processes), str(events)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n"

    def begin(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.stdin = None

    @property
    def is_over(self) -> bool:
        return self.process.poll() is not None

    def end(self) -> float:
        """Events a second."""
        out, _ = self.process.communicate(timeout=50)
        assert self.process.returncode == 0
        fired, nanoseconds = map(int, out.split())
        assert fired == self.made
        return fired / nanoseconds * 1e9


@functools.cache
def program() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="srr-flood-"))
    return installed().compile(HERE / "flood.c", folder / "flood", "srr", "-O2", static=True)


def test_what_the_kernel_adds_up_is_the_sum_of_the_events() -> None:
    """Every bucket of every histogram, at its bounds: as Python counts the same events."""
    flood = Flood(2, 2_000)
    wants = Wants(transactions=True, totals=True, chosen=True)
    with session.Session(wants) as listening:
        listening.choose({1})
        flood.begin()
        flood.end()
        told = [event for event in listening.finish() if isinstance(event, Transaction)]
        totals = listening.totals()
        assert listening.losses().total == 0
    assert len(told) == flood.made == sum(one.count for one in totals)
    assert {one.client for one in totals} == {event.client for event in told}
    for one in totals:
        mine = [event for event in told if event.client == one.client]
        assert (one.count, one.server, one.failed, one.untimed) == (len(mine), 1, 0, 0)
        for step, histogram in one.steps.items():
            expected = Histogram()
            for event in mine:
                expected.add(getattr(event, f"{step}_ns"))
            assert (histogram.counts, histogram.sum_ns) == (expected.counts, expected.sum_ns)
    used = Counter(bucket for one in totals for bucket, count in enumerate(one.steps["queue"].counts) if count)
    assert len(used) == BUCKETS


def test_what_a_filter_leaves_out_is_not_counted() -> None:
    """Two sessions listen to the same: what one leaves out is no event there, and makes no gap."""
    flood = Flood(2, 2_000)
    least_ns = 1 << 20
    every = Wants(transactions=True, chosen=True)
    with session.Session(every) as all_, session.Session(replace(every, min_latency_ns=least_ns)) as slow:
        for listening in (all_, slow):
            listening.choose({1})
        flood.begin()
        flood.end()
        told = [[event for event in each.finish() if isinstance(event, Transaction)] for each in (all_, slow)]
        assert [each.made()["transactions"] for each in (all_, slow)] == [len(events) for events in told]
        assert all_.losses().total == slow.losses().total == 0
    expected = {(event.client, event.id) for event in told[0] if event.total_ns >= least_ns}
    assert {(event.client, event.id) for event in told[1]} == expected
    assert 1_000 < len(expected) == len(told[1]) < flood.made - 1_000
    assert gaps(told[1]) == 0


@pytest.fixture
def flood() -> Iterator[Flood]:
    made = Flood(2, 150_000)
    yield made
    made.process.kill()
    made.process.communicate()


def test_what_the_view_could_not_show_is_told(flood: Flood, trace: Trace) -> None:
    tracer = trace("--json", "--ring", "64k", "--fail-on-loss", "-p", str(flood.process.pid), "-p", "1")
    flood.begin()
    rate = flood.end()
    code = tracer.stop()
    *told, last = tracer.records()
    lost = last["lost"]["transactions"]
    print(f"{flood.made} at {rate:.0f}/s: {len(told)} told, {lost} lost")
    assert len(told) == last["transactions"] > 0
    assert len(told) + lost == flood.made
    assert lost > flood.made // 10, "the ring was large enough: nothing was shown"
    assert code == 3
    assert f"transactions {lost}" in tracer.errors


@pytest.mark.parametrize("ring", [64 << 10, 16 << 20])
def test_received_and_lost_are_all(flood: Flood, ring: int) -> None:
    """By the programs' counts, and by the gaps in the events' own numbers. How much gets through is printed."""
    with session.Session(Wants(transactions=True, chosen=True, ring_bytes=ring)) as listening:
        listening.choose({1})  # its server
        flood.begin()
        events: list[object] = []
        while not flood.is_over:
            events += listening.drain()
        events += listening.finish()
        rate = flood.end()
        lost, made = listening.losses(), listening.made()
    told = [event for event in events if isinstance(event, Transaction)]
    print(f"ring {ring >> 10}k: {flood.made} at {rate:.0f}/s: {len(told)} received, {lost.transactions} lost")
    assert made["transactions"] == flood.made == len(told) + lost.transactions
    assert lost.total == lost.transactions
    assert gaps(told) <= lost.transactions
    by_process: dict[int, list[int]] = {}
    for event in told:
        by_process.setdefault(event.client, []).append(event.id)
    assert len(by_process) == 2
    for ids in by_process.values():
        assert len(ids) == len(set(ids)), "told twice"


def gaps(told: list[Transaction]) -> int:
    """Numbers that no event has, between those that some have; there may be more before the first."""
    missing = 0
    by_cpu: dict[int, list[int]] = {}
    for event in told:
        by_cpu.setdefault(event.sequence >> 48, []).append(event.sequence & (1 << 48) - 1)
    for numbers in by_cpu.values():
        assert len(set(numbers)) == len(numbers)
        missing += max(numbers) - min(numbers) + 1 - len(numbers)
    return missing
