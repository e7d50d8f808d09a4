"""The suite is run over each way in which two partners can be connected (tests/ways.py)."""

from __future__ import annotations

import pytest
from ways import WAYS

#: Not over each of them: what takes long, or is about something else than what travels between two partners.
_ONCE = {"test_copies", "test_crowd", "test_fork", "test_level", "test_limits", "test_proxies", "test_users"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "company" not in metafunc.fixturenames or metafunc.module.__name__.rpartition(".")[2] in _ONCE:
        return
    marker = metafunc.definition.get_closest_marker("only_by")
    names = marker.args if marker else list(WAYS)
    metafunc.parametrize("way", names, indirect=True)
