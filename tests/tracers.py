"""`srr-trace` as a process: started, awaited until it listens, read as it prints, stopped."""

from __future__ import annotations

import itertools
import json
import os
import queue
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, Any, Protocol

from drive import Blocked, Partner, until

#: Longest that a command may take to begin or to end; reaching it is a failure.
PATIENCE = 40.0


class Tracer:
    """One `srr-trace`, in the background; what it prints is read as it comes, so that it never waits for us."""

    def __init__(self, process: subprocess.Popen[bytes], notify: socket.socket | None) -> None:
        self.process, self._notify = process, notify
        self.pid = process.pid
        self.text = ""
        self.errors = ""
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        assert process.stdout is not None and process.stderr is not None
        self._readers = [
            threading.Thread(target=self._read_lines, args=(process.stdout,), daemon=True),
            threading.Thread(target=self._read_errors, args=(process.stderr,), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read_lines(self, file: IO[bytes]) -> None:
        parts = []
        for line in file:
            text = line.decode(errors="replace")
            parts.append(text)
            self._lines.put(text.rstrip("\n"))
        self.text = "".join(parts)
        self._lines.put(None)

    def _read_errors(self, file: IO[bytes]) -> None:
        self.errors = file.read().decode(errors="replace")

    def wait_ready(self) -> Tracer:
        """Until it listens: it says so as a systemd service does."""
        assert self._notify is not None
        pidfd = os.pidfd_open(self.pid)
        try:
            ready, _, _ = select.select([self._notify.fileno(), pidfd], [], [], PATIENCE)
        finally:
            os.close(pidfd)
        if self._notify.fileno() not in ready:
            ended = f"it ended with {self.end()}" if ready else f"not within {PATIENCE:.0f} s"
            raise AssertionError(f"srr-trace does not listen: {ended}\n{self.text}{self.errors}")
        assert self._notify.recv(64) == b"READY=1"
        return self

    def line(self) -> str | None:
        """The next line it prints; None: it has ended."""
        return self._lines.get(timeout=PATIENCE)

    def until_line(self, having: str) -> str:
        """The next line with this in it."""
        while (line := self.line()) is not None:
            if having in line:
                return line
        raise AssertionError(f"srr-trace ended without a line with {having!r}:\n{self.text}{self.errors}")

    def record(self) -> dict[str, Any]:
        """The next line, of JSON."""
        line = self.line()
        assert line is not None, f"srr-trace ended: {self.errors}"
        value: dict[str, Any] = json.loads(line)
        return value

    def end(self) -> int:
        """Wait until it ends by itself: its exit code. `text` and `errors` are whole then."""
        code = self.process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)
        return code

    def stop(self) -> int:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        return self.end()

    def stopped(self) -> list[dict[str, Any]]:
        """Ctrl-C, which must be exit 0: all its lines of JSON. The last one tells what was lost."""
        code = self.stop()
        assert code == 0, f"exit {code}: {self.errors}"
        return self.records()

    def records(self) -> list[dict[str, Any]]:
        """All its lines of JSON, once it has ended."""
        return [json.loads(line) for line in self.text.splitlines()]

    def close(self) -> None:
        self.process.kill()
        self.end()
        for file in (self.process.stdout, self.process.stderr):
            assert file is not None
            file.close()
        if self._notify is not None:
            self._notify.close()


class Trace:
    """Starts `srr-trace`: `trace("--json")` waits until it listens, `trace.start(...)` does not, `trace.run(...)` waits
    for its end. ``prefix``: a command to run it under. ``command``: other arguments for the interpreter."""

    def __init__(self, names: Path) -> None:
        self._names = names
        self._folder = Path(tempfile.mkdtemp(prefix="srr-notify-"))
        self._folder.chmod(0o711)  # a tracer may be another user's
        self._tracers: list[Tracer] = []

    def __call__(self, *arguments: str, **keywords: Any) -> Tracer:
        return self.start(*arguments, notify=True, **keywords).wait_ready()

    def start(
        self,
        *arguments: str,
        prefix: tuple[str, ...] = (),
        environment: dict[str, str] | None = None,
        cwd: Path | None = None,
        notify: bool = False,
        command: tuple[str, ...] = ("-P", "-m", "srr.trace"),
        python: str = sys.executable,
    ) -> Tracer:
        env = os.environ | {"SRR_RUNTIME_DIR": str(self._names)} | (environment or {})
        env.pop("NOTIFY_SOCKET", None)
        ours: socket.socket | None = None
        if notify:
            ours = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            path = str(self._folder / str(len(self._tracers)))
            ours.bind(path)
            os.chmod(path, 0o777)
            env["NOTIFY_SOCKET"] = path
        process = subprocess.Popen(
            [*prefix, python, *command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
            cwd=cwd,
        )
        tracer = Tracer(process, ours)
        self._tracers.append(tracer)
        return tracer

    def run(self, *arguments: str, **keywords: Any) -> Tracer:
        """One that ends by itself, to its end."""
        tracer = self.start(*arguments, **keywords)
        tracer.end()
        return tracer

    def close(self) -> None:
        for tracer in self._tracers:
            tracer.close()
        for path in self._folder.iterdir():
            path.unlink()
        self._folder.rmdir()


def close_a_circle(partners: list[Partner]) -> int:
    """Each sends to the next; the last one to the first. When that was, by its row."""
    for partner, after in itertools.pairwise(partners):
        partner.order("send", to=after.pid, message=b"to the next")
        partner.until_blocked(Blocked.SEND, after.pid)
    partners[-1].order("send", to=partners[0].pid, message=b"to the first")
    # Each of them spins for some microseconds before it sleeps, and since_ns tells of the sleep.
    return until("it sleeps", lambda: partners[-1].until_blocked(Blocked.SEND, partners[0].pid).since_ns)


class HasPid(Protocol):
    pid: int


def only(*processes: HasPid) -> list[str]:
    """Other tests' processes may be deadlocked on purpose at this moment."""
    return [word for process in processes for word in ("-p", str(process.pid))]
