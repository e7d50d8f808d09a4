"""The programs under bpf/, compiled by BCC: with our own few headers first, then with the running kernel's.

BCC is the distribution's python3-bpfcc; `bcc` on PyPI is something else. It is loaded by its path, so that a virtual
environment gets it and nothing else of the distribution's.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from srr.trace import attach

#: The folder of the programs: in the installed package, or beside it in the source tree.
_FOLDERS = (Path(__file__).parent.parent / "bpf", Path(__file__).parent.parent.parent / "bpf")
_BCC = ("/usr/lib/python3/dist-packages/bcc", "/usr/lib/python3/site-packages/bcc")

#: The inode of the pid namespace that the kernel's own numbers are of.
_FIRST_NAMESPACE = 0xEFFFFFFC
_TRACEFS = "/sys/kernel/tracing"
_CLONE_NEWNS, _MS_REC, _MS_SLAVE = 0x20000, 0x4000, 0x80000

#: Bits of CapEff.
_CAP_DAC_READ_SEARCH, _CAP_SYS_PTRACE, _CAP_SYS_ADMIN, _CAP_PERFMON, _CAP_BPF = 2, 19, 21, 38, 39


class CannotTrace(Exception):
    """No probe can be read here. The text says why and what to do; views of the waiting table work all the same."""


@dataclass(frozen=True, slots=True)
class Wants:
    """What is to be compiled in."""

    transactions: bool = False
    totals: bool = False
    #: Totals by the message's first two bytes, too: there may be as many as there is room in the map.
    by_type: bool = False
    changes: bool = False
    frames: bool = False
    imposed: bool = False
    exits: bool = False
    syscalls: bool = False
    cost: bool = False
    chosen: bool = False
    min_latency_ns: int = 0
    failed_only: bool = False
    peek: int = 0
    ring_bytes: int = 16 << 20

    def defines(self) -> list[str]:
        flags = [
            f"-DWANT_{name.upper()}"
            for name in (
                "transactions",
                "totals",
                "by_type",
                "changes",
                "frames",
                "imposed",
                "exits",
                "syscalls",
                "cost",
            )
            if getattr(self, name)
        ]
        if self.chosen:
            flags.append("-DCHOSEN")
        if self.failed_only:
            flags.append("-DFAILED_ONLY")
        if self.min_latency_ns:
            flags.append(f"-DMIN_LATENCY_NS={self.min_latency_ns}ULL")
        space = os.stat("/proc/self/ns/pid")
        if space.st_ino != _FIRST_NAMESPACE:
            flags += [f"-DNAMESPACE_DEVICE={space.st_dev}ULL", f"-DNAMESPACE_INODE={space.st_ino}ULL"]
        return [*flags, f"-DPEEK={self.peek}", f"-DRING_PAGES={self.ring_bytes // os.sysconf('SC_PAGE_SIZE')}"]


class Programs:
    """Loaded programs and their maps, not attached to anything yet; ``attach_type`` as attach.py wants it."""

    def __init__(self, wants: Wants) -> None:
        require_privileges(wants)
        bcc = _bcc()
        if wants.imposed or wants.syscalls:
            _see_tracepoints()
        self._bpf = _compile(bcc, wants)
        self.by_multi = True
        self._functions: dict[str, Any] = {}
        names = [name for name, wanted in _functions(wants) if wanted]
        for name in names:
            self._functions[name] = self._load(bcc, name)

    def _load(self, bcc: ModuleType, name: str) -> Any:
        if self.by_multi:
            try:
                return self._bpf.load_func(name.encode(), bcc.BPF.KPROBE, attach_type=attach.UPROBE_MULTI)
            except Exception:
                self.by_multi = False  # before Linux 6.6
        return self._bpf.load_func(name.encode(), bcc.BPF.KPROBE)

    def load_plainly(self) -> None:
        """For the perf events of older kernels: the same functions again."""
        bcc = _bcc()
        self.by_multi = False
        for name in self._functions:
            self._bpf.funcs.pop(name.encode(), None)
            self._functions[name] = self._bpf.load_func(name.encode(), bcc.BPF.KPROBE)

    def program(self, name: str) -> int:
        """Its descriptor."""
        return int(self._functions[name].fd)

    def map(self, name: str) -> Any:
        """A map, as BCC's table."""
        return self._bpf[name.encode()]

    def symbol(self, address: int, pid: int) -> str:
        """`function+0x1c [file]`, as far as the process's files tell."""
        text = self._bpf.sym(address, pid, show_module=True, show_offset=False)
        return str(text.decode(errors="replace"))

    def close(self) -> None:
        self._bpf.cleanup()


def _functions(wants: Wants) -> list[tuple[str, bool]]:
    return [
        ("on_done", wants.transactions or wants.totals),
        ("on_change", wants.changes or wants.imposed),
        ("on_frames", wants.frames),
        ("on_idle", wants.cost),
    ]


