"""Old programs, compiled as their owners compile them and run in sessions of their own."""

from __future__ import annotations

import itertools
import os
import select
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from installed import installed

#: Old code leaves out `int` and declarations; newer compilers must be told that this is meant.
OLD = ("-Wno-error=implicit-int", "-Wno-error=implicit-function-declaration", "-Wno-multichar")
#: Seconds. They need one at most; a machine that does much else may take its time.
PATIENCE = 50


@dataclass(frozen=True)
class Ended:
    """How a program ended: its status (None: it had to be killed) and what it and its children have said."""

    status: int | None
    said: str

    @property
    def passed(self) -> list[str]:
        return [line for line in self.said.splitlines() if line.startswith("ok ")]

    @property
    def other(self) -> list[str]:
        """What went wrong, with the last good line before it."""
        lines = ["", *self.said.splitlines()]
        return [f"{before}\n    {line}" for before, line in itertools.pairwise(lines) if line[:3] != "ok "]

    def __str__(self) -> str:
        how = "did not end" if self.status is None else f"ended with {self.status}"
        return "\n".join([f"{how}, {len(self.passed)} checks passed", *self.other, "last:", *self.passed[-3:]])


def run(program: Path, names: Path, *through: str) -> Ended:
    """``through``: a command that starts it.

    Its output goes to a file, which no child that is left over can hold open. Nobody of its group outlives it.
    """
    with tempfile.TemporaryFile() as output:
        started = subprocess.Popen(
            [*through, program],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "SRR_RUNTIME_DIR": str(names)},
        )
        watched = os.pidfd_open(started.pid)
        try:
            ready, _, _ = select.select([watched], [], [], PATIENCE)
        finally:
            os.close(watched)
            os.killpg(started.pid, signal.SIGKILL)  # before it is waited for: the number of the group is ours still
            status = started.wait()
        output.seek(0)
        return Ended(status if ready else None, output.read().decode(errors="replace"))


class Workshop:
    """Where old programs are compiled against the installed libraries."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def program(self, source: Path, *flags: str, bits: int = 64, static: bool = False) -> Path:
        made = self.folder / source.stem
        return installed(bits).compile(source, made, "srr-qnx4", "-std=gnu89", *OLD, *flags, static=static)

    def read(self, source: Path, compiler: str, standard: str) -> subprocess.CompletedProcess[str]:
        """What the compiler says about it."""
        if not shutil.which(compiler):
            pytest.skip(f"{compiler} is not installed")
        command = [compiler, f"-std={standard}", *OLD, *installed().config("--cflags", "srr-qnx4")]
        return subprocess.run([*command, "-fsyntax-only", str(source)], capture_output=True, text=True)
