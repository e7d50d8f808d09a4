"""`srr demo` as a user runs it: a process of its own, with names of its own; and whether anything of it is left."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

#: Longest that one demo of these tests may take; reaching it is a failure.
PATIENCE = 50.0


class Demo:
    """Demos of one test."""

    def __init__(self, names: Path, files: Path) -> None:
        self._names = names
        self._files = files
        self._stack = ExitStack()

    def command(self, *arguments: str) -> list[str]:
        """Small: what matters is the same with twelve processes."""
        files = [] if "--files" in arguments else ["--files", str(self._files)]
        processes = [] if "--processes" in arguments else ["--processes", "12"]
        return [sys.executable, "-P", "-m", "srr", "demo", *processes, *files, *arguments]

    def environment(self) -> dict[str, str]:
        return os.environ | {"SRR_RUNTIME_DIR": str(self._names), "PYTHONUNBUFFERED": "1"}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One, to its end."""
        return subprocess.run(
            self.command(*arguments), capture_output=True, text=True, env=self.environment(), timeout=PATIENCE
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """One, in the background, with its output in one pipe."""
        child = subprocess.Popen(
            self.command(*arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environment(),
        )
        self._stack.enter_context(child)
        self._stack.callback(child.kill)
        return child

    def close(self) -> None:
        self._stack.close()


def document(ran: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """What --json printed: one document, and nothing else."""
    parsed = json.loads(ran.stdout)
    assert isinstance(parsed, dict)
    return parsed


def nodes(demo: int) -> dict[str, int]:
    """The processes of a demo that live, by name: whoever has its prefix in his command line."""
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            words = Path(f"/proc/{entry}/cmdline").read_bytes().decode().split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if f"demo-{demo}" in words and "srr.demo.node" in words:
            found[words[words.index("srr.demo.node") + 2]] = int(entry)
    return found


def wait_for_line(child: subprocess.Popen[str], part: str) -> str:
    """Its output up to the line with this in it."""
    assert child.stdout is not None
    seen = ""
    for line in child.stdout:
        seen += line
        if part in line:
            return seen
    raise AssertionError(f"it ended and never said {part!r}:\n{seen}")


def wait_for_end(pids: list[int], seconds: float) -> None:
    """Until all these processes have ended; they need not be our children."""
    deadline = time.monotonic() + seconds
    for pid in pids:
        try:
            process = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        with os.fdopen(process) as file:
            readable, _, _ = select.select([file], [], [], max(0.0, deadline - time.monotonic()))
        assert readable, f"process {pid} outlived its demo by {seconds} s"
