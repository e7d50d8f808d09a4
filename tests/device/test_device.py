"""/dev/srr without a kernel module: programs that know nothing of the library, which is preloaded or linked."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from drive import Company
from installed import ROOT, Installed, installed, without

PROGRAMS = Path(__file__).parent / "programs"
EXAMPLES = ROOT / "docs" / "examples"
WARNINGS = ("-std=gnu11", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE")

#: The first test compiles the libraries.
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module", params=[64, 32])
def libraries(request: pytest.FixtureRequest) -> Installed:
    return installed(int(request.param))


def preloading(libraries: Installed) -> dict[str, str]:
    (library,) = libraries.config("--variable=preload", "srr-device")
    return without("LD_LIBRARY_PATH") | {"LD_PRELOAD": library}


def unaware(libraries: Installed, source: Path, program: Path, *flags: str) -> Path:
    """Compiled with the header alone: it links nothing of ours."""
    command = ["cc", *libraries.machine, *WARNINGS, *flags, *libraries.config("--cflags", "srr-device")]
    done = subprocess.run([*command, str(source), "-o", str(program)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "srr" not in subprocess.check_output(["ldd", program], text=True).replace(str(program), "")
    return program


def check(program: Path, environment: dict[str, str], *arguments: str) -> None:
    done = subprocess.run([program, *arguments], env=environment, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", ["exchange", "errors", "alarms", "execs"])
def test_program_that_knows_the_device_only(libraries: Installed, tmp_path: Path, name: str) -> None:
    check(unaware(libraries, PROGRAMS / f"{name}.c", tmp_path / name), preloading(libraries))


@pytest.mark.parametrize("name", ["exchange", "errors", "alarms", "execs"])
def test_program_that_is_linked_with_the_library(libraries: Installed, tmp_path: Path, name: str) -> None:
    program = libraries.compile(PROGRAMS / f"{name}.c", tmp_path / name, "srr-device", *WARNINGS)
    check(program, without("LD_LIBRARY_PATH", "LD_PRELOAD"))


@pytest.mark.parametrize("flags", [(), ("-O2", "-D_FORTIFY_SOURCE=2"), ("-D_FILE_OFFSET_BITS=64",)], ids=str)
def test_everything_else_is_libcs(libraries: Installed, tmp_path: Path, flags: tuple[str, ...]) -> None:
    program = unaware(libraries, PROGRAMS / "untouched.c", tmp_path / "untouched", *flags)
    if "-O2" in flags:
        calls = subprocess.check_output(["nm", "-u", program], text=True)
        assert "__open_2" in calls and "__openat64_2" in calls
    folder = tmp_path / "files"
    folder.mkdir()
    check(program, preloading(libraries), str(folder))


def test_without_the_library_there_is_no_device(libraries: Installed, tmp_path: Path) -> None:
    """So that the tests above show what the library does."""
    program = unaware(libraries, PROGRAMS / "exchange.c", tmp_path / "exchange")
    environment = without("LD_PRELOAD")
    done = subprocess.run([program], env=environment, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert "first >= 0" in done.stderr


@contextmanager
def serving(command: list[str | Path], environment: dict[str, str]) -> Iterator[int]:
    """A server that prints its pid when it is ready to be sent to."""
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        pid = int(server.stdout.readline())
        assert pid == server.pid
        yield pid
        assert server.poll() is None
        server.kill()


Build = Callable[[str, int], tuple[Path, dict[str, str]]]


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """A server or client of one of the C interfaces, and the environment that it runs in."""
    made: dict[tuple[str, int], tuple[Path, dict[str, str]]] = {}

    def built(name: str, bits: int) -> tuple[Path, dict[str, str]]:
        if (name, bits) not in made:
            libraries, program = installed(bits), tmp_path_factory.mktemp(name) / name
            environment = without("LD_LIBRARY_PATH", "LD_PRELOAD")
            if name.startswith("device"):
                unaware(libraries, EXAMPLES / f"{name}.c", program)
                environment = preloading(libraries)
            elif name == "peer_qnx4":
                libraries.compile(PROGRAMS / "peer_qnx4.c", program, "srr-qnx4", "-std=gnu89")
            else:
                libraries.compile(PROGRAMS / f"{name}.c", program, "srr", *WARNINGS)
            made[name, bits] = program, environment
        return made[name, bits]

    return built


PAIRS = [
    ("device_server", "device_client"),
    ("device_server", "peer_srr"),
    ("device_server", "peer_qnx4"),
    ("peer_srr", "device_client"),
    ("peer_qnx4", "device_client"),
]


@pytest.mark.parametrize("bits", [(64, 64), (64, 32), (32, 64), (32, 32)], ids=str)
@pytest.mark.parametrize(("server", "client"), PAIRS)
def test_interfaces_meet(build: Build, server: str, client: str, bits: tuple[int, int]) -> None:
    program, environment = build(server, bits[0])
    with serving([program], environment) as pid:
        program, environment = build(client, bits[1])
        for text in ("stressed", "x", "was it a car or a cat I saw"):
            printed = subprocess.check_output([program, str(pid), text], env=environment, text=True, timeout=30)
            assert printed == text[::-1] + "\n"


@pytest.mark.parametrize("bits", [64, 32])
def test_device_and_python_meet(build: Build, company: Company, bits: int) -> None:
    partner = company.start()
    program, environment = build("device_server", bits)
    with serving([program], environment) as pid:
        assert partner.do("send", to=pid, message=b"stressed", room=80) == b"desserts"
    serving_one = partner.order("serve", count=1)
    program, environment = build("device_client", bits)
    printed = subprocess.check_output([program, str(partner.pid), "drawer"], env=environment, text=True, timeout=30)
    assert printed == "reward\n"
    serving_one.result()


def test_sender_is_told_of_the_servers_death(libraries: Installed, build: Build) -> None:
    program, environment = build("device_client", libraries.bits)
    with subprocess.Popen(["true"]) as gone:
        pass
    done = subprocess.run(
        [program, str(gone.pid), "anybody?"], env=environment, capture_output=True, text=True, timeout=30
    )
    assert (done.returncode, done.stderr) == (1, f"SRRSEND: {os.strerror(3)}\n")


HEADER = """
#include <srr/device.h>
#include <srr.h>
#include <srr/device.h>
extern struct srr_send a;
extern struct srr_receive b;
extern struct srr_reply c;
int use(void);
int use(void)
{
    if (srr_device_ioctl(SRRSEND, &a) || srr_device_ioctl(SRRRECEIVE, &b))
        return 1;
    return srr_device_ioctl(SRRREPLY, &c);
}
"""
LANGUAGES = [("c", "gnu89"), ("c", "gnu11"), ("c", "gnu17"), ("c++", "c++11"), ("c++", "c++17")]
#: Without C++ of 32 bits, whose headers few machines have.
CASES = [(bits, *case) for case in LANGUAGES for bits in (64, 32) if (bits, case[0]) != (32, "c++")]


@pytest.mark.parametrize(("bits", "language", "standard"), CASES)
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_header_is_for_everybody(compiler: str, bits: int, language: str, standard: str) -> None:
    """Beside srr.h, and with the same requests and sizes where structures are packed."""
    libraries = installed(bits)
    checks = "".join(
        f"typedef char {name}_is_as_elsewhere[sizeof(struct {name}) == {size} ? 1 : -1];\n"
        for name, size in zip(["srr_send", "srr_receive", "srr_reply"], sizes(bits), strict=True)
    )
    command = [compiler, *libraries.machine, "-x", language, f"-std={standard}", "-fsyntax-only", "-fpack-struct=1"]
    command += ["-Wall", "-Wextra", "-Werror", *libraries.config("--cflags", "srr-device"), "-"]
    if not speaks(compiler, language):
        pytest.skip(f"{compiler} has no {language} here")
    done = subprocess.run(command, input=HEADER + checks, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def sizes(bits: int) -> list[int]:
    """int, size_t, pointer, size_t, pointer, each where its own size puts it."""
    return [40, 24, 24] if bits == 64 else [20, 12, 12]


def speaks(compiler: str, language: str) -> bool:
    program = "#include <cstddef>\n" if language == "c++" else "#include <stddef.h>\n"
    command = [compiler, "-x", language, "-fsyntax-only", "-"]
    return bool(shutil.which(compiler)) and subprocess.run(command, input=program, text=True).returncode == 0
