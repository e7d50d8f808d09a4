"""The transfer worker's tests: srr-helper with it, processes of other users that lend, and programs that attack it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helper.hosts import Host, build
from transfer.lending import HERE, OF_THE_HELPER, Silent, compile_c


@pytest.fixture(scope="session")
def shared_folder() -> Iterator[Path]:
    """One that every user can look into."""
    folder = Path(tempfile.mkdtemp(prefix="srr-transfer-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def stage(shared_folder: Path) -> Callable[[str, str], str]:
    """Tries an attack against a mover, both by name (attacks.c); what it said."""
    if os.geteuid() != 0:
        pytest.skip("becoming other users needs root")
    attacks = compile_c(
        shared_folder / "attacks", *(HERE / f"{n}.c" for n in ("attacks", "stage", "fuse")), *OF_THE_HELPER
    )
    plain = compile_c(shared_folder / "plain", HERE / "victim.c")
    victim = Path(shutil.copy(plain, shared_folder / "victim"))
    victim.chmod(0o4755)

    def attack(name: str, mover: str) -> str:
        command: list[str | Path] = [attacks, name, mover, victim, plain, shared_folder]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    return attack


@pytest.fixture(scope="session")
def program_with_worker(shared_folder: Path) -> Path:
    return build(shared_folder / "srr-helper")


@pytest.fixture
def host(program_with_worker: Path) -> Iterator[Host]:
    if os.geteuid() != 0:
        pytest.skip("becoming other users needs root")
    host = Host(program_with_worker, None, "--transfer")
    yield host
    alive = host.process.poll()
    log = host.log()
    host.close()
    assert alive in (None, 0, -9), f"it died: {alive}\n{log}"


@pytest.fixture
def silent(shared_folder: Path) -> Iterator[Silent]:
    folder = Path(tempfile.mkdtemp(dir=shared_folder))
    folder.chmod(0o755)
    silent = Silent(folder)
    yield silent
    silent.close()
