"""Latencies in buckets whose width is a 32nd of their value: small, mergeable, right to 2 %."""

from __future__ import annotations

import math
from collections.abc import Iterable


class Histogram:
    """How often which latency was seen, in nanoseconds."""

    __slots__ = ("buckets",)

    def __init__(self, pairs: Iterable[tuple[int, int]] = ()) -> None:
        self.buckets: dict[int, int] = dict(pairs)

    def add(self, ns: int) -> None:
        """Count one."""
        shift = max(0, ns.bit_length() - 6)
        bucket = shift << 6 | ns >> shift
        self.buckets[bucket] = self.buckets.get(bucket, 0) + 1

    def merge(self, other: Histogram) -> None:
        """Count all that the other one has counted."""
        for bucket, times in other.buckets.items():
            self.buckets[bucket] = self.buckets.get(bucket, 0) + times

    def pairs(self) -> list[tuple[int, int]]:
        """For the wire; the constructor takes it."""
        return sorted(self.buckets.items())

    @property
    def count(self) -> int:
        """How many were counted."""
        return sum(self.buckets.values())

    def percentile(self, percent: float) -> float | None:
        """The value below which so many percent lie, in ns; None if nothing was counted."""
        rank = math.ceil(self.count * percent / 100)
        for bucket, times in sorted(self.buckets.items()):
            rank -= times
            if rank <= 0:
                shift = bucket >> 6
                return float((bucket & 63) << shift) + ((1 << shift) - 1) / 2
        return None
