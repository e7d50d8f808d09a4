"""Where it was measured, and which placements of two processes this machine has."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass

import srr
from srr.facts import facts


@dataclass(frozen=True, slots=True)
class Placement:
    """On which CPUs the two processes of a pair may run."""

    title: str
    client: tuple[int, ...]
    server: tuple[int, ...]


def placements() -> tuple[list[Placement], list[str]]:
    """Those that can be measured here, and a line for each that can't."""
    usable = tuple(sorted(os.sched_getaffinity(0)))
    first = usable[0]
    one = Placement("one CPU", (first,), (first,))
    if len(usable) == 1:
        return [one], ["two CPUs and unpinned: left out, only one CPU is usable here"]
    second = next((cpu for cpu in usable[1:] if cpu not in _siblings(first)), usable[1])
    return [Placement("two CPUs", (first,), (second,)), Placement("unpinned", usable, usable), one], []


def _siblings(cpu: int) -> set[int]:
    """The CPUs that share a core with this one: two of them are less than two."""
    try:
        with open(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list") as file:
            spans = [span.split("-") for span in file.read().strip().split(",")]
    except FileNotFoundError:
        return {cpu}
    return {n for span in spans for n in range(int(span[0]), int(span[-1]) + 1)}


def describe() -> dict[str, object]:
    """What a reader must know to compare the numbers with others."""
    limits = facts()
    return {
        "cpu": _cpu_model(),
        "cpus_usable": sorted(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "srr": srr.__version__,
        "inline_max": limits.inline_max,
        "spin_us": limits.spin_ns / 1000,
    }


def _cpu_model() -> str:
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        return next(
            (line.partition(":")[2].strip() for line in file if line.startswith("model name")), platform.machine()
        )
