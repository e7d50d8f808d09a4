"""What the lanes depend on: kernel, /proc, ptrace rules, CPUs, limits. Each function looks at one thing."""

from __future__ import annotations

import ctypes
import os
import re
import resource
import stat

from srr.doctor import OFF, OK, Check, check
from srr.doctor.helper import helper
from srr.doctor.proc import initial_pid_namespace, pid_namespace, status
from srr.errors import Failure
from srr.facts import facts, runtime_dir

_KERNEL = (5, 3)  # pidfd_open; F_SEAL_FUTURE_WRITE came in 5.1
_PR_GET_DUMPABLE = 3
#: An ordinary server keeps a few descriptors for each process that it has met.
_FILES = 1024


def machine(direct_works: bool) -> list[Check]:
    """Everything but the exchanges. What only the direct lane needs is judged by whether that works."""
    return [
        kernel(),
        proc(),
        namespace(),
        ptrace_scope(direct_works),
        dumpable(),
        seccomp(direct_works),
        cpus(),
        names_folder(),
        limits(),
        helper(),
        bpf(),
    ]


def kernel() -> Check:
    """pidfds, sealed memfds and MADV_WIPEONFORK."""
    release = os.uname().release
    numbers = tuple(int(n) for n in re.findall(r"\d+", release)[:2])
    wanted = ".".join(map(str, _KERNEL))
    return check("kernel", numbers >= _KERNEL, f"{release} (srr needs {wanted})", f"run Linux {wanted} or newer")


def proc() -> Check:
    """Peers are found through /proc: it must be this pid namespace's, and show one's own processes."""
    try:
        me = os.readlink("/proc/self")
    except OSError as error:
        return check("/proc", False, f"/proc/self: {error.strerror}", "mount it: mount -t proc proc /proc")
    if me != str(os.getpid()):
        return check(
            "/proc",
            False,
            f"it shows this process as {me}, but its pid is {os.getpid()}: it is another pid namespace's",
            "mount this namespace's own: mount -t proc proc /proc",
        )
    hidepid = _hidepid()
    # A user's own processes stay visible under hidepid, but for "ptraceable" only if they are dumpable.
    return check("/proc", True, f"mounted, hidepid={hidepid}: a user's own processes can be found")


def _hidepid() -> str:
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
        for line in mounts:
            words = line.split()
            if words[4] == "/proc":
                found = re.search(r"hidepid=(\w+)", words[-1])
                return found[1] if found else "0"
    return "0"


def namespace() -> Check:
    """Pids mean something only within one pid namespace."""
    mine = pid_namespace()
    if mine is None:
        return check("pid namespace", False, "/proc/self/ns/pid can not be read", "mount /proc")
    if mine == initial_pid_namespace():
        return Check("pid namespace", OK, f"{mine}, the machine's own")
    return Check("pid namespace", OK, f"{mine}, a container's: only processes in it can be sent to")


def ptrace_scope(direct_works: bool) -> Check:
    """Yama, where the kernel has it."""
    try:
        with open("/proc/sys/kernel/yama/ptrace_scope") as file:
            scope = file.read().strip()
    except FileNotFoundError:
        return Check("ptrace_scope", OK, "this kernel has no Yama: nothing beyond the ordinary rules")
    seen = f"{scope}: {_SCOPES.get(scope, 'unknown')}"
    fix = "for the direct lane, as root: sysctl kernel.yama.ptrace_scope=1"
    return check("ptrace_scope", direct_works or scope in "01", seen, fix, otherwise=OFF)


_SCOPES = {
    "0": "the ordinary rules: same user, dumpable",
    "1": "only where the sender allows it, which srr does for its receiver in each Send (PR_SET_PTRACER)",
    "2": "only processes with CAP_SYS_PTRACE",
    "3": "nobody, until the next boot",
}


def dumpable() -> Check:
    """The kernel hides the descriptors and the memory of a process that is not dumpable."""
    value = ctypes.CDLL(None).prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0)
    return check(
        "dumpable",
        value == 1,
        f"PR_GET_DUMPABLE is {value}",
        "this process gained rights at exec (setuid, file capabilities) or its program can not be read; "
        "run it without them, or let it call prctl(PR_SET_DUMPABLE, 1)",
    )


