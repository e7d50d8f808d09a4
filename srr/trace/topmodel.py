"""What `srr-trace top` says of each process, from one look to the next: no clock, no probe and no screen in here.

Counters of messages are the waiting table's, so rates need no privilege. Bytes and the time of each step are what the
kernel has added up, where probes may be read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from operator import add, sub
from typing import Any

from srr.processes import Process, Thread
from srr.state import Blocked
from srr.trace.totals import STEPS, Histogram, Totals

#: What p50 and p99 are of: the transactions that ended in so many nanoseconds before now.
WINDOW_NS = 10 * 10**9

#: A client and its server.
Ends = tuple[int, int]


class Mark(IntEnum):
    """What is wrong with a process; the worse, the higher."""

    FINE = 0
    #: All its threads are busy, and messages wait.
    STARVED = 1
    #: It waits in a circle, which nobody can open.
    DEADLOCKED = 2

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen at one moment. ``totals``: all since the beginning; None: no probe is read."""

    now_ns: int
    processes: Sequence[Process]
    totals: Sequence[Totals] | None = None
    marks: Mapping[int, Mark] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pair:
    """A client's transactions with a server: each second, since the look before; each step, in the window."""

    rate: float
    byte_rate: float
    failed_rate: float
    steps: Mapping[str, Histogram]


@dataclass(frozen=True, slots=True)
class Row:
    """One process. None: not known (yet)."""

    pid: int
    program: str
    names: tuple[str, ...]
    #: Of its thread that has been blocked for longest; receiving counts only where no thread Sends. None: it runs.
    state: Blocked | None
    on: int
    on_name: str
    for_ns: int | None
    #: Its threads that are SEND-, REPLY- or SIGNAL-blocked.
    sending: int
    #: Its threads that are RECEIVE-blocked.
    receiving: int
    #: Messages that wait for it to receive.
    queued: int
    sent: int
    received: int
    sent_rate: float | None
    received_rate: float | None
    byte_rate: float | None
    #: Of what it received: how long that waited for it, and how long it worked on it.
    queue: Histogram | None
    service: Histogram | None
    #: Of what it sent: the whole Send.
    total: Histogram | None
    mark: Mark

    def json(self) -> dict[str, Any]:
        """For programs; the keys are part of the schema."""
        line: dict[str, Any] = {
            "pid": self.pid,
            "program": self.program,
            "names": list(self.names),
            "state": None if self.state is None else str(self.state),
            "on": self.on or None,
            "seconds": None if self.for_ns is None else self.for_ns / 1e9,
            "queued": self.queued,
            "sending_threads": self.sending,
            "receiving_threads": self.receiving,
            "sent": self.sent,
            "received": self.received,
            "sent_per_s": _rounded(self.sent_rate),
            "received_per_s": _rounded(self.received_rate),
            "bytes_per_s": _rounded(self.byte_rate),
        }
        for name, histogram in (("queue", self.queue), ("service", self.service), ("send", self.total)):
            for q in (50, 99):
                line[f"{name}_p{q}_ns"] = None if histogram is None else histogram.quantile_ns(q / 100)
        line["mark"] = None if self.mark is Mark.FINE else str(self.mark)
        return line


def _rounded(rate: float | None) -> float | None:
    return None if rate is None else round(rate, 3)


@dataclass(frozen=True, slots=True)
class Peer:
    """Another process that the opened one has to do with."""

    pid: int
    who: str
    #: It sends to the opened one; else the opened one sends to it.
    is_client: bool
    #: How the client's thread that has waited for longest is blocked on the server just now; None: it isn't.
    state: Blocked | None
    for_ns: int | None
    pair: Pair | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that can be shown of a moment. ``seconds``: since the look before; 0: this was the first."""

    now_ns: int
    seconds: float
    rows: tuple[Row, ...]
    processes: Mapping[int, Process]
    pairs: Mapping[Ends, Pair]
    totals: Sequence[Totals] | None

    def row(self, pid: int) -> Row | None:
        return next((row for row in self.rows if row.pid == pid), None)

    def who(self, pid: int) -> str:
        """A name that it holds, else its program; "": it has no rows (any more)."""
        process = self.processes.get(pid)
        return "" if process is None else called(process)

    def peers(self, pid: int) -> list[Peer]:
        """Who sends to a process and to whom it sends: those that wait for longest first, then the busiest."""
        ends: dict[Ends, tuple[Blocked, int] | None] = {pair: None for pair in self.pairs if pid in pair}
        for process in self.processes.values():
            for thread in process.blocked:
                if thread.state is Blocked.RECEIVE or pid not in (process.pid, thread.on) or not thread.on:
                    continue
                key, age = (process.pid, thread.on), self.age_ns(thread) or 0
                known = ends.get(key)
                if known is None or known[1] < age:
                    ends[key] = (thread.state, age)
        found = []
        for (client, server), blocked in ends.items():
            other = client if server == pid else server
            state, age_ns = blocked or (None, None)
            found.append(Peer(other, self.who(other), server == pid, state, age_ns, self.pairs.get((client, server))))
        found.sort(key=lambda peer: (not peer.is_client, -(peer.for_ns or 0), -(peer.pair.rate if peer.pair else 0)))
        return found

    def age_ns(self, thread: Thread) -> int | None:
        """How long it has slept; None: it is not asleep."""
        return age_ns(thread, self.now_ns)

    def histograms(self, pid: int, *, as_server: bool) -> dict[str, Histogram]:
        """Each step of a process's transactions, since probes are read: of those it served, or of those it sent."""
        return {step: _sum(t.steps[step] for t in self.totals or () if _is_of(t, pid, as_server)) for step in STEPS}


