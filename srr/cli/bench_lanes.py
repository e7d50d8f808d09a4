"""`srr bench --lanes`: its run and its table."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from contextlib import AbstractContextManager

import click

from srr.bench import lanes
from srr.bench.machine import Placement
from srr.bench.run import Series, interleaved
from srr.cli import table

_GB = 1_000_000_000
_MANY = 100_000

Progress = Callable[[int], AbstractContextManager[Callable[[], None]]]


def measure(
    placements: list[Placement], sizes: list[int], rounds: int, calls: int, progress: Progress
) -> tuple[list[Series], list[str]]:
    """A series for each lane, placement and size; and what was left out."""
    cases = [(placement, size) for placement in placements for size in sizes]
    with lanes.lanes(max(sizes)) as (rows, skipped), progress(rounds * len(cases) * len(rows)) as step:
        return interleaved(rows, cases, rounds, calls, step), skipped


def show(found: list[Series], size_of: Callable[[int], str]) -> None:
    """The table."""
    sockets = {(each.placement, each.size): each for each in found if each.came_by == "socket"}
    rows = []
    for each in found:
        p50, cpu = statistics.median(each.p50_us), statistics.median(each.cpu_us)
        small = each.size <= lanes.SIZES[0]
        rows.append(
            [
                each.placement,
                size_of(each.size),
                each.transport,
                each.came_by,
                f"{p50:.1f}",
                f"{min(each.p50_us):.1f}-{max(each.p50_us):.1f}",
                f"{statistics.median(each.p99_us):.1f}",
                "-" if small else f"{each.size / p50 * 1e6 / _GB:.2f}",
                f"{cpu / 1e6 * (_MANY if small else _GB / each.size):.2f}",
                f"{statistics.median(each.sleeps):.2f}",
                f"{1 / each.slower_than(sockets[each.placement, each.size]):.2f}",
            ]
        )
    click.echo("\nBy lane, 64 bytes back; CPU: seconds of all processes for a GB, for small ones for 100,000 calls")
    columns = [
        "PLACEMENT",
        ">SIZE",
        "BETWEEN",
        "BY",
        ">P50",
        ">ROUNDS",
        ">P99",
        ">GB/s",
        ">CPU",
        ">SLEEPS",
        ">SOCKET/THIS",
    ]
    table.show(table.layout(columns, rows))
