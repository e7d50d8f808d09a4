"""The columns of `srr-trace top`: what they are called, what they say, how they sort, and which of them fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len, set_cell_size

from srr.shown import brief, printable, size, span
from srr.trace.topmodel import Mark, Row
from srr.trace.totals import Histogram

#: Between two columns.
GAP = 1

_MARKS = {Mark.FINE: "", Mark.STARVED: "S", Mark.DEADLOCKED: "D"}

#: Of a program or name, beyond what is needed.
_LETTERS = 5
_STATES = ("SEND", "REPLY", "SIGNAL", "RECEIVE", "run")


@dataclass(frozen=True, slots=True)
class Column:
    """``rank``: 0 is always there; of the others those of the lowest ranks that fit."""

    name: str
    heading: str
    rank: int
    text: Callable[[Row], str]
    #: To sort by; None comes last in either direction.
    value: Callable[[Row], Any]
    #: Never narrower than this, nor than ``needed``'s text; up to ``most``, if there is room for what it says.
    least: int
    most: int
    right: bool = True
    #: What must not be cut, for half a number is another number.
    needed: Callable[[Row], str] = lambda row: ""
    #: The largest first, where nothing else is asked for.
    descending: bool = True


def age(ns: int | None) -> str:
    """In at most 6 characters: `12us`, `345ms`, `6.7s`, `8m09s`, `1h02m`, `3d04h`, `123d`."""
    if ns is None:
        return "-"
    days = ns // (86400 * 10**9)
    return span(ns / 1e9).replace(" ", "") if days < 100 else f"{days}d" if days < 10**5 else "ages"


def per_second(rate: float | None) -> str:
    """In at most 6 characters: `0`, `0.3`, `12345`, `123K`, `1.2M`."""
    if rate is None:
        return "-"
    if 0 < rate < 9.95:
        return f"{rate:.1f}" if rate >= 0.05 else "<0.1"
    if rate < 99_999.5:
        return f"{rate:.0f}"
    for unit in "KMG":
        rate /= 1000
        if rate < 999.5:
            return f"{rate:.1f}{unit}" if rate < 9.95 else f"{rate:.0f}{unit}"
    return "huge"


def quantile(histogram: Histogram | None, q: float) -> int | None:
    return None if histogram is None else histogram.quantile_ns(q)


def who(row: Row) -> str:
    """Names first: forty processes called python tell nobody anything."""
    program = _what(row.program)
    return printable(f"{','.join(row.names)} ({program})" if row.names else program)


def _what(program: str) -> str:
    """What an interpreter runs says more than that it is one."""
    first, _, rest = program.partition(" ")
    return rest if rest and first.startswith("python") else program


def blocked(row: Row) -> str:
    """`REPLY 4711 plc`, `RECEIVE`; `-`: it runs."""
    return f"{_blocked_on(row)} {printable(_what(row.on_name))}".rstrip()


def _blocked_on(row: Row) -> str:
    return "-" if row.state is None else f"{row.state} {row.on}" if row.on else str(row.state)


def _histogram(
    name: str, heading: str, rank: int, of: Callable[[Row], Histogram | None], q: float, least: int = 5
) -> Column:
    return Column(
        name, heading, rank, lambda row: brief(quantile(of(row), q)), lambda row: quantile(of(row), q), least, 6
    )


COLUMNS = (
    Column("mark", "", 0, lambda row: _MARKS[row.mark], lambda row: row.mark, 1, 1, right=False),
    Column("pid", "PID", 0, lambda row: str(row.pid), lambda row: row.pid, 5, 9, needed=lambda row: str(row.pid),
           descending=False),
    Column("program", "PROGRAM", 0, who, lambda row: who(row).casefold() or None, 6, 34, right=False,
           descending=False),
    Column("blocked", "BLOCKED ON", 0, blocked, lambda row: (str(row.state), row.on) if row.state else None, 10, 34,
           right=False, needed=_blocked_on, descending=False),
    Column("for", "FOR", 0, lambda row: age(row.for_ns), lambda row: row.for_ns, 6, 6),
    Column("queue", "QLEN", 0, lambda row: str(row.queued), lambda row: row.queued, 4, 4),
    Column("sent", "SENT/s", 1, lambda row: per_second(row.sent_rate), lambda row: row.sent_rate, 6, 6),
    Column("received", "RECV/s", 2, lambda row: per_second(row.received_rate), lambda row: row.received_rate, 6, 6),
    _histogram("que50", "QUE50", 6, lambda row: row.queue, 0.5),
    _histogram("que99", "QUE99", 4, lambda row: row.queue, 0.99),
    _histogram("srv50", "SRV50", 5, lambda row: row.service, 0.5),
    _histogram("srv99", "SRV99", 3, lambda row: row.service, 0.99),
    _histogram("snd50", "SND50", 9, lambda row: row.total, 0.5),
    _histogram("snd99", "SND99", 8, lambda row: row.total, 0.99),
    Column("bytes", "BYTES/s", 7, lambda row: "-" if row.byte_rate is None else size(round(row.byte_rate)),
           lambda row: row.byte_rate, 7, 7),
)  # fmt: skip

BY_NAME = {column.name: column for column in COLUMNS}
#: The order if none is asked for: what is wrong, then who is busiest, then where messages wait.
BUSY = "busy"
ORDERS = (BUSY, *BY_NAME)


def ordered(rows: Iterable[Row], order: str, *, backwards: bool = False) -> list[Row]:
    """By pid where a column says the same."""
    by_pid = sorted(rows, key=lambda row: row.pid)
    if order == BUSY:
        return sorted(by_pid, key=_busy, reverse=not backwards)
    column = BY_NAME[order]
    known = [row for row in by_pid if column.value(row) is not None]
    unknown = [row for row in by_pid if column.value(row) is None]
    return sorted(known, key=column.value, reverse=column.descending != backwards) + unknown


def _busy(row: Row) -> tuple[Any, ...]:
    return (row.mark, (row.sent_rate or 0) + (row.received_rate or 0), row.queued, row.for_ns or 0)


Shape = list[tuple[Column, int]]


def fit(rows: Sequence[Row], width: int, wanted: MutableMapping[str, int], order: str = BUSY) -> Shape:
    """Columns and their widths, for that many characters; also the one that is sorted by, if at all possible.

    ``wanted`` remembers what each column has wanted so far: a table whose columns move about is hard to read.
    """
    needed = {c.name: min(c.most, max([c.least, *(len(c.needed(row)) for row in rows)])) for c in COLUMNS}
    for c in COLUMNS:
        longest = max((cell_len(c.text(row)) for row in rows), default=0) if c.most > c.least else c.least
        wanted[c.name] = max(needed[c.name], wanted.get(c.name, 0), min(c.most, longest))
    chosen = [c for c in COLUMNS if c.rank == 0]
    widths = {c.name: needed[c.name] for c in chosen}
    room = width + GAP - sum(widths.values()) - GAP * len(chosen)
    # Who waits for whom comes before how long things take: a few letters of each name are not given away.
    kept = sum(min(_LETTERS, wanted[c.name] - needed[c.name]) for c in chosen)
    for c in sorted(COLUMNS, key=lambda c: 0.5 if c.name == order else c.rank):
        if c.rank and needed[c.name] + GAP > room - kept:
            break
        if c.rank:
            widths[c.name] = needed[c.name]
            room -= needed[c.name] + GAP
    while room > 0 and (modest := [name for name in widths if widths[name] < wanted[name]]):
        for name in modest[:room]:
            widths[name] += 1
        room -= len(modest)
    return [(c, widths[c.name]) for c in COLUMNS if c.name in widths]


def cell_text(text: str, width: int, *, right: bool = False) -> str:
    """Exactly that wide, in a terminal's cells; that something is cut off can be seen."""
    length = cell_len(text)
    if length > width:
        return set_cell_size(set_cell_size(text, width - 1) + "…", width)
    space = " " * (width - length)
    return space + text if right else text + space


