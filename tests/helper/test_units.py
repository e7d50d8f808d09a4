"""The systemd units: that systemd takes them, and what it thinks of them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from helper.hosts import HELPER, ROOT

ANALYZE = shutil.which("systemd-analyze")
pytestmark = pytest.mark.skipif(ANALYZE is None, reason="no systemd-analyze (apt-get install systemd)")


@pytest.fixture
def units(tmp_path: Path, program: Path) -> Path:
    """As Meson installs them, with the manual beside."""
    folder = tmp_path / "units"
    folder.mkdir()
    (folder / "srr-helper.socket").write_text((HELPER / "srr-helper.socket").read_text())
    for name in ("srr-helper.service", "transfer.conf"):
        (folder / name).write_text((HELPER / f"{name}.in").read_text().replace("@sbindir@", str(program.parent)))
    manual = tmp_path / "man" / "man8"
    manual.mkdir(parents=True)
    (manual / "srr-helper.8").symlink_to(ROOT / "docs" / "man8" / "srr-helper.8")
    return folder


def analyze(units: Path, *arguments: str) -> str:
    environment = os.environ | {"MANPATH": str(units.parent / "man"), "SYSTEMD_COLORS": "0"}
    done = subprocess.run(
        [str(ANALYZE), *arguments], env=environment, cwd=units, capture_output=True, text=True, timeout=50
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


def enable_transfer(units: Path) -> None:
    drop_in = units / "srr-helper.service.d"
    drop_in.mkdir()
    (units / "transfer.conf").rename(drop_in / "transfer.conf")


def exposure(units: Path) -> float:
    said = analyze(units, "security", "--offline=true", "--no-pager", "./srr-helper.service")
    found = re.search(r"Overall exposure level for srr-helper.service: ([0-9.]+)", said)
    assert found, said
    return float(found[1])


@pytest.mark.parametrize("transfer", [False, True])
def test_systemd_takes_them(units: Path, transfer: bool) -> None:
    if transfer:
        enable_transfer(units)
    assert analyze(units, "verify", "./srr-helper.service", "./srr-helper.socket") == ""


def test_exposure(units: Path) -> None:
    broker = exposure(units)
    enable_transfer(units)
    both = exposure(units)
    print(f"exposure: the broker alone {broker}, with the transfer worker {both}")
    assert broker <= 1.5
    assert broker < both <= 3.0
