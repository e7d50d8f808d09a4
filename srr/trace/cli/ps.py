"""`srr-trace ps`: who is blocked on whom, in columns of one's choice."""

from __future__ import annotations

import json
import shutil
import sys

import click

from srr.processes import Process
from srr.trace import graph, pstable
from srr.trace.cli import common
from srr.trace.events import SCHEMA
from srr.trace.session import Losses

#: A line where nobody says how long it may be.
_PLAIN = 79


def _letters(ctx: click.Context, parameter: click.Parameter, value: str) -> str:
    for letter in value:
        if letter not in pstable.COLUMNS:
            raise click.BadParameter(f"{letter!r} is no column; there are\n\n{pstable.legend()}")
    if not value:
        raise click.BadParameter("no column is chosen; there are\n\n" + pstable.legend())
    return value


@click.command(
    short_help="Every process: its state, on whom it is blocked, since when, its queue.",
    help=f"""Every process that uses srr: its state, on whom it is blocked, for how long, and who waits for it.

    One line a process, and one more for each further thread that is blocked. With INTERVAL it looks again every so many
    seconds, COUNT times or until Ctrl-C. It reads the waiting table and no probe: no privilege is needed for one's own
    processes. Root sees everybody's.

    The letters of -o (without it: {pstable.USUAL}):

    \b
    {pstable.legend().replace(chr(10), chr(10) + "    ")}

    \b
    Examples:
      srr-trace ps                   once
      srr-trace ps 2 5 -T            five times, every 2 s, with the time of day
      srr-trace ps --name plc        the process that holds the name plc
      srr-trace ps -o abJBkm         threads, and whom they are blocked on
      srr-trace ps --json | jq 'select(.queue > 10)'

    Exit status: 0, also if there is none; 1 it failed; 2 usage.
    """,
)
@common.ticks(None)
@common.selection
@click.option(
    "-o", "letters", metavar="LETTERS", default=pstable.USUAL, callback=_letters, help="Which columns, in which order."
)
@click.option("-w", "--wide", is_flag=True, help="Cut nothing.")
@common.timestamps
@common.as_json
def ps(
    interval: float | None,
    count: int | None,
    pids: tuple[int, ...],
    names_: tuple[str, ...],
    letters: str,
    wide: bool,
    timestamp: bool,
    as_json: bool,
) -> None:
    width = 10_000 if wide else shutil.get_terminal_size((_PLAIN, 24)).columns if sys.stdout.isatty() else _PLAIN
    with common.looking() as source:
        common.refuse_nobody(source, pids, names_)
        shown = looks = 0
        going = True
        while going:
            seen = graph.build(source.survey(), source.now_ns())
            if source.is_live and any(pid not in seen.nodes for pid in pids):
                absent = next(pid for pid in pids if pid not in seen.nodes)
                raise click.ClickException(f"-p {absent}: it has not used srr, has ended, or is another user's")
            chosen = list(pstable.lines(seen, lambda process: _is_chosen(process, pids, names_)))
            if as_json:
                for line in chosen:
                    if line.is_first:
                        shown += 1
                        wall = source.clock.wall(seen.now_ns)
                        click.echo(json.dumps(pstable.json_of(line.node, seen, wall, SCHEMA)))
            else:
                if looks:
                    click.echo()
                if timestamp:
                    click.echo(source.clock.text(seen.now_ns))
                for text in pstable.table(letters, chosen, width):
                    click.echo(text)
            looks += 1
            sys.stdout.flush()
            going = interval is not None and looks != count and source.pace(interval)
        if as_json:
            click.echo(json.dumps({"schema": SCHEMA, "looks": looks, "processes": shown, "lost": Losses().json()}))


def _is_chosen(process: Process, pids: tuple[int, ...], held: tuple[str, ...]) -> bool:
    return not (pids or held) or process.pid in pids or not set(held).isdisjoint(process.names)