def seccomp(direct_works: bool) -> Check:
    """A filter may forbid process_vm_readv and process_vm_writev; old container profiles do."""
    mode = status("self").get("Seccomp", "0")
    if mode == "0":
        return Check("seccomp", OK, "no filter")
    lets = "lets the direct lane through" if direct_works else "may be what refuses the direct lane"
    return check(
        "seccomp",
        direct_works,
        f"a filter is on, and {lets}",
        "for the direct lane, allow process_vm_readv and process_vm_writev in the container's seccomp profile",
        otherwise=OFF,
    )


def cpus() -> Check:
    """Spinning needs a second CPU."""
    usable = sorted(os.sched_getaffinity(0))
    longest = facts().spin_ns / 1000
    if len(usable) == 1:
        seen = "1 usable: waits sleep at once, for nobody could answer a spinning process"
    elif longest == 0:
        seen = f"{len(usable)} usable; SRR_SPIN_US=0 turns spinning off"
    else:
        seen = f"{len(usable)} usable; a wait spins for up to {longest:g} us before it sleeps"
    return Check("CPUs", OK, seen)


def names_folder() -> Check:
    """Names are symbolic links in a folder that nobody else may write."""
    try:
        path = runtime_dir()
    except Failure as failure:
        where = os.environ.get("SRR_RUNTIME_DIR") or f"/run/user/{os.geteuid()}/srr or /tmp/srr-{os.geteuid()}"
        mend = f"chmod 700 {where}" if os.path.lexists(where) else f"mkdir -m 700 {where}"
        return check("names", False, f"{where}: {failure.strerror}", f"{mend}, or set SRR_RUNTIME_DIR")
    found = os.stat(path)
    return Check("names", OK, f"{path}, owner {found.st_uid}, mode {stat.S_IMODE(found.st_mode):o}")


def limits() -> Check:
    """Descriptors: a process has two for its own rows, and some for each that it has met."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lock = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    seen = f"{_limit(soft)} open files (up to {_limit(hard)}), {_limit(lock)} bytes locked"
    return check(
        "limits", soft >= _FILES or soft < 0, seen, f"ulimit -n {_FILES} or more, for servers with many clients"
    )


def _limit(value: int) -> str:
    return "unlimited" if value == resource.RLIM_INFINITY else str(value)


_CAP_SYS_ADMIN, _CAP_PERFMON, _CAP_BPF = 21, 38, 39
_BCC = "/usr/lib/python3/dist-packages/bcc/__init__.py"


def bpf() -> Check:
    """Debian's python3-bpfcc; PyPI's `bcc` is something else."""
    capabilities = int(status("self").get("CapEff", "0"), 16)
    may = capabilities >> _CAP_SYS_ADMIN & 1 or (capabilities >> _CAP_PERFMON & 1 and capabilities >> _CAP_BPF & 1)
    uprobes = os.path.exists("/sys/bus/event_source/devices/uprobe/type")
    bcc = _has_bcc()
    seen = (
        f"python3-bpfcc {'is there' if bcc else 'is missing'}, "
        f"{'may' if may else 'may not'} load programs, uprobes {'work' if uprobes else 'are missing'}"
    )
    missing = [
        *([] if bcc else ["apt-get install python3-bpfcc"]),
        *([] if may else ["root, or CAP_BPF and CAP_PERFMON"]),
        *([] if uprobes else ["a kernel with CONFIG_UPROBE_EVENTS"]),
    ]
    return check("BPF", not missing, seen, f"for srr-trace: {'; '.join(missing)}", otherwise=OFF)


def _has_bcc() -> bool:
    try:
        import bcc  # type: ignore[import-not-found, import-untyped, unused-ignore]

        return hasattr(bcc, "BPF")
    except ImportError:
        # A virtual environment does not see Debian's packages; the system's Python does.
        return os.path.exists(_BCC)
