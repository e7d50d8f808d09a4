"""`srr-trace record` and `replay`, on real processes: exact, in the states that the table has, whole when killed."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from drive import Company, Partner, exchange, until
from recordings import drawn, whole
from tracers import Trace

from srr import processes
from srr.processes import Process
from srr.state import Blocked
from srr.trace.cli.replay import _moment
from srr.trace.events import Change, Transaction
from srr.trace.feed import Event, Live
from srr.trace.programs import Wants
from srr.trace.recorder import Recorder, Writer, header
from srr.trace.recording import CannotReplay, Recording
from srr.trace.session import SETTLING

pytestmark = pytest.mark.usefixtures("needs_bpf")

#: A prime number of Sends for each client.
COUNT = 503


def a_load(company: Company, servers: int = 2, clients: int = 3) -> Callable[[], list[Partner]]:
    """Clients that Send, servers that answer, once it is called."""
    serving, sending = company.start_many(servers), company.start_many(clients)

    def run() -> list[Partner]:
        shares = [clients // servers + (n < clients % servers) for n in range(servers)]
        orders = [server.order("serve", count=COUNT * share) for server, share in zip(serving, shares, strict=True)]
        for n, client in enumerate(sending):
            to = serving[n % servers].pid
            orders.append(client.order("repeat", to=to, count=COUNT, nbytes=8 + 100 * n))
        for order in orders:
            order.result()
        return sending

    return run


def of(events: list[dict[str, Any]], pids: set[int]) -> list[dict[str, Any]]:
    return [event for event in events if event.get("client") in pids]


def test_what_is_replayed_is_what_was_told(company: Company, tmp_path: Path) -> None:
    """Every event of a session, in its order, each field equal."""
    run = a_load(company)
    source = Live()
    wants = Wants(transactions=True, changes=True, exits=True, peek=24)
    told: list[Event] = []
    with source.feed(wants, transfers=True) as feed:
        writer = Writer(str(tmp_path / "t"), header(feed, wants, True, source.now_ns()))
        recorder = Recorder(feed, source, writer)
        clients = {partner.pid for partner in run()}
        for batch, settled_ns in ((feed.drain(), source.now_ns() - SETTLING), (feed.finish(), 1 << 63)):
            told += batch
            recorder.tick(batch, settled_ns) if settled_ns < 1 << 63 else recorder.last(batch)
        writer.finish(source.now_ns(), recorder.sums(), "test")
        writer.close()
        made = feed.made()
    with (
        Recording(str(tmp_path / "t")) as recording,
        recording.feed(Wants(transactions=True, changes=True, exits=True, peek=24), transfers=True) as back,
    ):
        while recording.pace(0.05):
            pass
        replayed = back.finish()
        # The kernel tells all threads' ends; those of programs that do not use srr are left out.
        kept = set(replayed)
        ours = [event for event in told if not isinstance(event, Change) or event in kept or event.pid in clients]
        assert replayed == ours
        assert len([event for event in told if isinstance(event, Transaction) and event.client in clients]) == 3 * COUNT
        assert back.losses().total == 0 and back.made() == made and back.cost().hits > 6 * COUNT


def test_the_command_records_all_and_replays_the_same_lines(company: Company, trace: Trace, tmp_path: Path) -> None:
    run = a_load(company)
    path = str(tmp_path / "t.pftrace")
    listening, recorder = trace("--json", "--peek", "16"), trace("record", path, "--peek", "16", "--fail-on-loss")
    clients = {partner.pid for partner in run()}
    live = of(listening.stopped(), clients)
    assert recorder.stop() == 0
    assert "lost nothing" in recorder.text and path in recorder.text and recorder.errors == ""
    again = of(trace.run("replay", path, "--json", "--peek", "16").records(), clients)
    assert len(again) == 3 * COUNT
    for one, other in zip(live, again, strict=True):
        assert abs(one.pop("time") - other.pop("time")) < 0.001  # two clocks' difference, measured twice
        assert one == other
    assert (tmp_path / "t.pftrace").stat().st_mode & 0o777 == 0o600


def test_perfetto_sees_slices_that_nest_and_arrows_that_arrive(company: Company, trace: Trace, tmp_path: Path) -> None:
    run = a_load(company)
    path = tmp_path / "t.pftrace"
    recorder = trace("record", str(path), "--transfers")
    clients = {partner.pid for partner in run()}
    assert recorder.stop() == 0
    found = drawn(path)
    sends = [each for each in found.named("Send ") if found.tracks[each.track].thread.pid in clients]
    assert len(sends) == 3 * COUNT
    flows = found.flows()
    for send in sends:
        steps = sorted(flows[int(send.notes["id"])], key=lambda each: each.begin)
        assert [each.name.split()[0] for each in steps] == ["SEND-blocked", "message", "wake-up"]
        blocked, message, woken = steps
        assert blocked.track == woken.track == send.track
        server = found.tracks[found.tracks[message.track].parent_uuid].process.pid
        assert server == send.notes["server"]
        assert send.begin <= blocked.begin and woken.end <= send.end  # type: ignore[operator]
        assert send.notes["status"] == "ok" and send.notes["sent"] == send.notes["replied"]
    named = {found.tracks[each].process.process_name for each in found.tracks if found.tracks[each].HasField("process")}
    assert any("partner" in name for name in named)
    assert len(found.named("read")) >= 3 * COUNT


def state(process: Process) -> Any:
    """What a recording can know of a process as exactly as the table."""
    threads = [
        (thread.tid, thread.state, thread.on, thread.id, thread.nbytes if thread.tid else 0, thread.taken_by)
        for thread in process.blocked
    ]
    taken = dict(process.taken)
    return sorted(threads), process.receivers, taken, process.names, process.received


def table(pids: list[int], found: list[Process]) -> dict[int, Any]:
    return {process.pid: state(process) for process in found if process.pid in pids}


def test_states_at_a_moment_are_those_of_the_table(
    company: Company, trace: Trace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Known states, held, begun before and after the recorder came; each compared with the live table then."""
    monkeypatch.setenv("SRR_RUNTIME_DIR", str(company.names))
    path = tmp_path / "t.pftrace"
    server, other, one, two, three = company.start_many(5)
    pids = [partner.pid for partner in company.partners]
    moments: list[tuple[int, dict[int, Any]]] = []

    def look() -> None:
        before = time.monotonic_ns()
        moments.append((before, table(pids, processes.survey())))

    exchange(server, one)  # so that all are known
    other.do("attach", name="other")
    held = one.order("send", to=server.pid, message=b"held")
    server.do("receive")
    one.until_blocked(Blocked.REPLY)
    waiting = two.order("send", to=server.pid, message=b"waits")
    two.until_blocked(Blocked.SEND)
    receiving = other.order("receive")
    other.until_blocked(Blocked.RECEIVE)

    recorder = trace("record", str(path))
    until("it has surveyed", lambda: _surveyed(path))
    look()  # what was blocked before
    third = three.order("send", to=other.pid, message=b"")
    receiving.result()
    three.until_blocked(Blocked.REPLY)
    look()
    server.do("reply")
    assert held.result() == b""
    look()
    server.do("receive", hold="second")
    two.until_blocked(Blocked.REPLY)
    look()
    both = server.order("receive", thread="another")
    until("a second thread receives", lambda: server.look().receivers == 1)
    look()
    sent = one.order("send", to=server.pid, message=b"more")
    both.result()
    one.until_blocked(Blocked.REPLY)
    look()
    server.do("reply", hold="second")
    waiting.result()
    time_of_death = time.monotonic_ns()
    two.kill()
    look()
    assert recorder.stop() == 0, recorder.errors
    with Recording(str(path)) as recording:
        assert recording.begin_ns < moments[0][0] and time_of_death < recording.end_ns
        for n, (moment, live) in enumerate(moments[:-1]):
            recording.seek(moment)
            assert table(pids, recording.survey()) == live, f"look {n}"
        # And going on from the beginning, without the help of later surveys.
        recording.seek(recording.begin_ns)
        for n, (moment, live) in enumerate(moments[:-1]):
            recording.pace((moment - recording.now_ns()) / 1e9)
            assert table(pids, recording.survey()) == live, f"look {n}"
        recording.seek(recording.end_ns)
        assert [thread for process in recording.survey() if process.pid == two.pid for thread in process.blocked] == []
    shown = trace.run("replay", "--at", f"{(moments[0][0] - recording.begin_ns) / 1e9:.9f}s", str(path), "ps", "--json")
    assert shown.end() == 0, shown.errors
    states = json.dumps(shown.records())
    assert str(two.pid) in states and "SEND" in states and "other" in states
    for order, partner, hold in ((third, other, "it"), (sent, server, "it")):
        if partner is other:
            other.do("reply", hold=hold)
        else:
            server.do("reply", thread="another", hold=hold)
        order.result()


