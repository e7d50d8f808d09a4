"""`srr-trace top`: a line a process, the busiest first."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from srr import processes
from srr.trace import topcolumns
from srr.trace.cli import common
from srr.trace.events import SCHEMA
from srr.trace.feed import Past, Source
from srr.trace.session import Losses
from srr.trace.topmodel import Choice, Mark
from srr.trace.topsampler import Marks, Sampler, Seen

#: A line, where nobody says how long it may be; and where nothing is to be left out or cut.
_PLAIN, _WIDE = 79, 10_000


@click.command(short_help="A line a process, live: rates, times, whom it is blocked on.")
@common.ticks("1")
@common.selection
@click.option(
    "--sort",
    "order",
    type=click.Choice(topcolumns.ORDERS),
    default=topcolumns.BUSY,
    show_default=True,
    help="By which column; busy: what is wrong first, then by messages a second.",
)
@click.option("-r", "--reverse", "backwards", is_flag=True, help="The other way round.")
@click.option("-b", "--batch", is_flag=True, help="Plain text, one table after the other; so without a terminal.")
@click.option("-w", "--wide", is_flag=True, help="With --batch: all columns, and nothing cut.")
@common.as_json
@click.option("--fail-on-loss", is_flag=True, help=f"Exit with {common.LOST} if anything was not seen.")
def top(
    interval: float,
    count: int | None,
    pids: tuple[int, ...],
    names_: tuple[str, ...],
    order: str,
    backwards: bool,
    batch: bool,
    wide: bool,
    as_json: bool,
    fail_on_loss: bool,
) -> None:
    """Every process that Sends or Receives, looked at each INTERVAL seconds (default: 1), COUNT times.

    \b
    PID, PROGRAM   D before it: deadlocked; S: starved (all its threads are busy, and messages wait)
    BLOCKED ON     SEND: its message waits to be received by that process; REPLY: it was received, the reply
                   is pending; RECEIVE: it waits for a message; -: it runs
    FOR            how long it has slept so; - while it spins
    QLEN           messages that wait for it to receive
    SENT/s RECV/s  messages a second
    QUE50 QUE99    how long messages to it waited (half of them, 99 % of them, at most that), in us or as 1.2ms
    SRV50 SRV99    how long it worked on them, until it replied
    SND50 SND99    how long its own Sends took
    BYTES/s        sent and replied, by it and to it

    Times are those of the last 10 s, at most a quarter too high. They and BYTES/s need eBPF (CAP_BPF, CAP_PERFMON)
    and are "-" without. Where there is little room, some columns are left out: SND50 and SND99 first, then BYTES/s.

    \b
    Keys: s sort by the next column, S by the one before (or click on its heading), r reverse, / filter,
          Enter open a process (its threads and their messages, peers, histograms), Esc back,
          space pause, + and - interval, q quit

    \b
    Examples:
      srr-trace top                      full screen
      srr-trace top -b 5 1               once, over five seconds
      srr-trace top --name plc --json    for programs
      srr-trace top --sort srv99 2       the slowest servers, every 2 s

    Exit status: 0; 1 it failed; 2 usage; 3 with --fail-on-loss, if anything was not seen.
    """
    source = common.source()
    choice = Choice(frozenset(pids), frozenset(names_))
    _refuse_nobody(source, choice)
    sampler = Sampler(source, choice, Marks(is_live=source.is_live), processes.peek if source.is_live else None)
    if batch or wide or as_json or not _is_screen():
        losses = _plain(sampler, choice, interval, count, order, backwards, wide, as_json)
        code = 0
    else:
        code, losses = _screen(sampler, choice, interval, count, order, backwards)
    if fail_on_loss and losses.total:
        code = common.LOST
    click.get_current_context().exit(code)


def _refuse_nobody(source: Source, choice: Choice) -> None:
    """A name that nobody holds is an error: silence would look like peace. Who comes to hold it later is shown then."""
    if not choice.names:
        return
    if isinstance(source, Past):
        nobodys = [name for name in choice.names if not source.named(name)]
    else:
        nobodys = sorted(choice.names - {name for process in source.survey() for name in process.names})
    for name in nobodys:
        raise click.ClickException(f"--name {name}: no process holds this name; srr names shows which are held")


def _is_screen() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("", "dumb")


def _screen(
    sampler: Sampler, choice: Choice, interval: float, count: int | None, order: str, backwards: bool
) -> tuple[int, Losses]:
    try:
        from srr.trace import topscreen
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"the full screen needs {error.name}: pip install 'srr[trace]'. Without: srr-trace top --batch"
        ) from error
    app = topscreen.Top(sampler, choice, interval=interval, order=order, backwards=backwards, count=count)
    code = topscreen.run(app)
    _tell(app.losses)
    return code, app.losses


def _tell(losses: Losses) -> None:
    if losses.total:
        click.echo(f"srr-trace top: {losses}. -p and --name ask for less", err=True)


def _plain(
    sampler: Sampler,
    choice: Choice,
    interval: float,
    count: int | None,
    order: str,
    backwards: bool,
    wide: bool,
    as_json: bool,
) -> Losses:
    """A table, or a line of JSON, after each interval."""
    wanted: dict[str, int] = {}
    losses, shown = Losses(), 0
    width = _WIDE if wide else shutil.get_terminal_size().columns if sys.stdout.isatty() else _PLAIN
    with _in_good_order(sampler):
        sampler.attach()
        if sampler.without and not as_json:
            click.echo(f"srr-trace top: times and bytes are not known: {sampler.without}", err=True)
        sampler.look()
        common.ready()
        going = True
        while going and shown != count:
            going = sampler.wait(lambda: interval)
            seen = sampler.look()
            losses = seen.losses
            if as_json:
                click.echo(json.dumps(_record(sampler, seen, choice, order, backwards)))
            else:
                click.echo(_page(sampler, seen, choice, order, backwards, width, wanted))
            shown += 1
    if as_json:
        click.echo(json.dumps({"schema": SCHEMA, "looks": shown, "lost": losses.json()}))
    _tell(losses)
    return losses


@contextmanager
def _in_good_order(sampler: Sampler) -> Iterator[None]:
    """Ctrl-C, or a reader who has seen enough, ends it as its count does."""
    try:
        with common.ending_in_good_order(common.source()), common.ended_by_the_reader():
            yield
    finally:
        sampler.close()


def _page(
    sampler: Sampler,
    seen: Seen,
    choice: Choice,
    order: str,
    backwards: bool,
    width: int,
    wanted: dict[str, int],
) -> str:
    rows = topcolumns.ordered(filter(choice.shows, seen.snapshot.rows), order, backwards=backwards)
    shape = topcolumns.fit(rows, width, wanted, order)
    now = sampler.clock.text(seen.snapshot.now_ns).partition(".")[0]
    lines = [f"{now}  {topcolumns.heading(rows, len(seen.snapshot.rows))}"]
    lines += [text for mark in (Mark.DEADLOCKED, Mark.STARVED) if (text := topcolumns.marked(rows, mark))]
    lines += [" ".join(topcolumns.headings(shape)), *(" ".join(topcolumns.cells(shape, row)) for row in rows)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _record(sampler: Sampler, seen: Seen, choice: Choice, order: str, backwards: bool) -> dict[str, object]:
    snapshot = seen.snapshot
    rows = topcolumns.ordered(filter(choice.shows, snapshot.rows), order, backwards=backwards)
    return {
        "schema": SCHEMA,
        "time": round(sampler.clock.wall(snapshot.now_ns), 6),
        "seconds": round(snapshot.seconds, 6),
        "processes": [row.json() for row in rows],
        "probes": seen.without or "read",
        "cost": None if seen.cost is None else {"hits": seen.cost.hits, "hit_ns": round(seen.cost.hit_ns)},
        "lost": seen.losses.json(),
    }
