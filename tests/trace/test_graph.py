"""`srr-trace graph` before real processes, in all its formats."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from click.testing import CliRunner
from drive import Blocked, Company, Partner, until
from statesim import SECOND, World, process, sends
from tracers import Trace

from srr.processes import Process
from srr.trace.cli import main


@pytest.fixture
def chain(company: Company) -> list[Partner]:
    """A server that works; a gateway REPLY-blocked on it; an hmi SEND-blocked on the gateway, by a second thread."""
    server, gateway, hmi = company.start_many(3)
    server.do("attach", name='pl"c')
    gateway.order("send", to=server.pid, message=b"1")
    server.do("receive")
    gateway.until_blocked(Blocked.REPLY, server.pid)
    hmi.order("send", thread="asks", to=gateway.pid, message=b"2")
    hmi.until_blocked(Blocked.SEND, gateway.pid)
    return [server, gateway, hmi]


def show(trace: Trace, *words: str, environment: dict[str, str] | None = None) -> str:
    tracer = trace.run("graph", *words, environment=environment)
    assert (tracer.end(), tracer.errors) == (0, ""), tracer.errors
    return tracer.text


def test_the_text_is_a_tree_of_who_waits_for_whom(chain: list[Partner], trace: Trace) -> None:
    server, gateway, hmi = chain
    lines = show(trace).splitlines()
    root = next(n for n, line in enumerate(lines) if line.startswith(f"{server.pid} "))
    assert lines[root].startswith(f'{server.pid} {Path(sys.executable).name} partner.py (pl"c)  runs  [holds 1]')
    assert lines[root + 1].startswith("└─ REPLY ") and f" {gateway.pid} python" in lines[root + 1]
    assert "[queue 1, the oldest " in lines[root + 1]
    assert lines[root + 2].startswith("   └─ SEND ") and f" {hmi.pid}/" in lines[root + 2]
    plain = show(trace, environment={"PYTHONIOENCODING": "ascii"})
    assert plain.isascii() and "`- REPLY " in plain


def test_a_starved_server_is_marked(chain: list[Partner], trace: Trace) -> None:
    gateway = chain[1]

    def starved() -> list[int]:
        found = json.loads(show(trace, "--json", "--starved", "500ms"))
        return [process["pid"] for process in found["processes"] if process["starved"]]

    until("it is starved", lambda: gateway.pid in starved())
    assert ", starved]" in next(
        line for line in show(trace, "--starved", "1ms").splitlines() if f" {gateway.pid} " in line
    )
    assert chain[0].pid not in starved()  # nobody queues there


def test_json_has_processes_waits_and_cycles(chain: list[Partner], company: Company, trace: Trace) -> None:
    server, gateway, hmi = chain
    one, other = company.start_many(2)
    one.order("send", to=other.pid, message=b"")
    other.order("send", to=one.pid, message=b"")
    for partner in (one, other):
        partner.until_blocked(Blocked.SEND)
    found = json.loads(show(trace, "--json"))
    assert found["schema"] == 1 and not any(found["lost"].values())
    waits = {(wait["pid"], wait["state"], wait["on"], wait["taken_by"]) for wait in found["waits"]}
    assert (gateway.pid, "REPLY", server.pid, server.pid) in waits and (hmi.pid, "SEND", gateway.pid, None) in waits
    processes = {process["pid"]: process for process in found["processes"]}
    assert processes[gateway.pid]["queue"] == 1 and processes[server.pid]["held"] == 1
    assert sorted([one.pid, other.pid]) in [sorted(cycle["pids"]) for cycle in found["cycles"]]
    assert "<- cycle" in next(line for line in show(trace).splitlines() if "SEND" in line and f" {one.pid} " in line)
    idle = company.start()
    idle.do("receive", poll=True)
    assert idle.pid in [process["pid"] for process in json.loads(show(trace, "--json"))["processes"]]
    assert idle.pid not in [process["pid"] for process in json.loads(show(trace, "--json", "--blocked"))["processes"]]


def test_around_one_process(chain: list[Partner], company: Company, trace: Trace) -> None:
    server, gateway, hmi = chain
    other = company.start()
    other.order("send", to=server.pid, message=b"")
    other.until_blocked(Blocked.SEND, server.pid)

    def shown(*words: str) -> set[int]:
        return {process["pid"] for process in json.loads(show(trace, "--json", *words))["processes"]}

    assert shown("-p", str(gateway.pid)) == {server.pid, gateway.pid, hmi.pid}
    assert shown("--name", 'pl"c') == {server.pid, gateway.pid, hmi.pid, other.pid}
    assert shown("-p", str(other.pid)) == {server.pid, other.pid}
    tracer = trace.run("graph", "--name", "nobody")
    assert tracer.end() == 1 and "no process holds this name" in tracer.errors


def test_svg_and_dot_and_mermaid(chain: list[Partner], trace: Trace, tmp_path: Path) -> None:
    assert show(trace, "-f", "svg", "-o", str(tmp_path / "who.svg")) == ""
    svg = ElementTree.parse(tmp_path / "who.svg")
    titles = [element.text for element in svg.iter("{http://www.w3.org/2000/svg}title")]
    assert f"p{chain[1].pid}->p{chain[0].pid}" in titles and f"p{chain[2].pid}->p{chain[1].pid}" in titles
    dot = show(trace, "-f", "dot")
    done = subprocess.run(["dot", "-Tplain"], input=dot, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and f"edge p{chain[1].pid} p{chain[0].pid} " in done.stdout
    mermaid = show(trace, "-f", "mermaid")
    assert mermaid.startswith("flowchart LR\n") and f"| p{chain[0].pid}\n" in mermaid


def test_without_graphviz_the_error_says_what_to_install_and_no_file_is_made(trace: Trace, tmp_path: Path) -> None:
    file = tmp_path / "who.svg"
    tracer = trace.run("graph", "-f", "svg", "-o", str(file), environment={"PATH": "/nonexistent"})
    assert tracer.end() == 1 and "apt-get install graphviz" in tracer.errors and not file.exists()


@pytest.mark.parametrize(
    ("words", "code"),
    [(["-f", "png"], 2), (["--starved", "x"], 2), (["-o", "/nonexistent/x"], 1), (["-o", "/dev/full"], 1)],
)
def test_wrong_arguments(trace: Trace, words: list[str], code: int) -> None:
    tracer = trace.run("graph", *words)
    assert tracer.end() == code and "Traceback" not in tracer.errors and tracer.errors


def test_head_has_seen_enough(trace: Trace) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -P -m srr.trace graph -f dot | head -1"],
        capture_output=True,
        text=True,
        timeout=30,
        env=os.environ,
    )
    assert done.stdout == "digraph srr {\n" and "Traceback" not in done.stderr


@pytest.mark.parametrize(("seconds", "cycles"), [(0.1, 0), (5, 1)])
def test_in_a_recording_a_cycle_must_have_stood(seconds: float, cycles: int) -> None:
    class Recorded(World):
        def survey(self) -> list[Process]:
            began = self.now_ns() / SECOND - seconds
            return [process(1, sends(1, on=2, since=began)), process(2, sends(2, on=1, since=began))]

    ran = CliRunner().invoke(main, ["graph", "--json"], obj=Recorded(1))
    assert ran.exit_code == 0, ran.output
    assert len(json.loads(ran.stdout)["cycles"]) == cycles
