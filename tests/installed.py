"""The C libraries as `make install` puts them, in a folder that lasts as long as the test run; users of them."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def without(*names: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in names}


def make_install(prefix: Path | str, **variables: str) -> None:
    """make install, with none of an outer make's variables."""
    command = ["make", "install", f"PREFIX={prefix}", *(f"{name}={value}" for name, value in variables.items())]
    environment = without("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PREFIX", "DESTDIR", "LIBDIR", "M32", "CC")
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@dataclass(frozen=True)
class Installed:
    prefix: Path
    bits: int

    @property
    def lib(self) -> Path:
        return self.prefix / ("lib" if self.bits == 64 else "lib32")

    @property
    def machine(self) -> list[str]:
        return [] if self.bits == 64 else ["-m32"]

    def config(self, *arguments: str) -> list[str]:
        """What pkg-config answers, with these packages and no others of the machine."""
        environment = without("PKG_CONFIG_PATH") | {"PKG_CONFIG_LIBDIR": str(self.lib / "pkgconfig")}
        done = subprocess.run(["pkg-config", *arguments], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    def compile(
        self, source: Path, program: Path, package: str, *flags: str, compiler: str = "cc", static: bool = False
    ) -> Path:
        """Compiled as a user would: cc $(pkg-config --cflags ...) source.c $(pkg-config --libs ...)."""
        command = [compiler, *self.machine, *flags, *(["-static"] if static else [])]
        command += [*self.config("--cflags", package), str(source), "-o", str(program)]
        command += self.config("--libs", *(["--static"] if static else []), package)
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"
        return program


def makes_32_bits() -> bool:
    program = "#include <stdio.h>\nint main(void) { return 0; }\n"
    command = ["cc", "-m32", "-x", "c", "-o", os.devnull, "-"]
    return subprocess.run(command, input=program, capture_output=True, text=True).returncode == 0


@functools.cache
def installed(bits: int = 64) -> Installed:
    """Installed once a test run. 32 bits: skips the test where the compiler has none."""
    if not shutil.which("pkg-config"):
        pytest.skip("pkg-config is not installed")
    if bits == 32 and not makes_32_bits():
        pytest.skip("cc -m32 does not work: Debian's gcc-multilib is missing")
    prefix = Path(tempfile.mkdtemp(prefix="srr-installed-"))
    atexit.register(shutil.rmtree, prefix, ignore_errors=True)
    make_install(prefix, **({"M32": "1"} if bits == 32 else {}))
    return Installed(prefix, bits)
