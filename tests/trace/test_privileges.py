"""What is missing is named, and what needs nothing works: no privilege, no BCC, another bcc, a compiler that fails."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tracers import Trace

import srr
from srr.trace import programs

pytestmark = pytest.mark.usefixtures("needs_bpf")

NOBODY = 65534
#: The one that BCC came with: it can be run by everybody, which one in somebody's home can't.
PYTHON = "/usr/bin/python3"
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
#: One that sends to itself until its input ends.
ASKER = """
import os, sys
import srr
if (pid := os.fork()) == 0:
    with srr.server.Port() as port:
        for message in port:
            message.reply(b"yes")
print(os.getpid(), flush=True)
with srr.connect(pid, timeout=20) as peer:
    while sys.stdin.readline():
        peer.send(b"12345")
        print("sent", flush=True)
os.kill(pid, 9)
"""


@pytest.fixture(scope="module")
def open_package() -> Iterator[Path]:
    """The package and what it needs, where everybody may read it: pytest's own folders are closed to others."""
    with tempfile.TemporaryDirectory(prefix="srr-open-") as folder:
        Path(folder).chmod(0o755)
        site = Path(folder) / "site"
        shutil.copytree(Path(srr.__file__).parents[1], site, symlinks=True, ignore=shutil.ignore_patterns("numpy*"))
        yield site


def as_nobody(site: Path, *more: str) -> tuple[str, ...]:
    return (*AS_NOBODY, *more, "env", f"PYTHONPATH={site}", "HOME=/nonexistent")


def test_without_any_the_missing_ones_are_named(trace: Trace, open_package: Path) -> None:
    file = f"/tmp/srr-nobody-{os.getpid()}.pftrace"
    listening: list[tuple[str, ...]] = [(), ("hist",), ("stacks", "1"), ("imposed",), ("record", file)]
    for view in listening:
        ended = trace.run(*view, prefix=as_nobody(open_package), python=PYTHON)
        assert ended.process.returncode == 1, view
        assert "CAP_BPF and CAP_PERFMON" in ended.errors and "root" in ended.errors, ended.errors
        assert len(ended.errors.splitlines()) == 1, "one line"
    reading: list[tuple[str, ...]] = [("ps",), ("graph",), ("deadlock", "--once"), ("top", "--batch", "0.1", "1")]
    for view in reading:
        ended = trace.run(*view, prefix=as_nobody(open_package), python=PYTHON)
        assert ended.process.returncode == 0, (view, ended.errors)


def test_two_capabilities_are_enough(trace: Trace, open_package: Path) -> None:
    """For one's own processes: CAP_BPF and CAP_PERFMON, and nothing else of root's."""
    caps = "+bpf,+perfmon"
    prefix = as_nobody(
        open_package, f"--inh-caps=-all,{caps}", f"--ambient-caps=-all,{caps}", f"--bounding-set=-all,{caps}"
    )
    environment = {"PYTHONPATH": str(open_package)}
    asker = subprocess.Popen(
        [*AS_NOBODY, PYTHON, "-P", "-c", ASKER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | environment | {"SRR_RUNTIME_DIR": "/nonexistent"},
    )
    assert asker.stdin is not None and asker.stdout is not None
    pid = int(asker.stdout.readline())
    tracer = trace("--json", "-c", "1", "-p", str(pid), prefix=prefix, python=PYTHON)
    asker.stdin.write("go\n")
    asker.stdin.flush()
    assert asker.stdout.readline() == "sent\n"
    assert tracer.end() == 0, tracer.errors
    assert [one["client"] for one in tracer.records() if "client" in one] == [pid]
    asker.stdin.close()
    asker.stdout.close()
    assert asker.wait(20) == 0


def test_another_bcc_first_on_the_path(trace: Trace, tmp_path: Path) -> None:
    """The one on PyPI is something else."""
    (tmp_path / "bcc").mkdir()
    (tmp_path / "bcc" / "__init__.py").write_text("raise RuntimeError('the wrong one')\n")
    tracer = trace(
        "--json", "--duration", "100ms", environment={"PYTHONPATH": str(tmp_path)}, command=("-m", "srr.trace")
    )
    assert tracer.end() == 0, tracer.errors


def test_a_hostile_folder(trace: Trace, tmp_path: Path) -> None:
    """libbcc looks for headers in the current folder first."""
    for name in ("linux/types.h", "linux/kconfig.h", "uapi/linux/ptrace.h", "event.h"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#error hostile\n")
    tracer = trace("--json", "--duration", "100ms", cwd=tmp_path)
    assert tracer.end() == 0, tracer.errors


def test_no_bcc_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "_BCC", ("/nonexistent/bcc",))
    monkeypatch.delitem(sys.modules, "bcc", raising=False)
    with pytest.raises(programs.CannotTrace, match=r"apt-get install python3-bpfcc.*PyPI"):
        programs.Programs(programs.Wants(transactions=True))


def test_programs_that_do_not_compile(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Something is wrong with our own files: the compiler's words, and what to install."""
    broken = tmp_path / "bpf"
    shutil.copytree(programs.folder(), broken)
    (broken / "event.h").write_text("#error no headers here\n")
    monkeypatch.setattr(programs, "_FOLDERS", (broken,))
    monkeypatch.delenv("BCC_KERNEL_SOURCE", raising=False)
    with pytest.raises(programs.CannotTrace) as failed:
        programs.Programs(programs.Wants(transactions=True))
    text = str(failed.value)
    assert "no headers here" in text and os.uname().release in text and "python3-bpfcc" in text
    said = capfd.readouterr()
    assert said.out == said.err == "", "the compiler's own words are kept from the terminal"
    assert "BCC_KERNEL_SOURCE" not in os.environ
    assert Path.cwd() != broken / "shim"


def test_python_ptrace_is_no_part_of_the_product() -> None:
    """It is GPL-2.0; the tests may use it."""
    root = Path(__file__).parents[2] / "srr"
    assert [
        path for path in root.rglob("*.py") if "import ptrace" in path.read_text() or "from ptrace" in path.read_text()
    ] == []
