"""`srr-trace top` on the whole terminal, by Textual. One thread looks, and reads the probes; this one draws."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import DataTable, Footer, Input, Static

from srr.state import Blocked
from srr.trace import topcolumns, topdetail
from srr.trace.session import Losses
from srr.trace.topmodel import Choice, Mark, Row
from srr.trace.topsampler import Sampler, Seen
from srr.trace.topwatcher import Ended, OnStdout, Sampled, Watcher

#: Seconds between two looks, for + and -.
INTERVALS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
#: When so many lines are too many, all are written anew, which is quicker than taking them away.
_MANY = 20

_STYLES: dict[Blocked | None, str] = {
    None: "bold",
    Blocked.SEND: "#ffb454",
    Blocked.REPLY: "#c79bff",
    Blocked.SIGNAL: "#c79bff",
    Blocked.RECEIVE: "#7fd962",
}
_MARKED = {Mark.DEADLOCKED: "bold #ffffff on #b00020", Mark.STARVED: "bold #000000 on #e0b000"}
_OF_THE_LIST = ("order", "backwards", "filter", "clear")
_LINES = {"title": "bold", "head": "bold cyan", "bad": "bold #ff5f6e", "dim": "dim", "": ""}


class Rows(DataTable[Text]):
    """Home and End are the first row and the last, as there is no cell to go to."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("home", "scroll_top", show=False),
        Binding("end", "scroll_bottom", show=False),
    ]


