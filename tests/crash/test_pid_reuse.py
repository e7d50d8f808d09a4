"""Numbers of the dead that come back at once (pid_reuse.py), in a pid namespace of their own. Root only."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.timeout(180)
@pytest.mark.skipif(os.geteuid() != 0, reason="a pid namespace and the choice of the next pid need root")
@pytest.mark.skipif(not Path("/proc/sys/kernel/ns_last_pid").exists(), reason="this kernel lets nobody choose a pid")
@pytest.mark.skipif(shutil.which("unshare") is None, reason="no unshare program")
def test_numbers_that_come_back() -> None:
    tests = str(Path(__file__).with_name("pid_reuse.py"))
    pytest_there = [sys.executable, "-P", "-m", "pytest", "-p", "no:cacheprovider", "-q", "--tb=short", tests]
    done = subprocess.run(
        ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", *pytest_there],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    print(done.stdout)
    assert done.returncode == 0, "see above"
