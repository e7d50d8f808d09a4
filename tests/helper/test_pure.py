"""The rules that need no kernel, in C (pure.c); and the fuzzer for a moment."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from helper.hosts import HELPER, NATIVE, ROOT, compiler


def test_admission_and_quotas(tmp_path: Path) -> None:
    program, source = tmp_path / "pure", Path(__file__).with_name("pure.c")
    sources = [str(path) for path in (source, HELPER / "admission.c", HELPER / "quotas.c")]
    flags = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", f"-I{HELPER}", f"-I{NATIVE / 'core'}"]
    subprocess.run([compiler(), *flags, *sources, "-o", str(program)], check=True)
    subprocess.run([program], check=True, timeout=20)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("target", ["broker", "leases", "window"])
def test_the_fuzzer_for_a_moment(tmp_path: Path, target: str) -> None:
    if shutil.which("clang") is None:
        pytest.skip("no clang (apt-get install clang llvm)")
    command = [str(ROOT / "tests" / "fuzz" / "run.sh"), "20000", str(tmp_path), target]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    print(done.stdout)
    assert done.returncode == 0, done.stderr
    executed = re.search(r"number_of_executed_units: (\d+)", done.stdout)
    assert executed and int(executed[1]) >= 20000
