"""The announced failure: one server is killed at a moment when clients are blocked on it, and replaced."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from srr import processes
from srr.demo.account import Failed
from srr.errors import Failure
from srr.state import Blocked

#: For so many seconds we look for a moment when one client is REPLY-blocked and another one SEND-blocked; then for
#: a moment when any is blocked.
_CHOOSY = 1.5
_PATIENT = 5.0


@dataclass
class Fault:
    """What was done, and what came of it. Times are CLOCK_MONOTONIC in ns, the same in all processes."""

    name: str = ""
    pid: int = 0
    #: Who was seen blocked on it right before, and how.
    blocked: dict[str, str] = field(default_factory=dict)
    killed_ns: int = 0
    successor: int = 0
    started_ns: int = 0
    served_ns: int = 0
    #: What its clients said: (client, what failed).
    noticed: list[tuple[str, Failed]] = field(default_factory=list)

    @property
    def killed(self) -> bool:
        """It was done."""
        return self.killed_ns > 0

    @property
    def over(self) -> bool:
        """The successor serves, and whoever was blocked has been told."""
        return self.served_ns > 0 and set(self.blocked) <= {client for client, _ in self.noticed}

    def waited(self) -> list[tuple[str, Failed, float]]:
        """Those whose Send was pending when the server died: with the seconds from the SIGKILL to ESRCH."""
        return [
            (client, failed, (failed["ended_ns"] - self.killed_ns) / 1e9)
            for client, failed in self.noticed
            if failed["began_ns"] < self.killed_ns
        ]

    @property
    def served_after(self) -> float:
        """Seconds from the SIGKILL to the successor's first reply."""
        return (self.served_ns - self.killed_ns) / 1e9


class Hunt:
    """Looks at the waiting table for the right moment."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    def victim(self, servers: dict[int, str], clients: Iterable[tuple[int, str]]) -> tuple[int, dict[str, str]] | None:
        """The server to kill now, and who is blocked on it; None: not yet."""
        found: dict[int, dict[str, str]] = {pid: {} for pid in servers}
        for pid, name in clients:
            try:
                threads = processes.look(pid).blocked
            except (OSError, Failure):
                continue
            for thread in threads:
                if thread.on in found and thread.state is not Blocked.RECEIVE:
                    found[thread.on][name] = str(thread.state)
        pid, blocked = max(found.items(), key=lambda item: (len(set(item[1].values())), len(item[1])))
        searched = time.monotonic() - self._since
        wanted = 2 if searched < _CHOOSY else 1 if searched < _PATIENT else 0
        return (pid, blocked) if len(set(blocked.values())) >= wanted else None
