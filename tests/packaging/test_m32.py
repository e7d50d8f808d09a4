"""Processes of 32 bits and of 64 are one another's clients and servers."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from drive import Company
from installed import ROOT, installed, without
from wire import shown

HERE = Path(__file__).parent
CORE = ROOT / "srr" / "native"
BOTH = [64, 32]

#: The first test compiles the libraries.
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    folder = tmp_path_factory.mktemp("wide")
    warnings = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE")
    return {bits: installed(bits).compile(HERE / "wide.c", folder / f"wide{bits}", "srr", *warnings) for bits in BOTH}


def test_they_are_what_they_are_called(wide: dict[int, Path]) -> None:
    """The fifth byte of an ELF file: 1, 32 bits; 2, 64 bits. Of the libraries, too."""
    for bits, program in wide.items():
        found = installed(bits)
        files = [program, *(found.lib / f"{name}.so" for name in ("libsrr", "libsrr-qnx4", "libsrr-device"))]
        assert {path.read_bytes()[4] for path in files} == {bits // 32}


@pytest.mark.parametrize("inline", [None, "0"], ids=["inline", "direct"])
@pytest.mark.parametrize("client", BOTH)
@pytest.mark.parametrize("server", BOTH)
def test_every_size_both_ways(wide: dict[int, Path], server: int, client: int, inline: str | None) -> None:
    """0 to 3,000,000 bytes in 1 to 255 parts, read and written at all offsets; bad addresses of either side."""
    environment = without("LD_LIBRARY_PATH", "LD_PRELOAD") | ({} if inline is None else {"SRR_INLINE": inline})
    with subprocess.Popen([wide[server]], env=environment, stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        try:
            pid = serving.stdout.readline().strip()
            asking = subprocess.run([wide[client], pid], env=environment, capture_output=True, text=True, timeout=50)
            assert (asking.returncode, asking.stderr) == (0, "")
            assert serving.wait(10) == 0
        finally:
            serving.kill()


def test_python_and_32_bits_meet(company: Company, tmp_path: Path) -> None:
    """Python sends a long message to a 32-bit server, and receives one of a 32-bit client."""
    source = tmp_path / "echo.c"
    source.write_text(ECHO)
    program = installed(32).compile(source, tmp_path / "echo", "srr")
    partner = company.start()
    with subprocess.Popen([program], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        pid = int(server.stdout.readline())
        sent = bytes(range(256)) * 4000
        assert partner.do("send", to=pid, message=sent, room=len(sent)) == shown(sent[::-1])
        assert server.wait(10) == 0
    taking = partner.order("receive")
    with subprocess.Popen([program, str(partner.pid)], stdout=subprocess.PIPE, text=True) as client:
        assert taking.result().nbytes == 1_024_000
        partner.do("reply", data=b"thanks")
        assert client.communicate(timeout=10)[0] == "thanks\n"


ECHO = r"""
#include <srr.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static char data[1024000];
int main(int argc, char **argv)
{
    struct iovec all = {data, sizeof data}, text = {data, 79};
    struct srr_message got;
    if (argc > 1) {
        int r = srr_send(atoi(argv[1]), &all, 1, &text, 1, 0, 0);
        puts(data);
        return r;
    }
    printf("%d\n", (int)getpid());
    fflush(stdout);
    if (srr_receive(0, &all, 1, 0, &got) != 0)
        return 1;
    for (unsigned i = 0; i < got.copied / 2; i++) {
        char c = data[i];
        data[i] = data[got.copied - 1 - i];
        data[got.copied - 1 - i] = c;
    }
    return srr_reply(got.id, &all, 1) != (int64_t)got.copied;
}
"""


@pytest.mark.parametrize("flag", ["-m64", "-m32"])
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_table_has_one_layout(compiler: str, flag: str) -> None:
    """layout.h asserts where everything is: compiling it is the test."""
    installed(32)  # or skips
    if not shutil.which(compiler):
        pytest.skip(f"{compiler} is not installed")
    includes = [f"-I{CORE / folder}" for folder in ("core", "include")]
    command = [compiler, flag, "-std=gnu11", "-fsyntax-only", *includes, "-x", "c", str(CORE / "core" / "layout.h")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
