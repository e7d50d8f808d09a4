"""What listening costs here: a ping-pong of our own, listened to and not, in turn."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from srr.bench import run
from srr.bench.machine import Placement
from srr.trace import listeners
from srr.trace.events import Transaction
from srr.trace.programs import Wants
from srr.trace.session import Session

#: Times a second that the ring is read while it is measured, as `srr-trace events` does.
_RATE = 20


@dataclass(frozen=True, slots=True)
class Way:
    """A way of listening. ``wants``: None, nobody does."""

    title: str
    views: str
    wants: Wants | None


WAYS = (
    Way("detached", "nobody listens", None),
    Way("aggregated", "top, hist, metrics", Wants(totals=True)),
    Way("events", "srr-trace", Wants(transactions=True)),
    Way("everything", "record", Wants(transactions=True, changes=True)),
)


@dataclass(slots=True)
class Found:
    """Of one way in one placement: a value a round, in microseconds of a round trip."""

    way: Way
    placement: Placement
    p50_us: list[float] = field(default_factory=list)
    p99_us: list[float] = field(default_factory=list)
    sleeps: list[float] = field(default_factory=list)
    #: Events while we listened, other programs' too, and those of them that were lost.
    made: int = 0
    lost: int = 0
    #: Rounds in which somebody else listened when nobody was to.
    disturbed: int = 0

    def added_us(self, detached: Found) -> list[float]:
        """To the round trip, each round beside its own neighbour."""
        return [mine - its for mine, its in zip(self.p50_us, detached.p50_us, strict=True)]

    def json(self, detached: Found) -> dict[str, Any]:
        added = self.added_us(detached)
        return {
            "way": self.way.title,
            "placement": self.placement.title,
            "client_cpus": list(self.placement.client),
            "server_cpus": list(self.placement.server),
            "p50_us": self.p50_us,
            "p99_us": self.p99_us,
            "added_us": added,
            "added_median_us": statistics.median(added),
            "sleeps": self.sleeps,
            "made": self.made,
            "lost": self.lost,
            "disturbed": self.disturbed,
        }


@dataclass(slots=True)
class Times:
    """Seconds, a value for each time."""

    attach: list[float] = field(default_factory=list)
    detach: list[float] = field(default_factory=list)


def hit_cost() -> float:
    """Nanoseconds of one hit of a probe in a tight loop: what no way of listening can do without."""
    with Session(Wants(totals=True, cost=True)) as session:
        return session.cost().hit_ns


def measure(
    placements: Sequence[Placement], rounds: int, calls: int, step: Callable[[], None]
) -> tuple[list[Found], Times]:
    """Each way in each placement, in turn, ``rounds`` times; every second round backwards, so that none comes always
    after the same one. One client and one server live through all of it."""
    found = [Found(way, placement) for way in WAYS for placement in placements]
    times = Times()
    with run.clients([run.SRR]) as (client,):
        for n in range(rounds):
            for way in reversed(WAYS) if n % 2 else WAYS:
                with _listening(way, times) as session:
                    for one in found:
                        if one.way is way:
                            _measure(client, one, calls, session)
                            step()
    return found, times


def _measure(client: run.Client, one: Found, calls: int, session: Session | None) -> None:
    series = run.Series(run.SRR.title, one.placement.title, run.SMALL)
    before = _counted(session)
    there = session is None and bool(listeners.counts())
    client.measure(series, one.placement, calls)
    one.disturbed += there or (session is None and bool(listeners.counts()))
    after = _counted(session)
    one.p50_us += series.p50_us
    one.p99_us += series.p99_us
    one.sleeps += series.sleeps
    one.made += after[0] - before[0]
    one.lost += after[1] - before[1]


def _counted(session: Session | None) -> tuple[int, int]:
    if session is None:
        return 0, 0
    return sum(session.made().values()), session.losses().total


@contextmanager
def _listening(way: Way, times: Times) -> Iterator[Session | None]:
    if way.wants is None:
        yield None
        return
    began = time.monotonic()
    with Session(way.wants) as session:
        times.attach.append(time.monotonic() - began)
        over = threading.Event()
        reader = threading.Thread(target=_read, args=(session, over), daemon=True)
        reader.start()
        try:
            yield session
        finally:
            over.set()
            reader.join()
        began = time.monotonic()
    times.detach.append(time.monotonic() - began)


def _read(session: Session, over: threading.Event) -> None:
    """As a view does: what is read must not be for nothing in the comparison."""
    while not over.wait(1 / _RATE):
        for event in session.drain():
            if isinstance(event, Transaction):
                _ = event.total_ns
