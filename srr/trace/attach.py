"""Attaching BPF programs to probes, by the bpf system call itself.

BCC's own way knows no semaphores without a pid, takes a tenth of a second to let go of a probe and wants CAP_SYS_ADMIN.
Here it is one link per file for all its probes (uprobe_multi, kernel 6.6), or one perf event per probe (kernel 5.15);
the cookie tells the program which probe it was. Either is a descriptor: closed with the process, even a killed one, and
then the kernel takes the probes out and counts the semaphores down.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Sequence
from dataclasses import dataclass

_NUMBERS = {"x86_64": (321, 298), "aarch64": (280, 241)}
_LINK_CREATE = 28
_PERF_EVENT, UPROBE_MULTI = 41, 48
_UPROBE_TYPE = "/sys/bus/event_source/devices/uprobe/type"
_PERF_FLAG_FD_CLOEXEC = 8

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Target:
    """A probe of a file: offsets in it, and the cookie that the program is to see."""

    offset: int
    semaphore: int
    cookie: int


def link_all(program: int, path: str, targets: Sequence[Target]) -> int:
    """One link for these probes of one file, by uprobe_multi: its descriptor. The program was loaded for that."""
    count = len(targets)
    array = ctypes.c_uint64 * count
    offsets = array(*(target.offset for target in targets))
    semaphores = array(*(target.semaphore for target in targets))
    cookies = array(*(target.cookie for target in targets))
    name = ctypes.create_string_buffer(os.fsencode(path))
    attributes = struct.pack(
        "<IIIIQQQQIIII",
        program,
        0,
        UPROBE_MULTI,
        0,
        ctypes.addressof(name),
        ctypes.addressof(offsets),
        ctypes.addressof(semaphores),
        ctypes.addressof(cookies),
        count,
        0,
        0,
        0,
    )
    return _bpf(_LINK_CREATE, attributes)


def link_one(program: int, path: str, target: Target) -> tuple[int, int]:
    """The same for one probe, by a perf event: the link's descriptor and the event's."""
    with open(_UPROBE_TYPE, encoding="ascii") as file:
        kind = int(file.read())
    name = ctypes.create_string_buffer(os.fsencode(path))
    # struct perf_event_attr, version 5: config is the semaphore's place, config1 the path, config2 the probe's place.
    attributes = struct.pack(
        "<IIQ24xQ8xQQ40x",
        kind,
        112,
        target.semaphore << 32,
        0,
        ctypes.addressof(name),
        target.offset,
    )
    attributes = attributes.ljust(112, b"\0")
    buffer = ctypes.create_string_buffer(attributes, 112)
    event = _libc.syscall(_call_numbers()[1], buffer, -1, 0, -1, _PERF_FLAG_FD_CLOEXEC)
    if event < 0:
        raise _failure()
    try:
        link = _bpf(_LINK_CREATE, struct.pack("<IIIIQ40x", program, event, _PERF_EVENT, 0, target.cookie))
    except OSError:
        os.close(event)
        raise
    return link, event


def _bpf(command: int, attributes: bytes) -> int:
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    result = _libc.syscall(_call_numbers()[0], command, buffer, len(attributes))
    if result < 0:
        raise _failure()
    return int(result)


def _call_numbers() -> tuple[int, int]:
    machine = platform.machine()
    if machine not in _NUMBERS:
        raise OSError(errno.ENOSYS, f"srr-trace reads probes on x86-64 and aarch64, not on {machine}")
    return _NUMBERS[machine]


def _failure() -> OSError:
    error = ctypes.get_errno()
    return OSError(error, os.strerror(error))
