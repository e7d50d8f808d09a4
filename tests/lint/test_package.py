"""The installed package: what a wheel must have in it, and what it must keep to itself."""

from __future__ import annotations

import subprocess
from importlib import metadata
from pathlib import Path

import srr
from srr import _native

SOURCE = Path(__file__).parents[2] / "srr"
INSTALLED = Path(srr.__file__).parent


def test_it_is_not_the_source_that_is_tested() -> None:
    assert INSTALLED != SOURCE


def test_every_file_is_installed_as_it_is_in_the_source() -> None:
    """Also the stub and py.typed, without which users' type checkers see nothing. Stale: run make."""
    files = [path.relative_to(SOURCE) for path in SOURCE.rglob("*") if path.is_file()]
    files = [
        path for path in files if path.parts[0] != "native" and "__pycache__" not in path.parts and path.suffix != ".so"
    ]
    assert Path("py.typed") in files
    assert Path("_native.pyi") in files
    missing = [str(path) for path in files if not (INSTALLED / path).is_file()]
    stale = [
        str(path)
        for path in files
        if str(path) not in missing and (INSTALLED / path).read_bytes() != (SOURCE / path).read_bytes()
    ]
    assert (missing, stale) == ([], [])


def test_the_programs_of_the_tracer_are_installed() -> None:
    source = SOURCE.parent / "bpf"
    files = [path.relative_to(source) for path in source.rglob("*") if path.is_file()]
    assert Path("srr.c") in files
    assert [path for path in files if (INSTALLED / "bpf" / path).read_bytes() != (source / path).read_bytes()] == []


def test_version_is_one() -> None:
    assert metadata.version("srr") == srr.__version__


def test_extension_is_for_every_python_from_3_11_on() -> None:
    assert Path(str(_native.__file__)).name == "_native.abi3.so"
    wheel = metadata.distribution("srr").read_text("WHEEL")
    assert wheel is not None
    assert "Tag: cp311-abi3-" in wheel


def test_extension_exports_its_entry_alone() -> None:
    """The core inside must not meet another copy of libsrr in the same process."""
    listed = subprocess.run(
        ["nm", "-D", "--defined-only", "--format=posix", str(_native.__file__)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert {line.split()[0] for line in listed.stdout.splitlines()} == {"PyInit__native"}
