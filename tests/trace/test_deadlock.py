"""`srr-trace deadlock` before real processes: circles are told in a second, with their members; nothing else is."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from drive import Blocked, Company, Partner, until
from installed import installed
from tracers import Trace, Tracer, close_a_circle, only

from srr import processes

HERE = Path(__file__).parent

#: One thread, one Send: to the process whose number comes on stdin.
ALONE = """
import sys, srr
def ask_the_next(server):
    with srr.connect(server) as connection:
        connection.send(b"request \\x1b[31m of one")
ask_the_next(int(sys.stdin.readline()))
"""


class Asker:
    """A process with nothing but what it needs for one Send."""

    def __init__(self, names: Path, *command: str) -> None:
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, env={**os.environ, "SRR_RUNTIME_DIR": str(names)}
        )
        self.pid = self.process.pid

    def ask(self, server: int) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"%d\n" % server)
        self.process.stdin.flush()

    def until_blocked(self) -> processes.Thread:
        return until("it is blocked", self._blocked)

    def _blocked(self) -> processes.Thread | None:
        try:
            return next(iter(processes.look(self.pid).blocked), None)
        except FileNotFoundError:
            return None  # it has not used srr yet

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def askers(names: Path) -> Iterator[list[Asker]]:
    """To be filled: they end with the test."""
    made: list[Asker] = []
    yield made
    for asker in made:
        asker.close()


def alone(names: Path) -> Asker:
    return Asker(names, sys.executable, "-P", "-c", ALONE)


@functools.cache
def program() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="srr-asker-"))
    return installed().compile(HERE / "asker.c", folder / "asker", "srr", "-g", static=True)


def told(tracer: Tracer) -> dict[str, Any]:
    """What it tells before it ends with 1; its last line says that nothing was lost."""
    assert tracer.end() == 1, tracer.errors
    one, last = tracer.records()
    assert last["schema"] == one["schema"] == 1
    assert last["deadlocks"] == 1 and not any(last["lost"].values())
    return one


@pytest.mark.parametrize("count", [2, 3, 17])
@pytest.mark.timeout(120)
def test_a_circle_is_told_within_a_second_with_its_members(company: Company, trace: Trace, count: int) -> None:
    partners = company.start_many(count)
    bystander = company.start()
    bystander.order("send", to=partners[0].pid, message=b"me too")
    bystander.until_blocked(Blocked.SEND)
    tracer = trace("deadlock", "--json", "--no-stacks", *only(*partners))
    closed_ns = close_a_circle(partners)
    one = json.loads(tracer.line() or "")
    took = (time.monotonic_ns() - closed_ns) / 1e9
    print(f"told {took:.3f} s after it closed")
    assert took < 1.0
    assert tracer.end() == 1

    pids = [partner.pid for partner in partners]
    assert one["pids"] == sorted(pids)
    assert {(member["pid"], member["on"]) for member in one["members"]} == set(
        zip(pids, [*pids[1:], pids[0]], strict=True)
    )
    assert all(member["state"] == "SEND" for member in one["members"])
    assert bytes.fromhex(one["members"][0]["message"]["hex"]).startswith(b"to the ")
    assert [wait["pid"] for wait in one["behind"]] == [bystander.pid]
    # A partner has a thread that reads orders.
    assert not one["certain"] and one["other_threads"] == {str(pid): 1 for pid in pids}


def test_of_processes_without_other_threads_it_is_certain(trace: Trace, names: Path, askers: list[Asker]) -> None:
    first, second = alone(names), alone(names)
    askers += [first, second]
    tracer = trace("deadlock", *only(first, second))
    first.ask(second.pid)
    second.ask(first.pid)
    assert tracer.end() == 1
    assert "cycle of 2 processes (certain)" in tracer.text
    assert "SEND-blocked on" in tracer.text
    # Each has said what it sends, and that can not steer a terminal; and where it is.
    assert tracer.text.count(r"message of 20 bytes: request \x1b[31m of one") == 2
    assert tracer.text.count("ask_the_next (<string>:5)") == 2
    assert "\x1b" not in tracer.text


def test_a_reply_that_waits_for_its_client(company: Company, trace: Trace) -> None:
    """The server asks its client back before it replies: REPLY-blocked one way, SEND-blocked the other."""
    server, client = company.start(), company.start()
    client.order("send", to=server.pid, message=b"question")
    server.do("receive")
    server.order("send", to=client.pid, message=b"what do you mean?")
    server.until_blocked(Blocked.SEND)
    one = told(trace.start("deadlock", "--once", "--json", *only(server, client)))
    states = {member["pid"]: (member["state"], member["taken_by"]) for member in one["members"]}
    assert states == {client.pid: ("REPLY", server.pid), server.pid: ("SEND", None)}


def test_the_stacks_of_c_programs(trace: Trace, names: Path, askers: list[Asker]) -> None:
    """Also of a thread that is not the first; and nobody is left stopped."""
    first, second, python = Asker(names, str(program())), Asker(names, str(program()), "thread"), alone(names)
    askers += [first, second, python]
    for asker, server in zip(askers, [*askers[1:], first], strict=True):
        asker.ask(server.pid)
    of_second = second.until_blocked()
    assert of_second.tid != second.pid
    one = told(trace.start("deadlock", "--once", "--json", *only(*askers)))
    stacks = {member["pid"]: (member["tid"], member["stack"], member["why_no_stack"]) for member in one["members"]}
    for asker in (first, second):
        _, stack, why_not = stacks[asker.pid]
        assert why_not is None
        assert any(frame.startswith("ask_the_next (asker.c:") for frame in stack), stack
        assert Path(f"/proc/{asker.pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"
    assert stacks[second.pid][0] == of_second.tid
    assert any("ask_the_next (<string>:" in frame for frame in stacks[python.pid][1])
    assert one["other_threads"] == {str(second.pid): 1}


# ---- what is none


def test_none_of_these_is_a_deadlock(company: Company, trace: Trace) -> None:
    """A busy server, a slow chain, a client of a stopped process, of a dead one, of one that never receives."""
    busy, chain, stopped, dead, deaf, *clients = company.start_many(10)
    ours = only(*company.partners)
    tracer = trace("deadlock", "--continue", "--json", "--patience", "1s", "0.05", *ours)
    # Busy: it works on one message, and others wait.
    clients[0].order("send", to=busy.pid, message=b"long work")
    busy.do("receive")
    busy.order("count", to=1 << 60)
    # The chain: each waits for the next one's reply, the last of which works for long.
    clients[1].order("send", to=chain.pid, message=b"1")
    chain.do("receive")
    chain.order("send", to=busy.pid, message=b"2")
    # Stopped, while another client asks the busy one.
    stopped.do("receive", poll=True)
    stopped.stop()
    clients[2].order("send", to=stopped.pid, message=b"are you there?")
    clients[3].order("send", to=deaf.pid, message=b"hello?")
    gone = clients[4].order("send", to=dead.pid, message=b"hello?")
    clients[4].until_blocked(Blocked.SEND, dead.pid)
    dead.kill()
    assert type(gone.failure()).__name__ == "ServerDied"
    for client, server in ((clients[0], busy), (clients[1], chain), (chain, busy), (clients[2], stopped)):
        client.until_blocked(on=server.pid)
    # Stop, for a look of three seconds: longer than its patience.
    found = trace.run("deadlock", "--once", "--json", "--patience", "1s", *only(busy, chain, stopped, deaf, *clients))
    assert (found.end(), found.records()[-1]["deadlocks"]) == (0, 0)
    until("it has looked for 3 s", lambda: time.monotonic_ns() - clients[1].look().blocked[0].since_ns > 3e9)
    assert [record["deadlocks"] for record in tracer.stopped()] == [0]


def test_a_thread_that_receives_keeps_its_process_out_of_it(company: Company, trace: Trace) -> None:
    """Two that send to each other, and one of them has a server thread: it will receive."""
    one, other = company.start_many(2)
    for partner in (one, other):
        partner.order("receive", thread="server")
        partner.until_blocked(Blocked.RECEIVE)
    one.order("send", to=other.pid, message=b"a")
    other.order("send", to=one.pid, message=b"b")
    one.until_blocked(Blocked.REPLY)
    other.until_blocked(Blocked.REPLY)
    for partner in (one, other):  # their server threads hold the messages, and work
        partner.order("count", thread="server", to=1 << 60)
    found = trace.run("deadlock", "--once", "--json", "--patience", "1s", *only(one, other))
    assert (found.end(), found.records()[-1]["deadlocks"]) == (0, 0)


def test_a_deadlock_of_the_thread_that_took_the_message_while_others_receive(company: Company, trace: Trace) -> None:
    """A pool: another thread of the server could reply, so it is told, but not as certain; --certain is silent."""
    server, client = company.start_many(2)
    server.order("receive", thread="other")
    server.until_blocked(Blocked.RECEIVE)
    client.order("send", to=server.pid, message=b"first")
    client.until_blocked(Blocked.REPLY)
    server.order("receive", thread="idle")
    server.until_receivers(1)
    server.order("send", thread="other", to=client.pid, message=b"back")
    server.until_blocked(Blocked.SEND, client.pid)
    one = told(trace.start("deadlock", "--once", "--json", *only(server, client)))
    assert not one["certain"] and one["pids"] == sorted([server.pid, client.pid])
    assert trace.run("deadlock", "--once", "--certain", *only(server, client)).end() == 0


# ---- the command


def circle(company: Company) -> list[Partner]:
    partners = company.start_many(2)
    close_a_circle(partners)
    return sorted(partners, key=lambda partner: partner.pid)


def test_the_hook_gets_the_report_and_the_pids(company: Company, trace: Trace, tmp_path: Path) -> None:
    partners = circle(company)
    hook = f"{sys.executable} -c \"import os, sys; print(os.environ['SRR_DEADLOCK_PIDS']); print(sys.stdin.read())\""
    tracer = trace.run("deadlock", "--json", "--exec", hook, *only(*partners))
    assert tracer.end() == 1
    environment, report = tracer.errors.splitlines()[:2]
    assert environment == " ".join(str(partner.pid) for partner in partners)
    assert json.loads(report) == tracer.records()[0]


@pytest.mark.parametrize(
    ("hook", "complaint"),
    [("/nonexistent", "could not be run: No such file"), ("sh -c 'exit 3'", "failed with exit code 3")],
)
def test_a_hook_that_fails_is_said_and_the_deadlock_told_all_the_same(
    company: Company, trace: Trace, hook: str, complaint: str
) -> None:
    tracer = trace.run("deadlock", "--no-stacks", "--exec", hook, *only(*circle(company)))
    assert tracer.end() == 1 and complaint in tracer.errors and "cycle of 2 processes" in tracer.text


def test_with_continue_each_one_is_told_once(company: Company, trace: Trace) -> None:
    circles = [company.start_many(2) for _ in range(3)]
    pids = [sorted(partner.pid for partner in partners) for partners in circles]
    tracer = trace("deadlock", "--continue", "--json", "--no-stacks", "0.05", *only(*company.partners))
    for partners, expected in zip(circles, pids, strict=True):
        close_a_circle(partners)
        assert tracer.record()["pids"] == expected
    assert tracer.stop() == 1
    assert [record.get("pids", record.get("deadlocks")) for record in tracer.records()] == [*pids, 3]


def test_none_is_exit_0(company: Company, trace: Trace) -> None:
    partner = company.start()
    partner.do("attach", name="plc")
    once = trace.run("deadlock", "--once", *only(partner))
    assert (once.end(), once.text, once.errors) == (0, "", "")
    watching = trace("deadlock", "--name", "plc")
    assert (watching.stop(), watching.text, watching.errors) == (0, "", "")


def test_of_others_it_is_silent_and_of_nobody_it_complains(company: Company, trace: Trace) -> None:
    circle(company)
    other = company.start()
    other.do("receive", poll=True)
    once = trace.run("deadlock", "--once", *only(other))
    assert (once.end(), once.text) == (0, "")
    for words, complaint in (
        (["--name", "nobody"], "no process holds this name"),
        (["-p", "4194999"], "no such process"),
    ):
        tracer = trace.run("deadlock", "--once", *words)
        assert tracer.end() == 1 and complaint in tracer.errors


@pytest.mark.parametrize("words", [["--exec", "it's"], ["--exec", ""], ["--patience", "soon"], ["0"], ["x"]])
def test_wrong_arguments_are_exit_2(trace: Trace, words: list[str]) -> None:
    tracer = trace.run("deadlock", *words)
    assert tracer.end() == 2 and "Traceback" not in tracer.errors and len(tracer.errors.splitlines()[-1]) > 10


# ---- stacks that can't be had


def fake(folder: Path, name: str, script: str) -> str:
    """A tool of that name, before the real one in PATH."""
    tool = folder / name
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


@pytest.mark.may_heal
def test_a_tool_that_hangs_is_ended_and_its_victim_goes_on(
    company: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from srr.trace.stack import stacks

    victim = company.start()
    victim.do("wake")
    # $0 -1 -s -n 64 -p TID
    monkeypatch.setenv("PATH", fake(tmp_path, "eu-stack", "kill -STOP $6; exec sleep 1000"))
    monkeypatch.setattr("srr.trace.stack._is_python", lambda pid: False)
    found = stacks([(victim.pid, victim.pid)], timeout=0.5)
    assert found[victim.pid, victim.pid].why_not == "eu-stack did not end within 0.5 s"
    assert victim.do("tid") == victim.pid  # it obeys: it is not stopped


def test_a_process_that_was_stopped_stays_stopped(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    from srr.trace.stack import stacks

    victim = company.start()
    victim.do("wake")
    victim.stop()
    monkeypatch.setattr("srr.trace.stack._is_python", lambda pid: False)
    assert "it is stopped" in stacks([(victim.pid, victim.pid)])[victim.pid, victim.pid].why_not
    assert Path(f"/proc/{victim.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    victim.go_on()


def test_tools_that_are_missing_or_talk_nonsense_are_said_in_a_line(
    company: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from srr.trace.stack import stacks

    victim = company.start()
    victim.do("wake")
    both = (victim.pid, victim.pid)
    monkeypatch.setattr("srr.trace.stack.sys.executable", "/nonexistent/python")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert stacks([both])[both].why_not == (
        "py-spy is not installed; pip install 'srr[trace]'; eu-stack is not installed; apt-get install elfutils"
    )
    fake(tmp_path, "py-spy", "echo '[{\"os_thread_id\": 7}]'")
    fake(tmp_path, "eu-stack", "echo broken >&2; exit 2")
    assert "another version of it may; eu-stack: broken" in stacks([both])[both].why_not
    assert stacks([(1 << 22, 7)])[1 << 22, 7].why_not == "it has ended"


def test_sigterm_while_it_watches_is_a_quiet_end(trace: Trace) -> None:
    watching = trace("deadlock", "-p", str(os.getpid()))
    watching.process.send_signal(signal.SIGTERM)
    assert (watching.end(), watching.text, watching.errors) == (0, "", "")
