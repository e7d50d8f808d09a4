"""A wait-for graph as text, DOT, Mermaid, SVG or JSON.

Programs and names are other people's bytes: in each format they are escaped so that they stay text.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

from srr.processes import Process
from srr.shown import printable, span
from srr.state import Blocked
from srr.trace.events import SCHEMA
from srr.trace.graph import Cycle, Graph, Node, Wait

#: Deeper trees go on at the margin: a chain of a thousand would be a page wide.
_DEEPEST = 12
#: Characters of a program, and of all its names, in a label.
_PROGRAM, _NAMES = 30, 30
#: Seconds that dot may take.
_DOT_TIMEOUT = 60


class CannotDraw(Exception):
    """What is missing, and what to do."""


def label(process: Process | None) -> str:
    """`python plc.py (plc)`."""
    if process is None:
        return "?"
    held = f" ({cut(','.join(process.names), _NAMES)})" if process.names else ""
    return (cut(process.program, _PROGRAM) or "?") + held


def cut(text: str, width: int) -> str:
    """Printable, and at most so many characters."""
    shown = printable(text[: width + 1])
    return shown if len(shown) <= width else shown[: width - 1] + "…"


def age(ns: int | None) -> str:
    """`3.2 s`; "-": it does not sleep."""
    return "-" if ns is None else span(ns / 1e9)


def thread_of(wait: Wait) -> str:
    """`4711`, or `4711/4713` for a thread that is not its first."""
    return str(wait.pid) if wait.tid in (0, wait.pid) else f"{wait.pid}/{wait.tid}"


def state_of(node: Node) -> str:
    """What the process does, in a word or some."""
    if node.process is None:
        return "not in the table"
    if not node.process.blocked:
        return "runs"
    return "+".join(dict.fromkeys(str(thread.state) for thread in node.process.blocked)) + "-blocked"


def burden(node: Node, now_ns: int) -> str:
    """`queue 3, the oldest 4.2 s, holds 2, starved`; "" if nobody waits."""
    parts = []
    if node.queue:
        parts.append(f"queue {len(node.queue)}, the oldest {age(node.queue_age_ns(now_ns))}")
    if node.held:
        parts.append(f"holds {len(node.held)}")
    if node.starved:
        parts.append("starved")
    return ", ".join(parts)


def headline(cycle: Cycle) -> str:
    """`cycle of 3 processes (certain), 2 waiting behind`."""
    processes = "1 process" if len(cycle.pids) == 1 else f"{len(cycle.pids)} processes"
    behind = f", {len(cycle.behind)} waiting behind" if cycle.behind else ""
    return f"cycle of {processes} ({'certain' if cycle.certain else 'not certain'}){behind}"


# ---- text


def text(graph: Graph, *, ascii_only: bool = False) -> Iterator[str]:
    """A tree for each process that waits for nobody: below it those who wait for it. Then the cycles."""
    tee, corner, bar = ("|- ", "`- ", "|  ") if ascii_only else ("├─ ", "└─ ", "│  ")
    in_cycle = {wait: n for n, cycle in enumerate(graph.cycles, 1) for wait in cycle.members}
    shown: set[int] = set()
    roots = [pid for pid, node in graph.nodes.items() if not node.waits]
    roots += [cycle.members[0].on for cycle in graph.cycles]
    roots += list(graph.nodes)
    todo: list[tuple[str, str, int, Wait | None]] = []
    for root in roots:
        if root in shown:
            continue
        todo.append(("", "", root, None))
        while todo:
            prefix, below, pid, wait = todo.pop()
            node = graph.nodes[pid]
            line = f"{pid} {label(node.process)}"
            if wait is None:
                line += f"  {state_of(node)}"
            else:
                line = f"{wait.state} {age(wait.age_ns(graph.now_ns))}  {thread_of(wait)} {label(node.process)}"
                if wait.taken_by not in (0, wait.on):
                    line += f"  (taken by thread {wait.taken_by})"
                if wait in in_cycle:
                    line += f"  <- cycle {in_cycle[wait]}"
            again = pid in shown
            deep = not again and len(below) > _DEEPEST * len(bar) and bool(node.waiters)
            if not again:
                line += f"  [{burden(node, graph.now_ns)}]" if burden(node, graph.now_ns) else ""
            elif node.waiters:
                line += "  (its waiters: above)"
            if deep:
                line += "  (its waiters: below)"
            yield prefix + line
            if again or deep:
                continue
            shown.add(pid)
            for n, waiter in reversed(list(enumerate(node.waiters, 1))):
                last = n == len(node.waiters)
                todo.append((below + (corner if last else tee), below + ("   " if last else bar), waiter.pid, waiter))
    for n, cycle in enumerate(graph.cycles, 1):
        yield ""
        yield f"{n}. {headline(cycle)}"
        for wait in cycle.members:
            yield f"   {sentence(wait, graph)}"


def sentence(wait: Wait, graph: Graph) -> str:
    """`4711/4713 plc is SEND-blocked on 4712 gateway for 3.2 s`."""
    for_ = wait.age_ns(graph.now_ns)
    taken = f", thread {wait.taken_by}" if wait.taken_by not in (0, wait.on) else ""
    return (
        f"{thread_of(wait)} {_short(graph, wait.pid)} is {wait.state}-blocked on "
        f"{wait.on} {_short(graph, wait.on)}{taken}" + ("" if for_ is None else f" for {age(for_)}")
    )


def _short(graph: Graph, pid: int) -> str:
    """Its first name, else its program."""
    node = graph.nodes.get(pid)
    process = node.process if node else None
    return cut((process.names[0] if process.names else process.program) if process else "", _PROGRAM) or "?"


# ---- DOT, SVG


def dot(graph: Graph) -> Iterator[str]:
    """For graphviz. Cycles are red, starved servers orange."""
    cyclic = {wait for cycle in graph.cycles for wait in cycle.members}
    in_cycle = {wait.pid for wait in cyclic}
    yield "digraph srr {"
    yield "  rankdir=LR;"
    yield '  node [shape=box, style="rounded,filled", fillcolor=white, fontname="sans-serif", fontsize=11];'
    yield '  edge [fontname="sans-serif", fontsize=9];'
    for node in graph.nodes.values():
        lines = _lines(node, graph.now_ns)
        fill = "#ffd6d6" if node.pid in in_cycle else "#ffe8b8" if node.starved else "#ffffff"
        bold = ', color="#c00000", penwidth=2' if node.pid in in_cycle else ""
        yield f'  p{node.pid} [label="{_joined(lines, _dot_escaped, chr(92) + "n")}", fillcolor="{fill}"{bold}];'
    for wait in graph.waits:
        style = ', color="#c00000", fontcolor="#c00000", penwidth=2' if wait in cyclic else ""
        dash = ", style=dashed" if wait.state is Blocked.RECEIVE else ""
        words = _joined(_words(wait, graph.now_ns), _dot_escaped, chr(92) + "n")
        yield f'  p{wait.pid} -> p{wait.on} [label="{words}"{style}{dash}];'
    yield "}"


def _lines(node: Node, now_ns: int) -> list[str]:
    return [line for line in (label(node.process), f"{node.pid}  {state_of(node)}", burden(node, now_ns)) if line]


def _words(wait: Wait, now_ns: int) -> list[str]:
    words = [f"{wait.state} {age(wait.age_ns(now_ns))}"]
    if wait.tid not in (0, wait.pid):
        words.append(f"thread {wait.tid}")
    if wait.taken_by not in (0, wait.on):
        words.append(f"taken by {wait.taken_by}")
    return words


def _joined(lines: list[str], escaped: Callable[[str], str], between: str) -> str:
    return between.join(escaped(line) for line in lines)


def _dot_escaped(line: str) -> str:
    return line.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"')  # dot knows entities


def svg(graph: Graph) -> str:
    """Drawn by graphviz's dot. CannotDraw: it is not installed, or fails."""
    program = shutil.which("dot")
    if program is None:
        raise CannotDraw("SVG is drawn by graphviz's dot, which is not installed: apt-get install graphviz")
    try:
        drawn = subprocess.run(
            [program, "-Tsvg"],
            input="\n".join(dot(graph)),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_DOT_TIMEOUT,
        )
    except subprocess.TimeoutExpired:
        raise CannotDraw(
            f"dot did not end within {_DOT_TIMEOUT} s; --format dot writes the graph for another layout (sfdp)"
        ) from None
    if drawn.returncode != 0:
        raise CannotDraw(f"dot failed: {printable(drawn.stderr.strip()[:200])}")
    return drawn.stdout