def headings(shape: Shape, order: str = BUSY, backwards: bool = False) -> list[str]:
    """With an arrow where it is sorted by, if there is room for one."""
    found = []
    for column, width in shape:
        text = column.heading
        if column.name == order and len(text) < width:
            text = f"{text}{'▼' if column.descending != backwards else '▲'}"
        found.append(cell_text(text, width, right=column.right))
    return found


def cells(shape: Shape, row: Row) -> list[str]:
    return [cell_text(_text(column, width, row), width, right=column.right) for column, width in shape]


def _text(column: Column, width: int, row: Row) -> str:
    """Rather only what must not be cut than that and a stump."""
    text, needed = column.text(row), column.needed(row)
    return needed if needed and cell_len(text) > width < len(needed) + 3 else text


def heading(rows: Sequence[Row], of: int) -> str:
    """How many processes are in each state, and how many messages wait: `7 processes: 2 SEND, 1 run; 3 queued`."""
    states: dict[str, int] = {}
    for row in rows:
        state = "run" if row.state is None else str(row.state)
        states[state] = states.get(state, 0) + 1
    count = f"{len(rows)}" if len(rows) == of else f"{len(rows)} of {of}"
    shown = ", ".join(f"{states[state]} {state}" for state in _STATES if state in states)
    queued = sum(row.queued for row in rows)
    text = f"{count} process{'' if of == 1 else 'es'}"
    return text + (f": {shown}" if shown else "") + (f"; {queued} queued" if queued else "")


def marked(rows: Sequence[Row], mark: Mark) -> str:
    """`2 deadlocked (D): 4711 4712`; "": none."""
    pids = [str(row.pid) for row in rows if row.mark is mark]
    if not pids:
        return ""
    return f"{len(pids)} {mark} ({_MARKS[mark]}): {' '.join(pids[:6])}{' …' if len(pids) > 6 else ''}"
