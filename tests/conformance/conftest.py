"""The suite is run over each way in which two partners can be connected (tests/ways.py)."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from drive import Company, Partner
from ways import WAYS, Way

sys.path.append(str(Path(__file__).parents[1] / "pairs"))

#: Not over each of them: what takes long, or is about something else than what travels between two partners.
_ONCE = {"test_copies", "test_crowd", "test_fork", "test_level", "test_limits", "test_priority_order", "test_proxies", "test_users"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "company" not in metafunc.fixturenames or metafunc.module.__name__.rpartition(".")[2] in _ONCE:
        return
    marker = metafunc.definition.get_closest_marker("only_by")
    names = marker.args if marker else list(WAYS)
    root = pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
    parameters = [pytest.param(name, marks=root if WAYS[name].users else ()) for name in names]
    metafunc.parametrize("way", parameters, indirect=True)


class Neighbours(Company):
    """Partners of several users in turn. Each offers a name, so that all others may send to it."""

    def start(self, *prefix: str, **environment: str) -> Partner:
        from town import Town

        uid = self.way.users[len(self.partners) % len(self.way.users)]
        partner = Town(self, self.helper).start(uid, starter=super().start, **environment)
        partner.do("share", name=f"partner-{len(self.partners)}", mode=0o666)
        return partner


@pytest.fixture
def company(company: Company, way: Way, names: Path) -> Iterator[Company]:
    from town import Helper

    if not way.users:
        yield company
        return
    names.chmod(0o711)
    company.__class__ = Neighbours
    company.helper = Helper(names)
    company.helper.start()
    yield company
    company.helper.kill()
