"""What Prometheus is told: what the kernel has added up, and the waiting table, by server.

A label's values are kept few. Servers are told apart by the name that they hold, else by their program, so that one
that was started again goes on with its series; clients are told apart only on request. What counts up never counts
down: a process keeps the label that it was first counted with, and what an ended client had sent stays in the sums.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from srr.processes import Process
from srr.shown import printable
from srr.state import Blocked
from srr.trace.session import Session
from srr.trace.totals import BUCKETS, STEPS, Histogram, Totals, bucket_bounds

#: A process that ended before anybody had looked.
UNKNOWN = "unknown"

#: Upper ends of the buckets that are told, in nanoseconds: powers of two from 1 us to 17 s.
_ENDS = [1 << n for n in range(10, 35)]
_DOCUMENTED = {
    "queue": "Time that Sends were SEND-blocked, until the server received.",
    "service": "Time that Sends were REPLY-blocked, until the server replied.",
    "transfer": "Time in which bytes were moved, by either side.",
    "wakeup": "Time from the server's Reply until the client went on.",
    "total": "Time of whole Sends, as clients see it.",
}
#: Different clients and servers in the kernel's map, beyond which ended clients are taken out; it has room for 4096.
_CROWDED = 1024

Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily


class Exporter(Collector):
    """Asked by prometheus_client at each scrape, from whichever thread. ``session``: None, the waiting table only."""

    def __init__(
        self,
        session: Session | None,
        survey: Callable[[], list[Process]],
        *,
        by_client: bool = False,
        by_pid: bool = False,
    ) -> None:
        self._session, self._survey = session, survey
        self._by_client, self._by_pid = by_client, by_pid
        self._called: dict[int, str] = {}
        self._fresh: set[int] = set()
        self._counted: dict[int, str] = {}
        #: Of clients that have ended, by label.
        self._ended: dict[tuple[str, ...], Totals] = {}
        self._lock = threading.Lock()

    def collect(self) -> Iterator[Family]:
        with self._lock:
            processes = self._survey()
            self._learn(processes)
            families = list(self._of_table(processes))
            if self._session is not None:
                families += [*self._of_totals(self._totals(self._session)), *self._of_session(self._session)]
        yield from families

    def keep_room(self) -> None:
        """Now and then: find new copies of the library, call new processes by their names, take out ended clients."""
        with self._lock:
            self._learn(self._survey())
            if self._session is None:
                return
            self._session.drain()
            clients = self._session.clients()
            if len(clients) <= _CROWDED:
                return
            ended = {client for client in clients if not os.path.exists(f"/proc/{client}")}
            for totals in self._session.totals():
                if totals.client in ended:
                    self._add(self._ended, totals)
            self._session.forget(ended)
            left = {pid for t in self._session.totals() for pid in (t.client, t.server)}
            self._counted = {pid: label for pid, label in self._counted.items() if pid in left}

    def _learn(self, processes: Iterable[Process]) -> None:
        """A process that has ended is kept until the next time: its last Sends may have to be counted yet."""
        now = {process.pid: process.names[0] if process.names else process.program or UNKNOWN for process in processes}
        self._called = {**{pid: self._called[pid] for pid in self._fresh if pid in self._called}, **now}
        self._fresh = set(now)

    def _label(self, pid: int) -> str:
        label = printable(self._counted.get(pid) or self._called.get(pid, UNKNOWN))
        return f"{label}-{pid}" if self._by_pid else label

    def _of(self, totals: Totals) -> tuple[str, ...]:
        for pid in (totals.client, totals.server):
            self._counted.setdefault(pid, self._called.get(pid, UNKNOWN))
        server = self._label(totals.server)
        return (self._label(totals.client), server) if self._by_client else (server,)

    def _add(self, sums: dict[tuple[str, ...], Totals], totals: Totals) -> None:
        labels = self._of(totals)
        before = sums.get(labels)
        sums[labels] = Totals(0, 0, None) + totals if before is None else before + totals

    def _totals(self, session: Session) -> dict[tuple[str, ...], Totals]:
        sums = dict(self._ended)
        for totals in session.totals():
            self._add(sums, totals)
        return sums

    def _of_totals(self, sums: dict[tuple[str, ...], Totals]) -> Iterator[Family]:
        labels = ["client", "server"] if self._by_client else ["server"]
        for name, text, value in (
            ("transactions", "Sends that ended.", "count"),
            ("failed_transactions", "Sends that ended without a reply.", "failed"),
            ("untimed_transactions", "Sends that are not in the histograms of queue, service and wakeup.", "untimed"),
            ("sent_bytes", "Bytes of messages.", "sent"),
            ("replied_bytes", "Bytes of replies.", "replied"),
        ):
            counter = CounterMetricFamily(f"srr_{name}", text, labels=labels)
            for key, totals in sums.items():
                counter.add_metric(key, getattr(totals, value))
            yield counter
        for step in STEPS:
            histogram = HistogramMetricFamily(f"srr_{step}_seconds", _DOCUMENTED[step], labels=labels)
            for key, totals in sums.items():
                steps = totals.steps[step]
                histogram.add_metric(key, buckets(steps), sum_value=steps.sum_ns / 1e9)
            yield histogram

    def _of_session(self, session: Session) -> Iterator[Family]:
        lost = CounterMetricFamily("srr_trace_lost", "What was not seen, by cause.", labels=["what"])
        for what, count in session.losses().json().items():
            lost.add_metric([what], count)
        yield lost
        cost = session.cost()
        yield CounterMetricFamily(
            "srr_trace_hits", "Probes that were hit: each costs the traced process time.", cost.hits
        )
        yield GaugeMetricFamily("srr_trace_hit_seconds", "What a hit costs, measured at the start.", cost.hit_ns / 1e9)

    def _of_table(self, processes: Sequence[Process]) -> Iterator[Family]:
        states = GaugeMetricFamily("srr_blocked_threads", "Threads by state.", labels=["state"])
        counts = dict.fromkeys(("SEND", "RECEIVE", "REPLY", "SIGNAL"), 0)
        queued: dict[str, int] = {}
        served: dict[str, int] = {}
        receivers: dict[str, int] = {}
        for process in processes:
            label = self._label(process.pid)
            if process.receivers or process.received:
                receivers[label] = receivers.get(label, 0) + process.receivers
            counts["RECEIVE"] += process.receivers
            for thread in process.blocked:
                if thread.state is Blocked.RECEIVE:
                    continue
                counts[str(thread.state)] = counts.get(str(thread.state), 0) + 1
                on = queued if thread.state is Blocked.SEND else served
                server = self._label(thread.on)
                on[server] = on.get(server, 0) + 1
        for state, count in counts.items():
            states.add_metric([state.lower()], count)
        yield states
        yield GaugeMetricFamily("srr_processes", "Processes that use srr.", len(processes))
        servers = sorted({*queued, *served, *receivers})
        for name, text, values in (
            ("queue_length", "Threads SEND-blocked on the server: messages that it has not received yet.", queued),
            ("unreplied", "Threads REPLY-blocked on the server: messages that it has not replied to yet.", served),
            ("receiving_threads", "Its threads RECEIVE-blocked. 0, with a queue: all are busy.", receivers),
        ):
            gauge = GaugeMetricFamily(f"srr_{name}", text, labels=["server"])
            for server in servers:
                gauge.add_metric([server], values.get(server, 0))
            yield gauge


def buckets(histogram: Histogram) -> list[tuple[str, float]]:
    """Cumulative, by the upper end in seconds, as Prometheus wants them."""
    found = []
    upto, bucket = 0, 0
    for end in _ENDS:
        while bucket < BUCKETS and bucket_bounds(bucket)[1] <= end:
            upto += histogram.counts[bucket]
            bucket += 1
        found.append((repr(end / 1e9), float(upto)))
    return [*found, ("+Inf", float(histogram.count))]
