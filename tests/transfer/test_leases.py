"""Which memory a lease means, and whose it is."""

from __future__ import annotations

import subprocess
from pathlib import Path

from helper.hosts import HELPER
from transfer.lending import HERE, compile_c


def test_leases(tmp_path: Path) -> None:
    program = compile_c(tmp_path / "leases", HERE / "leases.c", HELPER / "lease.c")
    assert subprocess.run([program], capture_output=True, text=True, timeout=120).stdout == "ok\n"
