"""`srr-trace record`: into a file that Perfetto shows and `replay` reads."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from srr.shown import printable, size
from srr.trace.cli import common
from srr.trace.events import SCHEMA
from srr.trace.programs import Wants

if TYPE_CHECKING:
    from srr.trace.feed import Event, Feed, Source
    from srr.trace.flight import Flight, Watcher
    from srr.trace.recorder import Writer

#: Times a second that the ring is read.
_RATE = 20


@click.command(short_help="Record everything into a file: for Perfetto, and for `replay`.")
@click.argument("file", type=click.Path(dir_okay=False))
@common.selection
@click.option("--duration", metavar="TIME", type=common.Duration(), help="Stop after this time.")
@click.option("--transfers", is_flag=True, help="Also each copy of bytes.")
@click.option("--syscalls", is_flag=True, help="Also futex and process_vm_* (slows every system call of the machine).")
@click.option("--frames", is_flag=True, help="Also from where Send and Reply were called, for `replay FILE stacks`.")
@click.option("--imposed", is_flag=True, help="Also CPU times, for `replay FILE imposed`.")
@click.option(
    "--peek", metavar="N", type=click.IntRange(0, 4096), default=0, help="Also the first N bytes of each message."
)
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@click.option("--last", metavar="TIME", type=common.Duration(), help="Flight recorder: keep so much in memory.")
@click.option("--when-latency", metavar="TIME", type=common.Duration(), help="Write it when a Send takes this long,")
@click.option("--when-failed", is_flag=True, help="when one fails,")
@click.option("--when-deadlock", is_flag=True, help="when processes wait for each other in a circle.")
@click.option("--once", is_flag=True, help="End after the first file.")
@click.option("--files", metavar="N", type=click.IntRange(min=1), default=10, show_default=True, help="... after N.")
@click.option("--memory", type=common.Size(), default="64M", show_default=True, help="What --last may take.")
@common.as_json
@common.listening
def record(
    file: str,
    pids: tuple[int, ...],
    names_: tuple[str, ...],
    duration: int | None,
    transfers: bool,
    syscalls: bool,
    frames: bool,
    imposed: bool,
    peek: int,
    force: bool,
    last: int | None,
    when_latency: int | None,
    when_failed: bool,
    when_deadlock: bool,
    once: bool,
    files: int,
    memory: int,
    as_json: bool,
    ring: int,
    fail_on_loss: bool,
) -> None:
    """Record all transactions and states, until Ctrl-C, and what was blocked before.

    FILE is a Perfetto trace: open it at https://ui.perfetto.dev (it stays in your browser), or read it with any view:
    srr-trace replay FILE. It is written as things happen, whole at any moment, for its owner alone (mode 0600). It
    tells who said how much to whom; what they said only with --peek.

    In Perfetto each process has its threads, with their Sends and what these were blocked on, and a track for each
    message that it holds. Arrows go from SEND-blocked to the message at the server and to the client's wake-up.

    With --last it writes nothing, and keeps the last seconds in memory: until one of the --when conditions holds, on
    SIGUSR1, or on Ctrl-C. Further files are FILE-2, FILE-3 ...; between two there is at least the time of --last.

    \b
    Examples:
      srr-trace record night.pftrace                        until Ctrl-C
      srr-trace record -p 4711 --duration 10s t.pftrace     ten seconds of one process
      srr-trace record t.pftrace --last 30s --when-deadlock --when-latency 100ms

    \b
    Exit status: 0; 1 it could not listen, or write; 2 usage;
    3 with --fail-on-loss, if anything was not seen.
    """
    if last is None and (when_latency is not None or when_failed or when_deadlock or once):
        raise click.UsageError("--when-latency, --when-failed, --when-deadlock and --once belong to --last TIME.")
    try:
        from srr.trace.flight import Flight, Watcher
        from srr.trace.recorder import CannotRecord
    except ImportError as error:
        raise click.ClickException(str(error)) from error
    wants = Wants(
        transactions=True,
        changes=True,
        exits=True,
        frames=frames,
        imposed=imposed,
        syscalls=syscalls,
        peek=peek,
        cost=True,
        ring_bytes=ring,
    )
    if not force and os.path.lexists(file):
        raise click.ClickException(f"{printable(file)} is there already. Choose another name, or --force to replace it")
    _must_be_writable(file)
    chosen = common.chosen_pids(pids, names_)
    run = _Run(file, force, wants, transfers, duration, as_json)
    try:
        # The signal first: whoever is told that we listen may send it.
        with (
            _asked_by_signal(last is not None) as asked,
            common.feed(wants, chosen, fail_on_loss=fail_on_loss, transfers=transfers) as feed,
        ):
            if last is None:
                run.to_file(feed)
            else:
                flight = Flight(last, memory)
                watcher = Watcher(
                    flight,
                    common.source().survey,
                    latency_ns=when_latency,
                    failed=when_failed,
                    deadlock=when_deadlock,
                    chosen=chosen,
                )
                run.in_flight(feed, flight, watcher, asked, last, 1 if once else files)
    except CannotRecord as error:
        raise click.ClickException(printable(str(error))) from error


def _must_be_writable(file: str) -> None:
    """Found out now, not when the night is over."""
    folder = os.path.dirname(file) or "."
    if not os.path.isdir(folder):
        raise click.ClickException(f"{printable(folder)} is no folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise click.ClickException(f"{printable(folder)}: no permission to make a file there")


class _Run:
    """One recording."""

    def __init__(
        self, file: str, force: bool, wants: Wants, transfers: bool, duration: int | None, as_json: bool
    ) -> None:
        self._file, self._force, self._wants, self._transfers = file, force, wants, transfers
        self._duration, self._as_json = duration, as_json
        self._source: Source = common.source()

    def to_file(self, feed: Feed) -> None:
        from srr.trace.recorder import Recorder, Writer, header

        writer = Writer(self._file, header(feed, self._wants, self._transfers, self._source.now_ns()), self._force)
        try:
            recorder = Recorder(feed, self._source, writer)
            for events, settled_ns, going in self._batches(feed):
                if going:
                    recorder.tick(events, settled_ns)
                else:
                    recorder.last(events)
            writer.finish(self._source.now_ns(), recorder.sums(), "asked to end")
        finally:
            writer.close()
        self._say(writer, feed, "")

    def in_flight(self, feed: Feed, flight: Flight, watcher: Watcher, asked: _Asked, last_ns: int, most: int) -> None:
        from srr.trace.flight import numbered
        from srr.trace.recorder import Recorder, header

        recorder = Recorder(feed, self._source, flight)
        about = header(feed, self._wants, self._transfers, self._source.now_ns())
        written, not_before, waiting = 0, 0, ""
        for events, settled_ns, going in self._batches(feed):
            if going:
                recorder.tick(events, settled_ns)
            else:
                recorder.last(events)
            now = self._source.now_ns()
            waiting = _first(watcher, events, now, waiting)
            why = waiting if waiting and now >= not_before else ""
            if asked.take():
                why = why or "SIGUSR1"
            elif not going:
                why = waiting or "asked to end"
            if not why:
                continue
            written += 1
            path = numbered(self._file, written)
            sums = recorder.sums()
            writer = flight.write(path, about, self._force, self._source.now_ns(), sums, why)
            self._say(writer, feed, why)
            not_before, waiting = now + last_ns, ""
            if written == most:
                break
        if flight.is_short:
            click.echo(
                f"srr-trace record: --memory had no room for all of --last: it reached back"
                f" {flight.covers_ns(self._source.now_ns()) / 1e9:.1f} s",
                err=True,
            )

    def _batches(self, feed: Feed) -> Iterator[tuple[Sequence[Event], int, bool]]:
        """Events, the time until which they are complete, and whether more will come."""
        from srr.trace.session import SETTLING

        deadline = None if self._duration is None else self._source.now_ns() + self._duration
        going = True
        while going:
            going = self._source.pace(1 / _RATE) and (deadline is None or self._source.now_ns() < deadline)
            settled_ns = self._source.now_ns() - SETTLING
            yield (feed.drain() if going else feed.finish()), settled_ns, going

    def _say(self, writer: Writer, feed: Feed, why: str) -> None:
        losses, cost = feed.losses(), feed.cost()
        if self._as_json:
            line: dict[str, Any] = {"schema": SCHEMA, "file": writer.path, "bytes": writer.nbytes}
            line |= {"transactions": writer.transactions, "why": why or None, "cost": str(cost)}
            click.echo(json.dumps(line | {"lost": losses.json()}))
        else:
            click.echo(f"{printable(writer.path)}: {why or f'{size(writer.nbytes)} bytes'}")
            click.echo(f"  {writer.transactions} transactions, {losses}; {cost}")
        common.told(losses)


def _first(watcher: Watcher, events: Sequence[Event], now_ns: int, waiting: str) -> str:
    """The cause that is told; the watcher hears of everything, whatever was told before."""
    causes = list(watcher.causes(events, now_ns))
    return waiting or (causes[0] if causes else "")


class _Asked:
    def __init__(self) -> None:
        self._times = 0

    def ask(self, number: int, frame: FrameType | None) -> None:
        self._times += 1

    def take(self) -> bool:
        asked, self._times = self._times > 0, 0
        return asked


@contextmanager
def _asked_by_signal(listens: bool) -> Iterator[_Asked]:
    """SIGUSR1: write what there is."""
    asked = _Asked()
    if not listens:
        yield asked
        return
    before = signal.signal(signal.SIGUSR1, asked.ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGUSR1, before)
