"""What this build of the library is, and what it is set to in this process."""

from __future__ import annotations

from dataclasses import dataclass

from srr import _native


@dataclass(frozen=True, slots=True)
class Facts:
    """Version and limits. Processes whose ``layout_version`` differs refuse each other with EPROTO."""

    layout_version: int
    #: Threads of one process that can Send at once.
    slots: int
    #: Sending threads that a receiver may have met and not buried.
    entries: int
    #: Longest message or reply that travels inline.
    inline_max: int
    #: Bytes of the (sparse) row file.
    row_size: int
    #: Longest that a wait spins before it sleeps; 0: never.
    spin_ns: int


def facts() -> Facts:
    """The limits in force here. ``SRR_SPIN_US`` and ``SRR_INLINE`` are read when a process first uses srr."""
    return Facts(**_native.facts())


def runtime_dir() -> str:
    """The folder that keeps this user's names, made if need be. Refused if it is not this user's alone."""
    return _native.runtime_dir()


def extension() -> str:
    """The file of the C extension: one of the copies of the library that a tracer may find."""
    return _native.__file__


def probe_cost(hits: int) -> int:
    """Nanoseconds that so many hits of the probe ``idle`` take in this process: what listening costs, once attached."""
    return _native.probe_cost(hits)


@dataclass(frozen=True, slots=True)
class Helper:
    """What there is of srr-helper. ``error``: 0, or the errno that says why it is not reached."""

    path: str
    error: int
    protocol: int
    #: The version of the rows that it was built with.
    layout: int
    #: 1: it has a worker that moves bytes (``--transfer``).
    transfer: int
    #: This user's: processes, names, pairs, KiB of pairs, watches, leases, moves, log lines.
    used: list[int]
    limit: list[int]


def helper() -> Helper:
    """Asks srr-helper, and joins this process to it. Waits for it, 5 seconds at most."""
    return Helper(**_native.helper())
