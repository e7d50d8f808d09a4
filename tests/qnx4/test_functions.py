"""What libsrr-qnx4 does beside the kernel calls (headers/functions.c); and that it has what the headers promise."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from pathlib import Path

import pytest
from installed import Installed, installed

HERE = Path(__file__).parent / "headers"


@pytest.fixture(scope="module", params=[64, 32])
def library(request: pytest.FixtureRequest) -> Installed:
    return installed(request.param)


@pytest.fixture(scope="module")
def functions(library: Installed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("functions") / "functions"
    flags = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE"]
    return library.compile(HERE / "functions.c", program, "srr-qnx4", *flags)


@pytest.mark.parametrize("subject", ["names", "vc", "fd", "prio", "psinfo", "spawn", "misc"])
def test_functions(subject: str, functions: Path, names: Path) -> None:
    done = subprocess.run(
        [functions, subject],
        capture_output=True,
        text=True,
        timeout=50,
        env={**os.environ, "XDG_RUNTIME_DIR": str(names)},
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_keys(functions: Path) -> None:
    """getch() without the end of a line and without echo, getche() with it, kbhit(), ungetch(), putch(), cputs()."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(functions, [str(functions), "keys"])

    def until(expected: bytes) -> None:
        shown = b""
        while expected not in shown:
            shown += os.read(terminal, 100)

    until(b"ready")
    os.write(terminal, b"a")
    until(b"b")  # the next letter
    os.write(terminal, b"ex")
    until(b"xx")  # by getche(), and by putch()
    os.write(terminal, b"q")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.close(terminal)


def declared(root: Path) -> set[str]:
    """The functions that the headers declare, by the names that a linker sees."""
    found = set()
    for header in root.rglob("*.h"):
        text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.DOTALL)
        for name, label in re.findall(
            r'^extern [^;{]*?\b(\w+)\([^;]*?\)\s*(?:__asm__\("(\w+)"\))?;', text, re.MULTILINE
        ):
            found.add(label or name)
    return found


def test_the_library_has_what_the_headers_declare(library: Installed) -> None:
    symbols = subprocess.run(
        ["nm", "-D", "--defined-only", library.lib / "libsrr-qnx4.so"], capture_output=True, text=True, check=True
    ).stdout
    exported = {line.split()[-1].partition("@")[0] for line in symbols.splitlines()}
    promised = declared(library.prefix / "include" / "srr" / "qnx4")
    assert len(promised) > 60
    assert {"Send", "qnx_psinfo", "srr_qnx4_timer_create", "srr_qnx4_getch", "spawnlpe", "getnid"} <= promised
    assert promised - exported == set()