def _is_of(totals: Totals, pid: int, as_server: bool) -> bool:
    return pid == (totals.server if as_server else totals.client)


def _sum(histograms: Iterable[Histogram]) -> Histogram:
    counts: list[int] | None = None
    ns = 0
    for histogram in histograms:
        counts = histogram.counts if counts is None else list(map(add, counts, histogram.counts))
        ns += histogram.sum_ns
    return Histogram(counts or (), ns)


def age_ns(thread: Thread, now_ns: int) -> int | None:
    """How long it has slept; None: it is not asleep. Other processes write down when they began: not later than now."""
    return max(0, now_ns - thread.since_ns) if thread.since_ns else None


def called(process: Process) -> str:
    """A name that it holds, else its program."""
    return process.names[0] if process.names else process.program


class Model:
    """Compares each look with the one before."""

    def __init__(self, window_ns: int = WINDOW_NS) -> None:
        self._before: Look | None = None
        self._window = _Window(window_ns)

    def add(self, look: Look) -> Snapshot:
        before, self._before = self._before, look
        seconds = 0.0 if before is None else max(0.0, (look.now_ns - before.now_ns) / 1e9)
        pairs = {} if look.totals is None else self._window.add(look.now_ns, look.totals, seconds)
        known = {process.pid: process for process in look.processes}
        past = {} if before is None else {process.pid: process for process in before.processes}
        queued: dict[int, int] = {}
        for process in look.processes:
            for thread in process.blocked:
                if thread.state is Blocked.SEND:
                    queued[thread.on] = queued.get(thread.on, 0) + 1
        served, sent, nbytes = _by_process(pairs)
        rows = []
        for process in look.processes:
            pid = process.pid
            main = _foremost(process, look.now_ns)
            on = known.get(main.on) if main is not None else None
            service = served.get(pid)
            rows.append(
                Row(
                    pid=pid,
                    program=process.program,
                    names=process.names,
                    state=None if main is None else main.state,
                    on=0 if main is None else main.on,
                    on_name="" if on is None else called(on),
                    for_ns=None if main is None else age_ns(main, look.now_ns),
                    sending=sum(thread.state is not Blocked.RECEIVE for thread in process.blocked),
                    receiving=process.receivers,
                    queued=queued.get(pid, 0),
                    sent=process.sent,
                    received=process.received,
                    sent_rate=_rate(past.get(pid), process, "sent", seconds),
                    received_rate=_rate(past.get(pid), process, "received", seconds),
                    byte_rate=None if look.totals is None or not seconds else nbytes.get(pid, 0.0),
                    queue=_sum(pair.steps["queue"] for pair in service) if service else None,
                    service=_sum(pair.steps["service"] for pair in service) if service else None,
                    total=_sum(pair.steps["total"] for pair in sent[pid]) if pid in sent else None,
                    mark=look.marks.get(pid, Mark.FINE),
                )
            )
        return Snapshot(look.now_ns, seconds, tuple(rows), known, pairs, look.totals)


def _foremost(process: Process, now_ns: int) -> Thread | None:
    """The thread that its line is about."""
    return max(
        process.blocked,
        key=lambda thread: (thread.state is not Blocked.RECEIVE, age_ns(thread, now_ns) or 0),
        default=None,
    )