def _surveyed(path: Path) -> bool:
    try:
        with Recording(str(path)) as recording:
            return recording.survey() != []
    except CannotReplay:
        return False  # not a chunk yet


def recorded(path: Path, clients: set[int]) -> list[Transaction]:
    with Recording(str(path)) as recording, recording.feed(Wants(transactions=True)) as feed:
        while recording.pace(1.0):
            pass
        found = [event for event in feed.finish() if isinstance(event, Transaction)]
    return [event for event in found if event.client in clients]


def test_a_recorder_that_is_killed_leaves_a_file_that_can_be_read(
    company: Company, trace: Trace, tmp_path: Path
) -> None:
    path = tmp_path / "t.pftrace"
    server, client, stuck = company.start_many(3)
    recorder = trace("record", str(path))
    for _ in range(23):
        exchange(server, client)
    pending = stuck.order("send", to=server.pid, message=b"stays")
    stuck.until_blocked(Blocked.SEND)
    until("they are written", lambda: len(recorded(path, {client.pid})) == 23)
    until("what is still blocked is drawn", lambda: _open_sends(path, stuck.pid))
    recorder.process.send_signal(signal.SIGKILL)
    recorder.end()
    assert len(recorded(path, {client.pid})) == 23
    (send,) = _open_sends(path, stuck.pid)
    assert send.end is None
    shown = trace.run("replay", str(path), "ps", "--json")
    assert "its recorder was killed" in shown.errors and str(stuck.pid) in shown.text
    server.do("receive")
    server.do("reply")
    pending.result()


