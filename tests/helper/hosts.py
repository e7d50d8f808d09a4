"""srr-helper as tests start it, and guests: processes of other users that talk to it."""

from __future__ import annotations

import contextlib
import os
import pickle
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helper.protocol import Told

ROOT = Path(__file__).parents[2]
NATIVE = ROOT / "srr" / "native"
HELPER = NATIVE / "helper"
OBEY = Path(__file__).with_name("obey.py")
ALICE, BOB, CAROL = 1001, 1002, 65533


def sources() -> list[Path]:
    """What Meson builds srr-helper of, and the one file of the core that it uses."""
    listed: list[str] = re.findall(r"'(\w+\.c)'", (HELPER / "meson.build").read_text())
    return [HELPER / name for name in listed] + [NATIVE / "core" / "wait.c"]


def compiler() -> str:
    found = shutil.which(os.environ.get("CC", "cc"))
    if found is None:
        pytest.skip("no C compiler")
    return found


def build(program: Path, *more: str | Path, without: tuple[str, ...] = ()) -> Path:
    files = [path for path in sources() if path.name not in without]
    include = [f"-I{HELPER}", f"-I{NATIVE / 'core'}", f"-I{NATIVE / 'include'}"]
    command = [compiler(), "-std=gnu11", "-O1", "-g", "-Wall", "-Werror", *include, *files, *more, "-o", program]
    subprocess.run(command, check=True)
    return program


class Guest:
    """A process of that user, which obeys the orders of guest.py and crowds.py."""

    def __init__(self, uid: int, gid: int, groups: list[int]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-S", OBEY], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.pid = self.process.pid
        self.uid = uid
        self.do("become", uid, gid, groups)

    def order(self, what: str, /, *args: object, **kwargs: object) -> None:
        """Told, not waited for: result() does."""
        assert self.process.stdin
        pickle.dump((what, args, kwargs), self.process.stdin)
        self.process.stdin.flush()

    def result(self) -> Any:
        assert self.process.stdout
        is_good, value = pickle.load(self.process.stdout)
        if not is_good:
            raise value
        return value

    def do(self, what: str, /, *args: object, **kwargs: object) -> Any:
        self.order(what, *args, **kwargs)
        return self.result()

    def ask(self, op: int, **fields: object) -> Told:
        """A request that must be answered."""
        told = self.do("ask", op, **fields)
        assert isinstance(told, Told), "the helper has closed the connection"
        return told

    def error(self, op: int, **fields: object) -> int:
        return self.ask(op, **fields).error

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        if self.process.stdin:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
        self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


class Host:
    """srr-helper, started by root with --socket; ready when this returns."""

    def __init__(self, program: Path, folder: Path | None = None, *options: str, user: int | None = None) -> None:
        self.program = program
        self.made = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="srr-helper-"))
        self.folder.mkdir(exist_ok=True)
        self.folder.chmod(0o755)
        if user is not None:
            os.chown(self.folder, user, user)
        self.path = self.folder / "helper.sock"
        self.options = options
        self.user = user
        self.guests: list[Guest] = []
        self.start()

    def start(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
            notified.bind(b"")  # an abstract name of the kernel's choice
            notified.settimeout(20)
            self.process = self.launch("@" + notified.getsockname()[1:].decode())
            try:
                self.status = notified.recv(4096).decode()
            except TimeoutError:
                raise AssertionError(f"it did not get ready: {self.log()}") from None
        assert self.status.startswith("READY=1")

    def launch(self, notify: str) -> subprocess.Popen[bytes]:
        command = [str(self.program), "--socket", str(self.path), *self.options]
        environment = {"PATH": "/usr/bin:/bin", "NOTIFY_SOCKET": notify}
        with (self.folder / "log").open("ab") as log:
            if self.user is None:
                return subprocess.Popen(command, stderr=log, env=environment)
            return subprocess.Popen(
                command, stderr=log, env=environment, user=self.user, group=self.user, extra_groups=[]
            )

    def guest(self, uid: int, gid: int | None = None, groups: list[int] | None = None, joined: bool = True) -> Guest:
        guest = Guest(uid, uid if gid is None else gid, groups or [])
        self.guests.append(guest)
        if joined:
            told = guest.do("join", str(self.path))
            assert told is not None and told.error == 0, told
        return guest

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def stop(self, how: int = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        return self.process.wait(timeout=20)

    def until(self, is_so: Callable[[], bool], seconds: float = 20) -> bool:
        """What it does by itself, soon."""
        end = time.monotonic() + seconds
        while not (so := is_so()) and time.monotonic() < end:
            os.sched_yield()
        return so

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def memory(self) -> int:
        """Bytes of it that are in memory."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * 4096

    def close(self) -> None:
        for guest in self.guests:
            guest.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.made:
            shutil.rmtree(self.folder)
