"""The flight recorder: the last seconds in memory, and in a file once something happens.

What is kept is what a file would have: surveys and events, packed as they are there. It is kept by segments, each from
one survey to the next; the oldest one is let go when it is older than what is to be kept, or when there is no room.
"""

from __future__ import annotations

import os
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from srr.processes import Process
from srr.trace import chunks
from srr.trace.deadlock import Watch
from srr.trace.events import Transaction, status_name, when_of
from srr.trace.feed import Event
from srr.trace.graph import find_stuck
from srr.trace.recorder import Writer
from srr.trace.statemodel import Known, StateModel, Survey, waiting_longer_than

#: Nanoseconds between two looks for a deadlock.
_LOOK_NS = 250_000_000
_NAMES_MAX = 65536

_K = TypeVar("_K")
_V = TypeVar("_V")


@dataclass(slots=True)
class _Segment:
    began_ns: int
    #: Is it the survey; and its bytes, deflated.
    pieces: list[tuple[bool, bytes]] = field(default_factory=list)
    nbytes: int = 0


class Flight:
    """A recorder's sink that forgets. ``memory``: bytes that the packed pieces may take."""

    def __init__(self, last_ns: int, memory: int) -> None:
        self._last_ns, self._memory = last_ns, memory
        self._segments: deque[_Segment] = deque()
        self._nbytes = 0
        self._known: dict[int, Known] = {}
        self._symbols: dict[tuple[int, int], str] = {}
        self._sums: tuple[int, dict[str, Any]] | None = None
        #: The table now; watches read it.
        self.model = StateModel(known=lambda pid: self._known.get(pid, ("", ())))
        #: Has anything younger than ``last_ns`` been let go, for want of room?
        self.is_short = False

    @property
    def nbytes(self) -> int:
        return self._nbytes

    def covers_ns(self, now_ns: int) -> int:
        """How far back it reaches."""
        return now_ns - self._segments[0].began_ns if self._segments else 0

    def names(self, known: dict[int, Known], symbols: dict[tuple[int, int], str]) -> None:
        _remember(self._known, known)
        _remember(self._symbols, symbols)

    def events(self, events: Sequence[Event]) -> None:
        for event in events:
            self.model.apply(event)
        if not self._segments:
            self._segments.append(_Segment(when_of(events[0])))
        self._keep(False, chunks.pack_events(events))
        self._let_go(when_of(events[-1]))

    def survey(self, survey: Survey) -> None:
        self.model.correct(survey)
        self._segments.append(_Segment(survey.began_ns))
        self._keep(True, chunks.pack_json(chunks.survey_json(survey)))
        self._let_go(survey.ended_ns)

    def sums(self, now_ns: int, sums: dict[str, Any]) -> None:
        self._sums = (now_ns, sums)

    def _keep(self, is_survey: bool, body: bytes) -> None:
        packed = zlib.compress(body, 1)
        segment = self._segments[-1]
        segment.pieces.append((is_survey, packed))
        segment.nbytes += len(packed)
        self._nbytes += len(packed)

    def _let_go(self, now_ns: int) -> None:
        segments = self._segments
        while len(segments) > 1 and segments[1].began_ns <= now_ns - self._last_ns:
            self._nbytes -= segments.popleft().nbytes
        while self._nbytes > self._memory:
            self.is_short = True
            oldest = segments[0]
            if len(segments) > 1:
                self._nbytes -= segments.popleft().nbytes
            elif len(oldest.pieces) > 1:
                # All of it is one segment: its survey stays, its first events go.
                at = 1 if oldest.pieces[0][0] else 0
                nbytes = len(oldest.pieces.pop(at)[1])
                oldest.nbytes -= nbytes
                self._nbytes -= nbytes
            else:
                break

    def write(
        self, path: str, about: dict[str, Any], replace: bool, now_ns: int, sums: dict[str, Any], why: str
    ) -> Writer:
        """All that is kept, to a file, which is closed then. CannotRecord."""
        began_ns = self._segments[0].began_ns if self._segments else now_ns
        writer = Writer(path, about | {"began_ns": began_ns, "why": why, "kept_ns": self._last_ns}, replace)
        try:
            writer.names(self._known, self._symbols)
            for segment in self._segments:
                for is_survey, packed in segment.pieces:
                    if is_survey:
                        writer.survey(chunks.read_survey(packed))
                    else:
                        writer.events(chunks.unpack_events(packed))
            writer.finish(now_ns, sums, why)
            return writer
        finally:
            writer.close()


