"""Every copy of the library that is in use: its file, and where its probes are.

A probe is attached to a file (an inode), for all processes that map it, now and later. There may be many: in venvs,
in containers, linked statically into programs. They are found in /proc/PID/maps: all files that a process with rows
has mapped to execute, and whatever is named like us; a file is read once.
"""

from __future__ import annotations

import ctypes.util
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field

from srr import facts
from srr.trace import elf

_ROWS = "/memfd:srr-row"
_LIKE_US = ("libsrr", "_native.abi3.so")


@dataclass(frozen=True, slots=True)
class Copy:
    """One file. ``path`` opens it from here, at least while process ``pid`` lives (0: it is a path of our own)."""

    path: str
    shown: str
    pid: int
    sites: dict[str, elf.Site] = field(hash=False)


class Copies:
    """Finds copies; each is told once."""

    def __init__(self) -> None:
        #: Device and inode, and when its contents were last changed; None: it has probes, and is what it is while they
        #: are attached to. The number of a file without may come back as another file's.
        self._seen: dict[tuple[int, int], int | None] = {}

    def installed(self) -> Iterator[Copy]:
        """Ours, and the one that a program in C would be started with: nobody need be running yet."""
        library = ctypes.util.find_library("srr")
        for path in (facts.extension(), *_search(library)):
            yield from self._read(path, path, 0)

    def running(self, only: set[int] | None = None) -> Iterator[Copy]:
        """Those of the processes there are now, or of these."""
        for entry in os.listdir("/proc") if only is None else map(str, only):
            if not entry.isdigit():
                continue
            try:
                with open(f"/proc/{entry}/maps", encoding="utf-8", errors="surrogateescape") as file:
                    lines = file.read().splitlines()
            except (FileNotFoundError, PermissionError, ProcessLookupError):
                continue
            yield from self._of_process(int(entry), lines)

    def _of_process(self, pid: int, lines: list[str]) -> Iterator[Copy]:
        has_rows = any(_ROWS in line for line in lines)
        for line in lines:
            fields = line.split(maxsplit=5)
            if len(fields) < 6 or "x" not in fields[1] or fields[4] == "0":
                continue
            path = fields[5]
            if has_rows or any(like in os.path.basename(path) for like in _LIKE_US):
                yield from self._read_mapped(pid, fields[0], path)

    def _read_mapped(self, pid: int, addresses: str, path: str) -> Iterator[Copy]:
        # By its root and path, which works across mount namespaces; by the mapping, which works where the file was
        # replaced or deleted, but asks for more rights.
        for way in (f"/proc/{pid}/root{path}", f"/proc/{pid}/map_files/{_as_named(addresses)}"):
            try:
                found = os.stat(way)
            except OSError:
                continue
            if self._knows(found):
                return
            yield from self._read(way, path, pid)
            return

    def _knows(self, status: os.stat_result) -> bool:
        key = (status.st_dev, status.st_ino)
        return key in self._seen and self._seen[key] in (None, status.st_mtime_ns)

    def _read(self, path: str, shown: str, pid: int) -> Iterator[Copy]:
        try:
            # What another process named may be a FIFO by now, and nobody's to write to.
            with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
                status = os.fstat(file.fileno())
                if self._knows(status) or not stat.S_ISREG(status.st_mode):
                    return
                sites = elf.probes(file)
                self._seen[(status.st_dev, status.st_ino)] = None if sites else status.st_mtime_ns
        except OSError:
            return
        if sites:
            yield Copy(path, shown, pid, sites)


def _as_named(addresses: str) -> str:
    """As /proc/PID/map_files names it: without leading zeros."""
    return "-".join(f"{int(half, 16):x}" for half in addresses.split("-"))


def _search(library: str | None) -> list[str]:
    """Where the loader would find it. Few places are enough: what runs is found by its mapping."""
    if library is None:
        return []
    folders = (*os.environ.get("LD_LIBRARY_PATH", "").split(":"), "/usr/local/lib", "/usr/lib", "/lib")
    paths = (os.path.join(folder, library) for folder in folders if folder)
    return [path for path in paths if os.path.exists(path)][:1]
