"""The parts of the demo by themselves: percentiles, the plan, live files, files in bundles, the screen."""

from __future__ import annotations

import os
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from srr.demo import plan, sources
from srr.demo.latency import Histogram
from srr.demo.node import Node
from srr.demo.picture import Picture, Row
from srr.demo.roles import mover
from srr.demo.screen import render
from srr.demo.supervisor import Supervisor
from srr.demo.wire import BUNDLE_MAX, Head, Kind, head


def test_percentiles_are_right_to_two_percent() -> None:
    values = sorted(int(random.Random(1).lognormvariate(11, 2)) for _ in range(50_000))
    one, two = Histogram(), Histogram()
    for at, value in enumerate(values):
        (one, two)[at % 2].add(value)
    one.merge(Histogram(two.pairs()))
    assert one.count == len(values)
    for percent in (1, 50, 99, 99.9, 100):
        exact = values[max(0, round(len(values) * percent / 100) - 1)]
        assert one.percentile(percent) == pytest.approx(exact, rel=0.02, abs=1)
    assert Histogram().percentile(50) is None


@pytest.mark.parametrize("processes", [plan.FEWEST, 7, 12, 40, 100, 1000])
def test_the_plan_has_no_circle_and_all_its_processes(processes: int) -> None:
    members = plan.members(processes, sources.present(), ["/"], 2, "")
    assert len(members) == processes
    assert [member.number for member in members] == list(range(1, processes + 1))
    role = {member.name: member.role for member in members}
    assert set(role.values()) == set(plan.ROLES)
    for member in members:
        # QNX's rule: Sends go up only, so nobody can wait for somebody who waits for him.
        assert all(plan.ROLES.index(role[server]) < plan.ROLES.index(member.role) for server in member.servers)
        assert len(set(member.servers)) == len(member.servers) >= (member.role != "logger")
        assert member.orders["clients"] == sum(member.name in other.servers for other in members)
        assert member.orders["clients"] > 0 or member.role in plan.SOURCES
    for driver in (member for member in members if member.role == "driver"):
        assert len(driver.orders["sources"]) == driver.orders["clients"]


def test_the_plan_spreads_each_role_over_the_users() -> None:
    members = plan.members(40, sources.present(), ["/"], 2, "", users=[1, 2, 3])
    owner = {member.name: member.uid for member in members}
    assert set(owner.values()) == {1, 2, 3}
    links = [(member.uid, server) for member in members for server in member.servers]
    assert sum(uid != owner[server] for uid, server in links) > len(links) // 2
    assert all(member.orders["whose"] == {server: owner[server] for server in member.servers} for member in members)
    assert not any(member.orders["whose"] for member in plan.members(12, sources.present(), ["/"], 2, ""))


def test_the_plan_reads_the_most_telling_files_first() -> None:
    few = plan.members(12, sources.present(), ["/"], 2, "")
    assert "/proc/stat" in {member.orders["source"] for member in few}


@pytest.mark.parametrize("path", [source.path for source in sources.present()])
def test_live_files_are_understood(path: str) -> None:
    counters, gauges = sources.SOURCES[path].parse(Path(path).read_text())
    assert counters or gauges
    assert all(isinstance(value, float) for value in (*counters.values(), *gauges.values()))


def test_processor_time() -> None:
    text = "cpu  100 0 50 800 40 5 5 0 30 0\ncpu0 1 1 1 1 1 1 1 1 1 1\nctxt 7\nprocesses 9\nprocs_running 2\n"
    counters, gauges = sources.SOURCES["/proc/stat"].parse(text)
    assert counters == {"cpu total": 1000.0, "cpu busy": 160.0, "context switches": 7.0, "forks": 9.0}
    assert gauges == {"processes running": 2.0}


