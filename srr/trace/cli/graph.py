"""`srr-trace graph`: the wait-for graph, once."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from srr.processes import Process
from srr.shown import printable
from srr.trace import render
from srr.trace.cli import common
from srr.trace.deadlock import QUIET_NS, Watch
from srr.trace.feed import Source
from srr.trace.graph import STARVED_NS, Cycle, Graph, around, build, find_stuck, only, waits_of
from srr.trace.session import Losses

#: Seconds between the two looks that must agree on a cycle, and looks at most.
_SOON, _LOOKS = 0.1, 8


@click.command(short_help="Who waits for whom: text, DOT, Mermaid, SVG, JSON; cycles and starved servers marked.")
@click.option(
    "-f",
    "--format",
    "form",
    type=click.Choice(["text", "dot", "mermaid", "svg", "json"]),
    default="text",
    show_default=True,
    help="svg: drawn by graphviz's dot.",
)
@click.option("-o", "--output", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Not to stdout.")
@common.selection
@click.option(
    "--starved",
    "starved_ns",
    metavar="TIME",
    type=common.Duration(),
    default=STARVED_NS,
    help="A server is starved whose oldest message has waited for this long (default: 1s).",
)
@click.option("--blocked", is_flag=True, help="Only those who wait, and whom they wait for.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
def graph(
    form: str,
    output: Path | None,
    pids: tuple[int, ...],
    names_: tuple[str, ...],
    starved_ns: int,
    blocked: bool,
    as_json: bool,
) -> None:
    """Who waits for whom, now: each thread that is SEND-, REPLY- or RECEIVE-blocked on a process.

    \b
    As text, a tree for each process that waits for nobody; below it its waiters:
      SEND 3.2 s     its message has waited so long to be received
      REPLY 1.1 s    it was received, the reply is pending; "taken by": by which
                     thread of the process, if not its first
      RECEIVE 2.0 s  it waits for a message from that process only
      [queue 3, the oldest 3.2 s, holds 2, starved]
                     messages SEND-blocked on the process; those that await its
                     reply; starved: none of its threads receives, and the oldest
                     message has waited for 1 s (--starved)
      <- cycle 1     it is in a deadlock; the cycles are listed at the end

    A cycle is shown if two looks, a tenth of a second apart, agree on it (srr-trace deadlock says more). Who is
    RECEIVE-blocked from anyone waits for nobody. With -p and --name: these processes, whom they wait for,
    and who waits for them, directly or not. It reads the waiting table and no probe: no privilege is needed for one's
    own processes.

    \b
    Examples:
      srr-trace graph
      srr-trace graph --name plc               that process, and all it has to do with
      srr-trace graph -f svg -o who.svg        needs graphviz
      srr-trace graph -f mermaid               for Markdown
      srr-trace graph -f dot | sfdp -Tpng > who.png
      srr-trace graph --json | jq '.processes[] | select(.starved)'

    Exit status: 0; 1 it failed; 2 usage.
    """
    with common.looking() as source:
        common.refuse_nobody(source, pids, names_)
        seen = _seen(source, pids, names_, starved_ns, blocked)
        form = "json" if as_json else form
        try:
            text = _text(seen, form, source)
        except render.CannotDraw as error:
            raise click.ClickException(str(error)) from error
        if output is None:
            click.echo(text)
            return
        try:
            output.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise click.ClickException(f"{printable(str(output))}: {error.strerror}") from error


def _seen(source: Source, pids: tuple[int, ...], held: tuple[str, ...], starved_ns: int, blocked: bool) -> Graph:
    """Look until what looks like a cycle is one, or is none any more."""
    watch = Watch()
    cycles: dict[frozenset[object], Cycle] = {}
    found: Sequence[Process] = source.survey()
    if not source.is_live:  # it is not torn, and nothing is known of other threads: time must speak
        for cycle in find_stuck(found, others={}).cycles:
            if all((wait.age_ns(source.now_ns()) or 0) >= QUIET_NS for wait in cycle.members):
                cycles[frozenset((wait, wait.id) for wait in cycle.members)] = cycle
    for _ in range(_LOOKS if source.is_live else 0):
        found = source.survey()
        for one in watch.look(found, source.now_ns()):
            cycles[frozenset((wait, wait.id) for wait in one.cycle.members)] = one.cycle
        if not watch.undecided or not source.pace(_SOON):
            break
    now_ns = source.now_ns()
    present = {(wait, wait.id) for process in found for wait in waits_of(process)}
    standing = [cycle for key, cycle in cycles.items() if key <= present]
    seen = build(found, now_ns, standing, starved_ns=starved_ns)
    if pids or held:
        named = {pid for pid, node in seen.nodes.items() if node.process and set(held) & set(node.process.names)}
        seen = around(seen, (named | set(pids)) & seen.nodes.keys())
    if blocked:
        seen = only(seen, {pid for pid, node in seen.nodes.items() if node.waits or node.waiters})
    return seen


def _text(seen: Graph, form: str, source: Source) -> str:
    if form == "text":
        return "\n".join(render.text(seen, ascii_only="utf" not in (sys.stdout.encoding or "").lower()))
    if form == "dot":
        return "\n".join(render.dot(seen))
    if form == "mermaid":
        return "\n".join(render.mermaid(seen))
    if form == "svg":
        return render.svg(seen).rstrip("\n")
    return json.dumps({**render.json_of(seen, round(source.clock.wall(seen.now_ns) * 1e9)), "lost": Losses().json()})
