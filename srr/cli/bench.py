"""`srr bench`: what a message costs here, beside multiprocessing.Pipe and a socket pair, in one run."""

from __future__ import annotations

import dataclasses
import json
import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

import click

if TYPE_CHECKING:
    from srr.bench.machine import Placement
    from srr.bench.run import Series

_SIZES = [64 << n for n in range(0, 20, 2)]
_UNITS = ((1 << 20, "MiB"), (1 << 10, "KiB"))


def _parse_sizes(ctx: click.Context, parameter: click.Parameter, value: str | None) -> list[int] | None:
    """A list of byte counts: 64,4096,1MiB."""
    from srr.bench import SMALLEST
    from srr.bench.peer import LARGEST

    if value is None:
        return None
    sizes = []
    for word in value.split(","):
        factor, digits = next(((f, word.removesuffix(u)) for f, u in _UNITS if word.endswith(u)), (1, word))
        if not digits.strip().isdigit() or not SMALLEST <= int(digits) * factor <= LARGEST:
            raise click.BadParameter(f"{word!r} is no size from {SMALLEST} to {LARGEST} bytes (4096, 64KiB, 1MiB).")
        sizes.append(int(digits) * factor)
    return sizes


@click.command(short_help="Round trips here, beside multiprocessing.Pipe and a socket.")
@click.option("--quick", is_flag=True, help="3 rounds of few calls: a look, not a measurement.")
@click.option("--rounds", type=click.IntRange(min=1), help="Rounds of the round-robin (default: 9).")
@click.option(
    "--calls", type=click.IntRange(min=10), help="Calls in one chunk (default: 2000; fewer for large messages)."
)
@click.option(
    "--sizes",
    metavar="N,N...",
    callback=_parse_sizes,
    help="Message sizes (default: 64 B to 16 MiB, each 4 times the last; with --lanes 64 B, and 1 MiB to 64 MiB).",
)
@click.option("--lanes", "by_lane", is_flag=True, help="The lanes instead, within one user and between two (as root).")
@click.option(
    "--json",
    "as_json",
    type=click.File("w", lazy=False),
    metavar="FILE",
    help="Write every round's values too; - is stdout.",
)
def bench(
    quick: bool,
    rounds: int | None,
    calls: int | None,
    sizes: list[int] | None,
    by_lane: bool,
    as_json: TextIO | None,
) -> None:
    """Measure round trips by srr, multiprocessing.Pipe and a socket pair, side by side.

    All pairs of processes work in turn, a chunk of calls each, round after round; a figure is the median
    of the rounds. ROUNDS is the p50 of the best and of the worst round: unpinned processes may be on one
    CPU in one round and on two in the next. SLEEPS is how often client and server together went to sleep
    a call: near 0 they spun, 2 is one sleep each.

    With --lanes the same messages go by each lane: within one user directly and through the window, between two users
    as it comes and through srr-helper's transfer worker, and by a socket between these same two processes. Two users
    and a helper of its own are made for it, which takes root.

    Exit status: 0; 1 a reply was wrong or a process failed; 2 usage.
    """
    from srr.bench import machine, run

    rounds = rounds or (3 if quick else 9)
    calls = calls or (200 if quick else 2000)
    contacts = 5 if quick else 25
    only_json = as_json is not None and as_json.fileno() == sys.stdout.fileno()
    if by_lane:
        _bench_lanes(rounds, calls, sizes, as_json, only_json=only_json)
        return
    placements, skipped = machine.placements()
    where = machine.describe()
    transports = [run.SRR, run.SLEEPING, run.PIPE, run.SOCKET]
    sized = [(placements[0], size) for size in sizes or _SIZES]

    _say_where(where, placements, skipped, rounds, calls, err=only_json)
    steps = rounds * (len(placements) * len(transports) + 2 * len(sized)) + contacts
    try:
        with progress(steps) as step, run.clients(transports) as clients:
            small = run.interleaved(clients, [(placement, run.SMALL) for placement in placements], rounds, calls, step)
            large = run.interleaved([clients[0], clients[2]], sized, rounds, calls, step)
            contact = run.first_contacts(contacts, step)
    except run.BenchFailed as failed:
        raise click.ClickException(str(failed)) from None

    if as_json is not None:
        run_as = {"machine": where, "rounds": rounds, "calls": calls, "left_out": skipped}
        _write(as_json, run_as, {"round_trips": small, "sizes": large}, first_contact_us=contact)
    if not only_json:
        _show_small(small)
        _show_large(large, placements[0])
        click.echo(
            f"\nFirst contact: a new process's first Send takes {statistics.median(contact):.0f} us more than its later"
            f" ones (median of {len(contact)} processes; {min(contact):.0f} to {max(contact):.0f})."
        )


