"""The suite is run over each way in which two partners can be connected (tests/ways.py)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from drive import Company, Partner
from pairs.town import Helper, Town
from ways import WAYS, Way

#: Not over each of them: what takes long, or is about something else than what travels between two partners.
_ONCE = {
    "test_copies",
    "test_crowd",
    "test_fork",
    "test_level",
    "test_limits",
    "test_priority_order",
    "test_proxies",
    "test_users",
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "company" not in metafunc.fixturenames or metafunc.module.__name__.rpartition(".")[2] in _ONCE:
        return
    marker = metafunc.definition.get_closest_marker("only_by")
    names = marker.args if marker else list(WAYS)
    root = pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
    parameters = [pytest.param(name, marks=root if WAYS[name].users else ()) for name in names]
    metafunc.parametrize("way", parameters, indirect=True)


@pytest.fixture
def company(company: Company, way: Way, names: Path) -> Iterator[Company]:
    """Where there are several users, partners are theirs in turn, and each offers a name, so that others may send."""
    if not way.users:
        yield company
        return
    names.chmod(0o711)
    helper = Helper(names, *way.options)
    helper.start()
    start = company.start

    def start_as_the_next(*prefix: str, **environment: str) -> Partner:
        uid = way.users[len(company.partners) % len(way.users)]
        partner = Town(company, helper).start(uid, True, None, partial(start, *prefix), **environment)
        partner.do("share", name=f"partner-{len(company.partners)}", mode=0o666)
        return partner

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(company, "start", start_as_the_next)
        yield company
    helper.kill()
