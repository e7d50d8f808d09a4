"""Histograms of what the kernel has added up: by client and server, from one look to the next, drawn in letters."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from srr.trace.events import SCHEMA
from srr.trace.totals import BUCKETS, Histogram, Totals, bucket_bounds

#: A client, its server and the type of message.
Key = tuple[int, int, int | None]

_BAR = 40
_QUARTERS = 4


class Sums:
    """Totals since the last look."""

    def __init__(self, by_type: bool) -> None:
        self._by_type = by_type
        self._before: dict[Key, Totals] = {}

    def since(self, totals: Iterable[Totals]) -> list[Totals]:
        """What is new in these, the pairs that spent most time first."""
        now = self._summed(totals)
        new = []
        for key, sums in now.items():
            before = self._before.get(key)
            more = sums if before is None else sums - before
            if more.count > 0:
                new.append(more)
        self._before = now
        return sorted(
            new, key=lambda t: (-t.steps["total"].sum_ns, t.client, t.server, -1 if t.type is None else t.type)
        )

    def _summed(self, totals: Iterable[Totals]) -> dict[Key, Totals]:
        found: dict[Key, Totals] = {}
        for t in totals:
            key = (t.client, t.server, t.type if self._by_type else None)
            if key in found:
                found[key] = found[key] + t
            else:
                found[key] = t if key[2] == t.type else Totals(t.client, t.server, None) + t
        return found


def octaves(histogram: Histogram) -> list[tuple[int, int, int]]:
    """From, to (not included) in nanoseconds and how many, by powers of two: the first that has any to the last."""
    rows = []
    for first in range(0, BUCKETS, _QUARTERS):
        count = sum(histogram.counts[first : first + _QUARTERS])
        rows.append((bucket_bounds(first)[0], bucket_bounds(first + _QUARTERS - 1)[1], count))
    used = [n for n, row in enumerate(rows) if row[2]]
    return rows[used[0] : used[-1] + 1] if used else []


def draw(histogram: Histogram) -> list[str]:
    """As BCC's tools draw it, under 80 columns."""
    rows = octaves(histogram)
    most = max((count for _, _, count in rows), default=0)
    lines = [f"{'time':>13}          : count      distribution"]
    for low, high, count in rows:
        lines.append(f"{short(low):>9} -> {short(high):<9} : {count:<10} |{'*' * (count * _BAR // most):<{_BAR}}|")
    return lines


def figures(histogram: Histogram) -> str:
    """`p50 1.2us, p99 4.1us, max 8.2us, mean 1.4us`."""
    if not histogram.count:
        return "nothing was timed"
    shown = [f"{name} {short(histogram.quantile_ns(q))}" for name, q in QUANTILES]
    return ", ".join([*shown, f"mean {short(round(histogram.mean_ns))}"])


QUANTILES = (("p50", 0.5), ("p99", 0.99), ("max", 1.0))


def short(ns: int | None) -> str:
    """In at most 6 characters, with its unit: `64ns`, `1.02us`, `131us`, `2.1ms`, `12.3s`."""
    if ns is None:
        return "-"
    if ns < 1000:
        return f"{ns}ns"
    value = float(ns)
    for unit in ("us", "ms", "s"):
        value /= 1000
        if value < 999.5 or unit == "s":
            return (
                f"{value:.2f}{unit}"
                if value < 9.995
                else f"{value:.1f}{unit}"
                if value < 99.95
                else f"{value:.0f}{unit}"
            )
    raise AssertionError("seconds are the last")


def shown_type(number: int | None) -> str:
    """`0x0102`, and as letters if it is some: the first byte is the lower one where bytes are counted from there."""
    if number is None:
        return "-"
    letters = number.to_bytes(2, sys.byteorder)
    text = f' "{letters.decode("ascii")}"' if all(32 < byte < 127 for byte in letters) else ""
    return f"0x{number:04x}{text}"


def json_of(t: Totals, steps: Sequence[str], time: float) -> dict[str, Any]:
    """A line for programs; the keys are part of the schema."""
    return {
        "schema": SCHEMA,
        "time": round(time, 6),
        "client": t.client,
        "server": t.server,
        "type": t.type,
        "count": t.count,
        "failed": t.failed,
        "sent": t.sent,
        "replied": t.replied,
        "untimed": t.untimed,
        "steps": {step: _step_json(t.steps[step]) for step in steps},
    }


def _step_json(histogram: Histogram) -> dict[str, Any]:
    found: dict[str, Any] = {"count": histogram.count, "sum_ns": histogram.sum_ns}
    for name, q in QUANTILES:
        found[f"{name}_ns"] = histogram.quantile_ns(q)
    found["buckets"] = [[*bucket_bounds(n), count] for n, count in enumerate(histogram.counts) if count]
    return found
