"""Old programs run unchanged. Each one checks itself; what is tested here is that all its checks were good ones."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from qnx4.workshop import Workshop, run

HERE = Path(__file__).parent
NATIVE = HERE.parents[1] / "srr" / "native"
SYS = ("kernel", "sendmx", "proxy", "name", "vc", "psinfo", "sched", "fd")
PROGRAMS = sorted((HERE / "programs").glob("*.c"))
#: Bits, whether static, flags. QNX4's compiler packed structures, and its programs were of 32 bits.
VARIANTS: dict[str, tuple[int, bool, tuple[str, ...]]] = {
    "plain": (64, False, ()),
    "packed": (64, False, ("-fpack-struct=1",)),
    "static": (64, True, ()),
    "32bit-packed": (32, False, ("-fpack-struct=1",)),
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("source", PROGRAMS, ids=[source.stem for source in PROGRAMS])
def test_runs(workshop: Workshop, names: Path, source: Path, variant: str) -> None:
    bits, static, flags = VARIANTS[variant]
    ended = run(workshop.program(source, *flags, bits=bits, static=static), names)
    assert ended.status == 0 and not ended.other and ended.passed, f"{source.name}, {variant}: {ended}"


@pytest.mark.parametrize("name", ["badaddr", "mx", "readmsg", "writemsg", "relay", "death"])
def test_runs_by_the_window(workshop: Workshop, names: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Bad addresses, too: of the receiver's in mid-request, after which the next request must be right."""
    monkeypatch.setenv("SRR_LANE", "window")
    ended = run(workshop.program(HERE / "programs" / f"{name}.c"), names)
    assert ended.status == 0 and not ended.other and ended.passed, str(ended)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hears of deaths from the kernel in the first place")
@pytest.mark.parametrize("name", ["death", "inform", "unwaited"])
def test_deaths_are_told_where_the_kernel_does_not(workshop: Workshop, names: Path, name: str) -> None:
    """As for ordinary users and in containers: another network namespace has no connector to the kernel's news."""
    ended = run(workshop.program(HERE / "programs" / f"{name}.c"), names, "unshare", "--net")
    assert ended.status == 0 and not ended.other and ended.passed, str(ended)


@pytest.mark.parametrize(
    ("compiler", "standard"), [("gcc", "gnu11"), ("gcc", "gnu17"), ("clang", "gnu89"), ("clang", "gnu17")]
)
def test_compiles(workshop: Workshop, compiler: str, standard: str) -> None:
    for source in PROGRAMS:
        done = workshop.read(source, compiler, standard)
        assert done.returncode == 0, done.stderr


def test_no_warning_in_their_own_language(workshop: Workshop) -> None:
    """A prototype that old calls do not fit would be one."""
    for source in PROGRAMS:
        assert workshop.read(source, "gcc", "gnu89").stderr == ""


def without_comments(text: str) -> str:
    return re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)


def test_each_call_is_in_a_program() -> None:
    """Of those that are QNX4's own: what the headers of <sys/> and <unistd.h> declare, and the timers."""
    ours = [NATIVE / "include" / "srr" / "qnx4" / name for name in ("time.h", "unistd.h", "errno.h")]
    ours += [NATIVE / "include" / "srr" / "qnx4" / "sys" / f"{name}.h" for name in SYS]
    headers = "".join(without_comments(path.read_text()) for path in ours)
    declared = set(re.findall(r'^extern (?!")[^(]*?(\w+)\(', headers, flags=re.MULTILINE))
    assert len(declared) > 45
    text = "".join(without_comments(path.read_text()) for path in PROGRAMS)
    called = set(re.findall(r"\b(\w+)\(", re.sub(r"\"(\\.|[^\"\\\n])*\"", "", text)))
    assert sorted(declared - called) == []


BROKEN = """
#include "{old}"
static void child(long unused) {{ {child} }}
main() {{ {parent} good_end(start(child, 0)); return finish(); }}
"""


@pytest.mark.parametrize(
    ("child", "parent", "seen"),
    [
        ("", "", None),
        ("", 'check("two", 1, 2);', "FAILED two: got 1 expected 2"),
        ('check("in a child", 1, 2);', "", "FAILED in a child: got 1 expected 2"),
        ("_exit(3);", "", "FAILED a child found nothing wrong: got 3 expected 0"),
        ("abort();", "", "FAILED a child found nothing wrong: got -6 expected 0"),
        ("", 'check_fails("errno", Send(nobody(), 0, 0, 0, 0), EINTR);', "FAILED errno: got 3 expected 4"),
        ("", 'check_fails("no error", Trigger(nobody()) + 1, ESRCH);', "FAILED no error: got 0 expected -1"),
        ("", 'check_bytes("bytes", "abd", "abc", 3);', "FAILED bytes: got 2 expected 3"),
    ],
)
def test_a_failed_check_is_seen(
    workshop: Workshop, tmp_path: Path, names: Path, child: str, parent: str, seen: str | None
) -> None:
    source = tmp_path / "broken.c"
    source.write_text(BROKEN.format(old=HERE / "old.h", child=child, parent=parent))
    ended = run(workshop.program(source), names)
    if seen is None:
        assert ended.status == 0
    else:
        assert ended.status == 1
        assert seen in ended.said
