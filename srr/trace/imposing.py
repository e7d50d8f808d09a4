"""Which client makes a server work: CPU time between Receive and Reply, beside all that the server used."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from srr.trace.events import SCHEMA
from srr.trace.totals import Imposed

#: Of a server's row that says what nobody asked for.
ITSELF = 0


@dataclass(frozen=True, slots=True)
class Share:
    """What one client imposed on one server, since the look before."""

    server: int
    #: ITSELF: CPU time that the server used while it worked for nobody.
    client: int
    cpu_ns: int
    #: Messages received; 0 for ITSELF.
    requests: int
    #: All CPU time of the server; None: not known.
    server_cpu_ns: int | None

    @property
    def part(self) -> float | None:
        """Of the server's CPU time. At most 1: the two clocks are not read at the same instant."""
        return min(1.0, self.cpu_ns / self.server_cpu_ns) if self.server_cpu_ns else None

    @property
    def each_ns(self) -> float | None:
        """For one request."""
        return self.cpu_ns / self.requests if self.requests else None

    def json(self, moment: float) -> dict[str, Any]:
        """For programs; the keys are part of the schema."""
        return {
            "schema": SCHEMA,
            "time": round(moment, 6),
            "server": self.server,
            "client": self.client or None,
            "cpu_ns": self.cpu_ns,
            "requests": self.requests,
            "server_cpu_ns": self.server_cpu_ns,
        }


class Shares:
    """What is new since the last look. ``cpu_of``: CPU time of a process so far, None if it can't be told."""

    def __init__(self, cpu_of: Callable[[int], int | None]) -> None:
        self._cpu_of = cpu_of
        self._used: dict[int, int] = {}
        self._before: dict[tuple[int, int], Imposed] = {}

    def begin(self, pids: Iterable[int], imposed: Callable[[], Iterable[Imposed]]) -> None:
        """These are there: what they have used so far is nobody's here, but for what is imposed already. Call it often:
        processes that come later are counted from the call that tells them."""
        new = [pid for pid in pids if pid not in self._used]
        if not new:
            return
        already: dict[int, int] = {}
        for i in imposed():
            before = self._before.get((i.server, i.client))
            already[i.server] = already.get(i.server, 0) + i.cpu_ns - (before.cpu_ns if before else 0)
        for pid in new:
            if (used := self._cpu_of(pid)) is not None:
                self._used[pid] = used - already.get(pid, 0)

    def since(self, imposed: Iterable[Imposed]) -> list[Share]:
        """The servers that worked most first, and with each its clients, and what it did by itself."""
        now = {(i.server, i.client): i for i in imposed}
        by_server: dict[int, list[tuple[int, int, int]]] = {}
        for (server, client), i in now.items():
            before = self._before.get((server, client), Imposed(server, client, 0, 0))
            if i.cpu_ns > before.cpu_ns or i.count > before.count:
                by_server.setdefault(server, []).append((client, i.cpu_ns - before.cpu_ns, i.count - before.count))
        self._before = now
        found = []
        for server, clients in by_server.items():
            used = self._used_since(server)
            shares = [Share(server, client, cpu_ns, requests, used) for client, cpu_ns, requests in clients]
            shares.sort(key=lambda share: (-share.cpu_ns, share.client))
            if used is not None:
                shares.append(Share(server, ITSELF, max(0, used - sum(s.cpu_ns for s in shares)), 0, used))
            found.append(shares)
        found.sort(key=lambda shares: (-sum(share.cpu_ns for share in shares), shares[0].server))
        self._take_time()
        return [share for shares in found for share in shares]

    def _used_since(self, server: int) -> int | None:
        now, before = self._cpu_of(server), self._used.get(server)
        if now is None:
            return None
        self._used[server] = now
        return None if before is None else now - before

    def _take_time(self) -> None:
        """For all, also those that nobody asked for anything: their time must not be told later."""
        for pid in list(self._used):
            used = self._cpu_of(pid)
            if used is None:
                del self._used[pid]
            else:
                self._used[pid] = used


def cpu_ns(pid: int) -> int | None:
    """CPU time of all its threads, ended ones included, to the nanosecond: its CPU-time clock, as
    clock_getcpuclockid(3) names it. None: no such process."""
    try:
        return time.clock_gettime_ns(~pid << 3 | 2)
    except OSError:
        return None
