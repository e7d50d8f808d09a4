"""What a view is fed of a recording, and what was counted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from srr.trace import chunks
from srr.trace.chunks import Damaged
from srr.trace.events import Change, Frames, Kind, Transaction
from srr.trace.feed import Event
from srr.trace.programs import Wants
from srr.trace.session import Cost, Losses
from srr.trace.totals import Imposed, Totals

if TYPE_CHECKING:
    from srr.trace.recording import Recording

_MADE = ("transactions", "changes", "frames")


@dataclass(frozen=True, slots=True)
class Sums:
    """What was counted up to a moment."""

    losses: Losses = field(default_factory=Losses)
    cost: Cost = field(default_factory=lambda: Cost(0, 0.0, 0.0))
    made: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_MADE, 0))
    imposed: tuple[Imposed, ...] = ()


class RecordedFeed:
    """Of a recording, what a session with the same wants would have told from when it was opened."""

    def __init__(self, recording: Recording, wants: Wants) -> None:
        self.clock = recording.clock
        self.wants = wants
        self._recording = recording
        self._chosen: set[int] | None = None
        self._heard: list[Event] = []
        self._totals: dict[tuple[int, int, int | None], Totals] = {}
        self._before = {(each.server, each.client): each for each in recording.sums.imposed}

    def hear(self, event: Event) -> None:
        """By the recording."""
        if isinstance(event, Transaction):
            if self._wants(event):
                if self.wants.totals:
                    self._add(event)
                if self.wants.transactions:
                    self._heard.append(self._peeked(event))
        elif isinstance(event, Frames):
            if self.wants.frames and self._is_chosen(event.pid):
                self._heard.append(event)
        elif self.wants.changes and self._wants_change(event):
            self._heard.append(event)

    def _is_chosen(self, *pids: int) -> bool:
        return not self.wants.chosen or (self._chosen is not None and not self._chosen.isdisjoint(pids))

    def _wants(self, event: Transaction) -> bool:
        if self.wants.failed_only and event.status == 0:
            return False
        return event.total_ns >= self.wants.min_latency_ns and self._is_chosen(event.client, event.server)

    def _wants_change(self, event: Change) -> bool:
        if event.kind is Kind.EXIT:
            return self.wants.exits
        if event.kind is Kind.SYSCALL:
            return self.wants.syscalls and self._is_chosen(event.pid)
        return self._is_chosen(event.pid, event.peer)

    def _peeked(self, event: Transaction) -> Transaction:
        if event.peek is None or len(event.peek) <= self.wants.peek:
            return event
        return event._replace(peek=event.peek[: self.wants.peek] if self.wants.peek else None)

    def _add(self, event: Transaction) -> None:
        """As bpf/srr.c does it."""
        key = (event.client, event.server, event.type)
        sums = self._totals.get(key)
        if sums is None:
            sums = self._totals[key] = Totals(*key)
        sums.count += 1
        sums.failed += event.status != 0
        sums.sent += event.sent
        sums.replied += event.replied
        sums.steps["transfer"].add(event.transfer_ns)
        sums.steps["total"].add(event.total_ns)
        if not event.is_timed:
            sums.untimed += 1
            return
        sums.steps["queue"].add(event.received_ns - event.published_ns)
        sums.steps["service"].add(event.replied_ns - event.received_ns)
        sums.steps["wakeup"].add(event.woken_ns - event.replied_ns)

    def drain(self) -> list[Event]:
        heard, self._heard = self._heard, []
        return heard

    def finish(self) -> list[Event]:
        return self.drain()

    def totals(self) -> list[Totals]:
        return list(self._totals.values())

    def imposed(self) -> list[Imposed]:
        """Of the time since this was opened."""
        found = []
        for each in self._recording.sums.imposed:
            before = self._before.get((each.server, each.client))
            cpu, count = (before.cpu_ns, before.count) if before is not None else (0, 0)
            if (each.cpu_ns, each.count) != (cpu, count) and self._is_chosen(each.server, each.client):
                found.append(Imposed(each.server, each.client, each.cpu_ns - cpu, each.count - count))
        return found

    def choose(self, pids: set[int]) -> None:
        self._chosen = set(pids)

    def symbol(self, address: int, pid: int) -> str:
        return self._recording.symbol(address, pid)

    def made(self) -> dict[str, int]:
        return dict(self._recording.sums.made)

    def losses(self) -> Losses:
        return self._recording.sums.losses

    def cost(self) -> Cost:
        return self._recording.sums.cost


def read_sums(body: bytes) -> Sums:
    value = chunks.read_json(body)
    try:
        cost = value["cost"]
        known = Losses.__dataclass_fields__
        return Sums(
            Losses(**{key: int(number) for key, number in value["lost"].items() if key in known}),
            Cost(int(cost["hits"]), float(cost["hit_ns"]), float(cost["seconds"])),
            {kind: int(value["made"].get(kind, 0)) for kind in _MADE},
            tuple(Imposed(*map(int, each)) for each in value["imposed"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise Damaged(f"sums lack {error}") from error
