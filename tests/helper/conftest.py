"""srr-helper, compiled from its sources, and started for a test."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from helper.hosts import Host, build


@pytest.fixture(scope="session")
def program() -> Iterator[Path]:
    """Where every user can start it."""
    folder = Path(tempfile.mkdtemp(prefix="srr-helper-"))
    folder.chmod(0o755)
    yield build(folder / "srr-helper")
    shutil.rmtree(folder)


@pytest.fixture
def host(program: Path) -> Iterator[Host]:
    if os.geteuid() != 0:
        pytest.skip("becoming other users needs root")
    host = Host(program)
    yield host
    alive = host.process.poll()
    log = host.log()
    host.close()
    assert alive in (None, 0, -9), f"it died: {alive}\n{log}"
