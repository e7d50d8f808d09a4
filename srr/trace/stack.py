"""Stacks of other processes' blocked threads: Python's by py-spy, all others' by eu-stack.

Both are programs of their own, each with a time-out, so that nothing here can hang. py-spy only reads the memory, since
a blocked thread's stack does not change. eu-stack stops the process for some milliseconds; if it has to be killed while
it does, whoever it left stopped is sent SIGCONT.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

#: Seconds that a tool may take for one process.
TIMEOUT = 3.0
#: Frames of a thread that are kept, the innermost ones.
DEEPEST = 64

_MISSING = {
    "py-spy": "py-spy is not installed; pip install 'srr[trace]'",
    "eu-stack": "eu-stack is not installed; apt-get install elfutils",
}


@dataclass(frozen=True, slots=True)
class Stack:
    """Of one thread: its frames, the innermost first, or why there are none."""

    frames: tuple[str, ...]
    why_not: str = ""


class _NoStack(Exception):
    """Why there is none, in a line."""


def stacks(threads: Collection[tuple[int, int]], timeout: float = TIMEOUT) -> dict[tuple[int, int], Stack]:
    """By (pid, tid). Tid 0 stands for the only thread of a process."""
    of_pid: dict[int, list[int]] = {}
    for pid, tid in threads:
        of_pid.setdefault(pid, []).append(tid)
    with ThreadPoolExecutor(min(4, max(1, len(of_pid)))) as pool:
        for_pid = pool.map(lambda pid: _of_process(pid, of_pid[pid], timeout), of_pid)
        return {(pid, tid): stack for pid, found in zip(of_pid, for_pid, strict=True) for tid, stack in found.items()}


def _of_process(pid: int, tids: list[int], timeout: float) -> dict[int, Stack]:
    """Python's frames where there are any; the native ones for all other threads."""
    python: dict[int, Stack] = {}
    why_not_python = ""
    try:
        real = {tid: tid or _only_thread(pid) for tid in tids}
        if _is_python(pid):
            try:
                python = _python_stacks(pid, timeout)
            except _NoStack as reason:
                why_not_python = f"{reason}; "
        found = {}
        for tid in tids:
            try:
                found[tid] = python.get(real[tid]) or _native_stack(pid, real[tid], timeout)
            except _NoStack as reason:
                found[tid] = Stack((), f"{why_not_python}{reason}")
        return found
    except _NoStack as reason:
        return {tid: Stack((), str(reason)) for tid in tids}


def _only_thread(pid: int) -> int:
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        raise _NoStack("it has ended") from None
    if len(threads) != 1:
        raise _NoStack(f"which of its {len(threads)} threads receives is not in the waiting table")
    return int(threads[0])


def _is_python(pid: int) -> bool:
    """It runs an interpreter, or has one inside."""
    try:
        if re.match(r"python[\d.]*", os.path.basename(os.readlink(f"/proc/{pid}/exe"))):
            return True
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as file:
            return "/libpython" in file.read()
    except OSError:
        return False


def _python_stacks(pid: int, timeout: float) -> dict[int, Stack]:
    text = _output("py-spy", ["dump", "--nonblocking", "--json", "--pid", str(pid)], pid, timeout)
    try:
        return {
            int(thread["os_thread_id"]): Stack(tuple(_python_frame(frame) for frame in thread["frames"][:DEEPEST]))
            for thread in json.loads(text)
            if thread.get("os_thread_id") and thread["frames"]
        }
    except (ValueError, TypeError, KeyError, AttributeError):
        raise _NoStack("py-spy printed something that is not its JSON; another version of it may") from None


def _python_frame(frame: dict[str, object]) -> str:
    return f"{frame['name']} ({frame.get('short_filename') or frame['filename']}:{frame['line']})"


#: `#1  0x00007f4714f22ff3 futex_sleep`, and where the source is known, below it, `    /a/b.c:12:3`.
_NATIVE = re.compile(r"#\d+\s+0x[0-9a-f]+(?:\s+-\s+\d+)?(?:\s+(\S.*))?$")
_WHERE = re.compile(r"\s+(\S.*?:\d+)(?::\d+)?$")


def _native_stack(pid: int, tid: int, timeout: float) -> Stack:
    if _state(pid) in ("T", "t"):
        raise _NoStack("it is stopped (SIGSTOP, or a debugger); kill -CONT it first")
    text = _output("eu-stack", ["-1", "-s", "-n", str(DEEPEST), "-p", str(tid)], pid, timeout)
    frames: list[str] = []
    for line in text.splitlines():
        if frame := _NATIVE.match(line):
            frames.append(frame[1] or "?")
        elif frames and (where := _WHERE.match(line)):
            frames[-1] += f" ({os.path.basename(where[1])})"
    if not frames:
        raise _NoStack("eu-stack found no frames; the thread may have ended")
    return Stack(tuple(frames))


def _output(tool: str, arguments: list[str], pid: int, timeout: float) -> str:
    """What it prints. Its own failure is a line of ours."""
    # In a venv whose bin/ is not in PATH, py-spy is beside the interpreter.
    path = shutil.which(tool) or shutil.which(tool, path=os.path.dirname(sys.executable))
    if path is None:
        raise _NoStack(_MISSING[tool])
    was_stopped = _state(pid) in ("T", "t")
    # Not over the network, and never with a terminal: neither may make it wait.
    environment = {**os.environ, "DEBUGINFOD_URLS": "", "LC_ALL": "C.UTF-8"}
    process = subprocess.Popen(
        [path, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,  # what it may have started ends with it
    )
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if not was_stopped and _state(pid) == "T":
            _send(pid, signal.SIGCONT)
        raise _NoStack(f"{tool} did not end within {timeout:g} s") from None
    text = out.decode(errors="replace")
    if process.returncode != 0 and not text.strip():
        raise _NoStack(_reason(tool, err.decode(errors="replace"), pid))
    return text


def _reason(tool: str, complaint: str, pid: int) -> str:
    if not os.path.exists(f"/proc/{pid}"):
        return "it has ended"
    lines = [line.strip() for line in complaint.splitlines() if line.strip()]
    if re.search(r"permission|not permitted|root", complaint, re.IGNORECASE):
        return f"{tool} may not look at it; run as its user with ptrace allowed, or with CAP_SYS_PTRACE"
    return f"{tool}: {lines[-1][:200]}" if lines else f"{tool} failed and did not say why"


def _state(pid: int) -> str:
    """The letter of its first thread; "" if it has ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except OSError:
        pass  # it has ended