def _rate(before: Process | None, now: Process, counter: str, seconds: float) -> float | None:
    """None at first sight, and where the counter went back: the number is another process's now."""
    if before is None or not seconds:
        return None
    more = int(getattr(now, counter)) - int(getattr(before, counter))
    return more / seconds if more >= 0 else None


def _by_process(
    pairs: Mapping[Ends, Pair],
) -> tuple[dict[int, list[Pair]], dict[int, list[Pair]], dict[int, float]]:
    """Pairs by server and by client, and bytes a second by either."""
    served: dict[int, list[Pair]] = {}
    sent: dict[int, list[Pair]] = {}
    nbytes: dict[int, float] = {}
    for (client, server), pair in pairs.items():
        served.setdefault(server, []).append(pair)
        sent.setdefault(client, []).append(pair)
        for pid in {client, server}:
            nbytes[pid] = nbytes.get(pid, 0.0) + pair.byte_rate
    return served, sent, nbytes


_Sums = dict[str, Histogram]
_NOTHING = Histogram()


class _Window:
    """Sums of what ended lately, by pair. What is old is taken off again, so a look costs what is new and what ends."""

    def __init__(self, length_ns: int) -> None:
        self._length_ns = length_ns
        self._before: dict[tuple[int, int, int | None], Totals] = {}
        self._parts: deque[tuple[int, dict[Ends, _Sums]]] = deque()
        self._sums: dict[Ends, _Sums] = {}
        self._is_first = True

    def add(self, now_ns: int, totals: Sequence[Totals], seconds: float) -> dict[Ends, Pair]:
        new: dict[Ends, _Sums] = {}
        rates: dict[Ends, list[int]] = {}
        past, self._before = self._before, {(t.client, t.server, t.type): t for t in totals}
        for key, t in self._before.items():
            ends, before = (t.client, t.server), past.get(key)
            if self._is_first or (before is not None and before.count == t.count):
                continue  # what was there before we came is nobody's rate
            more = t if before is None or before.count > t.count else t - before
            rate = rates.setdefault(ends, [0, 0, 0])
            rate[0] += more.count
            rate[1] += more.sent + more.replied
            rate[2] += more.failed
            known = new.get(ends)
            new[ends] = dict(more.steps) if known is None else _each(known, more.steps, 1)
        self._is_first = False
        self._keep(now_ns, new)
        pairs = {}
        for ends, steps in self._sums.items():
            count, nbytes, failed = rates.get(ends, (0, 0, 0))
            pairs[ends] = (
                Pair(count / seconds, nbytes / seconds, failed / seconds, steps)
                if seconds > 0
                else Pair(0.0, 0.0, 0.0, steps)
            )
        return pairs

    def _keep(self, now_ns: int, new: dict[Ends, _Sums]) -> None:
        for ends, steps in new.items():
            known = self._sums.get(ends)
            self._sums[ends] = steps if known is None else _each(known, steps, 1)
        self._parts.append((now_ns, new))
        while self._parts and self._parts[0][0] <= now_ns - self._length_ns:
            for ends, steps in self._parts.popleft()[1].items():
                left = _each(self._sums[ends], steps, -1)
                if any(map(any, (histogram.counts for histogram in left.values()))):
                    self._sums[ends] = left
                else:
                    del self._sums[ends]


def _each(sums: _Sums, more: _Sums, sign: int) -> _Sums:
    """Step by step; steps are never changed where they are, since snapshots hold them."""
    operation = add if sign > 0 else sub
    return {
        step: Histogram(map(operation, mine.counts, more[step].counts), mine.sum_ns + sign * more[step].sum_ns)
        for step, mine in sums.items()
    }


@dataclass(frozen=True, slots=True)
class Choice:
    """Which processes are shown: these pids and the holders of these names; among them, lines with this text."""

    pids: frozenset[int] = frozenset()
    names: frozenset[str] = frozenset()
    text: str = ""

    @property
    def is_all(self) -> bool:
        return not self.pids and not self.names

    def has(self, process: Process | Row) -> bool:
        """By pid or name, whoever holds that just now."""
        return self.is_all or process.pid in self.pids or not self.names.isdisjoint(process.names)

    def shows(self, row: Row) -> bool:
        if not self.has(row):
            return False
        wanted = self.text.casefold()
        state = "" if row.state is None else str(row.state)
        words = (str(row.pid), row.program, *row.names, state, row.on_name, str(row.on or ""), _marked(row.mark))
        return not wanted or any(wanted in word.casefold() for word in words)


def _marked(mark: Mark) -> str:
    return "" if mark is Mark.FINE else str(mark)
