"""Pids of other pid namespaces: what a process in a container calls 7 is 4711 here."""

from __future__ import annotations

import os

from srr.trace.events import own_namespace


class Pids:
    """Remembers what it has found; a pid that can't be found is told as it is there."""

    def __init__(self) -> None:
        self.own = own_namespace()
        self._spaces: dict[int, int] = {}
        self._known: dict[tuple[int, int], int] = {}

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
        if inside == 0 or space == self.own:
            return inside
        known = self._known.get((space, inside))
        if known is None or not os.path.exists(f"/proc/{known}"):
            self._scan(space)
        return self._known.get((space, inside), inside)

    def _scan(self, space: int) -> None:
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                if os.stat(f"/proc/{entry}/ns/pid").st_ino != space:
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
