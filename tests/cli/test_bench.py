"""`srr bench`: it measures what it says, and leaves nobody behind. No number is compared with a limit."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from shell import Shell

SHORT = ("--quick", "--rounds", "2", "--calls", "20", "--sizes", "64,1MiB")
TRANSPORTS = {"srr", "srr, SRR_SPIN_US=0", "multiprocessing.Pipe", "AF_UNIX socket pair"}


def check(record: dict[str, Any]) -> None:
    cpus = len(os.sched_getaffinity(0))
    placements = {"one CPU"} if cpus == 1 else {"one CPU", "two CPUs", "unpinned"}
    assert record["machine"]["kernel"] == os.uname().release
    assert {(s["transport"], s["placement"]) for s in record["round_trips"]} == {
        (transport, placement) for transport in TRANSPORTS for placement in placements
    }
    assert {(s["transport"], s["size"]) for s in record["sizes"]} == {
        (transport, size) for transport in ("srr", "multiprocessing.Pipe") for size in (64, 1 << 20)
    }
    for series in record["round_trips"] + record["sizes"]:
        assert len(series["p50_us"]) == len(series["p99_us"]) == len(series["sleeps"]) == 2
        assert all(cpu > 0 for cpu in series["cpu_us"])
        assert all(0 < p50 <= p99 for p50, p99 in zip(series["p50_us"], series["p99_us"], strict=True))
    assert len(record["first_contact_us"]) == 5


def left(parent: int) -> list[str]:
    """Bench processes that run; those of other tests have another session."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.getsid(int(entry.name)) == parent:
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except (ProcessLookupError, FileNotFoundError):
            continue
    return found


def test_tables_and_file(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    ran = shell.run("bench", *SHORT, "--json", str(file))
    assert (ran.returncode, ran.stderr) == (0, b"")
    record = json.loads(file.read_text())
    check(record)
    shown = ran.stdout.decode()
    for series in record["round_trips"]:
        assert f"{series['placement']} " in shown
        assert f" {series['transport']} " in shown
    assert "\n   64 B " in shown or "\n 64 B " in shown
    assert "First contact: " in shown


def lanes_of(record: dict[str, Any]) -> dict[tuple[str, int], set[str]]:
    """By what the bytes came in each row of the table, whatever the placement."""
    found: dict[tuple[str, int], set[str]] = {}
    for series in record["lanes"]:
        found.setdefault((series["transport"], series["size"]), set()).add(series["came_by"])
        assert len(series["p50_us"]) == len(series["sleeps"]) == len(series["cpu_us"]) == 2
        assert all(0 < p50 <= p99 for p50, p99 in zip(series["p50_us"], series["p99_us"], strict=True))
        assert all(cpu > 0 for cpu in series["cpu_us"])
    return found


ONE_USER = {
    ("one user", 64): {"inline"},
    ("one user", 1 << 20): {"direct"},
    ("one user, window", 64): {"window"},
    ("one user, window", 1 << 20): {"window"},
}


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
def test_lanes(shell: Shell, tmp_path: Path) -> None:
    """Each row's bytes came by what it says, as the receiver saw them."""
    file = tmp_path / "bench.json"
    ran = shell.run("bench", "--lanes", *SHORT, "--json", str(file), environment={"SRR_LANE": "window"})
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert lanes_of(json.loads(file.read_text())) == ONE_USER | {
        ("two users", 64): {"inline"},
        ("two users", 1 << 20): {"window"},
        ("two users, helper", 64): {"helper"},
        ("two users, helper", 1 << 20): {"helper"},
        ("two users, AF_UNIX", 64): {"socket"},
        ("two users, AF_UNIX", 1 << 20): {"socket"},
    }
    shown = ran.stdout.decode()
    assert "SOCKET/THIS" in shown
    assert " 1 MiB  two users, helper " in shown


def test_lanes_without_root(shell: Shell, tmp_path: Path) -> None:
    """One user's, beside a socket; and what is missing is told."""
    file = tmp_path / "bench.json"
    # As root: the number of somebody else, who may still read whatever interpreter this is.
    somebody = ("unshare", "--user", "--map-user=1001") if os.geteuid() == 0 else ()
    bench = shell.start(*somebody, *shell.command("bench", "--lanes", *SHORT, "--json", str(file)))
    shown, complaints = bench.communicate()
    assert (bench.returncode, complaints) == (0, b"")
    record = json.loads(file.read_text())
    assert b"two users: left out, only root can" in shown
    assert record["left_out"][-1].startswith("two users: left out")
    assert lanes_of(record) == ONE_USER | {
        ("one user, AF_UNIX", 64): {"socket"},
        ("one user, AF_UNIX", 1 << 20): {"socket"},
    }


def test_json_on_standard_output_is_nothing_else(shell: Shell) -> None:
    ran = shell.run("bench", *SHORT, "--json", "-")
    assert ran.returncode == 0
    check(json.loads(ran.stdout))


def test_one_cpu_leaves_the_other_placements_out_and_says_so(shell: Shell) -> None:
    first = str(min(os.sched_getaffinity(0)))
    bench = shell.start("taskset", "-c", first, *shell.command("bench", *SHORT))
    shown = bench.communicate()[0].decode()
    assert bench.returncode == 0
    assert "left out, only one CPU is usable" in shown
    assert "two CPUs  srr" not in shown


@pytest.mark.parametrize("options", [(), ("--lanes",)], ids=["plain", "lanes"])
def test_ctrl_c_leaves_nobody_behind(shell: Shell, options: tuple[str, ...]) -> None:
    bench = shell.start("setsid", "--wait", *shell.command("bench", "--sizes", "64", *options))
    assert bench.stdout is not None
    while b"rounds" not in bench.stdout.readline():
        pass
    session = bench.pid  # setsid need not fork: we are no group's leader. Its children may be the bench's by now
    assert os.getsid(session) == session
    os.kill(session, signal.SIGINT)
    assert bench.wait() == 130
    while left(session):
        pass  # their ends are on the way: the suite's time limit is the limit
