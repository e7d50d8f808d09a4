"""The flight recorder: the last seconds, in a file once something happens."""

from __future__ import annotations

import json
import random
import signal
import zlib
from pathlib import Path
from typing import Any

import pytest
from drive import Company, exchange
from recordings import World, drawn
from tracers import Trace

from srr.processes import Process, Thread
from srr.state import Blocked, Flag
from srr.trace import chunks
from srr.trace.events import Change, Kind
from srr.trace.flight import Flight, Watcher, numbered
from srr.trace.programs import Wants
from srr.trace.recording import Recording
from srr.trace.statemodel import Survey

bpf = pytest.mark.usefixtures("needs_bpf")

ABOUT: dict[str, Any] = {"clock_offset_ns": 0, "began_ns": 1, "wants": {}, "transfers": False}
SUMS: dict[str, Any] = {"lost": {}, "made": {}, "cost": {"hits": 0, "hit_ns": 0.0, "seconds": 0.0}, "imposed": []}
SECOND = 1_000_000_000


def at(when: int, nbytes: int = 0) -> Change:
    return Change(when, Kind.TRIGGER, 1, 1, 2, 3, 0, nbytes, 0, 0)


def filled(flight: Flight, seconds: int, each: int = 100) -> list[Change]:
    """So many seconds, with a survey at the beginning of each."""
    chance, told = random.Random(1), list[Change]()
    for second in range(1, seconds + 1):
        start = second * SECOND
        flight.survey(Survey(start, start + 1000, ()))
        events = [at(start + 2000 + n * 1_000_000, chance.getrandbits(60)) for n in range(each)]
        flight.events(events)
        told += events
    return told


def kept(flight: Flight, path: Path) -> list[Any]:
    flight.write(str(path), ABOUT, True, 10**12, SUMS, "test")
    with Recording(str(path)) as recording, recording.feed(Wants(changes=True)) as feed:
        while recording.pace(5.0):
            pass
        return feed.finish()


def test_the_last_seconds_are_kept_and_no_more(tmp_path: Path) -> None:
    flight = Flight(5 * SECOND, 1 << 20)
    told = filled(flight, 60)
    back = kept(flight, tmp_path / "t")
    # The segment in which the five seconds begin is kept as a whole.
    assert back == told[-len(back) :] and 500 <= len(back) <= 600
    assert not flight.is_short


def test_memory_is_bounded_whatever_happens(tmp_path: Path) -> None:
    flight = Flight(1000 * SECOND, 20_000)
    told = list[Change]()
    for _ in range(3):
        told += filled(flight, 40)
        assert flight.nbytes <= 20_000
    assert flight.is_short
    back = kept(flight, tmp_path / "t")
    assert 100 < len(back) < len(told) and back == told[-len(back) :]


def test_one_segment_that_is_too_large_loses_its_beginning(tmp_path: Path) -> None:
    flight = Flight(1000 * SECOND, 20_000)
    flight.survey(Survey(1, 2, (Process(7, "x", (), 0, 0, 0, 0, 0, Flag(0), {}, ()),)))
    chance = random.Random(2)
    told = [at(1000 + n, chance.getrandbits(60)) for n in range(20_000)]
    for n in range(0, len(told), 100):
        flight.events(told[n : n + 100])
        assert flight.nbytes <= 20_000
    back = kept(flight, tmp_path / "t")
    assert back == told[-len(back) :]
    with Recording(str(tmp_path / "t")) as recording:
        assert 7 in {process.pid for process in recording.survey()}


def test_states_survive_what_is_let_go(tmp_path: Path) -> None:
    """Who was blocked before the oldest second is in its survey."""
    flight = Flight(2 * SECOND, 1 << 20)
    flight.events([Change(5, Kind.SEND, 10, 10, 20, 0, 99, 4, 1, 0)])
    blocked = Thread(10, Blocked.SEND, 20, 5, 1, 99, 4)
    ten = Process(10, "x", (), 1, 0, 0, 0, 0, Flag(0), {}, (blocked,))
    for second in range(1, 30):
        flight.survey(Survey(second * SECOND, second * SECOND + 1, (ten,)))
    kept(flight, tmp_path / "t")
    with Recording(str(tmp_path / "t")) as recording:
        recording.seek(recording.end_ns)
        (found,) = (process for process in recording.survey() if process.pid == 10)
        assert [(thread.state, thread.on, thread.id) for thread in found.blocked] == [(Blocked.SEND, 20, 99)]
    assert len(drawn(tmp_path / "t").named("Send ")) == 1


def test_each_cause_is_told_once() -> None:
    flight, world = Flight(SECOND, 1 << 20), World(2)
    watcher = Watcher(flight, list, latency_ns=20_000, failed=True)
    told = 0
    while world.now < 3_000_000:
        world.step()
        fresh = world.events[told:]
        told = len(world.events)
        if not fresh:
            continue
        flight.events(fresh)
        for cause in watcher.causes(fresh, world.now):
            assert "Send of" in cause
    late = Watcher(flight, list, latency_ns=1)
    flight.events([Change(world.now, Kind.SEND, 1, 1, 5, 0, 77, 0, 0, 0)])
    first = [cause for _ in range(30) for cause in late.causes([], world.now + 10)]
    assert len(first) == len(set(first)) and any("SEND-blocked for" in cause for cause in first)
    assert list(late.causes([], world.now + 20)) == []


