"""Whole demos: what they print, count, survive and exit with."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import tempfile
import termios
from pathlib import Path

import pytest
from demo.demos import PATIENCE, Demo, document, nodes, wait_for_end, wait_for_line

import srr


def owner(pid: str) -> int | None:
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except FileNotFoundError:
        return None


def test_every_count_is_right_and_adds_up(demo: Demo) -> None:
    ran = demo.run("--seconds", "4", "--json")
    assert ran.returncode == 0, ran.stderr
    told = document(ran)
    assert told["ok"]
    assert told["problems"] == []
    assert len(told["checks"]) == 7
    assert all(told["checks"].values())
    assert sum(told["processes"].values()) == 12 + 1

    assert sum(lane["messages"] for lane in told["lanes"].values()) == told["messages"]
    assert sum(lane["bytes"] for lane in told["lanes"].values()) == told["bytes"]
    assert told["lanes"]["direct"]["bytes"] > told["files"]["bytes"] > 20 << 20
    for latency in told["latency_us"].values():
        assert 0 < latency["p50"] <= latency["p99"] <= latency["p99.9"]
    assert told["latency_us"]["all"]["count"] <= told["messages"]
    assert told["readings"] > 100
    assert told["files"]["rounds"] >= 1
    assert told["files"]["bad_checksums"] == 0
    assert 0 <= told["seen"]["cpu %"]["mean"] <= 100

    killed = told["killed"]
    assert killed["successor"] not in (0, killed["pid"])
    assert killed["served_ms"] > 0
    assert len(killed["clients"]) == told["failures"]["announced"] >= 1
    assert told["failures"]["other"] == 0
    assert all(0 < ms < 200 for ms in killed["esrch_ms"].values())
    assert "SIGKILL: " in ran.stderr


def test_the_small_one_and_the_default_files(demo: Demo) -> None:
    command = [*demo.command()[:5], "--processes", "6", "--seconds", "2", "--plain"]
    ran = subprocess.run(command, capture_output=True, text=True, env=demo.environment(), timeout=50)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "every checksum right" in ran.stdout
    assert "none other" in ran.stdout
    assert ran.stdout.count("\nright  ") == 7
    assert not any(line != line.rstrip() for line in ran.stdout.splitlines())


@pytest.mark.skipif(os.geteuid() != 0, reason="starting other users' processes needs root")
def test_three_users(demo: Demo) -> None:
    """No process of theirs is left, no folder of names, and no helper, which was killed and came back in the middle."""
    folders = set(Path(tempfile.gettempdir()).glob("srr-demo-*"))
    command = [*demo.command()[:5], "--processes", "12", "--seconds", "4", "--users", "3", "--json"]
    ran = subprocess.run(command, capture_output=True, text=True, env=demo.environment(), timeout=PATIENCE)
    assert ran.returncode == 0, ran.stderr
    told = document(ran)
    assert all(told["checks"].values())
    assert "each message came from the user whose process sent it, by the kernel's word" in told["checks"]
    assert told["lanes"]["window"]["bytes"] > 1 << 20
    assert "direct" not in told["lanes"]
    assert len(told["users"]) == 3
    assert 0 < told["helper_back_ms"] < 5000
    assert not Path(f"/proc/{told['helper_killed']}").exists()
    assert not [pid for pid in os.listdir("/proc") if pid.isdigit() and owner(pid) in told["users"]]
    assert set(Path(tempfile.gettempdir()).glob("srr-demo-*")) <= folders


@pytest.mark.parametrize(
    ("what", "check", "blamed"),
    [
        ("checksum", "each file has the same checksum at both ends, and is on record once", "another checksum for 1 "),
        ("count", "each reading of a sensor is in a logger's books", "the drivers counted "),
    ],
)
def test_what_is_wrong_is_found(demo: Demo, what: str, check: str, blamed: str) -> None:
    ran = demo.run("--seconds", "2", "--sabotage", what, "--json")
    assert ran.returncode == 1
    told = document(ran)
    assert not told["ok"]
    assert [name for name, right in told["checks"].items() if not right] == [check]
    assert blamed in " ".join(told["problems"])
    assert f"WRONG  {check}" in ran.stderr


def test_a_death_that_nobody_announced_ends_it(demo: Demo) -> None:
    child = demo.start("--seconds", "40", "--plain")
    wait_for_line(child, "processes are there")
    started = nodes(child.pid)
    os.kill(started["driver-1"], signal.SIGKILL)
    said, _ = child.communicate()
    assert child.returncode == 1
    assert f"srr demo: driver-1 (pid {started['driver-1']}) was ended by SIGKILL, which nobody had announced" in said
    assert nodes(child.pid) == {}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all(demo: Demo, number: signal.Signals) -> None:
    child = demo.start("--seconds", "40", "--plain")
    wait_for_line(child, "processes are there")
    assert len(nodes(child.pid)) == 12
    child.send_signal(number)
    said, _ = child.communicate()
    assert child.returncode == 128 + number
    assert said.endswith("srr demo: stopped, and all its processes with it\n")
    assert nodes(child.pid) == {}


def test_no_process_outlives_a_demo_that_is_killed(demo: Demo) -> None:
    child = demo.start("--seconds", "40", "--plain")
    wait_for_line(child, "processes are there")
    started = nodes(child.pid)
    assert len(started) == 12
    child.kill()
    wait_for_end(list(started.values()), 5.0)


def test_they_are_unrelated(demo: Demo) -> None:
    """Nothing inherited: no descriptor but the standard ones and those that they opened, a session of their own."""
    inherited = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(inherited, True)
    child = demo.start("--seconds", "40", "--plain")
    wait_for_line(child, "processes are there")
    theirs = os.readlink(f"/proc/{child.pid}/ns/pid")
    for pid in nodes(child.pid).values():
        assert os.getsid(pid) == pid
        assert os.readlink(f"/proc/{pid}/fd/0") == "/dev/null"
        assert os.readlink(f"/proc/{pid}/ns/pid") == theirs
        links = [os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd") if name not in "012"]
        assert not any(link.startswith("pipe:") for link in links), links
    os.close(inherited)
    child.send_signal(signal.SIGINT)
    child.communicate()


def test_strangers_are_turned_away(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRR_RUNTIME_DIR", demo.environment()["SRR_RUNTIME_DIR"])
    child = demo.start("--seconds", "2", "--plain")
    wait_for_line(child, "processes are there")
    for pid in (child.pid, nodes(child.pid)["driver-1"]):
        for message in (b"hello", b"x" * 1000):
            with pytest.raises(OSError, match="answered with an error") as refused:
                srr.connect(pid).send(message)
            assert refused.value.errno == errno.EPROTO
    said, _ = child.communicate()
    assert child.returncode == 0, said


def test_two_at_the_same_time(demo: Demo) -> None:
    one, two = (demo.start("--seconds", "2", "--processes", "8", "--plain") for _ in range(2))
    for child in (one, two):
        said, _ = child.communicate()
        assert child.returncode == 0, said


@pytest.mark.parametrize(
    ("make", "why"),
    [
        ("nothing", "does not exist"),
        ("a file", "is a file"),
        ("empty", "no file in"),
        ("only a fifo", "no file in"),
    ],
)
def test_a_folder_that_will_not_do(demo: Demo, tmp_path: Path, make: str, why: str) -> None:
    folder = tmp_path / "folder"
    if make == "a file":
        folder.touch()
    elif make != "nothing":
        folder.mkdir()
    if make == "only a fifo":
        os.mkfifo(folder / "fifo")
    ran = demo.run("--files", str(folder))
    assert ran.returncode == 2
    assert ran.stdout == ""
    # click folds its message into a box or not, as it likes.
    assert why in " ".join(ran.stderr.split())


def test_the_live_screen(demo: Demo) -> None:
    """On a terminal of 80 by 24: all processes at once, then the terminal as it was, with the summary below."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {key: value for key, value in demo.environment().items() if key not in ("COLUMNS", "LINES")}
    child = subprocess.Popen(
        demo.command("--seconds", "4", "--processes", "40"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment | {"TERM": "xterm-256color"},
    )
    os.close(theirs)
    said = b""
    with child, os.fdopen(ours, "rb", buffering=0) as terminal:
        try:
            while piece := terminal.read(1 << 16):
                said += piece
        except OSError as error:
            assert error.errno == errno.EIO  # noqa: PT017 - the other end is closed: Linux says so
    assert child.returncode == 0, said.decode()
    before, screen, after = re.split(rb"\x1b\[\?1049[hl]", said)
    text = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", screen.decode())
    assert before.strip() == b""
    for name in ("super", "log-2", "ctl-4", "drv-6", "arch-3", "mov-4", "sens-21", "RECEIVE", "REPLY", "SIGKILL: "):
        assert name in text
    # The cursor goes home for each picture; nothing is erased in between, so nothing flickers.
    assert b"\x1b[2J" not in screen[1:]
    assert "every checksum right" in after.decode()


def test_help_says_how_it_exits(demo: Demo) -> None:
    ran = demo.run("--help")
    assert ran.returncode == 0
    for word in ("--seconds", "--processes", "--files", "--plain", "--json", "Exit status: 0 if every count"):
        assert word in ran.stdout
    assert "sabotage" not in ran.stdout
    assert json.dumps(ran.stdout)
