"""docs/examples/qnx4_*: an old program and one in Python are each other's clients and servers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from installed import installed

from srr.state import Blocked
from srr.testing import wait_until_blocked

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
#: Languages and, for C, how it is compiled.
KINDS: dict[str, tuple[int, tuple[str, ...]] | None] = {
    "python": None,
    "C": (64, ()),
    "packed C": (64, ("-fpack-struct=1",)),
    "32-bit C": (32, ()),
}
#: The first test compiles the libraries.
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("examples")


def command(folder: Path, role: str, kind: str) -> list[str]:
    """How to start it; compiled first, as its owner would."""
    how = KINDS[kind]
    if how is None:
        return [sys.executable, "-P", str(EXAMPLES / f"qnx4_{role}.py")]
    bits, flags = how
    made = folder / f"{role}, {kind}"
    if not made.exists():
        installed(bits).compile(EXAMPLES / f"qnx4_{role}.c", made, "srr-qnx4", "-std=gnu89", *flags)
    return [str(made)]


@contextmanager
def serving(program: list[str], names: Path) -> Iterator[None]:
    server = subprocess.Popen(program, env={**os.environ, "SRR_RUNTIME_DIR": str(names)}, stdin=subprocess.DEVNULL)
    try:
        wait_until_blocked(server.pid, Blocked.RECEIVE, timeout=30.0)  # by then it has its name
        yield
    finally:
        server.kill()
        server.wait()


@pytest.mark.parametrize("client", KINDS)
@pytest.mark.parametrize("server", KINDS)
def test_all_meet(folder: Path, names: Path, server: str, client: str) -> None:
    asks = command(folder, "client", client)

    def ask(*arguments: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [*asks, *arguments],
            env={**os.environ, "SRR_RUNTIME_DIR": str(names)},
            capture_output=True,
            text=True,
            timeout=30,
        )
        return done.returncode, done.stdout, done.stderr

    with serving(command(folder, "server", server), names):
        assert ask("7") == (0, "channel 7: 0\n", "")
        assert ask("7", "21") == (0, "channel 7: 21\n", "")
        assert ask("15", "-1000000") == (0, "channel 15: -1000000\n", "")
        assert ask("7") == (0, "channel 7: 21\n", "")
        assert ask("16") == (1, "", "channel 16: Invalid argument\n")
    status, said, _ = ask("7")
    assert status == 1 and said == ""  # nobody has the name any more
