"""What all tests share: the company of partner processes, and the rules that no test may quietly bend."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ways import Way

sys.path.insert(0, str(Path(__file__).parent))  # drive, wire: also under --import-mode=importlib


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "guarantee(letter): shows this guarantee of the library (tests/README.md)")
    config.addinivalue_line("markers", "only_by(way, ...): runs over these ways only (tests/ways.py)")
    config.addinivalue_line("markers", "may_heal: the periodic look is allowed to find something")
    # A shell in the background lets SIGINT be ignored, nohup SIGHUP, and what we start would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def _must() -> bool:
    return os.environ.get("SRR_MUST", "") not in ("", "0")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With SRR_MUST=1 a skip is a failure: nothing is left out where everything must be shown."""
    report = yield
    if report.skipped and _must() and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"SRR_MUST forbids skipping: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.skipped and _must():
        report.outcome = "failed"
        report.longrepr = f"SRR_MUST forbids skipping: {report.longrepr}"
    return report


@pytest.fixture
def names() -> Iterator[Path]:
    """A runtime folder of the test's own, with a short path (a socket's is limited to 107 bytes)."""
    folder = Path(tempfile.mkdtemp(prefix="srr-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def way(request: pytest.FixtureRequest) -> object:
    """How the partners are connected: tests/ways.py."""
    from ways import DEFAULT, WAYS

    return WAYS[request.param] if hasattr(request, "param") else DEFAULT


@pytest.fixture
def company(request: pytest.FixtureRequest, tmp_path: Path, names: Path, way: Way) -> Iterator[object]:
    """Partners of this test. At its end: nothing was found by the periodic look alone, and all are gone."""
    from drive import Company

    made = Company(tmp_path, names, way)
    made.may_heal = request.node.get_closest_marker("may_heal") is not None
    yield made
    try:
        assert made.healed() == 0, "a wake-up was lost, and only the periodic look found the message (guarantee A)"
    finally:
        made.close()
