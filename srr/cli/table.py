"""Tables for people and for pipes: rich lays them out; what goes to a file or a pipe is plain and never cut."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from srr.shown import printable, span

__all__ = ["layout", "printable", "show", "show_json", "span"]

#: Wide enough that nothing is folded or cut when nobody looks at it on a screen.
_UNBOUNDED = 10_000


def layout(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A table without lines. Where a terminal is too narrow, only some columns give way.

    Before a column's name: ">" it is right-justified, "~" it may be cut, "=" it may be folded into more lines.
    """
    cells = [[printable(cell) for cell in row] for row in rows]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for n, column in enumerate(columns):
        name = column.lstrip(">~=")
        table.add_column(
            Text(name),
            justify="right" if column.startswith(">") else "left",
            no_wrap=not column.startswith("="),
            overflow="fold" if column.startswith("=") else "ellipsis",
            min_width=None if column[:1] in ("~", "=") else max(len(name), *(len(row[n]) for row in cells), 0),
        )
    for row in cells:
        table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
    return table


def show(table: Table) -> None:
    """Print it: fitted to a terminal, else plain, complete, without trailing spaces."""
    if sys.stdout.isatty():
        Console(highlight=False).print(table)
        return
    console = Console(width=_UNBOUNDED, color_system=None, highlight=False, force_terminal=False)
    with console.capture() as capture:
        console.print(table)
    for line in capture.get().splitlines():
        click.echo(line.rstrip())


def show_json(value: Any) -> None:
    """Print it for programs."""
    click.echo(json.dumps(value, indent=2))


_STYLES = {
    "ok": "green",
    "no": "bold red",
    "later": "yellow",
    "SEND": "yellow",
    "REPLY": "magenta",
    "SIGNAL": "magenta",
    "RECEIVE": "green",
}
