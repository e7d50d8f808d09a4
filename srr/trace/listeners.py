"""Who listens to the probes now: the semaphores tell how many, the kernel's descriptors tell who."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass

from srr import facts
from srr.trace import elf


@dataclass(frozen=True, slots=True)
class Listener:
    """A process that keeps probes of files attached."""

    pid: int
    program: str
    links: int


def counts() -> dict[str, int]:
    """How many listen to each probe of the library in this process; those that nobody listens to are left out.

    The kernel counts the semaphore up in every process that maps the file, so ours is as good as any.
    """
    path = facts.extension()
    with open(path, "rb") as file:
        sites = elf.probes(file)
    found = {}
    for name, site in sites.items():
        address = _address_of(path, site.semaphore) if site.semaphore else None
        if address is None:
            continue
        with open("/proc/self/mem", "rb", buffering=0) as memory:
            memory.seek(address)
            (count,) = struct.unpack("=H", memory.read(2))
        if count:
            found[name] = count
    return found


def _address_of(path: str, offset: int) -> int | None:
    """Where a byte of the file is in our memory."""
    status = os.stat(path)
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            fields = line.split(maxsplit=5)
            if int(fields[4]) != status.st_ino or "w" not in fields[1]:
                continue
            begin, end = (int(half, 16) for half in fields[0].split("-"))
            start = int(fields[2], 16)
            if start <= offset < start + end - begin:
                return begin + offset - start
    return None


def holders() -> list[Listener]:
    """Processes with links to probes of any file (uprobe_multi) or perf events of uprobes, as far as we may look."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        links = _links_of(entry)
        if links:
            found.append(Listener(int(entry), _program(entry), links))
    return sorted(found, key=lambda listener: listener.pid)


def _links_of(entry: str) -> int:
    links = 0
    try:
        for fd in os.listdir(f"/proc/{entry}/fd"):
            kind = os.readlink(f"/proc/{entry}/fd/{fd}")
            if kind in ("anon_inode:bpf_link", "anon_inode:bpf-link", "anon_inode:[perf_event]"):
                with open(f"/proc/{entry}/fdinfo/{fd}", encoding="ascii", errors="replace") as file:
                    text = file.read()
                links += "uprobe_multi" in text or "link_type:\tperf" in text
    except OSError:
        pass  # another user's, or it has ended
    return links


def _program(entry: str) -> str:
    try:
        with open(f"/proc/{entry}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().rstrip("\n")
    except OSError:
        return ""