def _bench_lanes(rounds: int, calls: int, sizes: list[int] | None, as_json: TextIO | None, *, only_json: bool) -> None:
    from srr.bench import lanes, machine, run
    from srr.cli import bench_lanes

    placements, skipped = machine.placements()
    placements = [placement for placement in placements if placement.title != "unpinned"]
    where = machine.describe()
    _say_where(where, placements, skipped, rounds, calls, err=only_json)
    try:
        found, left_out = bench_lanes.measure(placements, sizes or list(lanes.SIZES), rounds, calls, progress)
    except run.BenchFailed as failed:
        raise click.ClickException(str(failed)) from None
    for line in left_out:
        click.echo(line, err=only_json)
    if as_json is not None:
        run_as = {"machine": where, "rounds": rounds, "calls": calls, "left_out": skipped + left_out}
        _write(as_json, run_as, {"lanes": found})
    if not only_json:
        bench_lanes.show(found, _size)


def _write(file: TextIO, run_as: dict[str, object], measured: dict[str, list[Series]], **more: object) -> None:
    every = {name: [dataclasses.asdict(series) for series in found] for name, found in measured.items()}
    json.dump(run_as | every | more, file, indent=1)
    file.write("\n")


@contextmanager
def progress(steps: int) -> Iterator[Callable[[], None]]:
    """A bar on stderr for whoever watches; nothing in a pipe or a log."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("measuring", total=steps)
        yield lambda: progress.advance(task)


def _say_where(
    where: dict[str, object],
    placements: list[Placement],
    skipped: list[str],
    rounds: int,
    calls: int,
    *,
    err: bool,
) -> None:
    """On stderr where stdout is JSON."""
    click.echo("{cpu}, Linux {kernel}, Python {python}, srr {srr}".format(**where), err=err)
    for placement in placements:
        cpus = [",".join(map(str, side)) for side in (placement.client, placement.server)]
        click.echo(f"{placement.title}: client on CPU {cpus[0]}, server on {cpus[1]}", err=err)
    for line in skipped:
        click.echo(line, err=err)
    click.echo(f"{rounds} rounds, {calls} calls in a chunk; times in microseconds", err=err)


def _show_small(found: list[Series]) -> None:
    from srr.bench import run
    from srr.cli import table

    pipes = {series.placement: series for series in found if series.transport == run.PIPE.title}
    rows = [
        [
            series.placement,
            series.transport,
            f"{statistics.median(series.p50_us):.1f}",
            f"{min(series.p50_us):.1f}-{max(series.p50_us):.1f}",
            f"{statistics.median(series.p99_us):.1f}",
            f"{1 / series.slower_than(pipes[series.placement]):.1f}",
            f"{statistics.median(series.sleeps):.2f}",
        ]
        for series in found
    ]
    click.echo(f"\nRound trip, {run.SMALL} bytes and {run.SMALL} back")
    table.show(table.layout(["PLACEMENT", "TRANSPORT", ">P50", ">ROUNDS", ">P99", ">PIPE/THIS", ">SLEEPS"], rows))


def _show_large(found: list[Series], placement: Placement) -> None:
    from srr.bench import run
    from srr.cli import table

    by_size: dict[int, dict[str, Series]] = {}
    for series in found:
        by_size.setdefault(series.size, {})[series.transport] = series
    rows = []
    for size, by in by_size.items():
        srr, pipe = by[run.SRR.title], by[run.PIPE.title]
        mine, its = statistics.median(srr.p50_us), statistics.median(pipe.p50_us)
        rows.append(
            [
                _size(size),
                f"{mine:.1f}",
                f"{statistics.median(srr.p99_us):.1f}",
                f"{its:.1f}",
                f"{statistics.median(pipe.p99_us):.1f}",
                f"{1 / srr.slower_than(pipe):.1f}",
                f"{size / mine:.0f}",
                f"{size / its:.0f}",
            ]
        )
    click.echo(f"\nBy size, 64 bytes back; {placement.title}; MB/s from the p50")
    columns = [">SIZE", ">SRR P50", ">P99", ">PIPE P50", ">P99", ">PIPE/SRR", ">SRR MB/s", ">PIPE MB/s"]
    table.show(table.layout(columns, rows))


def _size(size: int) -> str:
    return next(
        (f"{size // factor} {unit}" for factor, unit in _UNITS if size >= factor and not size % factor), f"{size} B"
    )