def _remember(known: dict[_K, _V], fresh: dict[_K, _V]) -> None:
    """The youngest."""
    known.update(fresh)
    while len(known) > _NAMES_MAX:
        del known[next(iter(known))]


class Watcher:
    """Says when the file is to be written, and why. Each cause is told once."""

    def __init__(
        self,
        flight: Flight,
        survey: Callable[[], list[Process]],
        *,
        latency_ns: int | None = None,
        failed: bool = False,
        deadlock: bool = False,
        chosen: set[int] | None = None,
    ) -> None:
        self._flight, self._survey = flight, survey
        self._latency_ns, self._failed, self._chosen = latency_ns, failed, chosen
        self._watch = Watch() if deadlock else None
        self._look_ns = 0
        self._suspected = False
        #: Transactions that were late, and not over yet, when that was told.
        self._late: dict[int, int] = {}

    def causes(self, events: Sequence[Event], now_ns: int) -> Iterator[str]:
        for event in events:
            if isinstance(event, Transaction):
                yield from self._of(event)
        if self._latency_ns is not None:
            yield from self._unfinished(now_ns, self._latency_ns)
        if self._watch is not None and now_ns >= self._look_ns:
            self._look_ns = now_ns + _LOOK_NS
            yield from self._deadlocks(self._watch, now_ns)

    def _concerns(self, *pids: int) -> bool:
        """Surveys show everybody; asked for are some."""
        return self._chosen is None or not self._chosen.isdisjoint(pids)

    def _of(self, event: Transaction) -> Iterator[str]:
        was_late = self._late.get(event.client_thread) == event.id
        if was_late:
            del self._late[event.client_thread]
        who = f"the Send of {event.client} to {event.server}"
        if self._failed and event.status != 0:
            yield f"{who} failed: {status_name(event.status)}"
        elif self._latency_ns is not None and event.total_ns >= self._latency_ns and not was_late:
            yield f"{who} took {event.total_ns / 1e6:.1f} ms"

    def _unfinished(self, now_ns: int, limit_ns: int) -> Iterator[str]:
        waits = (
            wait
            for wait in self._flight.model.waits.values()
            if self._late.get(wait.tid) != wait.id and self._concerns(wait.pid, wait.on)
        )
        late = waiting_longer_than(waits, limit_ns, now_ns)
        if late is not None:
            self._late[late.tid] = late.id
            yield f"the Send of {late.pid} to {late.on} has been {late.state}-blocked for {limit_ns / 1e6:g} ms"

    def _deadlocks(self, watch: Watch, now_ns: int) -> Iterator[str]:
        """The model says cheaply whether there may be one; two looks at the table, whether there is."""
        suspected = bool(find_stuck(self._flight.model.survey()).cycles)
        if not (suspected or self._suspected):
            return
        self._suspected = suspected  # once more, when it has gone, so that the watch forgets it
        for found in watch.look(self._survey(), now_ns):
            if self._concerns(*found.cycle.pids):
                yield "a deadlock of " + ", ".join(map(str, sorted(found.cycle.pids)))


def numbered(path: str, number: int) -> str:
    """`trace.pftrace`, `trace-2.pftrace`, ..."""
    stem, suffix = os.path.splitext(path)
    return path if number == 1 else f"{stem}-{number}{suffix}"
