"""EINTR, exactly: tens of thousands of alarms at random moments of blocked calls, not one of which is lost."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from installed import installed

PROGRAM = Path(__file__).parent / "alarms.c"
ROUNDS = {"receive": 10_000, "send": 10_000, "reply": 10_000, "meet": 200}


@pytest.mark.timeout(180)
@pytest.mark.parametrize("spin_us", [None, "0"], ids=["spinning", "sleeping"])
@pytest.mark.parametrize("mode", ROUNDS)
def test_no_alarm_is_lost(tmp_path: Path, mode: str, spin_us: str | None) -> None:
    # -z now: the linker's look-ups at a first call are no part of it.
    program = installed().compile(PROGRAM, tmp_path / "alarms", "srr-qnx4", "-Wl,-z,now")
    environment = os.environ | {"SRR_RUNTIME_DIR": str(tmp_path)} | ({"SRR_SPIN_US": spin_us} if spin_us else {})
    seed = str(int.from_bytes(os.urandom(2), "little"))
    done = subprocess.run(
        [program, mode, str(ROUNDS[mode]), seed], env=environment, capture_output=True, text=True, timeout=150
    )
    print(f"seed {seed}\n{done.stdout[-2000:]}{done.stderr}")
    assert done.returncode == 0
