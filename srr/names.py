"""Names: attach, detach, locate, query. QNX4's qnx_name_* family.

A name belongs to one process of this user, a process may hold several, and it is gone when the process
is, however it died.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from srr import _native


def attach(name: str) -> None:
    """Give this process a name. NameInUse if a living process of this user holds it."""
    with _about(name):
        _native.name_attach(os.fsencode(name))


def detach(name: str) -> None:
    """Give the name up. ServerDied (ESRCH) if this process does not hold it."""
    with _about(name):
        _native.name_detach(os.fsencode(name))


def locate(name: str, timeout: float | None = 0.0) -> int:
    """The pid of the process that holds the name.

    Waits up to ``timeout`` seconds (None: for ever) for somebody to attach it, then TimedOut; with 0,
    ServerDied (ESRCH) at once.
    """
    with _about(name):
        return _native.name_locate(os.fsencode(name), timeout)


def query(pid: int = 0) -> list[tuple[str, int]]:
    """Every living name of this user with its holder's pid, sorted; with ``pid``, only that process's."""
    return sorted((os.fsdecode(name), holder) for _, holder, name in _native.name_list(pid))


@contextmanager
def _about(name: str) -> Iterator[None]:
    """A failure says which name it is about, in the attribute that OSError has for such things."""
    try:
        yield
    except OSError as failure:
        failure.filename = name
        raise