def _open_sends(path: Path, pid: int) -> list[Any]:
    found = drawn(whole(path.read_bytes()))
    return [each for each in found.named("Send ") if each.end is None and found.tracks[each.track].thread.pid == pid]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_end_by_signal_is_in_good_order(company: Company, trace: Trace, tmp_path: Path, number: int) -> None:
    path = tmp_path / "t.pftrace"
    server, client = company.start(), company.start()
    recorder = trace("record", str(path), "--json")
    exchange(server, client)
    recorder.process.send_signal(number)
    assert recorder.end() == 0
    (said,) = recorder.records()
    assert said["file"] == str(path) and said["bytes"] == path.stat().st_size and said["lost"]["transactions"] == 0
    assert len(recorded(path, {client.pid})) == 1
    with Recording(str(path)) as recording:
        assert recording.warning == ""


def test_only_the_chosen_are_recorded(company: Company, trace: Trace, tmp_path: Path) -> None:
    path = tmp_path / "t.pftrace"
    server, client, other = company.start_many(3)
    server.do("attach", name="chosen")
    recorder = trace("record", str(path), "-p", str(client.pid))
    for sender in (client, other):
        exchange(server, sender)
    assert recorder.stop() == 0
    assert len(recorded(path, {client.pid})) == 1 and recorded(path, {other.pid}) == []
    named = trace.run("replay", str(path), "--json", "--name", "chosen").records()
    assert [line["client"] for line in named[:-1]] == [client.pid]
    none = trace.run("replay", str(path), "--name", "nobody's")
    assert none.end() == 1 and "nobody held it while this was recorded" in none.errors


VIEWS = (
    ("events",), ("events", "--json"), ("ps",), ("ps", "--json"), ("graph",), ("graph", "--format", "json"),
    ("hist",), ("imposed",), ("stacks",), ("deadlock", "--once"), ("top", "--batch"),
)  # fmt: skip


@pytest.fixture
def a_recording(company: Company, trace: Trace, tmp_path: Path) -> tuple[Path, Partner, Partner]:
    path = tmp_path / "all.pftrace"
    server, client = company.start(), company.start()
    recorder = trace("record", str(path), "--frames", "--imposed", "--transfers", "--syscalls", "--peek", "8")
    for _ in range(23):
        exchange(server, client, b"a message")
    exchange(server, client, bytes(100_000))  # longer than goes inline: one system call at least
    assert recorder.stop() == 0, recorder.errors
    return path, server, client


def test_every_view_shows_a_recording(a_recording: tuple[Path, Partner, Partner], trace: Trace) -> None:
    path, _, client = a_recording
    for view in VIEWS:
        # Others on this machine may be deadlocked just now.
        only = ("-p", str(client.pid)) if view[0] == "deadlock" else ()
        shown = trace.run("replay", str(path), *view, *only)
        assert shown.end() == 0, (view, shown.errors)
        assert "Traceback" not in shown.errors
        if view[0] != "deadlock":  # which is silent
            assert ("partner.py" if view[0] == "stacks" else str(client.pid)) in shown.text, view
    found = drawn(path)
    assert len(found.named("process_vm_readv")) > 0