# ---- Mermaid


def mermaid(graph: Graph) -> Iterator[str]:
    """For Markdown: GitHub and others draw it."""
    yield "flowchart LR"
    for node in graph.nodes.values():
        yield f'  p{node.pid}["{_joined(_lines(node, graph.now_ns), _mermaid_escaped, "<br/>")}"]'
    cyclic = {wait for cycle in graph.cycles for wait in cycle.members}
    red = []
    for n, wait in enumerate(graph.waits):
        arrow = "-.->" if wait.state is Blocked.RECEIVE else "-->"
        words = _joined(_words(wait, graph.now_ns), _mermaid_escaped, "<br/>")
        yield f'  p{wait.pid} {arrow}|"{words}"| p{wait.on}'
        if wait in cyclic:
            red.append(str(n))
    if red:
        yield f"  linkStyle {','.join(red)} stroke:#c00000,stroke-width:3px"
        yield "  classDef cycle fill:#ffd6d6,stroke:#c00000,stroke-width:2px"
        yield f"  class {','.join(f'p{pid}' for pid in sorted({wait.pid for wait in cyclic}))} cycle"
    if graph.starved:
        yield "  classDef starved fill:#ffe8b8"
        yield f"  class {','.join(f'p{node.pid}' for node in graph.starved)} starved"