def test_files_are_numbered() -> None:
    assert [numbered("a/t.pftrace", n) for n in (1, 2, 3)] == ["a/t.pftrace", "a/t-2.pftrace", "a/t-3.pftrace"]
    assert numbered("t", 2) == "t-2"


# ---- the command


@bpf
def test_it_writes_when_a_send_fails_and_has_what_was_before(company: Company, trace: Trace, tmp_path: Path) -> None:
    path = tmp_path / "t.pftrace"
    server, client = company.start(), company.start()
    recorder = trace("record", str(path), "--last", "20s", "--when-failed", "--once", "--json", "-p", str(client.pid))
    for _ in range(7):
        exchange(server, client)
    assert not path.exists()
    sending = client.order("send", to=server.pid, message=b"x")
    server.do("receive")
    server.do("error", errno=5)
    sending.failure()
    said = recorder.record()
    assert said["why"] == f"the Send of {client.pid} to {server.pid} failed: EIO" and said["transactions"] == 8
    assert recorder.end() == 0
    lines = trace.run("replay", str(path), "--json").records()
    assert [line["status"] for line in lines[:-1]] == [0] * 7 + [5]


@bpf
def test_it_writes_while_a_send_is_late_still(company: Company, trace: Trace, tmp_path: Path) -> None:
    path = tmp_path / "t.pftrace"
    server, client = company.start(), company.start()
    recorder = trace(
        "record", str(path), "--last", "20s", "--when-latency", "150ms", "--once", "--json", "-p", str(client.pid)
    )
    exchange(server, client)
    sending = client.order("send", to=server.pid, message=b"late")
    server.do("receive")
    said = recorder.record()  # nothing has ended yet
    assert said["why"] == f"the Send of {client.pid} to {server.pid} has been REPLY-blocked for 150 ms"
    assert recorder.end() == 0
    (shown,) = (process for process in _at_the_end(path) if process.pid == client.pid)
    assert [(thread.state, thread.on) for thread in shown.blocked] == [(Blocked.REPLY, server.pid)]
    server.do("reply")
    sending.result()


def _at_the_end(path: Path) -> list[Process]:
    with Recording(str(path)) as recording:
        recording.seek(recording.end_ns)
        return recording.survey()


@bpf
def test_it_writes_when_a_cycle_closes(company: Company, trace: Trace, tmp_path: Path) -> None:
    path = tmp_path / "t.pftrace"
    one, two = company.start(), company.start()
    exchange(one, two)
    recorder = trace("record", str(path), "--last", "20s", "--when-deadlock", "--once", "--json", "-p", str(one.pid))
    exchange(two, one)
    forth = one.order("send", to=two.pid, message=b"")
    back = two.order("send", to=one.pid, message=b"")
    assert recorder.record()["why"] == f"a deadlock of {min(one.pid, two.pid)}, {max(one.pid, two.pid)}"
    assert recorder.end() == 0
    blocked = {process.pid: [thread.on for thread in process.blocked] for process in _at_the_end(path)}
    assert blocked[one.pid] == [two.pid] and blocked[two.pid] == [one.pid]
    assert not forth.answered() and not back.answered()
    graph = trace.run("replay", str(path), "graph", "--format", "json")
    assert graph.end() == 0 and str(one.pid) in graph.text


@bpf
def test_it_writes_when_it_is_asked_and_goes_on(company: Company, trace: Trace, tmp_path: Path) -> None:
    path = tmp_path / "t.pftrace"
    server, client = company.start(), company.start()
    recorder = trace("record", str(path), "--last", "20s", "--json", "-p", str(client.pid))
    for number in (1, 2):
        exchange(server, client)
        recorder.process.send_signal(signal.SIGUSR1)
        said = recorder.record()
        assert said["why"] == "SIGUSR1" and said["file"] == numbered(str(path), number)
    exchange(server, client)
    last = recorder.stopped()[-1]
    assert last["why"] == "asked to end" and last["file"] == numbered(str(path), 3)
    assert last["transactions"] == 3
    for number in (1, 2, 3):
        assert drawn(Path(numbered(str(path), number))).named("Send ")
    assert len(trace.run("replay", last["file"], "--json").records()) == 3 + 1


@bpf
def test_it_ends_after_so_many_files(company: Company, trace: Trace, tmp_path: Path) -> None:
    recorder = trace("record", str(tmp_path / "t"), "--last", "1s", "--files", "2", "--json")
    for _ in range(2):
        recorder.process.send_signal(signal.SIGUSR1)
        recorder.record()
    assert recorder.end() == 0
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["t", "t-2"]


def test_pieces_are_packed() -> None:
    flight = Flight(SECOND, 1 << 20)
    flight.survey(Survey(1, 2, ()))
    flight.events([at(5)])
    assert 0 < flight.nbytes < 400
    assert json.loads(zlib.decompress(zlib.compress(chunks.pack_json({"a": 1})))) == {"a": 1}
