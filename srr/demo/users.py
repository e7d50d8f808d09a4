"""The demo among several users: their numbers, a folder of names for each, and the helper that introduces them."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: Numbers that systemd's list of them leaves unused, so that they are nobody's account.
FIRST = 60801
#: Seconds until a helper says that it is ready.
_READY = 10.0


class NoUsers(Exception):
    """The demo can not run as other users here."""


def environment(base: dict[str, str], folder: Path, uid: int) -> dict[str, str]:
    """For a process of that user: a home of its own."""
    home = folder / str(uid)
    return base | {"SRR_RUNTIME_DIR": str(home / "srr"), "HOME": str(home)}


@contextmanager
def undisturbed() -> Iterator[None]:
    """No Ctrl-C before who has been started is known to those who end it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Users:
    """Use as a context manager. ``numbers`` is empty where all processes are this user's own.

    ``options``: of a helper of our own, which is then started whatever other one there is.
    """

    def __init__(self, many: int, *options: str) -> None:
        self._options = options
        self.numbers = list(range(FIRST, FIRST + many)) if many > 1 else []
        self.folder = Path()
        #: The helper's process, if we have started it; it may be killed then.
        self.helper: subprocess.Popen[bytes] | None = None
        self._log = tempfile.TemporaryFile(mode="a+b")  # noqa: SIM115 - closed in __exit__
        self._before = os.environ.get("SRR_HELPER")

    def __enter__(self) -> Users:
        if self.numbers:
            if os.geteuid() != 0:
                raise NoUsers("only root can start processes as other users: run it as root")
            self.folder = Path(tempfile.mkdtemp(prefix="srr-demo-"))
            self.folder.chmod(0o711)
            try:
                self._prepare()
            except BaseException:
                self._clear()
                raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._clear()

    def whose(self, number: int) -> int | None:
        """The user of a process, by its number; None: ours."""
        return self.numbers[number % len(self.numbers)] if self.numbers else None

    def start_helper(self) -> float:
        """A helper of our own; seconds until it said that it is ready."""
        began = time.monotonic()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices:
            path = self.folder / "notices"
            path.unlink(missing_ok=True)
            notices.bind(str(path))
            path.chmod(0o666)  # it has dropped its privileges by then
            notices.settimeout(_READY)
            with undisturbed():
                self.helper = subprocess.Popen(
                    [_program(), *self._options, "--socket", str(self.folder / "helper.sock")],
                    stdin=subprocess.DEVNULL,
                    stdout=self._log,
                    stderr=self._log,
                    env=os.environ | {"NOTIFY_SOCKET": str(path)},
                )
            try:
                while b"READY=1" not in notices.recv(4096):
                    pass
            except TimeoutError:
                raise NoUsers(f"srr-helper did not get ready:\n{self.complaints()}") from None
        return time.monotonic() - began

    def kill_helper(self) -> int:
        """SIGKILL; its pid."""
        assert self.helper is not None
        self.helper.kill()
        self.helper.wait()
        return self.helper.pid

    def complaints(self) -> str:
        """What the helper wrote to stderr."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace").rstrip()

    def _prepare(self) -> None:
        for uid in self.numbers:
            for home in (self.folder / str(uid), self.folder / str(uid) / "srr"):
                home.mkdir(mode=0o700)
                os.chown(home, uid, uid)
        if self._options or (self._before is None and not os.path.exists("/run/srr/helper.sock")):
            os.environ["SRR_HELPER"] = str(self.folder / "helper.sock")
            self.start_helper()

    def _clear(self) -> None:
        if self.helper is not None:
            self.helper.kill()
            self.helper.wait()
            self.helper = None
        if self._before is None:
            os.environ.pop("SRR_HELPER", None)
        else:
            os.environ["SRR_HELPER"] = self._before
        if self.numbers and self.folder != Path():
            shutil.rmtree(self.folder, ignore_errors=True)
        self._log.close()


def _program() -> str:
    """Beside this interpreter's own programs, where an installed package has it, else on the PATH."""
    beside = Path(sys.executable).with_name("srr-helper")
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("srr-helper")
    if found is None:
        raise NoUsers("srr-helper is not installed: make install, or pip install srr")
    return found
