"""Each test that docs/security.md names as a proof is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMED = re.findall(r"`(test_\w+\.py)?(?:::)?(test_\w+)?`", (ROOT / "docs" / "security.md").read_text(encoding="utf-8"))


def test_there_are_some() -> None:
    assert len(NAMED) > 30


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_it_is_there(file: str, name: str) -> None:
    files = list((ROOT / "tests").rglob(file or "test_*.py"))
    assert files, file
    assert not name or any(f"def {name}(" in path.read_text(encoding="utf-8") for path in files), f"{file} {name}"
