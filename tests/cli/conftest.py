"""The `srr` command, and a gate for its children."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from shell import Gate, Shell


@pytest.fixture
def shell() -> Iterator[Shell]:
    folder = Path(tempfile.mkdtemp(prefix="srr-"))
    made = Shell(folder)
    yield made
    made.close()
    shutil.rmtree(folder)


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path / "gate")
