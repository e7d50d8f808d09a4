"""Recording: what a feed tells goes into a file, or into the flight recorder's memory.

A Writer makes the file: chunks (what exactly was told) and tracks (what Perfetto draws of it), in pieces that are each
written by one call, so that a recorder that is killed leaves whole pieces behind, and at most one that is cut.
"""

from __future__ import annotations

import gc
import os
import stat
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, Protocol, TypeGuard

from srr import processes
from srr.trace import chunks
from srr.trace.chunks import Kinds
from srr.trace.events import Change, Frames, Kind, Transaction, when_of
from srr.trace.feed import Event, Feed, Source
from srr.trace.perfetto_file import Packets
from srr.trace.programs import Wants
from srr.trace.statemodel import Known, Survey
from srr.trace.tracks import Tracks

#: Nanoseconds between two surveys, at least; and they take at most this share of the time.
SURVEY_NS, SURVEY_SHARE = 1_000_000_000, 0.05
#: Events in one piece.
_PIECE = 20_000
#: Addresses whose symbols are remembered.
_SYMBOLS_MAX = 100_000

#: Kinds of change that the kernel tells of everybody.
_OF_ALL = (Kind.EXIT, Kind.SYSCALL)


class CannotRecord(Exception):
    """The file can not be written: why, and what to do."""


class Sink(Protocol):
    """Where a recorder's pieces go."""

    def names(self, known: dict[int, Known], symbols: dict[tuple[int, int], str]) -> None: ...

    def events(self, events: Sequence[Event]) -> None: ...

    def survey(self, survey: Survey) -> None: ...

    def sums(self, now_ns: int, sums: dict[str, Any]) -> None: ...


def header(feed: Feed, wants: Wants, transfers: bool, began_ns: int) -> dict[str, Any]:
    """How it was recorded."""
    from srr import __version__

    kernel = os.uname()
    return {
        "by": f"srr-trace {__version__}",
        "machine": f"{kernel.nodename} {kernel.sysname} {kernel.release} {kernel.machine}",
        "clock_offset_ns": feed.clock.offset_ns,
        "began_ns": began_ns,
        "wants": asdict(wants),
        "transfers": transfers,
    }


class Writer:
    """The file. It is made anew, for its owner alone; ``replace``: also where there is one."""

    def __init__(self, path: str, about: dict[str, Any], replace: bool = False) -> None:
        self.path = path
        self.nbytes = self.transactions = 0
        self._last_ns = int(about["began_ns"])
        self._known: dict[int, Known] = {}
        self._packets = Packets()
        self._tracks = Tracks(self._packets, lambda pid: self._known.get(pid, ("", ())))
        self._fd = _create(path, replace)
        now_ns = time.monotonic_ns()
        boot_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        self._packets.begin_file(now_ns, now_ns + int(about["clock_offset_ns"]), boot_ns)
        self._put(Kinds.HEADER, self._last_ns, self._last_ns, about)

    def names(self, known: dict[int, Known], symbols: dict[tuple[int, int], str]) -> None:
        self._known.update(known)
        value = {
            "processes": [[pid, program, names] for pid, (program, names) in known.items()],
            "symbols": [[pid, address, symbol] for (pid, address), symbol in symbols.items()],
        }
        self._put(Kinds.NAMES, self._last_ns, self._last_ns, value)

    def events(self, events: Sequence[Event]) -> None:
        """By time."""
        for at in range(0, len(events), _PIECE):
            piece = events[at : at + _PIECE]
            self._draw(piece)
            first, last = when_of(piece[0]), when_of(piece[-1])
            self._last_ns = max(self._last_ns, last)
            tracks = self._packets.take()
            self._write(chunks.encode(Kinds.EVENTS, first, last, chunks.pack_events(piece), len(tracks)) + tracks)

    def _draw(self, piece: Sequence[Event]) -> None:
        collecting = gc.isenabled()
        gc.disable()  # packets by the ten thousand, none of which refers to another
        try:
            for event in piece:
                self._tracks.apply(event)
                self.transactions += isinstance(event, Transaction)
        finally:
            if collecting:
                gc.enable()

    def survey(self, survey: Survey) -> None:
        self._tracks.correct(survey)
        self._last_ns = max(self._last_ns, survey.ended_ns)
        self._put(Kinds.SURVEY, survey.began_ns, survey.ended_ns, chunks.survey_json(survey))

    def sums(self, now_ns: int, sums: dict[str, Any]) -> None:
        self._last_ns = max(self._last_ns, now_ns)
        self._put(Kinds.SUMS, now_ns, now_ns, sums)

    def finish(self, now_ns: int, sums: dict[str, Any], why: str) -> None:
        """The end, in good order."""
        self._tracks.finish()
        self._packets.note_end(now_ns, {"lost": str(sums["lost"]), "cost": str(sums["cost"]), "why": why})
        self._put(Kinds.END, now_ns, now_ns, sums | {"why": why})

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _put(self, kind: Kinds, first: int, last: int, value: dict[str, Any]) -> None:
        tracks = self._packets.take()
        self._write(chunks.encode_json(kind, first, last, value, len(tracks)) + tracks)

    def _write(self, data: bytes) -> None:
        """All of it, or none: what is there stays a whole trace also where the disk is full."""
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(self._fd, left) :]
        except OSError as error:
            os.ftruncate(self._fd, self.nbytes)
            raise CannotRecord(
                f"{self.path}: {error.strerror}. What was written until then is whole and can be replayed"
            ) from error
        self.nbytes += len(data)


