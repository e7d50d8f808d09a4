"""What to call a process that a number stands for: it may have ended when it is to be shown."""

from __future__ import annotations

from collections.abc import Iterable

from srr.processes import Process, program

_MOST = 16_384


class Labels:
    """Remembers the processes of each survey; those that have ended keep what they were called.

    ``is_live``: who is not in the survey (another version of srr, say) is asked for its program.
    """

    def __init__(self, is_live: bool) -> None:
        self._is_live = is_live
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
        known = self._known.get(pid, "")
        if not known and self._is_live and pid > 0 and (known := program(pid)):
            self._known[pid] = known
        return known
