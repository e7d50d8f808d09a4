"""What is told of a deadlock: its members with their messages and stacks, who waits behind, what else could act."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from srr.errors import Failure
from srr.shown import printable
from srr.state import Blocked
from srr.trace import render
from srr.trace.deadlock import Deadlock
from srr.trace.events import SCHEMA, Clock
from srr.trace.graph import Graph, Wait
from srr.trace.stack import Stack

#: Bytes of a message that are shown.
HEAD = 32
#: Waiters behind that a text names.
_NAMED = 20

Peek = Callable[[int, int, int], bytes]


@dataclass(frozen=True, slots=True)
class Head:
    """The beginning of a member's message, or why it can not be had."""

    data: bytes
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Alarm:
    deadlock: Deadlock
    #: Of the same look.
    graph: Graph
    heads: Mapping[Wait, Head]

    @property
    def pids(self) -> list[int]:
        return sorted(self.deadlock.cycle.pids)


def raise_alarm(deadlock: Deadlock, graph: Graph, peek: Peek | None) -> Alarm:
    """With the head of each member's message. ``peek``: None where there is nobody to ask (a recording)."""
    heads = {}
    if peek is not None:
        for wait in deadlock.cycle.members:
            if wait.state is not Blocked.RECEIVE:
                heads[wait] = _head(wait, peek)
    return Alarm(deadlock, graph, heads)


def _head(wait: Wait, peek: Peek) -> Head:
    try:
        return Head(peek(wait.pid, wait.tid, HEAD))
    except Failure as failure:
        return Head(b"", failure.strerror or str(failure))


# ---- text


def text(alarm: Alarm, clock: Clock) -> Iterator[str]:
    """All but the stacks, which take longer."""
    deadlock, graph = alarm.deadlock, alarm.graph
    yield f"{clock.text(deadlock.seen_ns)} deadlock: {render.headline(deadlock.cycle)}"
    if deadlock.closed_ns:
        yield f"  it closed {render.age(max(0, deadlock.seen_ns - deadlock.closed_ns))} ago"
    for n, wait in enumerate(deadlock.cycle.members, 1):
        yield f"  {n}. {render.sentence(wait, graph)}"
        if wait in alarm.heads:
            yield f"     {_message(wait, alarm.heads[wait])}"
    behind = deadlock.cycle.behind
    if behind:
        yield "  behind:"
        yield from (f"     {render.sentence(wait, graph)}" for wait in behind[:_NAMED])
        if len(behind) > _NAMED:
            yield f"     and {len(behind) - _NAMED} more"
    for pid, count in (deadlock.others or {}).items():
        yield f"  {pid} has {count} more {'thread' if count == 1 else 'threads'} that might act yet"


def _message(wait: Wait, head: Head) -> str:
    if head.why_not:
        return f"message of {wait.nbytes} bytes, which can not be read: {head.why_not}"
    shown = printable(head.data.decode("latin-1"))
    return f"message of {wait.nbytes} bytes" + (f": {shown}" if shown else "")


def stack_text(alarm: Alarm, stacks: Mapping[tuple[int, int], Stack]) -> Iterator[str]:
    for wait in alarm.deadlock.cycle.members:
        stack = stacks[wait.pid, wait.tid]
        yield f"  stack of {render.thread_of(wait)}:" + (f" none: {printable(stack.why_not)}" * bool(stack.why_not))
        yield from (f"     {printable(frame)}" for frame in stack.frames)


# ---- JSON


def json_of(alarm: Alarm, clock: Clock, stacks: Mapping[tuple[int, int], Stack] | None) -> dict[str, Any]:
    """For programs and the hook. ``stacks`` None: not asked for."""
    deadlock, graph = alarm.deadlock, alarm.graph
    return {
        "schema": SCHEMA,
        "time": clock.wall(deadlock.seen_ns),
        "closed": clock.wall(deadlock.closed_ns) if deadlock.closed_ns else None,
        "certain": deadlock.cycle.certain,
        "pids": alarm.pids,
        "members": [_json_of_member(wait, alarm, stacks) for wait in deadlock.cycle.members],
        "behind": [_json_of_wait(wait, graph) for wait in deadlock.cycle.behind],
        "other_threads": None if deadlock.others is None else {str(pid): n for pid, n in deadlock.others.items()},
    }


def _json_of_wait(wait: Wait, graph: Graph) -> dict[str, Any]:
    node = graph.nodes.get(wait.pid)
    process = node.process if node else None
    return {
        **render.json_of_wait(wait, graph.now_ns),
        "program": process.program if process else None,
        "names": list(process.names) if process else [],
    }


def _json_of_member(wait: Wait, alarm: Alarm, stacks: Mapping[tuple[int, int], Stack] | None) -> dict[str, Any]:
    member = _json_of_wait(wait, alarm.graph)
    head = alarm.heads.get(wait)
    if head is not None:
        member["message"] = {"hex": head.data.hex(), "why_not": head.why_not or None}
    if stacks is not None:
        stack = stacks[wait.pid, wait.tid]
        member["stack"] = list(stack.frames)
        member["why_no_stack"] = stack.why_not or None
    return member


# ---- the hook


class HookFailed(Exception):
    """What happened to it."""


def run_hook(hook: str, alarm: Alarm, told: dict[str, Any]) -> None:
    """Run the user's command, split as a shell would, but without one: the alarm as JSON on its stdin.

    What it prints goes to stderr, since stdout is ours. HookFailed: it could not be started, or failed.
    """
    words = shlex.split(hook)
    environment = {**os.environ, "SRR_DEADLOCK_PIDS": " ".join(map(str, alarm.pids))}
    try:
        ended = subprocess.run(words, input=json.dumps(told).encode(), env=environment, stdout=sys.stderr)
    except OSError as error:
        raise HookFailed(f"{printable(words[0])} could not be run: {error.strerror}") from error
    if ended.returncode < 0:
        raise HookFailed(f"{printable(words[0])} was killed by signal {-ended.returncode}")
    if ended.returncode:
        raise HookFailed(f"{printable(words[0])} failed with exit code {ended.returncode}")