def _create(path: str, replace: bool) -> int:
    """A new file, mode 0600, never somebody's link: it holds what other people's programs said to each other."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        if replace and stat.S_ISREG(os.lstat(path).st_mode):
            os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise CannotRecord(f"{path} can not be replaced: {error.strerror}") from error
    try:
        return os.open(path, flags, 0o600)
    except FileExistsError as error:
        raise CannotRecord(f"{path} is there already. Choose another name, or --force to replace it") from error
    except OSError as error:
        raise CannotRecord(f"{path} can not be written: {error.strerror}") from error


class Recorder:
    """Takes what a feed tells, and looks at the table now and then; ``tick`` is called many times a second."""

    def __init__(self, feed: Feed, source: Source, sink: Sink) -> None:
        self._feed, self._source, self._sink = feed, source, sink
        #: Processes that the sink knows.
        self._known: set[int] = set()
        self._symbols: set[tuple[int, int]] = set()
        self._pending: Survey | None = None
        self._due_ns = 0
        self._look()

    def tick(self, events: Sequence[Event], settled_ns: int) -> None:
        """``events``: all there are up to ``settled_ns``, and since the last call. A survey goes in where it was taken:
        after the events until then."""
        self._name(event for event in events if not _is_of_all(event))
        events = [event for event in events if not _is_of_all(event) or event.pid in self._known]
        self._known.difference_update(_ended(events))  # another process may get the number
        pending = self._pending
        if pending is not None and pending.ended_ns <= settled_ns:
            at = next((n for n, event in enumerate(events) if when_of(event) > pending.ended_ns), len(events))
            self._tell(events[:at])
            self._sink.survey(pending)
            self._pending, events = None, events[at:]
        self._tell(events)
        if self._source.now_ns() >= self._due_ns and self._pending is None:
            self._look()
            self._sink.sums(self._source.now_ns(), self.sums())

    def last(self, events: Sequence[Event]) -> None:
        """The rest, after which nothing comes."""
        self.tick(events, 1 << 63)
        if self._pending is not None:
            self._sink.survey(self._pending)
            self._pending = None

    def sums(self) -> dict[str, Any]:
        cost = self._feed.cost()
        return {
            "lost": self._feed.losses().json(),
            "made": self._feed.made(),
            "cost": {"hits": cost.hits, "hit_ns": cost.hit_ns, "seconds": cost.seconds},
            "imposed": self._imposed(),
        }

    def _imposed(self) -> list[list[int]]:
        wants = getattr(self._feed, "wants", None)
        if wants is None or not wants.imposed:
            return []
        return [[each.server, each.client, each.cpu_ns, each.count] for each in self._feed.imposed()]

    def _tell(self, events: Sequence[Event]) -> None:
        if events:
            self._sink.events(events)

    def _look(self) -> None:
        """Survey the table, as often as is right for what that takes."""
        began = self._source.now_ns()
        found = tuple(self._source.survey())
        ended = self._source.now_ns()
        self._pending = Survey(began, ended, found)
        self._due_ns = ended + max(SURVEY_NS, round((ended - began) / SURVEY_SHARE))
        fresh = {process.pid: (process.program, process.names) for process in found if process.pid not in self._known}
        if fresh:
            self._known |= fresh.keys()
            self._sink.names(fresh, {})

    def _name(self, events: Iterable[Event]) -> None:
        """What runs there, while it does: later nobody can tell."""
        known: dict[int, Known] = {}
        symbols: dict[tuple[int, int], str] = {}
        for event in events:
            pids = (event.client, event.server) if isinstance(event, Transaction) else (event.pid,)
            for pid in pids:
                if pid not in self._known:
                    self._known.add(pid)
                    known[pid] = processes.program(pid), ()
            if isinstance(event, Frames):
                for address in event.addresses:
                    if (event.pid, address) not in self._symbols and len(self._symbols) < _SYMBOLS_MAX:
                        self._symbols.add((event.pid, address))
                        symbols[event.pid, address] = self._feed.symbol(address, event.pid)
        if known or symbols:
            self._sink.names(known, symbols)


def _is_of_all(event: Event) -> TypeGuard[Change]:
    """The kernel tells the ends and system calls of all threads there are: only those that use srr are recorded."""
    return isinstance(event, Change) and event.kind in _OF_ALL


def _ended(events: Iterable[Event]) -> set[int]:
    """Processes whose first thread has ended."""
    return {event.pid for event in events if _is_of_all(event) and event.kind is Kind.EXIT and event.tid == event.pid}
