"""`srr-trace top` as a command: real processes, plain text and JSON, and the whole screen in a terminal of its own."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import top_picture
from drive import Company, Partner, exchange
from tracers import PATIENCE, Trace

from srr.state import Blocked
from srr.trace import topcolumns


def of(record: dict[str, Any], partner: Partner) -> dict[str, Any]:
    return next(line for line in record["processes"] if line["pid"] == partner.pid)


# ---- without probes


#: Nobody's capabilities: then the kernel lets us look at those who have none either.
PLAIN = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")


def test_blocked_processes_are_shown_without_any_privilege(company: Company, trace: Trace) -> None:
    server, second, client = (company.start(*PLAIN) for _ in range(3))
    server.do("attach", name="plc")
    receiving = client.order("send", to=server.pid, message=b"one")
    assert server.do("receive").data == b"one"
    waiting = second.order("send", to=server.pid, message=b"two")
    client.until_blocked(Blocked.REPLY)
    second.until_blocked(Blocked.SEND)

    tracer = trace.run("top", "-b", "0.1", "2", prefix=PLAIN)
    assert tracer.end() == 0, tracer.errors
    assert "CAP_BPF and CAP_PERFMON" in tracer.errors and "root" in tracer.errors
    pages = tracer.text.split("\n\n")
    assert len([page for page in pages if page.strip()]) == 2
    for page in pages[:2]:
        line = {int(found[1]): found[0] for found in re.finditer(r"^ +(\d+) .*$", page, re.M)}
        assert f"SEND {server.pid} plc" in line[second.pid], page
        assert f"REPLY {server.pid} plc" in line[client.pid], page
        assert re.search(r"plc .* -  +- +1 +0 +0( +-)+$", line[server.pid]), page
        assert all(len(text) < 80 for text in page.splitlines())

    record = trace.run("top", "--json", "-p", str(second.pid), "0.1", "1", prefix=PLAIN).record()
    assert [line["pid"] for line in record["processes"]] == [second.pid]
    mine = of(record, second)
    assert (mine["state"], mine["on"], mine["bytes_per_s"], mine["service_p99_ns"]) == ("SEND", server.pid, None, None)
    assert mine["seconds"] > 0 and "CAP_BPF" in record["probes"] and record["cost"] is None

    server.do("reply", data=b"1")
    server.do("receive")
    server.do("reply", data=b"2")
    assert (receiving.result(), waiting.result()) == (b"1", b"2")


def test_deadlocked_and_starved_are_marked(company: Company, trace: Trace) -> None:
    one, other, slow, waits, served = company.start_many(5)
    one.order("send", to=other.pid)
    other.order("send", to=one.pid)
    held = served.order("send", to=slow.pid)
    slow.do("receive")
    queued = waits.order("send", to=slow.pid)
    tracer = trace.start("top", "--json", "0.1")
    wanted = ["deadlocked", "deadlocked", "starved"]
    while [of(record := tracer.record(), partner)["mark"] for partner in (one, other, slow)] != wanted:
        assert {of(record, partner)["mark"] for partner in (waits, served)} == {None}
        assert of(record, slow)["mark"] != "deadlocked"
    marked = [line["pid"] for line in record["processes"] if line["mark"]]
    assert {one.pid, other.pid, slow.pid} <= set(marked)
    assert marked == [line["pid"] for line in record["processes"][: len(marked)]], "they come first"
    slow.do("reply")
    slow.do("receive")
    slow.do("reply")
    held.result()
    queued.result()
    one.kill()
    while any(of(record, partner)["mark"] for partner in (slow, other)):
        record = tracer.record()
    assert tracer.stop() == 0


def test_wrong_arguments(trace: Trace) -> None:
    for arguments, code, what in (
        (["--sort", "size"], 2, "'size' is not one of"),
        (["0"], 2, "INTERVAL"),
        (["1", "0"], 2, "COUNT"),
        (["-p", "0"], 2, "--pid"),
        (["--name", "nobody here"], 1, "--name nobody here: no process holds this name"),
    ):
        tracer = trace.run("top", "--batch", *arguments)
        assert tracer.end() == code and what in tracer.errors, tracer.errors
        assert "Traceback" not in tracer.errors and not tracer.text


def test_a_reader_who_has_seen_enough(trace: Trace, names: Path, company: Company) -> None:
    server, client = company.start_many(2)
    exchange(server, client)
    done = subprocess.run(
        f"{sys.executable} -P -m srr.trace top --batch 0.05 | head -n 2",
        shell=True,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=os.environ | {"SRR_RUNTIME_DIR": str(names)},
    )
    assert len(done.stdout.splitlines()) == 2
    assert "rror" not in done.stderr


def test_its_help_explains_each_column(trace: Trace) -> None:
    text = trace.run("top", "--help").text
    for word in ("QLEN", "SENT/s", "RECV/s", "QUE50", "SRV99", "SND50", "BYTES/s", "BLOCKED ON", "Exit status"):
        assert word in text
    assert all(len(line) < 120 for line in text.splitlines())


# ---- with probes


@pytest.mark.usefixtures("needs_bpf")
def test_rates_bytes_and_times_of_known_work(company: Company, trace: Trace) -> None:
    server, client, other = company.start_many(3)
    exchange(server, client)  # before anybody looks
    tracer = trace("top", "--json", "--fail-on-loss", "1")
    number = 97
    serving = server.order("serve", count=number + 3)
    client.do("repeat", to=server.pid, count=number, nbytes=1000)
    other.do("repeat", to=server.pid, count=3, nbytes=8)
    serving.result()
    sent = received = 0.0
    nbytes = 0.0
    while sent < number - 0.5 or received < number + 2.5:
        record = tracer.record()
        mine, theirs = of(record, client), of(record, server)
        sent += record["seconds"] * mine["sent_per_s"]
        received += record["seconds"] * theirs["received_per_s"]
        nbytes += record["seconds"] * mine["bytes_per_s"]
    assert (round(sent), round(received), round(nbytes)) == (number, number + 3, 2 * 1000 * number)
    assert 0 < theirs["service_p50_ns"] <= theirs["service_p99_ns"] and theirs["queue_p50_ns"] is not None
    assert mine["send_p99_ns"] >= theirs["service_p50_ns"] and mine["service_p50_ns"] is None
    assert record["probes"] == "read" and record["cost"]["hits"] >= number + 3 and record["cost"]["hit_ns"] > 0
    *_, last = tracer.stopped()
    assert last["schema"] == 1 and set(last["lost"].values()) == {0} and last["looks"] >= 1


@pytest.mark.usefixtures("needs_bpf")
def test_only_the_holder_of_a_name_and_its_successor(company: Company, trace: Trace) -> None:
    first, second, client = company.start_many(3)
    first.do("attach", name="plc")
    tracer = trace("top", "--json", "--name", "plc", "0.1")
    assert [line["pid"] for line in tracer.record()["processes"]] == [first.pid]
    first.do("detach", name="plc")
    second.do("attach", name="plc")
    exchange(second, client)
    while not (found := tracer.record()["processes"]) or found[0]["service_p50_ns"] is None:
        assert [line["pid"] for line in found] in ([first.pid], [], [second.pid])
        exchange(second, client)
    assert [line["pid"] for line in found] == [second.pid]
    tracer.stopped()


# ---- in a terminal


class Screen:
    """`srr-trace top` in a terminal: what it writes, and whether it leaves that as it was."""

    def __init__(self, names: Path, *arguments: str, size: tuple[int, int] = (100, 24)) -> None:
        self.ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", size[1], size[0], 0, 0))
        self.theirs = theirs
        self.before = termios.tcgetattr(theirs)
        self.written = ""
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "srr.trace", "top", *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=subprocess.PIPE,
            env=os.environ | {"SRR_RUNTIME_DIR": str(names), "TERM": "xterm-256color"},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )

    def read(self, timeout: float) -> bool:
        if not select.select([self.ours], [], [], timeout)[0]:
            return False
        try:
            more = os.read(self.ours, 65536)
        except OSError:  # nobody has it open any more
            return False
        self.written += more.decode(errors="replace")
        return bool(more)

    def until(self, text: str) -> float:
        """Seconds since its start, when it has written this."""
        while text not in _plain(self.written):
            assert time.monotonic() - self.began < PATIENCE and self.process.poll() is None, _plain(self.written)
            self.read(0.2)
        return time.monotonic() - self.began

    def press(self, keys: str) -> None:
        self.written = ""
        os.write(self.ours, keys.encode())

    def end(self) -> int:
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < deadline, "it does not end"
            self.read(0.05)
        while self.read(0.05):
            pass
        return self.process.returncode

    def check_sane(self) -> None:
        assert termios.tcgetattr(self.theirs) == self.before, "the terminal's settings"
        for switch in ("?1049", "?1000", "?1003", "?2004"):  # the other screen, the mouse, pasting
            last = re.findall(rf"\x1b\[{re.escape(switch)}([hl])", self.written)
            assert not last or last[-1] == "l", f"{switch} is left on"
        assert "\x1b[?1049l" in self.written and self.written.rfind("\x1b[?25h") > self.written.rfind("\x1b[?25l")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()
        for fd in (self.ours, self.theirs):
            if fd >= 0:
                os.close(fd)


def _plain(text: str) -> str:
    return re.sub(r"\x1b(\[[0-9;?<>= ]*[A-Za-z@$]|\][^\x07]*\x07|.)", "", text)


@pytest.fixture
def screens(names: Path) -> Iterator[Any]:
    made: list[Screen] = []

    def start(*arguments: str, **keywords: Any) -> Screen:
        made.append(Screen(names, *arguments, **keywords))
        return made[-1]

    yield start
    for one in made:
        one.close()


def only(*partners: Partner) -> list[str]:
    return [word for partner in partners for word in ("-p", str(partner.pid))]


def blocked_pair(company: Company) -> tuple[Partner, Partner]:
    server, client = company.start_many(2)
    server.do("attach", name="plc")
    client.order("send", to=server.pid, message=b"the head of it")
    client.until_blocked(Blocked.SEND)
    return server, client


def test_the_first_screen_comes_at_once_and_tells_who_is_blocked(company: Company, screens: Any) -> None:
    server, client = blocked_pair(company)
    screen = screens(*only(server, client))
    seconds = screen.until(f"SEND {server.pid} plc")
    print(f"first screen after {1000 * seconds:.0f} ms")
    assert seconds < 5
    screen.press("\r")
    screen.until("PEER")
    screen.press("\x1b")
    screen.until("PID")
    screen.press("q")
    assert screen.end() == 0
    screen.check_sane()


@pytest.mark.usefixtures("needs_bpf")
def test_it_is_attached_and_one_process_is_opened(company: Company, screens: Any) -> None:
    _, client = blocked_pair(company)
    screen = screens(*only(client), "0.1")
    print(f"attached after {1000 * screen.until('lost nothing'):.0f} ms")
    screen.press("\r")
    screen.until("the head of it")
    screen.press("q")
    assert screen.end() == 0
    screen.check_sane()


@pytest.mark.parametrize(
    ("how", "code"), [("\x03", 0), (signal.SIGTERM, 143), (signal.SIGINT, 0), (signal.SIGHUP, 129)]
)
def test_the_terminal_is_as_it_was(company: Company, screens: Any, how: str | int, code: int) -> None:
    server, client = blocked_pair(company)
    screen = screens(*only(server, client))
    screen.until(f"SEND {server.pid} plc")
    if isinstance(how, str):
        screen.press(how)
    else:
        os.kill(screen.process.pid, how)
    assert screen.end() == code
    screen.check_sane()


def test_it_ends_when_its_terminal_does(company: Company, screens: Any) -> None:
    server, client = blocked_pair(company)
    screen = screens(*only(server, client))
    screen.until(f"SEND {server.pid} plc")
    os.close(screen.ours)
    os.close(screen.theirs)
    screen.ours = screen.theirs = -1
    assert screen.process.wait(PATIENCE) != 0


def test_a_tiny_terminal_that_changes_its_size(company: Company, screens: Any) -> None:
    server, client = blocked_pair(company)
    screen = screens(*only(server, client), "0.1", size=(40, 10))
    screen.until(f"SEND {server.pid}")
    for size in ((5, 40), (1, 1), (30, 200), (10, 40)):
        screen.written = ""
        fcntl.ioctl(screen.theirs, termios.TIOCSWINSZ, struct.pack("4H", *size, 0, 0))
        os.kill(screen.process.pid, signal.SIGWINCH)
        screen.read(1)
    screen.press("q")
    assert screen.end() == 0
    screen.check_sane()


def test_what_is_typed_quickly_is_not_lost(company: Company, screens: Any) -> None:
    server, client = blocked_pair(company)
    screen = screens(*only(server, client))
    screen.until(f"SEND {server.pid} plc")
    screen.press(f"/{client.pid}-\x7f\r")  # "-" would be another key to the table
    screen.until("1 of ")
    screen.until(f"/{client.pid}")
    assert "every 0.5 s" not in _plain(screen.written)
    screen.press("q")
    assert screen.end() == 0


def test_without_a_terminal_it_is_plain(company: Company, trace: Trace) -> None:
    server, client = blocked_pair(company)
    tracer = trace.start("top", *only(client), "0.1")
    line = tracer.until_line(f" {client.pid} ")
    assert f"SEND {server.pid} plc" in line and "\x1b" not in line
    assert tracer.stop() == 0


def test_json_lines_are_whole(company: Company, trace: Trace) -> None:
    exchange(*company.start_many(2))
    tracer = trace.run("top", "--json", "0.1", "3")
    lines = [json.loads(line) for line in tracer.text.splitlines()]
    assert [line["schema"] for line in lines] == [1] * 4
    assert lines[-1] == {"schema": 1, "looks": 3, "lost": lines[-1]["lost"]}
    assert all(line["seconds"] >= 0.1 for line in lines[:-1])


@pytest.mark.usefixtures("needs_bpf")
def test_its_picture(company: Company, names: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawn anew it shows what it is to show; the one in docs/ has the columns that there are."""
    monkeypatch.setenv("SRR_RUNTIME_DIR", str(names))
    drawn = asyncio.run(top_picture.draw(top_picture.scene(company)))
    kept = (Path(__file__).parents[2] / "docs" / "trace-top.svg").read_text(encoding="utf-8")
    for picture in (drawn, kept):
        text = " ".join("".join(ElementTree.fromstring(picture).itertext()).replace("\xa0", " ").split())
        assert all(column.heading in text for column in topcolumns.COLUMNS)
        for words in ("2 deadlocked (D)", "1 starved (S)", "lost nothing", "% of a CPU", "valve (partner.py)"):
            assert words in text