def test_what_was_not_recorded_is_said_to_be_missing(company: Company, trace: Trace, tmp_path: Path) -> None:
    path = tmp_path / "t.pftrace"
    assert trace.run("record", str(path), "--duration", "50ms").end() == 0
    for view, option in (("stacks", "--frames"), ("imposed", "--imposed")):
        shown = trace.run("replay", str(path), view)
        assert shown.end() == 1 and f"recorded without {option}" in shown.errors
    shown = trace.run("replay", str(path), "--peek", "4")
    assert shown.end() == 1 and "recorded without --peek" in shown.errors


def test_mistakes_are_one_clear_line(trace: Trace, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_bytes(b"not a trace")
    for arguments, code, text in (
        (("record",), 2, "FILE"),
        (("record", str(there)), 1, "is there already. Choose another name, or --force"),
        (("record", str(tmp_path / "no" / "t")), 1, "is no folder"),
        (("record", str(tmp_path / "t"), "--when-failed"), 2, "belong to --last TIME"),
        (("record", str(tmp_path / "t"), "--last", "soon"), 2, "is no time"),
        (("replay", str(there)), 1, "is no recording of srr-trace"),
        (("replay", str(tmp_path / "none")), 1, "No such file"),
        (("replay", str(there), "dance"), 2, "'dance' is no view; there are events"),
        (("replay", str(there), "record", "x"), 2, "is no view"),
    ):
        shown = trace.run(*arguments)
        assert shown.end() == code, (arguments, shown.errors)
        assert text in " ".join(shown.errors.split()), (arguments, shown.errors)
        assert "Traceback" not in shown.errors
    assert there.read_bytes() == b"not a trace" and not (tmp_path / "t").exists()


def test_moments_are_given_as_people_say_them(trace: Trace, tmp_path: Path) -> None:
    path = tmp_path / "t.pftrace"
    assert trace.run("record", str(path), "--duration", "100ms").end() == 0
    shown = trace.run("replay", "--at", "50ms", str(path), "ps")
    assert shown.end() == 0, shown.errors
    wrong = trace.run("replay", "--at", "90s", str(path), "ps")
    assert wrong.end() == 2 and "--at 90s: the recording is 0." in wrong.errors and "s long" in wrong.errors


def test_moments() -> None:
    """Of a recording of 100 seconds that began ten seconds before midnight."""
    midnight = round(time.mktime((2026, 3, 4, 0, 0, 0, 0, 0, -1)) * 1e9)
    begin, end, offset = 5000, 100_000_005_000, midnight - 10_000_000_000 - 5000
    for text, moment in (
        ("0", begin),
        ("2.5s", begin + 2_500_000_000),
        ("-1s", end - 1_000_000_000),
        ("23:59:51", begin + 1_000_000_000),
        ("00:00:01.5", begin + 11_500_000_000),
    ):
        assert _moment(text, begin, end, offset) == moment
    for text in ("101s", "-101s", "23:59:49", "00:01:31", "12:00:00", "soon", "1:2"):
        with pytest.raises(click.UsageError):
            _moment(text, begin, end, offset)


def test_it_says_which_package_is_missing(tmp_path: Path) -> None:
    (tmp_path / "perfetto.py").write_text("raise ImportError('not here')\n")
    shown = subprocess.run(
        [sys.executable, "-m", "srr.trace", "record", str(tmp_path / "t")],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=40,
    )
    assert shown.returncode == 1 and "pip install 'srr[trace]'" in shown.stderr and "Traceback" not in shown.stderr


def test_random_sends_are_in_the_file_with_their_status(company: Company, trace: Trace, tmp_path: Path) -> None:
    """Errors, time-outs and replies of all sizes, compared with what the partners know."""
    path = tmp_path / "t.pftrace"
    server, client = company.start(), company.start()
    chance = random.Random(7)
    recorder = trace("record", str(path), "-p", str(client.pid))
    expected: list[tuple[int, int, int]] = []
    for _ in range(31):
        message = bytes(chance.choice([0, 1, 2, 100, 5000, 200_000]))
        sending = client.order("send", to=server.pid, message=message)
        server.do("receive")
        if chance.random() < 0.3:
            server.do("error", errno=5)
            assert sending.failure() is not None
            expected.append((len(message), 0, 5))
        else:
            server.do("reply", data=message[:3000])
            sending.result()
            expected.append((len(message), len(message[:3000]), 0))
    assert recorder.stop() == 0
    found = recorded(path, {client.pid})
    assert [(event.sent, event.replied, event.status) for event in found] == expected
    notes = [each.notes for each in drawn(path).named("Send ") if each.notes.get("server") == server.pid]
    assert [note["status"] for note in notes] == ["EIO" if status else "ok" for _, _, status in expected]
