"""`srr-trace metrics`: what Prometheus reads is what was sent."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable
from typing import Any, cast

import pytest
from drive import Blocked, Company
from prometheus_client.parser import text_string_to_metric_families
from tracers import Trace, Tracer
from views import NOBODY, ask_all, pair_in_c

from srr.processes import Process
from srr.state import Flag
from srr.trace import metrics
from srr.trace.metrics import Exporter
from srr.trace.session import Cost, Losses, Session
from srr.trace.totals import STEPS, Histogram, Totals, bucket_bounds

COUNT = 1009

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parsed(text: str) -> Samples:
    """As Prometheus itself understands it, by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


def url_of(tracer: Tracer) -> str:
    line = tracer.line()
    assert line is not None and re.fullmatch(r"http://127\.0\.0\.1:\d+/metrics", line), (line, tracer.errors)
    return line


def scrape(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        text: bytes = answer.read()
    return text.decode()


def check(samples: Samples, count: int, **labels: str) -> None:
    """Histograms are whole: cumulative, and as many as there were transactions."""
    for step in STEPS:
        found = [
            (float(dict(key)["le"]), n)
            for (name, key), n in samples.items()
            if name == f"srr_{step}_seconds_bucket" and labels.items() <= dict(key).items()
        ]
        counts = [n for _, n in sorted(found)]
        assert len(counts) == 26 and counts == sorted(counts) and counts[-1] == count, step
        assert value(samples, f"srr_{step}_seconds_count", **labels) == count
        assert 0 <= value(samples, f"srr_{step}_seconds_sum", **labels) < 60


# ---- what is told, of what there is


class Kernel:
    """Stands for a session: totals that a test makes up."""

    def __init__(self) -> None:
        self.table: dict[tuple[int, int], Totals] = {}

    def ended(self, client: int, server: int, times: Iterable[int]) -> None:
        t = self.table.setdefault((client, server), Totals(client, server, None))
        for ns in times:
            t.count += 1
            t.sent += 10
            for step in STEPS:
                t.steps[step].add(ns)

    def totals(self) -> list[Totals]:
        return [Totals(t.client, t.server, t.type) + t for t in self.table.values()]

    def clients(self) -> set[int]:
        return {client for client, _ in self.table}

    def forget(self, clients: set[int]) -> None:
        for key in [key for key in self.table if key[0] in clients]:
            del self.table[key]

    def drain(self) -> list[Any]:
        return []

    def losses(self) -> Losses:
        return Losses(totals=3)

    def cost(self) -> Cost:
        return Cost(100, 600.0, 1.0)


def process(pid: int, program: str, *names: str) -> Process:
    return Process(pid, program, names, 0, 0, 0, 0, 0, Flag(0), {}, ())


def exporter(kernel: Kernel, *processes: Process, **keywords: bool) -> Exporter:
    return Exporter(cast(Session, kernel), lambda: list(processes), **keywords)


def told(made: Exporter) -> Samples:
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(made)
    return parsed(generate_latest(registry).decode())


def test_servers_of_one_name_are_one() -> None:
    kernel = Kernel()
    kernel.ended(1, 10, [1000] * 3)
    kernel.ended(2, 11, [1000] * 4)
    kernel.ended(2, 12, [1000] * 5)
    samples = told(exporter(kernel, process(10, "a", "plc"), process(11, "b", "plc"), process(12, "c")))
    assert value(samples, "srr_transactions_total", server="plc") == 7
    assert value(samples, "srr_transactions_total", server="c") == 5
    assert value(samples, "srr_trace_lost_total", what="totals") == 3
    assert value(samples, "srr_trace_hits_total") == 100


def test_labels_on_request() -> None:
    kernel = Kernel()
    kernel.ended(1, 10, [1000])
    who = (process(1, "me"), process(10, "a", "plc"))
    assert value(told(exporter(kernel, *who, by_client=True)), "srr_sent_bytes_total", server="plc", client="me") == 10
    assert value(told(exporter(kernel, *who, by_pid=True)), "srr_sent_bytes_total", server="plc-10") == 10
    assert value(told(exporter(kernel)), "srr_sent_bytes_total", server="unknown") == 10


def test_a_name_that_comes_late_does_not_take_what_was_counted() -> None:
    kernel = Kernel()
    kernel.ended(1, 10, [1000])
    there = [process(10, "a")]
    made = Exporter(cast(Session, kernel), lambda: there)
    assert value(told(made), "srr_transactions_total", server="a") == 1
    there[0] = process(10, "a", "plc")
    assert value(told(made), "srr_transactions_total", server="a") == 1
    there.clear()
    made.keep_room()
    made.keep_room()
    assert value(told(made), "srr_transactions_total", server="a") == 1, "also when it has ended"


def test_hostile_names() -> None:
    kernel = Kernel()
    kernel.ended(1, 10, [1000])
    samples = told(exporter(kernel, process(10, "a", 'x"} 1\nsrr_fake 7\x1b\udc80')))
    assert value(samples, "srr_transactions_total", server='x"} 1\\nsrr_fake 7\\x1b\\udc80') == 1
    assert not any(name == "srr_fake" for name, _ in samples)


def test_ended_clients_make_room_and_stay_in_the_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_CROWDED", 1)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    kernel = Kernel()
    kernel.ended(gone.pid, 10, [1000, 2000, 1 << 33])
    kernel.ended(os.getpid(), 10, [5000])
    made = exporter(kernel, process(10, "plc"))
    before = told(made)
    made.keep_room()
    assert set(kernel.table) == {(os.getpid(), 10)}
    assert told(made) == before
    kernel.ended(os.getpid(), 10, [5000])
    made.keep_room()
    after = told(made)
    assert value(after, "srr_transactions_total", server="plc") == 5
    check(after, 5, server="plc")


def test_no_bucket_is_cut() -> None:
    histogram = Histogram()
    for ns in (10, 1000, 1024, 4095, 4096, 10**9, 10**11):
        histogram.add(ns)
    found = dict(metrics.buckets(histogram))
    assert found[repr(1024e-9)] == 2 and found[repr(4096e-9)] == 4 and found["+Inf"] == 7
    ends = {bucket_bounds(n)[1] for n in range(128)}
    assert all(round(float(le) * 1e9) in ends for le in found if le != "+Inf")


# ---- the command


@pytest.mark.usefixtures("needs_bpf")
def test_a_scrape_tells_what_was_sent(company: Company, trace: Trace) -> None:
    server, client = company.start(), company.start()
    server.do("attach", name="metered")
    tracer = trace("metrics", "--port", "0")
    url = url_of(tracer)
    serving = server.order("serve", count=COUNT)
    client.do("repeat", to=server.pid, count=COUNT - 9, nbytes=100)
    assert value(parsed(scrape(url)), "srr_transactions_total", server="metered") == COUNT - 9
    client.do("repeat", to=server.pid, count=9, nbytes=100)
    serving.result()
    samples = parsed(scrape(url))
    assert value(samples, "srr_transactions_total", server="metered") == COUNT
    assert value(samples, "srr_failed_transactions_total", server="metered") == 0
    assert value(samples, "srr_sent_bytes_total", server="metered") == 100 * COUNT
    assert value(samples, "srr_replied_bytes_total", server="metered") == 100 * COUNT
    check(samples, COUNT, server="metered")
    assert all(n == 0 for (name, _), n in samples.items() if name == "srr_trace_lost_total")
    assert value(samples, "srr_trace_hits_total") >= COUNT and value(samples, "srr_trace_hit_seconds") > 0
    assert value(samples, "process_cpu_seconds_total") > 0
    assert tracer.stop() == 0
    with pytest.raises(urllib.error.URLError):
        scrape(url)


@pytest.mark.usefixtures("needs_bpf")
def test_programs_in_c(trace: Trace) -> None:
    with pair_in_c(COUNT) as (server, client):
        url = url_of(trace("metrics", "--port", "0", "--by-pid", "--by-client"))
        ask_all(client)
        samples = parsed(scrape(url))
    labels = {"server": f"pair-{server}", "client": f"pair-{client.pid}"}
    assert value(samples, "srr_transactions_total", **labels) == COUNT
    check(samples, COUNT, **labels)


def test_the_waiting_table_needs_no_privilege(company: Company, trace: Trace) -> None:
    server, first, second = company.start_many(3)
    server.do("attach", name="busy")
    url = url_of(trace.start("metrics", "--port", "0", "--table-only"))
    sending = [client.order("send", to=server.pid, message=b"x") for client in (first, second)]
    for client in (first, second):
        client.until_blocked(Blocked.SEND)
    samples = parsed(scrape(url))
    assert value(samples, "srr_queue_length", server="busy") == 2
    assert value(samples, "srr_blocked_threads", state="send") >= 2
    assert value(samples, "srr_receiving_threads", server="busy") == 0
    server.do("receive", hold="one")
    samples = parsed(scrape(url))
    assert value(samples, "srr_queue_length", server="busy") == 1
    assert value(samples, "srr_unreplied", server="busy") == 1
    assert not any(name.startswith(("srr_transactions", "srr_trace")) for name, _ in samples)
    server.do("reply", hold="one")
    server.do("receive", hold="two")
    server.do("reply", hold="two")
    for one in sending:
        one.result()
    assert value(parsed(scrape(url)), "srr_unreplied", server="busy") == 0


@pytest.mark.usefixtures("needs_bpf")
def test_once(company: Company, trace: Trace) -> None:
    server, client = company.start(), company.start()
    tracer = trace("metrics", "--once", "--duration", "40s", "--by-pid")
    server.order("serve", count=10)
    client.do("repeat", to=server.pid, count=10)
    assert tracer.stop() == 0
    found = [
        n
        for (name, labels), n in parsed(tracer.text).items()
        if name == "srr_transactions_total" and dict(labels)["server"].endswith(f"-{server.pid}")
    ]
    assert found == [10]


def test_once_without_privilege(trace: Trace) -> None:
    ran = trace.run("metrics", "--once", "--table-only", prefix=NOBODY)
    assert ran.end() == 0, ran.errors
    assert value(parsed(ran.text), "srr_processes") >= 0


def test_a_port_in_use(trace: Trace) -> None:
    port = url_of(trace.start("metrics", "--port", "0", "--table-only")).rsplit(":", 1)[1].split("/")[0]
    ran = trace.run("metrics", "--port", port, "--table-only")
    assert ran.end() == 1
    assert f"127.0.0.1 port {port}: Address already in use. Choose another" in ran.errors


@pytest.mark.usefixtures("needs_bpf")
def test_nobody_may(trace: Trace) -> None:
    ran = trace.run("metrics", "--once", prefix=NOBODY)
    assert ran.end() == 1 and "CAP_BPF and CAP_PERFMON" in ran.errors and ran.text == ""
