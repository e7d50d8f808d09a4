"""What the views share: options, the source, ticks, the last line about losses and cost."""

from __future__ import annotations

import io
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

import click

from srr import names
from srr.errors import Failure
from srr.trace.feed import Feed, Live, Past, Source
from srr.trace.programs import CannotTrace, Wants
from srr.trace.session import Losses

#: Beyond srr's own exit codes: what --fail-on-loss and `deadlock` make of what they saw.
LOST, FOUND = 3, 1

_F = TypeVar("_F", bound=Callable[..., Any])

# A generic class in newer versions of click only.
if TYPE_CHECKING:
    _IntParameter = click.ParamType[int]
else:
    _IntParameter = click.ParamType

_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "": 10**9}
_SIZES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


class Duration(_IntParameter):
    """`10ms`, `2.5s`, `300us`, `3` (seconds): nanoseconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)\s*([a-zµ]*)", str(value).strip().lower())
        if match is None or match[2] not in _UNITS:
            self.fail(f"{value!r} is no time; write 10ms, 2.5s, 300us, 800ns or 3 (seconds)", param, ctx)
        return round(float(match[1]) * _UNITS[match[2]])


class Size(_IntParameter):
    """`16M`, `512k`, `4096`: bytes."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d+)\s*([kmg]?)(?:i?b)?", str(value).strip().lower())
        if match is None:
            self.fail(f"{value!r} is no size; write 16M, 512k or 4096 (bytes)", param, ctx)
        return int(match[1]) * _SIZES[match[2]]


class RingSize(Size):
    """What the kernel takes for a ring: a power of two of pages."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        nbytes = super().convert(value, param, ctx)
        if nbytes < 1 << 16 or nbytes > 1 << 30 or nbytes & nbytes - 1:
            self.fail(f"a ring is a power of two from 64k to 1G, not {value}", param, ctx)
        return nbytes


def selection(function: _F) -> _F:
    """-p and --name: which processes' transactions."""
    function = click.option(
        "--name",
        "names_",
        metavar="NAME",
        multiple=True,
        help="Only with the process that holds this name (repeatable).",
    )(function)
    return click.option(
        "-p",
        "--pid",
        "pids",
        metavar="PID",
        type=click.IntRange(min=1),
        multiple=True,
        help="Only with this process (repeatable).",
    )(function)


def listening(function: _F) -> _F:
    """--ring and --fail-on-loss: for all that listen to probes."""
    function = click.option("--fail-on-loss", is_flag=True, help=f"Exit with {LOST} if anything was not seen.")(
        function
    )
    return click.option(
        "--ring", type=RingSize(), default="16M", show_default=True, help="Memory for events that wait to be read."
    )(function)


def ticks(interval: str | None) -> Callable[[_F], _F]:
    """INTERVAL and COUNT, as in vmstat and BCC's tools; ``interval``: the default, if there is one."""

    def add(function: _F) -> _F:
        function = click.argument("count", type=click.IntRange(min=1), required=False)(function)
        return click.argument("interval", type=click.FloatRange(min=0.01), required=False, default=interval)(function)

    return add


as_json = click.option(
    "--json", "as_json", is_flag=True, help="For programs: a JSON object a line, with its schema version."
)
timestamps = click.option("-T", "--timestamp", "timestamp", is_flag=True, help="With the time of day.")


def source() -> Source:
    """The machine, or what `srr-trace replay` is reading: the same one for all of a command."""
    root = click.get_current_context().find_root()
    if root.obj is None:
        root.obj = Live()
    given: Source = root.obj
    return given


def chosen_pids(pids: tuple[int, ...], held: tuple[str, ...]) -> set[int] | None:
    """Of -p and --name. None: all. A name that nobody holds is an error: silence would look like peace."""
    if not pids and not held:
        return None
    chosen = set(pids)
    past = source()
    if isinstance(past, Past):
        for name in held:
            holders = past.named(name)
            if not holders:
                raise click.ClickException(f"--name {name}: nobody held it while this was recorded")
            chosen |= holders
        return chosen
    for name in held:
        try:
            chosen.add(names.locate(name, timeout=0))
        except Failure as error:
            raise click.ClickException(f"--name {name}: {error.strerror or error}") from error
    return chosen


@contextmanager
def feed(
    wants: Wants, chosen: set[int] | None = None, *, fail_on_loss: bool = False, transfers: bool = False
) -> Iterator[Feed]:
    """A feed of the current source. Failing to listen is one line and exit 1; Ctrl-C ends the view in good order."""
    try:
        with (
            ending_in_good_order(source()),
            source().feed(replace(wants, chosen=chosen is not None), transfers=transfers) as opened,
        ):
            if chosen is not None:
                opened.choose(chosen)
            ready()
            with ended_by_the_reader():
                yield opened
            losses = opened.losses()
    except CannotTrace as error:
        raise click.ClickException(str(error)) from error
    if fail_on_loss and losses.total:
        click.echo(f"srr-trace: {losses}", err=True)
        click.get_current_context().exit(LOST)


def refuse_nobody(given: Source, pids: tuple[int, ...], held: tuple[str, ...]) -> None:
    """For views of the waiting table. Whoever asks for one that is not there has made a mistake, and silence would look
    like peace. In a recording it may come later."""
    if not given.is_live:
        return
    for pid in pids:
        if not os.path.exists(f"/proc/{pid}"):
            raise click.ClickException(f"-p {pid}: there is no such process")
    here = {name for process in (given.survey() if held else ()) for name in process.names}
    for name in held:
        if name not in here:
            raise click.ClickException(f"--name {name}: no process holds this name; `srr names` shows which are held")


@contextmanager
def looking() -> Iterator[Source]:
    """The current source, for views that read the waiting table only. Ctrl-C ends the view in good order."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names may be in letters that a Latin-1 terminal has not
    with ending_in_good_order(source()), ended_by_the_reader():
        yield source()


@contextmanager
def ended_by_the_reader() -> Iterator[None]:
    """Ctrl-C, and `| head` that has seen enough, end a view; neither is an error."""
    try:
        yield
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python would complain about stdout at exit


@contextmanager
def ending_in_good_order(given: Source) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM ends `pace`: the view shows the rest, with what was lost. The second is an end."""
    if not isinstance(given, Live) or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def stop(number: int, frame: FrameType | None) -> None:
        restore()
        given.stop()

    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, stop)
    try:
        yield
    finally:
        restore()


def ready() -> None:
    """Nothing is missed from now on: tell who started us, if that asked to be told, as systemd does (Type=notify)."""
    address = os.environ.pop("NOTIFY_SOCKET", "")  # not for the children
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        try:
            notify.sendto(b"READY=1", "\0" + address[1:] if address.startswith("@") else address)
        except OSError:
            pass  # it does not listen


def told(losses: Losses) -> None:
    """The last line of a view: on stderr, so that what is piped stays what it is."""
    if losses.total:
        click.echo(f"srr-trace: {losses}. --ring makes more room; -p, --name and --min-latency ask for less", err=True)
