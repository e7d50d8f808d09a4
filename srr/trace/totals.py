"""What the kernel adds up: per client, server and type of message, with histograms; and imposed CPU time.

A histogram has 128 buckets, four to a factor of two, from 64 ns to two minutes: what is read from it is at most a
quarter too high.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from srr.state import Lane

BUCKETS = 128
STEPS = ("queue", "service", "transfer", "wakeup", "total")
_SUMS = struct.Struct("<18Q")


def bucket_bounds(bucket: int) -> tuple[int, int]:
    """Nanoseconds: from, and up to but not including. The first begins at 0, the last has no end in truth."""
    octave, quarter = divmod(bucket, 4)
    unit = 1 << (octave + 4)
    low = (4 + quarter) * unit
    return (0 if bucket == 0 else low, low + unit)


class Histogram:
    """Counts by bucket, and the exact sum."""

    __slots__ = ("counts", "sum_ns")

    def __init__(self, counts: Iterable[int] = (), sum_ns: int = 0) -> None:
        self.counts = list(counts) or [0] * BUCKETS
        self.sum_ns = sum_ns

    @property
    def count(self) -> int:
        return sum(self.counts)

    @property
    def mean_ns(self) -> float:
        return self.sum_ns / self.count if self.count else 0.0

    def add(self, ns: int) -> None:
        self.counts[bucket_of(ns)] += 1
        self.sum_ns += ns

    def quantile_ns(self, q: float) -> int | None:
        """So many took at most that long: a bucket's upper end. None: nothing was counted."""
        wanted = q * self.count
        seen = 0
        for bucket, count in enumerate(self.counts):
            seen += count
            if count and seen >= wanted:
                return bucket_bounds(bucket)[1]
        return None

    def __add__(self, other: Histogram) -> Histogram:
        return Histogram((a + b for a, b in zip(self.counts, other.counts, strict=True)), self.sum_ns + other.sum_ns)

    def __sub__(self, other: Histogram) -> Histogram:
        return Histogram((a - b for a, b in zip(self.counts, other.counts, strict=True)), self.sum_ns - other.sum_ns)


def bucket_of(ns: int) -> int:
    """As bpf/srr.c does it."""
    if ns < 64:
        return 0
    octave = ns.bit_length() - 1
    return min(BUCKETS - 1, (octave - 6) * 4 + (ns >> (octave - 2) & 3))


@dataclass(slots=True)
class Totals:
    """All transactions of one client with one server, of one type of message."""

    client: int
    server: int
    #: The message's first two bytes; None: shorter ones.
    type: int | None
    count: int = 0
    failed: int = 0
    sent: int = 0
    replied: int = 0
    #: Among ``count``: without queue, service and wake-up time (the client left, say).
    untimed: int = 0
    #: Messages by lane.
    lanes: dict[Lane, int] = field(default_factory=dict)
    steps: dict[str, Histogram] = field(default_factory=lambda: {step: Histogram() for step in STEPS})

    def __add__(self, other: Totals) -> Totals:
        return self._with(other, 1)

    def __sub__(self, other: Totals) -> Totals:
        return self._with(other, -1)

    def _with(self, other: Totals, sign: int) -> Totals:
        return Totals(
            self.client,
            self.server,
            self.type,
            self.count + sign * other.count,
            self.failed + sign * other.failed,
            self.sent + sign * other.sent,
            self.replied + sign * other.replied,
            self.untimed + sign * other.untimed,
            {lane: self.lanes.get(lane, 0) + sign * other.lanes.get(lane, 0) for lane in {*self.lanes, *other.lanes}},
            {
                step: mine + other.steps[step] if sign > 0 else mine - other.steps[step]
                for step, mine in self.steps.items()
            },
        )


@dataclass(frozen=True, slots=True)
class Imposed:
    """CPU time of a server's threads between receiving from that client and replying."""

    server: int
    client: int
    cpu_ns: int
    count: int


def read_totals(table: Any) -> list[Totals]:
    """From the map."""
    found = []
    for key, leaf in table.items():
        data = bytes(memoryview(ctypes.string_at(ctypes.addressof(leaf), ctypes.sizeof(leaf))))
        sums = _SUMS.unpack_from(data)
        buckets = struct.unpack_from(f"<{len(STEPS) * BUCKETS}Q", data, _SUMS.size)
        found.append(
            Totals(
                client=key.client,
                server=key.server,
                type=key.type if key.type < 0x10000 else None,
                count=sums[0],
                failed=sums[1],
                sent=sums[2],
                replied=sums[3],
                untimed=sums[9],
                lanes={lane: sums[10 + lane] for lane in Lane if sums[10 + lane]},
                steps={
                    step: Histogram(buckets[n * BUCKETS : (n + 1) * BUCKETS], sums[4 + n])
                    for n, step in enumerate(STEPS)
                },
            )
        )
    return found


def read_imposed(table: Any) -> list[Imposed]:
    """From the map."""
    return [Imposed(key.server, key.client, leaf.cpu_ns, leaf.count) for key, leaf in table.items()]
