"""The `srr` command as a shell would run it: processes, exit codes, bytes on stdout, lines on stderr."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

#: Longest that any of these commands may take; reaching it is a failure.
PATIENCE = 50.0


class Shell:
    """Starts commands with a folder of names of their own, and ends those that are left."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()

    def environment(self, more: dict[str, str] | None = None) -> dict[str, str]:
        return os.environ | {"SRR_RUNTIME_DIR": str(self.folder), "PYTHONUNBUFFERED": "1"} | (more or {})

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-P", "-m", "srr", *arguments]

    def run(
        self, *arguments: str, stdin: bytes = b"", environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """One command, to its end."""
        return subprocess.run(
            self.command(*arguments),
            input=stdin,
            capture_output=True,
            env=self.environment(environment),
            timeout=PATIENCE,
        )

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Any program, in the background."""
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment()
        )
        self._stack.enter_context(child)
        self._stack.callback(child.kill)
        return child

    def srr(self, *arguments: str) -> subprocess.Popen[bytes]:
        """One command, in the background."""
        return self.start(*self.command(*arguments))

    def srr_on(self, terminal: int, *arguments: str) -> subprocess.Popen[bytes]:
        """One command on a terminal, which also gives it its signals."""
        child = subprocess.Popen(
            ["setsid", "--ctty", "--wait", *self.command(*arguments)],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env=self.environment({"TERM": "xterm", "COLUMNS": "80", "LINES": "40"}),
        )
        self._stack.enter_context(child)
        self._stack.callback(child.kill)
        return child

    def serve(self, *arguments: str) -> subprocess.Popen[bytes]:
        """A server that has said that it serves."""
        child = self.srr("serve", *arguments)
        assert child.stderr is not None
        assert child.stderr.readline().decode() == f"serving {arguments[0]} as pid {child.pid}\n"
        return child

    def close(self) -> None:
        self._stack.close()


class Gate:
    """A command for --exec that does not end before the test opens the gate: it reads a FIFO."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)

    @property
    def command(self) -> str:
        return f"cat {self.path}"

    def open(self, answer: bytes) -> None:
        """Lets one command end, with this output. Waits until one reads."""
        self.path.write_bytes(answer)