class Opened(Screen[None]):
    """One process: its peers, its steps, its threads and their messages."""

    CSS = """
    Opened { layout: vertical; }
    #detail { width: auto; min-width: 100%; height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace,left", "app.pop_screen", "Back"),
        Binding("up,k", "scroll(-1)", "Up", show=False),
        Binding("down,j", "scroll(1)", "Down", show=False),
    ]

    def __init__(self, pid: int) -> None:
        self.pid = pid
        super().__init__()

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="scroll"):
            yield Static(id="detail", markup=False)
        yield Static(id="foot", markup=False)
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        self.show()

    def on_resize(self) -> None:
        self.call_later(self.show)

    def action_scroll(self, lines: int) -> None:
        self.query_one("#scroll").scroll_relative(y=lines, animate=False)

    def show(self) -> None:
        top = self.app
        assert isinstance(top, Top)
        if top.seen is None or not self.is_mounted:
            return
        lines = topdetail.lines(
            top.seen.snapshot, self.pid, self.size.width - 2, top.seen.heads, top.seen.cost is not None
        )
        text = Text(no_wrap=True, overflow="ellipsis")
        for line in lines:
            text.append(line.text + "\n", _LINES[line.style])
        self.query_one("#detail", Static).update(text)
        self.query_one("#foot", Static).update(top.foot())


class Top(App[int]):
    """The list of all processes. Its result is the exit code; what is to be said then is in ``failure``."""

    CSS = """
    Screen { layout: vertical; }
    #head, #foot { height: auto; max-height: 3; padding: 0; }
    .tiny #head, .tiny #foot, .tiny #foot { max-height: 1; }
    #head { text-style: bold; }
    Rows { height: 1fr; overflow-x: hidden; }
    #filter { display: none; height: 1; border: none; padding: 0; }
    """
    ENABLE_COMMAND_PALETTE = False
    TITLE = "srr-trace top"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "leave", "Quit"),
        Binding("ctrl+c", "leave", "Quit", show=False, priority=True),
        Binding("ctrl+z", "suspend_process", "Suspend", show=False, priority=True),
        Binding("space", "pause", "Pause"),
        # Before the table sees it: what is typed next is for the filter, and may be there already.
        Binding("slash", "filter", "Filter", key_display="/", priority=True),
        Binding("s", "order(1)", "Sort by next"),
        Binding("S", "order(-1)", "Sort by previous", show=False),
        Binding("r", "backwards", "Reverse"),
        Binding("plus", "interval(1)", "Slower", key_display="+"),
        Binding("minus", "interval(-1)", "Faster", key_display="-"),
        Binding("escape", "clear", "All", show=False),
    ]

    def __init__(
        self, sampler: Sampler, choice: Choice, *, interval: float, order: str, backwards: bool, count: int | None
    ) -> None:
        super().__init__(driver_class=OnStdout)
        self.seen: Seen | None = None
        self.failure = ""
        self.losses = Losses()
        self._choice = choice
        self._interval, self._order, self._backwards = interval, order, backwards
        self._left = count
        self._wanted: dict[str, int] = {}
        self._shape: topcolumns.Shape = []
        self._headings: list[str] = []
        self._rows: list[Row] = []
        self._cells: list[tuple[list[str], str]] = []
        self._followed = 0  # the process that the cursor was put on; 0: it stays where it is
        self._placed = 0
        self._is_over = False
        self._is_attached = False
        self._watcher = Watcher(self, sampler)

    # ---- its life

    def compose(self) -> ComposeResult:
        yield Static(id="head", markup=False)
        yield Rows(id="table", cursor_type="row", cell_padding=0, cursor_background_priority="css")
        yield Input(id="filter", placeholder="part of a pid, name, program or state", max_length=100, compact=True)
        yield Static(id="foot", markup=False)
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        self._at_signals()
        self._table.focus()
        self._watcher.start()

    def on_unmount(self) -> None:
        self._watcher.leave()

    def _at_signals(self) -> None:
        """Whoever ends us politely gets the terminal back as it was."""
        if threading.current_thread() is not threading.main_thread():
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.exit, 0 if number == signal.SIGINT else 128 + number)

    def seconds(self) -> float:
        """Between two looks."""
        return self._interval

    def attached(self) -> None:
        """By the watcher: from now on probes are read, or it is known why not."""
        self._is_attached = True

    @on(Sampled)
    def _take(self, message: Sampled) -> None:
        self.seen = message.seen
        self.losses = message.seen.losses
        self._show()
        self.call_after_refresh(self._watcher.drawn)
        if self._left is not None and message.seen.snapshot.seconds:
            self._left -= 1
            if self._left <= 0:
                self.exit(0)

    @on(Ended)
    def _end(self, message: Ended) -> None:
        self.failure = message.failure
        self._is_over = True
        if self.failure:
            self.exit(1)
        self._show()

    # ---- what it draws

    @property
    def _table(self) -> Rows:
        return self.screen_stack[0].query_one("#table", Rows)

    def on_resize(self) -> None:
        self.call_later(self._show)  # when Textual knows the new size as well

    def _show(self) -> None:
        if self.seen is None or not self.screen_stack:
            return
        self.screen_stack[0].set_class(self.size.height < 12, "tiny")
        rows = [row for row in self.seen.snapshot.rows if self._choice.shows(row)]
        self._rows = topcolumns.ordered(rows, self._order, backwards=self._backwards)
        self._show_columns()
        self._show_rows()
        base = self.screen_stack[0]
        base.query_one("#head", Static).update(self._head())
        base.query_one("#foot", Static).update(self.foot())
        if isinstance(self.screen, Opened):
            self.screen.show()

    def _show_columns(self) -> None:
        width = max(1, self.size.width - self._table.scrollbar_size_vertical)
        shape = topcolumns.fit(self._rows, width, self._wanted, self._order)
        headings = topcolumns.headings(shape, self._order, self._backwards)
        if shape == self._shape and headings == self._headings:
            return
        self._shape, self._headings = shape, headings
        self._cells.clear()
        self._table.clear(columns=True)
        for (column, columns_width), heading in zip(shape, headings, strict=True):
            self._table.add_column(Text(heading), key=column.name, width=columns_width + topcolumns.GAP)

    def _show_rows(self) -> None:
        """Lines stay where they are and get what is new: that costs a tenth of writing them anew."""
        table, rows = self._table, self._rows
        if len(self._cells) - len(rows) > _MANY:
            table.clear()
            self._cells.clear()
        while len(self._cells) > len(rows):
            self._cells.pop()
            table.remove_row(str(len(self._cells)))
        for at, row in enumerate(rows):
            cells, style = topcolumns.cells(self._shape, row), _style(row)
            if at == len(self._cells):
                self._cells.append((cells, style))
                table.add_row(*(Text(cell + " ", style) for cell in cells), key=str(at))
                continue
            before, styled = self._cells[at]
            self._cells[at] = (cells, style)
            for n, cell in enumerate(cells):
                if cell != before[n] or style != styled:
                    table.update_cell(str(at), self._shape[n][0].name, Text(cell + " ", style))
        self._place_cursor()

    def _place_cursor(self) -> None:
        """On the process that it was on, wherever that is now."""
        at = next((n for n, row in enumerate(self._rows) if row.pid == self._followed), None)
        if at is None:
            self._followed = 0
            at = max(0, min(self._table.cursor_row, len(self._rows) - 1))
        self._placed = at
        if at != self._table.cursor_row:
            self._table.move_cursor(row=at, animate=False)

    def _head(self) -> Text:
        assert self.seen is not None
        text = Text(topcolumns.heading(self._rows, len(self.seen.snapshot.rows)), overflow="ellipsis")
        for mark, style in _MARKED.items():
            marked = topcolumns.marked(self._rows, mark)
            if marked:
                text.append("  ").append(f" {marked} ", style)
        if self._choice.text and not self._filter.display:
            text.append(f"  /{self._choice.text}", "reverse")
        return text

    def foot(self) -> Text:
        """How it is looked, what that costs, and what was not seen."""
        seen = self.seen
        text = Text(overflow="ellipsis")
        if self._watcher.is_paused:
            text.append("PAUSED  ", "bold reverse")
        if seen is None:
            return text
        text.append("the recording has ended" if self._is_over else f"every {self._interval:g} s")
        if seen.losses.total:
            text.append(f"  {seen.losses}", "bold #ff5f6e")
        elif seen.cost is not None:
            text.append("  lost nothing")
        if seen.cost is not None:
            text.append(f"  probes: {seen.cost}")
        elif seen.without:
            text.append(f"  no times and bytes: {seen.without}", "#ffb454")
        elif not self._is_attached:
            text.append("  attaching to probes …", "dim")
        return text

    # ---- keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What is about the list has no key while one process is opened."""
        if action == "filter" and self._filter.display:
            return False  # a letter like others
        return not (action in _OF_THE_LIST and isinstance(self.screen, Opened))

    @property
    def _filter(self) -> Input:
        return self.screen_stack[0].query_one("#filter", Input)

    def action_leave(self) -> None:
        self.exit(0)

    def action_pause(self) -> None:
        self._watcher.pause(not self._watcher.is_paused)
        self._show()

    def action_order(self, step: int) -> None:
        shown = [topcolumns.BUSY, *(column.name for column, _ in self._shape if column.heading)]
        at = shown.index(self._order) if self._order in shown else 0
        self._sort_by(shown[(at + step) % len(shown)])

    def action_backwards(self) -> None:
        self._backwards = not self._backwards
        self._show()

    def _sort_by(self, order: str) -> None:
        self._backwards = False
        self._order = order
        self._show()

    def action_interval(self, step: int) -> None:
        others = [i for i in INTERVALS if (i > self._interval if step > 0 else i < self._interval)]
        if others:
            self._interval = others[0] if step > 0 else others[-1]
        self._show()

    def action_filter(self) -> None:
        self._filter.display = True
        self._filter.value = self._choice.text
        self.screen.set_focus(self._filter)

    def action_clear(self) -> None:
        self._filter.value = ""
        self._close_filter()
        self._choose("")

    def _close_filter(self) -> None:
        self._filter.display = False
        self.screen.set_focus(self._table)

    def _choose(self, text: str) -> None:
        self._choice = Choice(self._choice.pids, self._choice.names, text)
        self._show()

    @on(Input.Changed, "#filter")
    def _filter_typed(self, event: Input.Changed) -> None:
        if self._filter.display:
            self._choose(event.value)

    @on(Input.Submitted, "#filter")
    def _filter_entered(self, event: Input.Submitted) -> None:
        self._close_filter()
        self._choose(event.value)

    def _pid_at(self, line: int) -> int:
        """0: there is none. An empty table's cursor is at -1."""
        return self._rows[line].pid if 0 <= line < len(self._rows) else 0

    @on(DataTable.RowHighlighted)
    def _cursor_moved(self, event: DataTable.RowHighlighted) -> None:
        if event.cursor_row == self._table.cursor_row != self._placed:
            self._placed = event.cursor_row
            self._followed = self._pid_at(event.cursor_row) if event.cursor_row else 0

    @on(DataTable.RowSelected)
    def _row_selected(self, event: DataTable.RowSelected) -> None:
        pid = self._pid_at(event.cursor_row)
        if pid:
            self._followed = pid
            self._watcher.open(pid)
            self.push_screen(Opened(pid), lambda _: self._watcher.open(0))

    @on(DataTable.HeaderSelected)
    def _heading_selected(self, event: DataTable.HeaderSelected) -> None:
        name = event.column_key.value
        if name == self._order:
            self.action_backwards()
        elif name in topcolumns.BY_NAME:
            self._sort_by(name)


def _style(row: Row) -> str:
    return _MARKED.get(row.mark) or _STYLES[row.state]


def run(app: Top) -> int:
    """Until it is left: the exit code."""
    code = app.run()
    if app.failure:
        print(app.failure, file=sys.stderr)
    return (app.return_code or 0) if code is None else code
