"""A helper that tests start, kill and start again; and partners of several users whom it introduces."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from drive import Company, Partner, until


def program() -> str:
    """The one that was installed beside this interpreter, or what SRR_HELPER_PROGRAM names."""
    found = os.environ.get("SRR_HELPER_PROGRAM") or str(Path(sys.executable).with_name("srr-helper"))
    assert os.access(found, os.X_OK), f"{found} is not there: make test installs it, SRR_HELPER_PROGRAM names another"
    return found


class Helper:
    """The helper of a test: started, killed, stopped, started again at the same place."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.options = options
        self.path = folder / "helper.sock"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen([program(), *self.options, "--socket", str(self.path)])
        until("srr-helper listens", self.listens)

    def listens(self) -> bool:
        assert self.process and self.process.poll() is None, "srr-helper has ended"
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe:
            try:
                probe.connect(str(self.path))
            except OSError:
                return False
        return True

    def signal(self, number: int) -> None:
        assert self.process
        self.process.send_signal(number)

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


class Town:
    """Partners of several users, and one helper."""

    def __init__(self, company: Company, helper: Helper) -> None:
        self.company, self.helper = company, helper

    def start(
        self,
        uid: int,
        dumpable: bool = True,
        groups: list[int] | None = None,
        starter: Callable[..., Partner] | None = None,
        **environment: str,
    ) -> Partner:
        folder = self.company.names / f"of-{uid}"
        if not folder.exists():
            folder.mkdir(mode=0o700)
            os.chown(folder, uid, uid)
        partner = (starter or self.company.start)(
            SRR_RUNTIME_DIR=str(folder), SRR_HELPER=str(self.helper.path), **environment
        )
        partner.do("load", path=str(Path(__file__).with_name("pair_orders.py")))
        partner.do("become", uid=uid, dumpable=dumpable, groups=groups or [])
        partner.uid = uid
        return partner

    def fork(self, parent: Partner) -> Partner:
        """A child of it, which must be able to open our FIFOs."""
        before = os.umask(0)
        try:
            folder = Path(tempfile.mkdtemp(dir=self.company.names))
            folder.chmod(0o711)
            return self.company.adopt(parent.fork(folder))
        finally:
            os.umask(before)

    def server(self, uid: int = 1001, name: str = "plc", mode: int = 0o666, **more: object) -> Partner:
        """One that shares a name which everybody may use."""
        server = self.start(uid, **more)  # type: ignore[arg-type]
        server.do("share", name=name, mode=mode)
        return server
