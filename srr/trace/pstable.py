"""The lines of `srr-trace ps`, in columns that letters choose."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from srr.processes import Process, Thread
from srr.shown import printable
from srr.state import Blocked
from srr.trace import render
from srr.trace.graph import Graph, Node

#: What is shown without -o.
USUAL = "anNJBtqA"


@dataclass(frozen=True, slots=True)
class Line:
    """A process, and one of its blocked threads; the process's own figures are on its first line."""

    node: Node
    process: Process
    thread: Thread | None
    is_first: bool
    graph: Graph


@dataclass(frozen=True, slots=True)
class Column:
    heading: str
    #: Characters; 0: what the others leave, shared, and cut to fit.
    width: int
    cell: Callable[[Line], str]
    meaning: str
    right: bool = True


def lines(graph: Graph, chosen: Callable[[Process], bool]) -> Iterator[Line]:
    for node in graph.nodes.values():
        if node.process is None or not chosen(node.process):
            continue
        for n, thread in enumerate(node.process.blocked or (None,)):
            yield Line(node, node.process, thread, n == 0, graph)


def _pid(line: Line) -> str:
    is_another = line.thread is not None and line.thread.tid not in (0, line.process.pid)
    return f"{line.process.pid}/{line.thread.tid}" if is_another and line.thread else str(line.process.pid)


def _on(line: Line) -> str:
    thread = line.thread
    if thread is None:
        return "-"
    if thread.on <= 0:
        return "anyone" if thread.state is Blocked.RECEIVE else "?"  # "?": it left while we looked
    node = line.graph.nodes.get(thread.on)
    process = node.process if node else None
    held = process.names[0] if process and process.names else process.program if process else ""
    return f"{thread.on} {render.cut(held, 40)}".rstrip()


def _age(line: Line) -> str:
    thread = line.thread
    return render.age(max(0, line.graph.now_ns - thread.since_ns) if thread and thread.since_ns else None)


def _of_thread(figure: Callable[[Thread], int]) -> Callable[[Line], str]:
    return lambda line: str(figure(line.thread)) if line.thread is not None and figure(line.thread) else "-"


def _of_process(figure: Callable[[Line], int]) -> Callable[[Line], str]:
    return lambda line: str(figure(line)) if line.is_first else "-"


COLUMNS: dict[str, Column] = {
    "a": Column("PID", 7, _pid, "the process; PID/TID for a thread that is not its first"),
    "b": Column("TID", 7, _of_thread(lambda thread: thread.tid), "the blocked thread; receivers are not named"),
    "n": Column("PROGRAM", 0, lambda line: line.process.program or "?", "what it runs", right=False),
    "N": Column("NAMES", 0, lambda line: ",".join(line.process.names) or "-", "the names it holds", right=False),
    "J": Column(
        "STATE",
        7,
        lambda line: str(line.thread.state) if line.thread else "-",
        "SEND, REPLY, SIGNAL or RECEIVE; -: it runs",
        right=False,
    ),
    "B": Column("BLOCKED ON", 0, _on, "the process that it waits for; anyone", right=False),
    "k": Column("BY", 7, _of_thread(lambda thread: thread.taken_by), "REPLY: the thread that received the message"),
    "t": Column("FOR", 7, _age, "how long it has slept so; - while it spins"),
    "m": Column("BYTES", 6, _of_thread(lambda thread: thread.nbytes), "of the message that it is blocked with"),
    "q": Column("QLEN", 4, _of_process(lambda line: len(line.node.queue)), "messages that wait to be received by it"),
    "A": Column(
        "OLDEST",
        7,
        lambda line: render.age(line.node.queue_age_ns(line.graph.now_ns)) if line.is_first else "-",
        "how long the oldest of these has waited",
    ),
    "h": Column("HELD", 4, _of_process(lambda line: len(line.node.held)), "messages that await its reply"),
    "r": Column("RCVRS", 5, _of_process(lambda line: line.process.receivers), "its threads that are RECEIVE-blocked"),
    "c": Column("CLNTS", 5, _of_process(lambda line: line.process.clients), "sending threads that it has met"),
    "s": Column("SENT", 9, _of_process(lambda line: line.process.sent), "messages sent so far"),
    "g": Column("RECEIVED", 9, _of_process(lambda line: line.process.received), "messages received so far"),
}


def legend() -> str:
    """For the help text: a line a letter."""
    return "\n".join(f"{letter}  {column.heading:<11} {column.meaning}" for letter, column in COLUMNS.items())


def table(letters: str, shown: Sequence[Line], width: int) -> Iterator[str]:
    """Heading and lines, at most ``width`` characters each as long as numbers have the usual size."""
    columns = [COLUMNS[letter] for letter in letters]
    cells = [[printable(column.cell(line)) for column in columns] for line in shown]
    widths = _widths(columns, cells, width)
    for row in [[column.heading for column in columns], *cells]:
        parts = (
            f"{cell if column.width else render.cut(cell, wide):{'>' if column.right else '<'}{wide}}"
            for column, cell, wide in zip(columns, row, widths, strict=True)
        )
        yield " ".join(parts).rstrip()


def _widths(columns: Sequence[Column], cells: Sequence[Sequence[str]], width: int) -> list[int]:
    """Fixed columns have what they need; of the rest, the flexible ones first what they need, then equal shares."""
    needs = [max(len(column.heading), *(len(row[n]) for row in cells), 0) for n, column in enumerate(columns)]
    widths = [max(column.width, need) if column.width else 0 for column, need in zip(columns, needs, strict=True)]
    room = max(0, width - sum(widths) - (len(columns) - 1))
    flexible = sorted((n for n, column in enumerate(columns) if not column.width), key=lambda n: needs[n])
    for at, n in enumerate(flexible):
        widths[n] = max(len(columns[n].heading), min(needs[n], room // (len(flexible) - at)))
        room = max(0, room - widths[n])
    return widths


def json_of(node: Node, graph: Graph, wall: float, schema: int) -> dict[str, Any]:
    process = node.process
    assert process is not None
    oldest = node.queue_age_ns(graph.now_ns)
    return {
        "schema": schema,
        "time": wall,
        "pid": process.pid,
        "program": process.program,
        "names": list(process.names),
        "sent": process.sent,
        "received": process.received,
        "receivers": process.receivers,
        "clients": process.clients,
        "queue": len(node.queue),
        "queue_age": None if oldest is None else oldest / 1e9,
        "held": len(node.held),
        "starved": node.starved,
        "blocked": [_json_of_thread(thread, graph) for thread in process.blocked],
    }


def _json_of_thread(thread: Thread, graph: Graph) -> dict[str, Any]:
    node = graph.nodes.get(thread.on)
    return {
        "tid": thread.tid or None,
        "state": str(thread.state),
        "on": thread.on or None,
        "on_program": node.process.program if node and node.process else None,
        "on_names": list(node.process.names) if node and node.process else [],
        "taken_by": thread.taken_by or None,
        "seconds": max(0, graph.now_ns - thread.since_ns) / 1e9 if thread.since_ns else None,
        "nbytes": thread.nbytes,
        "id": thread.id,
    }
