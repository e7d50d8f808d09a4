"""The demo's processes as processes: started by exec, watched, ended."""

from __future__ import annotations

import os
import site
import subprocess
import sys
import tempfile
from pathlib import Path

import srr
from srr.demo.users import Users, environment


class Children:
    """All processes that one demo has started. None of them outlives it."""

    def __init__(self, prefix: str, users: Users) -> None:
        self._prefix = prefix
        self._users = users
        self._running: dict[int, tuple[str, subprocess.Popen[bytes]]] = {}
        # What they complain about. The file has no name, so nothing of it stays behind; opened for appending, so
        # that they can share it.
        self._log = tempfile.TemporaryFile(mode="a+b")  # noqa: SIM115 - closed in close()

    def start(self, role: str, name: str, uid: int | None) -> int:
        """A new process, unrelated to this one but for its parentage: exec, no descriptors, a session of its own.

        ``uid``: it shall become that user, in no group but its own; None: it stays ours.
        """
        env = _environment() if uid is None else environment(_environment(), self._users.folder, uid)
        users = ["", ""] if uid is None else [str(os.geteuid()), str(uid)]
        process = subprocess.Popen(
            # -P: the folder that the user happens to be in is no place to import from.
            [sys.executable, "-P", "-m", "srr.demo.node", role, name, self._prefix, *users],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            close_fds=True,
            start_new_session=True,
            env=env,
        )
        self._running[process.pid] = name, process
        return process.pid

    def kill(self, pid: int) -> None:
        """SIGKILL, and no word of it later."""
        self._running[pid][1].kill()

    def bury(self, pid: int) -> None:
        """Wait for the end of a process that was killed."""
        _, process = self._running.pop(pid)
        process.wait()

    def ended(self) -> list[tuple[int, str, int]]:
        """Those that have ended since the last call: pid, name, exit code (negative: the signal)."""
        found = []
        for pid, (name, process) in list(self._running.items()):
            code = process.poll()
            if code is not None:
                found.append((pid, name, code))
                del self._running[pid]
        return found

    @property
    def running(self) -> int:
        """How many have not ended."""
        return len(self._running)

    def close(self) -> None:
        """End all of them."""
        for _, process in self._running.values():
            process.kill()
        for _, process in self._running.values():
            process.wait()
        self._running.clear()
        self._log.close()

    def complaints(self) -> str:
        """What they wrote to stderr."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")


def _environment() -> dict[str, str]:
    """Ours; and if srr is not where Python looks by itself (a build folder), the way to it."""
    environment = dict(os.environ)
    home = str(Path(srr.__file__).parents[1])
    if home not in (*site.getsitepackages(), site.getusersitepackages()):
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH")]))
    return environment
