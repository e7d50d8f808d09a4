"""The live files that sensors read, and what they mean to a driver."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

Values: TypeAlias = dict[str, float]
#: Counters only grow, a rate can be taken of them; gauges are what they are.
Parsed: TypeAlias = tuple[Values, Values]


class Source(NamedTuple):
    """A file, what it is about, and how to read it."""

    path: str
    subject: str
    parse: Callable[[str], Parsed]


def present() -> list[Source]:
    """Those that this machine has, has something in, and lets this user read; the most telling first."""
    found = []
    for source in SOURCES.values():
        try:
            with open(source.path, "rb", buffering=0) as file:
                if file.read(1):
                    found.append(source)
        except OSError:
            continue
    return found


def _stat(text: str) -> Parsed:
    counters: Values = {}
    gauges: Values = {}
    for line in text.splitlines():
        name, *fields = line.split()
        if name == "cpu":
            # user nice system idle iowait irq softirq steal; guest time is in user already.
            times = [float(field) for field in fields[:8]]
            counters["cpu total"] = sum(times)
            counters["cpu busy"] = sum(times) - sum(times[3:5])
        elif name in ("ctxt", "processes"):
            counters[{"ctxt": "context switches", "processes": "forks"}[name]] = float(fields[0])
        elif name in ("procs_running", "procs_blocked"):
            gauges[name.replace("procs_", "processes ")] = float(fields[0])
    return counters, gauges


def _loadavg(text: str) -> Parsed:
    return {}, {"load": float(text.split()[0])}


def _uptime(text: str) -> Parsed:
    return {}, {"uptime s": float(text.split()[0])}


def _per_cpu(name: str) -> Callable[[str], Parsed]:
    def parse(text: str) -> Parsed:
        cpus, *lines = text.splitlines()
        many = len(cpus.split())
        return {name: float(sum(int(n) for line in lines for n in line.split()[1 : many + 1] if n.isdigit()))}, {}

    return parse


def _meminfo(text: str) -> Parsed:
    wanted = {"MemAvailable": "memory available", "Cached": "memory cached", "Dirty": "memory dirty"}
    fields = dict(line.split(":", 1) for line in text.splitlines())
    return {}, {f"{name} MB": int(fields[key].split()[0]) / 1024 for key, name in wanted.items() if key in fields}


def _vmstat(text: str) -> Parsed:
    wanted = {"pgfault": "page faults", "pgmajfault": "major faults", "pgpgin": "paged in", "pgfree": "pages freed"}
    fields = dict(line.split() for line in text.splitlines())
    return {name: float(fields[key]) for key, name in wanted.items() if key in fields}, {}


def _pressure(name: str) -> Callable[[str], Parsed]:
    def parse(text: str) -> Parsed:
        fields = dict(field.split("=") for field in text.splitlines()[0].split()[1:])
        return {f"{name} stall us": float(fields["total"])}, {f"{name} pressure %": float(fields["avg10"])}

    return parse


def _diskstats(text: str) -> Parsed:
    # Sectors of 512 bytes; partitions are counted with their disk as well, which a demo may.
    rows = [line.split() for line in text.splitlines()]
    read, written = (sum(int(row[field]) for row in rows) * 512 / 1e6 for field in (5, 9))
    return {"disk read MB": read, "disk written MB": written}, {}


def _net_dev(text: str) -> Parsed:
    rows = [line.split(":", 1)[1].split() for line in text.splitlines()[2:]]
    return {
        "net received MB": sum(int(row[0]) for row in rows) / 1e6,
        "net sent MB": sum(int(row[8]) for row in rows) / 1e6,
    }, {}


def _sockstat(text: str) -> Parsed:
    return {}, {"sockets": float(text.splitlines()[0].split()[-1])}


def _snmp(text: str) -> Parsed:
    rows = [line.split() for line in text.splitlines() if line.startswith("Ip:")]
    return {"packets received": float(dict(zip(rows[0], rows[1], strict=False))["InReceives"])}, {}


def _gauge(name: str, scale: float = 1.0) -> Callable[[str], Parsed]:
    return lambda text: ({}, {name: float(text.split()[0]) * scale})


def _counter(name: str, scale: float = 1.0) -> Callable[[str], Parsed]:
    return lambda text: ({name: float(text.split()[0]) * scale}, {})


def _sources() -> list[Source]:
    devices = [
        Source(path, "net", _counter(f"{path.split('/')[4]} {name} MB", 1e-6))
        for name, file in (("received", "rx_bytes"), ("sent", "tx_bytes"))
        for path in sorted(glob.glob(f"/sys/class/net/*/statistics/{file}"))
    ]
    disks = [
        Source(path, "disk", _counter(f"{path.split('/')[3]} reads"))
        for path in sorted(glob.glob("/sys/block/*/stat"))
        if not os.path.basename(os.path.dirname(path)).startswith(("loop", "ram", "zram"))
    ]
    warm = [
        Source(path, "system", _gauge(f"{path.split('/')[4]} C", 1e-3))
        for path in sorted(glob.glob("/sys/class/thermal/thermal_zone*/temp"))
    ]
    return [
        Source("/proc/stat", "cpu", _stat),
        Source("/proc/meminfo", "memory", _meminfo),
        Source("/proc/vmstat", "memory", _vmstat),
        Source("/proc/loadavg", "cpu", _loadavg),
        Source("/proc/diskstats", "disk", _diskstats),
        Source("/proc/net/dev", "net", _net_dev),
        Source("/proc/interrupts", "cpu", _per_cpu("interrupts")),
        Source("/proc/pressure/cpu", "cpu", _pressure("cpu")),
        Source("/proc/softirqs", "cpu", _per_cpu("soft interrupts")),
        Source("/proc/pressure/io", "disk", _pressure("io")),
        Source("/proc/pressure/memory", "memory", _pressure("memory")),
        Source("/proc/net/sockstat", "net", _sockstat),
        Source("/proc/sys/fs/file-nr", "system", _gauge("open files")),
        Source("/proc/uptime", "system", _uptime),
        Source("/proc/net/snmp", "net", _snmp),
        Source("/proc/sys/fs/inode-nr", "system", _gauge("inodes")),
        Source("/proc/sys/fs/dentry-state", "system", _gauge("dentries")),
        Source("/proc/sys/kernel/random/entropy_avail", "system", _gauge("entropy bits")),
        *disks,
        *devices,
        *warm,
    ]


SOURCES = {source.path: source for source in _sources()}