def require_privileges(wants: Wants) -> None:
    """CannotTrace, naming the capability that is missing."""
    have = _effective()
    missing = []
    if not have >> _CAP_SYS_ADMIN & 1:
        missing = [name for name, bit in (("CAP_BPF", _CAP_BPF), ("CAP_PERFMON", _CAP_PERFMON)) if not have >> bit & 1]
    if (wants.imposed or wants.syscalls) and not have >> _CAP_DAC_READ_SEARCH & 1:
        missing.append("CAP_DAC_READ_SEARCH")
    if missing:
        raise CannotTrace(
            f"reading probes needs {' and '.join(missing)}, which this process does not have: run it as root, or from a"
            " service with AmbientCapabilities=CAP_BPF CAP_PERFMON CAP_DAC_READ_SEARCH CAP_SYS_PTRACE. Without any"
            " privilege there are: srr-trace ps, top, graph, deadlock"
        )


def _see_tracepoints() -> None:
    """BCC reads their layout in tracefs. Where it is not mounted, it is for this thread alone, and goes with it."""
    if os.path.isdir(f"{_TRACEFS}/events"):
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if (
        libc.unshare(_CLONE_NEWNS) != 0
        or libc.mount(None, b"/", None, _MS_REC | _MS_SLAVE, None) != 0
        or libc.mount(b"nodev", _TRACEFS.encode(), b"tracefs", 0, None) != 0
    ):
        raise CannotTrace(
            f"kernel tracepoints are described in {_TRACEFS}, which can not be read"
            f" ({os.strerror(ctypes.get_errno())}): mount -t tracefs nodev {_TRACEFS}, and give this process"
            " CAP_DAC_READ_SEARCH"
        )


def _effective() -> int:
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith("CapEff:"):
                return int(line.split()[1], 16)
    return 0


def _bcc() -> ModuleType:
    """The distribution's BCC, whatever else is called bcc."""
    known = sys.modules.get("bcc")
    if known is not None and hasattr(known, "BPF"):
        return known
    for folder in _BCC:
        init = os.path.join(folder, "__init__.py")
        if not os.path.exists(init):
            continue
        spec = importlib.util.spec_from_file_location("bcc", init, submodule_search_locations=[folder])
        if spec is None or spec.loader is None:
            continue
        module = importlib.util.module_from_spec(spec)
        sys.modules["bcc"] = module
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            for name in [name for name in sys.modules if name == "bcc" or name.startswith("bcc.")]:
                del sys.modules[name]
            raise CannotTrace(f"BCC in {folder} can not be imported: {error}. Reinstall python3-bpfcc") from error
        return module
    raise CannotTrace(
        "BCC is missing. Install it: apt-get install python3-bpfcc (Fedora: dnf install python3-bcc). It does not come"
        " from PyPI: bcc there is an unrelated package"
    )


def folder() -> Path:
    """Where the programs are."""
    for path in _FOLDERS:
        if (path / "srr.c").exists():
            return path
    raise CannotTrace(f"the programs are missing: no srr.c in {' or '.join(map(str, _FOLDERS))}. Reinstall srr")


def _header_trees() -> Iterator[tuple[str, str]]:
    """For BCC_KERNEL_SOURCE, in the order of trying, and what to call them."""
    yield str(folder() / "shim"), "srr's own headers"
    given = os.environ.get("BCC_KERNEL_SOURCE")
    if given:
        yield given, "BCC_KERNEL_SOURCE"
    else:
        build = f"/lib/modules/{os.uname().release}/build"
        if os.path.isdir(build):
            yield build, "the kernel's headers"


def _compile(bcc: ModuleType, wants: Wants) -> Any:
    source = (folder() / "srr.c").read_text(encoding="utf-8")
    flags = [f"-I{folder()}", "-Wno-macro-redefined", "-Wno-unknown-attributes", *wants.defines()]
    failures = []
    for tree, shown in _header_trees():
        try:
            with _headers(tree), _diagnostics() as said:
                return bcc.BPF(text=source.encode(), cflags=flags)
        except Exception as error:
            first = next((line for line in said() if "error" in line.lower()), str(error))
            failures.append(f"with {shown}: {first.strip()}")
    kernel = os.uname()
    raise CannotTrace(
        "the programs do not compile or load. "
        + "; ".join(failures)
        + f". Kernel {kernel.release} {kernel.machine}, BCC {getattr(bcc, '__version__', '?')}. Install a current"
        " python3-bpfcc, or the kernel's headers (linux-headers-" + kernel.release + ")"
    )


@contextmanager
def _headers(tree: str) -> Iterator[None]:
    """libbcc is told where to look: by itself it would search, and print that it found nothing. It also adds the
    current folder to the path, where anybody's linux/types.h might lie, and leaves us in another one."""
    before, where = os.environ.get("BCC_KERNEL_SOURCE"), os.getcwd()
    os.environ["BCC_KERNEL_SOURCE"] = tree
    os.chdir(tree)
    try:
        yield
    finally:
        os.chdir(where)
        if before is None:
            del os.environ["BCC_KERNEL_SOURCE"]
        else:
            os.environ["BCC_KERNEL_SOURCE"] = before


@contextmanager
def _diagnostics() -> Iterator[Any]:
    """What the compiler says on descriptor 2: kept, for the message should it fail."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as file:
        kept = os.dup(2)
        os.dup2(file.fileno(), 2)

        def said() -> Sequence[str]:
            return lines

        lines: list[str] = []
        try:
            yield said
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            lines += file.read().decode(errors="replace").splitlines()
