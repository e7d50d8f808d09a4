"""`srr-trace overhead`: what listening costs here."""

from __future__ import annotations

import json
import statistics
import sys
from typing import TYPE_CHECKING, Any

import click

from srr.shown import printable
from srr.trace.cli import common
from srr.trace.events import SCHEMA
from srr.trace.programs import CannotTrace

if TYPE_CHECKING:
    from srr.trace.listeners import Listener
    from srr.trace.overhead import Found, Times


@click.command(short_help="What listening costs here, measured.")
@click.option("--quick", is_flag=True, help="3 short rounds: a look, not a measurement.")
@click.option("--rounds", type=click.IntRange(min=1), help="Rounds (default: 9).")
@click.option("--calls", type=click.IntRange(min=10), help="Sends in each turn of a round (default: 5000).")
@common.as_json
def overhead(quick: bool, rounds: int | None, calls: int | None, as_json: bool) -> None:
    """Measure what listening adds to a Send and its reply here.

    It starts a client and a server of its own, which exchange 64 bytes, first with nobody listening, then with each
    way of listening, in turn, round after round, so that what disturbs the machine for a while disturbs all alike. It
    has to attach to every copy of the library, as the views do: meanwhile other programs that use it are slowed down.

    \b
    WAY        what listens, and which views do it like that
    P50, P99   of a round trip, in us: the median of the rounds
    ADDED      to the p50: median of the rounds, each with its own "detached"; lowest and highest
    SLEEPS     how often client and server went to sleep, a round trip: near 0 they spun, 2 is one sleep each

    A hit of a probe in a tight loop is what the kernel takes for it at least; in real programs its caches are colder.

    Exit status: 0; 1 it could not listen; 2 usage.
    """
    from srr.bench import machine, run
    from srr.cli.bench import progress
    from srr.trace import listeners, overhead

    source = common.source()
    if not source.is_live:
        raise click.ClickException("a recording costs nothing any more: this measures the machine it runs on")
    rounds = rounds or (3 if quick else 9)
    calls = calls or (500 if quick else 5000)
    placements, skipped = machine.placements()
    placements = [placement for placement in placements if placement.title != "unpinned"]
    there, holders = listeners.counts(), listeners.holders()
    try:
        hit_ns = overhead.hit_cost()
        with progress(rounds * len(overhead.WAYS) * len(placements)) as step:
            found, times = overhead.measure(placements, rounds, calls, step)
    except CannotTrace as error:
        raise click.ClickException(str(error)) from error
    except run.BenchFailed as error:
        raise click.ClickException(str(error)) from error

    detached = {one.placement: one for one in found if one.way.wants is None}
    if as_json:
        record: dict[str, Any] = {
            "schema": SCHEMA,
            "machine": machine.describe(),
            "rounds": rounds,
            "calls": calls,
            "listened_to_before": there,
            "listeners_before": [{"pid": h.pid, "program": h.program, "links": h.links} for h in holders],
            "hit_ns": hit_ns,
            "attach_s": times.attach,
            "detach_s": times.detach,
            "left_out": skipped,
            "round_trips": [one.json(detached[one.placement]) for one in found],
            "lost": sum(one.lost for one in found),
        }
        click.echo(json.dumps(record))
        return
    click.echo("{cpu}, Linux {kernel}, Python {python}, srr {srr}".format(**machine.describe()))
    click.echo(f"{rounds} rounds of {calls} round trips; times in us. A hit in a tight loop: {hit_ns / 1000:.2f} us")
    for line in skipped:
        click.echo(line)
    _say_who_listens(there, holders)
    _show(found, detached)
    _say_times(times)
    lost = sum(one.lost for one in found)
    click.echo(f"Lost {lost} of {sum(one.made for one in found)} events." if lost else "Lost nothing.")


def _say_who_listens(there: dict[str, int], holders: list[Listener]) -> None:
    if not there:
        click.echo("Nobody else listens to this copy of the library.")
        return
    who = ", ".join(f"{printable(h.program)} ({h.pid})" for h in holders) or "unknown"
    click.echo(
        f"ALREADY LISTENED TO: {', '.join(f'{name} {count}x' for name, count in sorted(there.items()))}, by {who}."
        ' So "detached" is not, and what is added comes on top'
    )


def _show(found: list[Found], detached: dict[Any, Found]) -> None:
    for placement, base in detached.items():
        disturbed = f"\nSomebody else began to listen in {base.disturbed} rounds: repeat it" if base.disturbed else ""
        sides = [",".join(map(str, side)) for side in (placement.client, placement.server)]
        slept = statistics.median(base.sleeps)
        does = "spinning" if slept < 0.2 else "sleeping" if slept > 0.8 else "spinning, then sleeping"
        click.echo(
            f"\n{placement.title}: client on CPU {sides[0]}, server on {sides[1]}; {does} while they wait{disturbed}"
        )
        click.echo(
            f"  {'WAY':<11} {'VIEWS':<19} {'P50':>6} {'P99':>7} {'ADDED':>6} {'LOWEST':>7} {'HIGHEST':>7} {'SLEEPS':>6}"
        )
        for one in found:
            if one.placement != placement:
                continue
            added = one.added_us(base)
            shown = (
                f"{'-':>6} {'-':>7} {'-':>7}"
                if one is base
                else f"{statistics.median(added):>6.2f} {min(added):>7.2f} {max(added):>7.2f}"
            )
            click.echo(
                f"  {one.way.title:<11} {one.way.views:<19} {statistics.median(one.p50_us):>6.2f}"
                f" {statistics.median(one.p99_us):>7.1f} {shown} {statistics.median(one.sleeps):>6.2f}"
            )


def _say_times(times: Times) -> None:
    click.echo(
        f"\nBeginning to listen takes {statistics.median(times.attach):.2f} s (compiling, attaching),"
        f" ending {statistics.median(times.detach):.2f} s."
    )
    sys.stdout.flush()
