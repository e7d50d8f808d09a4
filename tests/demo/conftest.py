"""What the tests of the demo share: demos with names of their own, and a folder of files to move."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from demo.demos import Demo


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with files of many sizes: none, small, and one that needs several messages."""
    folder = tmp_path / "files"
    (folder / "below").mkdir(parents=True)
    (folder / "empty").touch()
    for n in range(200):
        (folder / "below" / f"small-{n}").write_bytes(os.urandom(n * 97))
    (folder / "large").write_bytes(os.urandom(20 << 20))
    (folder / "link").symlink_to("large")
    return folder


@pytest.fixture
def demo(names: Path, files: Path) -> Iterator[Demo]:
    made = Demo(names, files)
    yield made
    made.close()
