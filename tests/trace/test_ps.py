"""`srr-trace ps`: the waiting table in columns of one's choice, and for programs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from typing import Any

import pytest
from click.testing import CliRunner
from drive import Blocked, Company, Partner, until
from statesim import SECOND, awaits_reply, process, receives, sends
from tracers import Trace

from srr import processes
from srr.trace import graph, pstable
from srr.trace.cli import main


def show(trace: Trace, *words: str) -> list[str]:
    tracer = trace.run("ps", *words)
    assert tracer.end() == 0, tracer.errors
    return tracer.text.splitlines()


def only(*partners: Partner) -> list[str]:
    return [word for partner in partners for word in ("-p", str(partner.pid))]


def records(trace: Trace, *words: str) -> list[dict[str, Any]]:
    tracer = trace.run("ps", "--json", *words)
    assert tracer.end() == 0, tracer.errors
    *found, last = tracer.records()
    assert last["schema"] == 1 and not any(last["lost"].values()) and last["processes"] == len(found)
    return found


def test_who_is_blocked_on_whom_and_who_waits_for_it(company: Company, trace: Trace) -> None:
    server, first, second = company.start_many(3)
    server.do("attach", name="plc")
    first.order("send", to=server.pid, message=b"x" * 100)
    first.until_blocked(Blocked.SEND, server.pid)
    server.do("receive", hold="a")
    second.order("send", thread="other", to=server.pid, message=b"y" * 7)
    other = second.until_blocked(Blocked.SEND, server.pid)

    by_pid = {record["pid"]: record for record in records(trace, *only(server, first, second))}
    assert set(by_pid) == {server.pid, first.pid, second.pid}
    of_server = by_pid[server.pid]
    assert of_server["names"] == ["plc"] and of_server["blocked"] == []
    assert (of_server["queue"], of_server["held"], of_server["receivers"], of_server["received"]) == (1, 1, 0, 1)
    assert 0 <= of_server["queue_age"] < 60
    (of_first,) = by_pid[first.pid]["blocked"]
    assert (of_first["state"], of_first["on"], of_first["taken_by"], of_first["nbytes"], of_first["on_names"]) == (
        "REPLY",
        server.pid,
        server.pid,
        100,
        ["plc"],
    )
    (of_second,) = by_pid[second.pid]["blocked"]
    assert (of_second["tid"], of_second["state"], of_second["taken_by"]) == (other.tid, "SEND", None)

    heading, *lines = show(trace, "-o", "abJBkmqhr", *only(server, first, second))
    assert heading.split() == ["PID", "TID", "STATE", "BLOCKED", "ON", "BY", "BYTES", "QLEN", "HELD", "RCVRS"]
    cells = {line.split()[0]: line.split()[1:] for line in lines}
    assert cells[str(server.pid)] == ["-", "-", "-", "-", "-", "1", "1", "0"]
    assert cells[str(first.pid)] == [
        str(first.pid),
        "REPLY",
        str(server.pid),
        "plc",
        str(server.pid),
        "100",
        "0",
        "0",
        "0",
    ]
    tid = str(other.tid)
    assert cells[f"{second.pid}/{tid}"] == [tid, "SEND", str(server.pid), "plc", "-", "7", "0", "0", "0"]


def test_by_name_and_again_and_again(company: Company, trace: Trace) -> None:
    server, other = company.start(), company.start()
    server.do("attach", name="plc")
    server.order("receive")
    server.until_blocked(Blocked.RECEIVE)
    other.order("receive")
    other.until_blocked(Blocked.RECEIVE)
    lines = show(trace, "--name", "plc", "-T", "0.01", "3")
    assert sum(bool(re.fullmatch(r"\d\d:\d\d:\d\d\.\d{6}", line)) for line in lines) == 3
    rows = [line for line in lines if str(server.pid) in line]
    assert len(rows) == 3 and all("RECEIVE anyone" in row for row in rows)
    assert not [line for line in lines if str(other.pid) in line]
    assert [record["pid"] for record in records(trace, "--name", "plc", "0.01", "2")] == [server.pid] * 2


def test_ctrl_c_ends_it_in_good_order(company: Company, trace: Trace) -> None:
    partner = company.start()
    partner.do("receive", poll=True)
    tracer = trace.start("ps", "--json", "0.05", *only(partner))
    assert tracer.record()["pid"] == partner.pid
    assert tracer.stop() == 0
    assert tracer.records()[-1]["looks"] >= 1


def test_head_has_seen_enough(trace: Trace) -> None:
    command = f"{sys.executable} -P -m srr.trace ps 0.01 100 | head -1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=30, env=os.environ)
    assert done.stdout.split()[0] == "PID" and "Traceback" not in done.stderr, done.stderr


def test_another_users_processes_are_not_for_a_user_without_privilege(company: Company, trace: Trace) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to be somebody else")
    partner = company.start()
    partner.do("receive", poll=True)
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    seen = trace.run("ps", "--json", prefix=nobody, environment={"SRR_RUNTIME_DIR": ""})
    assert seen.end() == 0, seen.errors
    assert partner.pid not in [record.get("pid") for record in seen.records()]


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (["-o", "aJ!"], 2, "'!' is no column"),
        (["-o", ""], 2, "no column is chosen"),
        (["-p", "0"], 2, "0"),
        (["-p", "4194999"], 1, "no such process"),
        (["-p", "1"], 1, "-p 1: it has not used srr"),
        (["--name", "nobody"], 1, "no process holds this name"),
        (["0"], 2, "INTERVAL"),
        (["1", "0"], 2, "COUNT"),
    ],
)
def test_wrong_arguments(trace: Trace, words: list[str], code: int, complaint: str) -> None:
    tracer = trace.run("ps", *words)
    assert tracer.end() == code
    assert complaint in tracer.errors and "Traceback" not in tracer.errors


# ---- the table itself


def table(letters: str, width: int, *found: Any) -> list[str]:
    seen = graph.build(found, 100 * SECOND)
    return list(pstable.table(letters, list(pstable.lines(seen, lambda process: True)), width))


def test_plain_lines_are_under_80_columns_whatever_things_are_called() -> None:
    long = "server-with-a-rather-long-name" * 3
    found = [process(n, sends(n, on=n + 1), program=long, names=(long, "second")) for n in range(4194000, 4194010)]
    lines = table(pstable.USUAL, 79, *found)
    assert len(lines) == 11 and max(map(len, lines)) <= 79
    assert all(str(n) in line for n, line in zip(range(4194000, 4194010), lines[1:], strict=True))
    assert long in table(pstable.USUAL, 10_000, *found)[1]


def test_names_can_not_steer_the_terminal() -> None:
    odd = process(7, sends(7, on=8), program="\x1b[2J\x9b\n\ud800", names=("a\tb\x07",))
    assert all(line.isprintable() for width in (20, 79, 1000) for line in table("nNBaJ", width, odd, odd))


def test_each_letter_is_in_the_help_and_shows_something() -> None:
    shown = CliRunner().invoke(main, ["ps", "--help"]).output
    seen = [process(1, awaits_reply(1, on=2, by=20)), process(2, receives(), receivers=1, taken={1: 20}, received=9)]
    for letter, column in pstable.COLUMNS.items():
        assert re.search(rf"^ *{letter}  {column.heading} ", shown, re.MULTILINE)
        heading, *lines = table(letter, 79, *seen)
        assert heading.strip() == column.heading and len(lines) == 2


def test_times_from_the_future_and_absurd_numbers_do_no_harm() -> None:
    odd = process(1 << 30, sends(5, on=-4, since=1e9), awaits_reply(6, on=1 << 31, by=-1, since=-1e9), received=1 << 64)
    assert len(table("".join(pstable.COLUMNS), 79, odd)) == 3


# ---- looking again and again


def test_a_survey_that_goes_on_sees_who_comes_and_who_goes(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes.Survey, "_YOUNG_S", -1.0)  # as though all were old
    late, gone = company.start_many(2)
    gone.do("receive", poll=True)
    survey = processes.Survey()

    def seen() -> dict[int, processes.Process]:
        return {process.pid: process for process in survey.look()}

    assert gone.pid in seen() and late.pid not in seen()
    gone.kill()
    assert gone.pid not in seen()
    late.order("receive")
    late.until_blocked(Blocked.RECEIVE)
    began = time.monotonic()
    until("the late one is seen", lambda: late.pid in seen())
    assert time.monotonic() - began < 0.9
    assert seen()[late.pid] == processes.look(late.pid)
