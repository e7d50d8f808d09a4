"""Processes of other users that lend, a file system that does not answer, and how the programs here are compiled."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from helper.hosts import HELPER, NATIVE, Guest, Host, compiler

HERE = Path(__file__).parent
INCLUDE = [f"-I{folder}" for folder in (HERE, HELPER, NATIVE / "core", NATIVE / "include")]
OF_THE_HELPER = [
    *(HELPER / f"{name}.c" for name in ("worker", "spawner", "confine", "kernel", "janitor")),
    NATIVE / "core" / "wait.c",
]


def compile_c(program: Path, *files: Path) -> Path:
    command: list[str | Path] = [compiler(), "-std=gnu11", "-O2", "-g", "-Wall", "-Wextra", "-Werror", *INCLUDE]
    subprocess.run([*command, *files, "-o", program], check=True)
    return program


class Lender(Guest):
    """A guest with the orders of lender.py; its memory is anonymous, or that of a file."""

    def __init__(self, host: Host, uid: int, gid: int | None = None, path: Path | None = None) -> None:
        command: list[str | Path] = [sys.executable, "-P", "-S", HERE / "lender.py"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.pid = self.process.pid
        self.uid = uid
        host.guests.append(self)
        self.do("become", uid, uid if gid is None else gid, [])
        self.address: int = self.do("make_memory", 1 << 20, path)
        told = self.do("join", str(host.path))
        assert told is not None and told.error == 0, told


class Silent:
    """Mounted files whose reads are never answered: who waits for one can be killed (is_async), or not even that."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program = compile_c(folder / "never", HERE / "never.c", HERE / "fuse.c")
        self.servers: list[tuple[subprocess.Popen[bytes], Path]] = []

    def file(self, is_async: bool) -> Path:
        file = self.folder / f"silent{len(self.servers)}"
        server = subprocess.Popen([self.program, file, *["async"] * is_async], stdout=subprocess.PIPE)
        self.servers.append((server, file))
        assert server.stdout
        with server.stdout as said:
            assert said.readline() == b"mounted\n"
        return file

    def end(self) -> None:
        """Who waits hears of an error."""
        for server, _ in self.servers:
            server.kill()
            server.wait()

    def close(self) -> None:
        self.end()
        for _, file in self.servers:
            subprocess.run(["umount", "-l", file], check=True)
