"""What /proc says about a process's identity and rights."""

from __future__ import annotations

import os


def status(pid: int | str) -> dict[str, str]:
    """/proc/PID/status. ProcessLookupError if there is no such process."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            return {key: value.strip() for key, _, value in (line.partition(":") for line in file)}
    except FileNotFoundError:
        raise ProcessLookupError(pid) from None


def pid_namespace(pid: int | str = "self") -> str | None:
    """The pid namespace's number, `pid:[...]`; None if the kernel does not tell."""
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return None


def initial_pid_namespace() -> str:
    """The first pid namespace of any kernel (PROC_PID_INIT_INO)."""
    return f"pid:[{0xEFFFFFFC}]"