def _mermaid_escaped(line: str) -> str:
    """Whatever might mean something to Mermaid or to HTML, as a number."""
    return "".join(c if c.isalnum() or c in " .,-_/+" else f"#{ord(c)};" for c in line)


# ---- JSON


def json_of(graph: Graph, wall_ns: int) -> dict[str, Any]:
    """For programs."""
    return {
        "schema": SCHEMA,
        "time": wall_ns / 1e9,
        "processes": [
            {
                "pid": node.pid,
                "program": node.process.program if node.process else None,
                "names": list(node.process.names) if node.process else [],
                "receivers": node.process.receivers if node.process else None,
                "queue": len(node.queue),
                "queue_age": _seconds(node.queue_age_ns(graph.now_ns)),
                "held": len(node.held),
                "starved": node.starved,
            }
            for node in graph.nodes.values()
        ],
        "waits": [json_of_wait(wait, graph.now_ns) for wait in graph.waits],
        "cycles": [
            {
                "certain": cycle.certain,
                "pids": list(cycle.pids),
                "members": [json_of_wait(wait, graph.now_ns) for wait in cycle.members],
                "behind": [json_of_wait(wait, graph.now_ns) for wait in cycle.behind],
            }
            for cycle in graph.cycles
        ],
    }


def json_of_wait(wait: Wait, now_ns: int) -> dict[str, Any]:
    return {
        "pid": wait.pid,
        "tid": wait.tid or None,
        "state": str(wait.state),
        "on": wait.on,
        "taken_by": wait.taken_by or None,
        "seconds": _seconds(wait.age_ns(now_ns)),
        "nbytes": wait.nbytes,
    }


def _seconds(ns: int | None) -> float | None:
    return None if ns is None else ns / 1e9
