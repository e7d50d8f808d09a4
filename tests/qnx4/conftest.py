"""The workshop that the old programs share."""

from __future__ import annotations

import pytest
from qnx4.workshop import Workshop


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("old"))
