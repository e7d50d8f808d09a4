"""srr-helper, started for one test; and partners of other users. Root only."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from drive import Company
from pairs.town import Helper, Town


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents and os.geteuid() != 0:
            item.add_marker(pytest.mark.skip(reason="becoming another user needs root"))


@pytest.fixture
def helper(names: Path) -> Iterator[Helper]:
    names.chmod(0o711)
    made = Helper(names)
    made.start()
    yield made
    if made.process:
        made.signal(signal.SIGCONT)
    made.kill()


@pytest.fixture
def town(company: Company, helper: Helper) -> Town:
    return Town(company, helper)
