"""`srr bench`: it measures what it says, and leaves nobody behind. No number is compared with a limit."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

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


def test_ctrl_c_leaves_nobody_behind(shell: Shell) -> None:
    bench = shell.start("setsid", "--wait", *shell.command("bench", "--sizes", "64"))
    assert bench.stdout is not None
    while b"rounds" not in bench.stdout.readline():
        pass
    sessions = [int(pid) for pid in Path(f"/proc/{bench.pid}/task/{bench.pid}/children").read_text().split()]
    (session,) = sessions or [bench.pid]  # setsid forks only where it has to
    os.kill(session, signal.SIGINT)
    assert bench.wait() == 130
    while left(session):
        pass  # their ends are on the way: the suite's time limit is the limit
