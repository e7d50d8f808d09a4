"""`srr-trace replay`: any view, on a recording."""

from __future__ import annotations

import re

import click

from srr.shown import printable
from srr.trace.cli import _COMMANDS, common

#: Views that show one moment: without --at, the last one.
_OF_A_MOMENT = ("ps", "graph")
_NOT_HERE = ("record", "replay", "metrics", "overhead")


@click.command(
    short_help="Any view, on a recording.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("file", type=click.Path())
@click.option(
    "--at",
    metavar="TIME",
    help="Begin there: 2.5s after the recording's begin, -1s before its end, or 03:04:05.678 local time.",
)
@click.argument("view", nargs=-1, type=click.UNPROCESSED, metavar="[VIEW [OPTION]...]")
@click.pass_context
def replay(ctx: click.Context, file: str, at: str | None, view: tuple[str, ...]) -> None:
    """Show a recording of `srr-trace record` with any view: events (the default), ps, top, graph, deadlock, hist,
    stacks, imposed. VIEW's options follow it.

    It is looked at from its begin to its end, as fast as it can be read; ps and graph show its last moment, or that of
    --at. What was not recorded can not be shown: stacks need record --frames, imposed needs record --imposed.

    \b
    Examples:
      srr-trace replay night.pftrace --min-latency 5ms
      srr-trace replay night.pftrace ps
      srr-trace replay --at 03:04:05 night.pftrace graph
      srr-trace replay --at -10s night.pftrace hist

    Exit status: the view's; 1 also if FILE is no recording.
    """
    from srr.trace.recording import CannotReplay, Recording

    words = _words(ctx, view)
    name = words.pop(0) if words and not words[0].startswith("-") else "events"
    if at is None and words[:1] == ["--at"]:
        raise click.UsageError("--at stands before FILE: srr-trace replay --at TIME FILE VIEW.")
    if name not in _COMMANDS or name in _NOT_HERE:
        views = ", ".join(known for known in _COMMANDS if known not in _NOT_HERE)
        raise click.UsageError(f"{printable(name)!r} is no view; there are {views}.")
    root = ctx.find_root()
    group = root.command
    assert isinstance(group, click.Group)
    command = group.get_command(root, name)
    assert command is not None
    try:
        recording = Recording(file)
        root.obj = recording
        try:
            if at is not None:
                recording.seek(_moment(at, recording.begin_ns, recording.end_ns, recording.clock.offset_ns))
            elif name in _OF_A_MOMENT:
                recording.seek(recording.end_ns)
            if recording.warning:
                click.echo(f"srr-trace replay: {printable(recording.warning)}", err=True)
            with command.make_context(f"{ctx.command_path} {printable(file)} {name}", words, parent=ctx) as inner:
                command.invoke(inner)
        finally:
            recording.close()
    except CannotReplay as error:
        raise click.ClickException(printable(str(error))) from error


def _words(ctx: click.Context, view: tuple[str, ...]) -> list[str]:
    return [*view, *ctx.args]


def _moment(text: str, begin_ns: int, end_ns: int, offset_ns: int) -> int:
    """In the recording's nanoseconds."""
    clock = re.fullmatch(r"(\d\d?):(\d\d):(\d\d(?:\.\d{1,9})?)", text)
    if clock is None:
        before_end = text.startswith("-")
        ns = common.Duration().convert(text.removeprefix("-"), None, None)
        moment = end_ns - ns if before_end else begin_ns + ns
        if begin_ns <= moment <= end_ns:
            return moment
        raise click.UsageError(f"--at {text}: the recording is {(end_ns - begin_ns) / 1e9:.3f} s long.")
    import time

    seconds = int(clock[1]) * 3600 + int(clock[2]) * 60 + float(clock[3])
    # That time of the day on which it began, or of the next ones.
    began = time.localtime((begin_ns + offset_ns) / 1e9)
    midnight = round(time.mktime((began.tm_year, began.tm_mon, began.tm_mday, 0, 0, 0, 0, 0, -1)) * 1e9)
    moment = midnight + round(seconds * 1e9) - offset_ns
    while moment < begin_ns and moment + 86_400_000_000_000 <= end_ns:
        moment += 86_400_000_000_000
    if begin_ns <= moment <= end_ns:
        return moment
    from srr.trace.events import Clock

    shown = Clock(offset_ns)
    raise click.UsageError(f"--at {text}: the recording is from {shown.text(begin_ns)} to {shown.text(end_ns)}.")
