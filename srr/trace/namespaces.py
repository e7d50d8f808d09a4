"""Pids of other pid namespaces: what a process in a container calls 7 is 4711 here."""

from __future__ import annotations

import os
import time

from srr.trace.events import own_namespace

#: Seconds for which nobody is looked for again who was not found.
_GIVEN_UP = 1.0
#: Looking through /proc may take this share of the time, however many are looked for: the numbers come from others.
_SHARE = 0.05
_MOST = 100_000


class Pids:
    """Remembers what it has found; a pid that can't be found is told as it is there."""

    def __init__(self) -> None:
        self.own = own_namespace()
        self._spaces: dict[int, int] = {}
        self._known: dict[tuple[int, int], int] = {}
        self._unknown: dict[tuple[int, int], float] = {}
        self._next_scan = 0.0

    def namespace_of(self, pid: int) -> int:
        """The inode of its namespace; ours where it can't be told any more."""
        space = self._spaces.get(pid)
        if space is None:
            try:
                space = os.stat(f"/proc/{pid}/ns/pid").st_ino
            except OSError:
                return self.own
            if len(self._spaces) > 10_000:
                self._spaces.clear()  # numbers come round again
            self._spaces[pid] = space
        return space

    def known_as(self, space: int, inside: int) -> int:
        """The number here of what is ``inside`` in that namespace."""
        if inside <= 0 or space in (0, self.own):
            return inside
        key = (space, inside)
        known = self._known.get(key)
        if known is not None and os.path.exists(f"/proc/{known}"):
            return known
        now = time.monotonic()
        if now >= self._next_scan and now >= self._unknown.get(key, 0.0):
            self.look()
            done = time.monotonic()
            self._next_scan = done + (done - now) / _SHARE
            if self._known.get(key) == known:  # still unknown, or dead
                if len(self._unknown) > _MOST:
                    self._unknown.clear()
                self._unknown[key] = done + _GIVEN_UP
        return self._known.get(key, inside)

    def look(self) -> None:
        """All threads of all other namespaces, as they are now. Those that are known and have ended stay known: what is
        told of them comes later."""
        if len(self._known) > _MOST:
            self._known.clear()
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                space = self._spaces[int(entry)] = os.stat(f"/proc/{entry}/ns/pid").st_ino
                if space == self.own:
                    continue
                for thread in os.listdir(f"/proc/{entry}/task"):
                    self._known[(space, _innermost(f"/proc/{entry}/task/{thread}/status"))] = int(thread)
            except (OSError, ValueError):
                continue


def _innermost(path: str) -> int:
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("NSpid:"):
                return int(line.split()[-1])
    raise ValueError(path)
