"""The live screen: every process in one line, in as many columns as the terminal needs for them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from srr.demo.picture import Picture, Row, picture
from srr.demo.split import Split
from srr.demo.supervisor import Supervisor

_STYLES = {
    "SEND": "yellow",
    "REPLY": "magenta",
    "RECEIVE": "green",
    "run": "bold",
    "pause": "dim",
    "ended": "dim",
    "start": "bold red",
}
_LEGEND = (
    "SEND: not yet received · REPLY: received, awaits the reply · RECEIVE: awaits a message · pause: not its turn yet"
)
#: What of the machine is shown, if the loggers know it: figure, words around it.
_SEEN = (
    ("cpu %", "cpu {:.0f} %"),
    ("load", "load {:.1f}"),
    ("context switches/s", "{:,.0f} context switches/s"),
    ("interrupts/s", "{:,.0f} interrupts/s"),
    ("page faults/s", "{:,.0f} page faults/s"),
    ("memory available MB", "{:,.0f} MB available"),
)


#: Where there is little room.
_SHORT = {
    "supervisor": "super",
    "logger": "log",
    "controller": "ctl",
    "driver": "drv",
    "archivist": "arch",
    "mover": "mov",
    "sensor": "sens",
}


@dataclass(frozen=True)
class Shape:
    """How wide a process's line is, and what it says."""

    width: int
    name: int
    state: int
    pid: bool
    seconds: bool
    short: bool


#: The widest that fits all processes is taken.
_SHAPES = (
    Shape(width=78, name=12, state=20, pid=True, seconds=True, short=False),
    Shape(width=58, name=12, state=18, pid=True, seconds=False, short=False),
    Shape(width=39, name=8, state=12, pid=False, seconds=False, short=True),
)
_GAP = 2
#: Title, heads of the columns, one event; and with what one would like to see besides: events, machine, legend.
_LEAST, _WANTED = 3, 9
#: Lines that hold the whole story of the killed server. With fewer, each event stays for so many seconds at least.
_ENOUGH, _READING_TIME = 5, 0.8


class Screen:
    """The whole terminal while the demo runs; what was there before comes back afterwards."""

    every = 0.25

    def __init__(self, to: IO[str], split: Split) -> None:
        self._split = split
        self._console = Console(file=to, highlight=False)
        self._live = Live(console=self._console, screen=True, auto_refresh=False, vertical_overflow="crop")
        self._events: list[str] = []
        #: How many of them one has had the time to read.
        self._read = 0
        self._next_read = 0.0

    def __enter__(self) -> Screen:
        self._live.start()
        self._live.update(Text("srr demo: the processes are starting ..."), refresh=True)
        return self

    def __exit__(self, *exception: object) -> None:
        self._live.stop()

    def show(self, supervisor: Supervisor) -> None:
        """A picture of now."""
        width, height = self._console.size
        if self._read < len(self._events) and time.monotonic() >= self._next_read:
            self._read += 1
            self._next_read = time.monotonic() + _READING_TIME
        now = picture(supervisor)
        self._live.update(
            render(supervisor, now, self._split.text(supervisor), self._events, self._read, width, height), refresh=True
        )

    def event(self, text: str) -> None:
        """It stays at the bottom until others have pushed it out."""
        self._events.append(text)


def render(
    supervisor: Supervisor, now: Picture, split: str, events: Sequence[str], read: int, width: int, height: int
) -> RenderableType:
    """The whole screen. Where there is room for few events, they take turns: ``read`` of them have had theirs."""
    shape, columns, deep = _fit(len(now.rows), width, height)
    spare = height - _LEAST - deep
    head = [_title(supervisor, now)]
    if split and spare >= 1:
        head.append(Text(split))
    if spare >= 3:
        head.append(Text(_machine(now)))
    if spare >= 5:
        head.append(Text(_LEGEND, style="dim"))
    told = height - len(head) - 1 - deep
    recent = events if told >= _ENOUGH else events[:read]
    lines = [*head, *(Text(event) for event in recent[-told:])]
    for line in lines:
        line.no_wrap = True
        line.truncate(width, overflow="ellipsis")
    return Group(*lines[: len(head)], _table(now.rows, shape, columns, deep), *lines[len(head) :])


