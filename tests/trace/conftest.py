"""What tests of the tracer share: may eBPF be used here, and `srr-trace` as a process that has begun to listen."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from tracers import Trace

#: The distribution's BCC (srr/trace/programs.py says why by its path).
BCC = ("/usr/lib/python3/dist-packages/bcc/__init__.py", "/usr/lib/python3/site-packages/bcc/__init__.py")

_BPF = {"x86_64": 321, "aarch64": 280}
_MAP_CREATE, _ARRAY = 0, 2


def _why_not() -> str:
    """Why no program can be loaded here; "": it can. Asks the kernel and the file system, never the code under test."""
    if platform.machine() not in _BPF:
        return f"there are no probes on {platform.machine()}"
    if not any(map(os.path.exists, BCC)):
        return "python3-bpfcc is not installed"
    libc = ctypes.CDLL(None, use_errno=True)
    attributes = ctypes.create_string_buffer(struct.pack("<4I", _ARRAY, 4, 8, 1), 64)
    fd = libc.syscall(_BPF[platform.machine()], _MAP_CREATE, attributes, 64)
    if fd < 0:
        return f"the kernel does not let us use BPF: {os.strerror(ctypes.get_errno())}"
    os.close(fd)
    return "" if os.geteuid() == 0 else "the tests start other users' processes and tracers: they want root"


@pytest.fixture(scope="session")
def needs_bpf() -> None:
    """For all that listens to probes: `pytestmark = pytest.mark.usefixtures("needs_bpf")`."""
    reason = _why_not()
    if reason:
        pytest.skip(reason)


@pytest.fixture
def trace(names: Path) -> Iterator[Trace]:
    """`srr-trace` as a process: see Trace. Names are those of this test's `company`."""
    made = Trace(names)
    yield made
    made.close()
