"""The announced failure: one server is killed at a moment when clients are blocked on it, and replaced."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from srr import processes
from srr.demo.account import Failed
from srr.processes import Thread
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

    def victim(self, servers: dict[int, str], clients: dict[int, str]) -> tuple[int, dict[str, str]] | None:
        """The server to kill now, and who is blocked on it; None: not yet."""
        found: dict[int, dict[int, Thread]] = {pid: {} for pid in servers}
        for client in clients:
            for thread in _sending(client):
                if thread.on in found:
                    found[thread.on][client] = thread
        searched = time.monotonic() - self._since
        wanted = 2 if searched < _CHOOSY else 1 if searched < _PATIENT else 0
        pid, blocked = max(found.items(), key=lambda item: (_variety(item[1]), len(item[1])))
        if _variety(blocked) < wanted:
            return None
        # Looking took a while: are they still in these very Sends?
        blocked = {
            client: now
            for client, then in blocked.items()
            for now in _sending(client)
            if (now.on, now.sent) == (pid, then.sent)
        }
        if _variety(blocked) < wanted:
            return None
        return pid, {clients[client]: str(thread.state) for client, thread in blocked.items()}


def _sending(pid: int) -> list[Thread]:
    try:
        seen = processes.look(pid, rows_only=True)
    except OSError:
        return []
    return [thread for thread in seen.blocked if thread.state is not Blocked.RECEIVE]


def _variety(blocked: dict[int, Thread]) -> int:
    return len({thread.state for thread in blocked.values()})
