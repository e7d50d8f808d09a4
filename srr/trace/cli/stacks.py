"""`srr-trace stacks`: where clients were blocked and what servers did meanwhile, for flame graphs."""

from __future__ import annotations

import json

import click

from srr.trace.cli import common
from srr.trace.events import SCHEMA
from srr.trace.feed import Event
from srr.trace.folded import Folder
from srr.trace.labels import Labels
from srr.trace.programs import Wants

#: Times a second that the rings are read: symbols are looked up while the process lives.
_RATE = 20
#: Between two looks for new names.
_SURVEY_NS = 10**9


@click.command(short_help="Folded stacks: client;frames;--;server;frames.")
@click.argument("duration", type=common.Duration(), required=False)
@common.selection
@click.option("--pids", "with_pids", is_flag=True, help="Each process by itself, with its pid.")
@click.option("--queue", is_flag=True, help="SEND-blocked time on lines of its own: nobody worked on it yet.")
@click.option("--no-chains", "no_chains", is_flag=True, help="Not beyond the server: it costs less.")
@common.as_json
@common.listening
def stacks(
    duration: int | None,
    pids: tuple[int, ...],
    names_: tuple[str, ...],
    with_pids: bool,
    queue: bool,
    no_chains: bool,
    as_json: bool,
    ring: int,
    fail_on_loss: bool,
) -> None:
    """Where clients called Send, and where servers called Reply: one line for each pair of stacks, and how long clients
    were blocked there, in us. For DURATION (10, 500ms), or until Ctrl-C.

    \b
    client;main;ask;srr_send;--;server;main;serve;answer;srr_reply 1234

    Outermost first. `--` stands between the two processes. Frames of Python programs are Python's, with file and
    line; of what is in this library there is one. If the server did Sends of its own before it replied, their time is
    shown behind another `--`, with the stack that it had there, and taken from what is left to itself:

    \b
    client;main;srr_send;--;server;main;look_up;srr_send;--;disk;main;srr_reply 900

    Each client has its own tower: those 900 us are in the server's, too. The lines of one client add up to the time
    that its Sends took. In brackets, what is no frame: [unknown] (the process has ended, a file without symbols),
    [no reply] and [never received] (the Send failed), [SEND-blocked] (with --queue).

    This costs more than other views: both sides walk their stacks, some us for each Send and Reply.

    \b
    Examples:
      srr-trace stacks 10 > out.folded && flamegraph.pl --countname=us out.folded > out.svg
      srr-trace stacks --name plc --queue 5       also how long they queued; or load it into speedscope.app

    Exit status: 0; 1 it could not listen; 2 usage; 3 with --fail-on-loss, if anything was not seen.
    """
    # Chosen here and not in the kernel, which would leave out the frames of the chosen ones' partners.
    chosen = common.chosen_pids(pids, names_)
    wants = Wants(transactions=True, frames=True, changes=not no_chains, ring_bytes=ring)
    source = common.source()
    labels = Labels(source.is_live)

    def called(pid: int) -> str:
        label = labels.of(pid)
        if not label:
            return f"pid {pid}"
        return f"{label}-{pid}" if with_pids else label

    with common.feed(wants, fail_on_loss=fail_on_loss) as feed:
        if source.is_live:
            click.echo("Listening to every Send" + ("" if duration else "; Ctrl-C prints") + ".", err=True)
        folder = Folder(feed.symbol, called, only=chosen, queue=queue)
        labels.learn(source.survey())
        surveyed = source.now_ns()
        deadline = None if duration is None else source.now_ns() + duration
        going = True
        while going:
            going = source.pace(1 / _RATE) and (deadline is None or source.now_ns() < deadline)
            events = feed.drain() if going else feed.finish()
            for pid in _pids(events):
                labels.of(pid)  # while it lives
            if source.now_ns() >= surveyed + _SURVEY_NS:
                surveyed = source.now_ns()
                labels.learn(source.survey())
            (folder.add if going else folder.finish)(events)
        if as_json:
            for stack, ns in folder.stacks.items():
                click.echo(json.dumps({"schema": SCHEMA, "stack": stack, "blocked_ns": ns}))
        else:
            for line in folder.lines():
                click.echo(line)
        losses = feed.losses()
        if as_json:
            ending = {"transactions": folder.transactions, "unmatched": folder.unmatched, "lost": losses.json()}
            click.echo(json.dumps({"schema": SCHEMA, **ending}))
        common.told(losses)


def _pids(events: list[Event]) -> set[int]:
    return {getattr(event, "client", 0) or getattr(event, "pid", 0) for event in events}
