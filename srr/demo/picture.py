"""What there is to see at one moment: each process's state, from the waiting table, and its rates, from its reports."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from typing import Any

from srr import processes
from srr.demo.plan import ROLES, SOURCES
from srr.demo.supervisor import Person, Supervisor

#: What a process does that is not blocked in srr, by the letter in /proc/<pid>/stat. Sources pause between messages.
_OTHERWISE = {"R": "run", "S": "pause", "D": "disk"}


@dataclass(frozen=True)
class Row:
    """One process."""

    name: str
    role: str
    pid: int
    #: SEND, REPLY, RECEIVE; run, pause, start, ended.
    state: str
    #: The process it is SEND- or REPLY-blocked on.
    on: str
    #: How long it has slept in that state; None if it has not.
    seconds: float | None
    #: A second, sent and received.
    messages: float
    bytes: float
    #: The lane that most of these bytes took.
    lane: str
    #: It has taken over from the one that was killed.
    successor: bool = False


@dataclass(frozen=True)
class Picture:
    """All of it."""

    rows: list[Row]
    #: A second: each message counted once.
    messages: float
    bytes: float
    #: Bytes a second by lane.
    lanes: dict[str, float]
    #: What the loggers know of the machine: the last value of each figure.
    seen: dict[str, float]

    def states(self) -> str:
        """How many are in which state."""
        count = Counter(row.state for row in self.rows)
        return "  ".join(f"{state} {many}" for state, many in sorted(count.items()))


def picture(supervisor: Supervisor) -> Picture:
    """Look now. The supervisor may go on meanwhile in its own thread: what it adds to is copied in one step."""
    names = {person.pid: person.member.name for person in tuple(supervisor.persons)} | {os.getpid(): "supervisor"}
    rows = [Row("supervisor", "supervisor", os.getpid(), "run", "", None, *_rates_of_supervisor(supervisor))]
    present = sorted(supervisor.present.values(), key=lambda person: ROLES.index(person.member.role))
    messages, lanes = 0.0, Counter[str]()
    for person in present:
        sent, received, by_lane = _rates(person)
        lane = max(by_lane, key=lambda name: by_lane[name], default="")
        total = sum(by_lane.values())
        state, on, seconds = _state(person, names)
        took_over = person.number > len(supervisor.members)
        member = person.member
        rows.append(
            Row(member.name, member.role, person.pid, state, on, seconds, sent + received, total, lane, took_over)
        )
        messages += sent
        # Both sides report the bytes of a message; what goes to the supervisor is hardly worth mentioning.
        lanes.update({name: value / 2 for name, value in by_lane.items()})
    return Picture(rows, messages, sum(lanes.values()), dict(lanes), _seen(present))


def _state(person: Person, names: dict[int, str]) -> tuple[str, str, float | None]:
    if person.books is not None:
        return "ended", "", None
    try:
        for thread in processes.look(person.pid, rows_only=True).blocked:
            return str(thread.state), names.get(thread.on, ""), thread.seconds
    except OSError:
        pass  # It has no rows yet, or none any more.
    if person.hello is None:
        return "start", "", None
    try:
        with open(f"/proc/{person.pid}/stat", encoding="utf-8", errors="replace") as file:
            letter = file.read().rpartition(")")[2].split()[0]
    except OSError:
        return "ended", "", None
    otherwise = _OTHERWISE.get(letter, "run")
    return ("run" if otherwise == "pause" and person.member.role not in SOURCES else otherwise), "", None


def _rates(person: Person) -> tuple[float, float, dict[str, float]]:
    """Messages sent and received a second, bytes a second by lane: over the last reports."""
    reports = tuple(person.progress)
    if person.books is not None or len(reports) < 2:
        return 0.0, 0.0, {}
    (then, first), (now, last) = reports[0], reports[-1]
    seconds = max(now - then, 1e-3)
    lanes = {lane: (nbytes - first["lanes"].get(lane, 0)) / seconds for lane, nbytes in last["lanes"].items()}
    return (
        (last["sent"] - first["sent"]) / seconds,
        (last["received"] - first["received"]) / seconds,
        {lane: value for lane, value in lanes.items() if value},
    )


def _rates_of_supervisor(supervisor: Supervisor) -> tuple[float, float, str]:
    elapsed = max(supervisor.elapsed, 1e-3)
    received = tuple(supervisor.account.received.values())
    return sum(e["messages"] for e in received) / elapsed, sum(e["bytes"] for e in received) / elapsed, "inline"


def _seen(present: list[Person]) -> dict[str, float]:
    seen: dict[str, float] = {}
    for person in present:
        if person.member.role == "logger" and person.progress:
            notes: dict[str, Any] = person.progress[-1][1]["notes"]
            seen |= {name: values[-1] for name, values in notes.get("figures", {}).items()}
    return seen
