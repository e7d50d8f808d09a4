"""`srr-trace deadlock`: silent until processes wait for each other in a circle."""

from __future__ import annotations

import json
import shlex
import sys
import time

import click

from srr import processes
from srr.trace import alarm, graph, stack
from srr.trace.cli import common
from srr.trace.deadlock import PATIENCE_NS, Deadlock, Watch
from srr.trace.events import SCHEMA
from srr.trace.feed import Source
from srr.trace.session import Losses

#: Seconds between two looks; and where something is seen that a second look must confirm.
_INTERVAL, _SOON = "0.25", 0.1
#: So many quick looks in a row; then at INTERVAL again.
_SOON_MOST = 12
#: Looking takes at most this share of a CPU, however many processes there are.
_SHARE = 0.1


def _command(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    try:
        if value is not None and not shlex.split(value):
            raise click.BadParameter("there is no command to run")
    except ValueError as error:
        raise click.BadParameter(f"{error}: {value}") from error
    return value


@click.command(short_help="Silent until processes wait for each other in a circle; then who, and exit 1.")
@click.argument("interval", type=click.FloatRange(min=0.01), default=_INTERVAL)
@common.selection
@click.option("--once", is_flag=True, help="Only what there is now: exit 0 if there is none.")
@click.option("--continue", "go_on", is_flag=True, help="Do not end at the first; tell each one once.")
@click.option("--certain", is_flag=True, help="Only where no thread is left that might act.")
@click.option(
    "--patience",
    type=common.Duration(),
    metavar="TIME",
    default=PATIENCE_NS,
    help="How long a circle must stand if other threads of its processes run (default: 5s).",
)
@click.option(
    "--exec", "hook", metavar="COMMAND", callback=_command, help="Run it (without a shell), with the report on stdin."
)
@click.option("--no-stacks", is_flag=True, help="Leave the stacks out; nothing but the waiting table is read.")
@common.as_json
def deadlock(
    interval: float,
    pids: tuple[int, ...],
    names_: tuple[str, ...],
    once: bool,
    go_on: bool,
    certain: bool,
    patience: int,
    hook: str | None,
    no_stacks: bool,
    as_json: bool,
) -> None:
    """Watch, silently, until processes wait for each other in a circle; tell who, and exit 1.

    It looks at the waiting table each INTERVAL seconds (default: 0.25) and tells a circle within a second of its
    closing: its members, whom they wait for and since when, the heads of their messages, who waits behind them, and
    the members' stacks (Python: py-spy; others: eu-stack). No probe, no privilege for one's own processes, but what
    ptrace needs for the stacks. Two looks must agree: what changes is never told.

    \b
    A circle is
    certain      no thread is left that could receive or reply
    not certain  its processes have other threads, of which the waiting table
                 knows nothing: they all sleep, or some run and the circle has
                 stood for the time of --patience

    With -p and --name, only a circle with one of these processes in it, or behind it.
    A busy or a stopped server, a slow chain and a client of a process that died are none. A Send with a time-out ends
    by itself, and its circle with it.

    \b
    --exec  gets the report (the object of --json) on stdin, and the pids in
            SRR_DEADLOCK_PIDS, separated by spaces; its output goes to stderr

    \b
    Examples:
      srr-trace deadlock                            until there is one
      srr-trace deadlock --once --certain           for scripts: is there one now?
      srr-trace deadlock --name plc                 only if it hits the process of that name
      srr-trace deadlock --continue --json          a line for each one, until Ctrl-C
      srr-trace deadlock --exec 'logger -t deadlock'

    Exit status: 1 there was one (or it failed: then stderr tells); 0 there was none until Ctrl-C, with --once now, or
    in the recording; 2 usage.
    """
    found = 0
    with common.looking() as source:
        common.refuse_nobody(source, pids, names_)
        watch = Watch(patience_ns=patience) if source.is_live else Watch(None, patience)
        looks = quick = 0
        began_ns = source.now_ns()
        while True:
            began = time.thread_time()
            survey = source.survey()
            now_ns = source.now_ns()
            fresh = [
                one
                for one in watch.look(survey, now_ns)
                if (one.cycle.certain or not certain) and _concerns(one, survey, pids, names_)
            ]
            took = time.thread_time() - began
            looks += 1
            if looks == 1:
                common.ready()
            if fresh:
                seen = graph.build(survey, now_ns, [one.cycle for one in fresh])
                for one in fresh:
                    found += 1
                    _tell(one, seen, source, hook, no_stacks, as_json)
                if not go_on and not once:
                    break
            quick = quick + 1 if watch.undecided else 0
            if once and looks > 1 and (not watch.undecided or now_ns - began_ns > patience + 10**9):
                break
            soon = _SOON if quick or (once and looks == 1) else interval
            pause = min(interval, soon) if quick <= _SOON_MOST or once else interval
            if not source.pace(max(pause, took / _SHARE) if source.is_live else pause):
                break
        if as_json:
            click.echo(json.dumps({"schema": SCHEMA, "deadlocks": found, "lost": Losses().json()}))
    click.get_current_context().exit(common.FOUND if found else 0)


def _concerns(one: Deadlock, found: list[processes.Process], pids: tuple[int, ...], held: tuple[str, ...]) -> bool:
    """It is in the circle, or waits behind it."""
    if not pids and not held:
        return True
    chosen = {process.pid for process in found if process.pid in pids or not set(held).isdisjoint(process.names)}
    return any(wait.pid in chosen for wait in (*one.cycle.members, *one.cycle.behind))


def _tell(one: Deadlock, seen: graph.Graph, source: Source, hook: str | None, no_stacks: bool, as_json: bool) -> None:
    told = alarm.raise_alarm(one, seen, processes.peek if source.is_live else None)
    if not as_json:
        for line in alarm.text(told, source.clock):
            click.echo(line)
        sys.stdout.flush()  # the stacks may take seconds
    stacks = None
    if source.is_live and not no_stacks:
        stacks = stack.stacks([(wait.pid, wait.tid) for wait in one.cycle.members])
        if not as_json:
            for line in alarm.stack_text(told, stacks):
                click.echo(line)
    as_told = alarm.json_of(told, source.clock, stacks)
    if as_json:
        click.echo(json.dumps(as_told))
    sys.stdout.flush()
    if hook is not None:
        try:
            alarm.run_hook(hook, told, as_told)
        except alarm.HookFailed as error:
            click.echo(f"srr-trace deadlock: --exec: {error}", err=True)
