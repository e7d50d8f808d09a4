"""What to call a process that a number stands for: it may have ended when it is to be shown."""

from __future__ import annotations

from collections.abc import Iterable

from srr.processes import Process

_MOST = 16_384


class Labels:
    """Remembers the processes of each survey; those that have ended keep what they were called."""

    def __init__(self) -> None:
        self._known: dict[int, str] = {}

    def learn(self, processes: Iterable[Process]) -> None:
        for process in processes:
            called = process.names[0] if process.names else process.program
            if called:
                self._known.pop(process.pid, None)  # the youngest are the last
                self._known[process.pid] = called
        while len(self._known) > _MOST:
            del self._known[next(iter(self._known))]

    def __contains__(self, pid: int) -> bool:
        return pid in self._known

    def of(self, pid: int) -> str:
        """The first name that it holds, else its program; "" if it was never seen."""
        return self._known.get(pid, "")
