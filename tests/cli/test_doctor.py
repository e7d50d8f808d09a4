"""`srr doctor`: it is right about this machine, and about a pair."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shell import Shell

LANES = ("row files and inline lane", "long messages", "direct lane", "window lane")


def doctor(shell: Shell, *arguments: str, **environment: str) -> tuple[int, dict[str, dict[str, Any]]]:
    ran = shell.run("doctor", "--json", *arguments, environment=environment)
    checks = json.loads(ran.stdout)
    for check in checks:
        assert set(check) == {"name", "verdict", "seen", "fix"}
        assert check["verdict"] in ("ok", "no", "off")
        assert check["seen"]
        assert (check["fix"] != "") == (check["verdict"] != "ok"), "what is not ok has a way to mend it"
    return ran.returncode, {check["name"]: check for check in checks}


def test_all_lanes_are_really_tried(shell: Shell) -> None:
    status, checks = doctor(shell)
    assert status == 0
    for title, lane, nbytes in zip(
        LANES, ("inline", "direct", "direct", "window"), (1000, *[1 << 20] * 3), strict=True
    ):
        assert f"{nbytes} bytes to another process ({lane} lane)" in checks[title]["seen"]
    assert "the kernel lets" in checks["long messages"]["seen"]
    assert {
        *("kernel", "/proc", "pid namespace", "ptrace_scope", "dumpable", "seccomp"),
        *("CPUs", "names", "limits", "BPF", "helper"),
    } < set(checks)
    assert checks["kernel"]["seen"].startswith(os.uname().release)


def test_plain_text_has_a_line_for_each_check(shell: Shell) -> None:
    ran = shell.run("doctor")
    assert ran.returncode == 0
    assert b"\x1b" not in ran.stdout
    shown = ran.stdout.decode()
    for name in doctor(shell)[1]:
        assert f"\n{name} " in shown


def test_a_lane_that_is_not_taken_is_a_no(shell: Shell) -> None:
    status, checks = doctor(shell, SRR_INLINE="0")
    assert status == 1
    assert [checks[lane]["verdict"] for lane in LANES] == ["no", "ok", "ok", "ok"]
    assert "SRR_INLINE" in checks[LANES[0]]["fix"]


def test_why_a_long_message_goes_as_it_does(shell: Shell) -> None:
    status, checks = doctor(shell, SRR_LANE="window")
    assert status == 0
    assert "(window lane)" in checks["long messages"]["seen"] and "SRR_LANE=window" in checks["long messages"]["seen"]
    assert checks["direct lane"]["verdict"] == "ok"


#: A seccomp filter that answers process_vm_readv and process_vm_writev with EPERM, then the command.
DENY = """
import ctypes, os, platform, struct, sys
numbers = {"x86_64": (310, 311), "aarch64": (270, 271)}[platform.machine()]
is_it = [(0x15, 1, 0, numbers[0]), (0x15, 0, 1, numbers[1])]
code = [(0x20, 0, 0, 0), *is_it, (0x06, 0, 0, 0x50001), (0x06, 0, 0, 0x7fff0000)]
program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in code))
filter = struct.pack("HxxxxxxP", len(code), ctypes.addressof(program))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, filter, 0, 0) == 0
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def test_where_the_kernel_refuses_the_direct_lane(shell: Shell) -> None:
    ran = subprocess.run(
        [sys.executable, "-P", "-c", DENY, "-P", "-m", "srr", "doctor", "--json"],
        capture_output=True,
        env=shell.environment(),
        timeout=50,
    )
    checks = {check["name"]: check for check in json.loads(ran.stdout)}
    assert ran.returncode == 0, "every message goes all the same"
    assert [checks[lane]["verdict"] for lane in LANES] == ["ok", "ok", "off", "ok"]
    assert "(window lane)" in checks["long messages"]["seen"] and "refuses" in checks["long messages"]["seen"]
    assert checks["seccomp"]["verdict"] == "off" and "process_vm_readv" in checks["seccomp"]["fix"]


def test_one_cpu_never_spins(shell: Shell) -> None:
    first = str(min(os.sched_getaffinity(0)))
    ran = subprocess.run(
        ["taskset", "-c", first, sys.executable, "-P", "-m", "srr", "doctor", "--json"],
        capture_output=True,
        env=shell.environment(),
        check=True,
    )
    cpus = next(check for check in json.loads(ran.stdout) if check["name"] == "CPUs")
    assert cpus["seen"].startswith("1 usable")


def test_a_folder_that_others_may_write_is_refused(shell: Shell) -> None:
    shell.folder.chmod(0o777)
    status, checks = doctor(shell)
    shell.folder.chmod(0o700)
    assert status == 0, "names are not lanes"
    assert checks["names"]["verdict"] == "no"
    assert str(shell.folder) in checks["names"]["seen"]


def test_a_process_of_ones_own(shell: Shell) -> None:
    server = shell.serve("echo")
    status, checks = doctor(shell, str(server.pid))
    assert status == 0
    assert {check["verdict"] for check in checks.values()} == {"ok"}
    assert "as echo" in checks["rows"]["seen"]


def test_a_process_that_has_not_used_srr(shell: Shell) -> None:
    status, checks = doctor(shell, str(shell.start("cat").pid))
    assert status == 0
    assert "has not used srr" in checks["rows"]["seen"]


def test_another_users_process(shell: Shell) -> None:
    if os.geteuid() == 0:
        other = subprocess.Popen(["cat"], stdin=subprocess.PIPE, user=65534, group=65534, extra_groups=[])
        pid = other.pid
    else:
        other, pid = None, 1
    status, checks = doctor(shell, str(pid))
    if other is not None:
        other.communicate()
    assert status == 1
    assert checks["user"]["verdict"] == "no"
    assert "srr-helper" in checks["user"]["fix"]


def test_no_process_a_thread_and_a_zombie(shell: Shell) -> None:
    for pid, expected in ((2**22 + 1, "there is no process"), (_thread(), "is a thread of process")):
        status, checks = doctor(shell, str(pid))
        assert status == 1
        assert list(checks) == ["process"]
        assert expected in checks["process"]["seen"]
    zombie = shell.start("true")
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    assert "has ended" in doctor(shell, str(zombie.pid))[1]["process"]["seen"]


def _thread() -> int:
    """A thread of this process that is not its first, and that stays until the end."""
    thread = threading.Thread(target=threading.Event().wait, daemon=True)
    thread.start()
    assert thread.native_id is not None
    return thread.native_id


def test_no_helper_and_one_that_has_ended(shell: Shell) -> None:
    path = shell.folder / "helper.sock"
    checks = doctor(shell, SRR_HELPER=str(path))[1]
    assert checks["helper"]["verdict"] == "off" and str(path) in checks["helper"]["seen"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as nobody:
        nobody.bind(str(path))
    checks = doctor(shell, SRR_HELPER=str(path))[1]
    assert checks["helper"]["verdict"] == "no" and "nobody listens" in checks["helper"]["seen"]
