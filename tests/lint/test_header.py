"""The public header: it compiles for whoever includes it, and Python's enums and constants are its own."""

from __future__ import annotations

import enum
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from srr import _native
from srr.state import Blocked, Flag, Kind, Lane

HEADER = Path(__file__).parents[2] / "srr" / "native" / "include" / "srr.h"
C = ("gnu99", "gnu11", "gnu17", "c99", "c11")
CPLUSPLUS = ("c++11", "c++17")

#: Uses every type, so that an incomplete one is noticed; no other header before it.
USER = """
#include "srr.h"
#include "srr.h"
struct all { struct srr_wait a; struct srr_sent b; struct srr_message c; struct srr_thread_view d;
             struct srr_process_view e; struct srr_facts f; enum srr_lane g; enum srr_blocked h; };
extern struct all all;
struct all all;
"""


def speaks(compiler: str, language: str) -> bool:
    """Whether this compiler is installed with that language: gcc alone has no C++."""
    if not shutil.which(compiler):
        return False
    tried = subprocess.run([compiler, "-x", language, "-fsyntax-only", "/dev/null"], capture_output=True)
    return tried.returncode == 0


def compile_user(compiler: str, language: str, standard: str) -> None:
    command = [compiler, "-x", language, f"-std={standard}", "-D_GNU_SOURCE", f"-I{HEADER.parent}", "-fsyntax-only"]
    command += ["-Wall", "-Wextra", "-Wpedantic", "-Wundef", "-Werror", "-"]
    done = subprocess.run(command, input=USER, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("standard", C)
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_compiles_as_c(compiler: str, standard: str) -> None:
    if not speaks(compiler, "c"):
        pytest.skip(f"{compiler} is not installed")
    compile_user(compiler, "c", standard)


@pytest.mark.parametrize("standard", CPLUSPLUS)
def test_compiles_as_cplusplus(standard: str) -> None:
    compilers = [compiler for compiler in ("gcc", "clang") if speaks(compiler, "c++")]
    if not compilers:
        pytest.skip("no C++ compiler is installed")
    for compiler in compilers:
        compile_user(compiler, "c++", standard)


def header() -> str:
    return re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.DOTALL)


def enum_values(name: str) -> dict[str, int]:
    body = re.search(rf"enum {name} \{{(.*?)\}};", header(), flags=re.DOTALL)
    assert body, name
    return {key: int(value) for key, value in re.findall(r"(\w+) = (\d+)", body[1])}


def define(name: str) -> int:
    value = re.search(rf"^#define {name} (\d+)u?\s*$", header(), flags=re.MULTILINE)
    assert value, name
    return int(value[1])


@pytest.mark.parametrize(
    ("python", "c", "pattern"),
    [
        (Lane, "srr_lane", "SRR_LANE_{}"),
        (Blocked, "srr_blocked", "SRR_{}_BLOCKED"),
        (Kind, "srr_kind", "SRR_KIND_{}"),
    ],
    ids=["lane", "blocked", "kind"],
)
def test_enums_are_those_of_the_header(python: type[enum.IntEnum], c: str, pattern: str) -> None:
    assert {pattern.format(member.name): member.value for member in python} == enum_values(c)


def test_flags_are_those_of_the_header() -> None:
    found = {name: int(value, 16) for name, value in re.findall(r"^#define SRR_FLAG_(\w+) (0x\w+)u$", header(), re.M)}
    assert {flag.name: flag.value for flag in Flag} == found


def test_names_are_as_many_as_there_are_values() -> None:
    assert len(_native.LANES) == len(Lane)
    assert len(_native.BLOCKED) == len(Blocked)


@pytest.mark.parametrize(
    "name", ["RECEIVED", "MESSAGE_TRUNCATED", "REPLY_TRUNCATED", "BY_SERVER", "NAME_MAX", "PROXY_MAX", "EDSTFAULT"]
)
def test_constants_are_those_of_the_header(name: str) -> None:
    assert getattr(_native, name) == define(f"SRR_{name}")