def _fit(rows: int, width: int, height: int) -> tuple[Shape, int, int]:
    """The widest lines in the fewest columns that show all rows; else the narrowest in as many as there is room for.

    Returns the shape, the columns, and the rows in each.
    """
    for beside in (_WANTED, _LEAST):
        for shape in _SHAPES:
            most = max(1, (width + _GAP) // (shape.width + _GAP))
            columns = min(most, -(-rows // max(1, height - beside)))
            deep = -(-rows // columns)
            if deep <= height - beside:
                return shape, columns, deep
    return shape, most, max(1, height - _LEAST)


def _table(rows: Sequence[Row], shape: Shape, columns: int, deep: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold", collapse_padding=True)
    for column in range(columns):
        last = column == columns - 1
        for title, wide, justify in _titles(shape):
            gap = _GAP - 1 if title == "LANE" and not last else 0
            table.add_column(title, width=wide + gap, justify=justify, no_wrap=True, overflow="ellipsis")  # type: ignore[arg-type]
    cells = [_cells(row, shape) for row in rows]
    if len(cells) > columns * deep:
        fit = columns * deep - 1
        rest = rows[fit:]
        cells = [*cells[:fit], _cells(_sum(rest), shape)]
    blank = [Text("")] * len(_titles(shape))
    for line in range(deep):
        table.add_row(
            *(cell for at in range(line, columns * deep, deep) for cell in (cells[at] if at < len(cells) else blank))
        )
    return table


def _titles(shape: Shape) -> list[tuple[str, int, str]]:
    return [
        ("NAME", shape.name, "left"),
        *([("PID", 7, "right")] if shape.pid else []),
        ("STATE, ON", shape.state, "left"),
        *([("FOR", 7, "right")] if shape.seconds else []),
        ("MSG/S", 5, "right"),
        ("MB/S", 5 if shape.pid else 4, "right"),
        ("LANE", 6, "left"),
    ]


def _cells(row: Row, shape: Shape) -> list[Text]:
    style = _STYLES.get(row.state, "")
    state = f"{row.state} {_short(row.on, shape)}".rstrip()
    return [
        Text(_short(row.name, shape), style="bold red" if row.successor else ""),
        *([Text(str(row.pid) if row.pid else "", style="dim")] if shape.pid else []),
        Text(state, style=style),
        *([Text("" if row.seconds is None else f"{row.seconds * 1e3:.0f} ms")] if shape.seconds else []),
        Text(f"{row.messages:.0f}" if row.messages else ""),
        Text(_mb(row.bytes)),
        Text(row.lane, style="cyan" if row.lane == "direct" else ""),
    ]


def _sum(rows: Sequence[Row]) -> Row:
    """One line for all that there is no room for."""
    lane = max(rows, key=lambda row: row.bytes).lane
    messages, nbytes = sum(row.messages for row in rows), sum(row.bytes for row in rows)
    return Row(f"+{len(rows)}", "", 0, "...", "", None, messages, nbytes, lane)


def _short(name: str, shape: Shape) -> str:
    role, dash, number = name.partition("-")
    return f"{_SHORT.get(role, role)}{dash}{number}" if shape.short else name


def _mb(value: float) -> str:
    if not value:
        return ""
    return f"{value / 1e6:.0f}" if value >= 1e8 else f"{value / 1e6:.1f}" if value >= 5e4 else "0"


def _title(supervisor: Supervisor, now: Picture) -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append("srr demo", "bold")
    text.append(f"  {supervisor.phase} {supervisor.elapsed:.1f} of {supervisor.seconds:g} s  ")
    text.append(f"{now.messages:,.0f} msg/s", "bold green")
    text.append(f"  {now.bytes / 1e6:,.1f} MB/s  ", "bold cyan")
    text.append("  ".join(f"{lane} {value / 1e6:,.1f}" for lane, value in sorted(now.lanes.items())))
    return text


def _machine(now: Picture) -> str:
    return "the loggers say: " + " · ".join(words.format(now.seen[name]) for name, words in _SEEN if name in now.seen)