def test_heads() -> None:
    packed = Head(Kind.BUNDLE, 7, 1 << 40).pack()
    assert head(packed + b"more") == (Kind.BUNDLE, 7, 1 << 40)
    assert head(b"") is None
    assert head(b"x" * 100) is None
    assert head(packed[:3] + b"\xff" + packed[4:]) is None


class Reading:
    """A mover's reader with a node that only counts."""

    def __init__(self, folder: Path, index: int = 0, of: int = 1) -> None:
        self.notes: dict[str, Any] = {}
        orders = {"files": [str(folder)], "share": [index, of]}
        node = SimpleNamespace(orders=orders, notes=self.notes, count=self.count)
        self.reader = mover.Reader(cast(Node, node))

    def count(self, what: str, by: int = 1) -> None:
        self.notes[what] = self.notes.get(what, 0) + by

    def one_round(self, size: int) -> dict[str, bytes]:
        """All files as they come out of the bundles."""
        found: dict[str, bytes] = {}
        while True:
            manifest, data = self.reader.bundle(size)
            assert sum(length for _, _, length, _ in manifest) == len(data) <= BUNDLE_MAX
            at = 0
            for path, offset, length, _ in manifest:
                if offset == 0 and path in found:
                    return found
                assert len(found.setdefault(path, b"")) == offset
                found[path] += data[at : at + length]
                at += length
            if not manifest:
                return found


@pytest.mark.parametrize("size", [1, 1 << 16, BUNDLE_MAX])
def test_bundles_hold_every_byte_of_every_file(files: Path, size: int) -> None:
    os.mkfifo(files / "fifo")
    found = Reading(files).one_round(size)
    assert found == {
        str(path): path.read_bytes() for path in files.rglob("*") if path.is_file() and not path.is_symlink()
    }


def test_movers_share_the_files(files: Path) -> None:
    shares = [set(Reading(files, index, 3).one_round(1 << 20)) for index in range(3)]
    assert sum(map(len, shares)) == len(set.union(*shares)) == 202


def test_nothing_to_read_is_an_empty_bundle(tmp_path: Path) -> None:
    manifest, data = Reading(tmp_path).reader.bundle(1 << 20)
    assert (manifest, len(data)) == ([], 0)


def test_a_file_that_has_gone_is_told(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = str(files / "below" / "gone")
    monkeypatch.setattr(mover, "walk", lambda places: iter([gone, str(files / "large")]))
    reading = Reading(files)
    assert reading.reader.bundle(1)[0][0][:3] == (str(files / "large"), 0, BUNDLE_MAX)
    assert reading.notes["skipped"] == 1
    assert reading.reader.skipped == {gone: "No such file or directory"}


def _picture(processes: int) -> Picture:
    members = plan.members(processes, sources.present(), ["/"], 2, "")
    rows = [
        Row(member.name, member.role, 4_000_000 + member.number, "REPLY", "archivist-3", 0.01, 12345.0, 987e6, "direct")
        for member in members
    ]
    return Picture([Row("supervisor", "supervisor", 1, "run", "", None, 1.0, 1.0, "inline"), *rows], 1.0, 1.0, {}, {})


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (200, 60), (40, 10), (300, 20), (20, 5)])
@pytest.mark.parametrize("processes", [6, 40, 300])
def test_the_screen_fits_the_terminal(width: int, height: int, processes: int) -> None:
    supervisor = cast(Supervisor, SimpleNamespace(phase="running", elapsed=1.0, seconds=12.0))
    events = [f"21:00:0{n}  " + "something happened " * 20 for n in range(9)]
    console = Console(width=width, height=height, color_system=None, force_terminal=True)
    with console.capture() as capture:
        console.print(render(supervisor, _picture(processes), "", events, 5, width, height))
    lines = capture.get().rstrip("\n").split("\n")
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    if (width, processes) == (80, 40):
        assert all(f"sens-{n} " in text for n in range(1, 22))
        assert "REPLY arch-3" in text
    if (width, processes) == (200, 40):
        assert "REPLY archivist-3" in text
        assert "4000040" in text
